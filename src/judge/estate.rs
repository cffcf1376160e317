//! Exposure findings: what a host's evidence alone cannot show, because it takes the policy, the inventory or earlier
//! runs. product.md 5.10.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use roaring::RoaringBitmap;

use super::check::{CheckInfo, Kind, Row, Scope};
use super::exposure::{Exposure, Known, doubt, severity_of};
use super::finding::{Finding, State};
use super::identity::finding_id;
use super::policy::{PolicyOutcome, RuleKind, Verdict};
use crate::inventory::asset::Provider;
use crate::inventory::catalogue::state::is_gone;
use crate::inventory::catalogue::{TokenId, ids};
use crate::inventory::partition::Gap;
use crate::inventory::snapshot::{Snapshot, ValueRef};
use crate::lang::job::Protocol;
use crate::service::evidence::HostEvidence;

/// Days after which an asset that was not tested is a finding. product.md F13.
pub const DEBT_DAYS: i64 = 30;

const BASE: Row = Row { kind: Kind::Confirmed, scope: Scope::Estate, ..Row::BASE };

/// What the exposure findings are.
pub const ROWS: &[Row] = &[
    Row {
        id: "EX-01",
        title: "Open port that no policy expects",
        severity: 3,
        threat: "A service that nobody expects is one that nobody watches.",
        impact: "As much as the service gives away; data stores and management services give away most.",
        solution: "Close the port, or write it down in the policy with a reason.",
        control: "The policy's own ports are not reported, and a port that was not probed is unknown, not closed.",
        ..BASE
    },
    Row {
        id: "EX-02",
        title: "Expected service is missing",
        severity: 2,
        threat: "What the policy promises is not there: an outage, a firewall, or a policy that is out of date.",
        impact: "Users cannot reach the service, or the policy allows more than is needed.",
        solution: "Start the service, or take the expectation out of the policy.",
        control: "Another port of the same host answered; a host that did not answer at all is unknown.",
        ..BASE
    },
    Row {
        id: "EX-06",
        title: "Public asset without an owner tag",
        severity: 2,
        references: &["NIST SP 800-53 CM-8"],
        threat: "Nobody knows whom to ask when something is found on it.",
        impact: "Findings stay open.",
        solution: "Tag the asset with the key owner.",
        control: "Assets whose tags were not read are not reported.",
        ..BASE
    },
    Row {
        id: "EX-08",
        title: "More is open on IPv6 than on IPv4",
        severity: 3,
        threat: "Rules were written for one address family and forgotten for the other.",
        impact: "Services that are closed on IPv4 can be reached on IPv6.",
        solution: "Give both families the same rules.",
        control: "Only ports that were asked and are not open on the asset's IPv4 address are reported.",
        ..BASE
    },
    Row {
        id: "EX-11",
        title: "A name shown by an asset leads outside the inventory",
        severity: 2,
        kind: Kind::Potential,
        threat: "A machine behind a name of ours is in no connector: nobody scans it, and perhaps nobody knows it.",
        impact: "What it shows is not watched; the name may also belong to a provider's edge.",
        solution: "Connect the account it lies in, or take the name out of certificates and zones.",
        control: "Only names none of whose public addresses is the inventory's; names without an answer are not reported.",
        ..BASE
    },
    Row {
        id: "EX-12",
        title: "Public asset not tested for a month",
        severity: 2,
        references: &["CISA BOD 23-01"],
        threat: "What nobody looks at may have changed.",
        impact: "Exposure is noticed late.",
        solution: "Include the asset in a scan, or write down why it is left out.",
        control: "Assets tested by any scan of this store within the time are not reported.",
        ..BASE
    },
    Row {
        id: "EX-13",
        title: "Part of the inventory could not be read",
        severity: 3,
        threat: "Assets that were not read are not scanned, and nobody notices.",
        impact: "Unknown exposure.",
        solution: "Give the connector the right it lacks, or write down that the part is not yours.",
        control: "The provider's own answer says that the part was refused or incomplete.",
        ..BASE
    },
    Row {
        id: "EX-14",
        title: "Waiver expired or unused",
        severity: 2,
        threat: "A waiver that has ended hides nothing any more, and one that covers nothing hides what comes later.",
        impact: "The policy says something else than is meant.",
        solution: "Mend what was waived, renew the waiver with its owner, or take it out.",
        control: "Only waivers of policies that were judged in this run.",
        ..BASE
    },
    Row {
        id: "EX-15",
        title: "Port open that was not open in the last run",
        severity: 2,
        threat: "A change that nobody announced is the first sign of a mistake or of an intruder.",
        impact: "As much as the service gives away.",
        solution: "Find out who opened it.",
        control: "Only ports that the last run asked and found not open.",
        ..BASE
    },
];

/// What is looked at.
pub struct EstateInput<'a> {
    /// Evidence, also of hosts that did not answer.
    pub hosts: &'a [HostEvidence],
    /// What the policies said.
    pub policies: &'a PolicyOutcome,
    /// The inventory.
    pub snapshot: &'a Snapshot,
    /// The connector whose assets count.
    pub connector: &'a str,
    /// What was not read of the inventory.
    pub gaps: &'a [Gap],
    /// When each asset was tested last, before this run, by any scan of the store.
    pub tested: &'a HashMap<String, Timestamp>,
    /// Evidence of the last run of this job; none for the first.
    pub before: Option<&'a [HostEvidence]>,
    /// The moment that counts as now.
    pub now: Timestamp,
    /// Whether a check of this id is chosen by the profile.
    pub chosen: &'a dyn Fn(&CheckInfo) -> bool,
}

/// The infos of the exposure findings.
pub fn infos() -> Vec<CheckInfo> {
    ROWS.iter().map(|r| r.info("exposure")).collect()
}

struct Maker<'a> {
    input: &'a EstateInput<'a>,
    found: Vec<Finding>,
}

/// All exposure findings, by asset, port, check.
pub fn findings(input: &EstateInput<'_>) -> Vec<Finding> {
    let chosen: BTreeSet<String> = infos().into_iter().filter(|i| (input.chosen)(i)).map(|i| i.id).collect();
    let any = |ids: &[&str]| ids.iter().any(|id| chosen.contains(*id));
    let mut maker = Maker { input, found: Vec::new() };
    maker.policies();
    if any(&["EX-13"]) {
        maker.gaps();
    }
    // Each of these looks at every asset: none is looked at for nothing.
    if any(&["EX-06", "EX-12"]) {
        maker.inventory();
    }
    if any(&["EX-08"]) {
        maker.families();
    }
    if any(&["EX-11"]) {
        maker.elsewhere();
    }
    if any(&["EX-15"]) {
        maker.new_ports();
    }
    maker.found.retain(|f| chosen.contains(&*f.check));
    let mut seen = BTreeSet::new();
    maker.found.retain(|f| seen.insert(Arc::clone(&f.id)));
    let key = |f: &Finding| (Arc::clone(&f.asset), f.port, Arc::clone(&f.check), f.key.clone());
    maker.found.sort_by_cached_key(key);
    maker.found
}

/// Where an exposure finding belongs.
struct At<'a> {
    asset: &'a str,
    host: Option<&'a HostEvidence>,
    port: Option<(u16, Protocol)>,
}

impl Maker<'_> {
    fn add(&mut self, id: &str, at: &At<'_>, key: &str, severity: Option<u8>, evidence: String) {
        let Some(row) = ROWS.iter().find(|r| r.id == id) else { return };
        let service = at.host.zip(at.port).and_then(|(host, (port, protocol))| {
            let service = host.services.iter().find(|s| s.port == port && s.protocol == protocol)?;
            service.service.as_ref().map(|s| Arc::clone(&s.name))
        });
        self.found.push(Finding {
            id: finding_id(at.asset, at.port, id, key),
            check: id.into(),
            title: row.title.into(),
            kind: row.kind,
            severity: severity.unwrap_or(row.severity),
            asset: at.host.map_or_else(|| at.asset.into(), |h| Arc::clone(&h.asset)),
            addr: at.host.map(|h| h.addr),
            also_at: Vec::new(),
            name: at.host.and_then(|h| h.name.clone()),
            port: at.port,
            service,
            key: key.into(),
            evidence,
            contradicted: None,
            state: State::New,
            seen: (self.input.now, self.input.now),
        });
    }

    /// EX-01, EX-02, EX-14.
    fn policies(&mut self) {
        let (hosts, outcome) = (self.input.hosts, self.input.policies);
        if outcome.assertions.is_empty() && outcome.waivers.is_empty() {
            return;
        }
        let by_asset: HashMap<(&str, std::net::IpAddr), &HostEvidence> =
            hosts.iter().map(|h| ((&*h.asset, h.addr), h)).collect();
        for a in outcome.assertions.iter().filter(|a| a.verdict == Verdict::Fail) {
            let at = At { asset: &a.asset, host: by_asset.get(&(&*a.asset, a.addr)).copied(), port: a.port };
            let told = format!("{} ({}): {}", a.place, a.rule, a.message);
            match a.kind {
                RuleKind::DenyPort | RuleKind::Otherwise => self.add("EX-01", &at, "", Some(a.severity), told),
                RuleKind::Expect => self.add("EX-02", &at, &a.rule, None, told),
                RuleKind::Requirement | RuleKind::DenySeverity | RuleKind::Scope => {}
            }
        }
        for w in &outcome.waivers {
            let asset = format!("policy {}", w.policy);
            let at = At { asset: &asset, host: None, port: None };
            let told = match (w.expired, w.uses) {
                (true, uses) => {
                    format!("{}: expired on {}, covered {uses} violations, owner {}", w.place, w.until, w.owner)
                }
                (false, 0) => format!("{}: covers no violation, owner {}", w.place, w.owner),
                (false, _) => continue,
            };
            self.add("EX-14", &at, &w.what, None, told);
        }
    }

    /// EX-13.
    fn gaps(&mut self) {
        for gap in self.input.gaps {
            let asset = format!("inventory {}", gap.partition);
            let at = At { asset: &asset, host: None, port: None };
            self.add("EX-13", &at, "", None, gap.cause.to_string());
        }
    }

    /// EX-06, EX-12.
    fn inventory(&mut self) {
        let (input, snapshot) = (self.input, self.input.snapshot);
        let host_of: HashMap<&str, &HostEvidence> = input.hosts.iter().rev().map(|h| (&*h.asset, h)).collect();
        for row in public_rows(snapshot, input.connector) {
            let Some(asset) = snapshot.asset(row) else { continue };
            let state = asset.text(state_token(asset.provider()));
            if state.is_some_and(|s| is_gone(asset.provider(), s)) {
                continue;
            }
            let host = host_of.get(asset.id()).copied();
            let at = At { asset: asset.id(), host, port: None };
            if provider_tag(snapshot, row, &["owner"]) == Tag::Absent {
                self.add("EX-06", &at, "", None, format!("{} has no tag `owner`", asset.name().unwrap_or(asset.id())));
            }
            let tested_now = host.is_some_and(|h| doubt(h).is_none());
            let told = match input.tested.get(asset.id()) {
                _ if tested_now => continue,
                Some(at) => {
                    let days = (input.now.as_second() - at.as_second()).div_euclid(86_400);
                    if days <= DEBT_DAYS {
                        continue;
                    }
                    format!("last tested {days} days ago, {at}")
                }
                None => "no scan of this store has tested it".to_owned(),
            };
            self.add("EX-12", &at, "", None, told);
        }
    }

    /// EX-08.
    fn families(&mut self) {
        let mut by_asset: BTreeMap<&str, Vec<&HostEvidence>> = BTreeMap::new();
        for host in self.input.hosts {
            by_asset.entry(&host.asset).or_default().push(host);
        }
        for hosts in by_asset.values().filter(|h| h.len() > 1) {
            let old: Vec<Exposure<'_>> = hosts.iter().filter(|h| h.addr.is_ipv4()).map(|h| Exposure::of(h)).collect();
            for host in hosts.iter().filter(|h| h.addr.is_ipv6() && !old.is_empty()) {
                for (port, protocol) in Exposure::of(host).open() {
                    if old.iter().all(|o| o.port(port, protocol) == Known::NotOpen) {
                        let at = At { asset: &host.asset, host: Some(host), port: Some((port, protocol)) };
                        self.add("EX-08", &at, "", None, format!("open at {}, not open on IPv4", host.addr));
                    }
                }
            }
        }
    }

    /// EX-11: once a name, at the first host that shows it.
    fn elsewhere(&mut self) {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        for host in self.input.hosts.iter().filter(|h| !h.unattributed) {
            for line in host.facts.list("dns.elsewhere").unwrap_or_default() {
                let Some((name, addr)) = line.split_once(' ') else { continue };
                if seen.insert(name) {
                    let at = At { asset: &host.asset, host: Some(host), port: None };
                    self.add("EX-11", &at, name, None, format!("{name} leads to {addr}, which no asset here has"));
                }
            }
        }
    }

    /// EX-15.
    fn new_ports(&mut self) {
        let Some(before) = self.input.before else { return };
        let mut old: HashMap<&str, Vec<Exposure<'_>>> = HashMap::new();
        for host in before {
            old.entry(&host.asset).or_default().push(Exposure::of(host));
        }
        for host in self.input.hosts {
            let Some(old) = old.get(&*host.asset) else { continue };
            let now = Exposure::of(host);
            for (port, protocol) in now.open() {
                if old.iter().all(|o| o.port(port, protocol) == Known::NotOpen) {
                    let severity = severity_of(now.service(port, protocol)).saturating_sub(1).max(2);
                    let at = At { asset: &host.asset, host: Some(host), port: Some((port, protocol)) };
                    self.add("EX-15", &at, "", Some(severity), "it was not open in the last run".into());
                }
            }
        }
    }
}

/// Assets of a connector that have a public address.
pub fn public_rows(snapshot: &Snapshot, connector: &str) -> RoaringBitmap {
    let tokens = [
        ids::AWS_PUBLIC_IP,
        ids::AWS_PUBLIC_IPV6,
        ids::AZURE_PUBLIC_IP,
        ids::AZURE_PUBLIC_IPV6,
        ids::GCP_PUBLIC_IP,
        ids::GCP_PUBLIC_IPV6,
    ];
    let mut public = RoaringBitmap::new();
    for token in tokens {
        public |= snapshot.column(token).present();
    }
    public & snapshot.rows_of_connector(connector)
}

const fn state_token(provider: Provider) -> TokenId {
    match provider {
        Provider::Aws => ids::AWS_STATE,
        Provider::Azure => ids::AZURE_STATE,
        Provider::Gcp => ids::GCP_STATE,
    }
}

/// A provider's tag of an asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tag {
    /// It has one of the keys, with this value.
    Value(String),
    /// It has none of them.
    Absent,
    /// Its tags were not read.
    Unread,
}

/// The value of the first of these keys that an asset has; case is ignored.
pub fn provider_tag(snapshot: &Snapshot, row: u32, keys: &[&str]) -> Tag {
    let Some(asset) = snapshot.asset(row) else { return Tag::Unread };
    let (key_token, value_token) = match asset.provider() {
        Provider::Aws => (ids::AWS_TAG_KEY, ids::AWS_TAG_VALUE),
        Provider::Azure => (ids::AZURE_TAG_NAME, ids::AZURE_TAG_VALUE),
        Provider::Gcp => (ids::GCP_TAG_KEY, ids::GCP_TAG_VALUE),
    };
    let (key_column, value_column) = (snapshot.column(key_token), snapshot.column(value_token));
    let is = |code| match key_column.value(code) {
        Some(ValueRef::Str(key)) => keys.iter().any(|k| k.eq_ignore_ascii_case(key)),
        _ => false,
    };
    let Some(cell) = key_column.cells(row).find(|c| is(c.code)) else {
        return if key_column.gaps(row).is_empty() { Tag::Absent } else { Tag::Unread };
    };
    let value = value_column.cells(row).find(|c| c.element == cell.element).and_then(|c| value_column.value(c.code));
    Tag::Value(match value {
        Some(ValueRef::Str(value)) => value.to_owned(),
        _ => String::new(),
    })
}
