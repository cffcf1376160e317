//! Facts that mean harm: every fact of the catalogue long and full of characters that end lines, tags and tables, on every
//! service. No check fails, evidence stays short, and every report can still be read.

use palisade::base::progress::{Silent, Stop};
use palisade::judge::check::Verdict;
use palisade::judge::check::{Scope, Subject};
use palisade::judge::engine::{JudgeInput, judge};
use palisade::service::catalogue::{FACTS, Type};
use palisade::service::evidence::{Facts, HostEvidence, Recognised, ServiceEvidence};
use palisade::service::services::SERVICES;

use crate::checks::{all, host, now};

/// 64 KiB of this and that.
fn long(seed: &str) -> String {
    let piece = "\u{0}\u{7}\u{1b}[31m</script>]]><!--\"'&,;\r\n\t\u{202e}\u{ffff}=x;";
    format!("{seed}{}", piece.chars().cycle().take(64 << 10).collect::<String>())
}

/// Every fact there is, in the shape that its row says; `<x>` becomes each service's name, a path, a version.
fn facts(seed: &str, yes: bool) -> Facts {
    let mut facts = Facts::default();
    let text = long(seed);
    let mut set = |path: &str, kind: Type| match kind {
        Type::Bool => facts.set(path, yes),
        Type::Int => facts.set(path, if yes { i64::MIN } else { i64::MAX }),
        Type::Text => facts.set(path, text.as_str()),
        Type::Date => facts.set(path, now()),
        Type::List => facts.set(path, vec![text.clone()]),
    };
    for row in FACTS.iter().flat_map(|g| g.iter()) {
        let path = row.path.replace("<path>", "/.env").replace("<version>", "TLS 1.0").replace("<type>", "ssh-rsa");
        let path = path.replace("<name>", "server").replace("<state>", "open").replace("<transport>", "tcp");
        if path.contains("<service>") {
            SERVICES.iter().for_each(|s| set(&path.replace("<service>", s.name), row.kind));
        } else {
            set(&path, row.kind);
        }
    }
    facts
}

fn hosts(yes: bool, seed: &str) -> Vec<HostEvidence> {
    let mut host = host("i-1 192.0.2.1 www.example.com");
    // A copy shares what it holds.
    let facts = facts(seed, yes);
    host.facts = facts.clone();
    for (port, row) in (1..).zip(SERVICES) {
        let mut known = Recognised::named(row.name, "its\u{7}behaviour");
        known.product = Some(format!("{seed}\u{1b}[31m\r\n"));
        known.version = known.product.clone();
        known.tls = yes;
        host.services.push(ServiceEvidence {
            port,
            protocol: row.transport,
            service: Some(known),
            facts: facts.clone(),
            extracts: Vec::new(),
            untested: Vec::new(),
            span: (now(), now()),
        });
    }
    vec![host]
}

/// Beginnings that lead checks further than noise would.
const SEEDS: &[&str] =
    &["", "220 x ESMTP Exim ", "OpenSSH_8.5p1 ", "http://10.", "{\"repositories\":", "TLS_RSA_EXPORT_"];

#[test]
fn no_fact_makes_a_check_fail() {
    let mut faults = Vec::new();
    for yes in [true, false] {
        for seed in SEEDS {
            let hosts = hosts(yes, seed);
            for check in all() {
                let subject = Subject { estate: &hosts, host: None, service: None, now: now() };
                let subjects: Vec<Subject<'_>> = match check.info().scope {
                    Scope::Estate => vec![subject],
                    Scope::Host => vec![Subject { host: hosts.first(), ..subject }],
                    Scope::Service => hosts[0]
                        .services
                        .iter()
                        .map(|s| Subject { host: hosts.first(), service: Some(s), ..subject })
                        .collect(),
                };
                for subject in subjects {
                    if let Verdict::Failed(why) = check.judge(&subject) {
                        let on = subject.service.and_then(|s| s.service.as_ref()).map_or("host", |s| &*s.name);
                        let why: String = why.chars().take(200).collect();
                        faults.push(format!("{} on {on}: {why:?}", check.info().id));
                    }
                }
            }
        }
    }
    faults.sort();
    faults.dedup();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn evidence_is_short_and_tame() {
    {
        let hosts = hosts(true, "Index of /");
        let judged = judge(&JudgeInput {
            hosts: &hosts,
            checks: &all(),
            now: now(),
            threads: 1,
            progress: &Silent,
            stop: &Stop::default(),
        });
        assert!(judged.findings.len() > 50, "{}", judged.findings.len());
        for finding in &judged.findings {
            assert!(finding.evidence.chars().count() < 2_200, "{}", finding.check);
            let tame = finding.evidence.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\t'));
            assert!(tame, "{}: {:?}", finding.check, finding.evidence.chars().take(80).collect::<String>());
        }
    }
}
