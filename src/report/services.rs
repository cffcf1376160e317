//! Services in the results document: what conversations recognised, by its behaviour.

use std::collections::HashMap;

use super::model::Results;
use crate::service::evidence::HostEvidence;

/// Fills in the services of the ports.
pub fn fill(results: &mut Results, hosts: &[HostEvidence]) {
    let known: HashMap<(&str, String), &HostEvidence> =
        hosts.iter().map(|h| ((&*h.asset, h.addr.to_string()), h)).collect();
    for record in &mut results.hosts {
        let Some(host) = known.get(&(record.asset.as_str(), record.address.clone())) else { continue };
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
