//! Queries with meaning: checked against the catalogue, evaluated over a snapshot, explained.

pub mod check;
mod date;
mod element;
mod evaluate;
pub mod explain;
pub mod facts;
mod lint;
mod matcher;
pub mod predicate;
pub mod tags;
mod value;
mod words;
