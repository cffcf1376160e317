//! Evidence of a run made whole: every host that was sent to, with what the scan, the plan and the inventory know of it,
//! so that it can be judged later without any of them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::inventory::asset::Provider;
use crate::inventory::catalogue::{self, TokenId, ids};
use crate::inventory::snapshot::Snapshot;
use crate::lang::job::Protocol;
use crate::lang::query::facts::text;
use crate::plan::plan::Plan;
use crate::scan::ScanOutcome;
use crate::scan::observation::{HostObservation, HostState, PortState};
use crate::service::evidence::{Facts, HostEvidence};

/// The guide's block of cloud facts, rules B10 and L5.
fn block(provider: Provider) -> &'static [TokenId] {
    match provider {
        Provider::Aws => &[
            ids::AWS_PUBLIC_DNS,
            ids::AWS_IMAGE,
            ids::AWS_VPC,
            ids::AWS_STATE,
            ids::AWS_PRIVATE_DNS,
            ids::AWS_TYPE,
            ids::AWS_ACCOUNT,
            ids::AWS_REGION,
        ],
        Provider::Azure => &[
            ids::AZURE_VM_ID,
            ids::AZURE_LOCATION,
            ids::AZURE_STATE,
            ids::AZURE_SIZE,
            ids::AZURE_GROUP,
            ids::AZURE_SUBSCRIPTION,
            ids::AZURE_NETWORK,
            ids::AZURE_PRIVATE_IP,
        ],
        Provider::Gcp => &[
            ids::GCP_INSTANCE,
            ids::GCP_ZONE,
            ids::GCP_STATE,
            ids::GCP_TYPE,
            ids::GCP_PROJECT,
            ids::GCP_NETWORK,
            ids::GCP_HOSTNAME,
        ],
    }
}

/// Adds what the scan, the plan and the inventory know, and the hosts that nobody talked to.
pub fn whole(talked: Vec<HostEvidence>, plan: &Plan, outcome: &ScanOutcome, snapshot: &Snapshot) -> Vec<HostEvidence> {
    let mut by_target: HashMap<(Arc<str>, IpAddr), HostEvidence> =
        talked.into_iter().map(|h| ((Arc::clone(&h.asset), h.addr), h)).collect();
    let mut packets: HashMap<String, i64> = HashMap::new();
    for (entry, n) in outcome.ledger.lines() {
        *packets.entry(entry.destination.to_string()).or_default() += i64::from(n);
    }
    let mut hosts = Vec::with_capacity(outcome.hosts.len());
    for seen in &outcome.hosts {
        let Some(target) = plan.targets.get(seen.target as usize) else { continue };
        let asset = &target.warrant().asset;
        let mut host = by_target.remove(&(Arc::clone(asset), target.addr())).unwrap_or_else(|| HostEvidence {
            asset: Arc::clone(asset),
            addr: target.addr(),
            name: target.name().cloned(),
            facts: Facts::default(),
            services: Vec::new(),
            unattributed: false,
        });
        scanned(&mut host.facts, seen, plan, outcome);
        if let Some(n) = packets.get(&target.addr().to_string()) {
            host.facts.set("scan.packets", *n);
        }
        inventory(&mut host.facts, asset, snapshot);
        names(&mut host, plan);
        hosts.push(host);
    }
    hosts
}

fn scanned(facts: &mut Facts, seen: &HostObservation, plan: &Plan, outcome: &ScanOutcome) {
    let state = match seen.state {
        HostState::Up(reason) => {
            facts.set("host.reason", reason.describe());
            "up"
        }
        HostState::Down => "down",
        HostState::Unknown => "unknown",
    };
    facts.set("host.state", state);
    let in_state = |protocol: Protocol, state: PortState| -> Vec<String> {
        let ports = seen.ports.iter().filter(|p| p.protocol == protocol && p.state == state);
        ports.map(|p| p.port.to_string()).collect()
    };
    for (protocol, asked) in [(Protocol::Tcp, &plan.probes.tcp), (Protocol::Udp, &plan.probes.udp)] {
        let path = |what: &str| format!("ports.{}.{what}", protocol.as_str());
        if !asked.is_empty() {
            facts.set(&path("asked"), asked.to_string());
        }
        facts.set(&path("open"), in_state(protocol, PortState::Open));
        let silent = in_state(protocol, PortState::OpenOrFiltered);
        if !silent.is_empty() {
            facts.set(&path("silent"), silent);
        }
    }
    let planned = u64::from(plan.probes.tcp.len()) + u64::from(plan.probes.udp.len());
    let decided: u64 = seen.counts.values().map(|n| u64::from(*n)).sum();
    facts.set("ports.complete", !outcome.interrupted || decided >= planned);
    for (state, n) in &seen.counts {
        facts.set(&format!("ports.counts.{}", state.as_str()), i64::from(*n));
    }
    if let Some((first, last)) = seen.span {
        facts.set("scan.started", first);
        facts.set("scan.finished", last);
    }
}

fn inventory(facts: &mut Facts, asset: &str, snapshot: &Snapshot) {
    let Some(row) = snapshot.row_of(asset) else { return };
    let Some(known) = snapshot.asset(row) else { return };
    let told = block(known.provider()).iter().filter_map(|token| {
        let column = snapshot.column(*token);
        let value = column.cells(row).find_map(|c| column.value(c.code))?;
        Some(format!("{}: {}", catalogue::token(*token).name, text(&value)))
    });
    facts.set("cloud", told.collect::<Vec<String>>());
}

/// Names that the plan resolved, and the warrant that allowed the scan.
fn names(host: &mut HostEvidence, plan: &Plan) {
    let of_it = |r: &&crate::plan::plan::Resolution| r.asset == host.asset && r.kept.contains(&host.addr);
    let resolved: Vec<String> =
        plan.resolutions.iter().filter(of_it).map(|r| format!("resolver {}:{}", r.resolver, r.name)).collect();
    if !resolved.is_empty() && host.facts.get("names").is_none() {
        host.facts.set("names", resolved);
    }
}
