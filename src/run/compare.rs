//! What differs between two results documents: hosts, ports, findings. What the second did not look at is not gone.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::report::judged::FindingRecord;
use crate::report::model::{HostRecord, Results};

/// `palisade/diff/1`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// `palisade/diff/1`.
    pub schema: &'static str,
    /// The older run.
    pub from: String,
    /// The newer run.
    pub to: String,
    /// Hosts that only one of them has, or whose state differs.
    pub hosts: Vec<HostChange>,
    /// Ports that opened, closed, or cannot be compared.
    pub ports: Vec<PortChange>,
    /// Findings that came, went, or cannot be compared.
    pub findings: Vec<FindingChange>,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct HostChange {
    /// Provider resource id.
    pub asset: String,
    /// Address.
    pub address: String,
    /// State in the older run; none where it was not scanned.
    pub from: Option<String>,
    /// State in the newer run; none where it was not scanned.
    pub to: Option<String>,
}

/// One port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PortChange {
    /// Provider resource id.
    pub asset: String,
    /// Port.
    pub port: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// `opened`, `closed`, `not comparable`.
    pub change: &'static str,
    /// Service, where one is known.
    pub service: Option<String>,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FindingChange {
    /// `new`, `gone`, `fixed`, `not comparable`, `severity`.
    pub change: String,
    /// Why, where it is gone.
    pub why: Option<String>,
    /// The finding as the run that has it shows it.
    pub finding: FindingRecord,
}

type Asset<'a> = BTreeMap<&'a str, Vec<&'a HostRecord>>;

fn by_asset(results: &Results) -> Asset<'_> {
    let mut assets = Asset::new();
    for host in &results.hosts {
        assets.entry(&host.asset).or_default().push(host);
    }
    assets
}

/// Compares two documents.
pub fn compare(from: &Results, to: &Results) -> Difference {
    Difference {
        schema: "palisade/diff/1",
        from: from.summary.reference.clone(),
        to: to.summary.reference.clone(),
        hosts: hosts(from, to),
        ports: ports(from, to),
        findings: findings(from, to),
    }
}

fn hosts(from: &Results, to: &Results) -> Vec<HostChange> {
    fn key(h: &HostRecord) -> (String, String) {
        (h.asset.clone(), h.address.clone())
    }
    let states = |r: &Results| r.hosts.iter().map(|h| (key(h), h.state.clone())).collect::<BTreeMap<_, _>>();
    let (old, new) = (states(from), states(to));
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    keys.into_iter()
        .filter(|k| old.get(*k) != new.get(*k))
        .map(|k| HostChange {
            asset: k.0.clone(),
            address: k.1.clone(),
            from: old.get(k).cloned(),
            to: new.get(k).cloned(),
        })
        .collect()
}

fn open<'a>(hosts: &[&'a HostRecord]) -> BTreeMap<(u16, &'a str), Option<&'a str>> {
    let ports = hosts.iter().flat_map(|h| &h.ports).filter(|p| p.state == "open");
    ports.map(|p| ((p.port, p.protocol.as_str()), p.service.as_deref())).collect()
}

/// Ports asked of an asset, all its addresses together.
fn asked(hosts: &[&HostRecord]) -> u64 {
    hosts.iter().flat_map(|h| h.counts.values()).map(|n| u64::from(*n)).sum()
}

fn ports(from: &Results, to: &Results) -> Vec<PortChange> {
    let (old, new) = (by_asset(from), by_asset(to));
    let mut changes = Vec::new();
    let nothing = Vec::new();
    for asset in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let (before, after) = (old.get(asset).unwrap_or(&nothing), new.get(asset).unwrap_or(&nothing));
        let (was, is) = (open(before), open(after));
        // A run that asked fewer ports, or got no answer, cannot say that a port is not open.
        let up = |hosts: &[&HostRecord]| hosts.iter().any(|h| h.state == "up");
        let said = |hosts: &[&HostRecord], other: &[&HostRecord]| up(hosts) && asked(hosts) >= asked(other);
        for (ports, others, word, comparable) in
            [(&is, &was, "opened", said(before, after)), (&was, &is, "closed", said(after, before))]
        {
            for ((port, protocol), service) in ports.iter().filter(|(k, _)| !others.contains_key(*k)) {
                changes.push(PortChange {
                    asset: (*asset).to_owned(),
                    port: *port,
                    protocol: (*protocol).to_owned(),
                    change: if comparable { word } else { "not comparable" },
                    service: service.map(str::to_owned),
                });
            }
        }
    }
    changes.sort();
    changes
}

fn all(results: &Results) -> BTreeMap<&str, &FindingRecord> {
    let elsewhere = results.judgement.iter().flat_map(|j| &j.other_findings);
    results.hosts.iter().flat_map(|h| &h.findings).chain(elsewhere).map(|f| (f.id.as_str(), f)).collect()
}

fn findings(from: &Results, to: &Results) -> Vec<FindingChange> {
    let (old, new) = (all(from), all(to));
    let gone: BTreeMap<&str, (&str, &str)> = to
        .judgement
        .iter()
        .flat_map(|j| &j.gone)
        .map(|g| (g.id.as_str(), (g.state.as_str(), g.why.as_str())))
        .collect();
    let mut changes = Vec::new();
    for (id, finding) in &new {
        match old.get(id) {
            None => changes.push(FindingChange { change: "new".into(), why: None, finding: (*finding).clone() }),
            Some(before) if before.severity != finding.severity => {
                let why = Some(format!("it was {}", before.severity));
                changes.push(FindingChange { change: "severity".into(), why, finding: (*finding).clone() });
            }
            Some(_) => {}
        }
    }
    let scanned: BTreeSet<&str> = to.hosts.iter().filter(|h| h.state == "up").map(|h| h.asset.as_str()).collect();
    for (id, finding) in old.iter().filter(|(id, _)| !new.contains_key(*id)) {
        let (change, why) = match gone.get(id) {
            Some((state, why)) => (*state, (*why).to_owned()),
            None if to.judgement.is_none() => ("not comparable", "the newer run was not judged".into()),
            None if finding.port.is_some() && !scanned.contains(finding.asset.as_str()) => {
                ("not comparable", "the asset did not answer or was not scanned".into())
            }
            None => ("gone", "the newer run does not show it".into()),
        };
        changes.push(FindingChange { change: change.into(), why: Some(why), finding: (*finding).clone() });
    }
    changes.sort_by(|a, b| {
        (&a.change, std::cmp::Reverse(a.finding.severity), &a.finding.asset, &a.finding.check).cmp(&(
            &b.change,
            std::cmp::Reverse(b.finding.severity),
            &b.finding.asset,
            &b.finding.check,
        ))
    });
    changes
}

impl Difference {
    /// True where nothing differs.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty() && self.ports.is_empty() && self.findings.is_empty()
    }
}
