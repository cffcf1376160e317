//! From what the judge says to its records. Computes no findings.

use std::collections::{BTreeMap, HashSet};

use sha2::{Digest, Sha256};

use super::judged::{
    AssertionRecord, CheckCoverageRecord, CheckRecord, ControlAssetRecord, ControlRecord, FindingRecord, GoneRecord,
    JudgementRecord, LeftOutRecord, NotTestedRecord, PlaceRecord, PolicyRecord, TotalRecord, UnusedRecord,
    WaiverRecord,
};
use super::model::Results;
use crate::base::source::Location;
use crate::judge::change::Gone;
use crate::judge::check::{CheckInfo, Kind};
use crate::judge::control::{CONTROLS, ControlResult};
use crate::judge::engine::Judged;
use crate::judge::finding::Finding;
use crate::judge::policy::PolicyOutcome;
use crate::judge::risk::{self, Risk};
use crate::judge::select::LeftOut;
use crate::lang::job::{Protocol, SecurityRisk};

/// Subjects that are named under one reason; the others are counted.
const NAMED_SUBJECTS: usize = 5;

/// All that the judge says of one run.
pub struct Judgement<'a> {
    /// The moment that counted as now.
    pub now: jiff::Timestamp,
    /// Checks, with the findings of policy, inventory and history among theirs.
    pub judged: &'a Judged,
    /// What every check is, those of other rooms too.
    pub infos: &'a [CheckInfo],
    /// Checks that were not run.
    pub left_out: &'a [LeftOut],
    /// Findings of earlier runs.
    pub gone: &'a [Gone],
    /// Policies.
    pub policies: &'a PolicyOutcome,
    /// Controls; empty where the scan is not of policy compliance.
    pub controls: &'a [ControlResult],
    /// How risk is computed.
    pub risk: SecurityRisk,
}

fn port(port: Option<(u16, Protocol)>) -> (Option<u16>, Option<String>) {
    (port.map(|p| p.0), port.map(|p| p.1.as_str().to_owned()))
}

/// One finding as a record.
pub fn finding(f: &Finding) -> FindingRecord {
    let (number, protocol) = port(f.port);
    FindingRecord {
        id: f.id.to_string(),
        check: f.check.to_string(),
        title: f.title.to_string(),
        kind: f.kind.as_str().into(),
        severity: f.severity,
        asset: f.asset.to_string(),
        port: number,
        protocol,
        service: f.service.as_ref().map(ToString::to_string),
        evidence: f.evidence.clone(),
        key: Some(f.key.clone()).filter(|k| !k.is_empty()),
        state: f.state.as_str().into(),
        first_seen: f.seen.0.to_string(),
        last_seen: f.seen.1.to_string(),
        also_at: f.also_at.iter().map(ToString::to_string).collect(),
        contradicted: f.contradicted.clone(),
    }
}

fn place(place: &Location) -> PlaceRecord {
    PlaceRecord { file: place.file.to_string(), line: place.line, column: place.column }
}

/// Writes findings, risks and the judgement into a results document.
pub fn write(judgement: &Judgement<'_>, results: &mut Results) {
    let mut by_host: BTreeMap<(&str, String), Vec<&Finding>> = BTreeMap::new();
    let mut elsewhere = Vec::new();
    let any = !judgement.judged.findings.is_empty();
    let addresses: HashSet<String> = results.hosts.iter().filter(|_| any).map(|h| h.address.clone()).collect();
    for f in &judgement.judged.findings {
        let known = f.addr.map(|a| a.to_string()).filter(|a| addresses.contains(a));
        match known {
            Some(addr) => by_host.entry((&f.asset, addr)).or_default().push(f),
            None => elsewhere.push(finding(f)),
        }
    }
    let mut risks = Vec::new();
    for host in &mut results.hosts {
        let place = || (host.asset.as_str(), host.address.clone());
        let found = if any { by_host.remove(&place()).unwrap_or_default() } else { Vec::new() };
        let risk = risk::of_host(found.iter().map(|f| (f.kind, f.severity)), judgement.risk);
        if host.state != "down" {
            risks.push(risk);
            host.security_risk = Some(number(risk));
        }
        host.findings = found.into_iter().map(finding).collect();
        host.findings.sort_by_key(|f| (kind_rank(&f.kind), std::cmp::Reverse(f.severity)));
    }
    elsewhere.extend(by_host.into_values().flatten().map(finding));
    let version = check_set(judgement.infos);
    for scanner in &mut results.summary.external_scanners {
        scanner.checks = Some(version.clone());
    }
    results.judgement = Some(record(judgement, risk::of_scan(&risks), elsewhere, version));
}

fn kind_rank(kind: &str) -> u8 {
    match kind {
        "confirmed" => 0,
        "potential" => 1,
        _ => 2,
    }
}

fn number(risk: Risk) -> f64 {
    f64::from(risk.tenths) / 10.0
}

/// The program's version and a digest of what the checks are: the same set has the same version.
fn check_set(infos: &[CheckInfo]) -> String {
    let mut digest = Sha256::new();
    for info in infos {
        digest.update(format!("{}\n{}\n{}\n", info.id, info.severity, info.kind.as_str()).as_bytes());
    }
    let short: String = digest.finalize().iter().take(4).map(|b| format!("{b:02x}")).collect();
    format!("{}-{}-{short}", env!("CARGO_PKG_VERSION"), infos.len())
}

fn record(
    judgement: &Judgement<'_>,
    risk: Risk,
    other_findings: Vec<FindingRecord>,
    check_set: String,
) -> JudgementRecord {
    let judged = judgement.judged;
    let mut states: BTreeMap<String, u64> = BTreeMap::new();
    let all = judged.findings.iter().map(|f| f.state).chain(judgement.gone.iter().map(|g| g.finding.state));
    for state in all {
        *states.entry(state.as_str().into()).or_default() += 1;
    }
    let found: std::collections::BTreeSet<&str> = judged.findings.iter().map(|f| &*f.check).collect();
    JudgementRecord {
        judged_at: judgement.now.to_string(),
        check_set,
        totals: totals(&judged.findings),
        security_risk: number(risk),
        security_risk_mode: match judgement.risk {
            SecurityRisk::Average => "average",
            SecurityRisk::Highest => "highest",
        }
        .into(),
        states,
        checks: judgement.infos.iter().filter(|i| found.contains(i.id.as_str())).map(check).collect(),
        coverage: coverage(judged),
        left_out: judgement
            .left_out
            .iter()
            .map(|l| LeftOutRecord { check: l.check.clone(), reason: l.reason.clone() })
            .collect(),
        not_tested: not_tested(judged),
        unattributed: judged.unattributed.iter().map(ToString::to_string).collect(),
        gone: judgement.gone.iter().map(gone).collect(),
        other_findings,
        policies: policies(judgement.policies),
        controls: controls(judgement.controls),
    }
}

/// The guide's table: one line a severity, 5 first.
pub fn totals(findings: &[Finding]) -> Vec<TotalRecord> {
    let count =
        |severity: u8, kind: Kind| findings.iter().filter(|f| f.severity == severity && f.kind == kind).count() as u64;
    (1..=5)
        .rev()
        .map(|severity| TotalRecord {
            severity,
            confirmed: count(severity, Kind::Confirmed),
            potential: count(severity, Kind::Potential),
            information: count(severity, Kind::Information),
        })
        .collect()
}

/// A check as a record.
pub fn check(info: &CheckInfo) -> CheckRecord {
    CheckRecord {
        id: info.id.clone(),
        family: info.family.clone(),
        title: info.title.clone(),
        severity: info.severity,
        kind: info.kind.as_str().into(),
        references: info.references.clone(),
        threat: info.threat.clone(),
        impact: info.impact.clone(),
        solution: info.solution.clone(),
    }
}

fn coverage(judged: &Judged) -> Vec<CheckCoverageRecord> {
    let tallies = judged.tallies();
    let pairs = judged.checks.iter().zip(tallies);
    pairs
        .map(|(check, t)| CheckCoverageRecord {
            check: check.id.clone(),
            found: t.found,
            clear: t.clear,
            not_tested: t.not_tested,
            failed: t.failed,
        })
        .collect()
}

fn not_tested(judged: &Judged) -> Vec<NotTestedRecord> {
    let mut by_reason: BTreeMap<(u32, &'static str, &str), (u64, Vec<String>)> = BTreeMap::new();
    for silence in &judged.silences {
        let entry = by_reason.entry((silence.check, silence.outcome.as_str(), &silence.reason)).or_default();
        entry.0 += 1;
        if entry.1.len() < NAMED_SUBJECTS {
            entry.1.push(match silence.place.port {
                Some((port, protocol)) => format!("{} {port}/{}", silence.place.asset, protocol.as_str()),
                None => silence.place.asset.to_string(),
            });
        }
    }
    by_reason
        .into_iter()
        .map(|((check, outcome, reason), (subjects, first))| NotTestedRecord {
            check: judged.checks.get(check as usize).map(|c| c.id.clone()).unwrap_or_default(),
            outcome: outcome.into(),
            reason: reason.to_owned(),
            subjects,
            first,
        })
        .collect()
}

fn gone(gone: &Gone) -> GoneRecord {
    let f = &gone.finding;
    let (number, protocol) = port(f.port);
    GoneRecord {
        id: f.id.to_string(),
        check: f.check.to_string(),
        title: f.title.to_string(),
        kind: f.kind.as_str().into(),
        severity: f.severity,
        asset: f.asset.to_string(),
        port: number,
        protocol,
        state: f.state.as_str().into(),
        why: gone.why.clone(),
        first_seen: f.first_seen.to_string(),
        last_seen: f.last_seen.to_string(),
    }
}

fn counts<'a>(results: impl Iterator<Item = &'a str>) -> BTreeMap<String, u64> {
    let mut counts: BTreeMap<String, u64> =
        ["pass", "fail", "error", "unknown", "waived"].iter().map(|w| ((*w).to_owned(), 0)).collect();
    for result in results {
        *counts.entry(result.to_owned()).or_default() += 1;
    }
    counts
}

fn policies(outcome: &PolicyOutcome) -> Vec<PolicyRecord> {
    let mut records: BTreeMap<&str, PolicyRecord> = BTreeMap::new();
    let new = |name: &str| PolicyRecord {
        name: name.to_owned(),
        counts: BTreeMap::new(),
        assertions: Vec::new(),
        waivers: Vec::new(),
        unused_expectations: Vec::new(),
    };
    for a in &outcome.assertions {
        let (number, protocol) = port(a.port);
        records.entry(&a.policy).or_insert_with(|| new(&a.policy)).assertions.push(AssertionRecord {
            rule: a.rule.to_string(),
            place: place(&a.place),
            asset: a.asset.to_string(),
            address: a.addr.to_string(),
            port: number,
            protocol,
            result: a.verdict.as_str().into(),
            severity: a.severity,
            message: a.message.clone(),
        });
    }
    for w in &outcome.waivers {
        records.entry(&w.policy).or_insert_with(|| new(&w.policy)).waivers.push(WaiverRecord {
            what: w.what.clone(),
            place: place(&w.place),
            owner: w.owner.clone(),
            reason: w.reason.clone(),
            until: w.until.to_string(),
            state: match (w.expired, w.uses) {
                (true, _) => "expired",
                (false, 0) => "unused",
                (false, _) => "used",
            }
            .into(),
            uses: w.uses,
        });
    }
    for u in &outcome.unused {
        let record = records.entry(&u.policy).or_insert_with(|| new(&u.policy));
        record.unused_expectations.push(UnusedRecord { rule: u.rule.to_string(), place: place(&u.place) });
    }
    for record in records.values_mut() {
        record.counts = counts(record.assertions.iter().map(|a| a.result.as_str()));
    }
    records.into_values().collect()
}

fn controls(results: &[ControlResult]) -> Vec<ControlRecord> {
    let mut by_id: BTreeMap<&str, Vec<&ControlResult>> = BTreeMap::new();
    for result in results {
        by_id.entry(result.control).or_default().push(result);
    }
    CONTROLS
        .iter()
        .filter_map(|control| {
            let results = by_id.get(control.id)?;
            let asset = |r: &&ControlResult| ControlAssetRecord {
                asset: r.asset.to_string(),
                result: r.verdict.as_str().into(),
                message: r.message.clone(),
            };
            Some(ControlRecord {
                id: control.id.into(),
                statement: control.statement.into(),
                pointers: control.pointers.iter().map(|p| (*p).to_owned()).collect(),
                severity: control.severity,
                counts: counts(results.iter().map(|r| r.verdict.as_str())),
                assets: results.iter().map(asset).collect(),
            })
        })
        .collect()
}
