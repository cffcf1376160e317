//! Rules of controls that no check answers: what is approved, what may be reachable, what the inventory says.

use std::sync::Arc;

use super::check::{Kind, REMOTE};
use super::control::ControlInput;
use super::estate::{Tag, provider_tag};
use super::exposure::{CLEAR_TEXT, DATA_STORES, Exposure, Known};
use super::finding::Finding;
use super::policy::{Assertion, RuleKind, Verdict};
use crate::lang::job::Protocol;

/// What a rule is given: one asset.
pub struct Facts<'a> {
    /// Provider resource id.
    pub asset: &'a Arc<str>,
    /// Its addresses.
    pub hosts: &'a [Exposure<'a>],
    /// Its findings.
    pub findings: &'a [&'a Finding],
    /// What policies said of it.
    pub assertions: &'a [&'a Assertion],
    /// Open ports of it that a policy expects.
    pub expected: &'a [(u16, Protocol)],
    /// Everything.
    pub input: &'a ControlInput<'a>,
}

type Answer = (Verdict, String);

/// An open port of an asset with the name of its service.
struct Open<'a> {
    port: u16,
    protocol: Protocol,
    service: Option<&'a str>,
    tls: bool,
    v6: bool,
}

impl std::fmt::Display for Open<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.port, self.protocol.as_str())?;
        self.service.map_or(Ok(()), |s| write!(f, " {s}"))
    }
}

fn open<'a>(facts: &Facts<'a>) -> Vec<Open<'a>> {
    let mut all = Vec::new();
    for host in facts.hosts {
        for (port, protocol) in host.open() {
            let known = host.service(port, protocol);
            let service = known.and_then(|s| s.service.as_ref());
            all.push(Open {
                port,
                protocol,
                service: service.map(|s| &*s.name),
                tls: service.is_some_and(|s| s.tls) || known.is_some_and(|s| s.facts.any_under("tls.")),
                v6: host.host.addr.is_ipv6(),
            });
        }
    }
    all
}

/// Open ports on which nothing was recognised.
pub(super) fn unrecognised(facts: &Facts<'_>) -> usize {
    open(facts).iter().filter(|o| o.service.is_none()).count()
}

/// Fails with the list where it is not empty; else passes, unless something stands in doubt.
fn none_of(bad: &[String], facts: &Facts<'_>, pass: &str) -> Answer {
    if !bad.is_empty() {
        return (Verdict::Fail, bad.join(", "));
    }
    match facts.hosts.iter().find_map(Exposure::doubt) {
        Some(why) => (Verdict::Unknown, why.into()),
        None => (Verdict::Pass, pass.into()),
    }
}

/// As `none_of`, and unknown while a port is open on which nothing was recognised.
fn no_service(bad: &[String], facts: &Facts<'_>, pass: &str) -> Answer {
    match (bad.is_empty(), unrecognised(facts)) {
        (true, n) if n > 0 => (Verdict::Unknown, format!("{n} open ports were not recognised")),
        _ => none_of(bad, facts, pass),
    }
}

/// Whether a policy expects the port on this asset, or a waiver in force covers it.
fn justified(facts: &Facts<'_>, port: u16, protocol: Protocol) -> bool {
    let at = Some((port, protocol));
    facts.expected.contains(&(port, protocol))
        || facts.assertions.iter().any(|a| a.port == at && a.verdict == Verdict::Waived)
}

fn under_a_policy(facts: &Facts<'_>) -> bool {
    facts.assertions.iter().any(|a| a.kind != RuleKind::Scope)
}

/// PC-01. A policy's expectation is the approval; a waiver names owner, reason and day.
pub(super) fn approved(facts: &Facts<'_>) -> Answer {
    if !under_a_policy(facts) {
        return (Verdict::Unknown, "no policy covers the asset".into());
    }
    let ports = open(facts);
    let bad: Vec<String> =
        ports.iter().filter(|o| !justified(facts, o.port, o.protocol)).map(ToString::to_string).collect();
    let waived = facts.assertions.iter().any(|a| a.verdict == Verdict::Waived && a.kind == RuleKind::Otherwise);
    match none_of(&bad, facts, "every open port is expected") {
        (Verdict::Pass, message) if waived => (Verdict::Waived, message),
        answer => answer,
    }
}

/// PC-02. A requirement that the policy makes of the port is the compensating measure.
pub(super) fn compensated(facts: &Facts<'_>) -> Answer {
    if !under_a_policy(facts) {
        return (Verdict::Unknown, "no policy covers the asset".into());
    }
    let measured = |o: &Open<'_>| {
        facts.assertions.iter().any(|a| a.port == Some((o.port, o.protocol)) && a.kind == RuleKind::Requirement)
    };
    let ports = open(facts);
    let bad: Vec<String> = ports
        .iter()
        .filter(|o| o.service.is_some_and(|s| CLEAR_TEXT.contains(&s)) && !o.tls)
        .filter(|o| justified(facts, o.port, o.protocol) && !measured(o))
        .map(ToString::to_string)
        .collect();
    no_service(&bad, facts, "no insecure service is approved without a measure")
}

const ADMINISTRATION: &[u16] = &[22, 3389];

fn no_administration(facts: &Facts<'_>, v6: bool) -> Answer {
    let hosts: Vec<&Exposure<'_>> = facts.hosts.iter().filter(|h| h.host.addr.is_ipv6() == v6).collect();
    if hosts.is_empty() {
        let family = if v6 { "IPv6" } else { "IPv4" };
        return (Verdict::Unknown, format!("no {family} address of it was scanned"));
    }
    let remote = |s: Option<&str>| s.is_some_and(|s| ["ssh", "rdp", "telnet", "vnc", "winrm"].contains(&s));
    let bad: Vec<String> = open(facts)
        .iter()
        .filter(|o| o.v6 == v6 && (ADMINISTRATION.contains(&o.port) || remote(o.service)))
        .map(ToString::to_string)
        .collect();
    if bad.is_empty() {
        for host in hosts {
            for port in ADMINISTRATION {
                if let Known::Unknown(why) = host.port(*port, Protocol::Tcp) {
                    return (Verdict::Unknown, format!("{port}/tcp: {why}"));
                }
            }
        }
    }
    none_of(&bad, facts, "22 and 3389 are not open, and no remote administration was recognised elsewhere")
}

/// PC-03.
pub(super) fn no_administration_v4(facts: &Facts<'_>) -> Answer {
    no_administration(facts, false)
}

/// PC-04.
pub(super) fn no_administration_v6(facts: &Facts<'_>) -> Answer {
    no_administration(facts, true)
}

fn all_justified(facts: &Facts<'_>, concerns: impl Fn(&Open<'_>) -> bool, pass: &str) -> Answer {
    let bad: Vec<String> = open(facts)
        .iter()
        .filter(|o| concerns(o) && !justified(facts, o.port, o.protocol))
        .map(ToString::to_string)
        .collect();
    none_of(&bad, facts, pass)
}

/// PC-06.
pub(super) fn udp_justified(facts: &Facts<'_>) -> Answer {
    let asked = facts.hosts.iter().any(|h| h.asked_udp() > 0);
    if !asked {
        return (Verdict::Unknown, "no UDP port was probed".into());
    }
    all_justified(facts, |o| o.protocol == Protocol::Udp, "every open UDP port is expected")
}

/// PC-07.
pub(super) fn web_justified(facts: &Facts<'_>) -> Answer {
    let web = |o: &Open<'_>| o.service == Some("http") || (o.service.is_none() && [80, 443].contains(&o.port));
    all_justified(facts, web, "every web service is expected")
}

/// PC-09.
pub(super) fn no_data_store(facts: &Facts<'_>) -> Answer {
    let bad: Vec<String> = open(facts)
        .iter()
        .filter(|o| o.service.is_some_and(|s| DATA_STORES.contains(&s)))
        .map(ToString::to_string)
        .collect();
    no_service(&bad, facts, "no open port is a data store")
}

/// PC-10.
pub(super) fn no_management(facts: &Facts<'_>) -> Answer {
    let mut bad: Vec<String> = open(facts)
        .iter()
        .filter(|o| o.service.is_some_and(|s| REMOTE.contains(&s)))
        .map(ToString::to_string)
        .collect();
    bad.extend(facts.findings.iter().filter(|f| &*f.check == "WEB-01").map(|f| f.evidence.clone()));
    no_service(&bad, facts, "no management interface was recognised")
}

/// PC-14.
pub(super) fn certificates_known(facts: &Facts<'_>) -> Answer {
    let mut unread = Vec::new();
    let mut known = 0usize;
    for host in facts.hosts {
        for service in &host.host.services {
            let tls = service.service.as_ref().is_some_and(|s| s.tls || &*s.name == "tls");
            match service.facts.get("tls.certificate.fingerprint") {
                Some(_) => known += 1,
                None if tls => unread.push(service.port.to_string()),
                None => {}
            }
        }
    }
    if let Some(why) = facts.hosts.iter().find_map(Exposure::doubt) {
        return (Verdict::Unknown, why.into());
    }
    match (unread.is_empty(), unrecognised(facts)) {
        (false, _) => (Verdict::Unknown, format!("no certificate was read on {}", unread.join(", "))),
        (true, 0) => (Verdict::Pass, format!("{known} certificates are known")),
        (true, n) => (Verdict::Unknown, format!("{n} open ports were not recognised")),
    }
}

/// Keys under which the three tags are looked for.
const TAG_KEYS: [(&str, &[&str]); 3] = [
    ("owner", &["owner"]),
    ("environment", &["environment", "env"]),
    ("data class", &["data-class", "dataclass", "data_class", "data-classification", "classification"]),
];

/// PC-22.
pub(super) fn tagged(facts: &Facts<'_>) -> Answer {
    let snapshot = facts.input.snapshot;
    let Some(row) = snapshot.row_of(facts.asset) else {
        return (Verdict::Unknown, "it is not in the inventory".into());
    };
    let mut missing = Vec::new();
    for (what, keys) in TAG_KEYS {
        match provider_tag(snapshot, row, keys) {
            Tag::Value(_) => {}
            Tag::Absent => missing.push(what),
            Tag::Unread => return (Verdict::Unknown, "its tags were not read".into()),
        }
    }
    if missing.is_empty() {
        (Verdict::Pass, "all three are there".into())
    } else {
        (Verdict::Fail, format!("no tag for {}", missing.join(", ")))
    }
}

/// PC-23: the inventory at most 7 days old, and this very test.
pub(super) fn fresh(facts: &Facts<'_>) -> Answer {
    let days = (facts.input.now.as_second() - facts.input.snapshot.taken_at().as_second()).div_euclid(86_400);
    if days > 7 {
        return (Verdict::Fail, format!("the inventory is {days} days old"));
    }
    match facts.hosts.iter().find_map(Exposure::doubt) {
        Some(why) => (Verdict::Unknown, why.into()),
        None => (Verdict::Pass, format!("discovered {days} days ago, tested now")),
    }
}

/// Days in which a finding is to be fixed: CISA BOD 19-02, critical and high.
const DAYS_TO_FIX: [(u8, i64); 2] = [(5, 15), (4, 30)];

/// PC-25.
pub(super) fn fixed_in_time(facts: &Facts<'_>) -> Answer {
    let now = facts.input.now;
    let late: Vec<String> = facts
        .findings
        .iter()
        .filter(|f| f.kind != Kind::Information)
        .filter_map(|f| {
            let (_, allowed) = DAYS_TO_FIX.into_iter().find(|(severity, _)| *severity == f.severity)?;
            let days = (now.as_second() - f.seen.0.as_second()).div_euclid(86_400);
            (days > allowed).then(|| format!("{} is open for {days} days; {allowed} are allowed", f.check))
        })
        .collect();
    none_of(&late, facts, "nothing is open for longer than its severity allows")
}

/// PC-26.
pub(super) fn approved_plan(facts: &Facts<'_>) -> Answer {
    let new: Vec<String> = facts.findings.iter().filter(|f| &*f.check == "EX-15").map(|f| f.evidence.clone()).collect();
    match facts.input.run.approved {
        Some(true) if new.is_empty() => (Verdict::Pass, "the plan was approved, and no port opened since".into()),
        Some(true) => (Verdict::Fail, format!("{} ports opened since the last run", new.len())),
        Some(false) | None => (Verdict::Unknown, "the run names no approved plan (run --plan)".into()),
    }
}

/// PC-28.
pub(super) fn in_scope(facts: &Facts<'_>) -> Answer {
    let run = facts.input.run;
    if run.refused > 0 {
        return (Verdict::Fail, format!("the gate had to refuse {} frames", run.refused));
    }
    if !run.complete {
        return (Verdict::Fail, "the scan did not ask all that was planned".into());
    }
    none_of(&[], facts, "complete; every packet has its warrant in the ledger")
}
