//! Truths and the table of how well they were met. A truth is a text for each kind of server:
//!
//! ```text
//! host 5 a word on it
//! name www.example.org             the target's public name, where it has one
//! 6379/tcp redis Redis             an open port, the service and product; `-` where nothing may be recognised
//!   redis.auth_required = false    a fact; further facts may be there
//! ~ 22/tcp ssh.auth_methods        what must be said to be untested; more may be
//! ! 6379/tcp DB-07 5 confirmed     a finding; further findings are false
//! ! host IG-11 3 information       one about the host
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use palisade::lang::job::Protocol;
use palisade::service::evidence::{Fact, HostEvidence, ServiceEvidence};
use palisade::store::findings::StoredFinding;

/// Items about packets, clocks and the inventory: other tests hold them against a truth of their own.
const ELSEWHERE: &[&str] =
    &["IG-01", "IG-05", "IG-06", "IG-07", "IG-08", "IG-09", "IG-10", "IG-13", "IG-14", "IG-22", "IG-23", "IG-24"];

/// One host's truth.
#[derive(Default)]
pub struct Host {
    pub number: u8,
    title: String,
    pub name: Option<String>,
    /// Service and facts of each open port.
    pub ports: BTreeMap<(u16, Protocol), (String, Vec<String>)>,
    findings: Vec<String>,
    untested: Vec<String>,
}

impl Host {
    pub fn addr(&self) -> IpAddr {
        Ipv4Addr::new(198, 18, 91, self.number).into()
    }
}

fn port(text: &str) -> (u16, Protocol) {
    let (port, protocol) = text.split_once('/').unwrap_or_else(|| panic!("no port: {text}"));
    (port.parse().unwrap(), if protocol == "udp" { Protocol::Udp } else { Protocol::Tcp })
}

fn shown_port((port, protocol): (u16, Protocol)) -> String {
    format!("{port}/{}", protocol.as_str())
}

/// Reads a kind's truth.
pub fn read(kind: &str, text: &str) -> Vec<Host> {
    let mut hosts: Vec<Host> = Vec::new();
    let mut last = None;
    for line in text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
        if let Some(rest) = line.strip_prefix("host ") {
            let (number, title) = rest.split_once(' ').unwrap();
            let (number, title) = (number.parse().unwrap(), title.to_owned());
            hosts.push(Host { number, title, ..Host::default() });
            continue;
        }
        let host = hosts.last_mut().unwrap_or_else(|| panic!("{kind}: no host before: {line}"));
        if let Some(name) = line.strip_prefix("name ") {
            host.name = Some(name.to_owned());
        } else if let Some(finding) = line.strip_prefix("! ") {
            host.findings.push(finding.to_owned());
        } else if let Some(untested) = line.strip_prefix("~ ") {
            host.untested.push(untested.to_owned());
        } else if let Some(fact) = line.strip_prefix("  ") {
            let port = last.unwrap_or_else(|| panic!("{kind}: no port before: {line}"));
            host.ports.get_mut(&port).unwrap().1.push(fact.trim_end().to_owned());
        } else {
            let (at, service) = line.split_once(' ').unwrap_or_else(|| panic!("{kind}: no service: {line}"));
            last = Some(port(at));
            host.ports.insert(port(at), (service.to_owned(), Vec::new()));
        }
    }
    hosts
}

fn shown(fact: &Fact) -> String {
    match fact {
        Fact::Bool(v) => v.to_string(),
        Fact::Int(v) => v.to_string(),
        Fact::Text(v) => v.clone(),
        Fact::Date(v) => v.to_string(),
        Fact::List(v) => v.join(" "),
    }
}

/// Service and product, as a truth writes them.
fn service(evidence: &ServiceEvidence) -> String {
    let Some(known) = &evidence.service else { return "-".into() };
    format!("{} {}", known.shown(), known.product.as_deref().unwrap_or_default()).trim_end().to_owned()
}

#[derive(Debug, Default)]
struct Row {
    title: String,
    ports: usize,
    facts: usize,
    findings: usize,
    found: usize,
    missed: Vec<String>,
    wrong: Vec<String>,
}

impl Row {
    /// Takes out of `got` what was wanted; what is wanted and not there was missed, what is left is false.
    fn match_up(&mut self, wanted: Vec<String>, mut got: Vec<String>) {
        for line in wanted {
            match got.iter().position(|g| *g == line) {
                Some(at) => {
                    got.remove(at);
                    self.found += 1;
                }
                None => self.missed.push(line),
            }
        }
        self.wrong.extend(got);
    }

    fn hold(&mut self, host: &Host, seen: Option<&HostEvidence>) {
        let services = seen.map(|s| s.services.as_slice()).unwrap_or_default();
        let wanted = host.ports.iter().map(|(at, (service, _))| format!("{} {service}", shown_port(*at))).collect();
        let got = services.iter().map(|s| format!("{} {}", shown_port((s.port, s.protocol)), service(s))).collect();
        self.match_up(wanted, got);
        let unasked = |s: &ServiceEvidence| {
            let at = shown_port((s.port, s.protocol));
            s.untested.iter().map(|(what, _)| format!("{at} {what}")).collect::<Vec<_>>()
        };
        let mut unasked: Vec<String> = services.iter().flat_map(unasked).collect();
        unasked.retain(|u| host.untested.contains(u));
        unasked.dedup();
        self.match_up(
            host.untested.iter().map(|u| format!("~ {u}")).collect(),
            unasked.iter().map(|u| format!("~ {u}")).collect(),
        );
        for ((port, protocol), (_, facts)) in &host.ports {
            let evidence = services.iter().find(|s| (s.port, s.protocol) == (*port, *protocol));
            let at = shown_port((*port, *protocol));
            for fact in facts {
                let path = fact.split_once(" =").map_or(fact.as_str(), |(path, _)| path);
                let told = evidence.and_then(|e| e.facts.get(path)).map(|f| format!("{path} = {}", shown(f)));
                let told = told.map(|t| t.trim_end().to_owned());
                self.match_up(vec![format!("{at} {fact}")], told.into_iter().map(|t| format!("{at} {t}")).collect());
            }
        }
    }
}

/// All hosts.
pub struct Table(Vec<Row>);

impl Table {
    pub fn compare(hosts: &[Host], seen: &[HostEvidence], findings: &[StoredFinding]) -> Self {
        let row = |host: &Host| {
            let evidence = seen.iter().find(|s| s.addr == host.addr());
            let facts = host.ports.values().map(|(_, facts)| facts.len()).sum();
            let mut row = Row {
                title: host.title.clone(),
                ports: host.ports.len(),
                facts,
                findings: host.findings.len(),
                ..Row::default()
            };
            row.hold(host, evidence);
            let own = findings.iter().map(|f| &f.finding).filter(|f| evidence.is_some_and(|e| e.asset == f.asset));
            let told = own.filter(|f| !ELSEWHERE.contains(&&*f.check)).map(|f| {
                let at = f.port.map_or("host".into(), shown_port);
                format!("! {at} {} {} {}", f.check, f.severity, f.kind.as_str())
            });
            row.match_up(host.findings.iter().map(|f| format!("! {f}")).collect(), told.collect());
            row
        };
        Self(hosts.iter().map(row).collect())
    }

    pub fn is_clean(&self) -> bool {
        self.0.iter().all(|r| r.missed.is_empty() && r.wrong.is_empty())
    }

    /// What was missed and what is false, line by line, as truths write it.
    pub fn faults(&self) -> String {
        let mut all = String::new();
        for row in self.0.iter().filter(|r| !r.missed.is_empty() || !r.wrong.is_empty()) {
            all += &format!("\n{}\n", row.title);
            let (mut missed, mut wrong) = (row.missed.clone(), row.wrong.clone());
            missed.sort();
            wrong.sort();
            missed.iter().for_each(|l| all += &format!("  missed {l}\n"));
            wrong.iter().for_each(|l| all += &format!("  false  {l}\n"));
        }
        all
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "{:<48} {:>5} {:>5} {:>8} | {:>5} {:>6} {:>5}",
            "host", "ports", "facts", "findings", "found", "missed", "false"
        )?;
        let mut total = [0; 6];
        for row in &self.0 {
            let line = [row.ports, row.facts, row.findings, row.found, row.missed.len(), row.wrong.len()];
            total.iter_mut().zip(line).for_each(|(sum, n)| *sum += n);
            let [ports, facts, findings, found, missed, wrong] = line;
            writeln!(out, "{:<48} {ports:>5} {facts:>5} {findings:>8} | {found:>5} {missed:>6} {wrong:>5}", row.title)?;
        }
        let [ports, facts, findings, found, missed, wrong] = total;
        let title = format!("{} hosts", self.0.len());
        writeln!(out, "{title:<48} {ports:>5} {facts:>5} {findings:>8} | {found:>5} {missed:>6} {wrong:>5}")
    }
}
