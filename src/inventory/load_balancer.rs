//! Load balancers: names that can be scanned beside assets. Guide rules E8, E9, E12.

use std::net::IpAddr;
use std::sync::Arc;

use super::asset::Provider;
use super::partition::PartitionId;

/// One load balancer as a connector delivers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadBalancer {
    /// Its public DNS name.
    pub name: Arc<str>,
    /// Provider resource id; the name where there is none.
    pub id: Arc<str>,
    /// Whose cloud.
    pub provider: Provider,
    /// Connector that brought it.
    pub connector: Arc<str>,
    /// Region code; empty where unknown.
    pub region: Arc<str>,
    /// The partition it was read in.
    pub partition: PartitionId,
    /// True only where the provider says so.
    pub internet_facing: bool,
    /// False where the provider says that it does not serve.
    pub active: bool,
    /// Addresses the provider publishes for it; often none.
    pub addresses: Vec<IpAddr>,
}
