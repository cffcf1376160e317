//! What there is: assets with interfaces and addresses, the field catalogue, partitions and gaps, the columnar
//! snapshot, static and dynamic tags. Nothing here knows where assets came from.

pub mod asset;
pub mod catalogue;
pub mod partition;
pub mod snapshot;
