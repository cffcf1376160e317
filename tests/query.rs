//! Queries over small inventories: the conformance set, and a naive evaluator that must agree.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod conformance;
mod explain;
mod limits;
mod naive;
mod tags;
