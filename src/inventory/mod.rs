//! What there is: assets with interfaces and addresses, the field catalogue, partitions and gaps, the columnar
//! snapshot, static and dynamic tags. Nothing here knows where assets came from.

pub mod activation;
pub mod asset;
mod build;
pub mod catalogue;
mod column;
mod file;
pub mod load_balancer;
pub mod partition;
pub mod reconcile;
mod record;
pub mod region;
mod restore;
pub mod snapshot;
pub mod stale;
pub mod synthetic;
