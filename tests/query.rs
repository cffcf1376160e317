//! Queries over small inventories: the conformance set, and a naive evaluator that must agree.

mod conformance;
mod explain;
mod limits;
mod naive;
mod tags;
