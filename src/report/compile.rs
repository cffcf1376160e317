//! From a plan and what its scan saw to the results document.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::model::{
    CoverageRecord, GapRecord, HostRecord, LedgerRecord, NotScannedRecord, PortRecord, Reasons, Results, ScannerRecord,
    Summary, TagsRecord,
};
use crate::inventory::asset::Provider;
use crate::lang::job::{Job, Quantifier, TagFilter, Workspace};
use crate::plan::plan::{Launch, Plan, Stage};
use crate::scan::ScanOutcome;
use crate::scan::observation::{HostObservation, HostState, PortState};

/// What the document says about the run itself.
pub struct RunFacts<'a> {
    /// The job.
    pub job: &'a Job,
    /// The workspace.
    pub workspace: &'a Workspace,
    /// Reference.
    pub reference: &'a str,
    /// Launch.
    pub launched: Timestamp,
}

/// Rule K4.
pub fn scan_type(provider: Provider) -> &'static str {
    match provider {
        Provider::Aws => "Cloud Perimeter - AWS EC2",
        Provider::Azure => "Cloud Perimeter - Azure VM",
        Provider::Gcp => "Cloud Perimeter - GCP Compute",
    }
}

/// Compiles the results; without an outcome the scan was not launched.
pub fn results(facts: &RunFacts<'_>, plan: &Plan, outcome: Option<&ScanOutcome>) -> Results {
    let hosts: Vec<HostRecord> = outcome.map(|o| hosts(plan, o)).unwrap_or_default();
    let seconds = outcome.map_or(0.0, |o| o.finished.duration_since(o.started).as_secs_f64());
    let mut dns: Vec<String> = plan.targets.iter().filter_map(|t| t.name()).map(ToString::to_string).collect();
    dns.sort();
    dns.dedup();
    Results {
        schema: "palisade/results/1".into(),
        summary: Summary {
            launch_date: facts.launched.to_string(),
            active_hosts: hosts.iter().filter(|h| h.state == "up").count() as u64,
            total_hosts: plan.targets.len() as u64,
            kind: if facts.job.schedule.is_some() { "Scheduled" } else { "On demand" }.into(),
            scan_type: scan_type(plan.provider).into(),
            status: status(plan, outcome).into(),
            reference: facts.reference.into(),
            external_scanners: scanners(outcome),
            duration_seconds: (seconds * 1000.0).round() / 1000.0,
            title: plan.scan.to_string(),
            asset_groups: Vec::new(),
            dns,
            excluded_ips: plan.exclusions.ranges().map(|r| r.to_string()).collect(),
            tags_included: facts.job.targets.include.as_ref().map(tags),
            tags_excluded: facts.job.targets.exclude.as_ref().map(tags),
            option_profile: plan.profile.name.value.clone(),
            organisation: facts.workspace.organisation.clone(),
        },
        mode: outcome.map_or("none", |o| o.mode.as_str()).into(),
        notes: outcome.map(|o| o.notes.clone()).unwrap_or_default(),
        not_scanned: not_scanned(plan, outcome),
        coverage: CoverageRecord {
            planned: outcome.map_or(0, |o| o.coverage.planned),
            done: outcome.map_or(0, |o| o.coverage.done),
            targets: plan.targets.len() as u64,
            scanned: hosts.len() as u64,
        },
        hosts,
        recall: outcome.and_then(|o| o.recall.as_ref()).and_then(|r| r.at_least),
        judgement: None,
        ledger: ledger(outcome),
        gaps: plan.gaps.iter().map(gap).collect(),
        cannot_tell: plan.cannot_tell.iter().map(ToString::to_string).collect(),
        errors: outcome.map(|o| o.errors.clone()).unwrap_or_default(),
        plan_hash: plan.hash.to_string(),
        snapshot: plan.snapshot.to_string(),
    }
}

/// A gap as a record.
pub fn gap(gap: &crate::inventory::partition::Gap) -> GapRecord {
    GapRecord { partition: gap.partition.to_string(), cause: gap.cause.to_string() }
}

/// How the scan ended.
pub fn status(plan: &Plan, outcome: Option<&ScanOutcome>) -> &'static str {
    match (outcome, plan.launch) {
        (Some(o), _) if o.interrupted => "Interrupted",
        (Some(o), _) if !o.errors.is_empty() => "Finished with errors",
        (Some(o), _) if o.gaps() > 0 => "Incomplete",
        (Some(_), _) => "Finished",
        (None, Launch::Failed) => "Failed: no targets",
        (None, Launch::NotLaunched) => "Not launched: no targets",
        (None, Launch::Ready) => "Running",
    }
}

fn scanners(outcome: Option<&ScanOutcome>) -> Vec<ScannerRecord> {
    outcome
        .map(|o| ScannerRecord {
            addresses: o.sources.iter().map(ToString::to_string).collect(),
            engine: format!("palisade {}", env!("CARGO_PKG_VERSION")),
            checks: None,
        })
        .into_iter()
        .collect()
}

fn tags(filter: &TagFilter) -> TagsRecord {
    TagsRecord {
        quantifier: match filter.quantifier {
            Quantifier::Any => "any",
            Quantifier::All => "all",
        }
        .into(),
        tags: filter.tags.iter().map(|t| t.value.clone()).collect(),
    }
}

/// Hosts from which on their records are formed by two threads; most of the time goes into making text.
const HOSTS_FOR_TWO: usize = 4_096;

/// What a hook said about assets, by asset.
type Notes<'a> = BTreeMap<&'a str, Vec<(&'a str, &'a str)>>;

fn hosts(plan: &Plan, outcome: &ScanOutcome) -> Vec<HostRecord> {
    let mut notes = Notes::new();
    for (asset, key, value) in &plan.annotations {
        notes.entry(asset).or_default().push((key, value));
    }
    let of = |hosts: &[HostObservation]| -> Vec<HostRecord> {
        hosts.iter().filter_map(|h| host(plan, &notes, outcome, h)).collect()
    };
    if outcome.hosts.len() < HOSTS_FOR_TWO {
        return of(&outcome.hosts);
    }
    let (front, back) = outcome.hosts.split_at(outcome.hosts.len() / 2);
    std::thread::scope(|scope| {
        let second = scope.spawn(|| of(back));
        let mut all = of(front);
        all.extend(second.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        all
    })
}

fn host(plan: &Plan, notes: &Notes<'_>, outcome: &ScanOutcome, host: &HostObservation) -> Option<HostRecord> {
    let target = plan.targets.get(host.target as usize)?;
    let asset = &target.warrant().asset;
    let (state, reason) = match host.state {
        HostState::Up(why) => ("up", Some(why.describe())),
        HostState::Down => ("down", None),
        HostState::Unknown => ("unknown", None),
    };
    let own = notes.get(&**asset).into_iter().flatten();
    Some(HostRecord {
        asset: asset.to_string(),
        name: target.name().map(ToString::to_string),
        address: host.addr.to_string(),
        state: state.into(),
        reason,
        os: None,
        ports: host
            .ports
            .iter()
            .map(|p| PortRecord {
                port: p.port,
                protocol: p.protocol.as_str().into(),
                state: p.state.as_str().into(),
                reason: p.reason.describe(),
                service: None,
                product: None,
                version: None,
                rtt_ms: p.rtt.map(|r| (r.as_secs_f64() * 1e6).round() / 1e3),
                ttl: p.ttl,
            })
            .collect(),
        reasons: reasons(host),
        counts: host.counts.iter().map(|(s, n)| (PortState::as_str(*s).to_owned(), *n)).collect(),
        findings: Vec::new(),
        security_risk: None,
        annotations: own.map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        every_port: outcome.every.get(&host.target).copied(),
        clause: Some(target.warrant().clause.to_string()),
        first: host.span.map(|s| s.0.to_string()),
        last: host.span.map(|s| s.1.to_string()),
        unattributed_since: outcome.unattributed.get(&host.target).map(ToString::to_string),
    })
}

fn reasons(host: &HostObservation) -> Reasons {
    let mut reasons = Reasons::new();
    for (state, reason, n) in &host.reasons {
        reasons.entry(state.as_str().to_owned()).or_default().insert(reason.describe(), *n);
    }
    reasons
}

/// Targets left out while scanning, and submitted assets that never became targets. Rule K12.
fn not_scanned(plan: &Plan, outcome: Option<&ScanOutcome>) -> Vec<NotScannedRecord> {
    let mut records: Vec<NotScannedRecord> = Vec::new();
    for left in outcome.map(|o| o.not_scanned.as_slice()).unwrap_or(&[]) {
        if let Some(target) = plan.targets.get(left.target as usize) {
            records.push(NotScannedRecord {
                target: format!("{} {}", target.warrant().asset, target.addr()),
                name: target.name().map(ToString::to_string),
                reason: left.reason.to_string(),
            });
        }
    }
    for removal in plan.removed.iter().filter(|r| r.stage == Stage::Target) {
        records.push(NotScannedRecord {
            target: removal.asset.to_string(),
            name: removal.name.as_ref().map(ToString::to_string),
            reason: removal.reason.to_string(),
        });
    }
    for excluded in &plan.excluded {
        records.push(NotScannedRecord {
            target: format!("{} {}", excluded.asset, excluded.addr),
            name: None,
            reason: format!("excluded by {}", excluded.clause),
        });
    }
    records
}

fn ledger(outcome: Option<&ScanOutcome>) -> LedgerRecord {
    let counters = outcome.map(|o| o.counters).unwrap_or_default();
    let ledgers = outcome.map(ScanOutcome::ledgers);
    let mut by_probe: BTreeMap<String, u64> = BTreeMap::new();
    for (probe, n) in ledgers.iter().flatten().flat_map(|l| l.by_probe()) {
        *by_probe.entry(probe.as_str().to_owned()).or_default() += n;
    }
    LedgerRecord {
        total: by_probe.values().sum(),
        by_probe,
        upkeep: ledgers.iter().flatten().map(|l| l.upkeep).sum(),
        refused: counters.refused,
        replies: counters.replies,
        duplicates: counters.duplicates,
        malformed: counters.malformed,
        strangers: counters.strangers,
    }
}
