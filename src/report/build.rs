//! From stored results, their inventory and the glossary of checks to the report that every format renders.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::document::{CheckText, OtherFinding, PolicyOutcome, Report, ReportFinding, ReportHost};
use super::judged::{CheckRecord, FindingRecord, JudgementRecord};
use super::model::{HostRecord, Results};
use super::totals::{KINDS, Risk, Totals};
use crate::inventory::asset::{AddressScope, Provider};
use crate::inventory::catalogue::{Lookup, TokenId, ids, look_up};
use crate::inventory::snapshot::Snapshot;
use crate::lang::job::{ReportSort, ReportTemplate, SecurityRisk};
use crate::lang::query::facts::{seen, text};
use crate::lang::query::predicate::Moment;
use crate::lang::query::tags::TagMembership;

/// Sections a report shows where its template names none.
pub const SECTIONS: [&str; 9] = [
    "host_details",
    "ec2_information",
    "azure_information",
    "summary",
    "vulnerability_details",
    "threat",
    "impact",
    "solution",
    "results",
];

/// The guide's information block of an EC2 instance: label and token, in its order. Rule L5.
const EC2: &[(&str, &str)] = &[
    ("Public DNS Name", "aws.ec2.publicDns"),
    ("Image Id", "aws.ec2.imageId"),
    ("VPC Id", "aws.ec2.vpcId"),
    ("Instance State", "aws.ec2.instanceState"),
    ("Private DNS Name", "aws.ec2.privateDns"),
    ("Instance Type", "aws.ec2.instanceType"),
];

const AZURE: &[(&str, &str)] = &[
    ("VM Name", "azure.vm.name"),
    ("VM Id", "azure.vm.vmId"),
    ("Subscription Id", "azure.vm.subscriptionId"),
    ("Resource Group", "azure.vm.resourceGroupName"),
    ("Location", "azure.vm.location"),
    ("VM State", "azure.vm.state"),
    ("Size", "azure.vm.size"),
];

const GCP: &[(&str, &str)] = &[
    ("Host Name", "gcp.compute.hostname"),
    ("Instance Id", "gcp.compute.instanceId"),
    ("Project Id", "gcp.compute.projectId"),
    ("Zone", "gcp.compute.zone"),
    ("Instance State", "gcp.compute.state"),
    ("Machine Type", "gcp.compute.machineType"),
];

/// What a report is made from.
pub struct Sources<'a> {
    /// The results of one run.
    pub results: &'a Results,
    /// The inventory it was planned from; without it the information blocks are empty.
    pub snapshot: Option<&'a Snapshot>,
    /// The workspace's tags over that inventory.
    pub tags: Option<&'a TagMembership>,
    /// Average or highest. Rule L10.
    pub risk: SecurityRisk,
}

/// The template's choices, with the defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choices {
    /// Template name.
    pub name: String,
    /// Order of hosts.
    pub sort: ReportSort,
    /// Sections.
    pub include: Vec<String>,
    /// Kinds of findings.
    pub kinds: Vec<String>,
}

impl Choices {
    /// What a template asks for; without one, everything.
    pub fn of(template: Option<&ReportTemplate>) -> Self {
        let include = template.map(|t| t.include.iter().map(|s| s.value.clone()).collect::<Vec<_>>());
        let include = include.filter(|i| !i.is_empty());
        let kinds = template.map(|t| t.kinds.clone()).filter(|k| !k.is_empty());
        Self {
            name: template.map_or("Scan Report".into(), |t| t.name.value.clone()),
            sort: template.map_or(ReportSort::Host, |t| t.sort),
            include: include.unwrap_or_else(|| SECTIONS.iter().map(|s| (*s).to_owned()).collect()),
            kinds: kinds.unwrap_or_else(|| KINDS.iter().map(|k| (*k).to_owned()).collect()),
        }
    }
}

/// Makes the report.
pub fn report(sources: &Sources<'_>, choices: &Choices, generated: Timestamp) -> Report {
    let results = sources.results;
    let highest = sources.risk == SecurityRisk::Highest;
    let mut hosts: Vec<ReportHost> = results.hosts.iter().map(|h| host(h, sources, &choices.kinds, highest)).collect();
    sort(&mut hosts, choices.sort);
    let judged = results.judgement.as_ref();
    let other: Vec<OtherFinding> = judged
        .into_iter()
        .flat_map(|j| &j.other_findings)
        .filter(|f| choices.kinds.contains(&f.kind))
        .map(|f| OtherFinding { asset: f.asset.clone(), finding: finding(f) })
        .collect();
    let shown: BTreeSet<&str> = hosts
        .iter()
        .flat_map(|h| &h.findings)
        .chain(other.iter().map(|o| &o.finding))
        .map(|f| f.check.as_str())
        .collect();
    let checks = judged.into_iter().flat_map(|j| &j.checks).filter(|c| shown.contains(c.id.as_str()));
    let glossary = checks.map(|c| (c.id.clone(), check_text(c))).collect();
    let active = hosts.iter().filter(|h| h.state == "up").map(|h| &h.risk);
    Report {
        schema: "palisade/report/1".into(),
        title: results.summary.title.clone(),
        template: choices.name.clone(),
        generated: generated.to_string(),
        organisation: results.summary.organisation.clone(),
        engine: format!("palisade {}", env!("CARGO_PKG_VERSION")),
        summary: results.summary.clone(),
        mode: results.mode.clone(),
        include: choices.include.clone(),
        totals: Totals::of(hosts.iter().flat_map(|h| &h.findings), &choices.kinds),
        risk: Risk::mean(active, highest),
        hosts,
        other,
        not_scanned: results.not_scanned.clone(),
        policies: judged.map(outcomes).unwrap_or_default(),
        glossary,
        coverage: results.coverage.clone(),
        recall: results.recall,
        ledger: results.ledger.clone(),
        gaps: results.gaps.clone(),
        notes: results.notes.clone(),
        errors: results.errors.clone(),
        plan_hash: results.plan_hash.clone(),
        snapshot: results.snapshot.clone(),
    }
}

fn host(record: &HostRecord, sources: &Sources<'_>, kinds: &[String], highest: bool) -> ReportHost {
    let row = sources.snapshot.and_then(|s| s.row_of(&record.asset).map(|row| (s, row)));
    let provider = row.and_then(|(s, row)| s.asset(row)).map(|a| a.provider());
    let moment = Moment { now: Timestamp::UNIX_EPOCH, tags: sources.tags };
    let values = |token: TokenId| row.map(|(s, row)| seen(s, row, token, &moment)).unwrap_or_default();
    let block = match provider {
        Some(Provider::Aws) => EC2,
        Some(Provider::Azure) => AZURE,
        Some(Provider::Gcp) => GCP,
        None => &[],
    };
    let cloud = block.iter().map(|(label, token)| {
        let value = named(token).map(values).unwrap_or_default().join(", ");
        ((*label).to_owned(), if value.is_empty() { "-".to_owned() } else { value })
    });
    let mut findings: Vec<ReportFinding> =
        record.findings.iter().filter(|f| kinds.contains(&f.kind)).map(finding).collect();
    findings.sort_by(|a, b| (b.severity, &a.check, a.port, &a.id).cmp(&(a.severity, &b.check, b.port, &b.id)));
    let private = row.and_then(|(s, row)| s.asset(row)).map(|a| a.interfaces()).unwrap_or_default();
    let private = private.iter().flat_map(|i| &i.addresses).find(|a| a.scope == AddressScope::Private);
    ReportHost {
        asset: record.asset.clone(),
        label: row.and_then(|(s, row)| s.asset(row)).and_then(|a| a.name().map(str::to_owned)),
        name: record.name.clone(),
        address: record.address.clone(),
        private_address: private.map(|a| a.addr.to_string()),
        tracking: match provider {
            Some(Provider::Aws) => "EC2",
            Some(Provider::Azure) => "AZURE VM",
            Some(Provider::Gcp) => "GCP INSTANCE",
            None => "DNS",
        }
        .into(),
        state: record.state.clone(),
        reason: record.reason.clone(),
        os: record.os.clone(),
        tags: values(ids::TAGS_NAME),
        cloud: cloud.collect(),
        metadata: metadata(provider, row),
        annotations: record.annotations.clone(),
        every_port: record.every_port,
        clause: record.clause.clone(),
        ports: record.ports.clone(),
        counts: record.counts.clone(),
        reasons: record.reasons.clone(),
        totals: Totals::of(findings.iter(), kinds),
        risk: Risk::of(findings.iter(), kinds, highest),
        findings,
        first: record.first.clone(),
        last: record.last.clone(),
    }
}

fn finding(f: &FindingRecord) -> ReportFinding {
    let mut evidence = f.evidence.clone();
    if let Some(against) = &f.contradicted {
        evidence = format!("{evidence}\nbut: {against}");
    }
    if !f.also_at.is_empty() {
        evidence = format!("{evidence}\nalso at {}", f.also_at.join(", "));
    }
    ReportFinding {
        id: f.id.clone(),
        check: f.check.clone(),
        title: f.title.clone(),
        kind: f.kind.clone(),
        severity: f.severity,
        port: f.port,
        protocol: f.protocol.clone(),
        service: f.service.clone(),
        evidence,
        state: Some(f.state.clone()),
        first_seen: Some(f.first_seen.clone()),
        last_seen: Some(f.last_seen.clone()),
    }
}

fn check_text(c: &CheckRecord) -> CheckText {
    CheckText {
        title: c.title.clone(),
        family: c.family.clone(),
        kind: c.kind.clone(),
        severity: c.severity,
        threat: c.threat.clone(),
        impact: c.impact.clone(),
        solution: c.solution.clone(),
        references: c.references.clone(),
    }
}

/// Policies rule by rule, waivers that need a hand, then controls.
fn outcomes(judged: &JudgementRecord) -> Vec<PolicyOutcome> {
    let mut all = Vec::new();
    for policy in &judged.policies {
        all.extend(policy.assertions.iter().map(|a| PolicyOutcome {
            policy: policy.name.clone(),
            rule: a.rule.clone(),
            result: a.result.clone(),
            severity: (a.result == "fail").then_some(a.severity),
            asset: Some(a.asset.clone()),
            address: Some(a.address.clone()),
            port: a.port.map(|p| format!("{p}/{}", a.protocol.as_deref().unwrap_or("tcp"))),
            message: a.message.clone(),
            file: Some(a.place.file.clone()),
            line: Some(a.place.line),
            column: Some(a.place.column),
        }));
        all.extend(policy.waivers.iter().filter(|w| w.state != "used").map(|w| PolicyOutcome {
            policy: policy.name.clone(),
            rule: format!("waive {}", w.what),
            result: if w.state == "expired" { "fail" } else { "unknown" }.into(),
            severity: None,
            asset: None,
            address: None,
            port: None,
            message: format!("the waiver of {} ({}, until {}) is {}", w.owner, w.reason, w.until, w.state),
            file: Some(w.place.file.clone()),
            line: Some(w.place.line),
            column: Some(w.place.column),
        }));
    }
    for control in &judged.controls {
        all.extend(control.assets.iter().map(|a| PolicyOutcome {
            policy: control.id.clone(),
            rule: control.statement.clone(),
            result: a.result.clone(),
            severity: (a.result == "fail").then_some(control.severity),
            asset: Some(a.asset.clone()),
            address: None,
            port: None,
            message: a.message.clone(),
            file: None,
            line: None,
            column: None,
        }));
    }
    all
}

fn named(token: &str) -> Option<TokenId> {
    match look_up(token) {
        Lookup::Exact(id) | Lookup::Alias(id) | Lookup::Case(id) => Some(id),
        Lookup::Unknown(_) => None,
    }
}

/// The provider's own tags: key and value of one element belong together.
fn metadata(provider: Option<Provider>, row: Option<(&Snapshot, u32)>) -> Vec<(String, String)> {
    let (Some(provider), Some((snapshot, row))) = (provider, row) else { return Vec::new() };
    let (key, value) = match provider {
        Provider::Aws => ("aws.tags.key", "aws.tags.value"),
        Provider::Azure => ("azure.tags.name", "azure.tags.value"),
        Provider::Gcp => ("gcp.tags.key", "gcp.tags.value"),
    };
    let cells = |token: &str| -> BTreeMap<u16, String> {
        let Some(token) = named(token) else { return BTreeMap::new() };
        let column = snapshot.column(token);
        column.cells(row).filter_map(|c| Some((c.element, text(&column.value(c.code)?)))).collect()
    };
    let mut values = cells(value);
    cells(key).into_iter().map(|(element, key)| (key, values.remove(&element).unwrap_or_default())).collect()
}

fn sort(hosts: &mut [ReportHost], by: ReportSort) {
    let address = |h: &ReportHost| h.address.parse::<std::net::IpAddr>().ok();
    match by {
        ReportSort::Host => hosts.sort_by_key(address),
        ReportSort::Severity => hosts.sort_by_key(|h| {
            let worst = h.findings.iter().filter(|f| f.is_vulnerability()).map(|f| f.severity).max();
            (std::cmp::Reverse(worst), address(h))
        }),
        ReportSort::Port => hosts.sort_by_key(|h| (h.ports.iter().map(|p| p.port).min(), address(h))),
    }
}
