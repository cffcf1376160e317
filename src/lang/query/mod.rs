//! Queries with meaning: checked against the catalogue, evaluated over a snapshot, explained.

pub mod predicate;
