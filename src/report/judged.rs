//! What the judge says, as records of the results document. Empty lists are `[]`, unknown is `null`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingRecord {
    /// Stable over runs: `f-` and 16 hex digits.
    pub id: String,
    /// Check id.
    pub check: String,
    /// Title.
    pub title: String,
    /// `confirmed`, `potential`, `information`.
    pub kind: String,
    /// 1 to 5.
    pub severity: u8,
    /// Provider resource id; for what is about a policy or the inventory, that.
    pub asset: String,
    /// Port, where it is about a service.
    pub port: Option<u16>,
    /// `tcp` or `udp`.
    pub protocol: Option<String>,
    /// Service name.
    pub service: Option<String>,
    /// The smallest extract that convinces.
    pub evidence: String,
    /// Tells several of one check on one service apart.
    pub key: Option<String>,
    /// `new`, `active`, `fixed`, `reopened`, `not comparable`.
    pub state: String,
    /// RFC 3339.
    pub first_seen: String,
    /// RFC 3339.
    pub last_seen: String,
    /// Further addresses that show it.
    pub also_at: Vec<String>,
    /// What speaks against it.
    pub contradicted: Option<String>,
}

/// Everything the judge says of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgementRecord {
    /// RFC 3339: the moment that counted as now.
    pub judged_at: String,
    /// Version of the set of checks: the program's version and a digest over ids and severities.
    pub check_set: String,
    /// Findings by severity, 5 first.
    pub totals: Vec<TotalRecord>,
    /// Guide rule L10, mean over active hosts.
    pub security_risk: f64,
    /// `average` or `highest`.
    pub security_risk_mode: String,
    /// Findings by state, those of earlier runs too.
    pub states: BTreeMap<String, u64>,
    /// The checks that found something.
    pub checks: Vec<CheckRecord>,
    /// Outcomes of every check that was run.
    pub coverage: Vec<CheckCoverageRecord>,
    /// Checks that were not run.
    pub left_out: Vec<LeftOutRecord>,
    /// What was not tested or failed, by check and reason.
    pub not_tested: Vec<NotTestedRecord>,
    /// Assets whose ownership could not be confirmed: nothing there is a finding.
    pub unattributed: Vec<String>,
    /// Findings of earlier runs that this one does not show.
    pub gone: Vec<GoneRecord>,
    /// Findings that belong to no scanned host: policy, inventory.
    pub other_findings: Vec<FindingRecord>,
    /// Policies.
    pub policies: Vec<PolicyRecord>,
    /// The control set of a policy compliance scan; empty for others.
    pub controls: Vec<ControlRecord>,
}

/// One line of the guide's table, rule L9.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TotalRecord {
    /// 1 to 5.
    pub severity: u8,
    /// Confirmed.
    pub confirmed: u64,
    /// Potential.
    pub potential: u64,
    /// Information gathered.
    pub information: u64,
}

/// What is to be known of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRecord {
    /// Check id.
    pub id: String,
    /// Family.
    pub family: String,
    /// Title.
    pub title: String,
    /// 1 to 5.
    pub severity: u8,
    /// `confirmed`, `potential`, `information`.
    pub kind: String,
    /// RFC sections, CVE numbers, controls.
    pub references: Vec<String>,
    /// What can happen.
    pub threat: String,
    /// What it costs.
    pub impact: String,
    /// What to do.
    pub solution: String,
}

/// Outcomes of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckCoverageRecord {
    /// Check id.
    pub check: String,
    /// Condition there.
    pub found: u64,
    /// Looked for, not there.
    pub clear: u64,
    /// Not learned.
    pub not_tested: u64,
    /// The check failed.
    pub failed: u64,
}

/// A check that was not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOutRecord {
    /// Check id.
    pub check: String,
    /// Why.
    pub reason: String,
}

/// Subjects about which a check says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotTestedRecord {
    /// Check id.
    pub check: String,
    /// `not tested` or `failed`.
    pub outcome: String,
    /// Why.
    pub reason: String,
    /// Number of subjects.
    pub subjects: u64,
    /// The first few, `asset port/protocol`.
    pub first: Vec<String>,
}

/// A finding of earlier runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoneRecord {
    /// Id.
    pub id: String,
    /// Check id.
    pub check: String,
    /// Title.
    pub title: String,
    /// `confirmed`, `potential`, `information`.
    pub kind: String,
    /// 1 to 5.
    pub severity: u8,
    /// Provider resource id.
    pub asset: String,
    /// Port.
    pub port: Option<u16>,
    /// `tcp` or `udp`.
    pub protocol: Option<String>,
    /// `fixed` or `not comparable`.
    pub state: String,
    /// Why.
    pub why: String,
    /// RFC 3339.
    pub first_seen: String,
    /// RFC 3339.
    pub last_seen: String,
}

/// A place in a job file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceRecord {
    /// File, relative to the workspace.
    pub file: String,
    /// One-based.
    pub line: u32,
    /// One-based, in characters.
    pub column: u32,
}

/// One policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRecord {
    /// Name.
    pub name: String,
    /// Results counted: `pass`, `fail`, `error`, `unknown`, `waived`.
    pub counts: BTreeMap<String, u64>,
    /// Each rule on each asset.
    pub assertions: Vec<AssertionRecord>,
    /// Waivers.
    pub waivers: Vec<WaiverRecord>,
    /// Expectations that no asset in scope meets.
    pub unused_expectations: Vec<UnusedRecord>,
}

/// One rule on one asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssertionRecord {
    /// The rule in words.
    pub rule: String,
    /// Where it stands.
    pub place: PlaceRecord,
    /// Provider resource id.
    pub asset: String,
    /// Address.
    pub address: String,
    /// Port, where it is about one.
    pub port: Option<u16>,
    /// `tcp` or `udp`.
    pub protocol: Option<String>,
    /// `pass`, `fail`, `error`, `unknown`, `waived`.
    pub result: String,
    /// 1 to 5.
    pub severity: u8,
    /// Why, with what was seen.
    pub message: String,
}

/// A waiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaiverRecord {
    /// `tcp 8443`.
    pub what: String,
    /// Where it stands.
    pub place: PlaceRecord,
    /// Who answers for it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// Last day.
    pub until: String,
    /// `used`, `unused`, `expired`.
    pub state: String,
    /// Violations it covers.
    pub uses: u64,
}

/// An expectation that no asset meets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnusedRecord {
    /// The rule in words.
    pub rule: String,
    /// Where it stands.
    pub place: PlaceRecord,
}

/// One control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlRecord {
    /// `PC-03`.
    pub id: String,
    /// What it asserts.
    pub statement: String,
    /// Pointers into standards.
    pub pointers: Vec<String>,
    /// 1 to 5.
    pub severity: u8,
    /// Results counted.
    pub counts: BTreeMap<String, u64>,
    /// Each asset.
    pub assets: Vec<ControlAssetRecord>,
}

/// One control on one asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlAssetRecord {
    /// Provider resource id.
    pub asset: String,
    /// `pass`, `fail`, `error`, `unknown`, `waived`.
    pub result: String,
    /// Why.
    pub message: String,
}
