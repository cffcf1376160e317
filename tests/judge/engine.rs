//! The engine: outcomes, threads, ownership, several addresses, choice.

use std::collections::BTreeSet;
use std::sync::Arc;

use palisade::base::progress::{Silent, Stop};
use palisade::base::source::{Span, Spanned};
use palisade::judge::check::Check;
use palisade::judge::engine::{JudgeInput, Judged, Outcome, judge};
use palisade::judge::select::Selection;
use palisade::lang::job::{Checks, Consent};
use palisade::service::evidence::HostEvidence;

use crate::checks::{all, hosts, now};

fn run(hosts: &[HostEvidence], checks: &[Arc<dyn Check>], threads: usize) -> Judged {
    judge(&JudgeInput { hosts, checks, now: now(), threads, progress: &Silent, stop: &Stop::default() })
}

fn shown(judged: &Judged) -> Vec<String> {
    let line = |f: &palisade::judge::finding::Finding| {
        let port = f.port.map(|(p, t)| format!("{p}/{}", t.as_str())).unwrap_or_else(|| "host".into());
        format!("{} {port} {} {}: {}", f.asset, f.check, f.severity, f.evidence)
    };
    judged.findings.iter().map(line).collect()
}

fn world() -> Vec<HostEvidence> {
    let text = "host i-1 192.0.2.1 www.example.com\nservice http 443/tcp tls\ntls.versions = [TLS 1.0, TLS 1.3]\n\
        http.status = 200\nservice ssh 22/tcp\nssh.kex = [rsa1024-sha1]\nssh.protocol = 2.0\n\
        host i-2 192.0.2.2\nservice redis 6379/tcp\nredis.auth_required = false\n\
        host i-3 192.0.2.3\nunattributed\nservice redis 6379/tcp\nredis.auth_required = false\n\
        host i-4 192.0.2.4\nservice ssh 22/tcp\nuntested ssh = closed";
    hosts(&text.lines().collect::<Vec<_>>())
}

#[test]
fn findings_come_in_order_and_only_for_hosts_that_are_ours() {
    let judged = run(&world(), &all(), 1);
    let shown: Vec<String> = shown(&judged).into_iter().filter(|l| !l.contains(" IG-")).collect();
    insta::assert_snapshot!(shown.join("\n"), @r"
    i-1 22/tcp SSH-01 3: ssh, known by its behaviour
    i-1 22/tcp SSH-03 2: key exchanges offered: rsa1024-sha1
    i-1 443/tcp TLS-03 3: versions accepted: TLS 1.0
    i-1 443/tcp WEB-05 1: answer 200 without the header
    i-2 6379/tcp DB-07 5: PING was answered with +PONG
    i-4 22/tcp SSH-01 3: ssh, known by its behaviour
    ");
    assert_eq!(judged.unattributed.iter().map(|a| &**a).collect::<Vec<_>>(), ["i-3"]);
    assert!(judged.whole);
}

#[test]
fn silence_is_counted_with_its_reason() {
    let judged = run(&world(), &all(), 1);
    let at = judged.checks.iter().position(|c| c.id == "SSH-03").unwrap();
    let tally = judged.tallies()[at];
    assert_eq!((tally.found, tally.clear, tally.not_tested, tally.failed), (1, 0, 1, 0));
    let silence = judged.silences.iter().find(|s| s.check == at as u32).unwrap();
    assert_eq!(silence.outcome, Outcome::NotTested);
    assert_eq!(silence.reason, "`ssh.kex` was not learned (ssh: closed)");
    assert_eq!(&*silence.place.asset, "i-4");
}

#[test]
fn threads_do_not_change_the_answer() {
    let many: Vec<HostEvidence> = (0..300)
        .flat_map(|i| world().into_iter().map(move |h| HostEvidence { asset: format!("{}-{i}", h.asset).into(), ..h }))
        .collect();
    let (one, four) = (run(&many, &all(), 1), run(&many, &all(), 4));
    assert_eq!(one.findings, four.findings);
    assert_eq!(one.outcomes, four.outcomes);
    assert_eq!(one.silences, four.silences);
    let ids: BTreeSet<_> = one.findings.iter().map(|f| f.id.clone()).collect();
    assert_eq!(ids.len(), one.findings.len(), "ids are unique");
}

#[test]
fn one_asset_at_two_addresses_has_one_finding_and_says_where_they_disagree() {
    let text = "host i-1 192.0.2.1\nservice redis 6379/tcp\nredis.auth_required = false\n\
        service ssh 22/tcp\nssh.kex = [rsa1024-sha1]\n\
        host i-1 2001:db8::1\nservice redis 6379/tcp\nredis.auth_required = false\n\
        service ssh 22/tcp\nssh.kex = [curve25519-sha256]";
    let judged = run(&hosts(&text.lines().collect::<Vec<_>>()), &all(), 2);
    let of = |check: &str| judged.findings.iter().filter(|f| &*f.check == check).cloned().collect::<Vec<_>>();
    let redis = of("DB-07");
    assert_eq!(redis.len(), 1);
    assert_eq!(redis[0].also_at, ["2001:db8::1".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(redis[0].contradicted, None);
    assert!(of("SSH-03")[0].contradicted.is_some());
}

#[test]
fn an_address_is_no_part_of_the_identity() {
    let ids = |addr: &str| {
        let text = format!("host i-1 {addr}\nservice redis 6379/tcp\nredis.auth_required = false");
        let judged = run(&hosts(&text.lines().collect::<Vec<_>>()), &all(), 1);
        judged.findings.iter().find(|f| &*f.check == "DB-07").unwrap().id.to_string()
    };
    assert_eq!(ids("192.0.2.1"), ids("198.51.100.7"));
    insta::assert_snapshot!(ids("192.0.2.1"), @"f-f4143b8eb1251c77");
}

#[test]
fn the_profile_chooses_by_family_glob_and_consent() {
    let some =
        |names: &[&str]| Checks::Some(names.iter().map(|n| Spanned::new((*n).to_owned(), Span::default())).collect());
    let chosen = |checks: &Checks, consent: &[Consent]| -> Vec<String> {
        let (chosen, left) = Selection { checks, consent }.split(&all());
        assert_eq!(chosen.len() + left.len(), all().len());
        chosen.iter().map(|c| c.info().id.clone()).collect()
    };
    assert!(chosen(&some(&["TLS"]), &[Consent::Safe]).iter().all(|id| id.starts_with("TLS-")));
    assert_eq!(chosen(&some(&["ssh-03", "DB-07"]), &[Consent::Safe]), ["DB-07", "SSH-03"]);
    assert!(chosen(&some(&["nothing"]), &[Consent::Safe]).is_empty());
    assert!(chosen(&Checks::All, &[Consent::Safe]).len() >= 8);
}
