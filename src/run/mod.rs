//! The pipeline: the one place that names every stage in order. It opens files and clocks and hands them on; it holds
//! no logic of a stage.

mod aside;
pub mod ask;
pub mod compare;
pub mod demo;
pub mod env;
pub mod error;
pub mod evidence;
pub mod files;
mod host_facts;
mod imagined;
pub mod inventory;
pub mod judge;
mod leases;
mod names;
mod parts;
pub mod pipeline;
pub mod report;
mod stored;
pub mod sync;
pub mod talk;
pub mod unit_test;
pub mod watch;
pub mod workspace;
