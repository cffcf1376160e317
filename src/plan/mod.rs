//! From a job and an inventory to warranted targets: the funnel with a reason for every loss, resolution, warrants,
//! exclusions, cost bound, plan hash, order and shards. Sends no packet.

pub mod plan;
pub mod target;
