//! Services in the results document: what conversations recognised, by its behaviour.

use super::model::Results;
use crate::service::evidence::HostEvidence;

/// Fills in the services of the ports.
pub fn fill(results: &mut Results, hosts: &[HostEvidence]) {
    for host in hosts {
        let address = host.addr.to_string();
        let records = results.hosts.iter_mut().filter(|h| h.address == address && *h.asset == *host.asset);
        for port in records.flat_map(|h| &mut h.ports) {
            let seen = host.services.iter().find(|s| s.port == port.port && s.protocol.as_str() == port.protocol);
            if let Some(service) = seen.and_then(|s| s.service.as_ref()) {
                port.service = Some(service.shown());
                port.product = service.product.clone();
                port.version = service.version.clone();
            }
        }
    }
}
