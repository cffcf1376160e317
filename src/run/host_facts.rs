//! Facts of a host that its conversations cannot tell: how its stack behaves, what its address points to, how sure the
//! scan is, and who confirmed that the address is ours.

use std::collections::HashMap;
use std::net::IpAddr;

use super::aside::Aside;
use crate::plan::lease::Leases;
use crate::scan::ScanOutcome;
use crate::scan::observation::{HostObservation, HostState, PortState, Reason};
use crate::scan::study::{Sample, Traits};
use crate::service::evidence::{Facts, HostEvidence};

/// What the run learned beside the conversations.
pub(super) struct Beside<'a> {
    pub(super) aside: &'a Aside,
    pub(super) leases: Option<&'a Leases>,
}

impl Beside<'_> {
    /// Sets what is known of each host.
    pub(super) fn tell(&self, hosts: &mut [HostEvidence], outcome: &ScanOutcome) {
        let told = |h: &&HostObservation| self.leases.is_some() || matches!(h.state, HostState::Up(_));
        let seen: HashMap<IpAddr, &HostObservation> = outcome.hosts.iter().filter(told).map(|h| (h.addr, h)).collect();
        for host in hosts {
            if let Some(seen) = seen.get(&host.addr) {
                self.one(&mut host.facts, seen, outcome);
            }
        }
    }

    fn one(&self, facts: &mut Facts, seen: &HostObservation, outcome: &ScanOutcome) {
        if let Some(leases) = self.leases {
            facts.set("lease", leases.confirmation(seen.addr).into_iter().collect::<Vec<String>>());
        }
        if !matches!(seen.state, HostState::Up(_)) {
            return;
        }
        let mut untested = self.aside.untested.clone();
        if let HostState::Up(Reason::EchoReply) = seen.state {
            facts.set("icmp.echo", true);
        }
        if let HostState::Up(Reason::TimestampReply) = seen.state {
            facts.set("icmp.timestamp", true);
        }
        if let Some(ttl) = seen.ports.iter().find(|p| p.reason == Reason::SynAck).and_then(|p| p.ttl) {
            facts.set("tcp.ttl", i64::from(ttl));
        }
        if let Some(traits) = self.aside.traits.get(&seen.target) {
            stack(facts, traits);
            if !seen.ports.iter().any(|p| p.reason == Reason::SynAck) {
                untested.extend(["tcp", "ip"].map(|group| format!("{group}: no TCP port is open")));
            }
            if seen.addr.is_ipv6() {
                untested.push("ip: IPv6 packets have no id unless they are fragments".into());
            }
        }
        if let Some(saved) = outcome.every.get(&seen.target) {
            facts.set("ports.all_open", true);
            facts.set("ports.saved", i64::try_from(*saved).unwrap_or(i64::MAX));
        } else if seen.counts.keys().any(|s| *s != PortState::Open) {
            facts.set("ports.all_open", false);
        }
        self.names(facts, seen.addr, &mut untested);
        if let Some(recall) = outcome.recall.as_ref().filter(|r| r.tally.tries > 0) {
            facts.set("scan.loss", format!("{:.2} % of {} tries", recall.tally.loss() * 100.0, recall.tally.tries));
        }
        if self.leases.is_none() {
            untested.push("lease: the inventory is a recorded one; no provider was asked".into());
        }
        if !untested.is_empty() {
            facts.set("untested", untested);
        }
    }

    fn names(&self, facts: &mut Facts, addr: IpAddr, untested: &mut Vec<String>) {
        let Some(pointer) = self.aside.pointers.get(&addr) else { return };
        if let Some(why) = &pointer.error {
            untested.push(format!("dns: {why}"));
            return;
        }
        facts.set("dns.ptr", pointer.names.first().cloned().unwrap_or_default());
        if !pointer.forward.is_empty() {
            facts.set("dns.forward", pointer.forward.iter().map(ToString::to_string).collect::<Vec<_>>());
        }
        let mut names = facts.list("names").map(<[String]>::to_vec).unwrap_or_default();
        names.extend(pointer.names.iter().map(|name| format!("pointer of the address:{name}")));
        if !names.is_empty() {
            facts.set("names", names);
        }
    }
}

/// What its packets showed.
fn stack(facts: &mut Facts, traits: &Traits) {
    for (path, answered) in [("icmp.echo", traits.echo), ("icmp.timestamp", traits.timestamp)] {
        if let Some(answered) = answered {
            facts.set(path, answered);
        }
    }
    if let Some(ttl) = traits.ping_ttl {
        facts.set("icmp.ttl", i64::from(ttl));
    }
    if let Some(shape) = &traits.shape {
        facts.set("tcp.ttl", i64::from(shape.ttl));
        facts.set("tcp.window", i64::from(shape.window));
        facts.set("tcp.options", shape.options.as_str());
        if let Some(mss) = shape.mss {
            facts.set("tcp.mss", i64::from(mss));
        }
    }
    if traits.samples.is_empty() {
        return;
    }
    let listed = |of: &dyn Fn(&Sample) -> Option<String>| traits.samples.iter().filter_map(of).collect::<Vec<_>>();
    facts.set("tcp.isn", listed(&|s| Some(s.sequence.to_string())));
    let ids = listed(&|s| s.ip_id.map(|id| id.to_string()));
    if !ids.is_empty() {
        facts.set("ip.ids", ids);
    }
    // A SYN-ACK without the option shows that the host has no clock to tell.
    let first = traits.samples.iter().find(|s| s.timestamp.is_some()).map_or(0, |s| s.at_ms);
    facts.set(
        "tcp.timestamps",
        listed(&|s| s.timestamp.map(|value| format!("{}:{value}", s.at_ms.saturating_sub(first)))),
    );
}
