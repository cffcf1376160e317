//! The report: one value that every format renders. It says nothing that the results, the inventory and the glossary of
//! checks do not say; formats compute nothing. Guide rules K1 to K13 and L1 to L10.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::model::{CoverageRecord, GapRecord, LedgerRecord, NotScannedRecord, PortRecord, Reasons, Summary};
use super::totals::{Risk, Totals};

/// A whole report, `palisade/report/1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// `palisade/report/1`.
    pub schema: String,
    /// Heading: the scan's title, or the template's name.
    pub title: String,
    /// Template it was made by.
    pub template: String,
    /// When it was made, RFC 3339.
    pub generated: String,
    /// Who scans. Rule K2.
    pub organisation: Option<String>,
    /// Version of the program that made it.
    pub engine: String,
    /// The guide's summary. Rule K3.
    pub summary: Summary,
    /// `raw` or `connect`.
    pub mode: String,
    /// Sections that the template includes. Rules L2, L3.
    pub include: Vec<String>,
    /// Findings by severity and kind, all hosts. Rule L9.
    pub totals: Totals,
    /// Mean over active hosts. Rule L10.
    pub risk: Risk,
    /// Hosts that were sent to, in the template's order.
    pub hosts: Vec<ReportHost>,
    /// Findings about no scanned host: policies, the inventory.
    pub other: Vec<OtherFinding>,
    /// Hosts not scanned, with reasons. Rule K12.
    pub not_scanned: Vec<NotScannedRecord>,
    /// What policies and controls said.
    pub policies: Vec<PolicyOutcome>,
    /// Texts of the checks that found something, by id.
    pub glossary: BTreeMap<String, CheckText>,
    /// Planned and done.
    pub coverage: CoverageRecord,
    /// Recall reached, where it was measured.
    pub recall: Option<f64>,
    /// Ledger totals.
    pub ledger: LedgerRecord,
    /// What was not read of the inventory.
    pub gaps: Vec<GapRecord>,
    /// What else is to be known.
    pub notes: Vec<String>,
    /// What went wrong on the way.
    pub errors: Vec<String>,
    /// The plan's hash.
    pub plan_hash: String,
    /// The inventory snapshot.
    pub snapshot: String,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportHost {
    /// Provider resource id: what findings are tied to.
    pub asset: String,
    /// Name for people, from the inventory.
    pub label: Option<String>,
    /// Public name, where it was chosen by one.
    pub name: Option<String>,
    /// Address that was scanned.
    pub address: String,
    /// The asset's first private address. Rule L6.
    pub private_address: Option<String>,
    /// `EC2`, `AZURE VM`, `GCP INSTANCE`.
    pub tracking: String,
    /// `up`, `down`, `unknown`.
    pub state: String,
    /// Why.
    pub reason: Option<String>,
    /// Operating system, where known.
    pub os: Option<String>,
    /// Tags of the workspace. Rule L7.
    pub tags: Vec<String>,
    /// Facts that the provider tells, as label and value, for the information block. Rule L5.
    pub cloud: Vec<(String, String)>,
    /// The provider's own tags. Rule L2, metadata.
    pub metadata: Vec<(String, String)>,
    /// Facts that a hook added.
    pub annotations: BTreeMap<String, String>,
    /// It answers on every port: the probes that were not sent because of it.
    #[serde(default)]
    pub every_port: Option<u64>,
    /// The clause that chose it, `file:line:column`.
    pub clause: Option<String>,
    /// Open ports.
    pub ports: Vec<PortRecord>,
    /// Number of ports by state.
    pub counts: BTreeMap<String, u32>,
    /// Why those that are not open are in their state: number of ports by state and reason.
    #[serde(default)]
    pub reasons: Reasons,
    /// Findings, most severe first.
    pub findings: Vec<ReportFinding>,
    /// Findings by severity and kind.
    pub totals: Totals,
    /// Security risk.
    pub risk: Risk,
    /// First packet, RFC 3339.
    pub first: Option<String>,
    /// Last packet, RFC 3339.
    pub last: Option<String>,
}

/// A finding about no scanned host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherFinding {
    /// What it is about: an asset, a policy, a part of the inventory.
    pub asset: String,
    /// The finding.
    pub finding: ReportFinding,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportFinding {
    /// Stable identity.
    #[serde(default)]
    pub id: String,
    /// Check id.
    pub check: String,
    /// Title.
    pub title: String,
    /// `confirmed`, `potential`, `information`.
    pub kind: String,
    /// 1 to 5.
    pub severity: u8,
    /// Port, where it is about a service.
    #[serde(default)]
    pub port: Option<u16>,
    /// `tcp` or `udp`.
    #[serde(default)]
    pub protocol: Option<String>,
    /// Service name.
    #[serde(default)]
    pub service: Option<String>,
    /// The smallest extract that convinces.
    #[serde(default)]
    pub evidence: String,
    /// `new`, `active`, `fixed`, `reopened`, `not comparable`.
    #[serde(default)]
    pub state: Option<String>,
    /// First seen, RFC 3339.
    #[serde(default)]
    pub first_seen: Option<String>,
    /// Last seen, RFC 3339.
    #[serde(default)]
    pub last_seen: Option<String>,
}

impl ReportFinding {
    /// `22/tcp`, or nothing.
    pub fn place(&self) -> Option<String> {
        self.port.map(|p| format!("{p}/{}", self.protocol.as_deref().unwrap_or("tcp")))
    }

    /// True for what counts as a vulnerability: confirmed and potential findings. Rule L9.
    pub fn is_vulnerability(&self) -> bool {
        self.kind != "information"
    }
}

/// What a check says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CheckText {
    /// Title.
    pub title: String,
    /// `ssh`, `tls`, …
    pub family: String,
    /// `confirmed`, `potential`, `information`.
    pub kind: String,
    /// 1 to 5.
    pub severity: u8,
    /// What can happen.
    pub threat: String,
    /// What it costs.
    pub impact: String,
    /// What to do.
    pub solution: String,
    /// RFC sections, CVE numbers, controls.
    pub references: Vec<String>,
}

impl CheckText {
    /// CVE numbers among the references.
    pub fn cves(&self) -> impl Iterator<Item = &str> {
        self.references.iter().map(String::as_str).filter(|r| r.starts_with("CVE-"))
    }
}

/// What one rule of a policy, or one control, said about one asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyOutcome {
    /// Policy name, or the control set.
    pub policy: String,
    /// The rule in words, or the control id.
    pub rule: String,
    /// `pass`, `fail`, `error`, `unknown`, `waived`.
    pub result: String,
    /// 1 to 5 for failures.
    pub severity: Option<u8>,
    /// Asset id; none for outcomes about the policy itself, such as an unused waiver.
    pub asset: Option<String>,
    /// Address.
    pub address: Option<String>,
    /// Port and transport, `22/tcp`.
    pub port: Option<String>,
    /// What was seen, or why it could not be told.
    pub message: String,
    /// Job file, relative to the workspace.
    pub file: Option<String>,
    /// Line, from one.
    pub line: Option<u32>,
    /// Column, from one.
    pub column: Option<u32>,
}
