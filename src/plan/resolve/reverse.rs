//! Addresses to names and back: which name an address points to, and where that name leads. RFC 1035 3.5.

use std::net::IpAddr;

use futures_util::stream::{self, StreamExt};
use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::RData;

use super::{Hickory, cause};
use crate::base::progress::{Stop, StopWish};

/// Names kept of one address.
const NAMES: usize = 16;

/// What an address points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer {
    /// The address asked about.
    pub addr: IpAddr,
    /// Names it points to, sorted, without the last dot; none where the zone says that there is none.
    pub names: Vec<String>,
    /// Where the first of them leads.
    pub forward: Vec<IpAddr>,
    /// Why nothing is known.
    pub error: Option<String>,
}

impl Hickory {
    /// Asks about many addresses; one answer each, in order. Sends to this resolver's servers alone.
    pub fn reverse(&self, addrs: &[IpAddr], stop: &Stop) -> Vec<Pointer> {
        let failed = |why: &str| {
            let pointer =
                |a: &IpAddr| Pointer { addr: *a, names: Vec::new(), forward: Vec::new(), error: Some(why.to_owned()) };
            addrs.iter().map(pointer).collect()
        };
        if addrs.is_empty() {
            return Vec::new();
        }
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return failed(&error.to_string()),
        };
        runtime.block_on(async {
            match self.build() {
                Ok(resolver) => {
                    let all = addrs.iter().map(|addr| self.pointer(&resolver, *addr, stop));
                    stream::iter(all).buffered(self.in_flight.max(1)).collect().await
                }
                Err(why) => failed(&why),
            }
        })
    }

    async fn pointer(&self, resolver: &TokioResolver, addr: IpAddr, stop: &Stop) -> Pointer {
        let mut pointer = Pointer { addr, names: Vec::new(), forward: Vec::new(), error: None };
        if stop.wish() != StopWish::None {
            pointer.error = Some("interrupted".into());
            return pointer;
        }
        match tokio::time::timeout(self.timeout, resolver.reverse_lookup(addr)).await {
            Err(_) => pointer.error = Some("timed out".into()),
            Ok(Err(error)) if error.is_nx_domain() || error.is_no_records_found() => {}
            Ok(Err(error)) => pointer.error = Some(cause(&error).to_string()),
            Ok(Ok(found)) => {
                let name = |data: &RData| match data {
                    RData::PTR(name) => Some(name.to_string().trim_end_matches('.').to_ascii_lowercase()),
                    _ => None,
                };
                pointer.names = found.answers().iter().filter_map(|r| name(&r.data)).take(NAMES).collect();
                pointer.names.sort();
            }
        }
        if let Some(first) = pointer.names.first() {
            let forward = tokio::time::timeout(self.timeout, resolver.lookup_ip(format!("{first}."))).await;
            if let Ok(Ok(found)) = forward {
                pointer.forward = found.iter().map(|a| a.to_canonical()).take(self.addresses_per_name).collect();
                pointer.forward.sort();
                pointer.forward.dedup();
            }
        }
        pointer
    }
}
