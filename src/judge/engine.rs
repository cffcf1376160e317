//! Runs checks over evidence: every pair of subject and check has an outcome, and silence is one. Nothing is sent.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;

use super::check::{Check, CheckInfo, Hit, Scope, Subject, Verdict};
use super::finding::{Finding, State};
use super::identity::finding_id;
use crate::base::progress::{Progress, Stop, StopWish};
use crate::lang::job::Protocol;
use crate::service::evidence::{HostEvidence, ServiceEvidence};

/// What is judged, and by what.
pub struct JudgeInput<'a> {
    /// Evidence of one run.
    pub hosts: &'a [HostEvidence],
    /// The checks that run; see [`super::select::Selection::split`].
    pub checks: &'a [Arc<dyn Check>],
    /// The moment that counts as now.
    pub now: Timestamp,
    /// Threads; at least one is used.
    pub threads: usize,
    /// Where progress goes.
    pub progress: &'a dyn Progress,
    /// The wish to stop.
    pub stop: &'a Stop,
}

/// How one check ended on one subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// It does not concern the subject.
    NotApplicable,
    /// The condition is there.
    Found,
    /// Looked for, not there.
    Clear,
    /// What it needs was not learned.
    NotTested,
    /// The check failed.
    Failed,
}

impl Outcome {
    /// `not applicable`, `found`, `clear`, `not tested`, `failed`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotApplicable => "not applicable",
            Self::Found => "found",
            Self::Clear => "clear",
            Self::NotTested => "not tested",
            Self::Failed => "failed",
        }
    }
}

/// Where an outcome belongs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Provider resource id; empty for the estate.
    pub asset: Arc<str>,
    /// Port and transport; none for the host.
    pub port: Option<(u16, Protocol)>,
}

/// One subject's outcomes, in the order of [`Judged::checks`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcomes {
    /// Which subject.
    pub place: Place,
    /// One a check.
    pub of: Vec<Outcome>,
}

/// Why a check said nothing about a subject.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Silence {
    /// Number of the check.
    pub check: u32,
    /// Which subject.
    pub place: Place,
    /// `not tested` or `failed`.
    pub outcome: Outcome,
    /// Why.
    pub reason: String,
}

/// Outcomes of one check, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Condition there.
    pub found: u64,
    /// Condition not there.
    pub clear: u64,
    /// Not learned.
    pub not_tested: u64,
    /// Check failed.
    pub failed: u64,
}

/// What the checks said.
#[derive(Debug, Clone, Default)]
pub struct Judged {
    /// The checks that ran.
    pub checks: Vec<CheckInfo>,
    /// Findings by asset, port, check, key; one an identity.
    pub findings: Vec<Finding>,
    /// Outcomes a subject.
    pub outcomes: Vec<Outcomes>,
    /// Reasons of all that is not tested or failed.
    pub silences: Vec<Silence>,
    /// Hosts of which nothing becomes a finding, because their ownership could not be confirmed. product.md F2.
    pub unattributed: Vec<Arc<str>>,
    /// False where it was stopped before all hosts were judged.
    pub whole: bool,
}

/// One host's part.
#[derive(Default)]
struct Part {
    findings: Vec<Finding>,
    outcomes: Vec<Outcomes>,
    silences: Vec<Silence>,
}

/// Runs the checks. Hosts are shared out between the threads; the result does not depend on how.
pub fn judge(input: &JudgeInput<'_>) -> Judged {
    let parts = host_parts(input);
    let whole = parts.len() == input.hosts.len();
    let mut judged = Judged {
        checks: input.checks.iter().map(|c| c.info().clone()).collect(),
        unattributed: input.hosts.iter().filter(|h| h.unattributed).map(|h| Arc::clone(&h.asset)).collect(),
        whole,
        ..Judged::default()
    };
    let mut all: Vec<(usize, Part)> = parts;
    all.sort_by_key(|(i, _)| *i);
    let estate = estate(input);
    for part in all.into_iter().map(|(_, part)| part).chain(std::iter::once(estate)) {
        judged.findings.extend(part.findings);
        judged.outcomes.extend(part.outcomes);
        judged.silences.extend(part.silences);
    }
    judged.outcomes.retain(|o| o.of.iter().any(|x| *x != Outcome::NotApplicable));
    judged.findings = settle(std::mem::take(&mut judged.findings), &judged);
    judged
}

fn host_parts(input: &JudgeInput<'_>) -> Vec<(usize, Part)> {
    input.progress.start("judge", input.hosts.len() as u64);
    let next = AtomicUsize::new(0);
    let done = AtomicUsize::new(0);
    let work = || {
        let mut parts = Vec::new();
        while input.stop.wish() == StopWish::None {
            let i = next.fetch_add(1, Ordering::Relaxed);
            let Some(host) = input.hosts.get(i) else { break };
            parts.push((i, one_host(input, host)));
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if done.is_multiple_of(64) {
                input.progress.update("judge", done as u64, "");
            }
        }
        parts
    };
    if input.checks.is_empty() {
        input.progress.finish("judge");
        return (0..input.hosts.len()).map(|i| (i, Part::default())).collect();
    }
    let threads = input.threads.clamp(1, input.hosts.len().max(1));
    let parts = if threads == 1 {
        work()
    } else {
        std::thread::scope(|scope| {
            let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            handles.into_iter().flat_map(|h| h.join().unwrap_or_default()).collect()
        })
    };
    input.progress.finish("judge");
    parts
}

fn one_host(input: &JudgeInput<'_>, host: &HostEvidence) -> Part {
    let mut part = Part::default();
    // A host that did not answer shows nothing; its ports are the policies' business.
    if host.unattributed || host.facts.text("host.state") == Some("down") {
        return part;
    }
    let subject = Subject { estate: input.hosts, host: Some(host), service: None, now: input.now };
    run(input, Scope::Host, &subject, &mut part);
    for service in &host.services {
        run(input, Scope::Service, &Subject { service: Some(service), ..subject }, &mut part);
    }
    part
}

fn estate(input: &JudgeInput<'_>) -> Part {
    let mut part = Part::default();
    if input.stop.wish() == StopWish::None && input.checks.iter().any(|c| c.info().scope == Scope::Estate) {
        let subject = Subject { estate: input.hosts, host: None, service: None, now: input.now };
        run(input, Scope::Estate, &subject, &mut part);
    }
    part
}

/// All checks of a scope on one subject.
fn run(input: &JudgeInput<'_>, scope: Scope, subject: &Subject<'_>, part: &mut Part) {
    let place = Place {
        asset: subject.host.map_or_else(|| "".into(), |h| Arc::clone(&h.asset)),
        port: subject.service.map(|s| (s.port, s.protocol)),
    };
    let mut of = vec![Outcome::NotApplicable; input.checks.len()];
    for (number, (check, slot)) in input.checks.iter().zip(&mut of).enumerate() {
        if check.info().scope != scope {
            continue;
        }
        let mut silence = |outcome, reason| {
            part.silences.push(Silence { check: number as u32, place: place.clone(), outcome, reason });
            outcome
        };
        *slot = match check.judge(subject) {
            Verdict::NotApplicable => Outcome::NotApplicable,
            Verdict::Clear => Outcome::Clear,
            Verdict::NotTested(why) => silence(Outcome::NotTested, why),
            Verdict::Failed(why) => silence(Outcome::Failed, why),
            Verdict::Found(hits) => {
                part.findings.extend(hits.into_iter().filter_map(|hit| finding(check.info(), subject, hit)));
                Outcome::Found
            }
        };
    }
    part.outcomes.push(Outcomes { place, of });
}

/// Characters of evidence that are kept: the smallest extract that convinces is never near this.
const EVIDENCE_CHARS: usize = 2_048;

/// Evidence as reports can show it: what a peer said may be long, and hold characters that end lines or worse.
fn bounded(evidence: &str) -> String {
    let tame = |c: char| if c.is_control() && !matches!(c, '\n' | '\t') { ' ' } else { c };
    let mut kept: String = evidence.chars().take(EVIDENCE_CHARS).map(tame).collect();
    let more = evidence.chars().count().saturating_sub(EVIDENCE_CHARS);
    if more > 0 {
        kept.push_str(&format!(" … and {more} more characters"));
    }
    kept
}

/// A finding of a hit; none where its host is not known or not ours for sure.
fn finding(check: &CheckInfo, subject: &Subject<'_>, hit: Hit) -> Option<Finding> {
    let host = match (&subject.host, &hit.asset) {
        (Some(host), _) => host,
        (None, Some(asset)) => subject.estate.iter().find(|h| *h.asset == **asset && !h.unattributed)?,
        (None, None) => return None,
    };
    let port = subject.service.map(|s| (s.port, s.protocol));
    let at = subject.service.map_or(subject.now, |s| s.span.1);
    let name = |s: &ServiceEvidence| s.service.as_ref().map(|known| Arc::clone(&known.name));
    Some(Finding {
        id: finding_id(&host.asset, port, &check.id, &hit.key),
        check: check.id.as_str().into(),
        title: check.title.as_str().into(),
        kind: check.kind,
        severity: hit.severity.unwrap_or(check.severity).clamp(1, 5),
        asset: Arc::clone(&host.asset),
        addr: Some(host.addr),
        also_at: Vec::new(),
        name: host.name.clone(),
        port,
        service: subject.service.and_then(name),
        key: hit.key,
        evidence: bounded(&hit.evidence),
        contradicted: None,
        state: State::New,
        seen: (at, at),
    })
}

/// (subject, check) that were clear, for the subjects that were judged more than once.
fn clear_elsewhere(judged: &Judged) -> HashSet<(&Place, &str)> {
    let mut seen: HashSet<&Place> = HashSet::new();
    let several: HashSet<&Place> =
        judged.outcomes.iter().map(|o| &o.place).filter(|p| p.port.is_some() && !seen.insert(p)).collect();
    let outcomes = judged.outcomes.iter().filter(|o| several.contains(&o.place));
    outcomes
        .flat_map(|o| judged.checks.iter().zip(&o.of).map(move |(check, outcome)| (&o.place, check, outcome)))
        .filter(|(_, _, outcome)| **outcome == Outcome::Clear)
        .map(|(place, check, _)| (place, check.id.as_str()))
        .collect()
}

/// One finding an identity: what was seen at several addresses of one asset is joined, and flagged where the same check
/// found the same port of the asset clear at another address.
fn settle(findings: Vec<Finding>, judged: &Judged) -> Vec<Finding> {
    let clear = clear_elsewhere(judged);
    let mut by_id: BTreeMap<(Place, Arc<str>, String), Finding> = BTreeMap::new();
    for mut finding in findings {
        let place = Place { asset: Arc::clone(&finding.asset), port: finding.port };
        if clear.contains(&(&place, &*finding.check)) {
            finding.contradicted = Some("another address of this asset shows the same port without it".into());
        }
        let key = (place, Arc::clone(&finding.check), finding.key.clone());
        match by_id.entry(key) {
            std::collections::btree_map::Entry::Vacant(slot) => {
                slot.insert(finding);
            }
            std::collections::btree_map::Entry::Occupied(mut slot) => {
                let kept = slot.get_mut();
                kept.also_at.extend(finding.addr.filter(|a| !kept.shows_at(*a)));
                kept.severity = kept.severity.max(finding.severity);
                kept.seen = (kept.seen.0.min(finding.seen.0), kept.seen.1.max(finding.seen.1));
            }
        }
    }
    by_id.into_values().collect()
}

impl Judged {
    /// Counts a check.
    pub fn tallies(&self) -> Vec<Tally> {
        let mut tallies = vec![Tally::default(); self.checks.len()];
        for outcomes in &self.outcomes {
            for (tally, outcome) in tallies.iter_mut().zip(&outcomes.of) {
                match outcome {
                    Outcome::NotApplicable => {}
                    Outcome::Found => tally.found += 1,
                    Outcome::Clear => tally.clear += 1,
                    Outcome::NotTested => tally.not_tested += 1,
                    Outcome::Failed => tally.failed += 1,
                }
            }
        }
        tallies
    }
}
