//! Services in the results document: what conversations recognised, by its behaviour.

use std::collections::HashMap;

use super::model::Results;
use crate::service::evidence::HostEvidence;

/// Fills in the services of the ports.
pub fn fill(results: &mut Results, hosts: &[HostEvidence]) {
    let mut by_asset: HashMap<&str, Vec<(String, &HostEvidence)>> = HashMap::new();
    for host in hosts.iter().filter(|h| !h.services.is_empty()) {
        by_asset.entry(&host.asset).or_default().push((host.addr.to_string(), host));
    }
    if by_asset.is_empty() {
        return;
    }
    for record in &mut results.hosts {
        let own = by_asset.get(record.asset.as_str()).into_iter().flatten().filter(|(at, _)| *at == record.address);
        for (_, host) in own {
            for port in &mut record.ports {
                let seen = host.services.iter().find(|s| s.port == port.port && s.protocol.as_str() == port.protocol);
                if let Some(service) = seen.and_then(|s| s.service.as_ref()) {
                    port.service = Some(service.shown());
                    port.product = service.product.clone();
                    port.version = service.version.clone();
                }
            }
        }
    }
}
