//! Every check, native or rhai, case by case: `tests/checks/<ID>.txt` holds facts as text and the verdict as text.
//!
//! ```text
//! case fires
//! host i-1 192.0.2.1 www.example.com
//!   icmp.echo = true
//! service http 443/tcp tls
//!   tls.versions = [TLS 1.0, TLS 1.2]
//!   tls.certificate.not_after = 2026-01-01T00:00:00Z
//!   untested tls.dh_bits = reset
//! -> found 3: versions accepted: TLS 1.0
//! ```
//!
//! `host` may be left out; facts before the first service are the host's. A value in quotes is text whatever it looks
//! like. `product` and `version` after the service's words. Each check has the cases `fires`, `silent` and `control`;
//! more are welcome. `UPDATE_GOLDEN=1` rewrites the verdict lines.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use palisade::base::clock::ManualClock;
use palisade::base::limits::Limits;
use palisade::judge::check::{Check, Scope, Subject, Verdict, native, rows};
use palisade::lang::job::Protocol;
use palisade::script::check::{BUILTIN, CheckHost, builtin};
use palisade::service::evidence::{Fact, Facts, HostEvidence, Recognised, ServiceEvidence};

const NOW: &str = "2026-06-01T00:00:00Z";

pub fn now() -> Timestamp {
    NOW.parse().unwrap()
}

pub fn host_of_scripts() -> CheckHost {
    CheckHost::new(&Limits::default(), Arc::new(ManualClock::at(now())))
}

/// All checks of the program.
pub fn all() -> Vec<Arc<dyn Check>> {
    let scripts = builtin(&host_of_scripts());
    let told: Vec<String> = scripts.diagnostics.iter().map(|d| format!("{} {}", d.code, d.message)).collect();
    assert!(told.is_empty(), "{told:?}");
    native().into_iter().chain(scripts.checks).collect()
}

/// `[a, b]`, `true`, `42`, a time, or text.
fn fact(text: &str) -> Fact {
    if let Some(inner) = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
        return Fact::Text(inner.replace("\\r", "\r").replace("\\n", "\n"));
    }
    if let Some(inner) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        return Fact::List(inner.split(", ").filter(|s| !s.is_empty()).map(str::to_owned).collect());
    }
    if let Ok(value) = text.parse::<bool>() {
        return Fact::Bool(value);
    }
    if let Ok(value) = text.parse::<i64>() {
        return Fact::Int(value);
    }
    text.parse::<Timestamp>().map_or_else(|_| Fact::Text(text.to_owned()), Fact::Date)
}

fn service(words: &str) -> ServiceEvidence {
    let mut words = words.split_whitespace();
    let name = words.next().unwrap();
    let (port, protocol) = words.next().unwrap().split_once('/').unwrap();
    let mut known =
        Recognised { name: name.into(), tls: false, how: "its behaviour".into(), product: None, version: None };
    while let Some(word) = words.next() {
        match word {
            "tls" => known.tls = true,
            "product" => known.product = words.next().map(|w| w.replace('_', " ")),
            "version" => known.version = words.next().map(str::to_owned),
            other => panic!("a service has no `{other}`"),
        }
    }
    ServiceEvidence {
        port: port.parse().unwrap(),
        protocol: if protocol == "udp" { Protocol::Udp } else { Protocol::Tcp },
        service: (name != "unknown").then_some(known),
        facts: Facts::default(),
        extracts: Vec::new(),
        untested: Vec::new(),
        span: (now(), now()),
    }
}

pub fn host(words: &str) -> HostEvidence {
    let mut words = words.split_whitespace();
    HostEvidence {
        asset: words.next().unwrap().into(),
        addr: words.next().unwrap().parse().unwrap(),
        name: words.next().map(Into::into),
        facts: Facts::default(),
        services: Vec::new(),
        unattributed: false,
    }
}

/// The hosts that a case's lines describe.
pub fn hosts(lines: &[&str]) -> Vec<HostEvidence> {
    let mut hosts: Vec<HostEvidence> = Vec::new();
    for line in lines.iter().map(|l| l.trim()).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        if let Some(words) = line.strip_prefix("host ") {
            hosts.push(host(words));
            continue;
        }
        if hosts.is_empty() {
            hosts.push(host("i-1 192.0.2.1"));
        }
        let current = hosts.last_mut().unwrap();
        if line == "unattributed" {
            current.unattributed = true;
        } else if let Some(words) = line.strip_prefix("service ") {
            current.services.push(service(words));
        } else {
            let (path, value) = line.split_once(" = ").unwrap_or_else(|| panic!("this is no fact: {line}"));
            match (path.strip_prefix("untested "), current.services.last_mut()) {
                (Some(what), Some(service)) => service.untested.push((what.into(), value.into())),
                (Some(what), None) => panic!("`untested {what}` belongs to a service"),
                (None, Some(service)) => set(&mut service.facts, path, fact(value)),
                (None, None) => set(&mut current.facts, path, fact(value)),
            }
        }
    }
    hosts
}

fn set(facts: &mut Facts, path: &str, value: Fact) {
    match value {
        Fact::Bool(v) => facts.set(path, v),
        Fact::Int(v) => facts.set(path, v),
        Fact::Text(v) => facts.set(path, v),
        Fact::Date(v) => facts.set(path, v),
        Fact::List(v) => facts.set(path, v),
    }
}

fn told(check: &dyn Check, verdict: &Verdict, prefix: &str) -> Vec<String> {
    match verdict {
        Verdict::Found(hits) => hits
            .iter()
            .map(|h| {
                let key = if h.key.is_empty() { String::new() } else { format!(" [{}]", h.key) };
                let asset = h.asset.as_ref().map(|a| format!(" {a}")).unwrap_or_default();
                format!("-> {prefix}found {}{asset}{key}: {}", h.severity.unwrap_or(check.info().severity), h.evidence)
            })
            .collect(),
        Verdict::Clear => vec![format!("-> {prefix}clear")],
        Verdict::NotApplicable => vec![format!("-> {prefix}not applicable")],
        Verdict::NotTested(why) => vec![format!("-> {prefix}not tested: {why}")],
        Verdict::Failed(why) => vec![format!("-> {prefix}failed: {why}")],
    }
}

/// The verdicts of a check on a case: one a subject, with the port in front where there are several services.
fn verdicts(check: &dyn Check, hosts: &[HostEvidence]) -> Vec<String> {
    let subject = Subject { estate: hosts, host: None, service: None, now: now() };
    match check.info().scope {
        Scope::Estate => told(check, &check.judge(&subject), ""),
        Scope::Host => {
            hosts.iter().flat_map(|h| told(check, &check.judge(&Subject { host: Some(h), ..subject }), "")).collect()
        }
        Scope::Service => hosts
            .iter()
            .flat_map(|h| h.services.iter().map(move |s| (h, s)))
            .flat_map(|(h, s)| {
                let several = h.services.len() > 1;
                let prefix = if several { format!("{} ", s.port) } else { String::new() };
                told(check, &check.judge(&Subject { host: Some(h), service: Some(s), ..subject }), &prefix)
            })
            .collect(),
    }
}

struct Case {
    name: String,
    verdicts: Vec<String>,
}

/// Plays a file; returns it as it should read, and its cases.
fn replay(check: &dyn Check, text: &str) -> (String, Vec<Case>) {
    let mut out = String::new();
    let mut cases = Vec::new();
    let (preface, rest) = text.split_once("case ").map_or((text, ""), |(p, r)| (p, r));
    out.push_str(preface);
    for block in rest.split("\ncase ") {
        let lines: Vec<&str> = block.lines().collect();
        let name = lines[0].trim().to_owned();
        let given: Vec<&str> = lines[1..].iter().copied().filter(|l| !l.starts_with("->") && !l.is_empty()).collect();
        let verdicts = verdicts(check, &hosts(&given));
        out.push_str(&format!("case {name}\n{}", given.iter().map(|l| format!("{l}\n")).collect::<String>()));
        out.push_str(&verdicts.iter().map(|l| format!("{l}\n")).collect::<String>());
        out.push('\n');
        cases.push(Case { name, verdicts });
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    (out, cases)
}

/// What is wrong with a check's three cases.
fn faults_of(id: &str, cases: &[Case]) -> Vec<String> {
    let mut faults = Vec::new();
    for wanted in ["fires", "silent", "control"] {
        let Some(case) = cases.iter().find(|c| c.name == wanted) else {
            faults.push(format!("{id}: no case `{wanted}`"));
            continue;
        };
        let found = case.verdicts.iter().any(|v| v.contains("found "));
        if found != (wanted == "fires") {
            faults.push(format!("{id}: case `{wanted}` says {:?}", case.verdicts));
        }
        if case.verdicts.iter().any(|v| v.contains("failed: ")) {
            faults.push(format!("{id}: case `{wanted}` fails"));
        }
    }
    faults
}

#[test]
fn every_check_has_three_cases_and_they_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/checks");
    let mut faults = Vec::new();
    let mut files: BTreeSet<String> =
        fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    for check in all() {
        let id = &check.info().id;
        let path = folder.join(format!("{id}.txt"));
        if !files.remove(&format!("{id}.txt")) {
            faults.push(format!("{id}: tests/checks/{id}.txt is missing"));
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let (want, cases) = replay(check.as_ref(), &text);
        faults.extend(faults_of(id, &cases));
        if want != text {
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                fs::write(&path, &want).unwrap();
            } else {
                let first = want.lines().zip(text.lines()).find(|(a, b)| a != b);
                faults.push(format!("{id}: says {first:?} (now, file); UPDATE_GOLDEN=1 accepts"));
            }
        }
    }
    faults.extend(files.into_iter().map(|f| format!("tests/checks/{f} belongs to no check")));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn checks_say_all_that_is_to_be_known_of_them() {
    let mut faults = Vec::new();
    let mut ids = BTreeSet::new();
    for check in all() {
        let info = check.info();
        let id = &info.id;
        if !ids.insert(id.clone()) {
            faults.push(format!("{id}: used twice"));
        }
        if !(1..=5).contains(&info.severity) {
            faults.push(format!("{id}: severity {}", info.severity));
        }
        for (what, text) in [
            ("title", &info.title),
            ("family", &info.family),
            ("threat", &info.threat),
            ("impact", &info.impact),
            ("solution", &info.solution),
        ] {
            if text.is_empty() || text.trim() != text {
                faults.push(format!("{id}: {what} is {text:?}"));
            }
        }
        if info.kind == palisade::judge::check::Kind::Confirmed && info.control.is_empty() {
            faults.push(format!("{id}: confirmed without a control"));
        }
        if info.title.ends_with('.') {
            faults.push(format!("{id}: the title ends with a period"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn tables_and_folders_say_the_same() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = |folder: &str, ending: &str| -> BTreeSet<String> {
        fs::read_dir(top.join(folder))
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .filter(|n| n.ends_with(ending))
            .collect()
    };
    let table: BTreeSet<String> = BUILTIN.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("scripts/checks", ".rhai"), table, "scripts/checks and its table");
    let families: BTreeSet<String> = rows().map(|(family, _)| format!("{family}.rs")).collect();
    let mut files = names("src/judge/check", ".rs");
    for own in ["mod.rs", "registry.rs", "subject.rs"] {
        assert!(files.remove(own), "{own}");
    }
    assert_eq!(files, families, "src/judge/check and its table");
    for file in &files {
        let text = fs::read_to_string(top.join("src/judge/check").join(file)).unwrap();
        let written = text.matches("    id: \"").count();
        let rows = rows().filter(|(family, _)| format!("{family}.rs") == *file).count();
        assert_eq!(written, rows, "rows written in {file}, and in its table");
    }
    for (name, text) in BUILTIN {
        let id = text.lines().find_map(|l| l.strip_prefix("// id: ")).unwrap();
        assert_eq!(*name, format!("{id}.rhai"));
    }
}
