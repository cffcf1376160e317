//! From a job and an inventory to warranted targets: the funnel with a reason for every loss, resolution, warrants,
//! exclusions, cost bound, plan hash, order and shards. Sends no packet.

mod address;
mod arrange;
pub mod cost;
mod funnel;
mod hash;
pub mod hook;
pub mod lease;
pub mod order;
#[expect(clippy::module_inception, reason = "the plan is what this room makes, and its name in every sentence")]
pub mod plan;
pub mod planner;
pub mod ports;
pub mod resolve;
#[cfg(test)]
pub(crate) mod sample;
pub mod shard;
pub mod target;
pub mod why;
