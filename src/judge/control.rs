//! The built-in control set of a policy compliance scan, PC-01 to PC-28: what each asserts, and its result for every
//! asset from the same evidence and inventory that the checks see. product.md part 5b. Mappings are pointers for
//! reports; the auditor decides.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::assertion::{self, Facts};
use super::check::Kind;
use super::engine::{Judged, Outcome};
use super::exposure::Exposure;
use super::finding::Finding;
use super::policy::{Assertion, PolicyOutcome, Verdict};
use super::select::glob;
use crate::inventory::snapshot::Snapshot;
use crate::lang::job::Protocol;
use crate::service::evidence::HostEvidence;

/// How a control is answered.
#[derive(Clone, Copy)]
pub enum Basis {
    /// Findings of these checks (globs) are violations; clear checks are passes.
    Checks(&'static [&'static str]),
    /// By a rule of its own.
    Rule(fn(&Facts<'_>) -> (Verdict, String)),
    /// Not available, and what it takes.
    Unavailable(&'static str),
}

/// One control.
#[derive(Clone, Copy)]
pub struct Control {
    /// `PC-03`.
    pub id: &'static str,
    /// What it asserts.
    pub statement: &'static str,
    /// Pointers into standards.
    pub pointers: &'static [&'static str],
    /// 1 to 5: what a violation weighs.
    pub severity: u8,
    /// How it is answered.
    pub basis: Basis,
}

const fn control(
    id: &'static str,
    severity: u8,
    statement: &'static str,
    pointers: &'static [&'static str],
    basis: Basis,
) -> Control {
    Control { id, statement, pointers, severity, basis }
}

const MODEL: Basis =
    Basis::Unavailable("it takes a model of routes and filter rules, which this version does not have");

/// The control set.
pub const CONTROLS: &[Control] = &[
    control(
        "PC-01",
        4,
        "Every open service on a public asset is in the approved list with owner, reason and review date",
        &["PCI DSS 4.0.1 1.2.5", "NIST SP 800-53 CM-7"],
        Basis::Rule(assertion::approved),
    ),
    control(
        "PC-02",
        3,
        "Insecure services that are approved carry a compensating measure",
        &["PCI DSS 4.0.1 1.2.6", "PCI DSS 4.0.1 2.2.5"],
        Basis::Rule(assertion::compensated),
    ),
    control(
        "PC-03",
        4,
        "No remote administration port is reachable from anywhere on IPv4",
        &["CIS AWS 5.0 5.3", "CIS Azure 2.0 6.1", "CIS Azure 2.0 6.2", "CISA BOD 23-02"],
        Basis::Rule(assertion::no_administration_v4),
    ),
    control(
        "PC-04",
        4,
        "No remote administration port is reachable from anywhere on IPv6",
        &["CIS AWS 5.0 5.4"],
        Basis::Rule(assertion::no_administration_v6),
    ),
    control("PC-05", 4, "Network ACLs do not open administration ports", &["CIS AWS 5.0 5.2"], MODEL),
    control(
        "PC-06",
        3,
        "UDP from the internet is closed or justified",
        &["CIS Azure 2.0 6.3"],
        Basis::Rule(assertion::udp_justified),
    ),
    control(
        "PC-07",
        3,
        "HTTP and HTTPS from the internet are justified per asset",
        &["CIS Azure 2.0 6.4"],
        Basis::Rule(assertion::web_justified),
    ),
    control("PC-08", 4, "Default security groups carry no traffic", &["CIS AWS 5.0 5.5"], MODEL),
    control(
        "PC-09",
        5,
        "No data store is reachable from the internet",
        &["PCI DSS 4.0.1 1.4.4", "NIST SP 800-53 SC-7"],
        Basis::Rule(assertion::no_data_store),
    ),
    control(
        "PC-10",
        4,
        "Management interfaces are not reachable from the internet, or sit behind a policy enforcement point",
        &["CISA BOD 23-02", "NIST SP 800-53 AC-17"],
        Basis::Rule(assertion::no_management),
    ),
    control(
        "PC-11",
        4,
        "All administration traffic is encrypted",
        &["PCI DSS 4.0.1 2.2.7", "NIST SP 800-53 SC-8"],
        Basis::Checks(&["TEL-*", "RSV-*", "FTP-01", "WEB-03", "RDP-02", "UD-03", "VNC-02", "SMT-02", "POP-01"]),
    ),
    control(
        "PC-12",
        3,
        "TLS 1.2 or newer only; suites and groups from the approved list",
        &["NIST SP 800-52r2", "RFC 9325", "PCI DSS 4.0.1 4.2.1"],
        Basis::Checks(&[
            "TLS-01", "TLS-02", "TLS-03", "TLS-04", "TLS-05", "TLS-06", "TLS-07", "TLS-08", "TLS-09", "TLS-16",
            "TLS-17",
        ]),
    ),
    control(
        "PC-13",
        3,
        "Certificates are valid, trusted, for the right name, strong enough, not revoked, and not about to expire",
        &["PCI DSS 4.0.1 4.2.1", "NIST SP 800-52r2"],
        Basis::Checks(&["TLS-10", "TLS-11", "TLS-12", "TLS-13", "TLS-14", "TLS-15", "TLS-22"]),
    ),
    control(
        "PC-14",
        2,
        "A full inventory of certificates on public assets exists and is current",
        &["PCI DSS 4.0.1 4.2.1.1"],
        Basis::Rule(assertion::certificates_known),
    ),
    control(
        "PC-15",
        3,
        "SSH algorithms are from the approved list; password login is off",
        &["RFC 9142"],
        Basis::Checks(&["SSH-02", "SSH-03", "SSH-04", "SSH-05", "SSH-06", "SSH-07", "SSH-08"]),
    ),
    control(
        "PC-16",
        5,
        "No default or anonymous access on any service tested",
        &["PCI DSS 4.0.1 2.2.2", "CIS Controls 4.7"],
        Basis::Checks(&[
            "DB-*", "FTP-02", "SMB-05", "VNC-02", "X11-01", "LDP-01", "RSY-01", "MQ-*", "CL-*", "UD-03", "ADB-01",
            "JV-01",
        ]),
    ),
    control(
        "PC-17",
        4,
        "No end-of-life or known-exploited product versions on public services",
        &["PCI DSS 4.0.1 6.3.3", "CISA BOD 22-01", "NIST SP 800-53 SI-2"],
        Basis::Checks(&["WEB-02", "SSH-09", "SSH-10", "SSH-11", "FTP-03", "FTP-04", "SMT-06", "EOL-*"]),
    ),
    control(
        "PC-18",
        2,
        "Internal addresses and names are not shown",
        &["PCI DSS 4.0.1 1.4.5"],
        Basis::Checks(&["WEB-15"]),
    ),
    control(
        "PC-19",
        2,
        "HTTPS is enforced and HSTS is present on public sites",
        &["CISA BOD 18-01"],
        Basis::Checks(&["WEB-04", "WEB-05"]),
    ),
    control(
        "PC-20",
        4,
        "No amplifier is reachable",
        &["RFC 5358", "NIST SP 800-53 SC-5"],
        Basis::Checks(&[
            "UD-01", "UD-02", "UD-05", "UD-06", "UD-08", "UD-09", "UD-10", "UD-16", "DNS-01", "DNS-03", "LDP-02",
            "DB-08",
        ]),
    ),
    control(
        "PC-21",
        4,
        "No zone transfer; no name points to an address that is not ours",
        &["NIST SP 800-53 SC-20", "NIST SP 800-53 CM-8"],
        Basis::Checks(&["DNS-02", "DNS-06"]),
    ),
    control(
        "PC-22",
        2,
        "Every public asset has owner, environment and data-class tags",
        &["CIS Controls 1.1", "NIST SP 800-53 CM-8"],
        Basis::Rule(assertion::tagged),
    ),
    control(
        "PC-23",
        3,
        "Every public asset was discovered within 7 days and tested within 14",
        &["CISA BOD 23-01", "PCI DSS 4.0.1 11.3.2"],
        Basis::Rule(assertion::fresh),
    ),
    control(
        "PC-24",
        3,
        "Configured and observed exposure agree",
        &["NIST SP 800-53 CM-6", "NIST SP 800-53 CA-7"],
        MODEL,
    ),
    control(
        "PC-25",
        4,
        "Findings are fixed within the time that their severity allows",
        &["PCI DSS 4.0.1 11.3.2", "CISA BOD 19-02"],
        Basis::Rule(assertion::fixed_in_time),
    ),
    control(
        "PC-26",
        3,
        "Changes in exposure were approved",
        &["PCI DSS 4.0.1 6.5.1", "NIST SP 800-53 CM-3"],
        Basis::Rule(assertion::approved_plan),
    ),
    control(
        "PC-27",
        3,
        "The instance metadata service requires sessions on public machines",
        &["CIS AWS 5.0 5.7"],
        Basis::Unavailable("the inventory does not hold the metadata service's settings"),
    ),
    control(
        "PC-28",
        3,
        "Scans ran complete and in scope, and the ledger accounts for every packet",
        &["NIST SP 800-53 RA-5", "NIST SP 800-53 AU-10"],
        Basis::Rule(assertion::in_scope),
    ),
];

/// One control on one asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlResult {
    /// `PC-03`.
    pub control: &'static str,
    /// Provider resource id.
    pub asset: Arc<str>,
    /// Result; unknown is never a pass.
    pub verdict: Verdict,
    /// 1 to 5.
    pub severity: u8,
    /// Why, with what was seen.
    pub message: String,
}

/// How the run itself went.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunFacts {
    /// It was approved by a plan's hash; none where that is not known.
    pub approved: Option<bool>,
    /// All that was planned was asked.
    pub complete: bool,
    /// Frames that the gate refused.
    pub refused: u64,
}

/// What is asserted over.
pub struct ControlInput<'a> {
    /// Evidence, also of hosts that did not answer.
    pub hosts: &'a [HostEvidence],
    /// What the checks said.
    pub judged: &'a Judged,
    /// What the policies said.
    pub policies: &'a PolicyOutcome,
    /// The inventory.
    pub snapshot: &'a Snapshot,
    /// How the run went.
    pub run: RunFacts,
    /// The moment that counts as now.
    pub now: Timestamp,
}

/// All controls on all assets, by asset.
pub fn assert(input: &ControlInput<'_>) -> Vec<ControlResult> {
    let mut assets: Vec<(&Arc<str>, Vec<Exposure<'_>>)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for host in input.hosts {
        let at = *places.entry(&host.asset).or_insert_with(|| {
            assets.push((&host.asset, Vec::new()));
            assets.len() - 1
        });
        if let Some((_, hosts)) = assets.get_mut(at) {
            hosts.push(Exposure::of(host));
        }
    }
    let said = Said::of(input);
    let nothing = AssetSaid::default();
    let mut results = Vec::new();
    for (asset, hosts) in &assets {
        let said = said.by_asset.get(&***asset).unwrap_or(&nothing);
        let facts = Facts {
            asset,
            hosts,
            findings: &said.findings,
            assertions: &said.assertions,
            expected: &said.expected,
            input,
        };
        for control in CONTROLS {
            let (verdict, message) = match control.basis {
                Basis::Unavailable(why) => (Verdict::Unknown, format!("not available: {why}")),
                Basis::Rule(rule) => rule(&facts),
                Basis::Checks(globs) => by_checks(globs, &facts, said, input.judged),
            };
            results.push(ControlResult {
                control: control.id,
                asset: Arc::clone(asset),
                verdict,
                severity: control.severity,
                message,
            });
        }
    }
    results
}

/// What checks and policies said, by asset.
#[derive(Default)]
struct Said<'a> {
    by_asset: HashMap<&'a str, AssetSaid<'a>>,
}

#[derive(Default)]
struct AssetSaid<'a> {
    findings: Vec<&'a Finding>,
    outcomes: Vec<&'a [Outcome]>,
    assertions: Vec<&'a Assertion>,
    expected: Vec<(u16, Protocol)>,
}

impl<'a> Said<'a> {
    fn of(input: &'a ControlInput<'a>) -> Self {
        let mut said = Self::default();
        for assertion in &input.policies.assertions {
            said.by_asset.entry(&assertion.asset).or_default().assertions.push(assertion);
        }
        for (_, asset, port, protocol) in &input.policies.expected {
            said.by_asset.entry(asset).or_default().expected.push((*port, *protocol));
        }
        for finding in &input.judged.findings {
            said.by_asset.entry(&finding.asset).or_default().findings.push(finding);
        }
        for outcomes in &input.judged.outcomes {
            said.by_asset.entry(&outcomes.place.asset).or_default().outcomes.push(&outcomes.of);
        }
        said
    }
}

/// A control that checks answer.
fn by_checks(globs: &[&str], facts: &Facts<'_>, said: &AssetSaid<'_>, judged: &Judged) -> (Verdict, String) {
    let is = |id: &str| globs.iter().any(|g| glob(g, id));
    let found: Vec<String> = said
        .findings
        .iter()
        .filter(|f| f.kind != Kind::Information && is(&f.check))
        .map(|f| match f.port {
            Some((port, protocol)) => format!("{} on {port}/{}", f.check, protocol.as_str()),
            None => f.check.to_string(),
        })
        .collect();
    if !found.is_empty() {
        return (Verdict::Fail, found.join(", "));
    }
    if let Some(why) = facts.hosts.iter().find_map(Exposure::doubt) {
        return (Verdict::Unknown, why.into());
    }
    let checks: Vec<usize> = judged.checks.iter().enumerate().filter(|(_, c)| is(&c.id)).map(|(i, _)| i).collect();
    if checks.is_empty() {
        return (Verdict::Unknown, "none of its checks was run".into());
    }
    let mut untested: Vec<&str> = Vec::new();
    let mut failed: Vec<&str> = Vec::new();
    for outcomes in &said.outcomes {
        for number in &checks {
            let id = judged.checks.get(*number).map_or("", |c| c.id.as_str());
            match outcomes.get(*number) {
                Some(Outcome::NotTested) => untested.push(id),
                Some(Outcome::Failed) => failed.push(id),
                Some(Outcome::NotApplicable | Outcome::Found | Outcome::Clear) | None => {}
            }
        }
    }
    for list in [&mut untested, &mut failed] {
        list.sort_unstable();
        list.dedup();
    }
    if !failed.is_empty() {
        return (Verdict::Error, format!("checks failed: {}", failed.join(", ")));
    }
    if !untested.is_empty() {
        return (Verdict::Unknown, format!("not tested: {}", untested.join(", ")));
    }
    match assertion::unrecognised(facts) {
        0 => (Verdict::Pass, format!("{} checks found nothing", checks.len())),
        n => (Verdict::Unknown, format!("{n} open ports were not recognised")),
    }
}
