//! The plan document, `palisade/plan/1`: what a person approves, and what `run --plan` holds a later plan against.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::compile::gap;
use super::model::GapRecord;
use crate::plan::plan::{Launch, Plan};

/// A plan for machines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanDocument {
    /// `palisade/plan/1`.
    pub schema: String,
    /// Job title.
    pub scan: String,
    /// `AWS`, …
    pub provider: String,
    /// `EC2`, …
    pub service: String,
    /// Connector.
    pub connector: String,
    /// `VM` or `PC`.
    pub module: String,
    /// Snapshot id.
    pub snapshot: String,
    /// When it was true, RFC 3339.
    pub snapshot_at: String,
    /// Rule I3.
    pub identified: u64,
    /// Rule I4.
    pub qualified: u64,
    /// Rule I5.
    pub submitted: u64,
    /// Load balancer names.
    pub load_balancers: Vec<String>,
    /// Destinations.
    pub targets: u64,
    /// Submitted without a destination.
    pub not_targetable: u64,
    /// Led to another's destination.
    pub merged: u64,
    /// Destinations beyond an asset's first.
    pub additional: u64,
    /// Losses by stage and reason.
    pub removed: Vec<RemovedRecord>,
    /// Destinations with their warrants.
    pub target_list: Vec<TargetRecord>,
    /// TCP ports.
    pub tcp: String,
    /// UDP ports.
    pub udp: String,
    /// Targets that are known to answer.
    #[serde(default)]
    pub canaries: Vec<CanaryRecord>,
    /// What was not read.
    pub gaps: Vec<GapRecord>,
    /// Assets that could not be told.
    pub cannot_tell: Vec<String>,
    /// Excluded addresses.
    pub exclusions: Vec<String>,
    /// Bound.
    pub cost: CostRecord,
    /// `ready`, `failed: no targets`, `not launched: no targets`.
    pub launch: String,
    /// `sha256:…`.
    pub hash: String,
}

/// Assets that left for one reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RemovedRecord {
    /// `identify`, `qualify`, `submit`, `target`.
    pub stage: String,
    /// Why.
    pub reason: String,
    /// `file:line:column`.
    pub clause: Option<String>,
    /// How many.
    pub count: u64,
    /// Which.
    pub assets: Vec<String>,
}

/// One destination.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetRecord {
    /// Asset id.
    pub asset: String,
    /// Public name.
    pub name: Option<String>,
    /// Address.
    pub address: String,
    /// `asset` or `load_balancer`.
    pub kind: String,
    /// Why it may be sent to.
    pub warrant: WarrantRecord,
}

/// A warrant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WarrantRecord {
    /// Snapshot.
    pub snapshot: String,
    /// Interface id.
    pub interface: String,
    /// The line that chose it.
    pub clause: String,
    /// Given, RFC 3339.
    pub given: String,
    /// Expires, RFC 3339.
    pub expires: String,
}

/// A port of a target that is known to answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CanaryRecord {
    /// Address.
    pub address: String,
    /// TCP port.
    pub tcp: u16,
}

/// Bound of what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostRecord {
    /// All packets.
    pub packets_max: u64,
    /// To one address.
    pub per_host_max: u64,
    /// At the profile's rate.
    pub seconds: u64,
    /// Connections of conversations to any one open port.
    #[serde(default)]
    pub connections_per_port_max: u32,
    /// Connections of all conversations, if every port that is asked were open.
    #[serde(default)]
    pub connections_max: u64,
}

/// The word for whether a plan can be launched.
pub fn launch_word(launch: Launch) -> &'static str {
    match launch {
        Launch::Ready => "ready",
        Launch::Failed => "failed: no targets",
        Launch::NotLaunched => "not launched: no targets",
    }
}

/// Losses grouped by stage, reason and clause, in funnel order, most first.
pub fn removed(plan: &Plan) -> Vec<RemovedRecord> {
    let mut groups: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for r in &plan.removed {
        let clause = r.clause.as_ref().map(ToString::to_string);
        groups.entry((r.stage, r.reason.to_string(), clause)).or_default().push(r.asset.to_string());
    }
    let mut records: Vec<_> = groups.into_iter().collect();
    records.sort_by(|((a, ..), x), ((b, ..), y)| a.cmp(b).then(y.len().cmp(&x.len())));
    records
        .into_iter()
        .map(|((stage, reason, clause), assets)| RemovedRecord {
            stage: stage.as_str().into(),
            reason,
            clause,
            count: assets.len() as u64,
            assets,
        })
        .collect()
}

impl From<&Plan> for PlanDocument {
    fn from(plan: &Plan) -> Self {
        Self {
            schema: "palisade/plan/1".into(),
            scan: plan.scan.to_string(),
            provider: plan.provider.as_str().into(),
            service: plan.provider.service().into(),
            connector: plan.connector.to_string(),
            module: plan.module.as_str().into(),
            snapshot: plan.snapshot.to_string(),
            snapshot_at: plan.snapshot_at.to_string(),
            identified: plan.identified,
            qualified: plan.qualified,
            submitted: plan.submitted,
            load_balancers: plan.load_balancers.iter().map(ToString::to_string).collect(),
            targets: plan.targets.len() as u64,
            not_targetable: plan.not_targetable,
            merged: plan.merged.len() as u64,
            additional: plan.additional,
            removed: removed(plan),
            target_list: plan.targets.iter().map(target).collect(),
            tcp: plan.probes.tcp.to_string(),
            udp: plan.probes.udp.to_string(),
            canaries: plan.canaries.iter().flat_map(|c| &c.pairs).filter_map(|c| canary(plan, c)).collect(),
            gaps: plan.gaps.iter().map(gap).collect(),
            cannot_tell: plan.cannot_tell.iter().map(ToString::to_string).collect(),
            exclusions: plan.exclusions.ranges().map(|r| r.to_string()).collect(),
            cost: CostRecord {
                packets_max: plan.cost.packets_max,
                per_host_max: plan.cost.per_host_max,
                seconds: plan.cost.seconds,
                connections_per_port_max: plan.cost.connections_per_port_max,
                connections_max: plan.cost.connections_max,
            },
            launch: launch_word(plan.launch).into(),
            hash: plan.hash.to_string(),
        }
    }
}

fn canary(plan: &Plan, (target, tcp): &(u32, u16)) -> Option<CanaryRecord> {
    Some(CanaryRecord { address: plan.targets.get(*target as usize)?.addr().to_string(), tcp: *tcp })
}

fn target(target: &crate::plan::target::Target) -> TargetRecord {
    let warrant = target.warrant();
    TargetRecord {
        asset: warrant.asset.to_string(),
        name: target.name().map(ToString::to_string),
        address: target.addr().to_string(),
        kind: match target.kind() {
            crate::plan::target::TargetKind::Asset => "asset",
            crate::plan::target::TargetKind::LoadBalancer => "load_balancer",
        }
        .into(),
        warrant: WarrantRecord {
            snapshot: warrant.snapshot.to_string(),
            interface: warrant.interface.to_string(),
            clause: warrant.clause.to_string(),
            given: warrant.given.to_string(),
            expires: warrant.expires.to_string(),
        },
    }
}

/// What moved between an approved plan and a new one, in words; empty where they agree. product.md F3.
pub fn moved(approved: &PlanDocument, now: &PlanDocument) -> Vec<String> {
    let mut found = Vec::new();
    if approved.scan != now.scan {
        found.push(format!("it is a plan of `{}`, not of `{}`", approved.scan, now.scan));
    }
    let set = |p: &PlanDocument| -> BTreeSet<String> {
        p.target_list.iter().map(|t| format!("{} ({})", t.address, t.asset)).collect()
    };
    let (old, new) = (set(approved), set(now));
    let show = |items: Vec<&String>| {
        let some: Vec<&str> = items.iter().take(5).map(|s| s.as_str()).collect();
        let more = if items.len() > 5 { format!(" and {} more", items.len() - 5) } else { String::new() };
        format!("{}{more}", some.join(", "))
    };
    let (come, gone): (Vec<&String>, Vec<&String>) = (new.difference(&old).collect(), old.difference(&new).collect());
    if !come.is_empty() {
        found.push(format!("new targets: {}", show(come)));
    }
    if !gone.is_empty() {
        found.push(format!("targets gone: {}", show(gone)));
    }
    if (&approved.tcp, &approved.udp) != (&now.tcp, &now.udp) {
        found.push("other ports".into());
    }
    if approved.canaries != now.canaries {
        found.push("other canaries".into());
    }
    if approved.exclusions != now.exclusions {
        found.push("other exclusions".into());
    }
    if approved.cost != now.cost {
        found.push(format!("{} packets at most, {} before", now.cost.packets_max, approved.cost.packets_max));
    }
    if found.is_empty() && approved.hash != now.hash {
        found.push("the hash differs".into());
    }
    found
}
