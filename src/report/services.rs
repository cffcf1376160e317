//! Services in the results document: what conversations recognised, by its behaviour.

use std::collections::HashMap;

use super::model::Results;
use crate::service::evidence::HostEvidence;

/// Fills in the services of the ports. One pass over each side: a run may have as many hosts as there are addresses.
pub fn fill(results: &mut Results, hosts: &[HostEvidence]) {
    let talked = hosts.iter().filter(|h| !h.services.is_empty());
    let seen: HashMap<(String, &str), &HostEvidence> = talked.map(|h| ((h.addr.to_string(), &*h.asset), h)).collect();
    for record in &mut results.hosts {
        let Some(host) = seen.get(&(record.address.clone(), &*record.asset)) else { continue };
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
