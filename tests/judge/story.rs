//! One scan over several runs: new, active, fixed, reopened, and what cannot be compared.

use std::sync::Arc;

use palisade::judge::change::{Gone, KnownFinding, View, compare};
use palisade::judge::engine::Judged;
use palisade::judge::finding::{Finding, State};
use palisade::service::evidence::HostEvidence;

use super::policy::{evidence, judged};

fn known(f: &Finding) -> KnownFinding {
    KnownFinding {
        id: Arc::clone(&f.id),
        check: Arc::clone(&f.check),
        title: Arc::clone(&f.title),
        kind: f.kind,
        severity: f.severity,
        asset: Arc::clone(&f.asset),
        name: f.name.clone(),
        port: f.port,
        service: f.service.clone(),
        key: f.key.clone(),
        evidence: f.evidence.clone(),
        state: f.state,
        first_seen: f.seen.0,
        last_seen: f.seen.1,
    }
}

/// What stands in the store after each run: all that was ever found.
#[derive(Default)]
struct Story(Vec<KnownFinding>);

impl Story {
    /// Plays a run and tells it in a line a change, information left out.
    fn run(&mut self, text: &str) -> String {
        let hosts: Vec<HostEvidence> = evidence(text);
        let mut judged: Judged = judged(&hosts);
        let mut findings = std::mem::take(&mut judged.findings);
        let gone: Vec<Gone> = compare(&mut findings, self.0.clone(), &View::new(&judged, &hosts, &self.0));
        let mut lines: Vec<String> = findings
            .iter()
            .filter(|f| !f.check.starts_with("IG-"))
            .map(|f| format!("{} {} {}", f.state.as_str(), f.asset, f.check))
            .collect();
        for g in gone.iter().filter(|g| !g.finding.check.starts_with("IG-")) {
            lines.push(format!("{} {} {}: {}", g.finding.state.as_str(), g.finding.asset, g.finding.check, g.why));
        }
        let now: Vec<KnownFinding> = findings.iter().map(known).chain(gone.into_iter().map(|g| g.finding)).collect();
        self.0.retain(|old| !now.iter().any(|n| n.id == old.id));
        self.0.extend(now);
        lines.sort();
        lines.join("\n")
    }
}

const BAD: &str = "host i-1 192.0.2.1\nUP\nports.tcp.open = [22, 6379]\nservice redis 6379/tcp\nredis.auth_required = false\n\
    service ssh 22/tcp\nssh.kex = [rsa1024-sha1]\nssh.protocol = 2.0\n";

#[test]
fn a_finding_lives_through_its_states() {
    let mut story = Story::default();
    assert_eq!(story.run(BAD), "new i-1 DB-07\nnew i-1 SSH-03");
    let moved = BAD.replace("192.0.2.1", "198.51.100.9");
    assert_eq!(story.run(&moved), "active i-1 DB-07\nactive i-1 SSH-03", "another address is the same finding");
    let mended = BAD
        .replace("rsa1024-sha1", "curve25519-sha256")
        .replace("22, 6379", "22")
        .replace("service redis 6379/tcp\nredis.auth_required = false\n", "");
    assert_eq!(story.run(&mended), "fixed i-1 DB-07: the port is not open\nfixed i-1 SSH-03: clear now");
    assert_eq!(story.run(&mended), "", "fixed is told once");
    assert_eq!(story.run(BAD), "reopened i-1 DB-07\nreopened i-1 SSH-03");
    assert_eq!(story.run(BAD), "active i-1 DB-07\nactive i-1 SSH-03");
    assert!(story.0.iter().any(|k| k.state == State::Active));
}

#[test]
fn what_nobody_looked_for_is_not_fixed() {
    let of = |text: &str| {
        let mut story = Story::default();
        story.run(BAD);
        story.run(text)
    };
    let down = "host i-1 192.0.2.1\nhost.state = down\nports.tcp.asked = \"1-10000\"\nports.complete = true\n";
    insta::assert_snapshot!(of(down), @r#"
    not comparable i-1 DB-07: the host did not answer
    not comparable i-1 SSH-03: the host did not answer
    "#);
    insta::assert_snapshot!(of("host i-2 192.0.2.2\nUP\nports.tcp.open = []\n"), @r#"
    not comparable i-1 DB-07: the asset was not scanned
    not comparable i-1 SSH-03: the asset was not scanned
    "#);
    insta::assert_snapshot!(of(&BAD.replace("UP\n", "host.state = up\nports.tcp.asked = \"22\"\nports.complete = true\n").replace("22, 6379", "22").replace("service redis 6379/tcp\nredis.auth_required = false\n", "")), @r#"
    active i-1 SSH-03
    not comparable i-1 DB-07: the port was not probed
    "#);
    insta::assert_snapshot!(of(&BAD.replace("redis.auth_required = false", "untested redis = reset")), @r#"
    active i-1 SSH-03
    not comparable i-1 DB-07: `redis.auth_required` was not learned (redis: reset)
    "#);
    insta::assert_snapshot!(of(&BAD.replace("service redis", "service unknown").replace("redis.auth_required = false\n", "")), @r#"
    active i-1 SSH-03
    not comparable i-1 DB-07: the service was not recognised
    "#);
    insta::assert_snapshot!(of(&BAD.replace("UP\n", "host.state = up\nports.tcp.asked = \"1-10000\"\nports.complete = false\n").replace("22, 6379", "22").replace("service redis 6379/tcp\nredis.auth_required = false\n", "")), @r#"
    active i-1 SSH-03
    not comparable i-1 DB-07: the scan of the host did not come to its end
    "#);
    insta::assert_snapshot!(of(&BAD.replace("UP\n", "unattributed\n")), @r#"
    not comparable i-1 DB-07: the ownership of the address could not be confirmed
    not comparable i-1 SSH-03: the ownership of the address could not be confirmed
    "#);
}

#[test]
fn another_service_on_the_port_fixes_what_was_there() {
    let mut story = Story::default();
    story.run(BAD);
    let other =
        BAD.replace("service redis", "service http").replace("redis.auth_required = false", "http.status = 404");
    assert_eq!(story.run(&other), "active i-1 SSH-03\nfixed i-1 DB-07: it does not apply any more");
}
