//! Expected exposure against what was seen: each rule on each asset passes, fails, is an error, unknown or waived.
//! Unknown never counts as pass. product.md F5, part 5b.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;

use super::check::Kind;
use super::engine::{Judged, Silence};
use super::exposure::{Exposure, Known, severity_of};
use super::finding::Finding;
use super::requirement::requirement;
use crate::base::port_set::PortSet;
use crate::base::source::{Location, SourceMap, Span};
use crate::inventory::snapshot::Snapshot;
use crate::lang::job::Protocol;
use crate::lang::policy::{Policy, Rule};
use crate::lang::query::predicate::{Membership, Moment, Predicate, Truth};
use crate::lang::query::tags::TagMembership;
use crate::service::evidence::HostEvidence;

/// Result of an assertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// As it should be.
    Pass,
    /// A violation.
    Fail,
    /// The assertion itself could not be made.
    Error,
    /// Not enough is known. Never a pass.
    Unknown,
    /// A violation that somebody answers for, until a day.
    Waived,
}

impl Verdict {
    /// `pass`, `fail`, `error`, `unknown`, `waived`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Error => "error",
            Self::Unknown => "unknown",
            Self::Waived => "waived",
        }
    }
}

/// What kind of rule made an assertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RuleKind {
    /// An expected port.
    Expect,
    /// A requirement of an expected port.
    Requirement,
    /// A denied port.
    DenyPort,
    /// A denied severity.
    DenySeverity,
    /// `otherwise nothing`.
    Otherwise,
    /// The scope could not be told.
    Scope,
}

/// One rule on one asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// Policy name.
    pub policy: Arc<str>,
    /// The rule in words, as written: `expect tcp 443`.
    pub rule: Arc<str>,
    /// What kind of rule.
    pub kind: RuleKind,
    /// Where the rule stands.
    pub place: Location,
    /// Provider resource id.
    pub asset: Arc<str>,
    /// Address it was judged at.
    pub addr: std::net::IpAddr,
    /// Port and transport, where it is about one.
    pub port: Option<(u16, Protocol)>,
    /// Result.
    pub verdict: Verdict,
    /// 1 to 5: what a violation weighs.
    pub severity: u8,
    /// Why, with what was seen.
    pub message: String,
    /// The waiver that covers it, by number; see [`PolicyOutcome::waivers`].
    pub waiver: Option<usize>,
}

/// A waiver and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaiverUse {
    /// Policy name.
    pub policy: Arc<str>,
    /// `tcp 8443`.
    pub what: String,
    /// Where it stands.
    pub place: Location,
    /// Who answers for it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// Last day, UTC.
    pub until: Date,
    /// The last day is over.
    pub expired: bool,
    /// Violations it covers, or would cover had it not expired.
    pub uses: u64,
}

/// An expectation that no asset meets: probably out of date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusedExpectation {
    /// Policy name.
    pub policy: Arc<str>,
    /// `expect tcp 443`.
    pub rule: Arc<str>,
    /// Where it stands.
    pub place: Location,
}

/// What policies say of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PolicyOutcome {
    /// By policy, asset, rule.
    pub assertions: Vec<Assertion>,
    /// All waivers.
    pub waivers: Vec<WaiverUse>,
    /// Expectations that no asset in scope has open.
    pub unused: Vec<UnusedExpectation>,
    /// (policy, asset, port) that some rule of the policy expects, whatever its requirements say.
    pub expected: Vec<(Arc<str>, Arc<str>, u16, Protocol)>,
}

/// What is asserted, over what.
pub struct PolicyInput<'a> {
    /// The policies.
    pub policies: &'a [Policy],
    /// Evidence, also of hosts that did not answer.
    pub hosts: &'a [HostEvidence],
    /// What the checks said.
    pub judged: &'a Judged,
    /// The inventory.
    pub snapshot: &'a Snapshot,
    /// Its tags.
    pub tags: &'a TagMembership,
    /// Where rules stand.
    pub sources: &'a SourceMap,
    /// The moment that counts as now.
    pub now: Timestamp,
}

/// A waiver with the assets it covers.
struct Waiver<'a> {
    number: usize,
    protocol: Protocol,
    ports: &'a PortSet,
    on: Option<Membership>,
    expired: bool,
}

/// What the checks said of one asset.
#[derive(Default)]
struct Said<'a> {
    findings: Vec<&'a Finding>,
    silences: Vec<&'a Silence>,
    judged: bool,
}

type SaidByAsset<'a> = HashMap<&'a str, Said<'a>>;

fn by_asset(judged: &Judged) -> SaidByAsset<'_> {
    let mut said = SaidByAsset::new();
    for finding in &judged.findings {
        said.entry(&finding.asset).or_default().findings.push(finding);
    }
    for silence in &judged.silences {
        said.entry(&silence.place.asset).or_default().silences.push(silence);
    }
    for outcomes in &judged.outcomes {
        said.entry(&outcomes.place.asset).or_default().judged = true;
    }
    said
}

/// One policy at work.
struct Work<'a> {
    input: &'a PolicyInput<'a>,
    said: &'a SaidByAsset<'a>,
    policy: Arc<str>,
    waivers: Vec<Waiver<'a>>,
    out: PolicyOutcome,
}

/// One host under a policy.
struct Subject<'a> {
    exposure: Exposure<'a>,
    row: Option<u32>,
}

/// Asserts all policies.
pub fn assert(input: &PolicyInput<'_>) -> PolicyOutcome {
    let mut all = PolicyOutcome::default();
    let said = by_asset(input.judged);
    for policy in input.policies {
        let out = one(input, &said, policy, all.waivers.len());
        all.assertions.extend(out.assertions);
        all.waivers.extend(out.waivers);
        all.unused.extend(out.unused);
        all.expected.extend(out.expected);
    }
    all
}

fn members(input: &PolicyInput<'_>, predicate: &Predicate) -> Membership {
    predicate.evaluate(input.snapshot, &Moment { now: input.now, tags: Some(input.tags) })
}

fn one(input: &PolicyInput<'_>, said: &SaidByAsset<'_>, policy: &Policy, first_waiver: usize) -> PolicyOutcome {
    let name: Arc<str> = policy.name.value.as_str().into();
    let mut work = Work { input, said, policy: Arc::clone(&name), waivers: Vec::new(), out: PolicyOutcome::default() };
    work.take_waivers(policy, first_waiver);
    let scope = policy.scope.as_ref().map(|p| members(input, p));
    let mut seen_open = vec![false; policy.rules.len()];
    for host in input.hosts {
        let row = input.snapshot.row_of(&host.asset);
        let truth = match (&scope, row) {
            (None, _) => Truth::In,
            (Some(scope), Some(row)) => scope.of(row),
            // A load balancer is no asset: a scope cannot choose it.
            (Some(_), None) => Truth::Out,
        };
        let subject = Subject { exposure: Exposure::of(host), row };
        match truth {
            Truth::Out => {}
            Truth::In => work.host(policy, &subject, &mut seen_open),
            Truth::CannotTell => {
                let rule: Arc<str> = "scope".into();
                let message = "it cannot be told whether the asset is in the policy's scope".to_owned();
                let place = policy.scope.as_ref().map_or(policy.span, |s| s.span);
                work.push(&subject, RuleKind::Scope, &rule, place, None, Verdict::Unknown, 3, message);
            }
        }
    }
    for (rule, seen) in policy.rules.iter().zip(seen_open) {
        if let (Rule::Expect { protocol, ports, span, .. }, false) = (rule, seen) {
            let rule = format!("expect {} {ports}", protocol.as_str()).into();
            let place = input.sources.locate(*span);
            work.out.unused.push(UnusedExpectation { policy: Arc::clone(&name), rule, place });
        }
    }
    work.out
}

impl<'a> Work<'a> {
    fn take_waivers(&mut self, policy: &'a Policy, first: usize) {
        let today = jiff::tz::Offset::UTC.to_datetime(self.input.now).date();
        for rule in &policy.rules {
            let Rule::Waive { protocol, ports, on, owner, reason, until, span } = rule else { continue };
            let expired = today > *until;
            self.waivers.push(Waiver {
                number: first + self.out.waivers.len(),
                protocol: *protocol,
                ports,
                on: on.as_ref().map(|p| members(self.input, p)),
                expired,
            });
            self.out.waivers.push(WaiverUse {
                policy: Arc::clone(&self.policy),
                what: format!("{} {ports}", protocol.as_str()),
                place: self.input.sources.locate(*span),
                owner: owner.clone(),
                reason: reason.clone(),
                until: *until,
                expired,
                uses: 0,
            });
        }
    }

    /// The waiver that covers a violation on a port; one that has not expired before one that has.
    fn waiver(&mut self, subject: &Subject<'_>, port: Option<(u16, Protocol)>) -> Option<(usize, bool)> {
        let (port, protocol) = port?;
        let covers = |w: &&Waiver<'_>| {
            let on = w.on.as_ref().is_none_or(|m| subject.row.is_some_and(|row| m.of(row) == Truth::In));
            on && w.protocol == protocol && w.ports.contains(port)
        };
        let found = self.waivers.iter().filter(covers).min_by_key(|w| w.expired)?;
        let (number, expired) = (found.number, found.expired);
        let place = self.waivers.iter().position(|w| w.number == number)?;
        if let Some(waiver) = self.out.waivers.get_mut(place) {
            waiver.uses += 1;
        }
        Some((number, expired))
    }

    #[expect(clippy::too_many_arguments, reason = "an assertion is that many facts; each caller knows them all")]
    fn push(
        &mut self,
        subject: &Subject<'_>,
        kind: RuleKind,
        rule: &Arc<str>,
        span: Span,
        port: Option<(u16, Protocol)>,
        verdict: Verdict,
        severity: u8,
        message: String,
    ) {
        let waiver = if verdict == Verdict::Fail { self.waiver(subject, port) } else { None };
        let (verdict, message) = match waiver {
            Some((_, false)) => (Verdict::Waived, message),
            Some((_, true)) => (verdict, format!("{message}; its waiver has expired")),
            None => (verdict, message),
        };
        self.out.assertions.push(Assertion {
            policy: Arc::clone(&self.policy),
            rule: Arc::clone(rule),
            kind,
            place: self.input.sources.locate(span),
            asset: Arc::clone(&subject.exposure.host.asset),
            addr: subject.exposure.host.addr,
            port,
            verdict,
            severity,
            message,
            waiver: waiver.map(|(number, _)| number),
        });
    }

    fn host(&mut self, policy: &Policy, subject: &Subject<'_>, seen_open: &mut [bool]) {
        for (rule, seen) in policy.rules.iter().zip(seen_open) {
            match rule {
                Rule::Expect { protocol, ports, requirements, span } => {
                    let text: Arc<str> = format!("expect {} {ports}", protocol.as_str()).into();
                    for range in ports.ranges() {
                        *seen |= self.expect(subject, &text, *span, *protocol, *range);
                    }
                    for (port, _) in subject.exposure.open().filter(|(p, t)| t == protocol && ports.contains(*p)) {
                        let asset = Arc::clone(&subject.exposure.host.asset);
                        self.out.expected.push((Arc::clone(&self.policy), asset, port, *protocol));
                        for required in requirements {
                            let service = subject.exposure.service(port, *protocol);
                            let (words, verdict, message) = requirement(&required.value, service, self.input.now);
                            let rule = format!("{text} {words}").into();
                            let at = Some((port, *protocol));
                            self.push(subject, RuleKind::Requirement, &rule, required.span, at, verdict, 3, message);
                        }
                    }
                }
                Rule::DenyPorts { protocol, ports, severity, message, span } => {
                    self.deny(subject, *protocol, ports, (*severity, message.as_deref()), *span);
                }
                Rule::DenySeverity { at_least, message, span } => {
                    self.deny_severity(subject, *at_least, message.as_deref(), *span);
                }
                Rule::OtherwiseNothing { span } => self.otherwise(policy, subject, *span),
                Rule::Waive { .. } => {}
            }
        }
    }

    /// A single port is met by itself, a range by any one open port in it. True where it is open.
    fn expect(
        &mut self,
        subject: &Subject<'_>,
        rule: &Arc<str>,
        span: Span,
        protocol: Protocol,
        (from, to): (u16, u16),
    ) -> bool {
        let mut why = None;
        let mut not_open = false;
        for port in from..=to {
            match subject.exposure.port(port, protocol) {
                Known::Open => {
                    let at = Some((port, protocol));
                    self.push(subject, RuleKind::Expect, rule, span, at, Verdict::Pass, 2, "open, as expected".into());
                    return true;
                }
                Known::NotOpen => not_open = true,
                Known::Unknown(reason) => why = why.or(Some(reason)),
            }
        }
        let at = (from == to).then_some((from, protocol));
        match why {
            Some(reason) => self.push(subject, RuleKind::Expect, rule, span, at, Verdict::Unknown, 2, reason.into()),
            None if not_open => {
                let message = "expected to be open, and is not".to_owned();
                self.push(subject, RuleKind::Expect, rule, span, at, Verdict::Fail, 2, message);
            }
            None => {}
        }
        false
    }

    fn deny(
        &mut self,
        subject: &Subject<'_>,
        protocol: Option<Protocol>,
        ports: &PortSet,
        (severity, words): (u8, Option<&str>),
        span: Span,
    ) {
        let both = [Protocol::Tcp, Protocol::Udp];
        let transports = both.into_iter().filter(|p| protocol.is_none_or(|only| only == *p));
        let rule: Arc<str> = format!("deny {} {ports}", protocol.map_or("port", Protocol::as_str)).into();
        let mut failed = false;
        let mut unknown = None;
        for transport in transports {
            // Without a transport, UDP counts only where the profile asks UDP at all.
            let silent = protocol.is_none() && transport == Protocol::Udp;
            for port in ports.iter() {
                match subject.exposure.port(port, transport) {
                    Known::Open => {
                        failed = true;
                        let message = words.map_or_else(|| "open, and denied".to_owned(), str::to_owned);
                        let at = Some((port, transport));
                        self.push(subject, RuleKind::DenyPort, &rule, span, at, Verdict::Fail, severity, message);
                    }
                    Known::NotOpen => {}
                    Known::Unknown(_) if silent => {}
                    Known::Unknown(why) => unknown = unknown.or(Some((port, transport, why))),
                }
            }
        }
        match unknown {
            Some((port, transport, why)) => {
                let message = format!("{port}/{}: {why}", transport.as_str());
                self.push(subject, RuleKind::DenyPort, &rule, span, None, Verdict::Unknown, severity, message);
            }
            None if !failed => {
                let message = "none of these ports is open".to_owned();
                self.push(subject, RuleKind::DenyPort, &rule, span, None, Verdict::Pass, severity, message);
            }
            None => {}
        }
    }

    /// Confirmed and potential findings count; information does not. What was not tested leaves it unknown.
    fn deny_severity(&mut self, subject: &Subject<'_>, at_least: u8, words: Option<&str>, span: Span) {
        let rule: Arc<str> = format!("deny severity >= {at_least}").into();
        let host = subject.exposure.host;
        let checks = &self.input.judged.checks;
        let nothing = Said::default();
        let said = self.said.get(&*host.asset).unwrap_or(&nothing);
        let counts = |f: &&&Finding| f.kind != Kind::Information && f.severity >= at_least && f.shows_at(host.addr);
        let found: Vec<&Finding> = said.findings.iter().filter(counts).copied().collect();
        for finding in &found {
            let front = words.map(|w| format!("{w}: ")).unwrap_or_default();
            let message = format!("{front}{} {}", finding.check, finding.title);
            let port = finding.port;
            self.push(subject, RuleKind::DenySeverity, &rule, span, port, Verdict::Fail, finding.severity, message);
        }
        if !found.is_empty() {
            return;
        }
        let open = said
            .silences
            .iter()
            .filter_map(|s| checks.get(s.check as usize))
            .filter(|check| check.kind != Kind::Information && check.severity >= at_least);
        let mut untested: Vec<&str> = open.map(|check| check.id.as_str()).collect();
        untested.sort_unstable();
        untested.dedup();
        let strange = subject.exposure.unrecognised();
        let (verdict, message) = match (subject.exposure.doubt(), untested.as_slice()) {
            (Some(why), _) => (Verdict::Unknown, why.to_owned()),
            (None, _) if !said.judged => (Verdict::Unknown, "no check was run on it".to_owned()),
            (None, []) if strange > 0 => (Verdict::Unknown, format!("{strange} open ports were not recognised")),
            (None, []) => (Verdict::Pass, "no such finding".to_owned()),
            (None, some) => (Verdict::Unknown, format!("not tested: {}", some.join(", "))),
        };
        self.push(subject, RuleKind::DenySeverity, &rule, span, None, verdict, at_least, message);
    }

    fn otherwise(&mut self, policy: &Policy, subject: &Subject<'_>, span: Span) {
        let rule: Arc<str> = "otherwise nothing".into();
        let named = |port: u16, transport: Protocol| {
            policy.rules.iter().any(|r| match r {
                Rule::Expect { protocol, ports, .. } => *protocol == transport && ports.contains(port),
                Rule::DenyPorts { protocol, ports, .. } => {
                    protocol.is_none_or(|p| p == transport) && ports.contains(port)
                }
                _ => false,
            })
        };
        let more: Vec<(u16, Protocol)> = subject.exposure.open().filter(|(p, t)| !named(*p, *t)).collect();
        for (port, transport) in &more {
            let service = subject.exposure.service(*port, *transport);
            let name = service.and_then(|s| s.service.as_ref()).map(|s| format!(" ({})", s.name)).unwrap_or_default();
            let message = format!("open{name}, and not expected");
            let at = Some((*port, *transport));
            self.push(subject, RuleKind::Otherwise, &rule, span, at, Verdict::Fail, severity_of(service), message);
        }
        if more.is_empty() {
            let asked = subject.exposure.asked();
            let (verdict, message) = match subject.exposure.doubt() {
                Some(why) => (Verdict::Unknown, why.to_owned()),
                None if asked == 0 => (Verdict::Unknown, "no port was probed".to_owned()),
                None => (Verdict::Pass, format!("nothing else is open among {asked} ports probed")),
            };
            self.push(subject, RuleKind::Otherwise, &rule, span, None, verdict, 3, message);
        }
    }
}

impl PolicyOutcome {
    /// Number of assertions with a result.
    pub fn count(&self, verdict: Verdict) -> u64 {
        self.assertions.iter().filter(|a| a.verdict == verdict).count() as u64
    }
}
