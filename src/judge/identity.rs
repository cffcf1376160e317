//! What makes a finding the same finding: the provider's resource id, transport and port, check and key. Addresses and
//! names may change. Architecture, decision 6; product.md want 22.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::lang::job::Protocol;

/// `f-` and 16 hex digits. The parts are length-prefixed, so that no part can pass for another.
pub fn finding_id(asset: &str, port: Option<(u16, Protocol)>, check: &str, key: &str) -> Arc<str> {
    let service = port.map_or_else(|| "host".to_owned(), |(port, protocol)| format!("{}/{port}", protocol.as_str()));
    let mut digest = Sha256::new();
    for part in ["palisade finding 1", asset, &service, check, key] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    let hex: String = digest.finalize().iter().take(8).map(|b| format!("{b:02x}")).collect();
    format!("f-{hex}").into()
}
