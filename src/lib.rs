//! Palisade: policy as code for the public edge of a cloud.
//!
//! Job files and queries are parsed and checked ([`lang`]); connectors bring in inventories ([`connector`],
//! [`inventory`]); a job over an inventory becomes a plan of warranted targets ([`plan`]); the plan is scanned
//! ([`scan`]); open ports are talked to ([`service`]); what was seen is judged ([`judge`]); findings become reports
//! ([`report`]); everything is stored ([`store`]); [`run`] names every stage in order, and [`repl`] and [`cli`] are
//! thin faces over it.
//!
//! A folder imports only folders before it in this list: base, inventory, lang, connector, plan, scan, service, judge,
//! script, report, store, run, repl, cli. `tests/tidy.rs` checks it.

pub mod base;
pub mod cli;
pub mod connector;
pub mod inventory;
pub mod judge;
pub mod lang;
pub mod plan;
pub mod repl;
pub mod report;
pub mod run;
pub mod scan;
pub mod script;
pub mod service;
pub mod store;
