//! Facts of a host that the scan itself has seen.

use super::evidence::{Fact, Facts};
use crate::lang::job::Protocol;
use crate::plan::plan::ProbeSet;
use crate::scan::observation::{HostObservation, HostState, PortState, Reason};

/// Ports, counts, times and the time to live of answers.
pub(super) fn facts(seen: &HostObservation, probes: &ProbeSet) -> Facts {
    let mut facts = Facts::default();
    let open = |protocol: Protocol| -> Vec<String> {
        let ports = seen.ports.iter().filter(|p| p.protocol == protocol && p.state == PortState::Open);
        ports.map(|p| p.port.to_string()).collect()
    };
    let tcp = open(Protocol::Tcp);
    // A host that accepts on everything it was asked, and was asked enough for that to mean something.
    let asked = probes.tcp.len() as usize;
    if asked >= 32 {
        facts.set("ports.all_open", tcp.len() == asked);
    }
    facts.set("ports.tcp.open", tcp);
    facts.set("ports.udp.open", open(Protocol::Udp));
    for (state, n) in &seen.counts {
        facts.set(&format!("ports.counts.{}", state.as_str()), i64::from(*n));
    }
    match seen.state {
        HostState::Up(Reason::EchoReply) => facts.set("icmp.echo", true),
        HostState::Up(_) | HostState::Down | HostState::Unknown => {}
    }
    if let Some(ttl) = seen.ports.iter().filter(|p| p.protocol == Protocol::Tcp).find_map(|p| p.ttl) {
        facts.set("tcp.ttl", i64::from(ttl));
    }
    if let Some((started, finished)) = seen.span {
        facts.set("scan.started", Fact::Date(started));
        facts.set("scan.finished", Fact::Date(finished));
    }
    facts
}
