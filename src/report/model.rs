//! The results document, `palisade/results/1`. Empty lists are `[]`, unknown is `null`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::judged::{FindingRecord, JudgementRecord};

/// A whole result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// `palisade/results/1`.
    pub schema: String,
    /// The guide's summary, rule K3.
    pub summary: Summary,
    /// `raw` or `connect`.
    pub mode: String,
    /// What the preflight decided, and what else is to be known.
    pub notes: Vec<String>,
    /// Targets that were sent to.
    pub hosts: Vec<HostRecord>,
    /// Targets that were not scanned, or not wholly.
    pub not_scanned: Vec<NotScannedRecord>,
    /// Planned and done.
    pub coverage: CoverageRecord,
    /// Recall reached, once it is measured.
    pub recall: Option<f64>,
    /// What the judge says; none where nothing was judged.
    #[serde(default)]
    pub judgement: Option<JudgementRecord>,
    /// Ledger totals.
    pub ledger: LedgerRecord,
    /// What was not read of the inventory.
    pub gaps: Vec<GapRecord>,
    /// Assets about which nothing could be told.
    pub cannot_tell: Vec<String>,
    /// What went wrong on the way.
    pub errors: Vec<String>,
    /// The plan's hash.
    pub plan_hash: String,
    /// The inventory snapshot.
    pub snapshot: String,
}

/// The fields of the guide's report summary, in its order. Rule K3.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// RFC 3339.
    pub launch_date: String,
    /// Hosts that answered.
    pub active_hosts: u64,
    /// Targets.
    pub total_hosts: u64,
    /// `On demand` or `Scheduled`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `Cloud Perimeter - AWS EC2`. Rule K4.
    pub scan_type: String,
    /// `Finished`, `Incomplete` (targets were left out that are neither dead nor excluded), `Finished with errors`,
    /// `Interrupted`, `Failed: no targets`, `Not launched: no targets`, `Running`.
    pub status: String,
    /// `scan/1525152912.86743`.
    pub reference: String,
    /// Address and versions of the scanner. Rule K5.
    pub external_scanners: Vec<ScannerRecord>,
    /// Seconds.
    pub duration_seconds: f64,
    /// Job title.
    pub title: String,
    /// Always empty: perimeter scans have none.
    pub asset_groups: Vec<String>,
    /// Names scanned. Rule K6.
    pub dns: Vec<String>,
    /// Excluded addresses.
    pub excluded_ips: Vec<String>,
    /// Tags included.
    pub tags_included: Option<TagsRecord>,
    /// Tags excluded.
    pub tags_excluded: Option<TagsRecord>,
    /// Profile name.
    pub option_profile: String,
    /// Who scans.
    pub organisation: Option<String>,
}

/// A scanner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScannerRecord {
    /// Source addresses.
    pub addresses: Vec<String>,
    /// Engine version.
    pub engine: String,
    /// Version of the set of checks; none while there are none.
    pub checks: Option<String>,
}

/// A list of tags.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TagsRecord {
    /// `any` or `all`.
    pub quantifier: String,
    /// Names.
    pub tags: Vec<String>,
}

/// Number of ports by state and reason.
pub type Reasons = BTreeMap<String, BTreeMap<String, u32>>;

/// Number of ports by state, with the reasons where they are known: `990 closed (reset), 10 filtered (8 no-answer, 2 icmp
/// 3/13)`.
pub fn counts_in_words(counts: &BTreeMap<String, u32>, reasons: &Reasons) -> String {
    let why = |state: &str| match reasons.get(state).map(|by| by.iter().collect::<Vec<_>>()) {
        None => String::new(),
        Some(only) if only.len() == 1 => format!(" ({})", only.iter().map(|(why, _)| why.as_str()).collect::<String>()),
        Some(several) => {
            format!(" ({})", several.iter().map(|(why, n)| format!("{n} {why}")).collect::<Vec<_>>().join(", "))
        }
    };
    counts.iter().map(|(state, n)| format!("{n} {state}{}", why(state))).collect::<Vec<_>>().join(", ")
}

/// One host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostRecord {
    /// Provider resource id.
    pub asset: String,
    /// Public name, where it was chosen by one.
    pub name: Option<String>,
    /// Address.
    pub address: String,
    /// `up`, `down`, `unknown`.
    pub state: String,
    /// Why: `syn-ack`, `echo-reply`, …
    pub reason: Option<String>,
    /// Operating system, where known.
    pub os: Option<String>,
    /// Open ports.
    pub ports: Vec<PortRecord>,
    /// Number of ports by state.
    pub counts: BTreeMap<String, u32>,
    /// Why those that are not open are in their state: number of ports by state and reason.
    #[serde(default)]
    pub reasons: Reasons,
    /// Findings; confirmed first, then potential, then information, each by severity.
    pub findings: Vec<FindingRecord>,
    /// Guide rule L8; none for a host that was not judged.
    #[serde(default)]
    pub security_risk: Option<f64>,
    /// Facts that a hook added.
    pub annotations: BTreeMap<String, String>,
    /// It answers on every port: the probes that were not sent because of it. Its open ports are no services until one
    /// talks.
    #[serde(default)]
    pub every_port: Option<u64>,
    /// The clause that chose it, `file:line:column`.
    #[serde(default)]
    pub clause: Option<String>,
    /// First packet, RFC 3339.
    pub first: Option<String>,
    /// Last packet, RFC 3339.
    pub last: Option<String>,
    /// Where the address was lost while it was scanned: the last moment at which it was certainly ours. What was seen
    /// later may be somebody else's, and is no finding.
    #[serde(default)]
    pub unattributed_since: Option<String>,
}

/// One port.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PortRecord {
    /// Number.
    pub port: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// `open`, …
    pub state: String,
    /// Why.
    pub reason: String,
    /// The service, once one is recognised by its behaviour.
    pub service: Option<String>,
    /// Product, where the service names itself.
    #[serde(default)]
    pub product: Option<String>,
    /// Version, as the service names it.
    #[serde(default)]
    pub version: Option<String>,
    /// Round trip in milliseconds.
    pub rtt_ms: Option<f64>,
    /// Time to live of the answer.
    pub ttl: Option<u8>,
}

/// A target that was not scanned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NotScannedRecord {
    /// Asset id, and address where there is one.
    pub target: String,
    /// Name.
    pub name: Option<String>,
    /// Why.
    pub reason: String,
}

/// Planned and done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CoverageRecord {
    /// Target-port pairs planned.
    pub planned: u64,
    /// Pairs answered or asked as often as the profile says.
    pub done: u64,
    /// Targets.
    pub targets: u64,
    /// Targets that were sent to.
    pub scanned: u64,
}

/// Ledger totals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LedgerRecord {
    /// Packets (raw) or connections (connect) under warrants.
    pub total: u64,
    /// By kind of probe.
    pub by_probe: BTreeMap<String, u64>,
    /// Requests for a gateway's hardware address.
    pub upkeep: u64,
    /// Frames that the gate refused.
    pub refused: u64,
    /// Replies that counted.
    pub replies: u64,
    /// Replies seen again.
    pub duplicates: u64,
    /// Unreadable frames.
    pub malformed: u64,
    /// Packets that answered nothing we asked.
    pub strangers: u64,
}

/// A gap.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GapRecord {
    /// Partition.
    pub partition: String,
    /// Why.
    pub cause: String,
}
