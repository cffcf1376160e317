//! What a policy says of a host that a test imagines: its ports, TLS and findings are written in the test, everything else is
//! not known. The policy itself is asserted by the same code as after a scan.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::inventory::Loaded;
use super::workspace::Workspace;
use crate::base::port_set::PortSet;
use crate::judge::check::Kind;
use crate::judge::engine::{Judged, Outcomes, Place};
use crate::judge::finding::{Finding, State};
use crate::judge::policy::{self, Assertion, PolicyInput, Verdict};
use crate::lang::job::{ImaginedAnswers, PolicyWord, Protocol};
use crate::lang::policy::Policy;
use crate::service::evidence::{Facts, HostEvidence, Recognised, ServiceEvidence};
use crate::service::services::SERVICES;

/// Stands for the host's address, whose value no rule reads. RFC 5737 3.
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
/// Versions from the lowest on.
const VERSIONS: &[((u8, u8), &str)] =
    &[((1, 0), "TLS 1.0"), ((1, 1), "TLS 1.1"), ((1, 2), "TLS 1.2"), ((1, 3), "TLS 1.3")];

/// What a policy says, and why where it does not pass.
pub(super) struct Told {
    pub(super) word: PolicyWord,
    pub(super) reasons: Vec<String>,
}

/// As it is written in a test.
pub(super) const fn word(word: PolicyWord) -> &'static str {
    match word {
        PolicyWord::Passes => "passes",
        PolicyWord::Fails => "fails",
        PolicyWord::Waived => "waived",
        PolicyWord::Unknown => "unknown",
        PolicyWord::Ignores => "ignores",
    }
}

/// Asserts the policy on the asset of a row, as if it had answered so.
pub(super) fn says(
    workspace: &Workspace,
    policy: &Policy,
    loaded: &Loaded,
    row: u32,
    answers: &ImaginedAnswers,
    now: Timestamp,
) -> Told {
    let asset: Arc<str> = loaded.snapshot.asset(row).map(|a| a.id().into()).unwrap_or_default();
    let host = host(&asset, answers, now);
    let outcome = policy::assert(&PolicyInput {
        policies: std::slice::from_ref(policy),
        hosts: std::slice::from_ref(&host),
        judged: &judged(&asset, answers, now),
        snapshot: &loaded.snapshot,
        tags: &loaded.tags,
        sources: &workspace.sources,
        now,
    });
    let has = |verdict: Verdict| outcome.assertions.iter().any(|a| a.verdict == verdict);
    let word = if outcome.assertions.is_empty() {
        PolicyWord::Ignores
    } else if has(Verdict::Fail) {
        PolicyWord::Fails
    } else if has(Verdict::Unknown) || has(Verdict::Error) {
        PolicyWord::Unknown
    } else if has(Verdict::Waived) {
        PolicyWord::Waived
    } else {
        PolicyWord::Passes
    };
    let mut reasons: Vec<&Assertion> = outcome.assertions.iter().filter(|a| a.verdict != Verdict::Pass).collect();
    // Violations before what is not known.
    reasons.sort_by_key(|a| !matches!(a.verdict, Verdict::Fail | Verdict::Waived));
    Told { word, reasons: reasons.into_iter().map(reason).collect() }
}

fn reason(a: &Assertion) -> String {
    let port = a.port.map(|(port, transport)| format!(" {port}/{}", transport.as_str())).unwrap_or_default();
    format!("{}{port}: {}", a.rule, a.message)
}

fn host(asset: &Arc<str>, answers: &ImaginedAnswers, now: Timestamp) -> HostEvidence {
    let mut facts = Facts::default();
    facts.set("host.state", "up");
    facts.set("ports.complete", true);
    let listed = |ports: &PortSet| ports.iter().map(|p| p.to_string()).collect::<Vec<_>>();
    facts.set("ports.tcp.asked", "1-65535");
    facts.set("ports.tcp.open", listed(&answers.open));
    let mut services: Vec<ServiceEvidence> =
        answers.open.iter().map(|port| service(port, Protocol::Tcp, answers, now)).collect();
    if let Some(udp) = &answers.udp {
        facts.set("ports.udp.asked", "1-65535");
        facts.set("ports.udp.open", listed(udp));
        services.extend(udp.iter().map(|port| service(port, Protocol::Udp, answers, now)));
    }
    HostEvidence { asset: Arc::clone(asset), addr: ADDRESS, name: None, facts, services, unattributed: false }
}

/// The service that is usually on a port: a test says nothing else of it.
fn usual(port: u16, protocol: Protocol) -> &'static str {
    let mut there = SERVICES.iter().filter(|s| s.transport == protocol && s.ports.contains(&port)).map(|s| s.name);
    let first = there.next();
    if first.is_some() && (first == Some("http") || there.any(|name| name == "http")) {
        return "http";
    }
    first.unwrap_or("imagined")
}

fn service(port: u16, protocol: Protocol, answers: &ImaginedAnswers, now: Timestamp) -> ServiceEvidence {
    let mut facts = Facts::default();
    let mut untested: Vec<(String, String)> = Vec::new();
    let mut known = Recognised::named(usual(port, protocol), "the test");
    let unsaid = || "the test does not say".to_owned();
    if protocol == Protocol::Tcp {
        match answers.tls {
            Some((0, 0)) => {}
            Some(lowest) => {
                let accepted = VERSIONS.iter().filter(|(version, _)| *version >= lowest);
                facts.set("tls.versions", accepted.map(|(_, name)| (*name).to_owned()).collect::<Vec<_>>());
                known.tls = true;
            }
            None => untested.push(("tls".into(), unsaid())),
        }
        if let Some(days) = answers.certificate_days {
            let end = now.checked_add(SignedDuration::from_hours(i64::from(days) * 24));
            facts.set("tls.certificate.not_after", end.unwrap_or(Timestamp::MAX));
        }
        match answers.redirects {
            Some(true) => {
                facts.set("http.status", 301);
                facts.set("http.redirects", vec!["https://host.invalid/".to_owned()]);
            }
            Some(false) => facts.set("http.status", 200),
            None => untested.push(("http".into(), unsaid())),
        }
    }
    ServiceEvidence { port, protocol, service: Some(known), facts, extracts: Vec::new(), untested, span: (now, now) }
}

/// The worst finding, where the test says of one; else checks that found nothing.
fn judged(asset: &Arc<str>, answers: &ImaginedAnswers, now: Timestamp) -> Judged {
    let place = Place { asset: Arc::clone(asset), port: None };
    let finding = answers.severity.map(|severity| Finding {
        id: "imagined".into(),
        check: "TEST".into(),
        title: "a finding that the test imagines".into(),
        kind: Kind::Confirmed,
        severity,
        asset: Arc::clone(asset),
        addr: Some(ADDRESS),
        also_at: Vec::new(),
        name: None,
        port: None,
        service: None,
        key: String::new(),
        evidence: String::new(),
        contradicted: None,
        state: State::New,
        seen: (now, now),
    });
    Judged {
        findings: finding.into_iter().collect(),
        outcomes: vec![Outcomes { place, of: Vec::new() }],
        whole: true,
        ..Judged::default()
    }
}
