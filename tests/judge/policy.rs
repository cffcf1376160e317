//! Policies, exposure findings and controls over made-up evidence: text in, text out.

use std::collections::HashMap;

use jiff::Timestamp;
use palisade::base::progress::{Silent, Stop};
use palisade::inventory::asset::{Field, Provider, Value};
use palisade::inventory::catalogue::ids;
use palisade::inventory::partition::PartitionState;
use palisade::judge::control::{self, ControlInput, RunFacts};
use palisade::judge::engine::{JudgeInput, Judged, judge};
use palisade::judge::estate::{self, EstateInput};
use palisade::judge::policy::{PolicyInput, PolicyOutcome, assert as assert_policies};
use palisade::service::evidence::HostEvidence;

use crate::checks::{all, hosts, now};
use crate::plan::world::{Make, World, inventory, partition};

const POLICY: &str = r#"
connector "c" { provider = file; path = "*.json" }
tag "web" { query = aws.tags: (key: env and value: web) }
tag "legacy" { query = aws.tags: (key: env and value: legacy) }
policy "edge" {
  scope = tags.name: "web" or tags.name: "legacy"
  expect tcp 443 { tls = ">= 1.2"; certificate_days = 30 }
  expect tcp 80 { redirects_to = https }
  deny port [22, 3389] severity 4 "remote administration is reachable"
  deny severity >= 4
  otherwise nothing
  waive tcp 8443 on tags.name: "legacy" { owner = "net-team"; reason = "CHG-1"; until = 2026-12-31 }
  waive tcp 22 on tags.name: "legacy" { owner = "net-team"; reason = "CHG-2"; until = 2026-05-31 }
  waive tcp 9999 { owner = "nobody"; reason = "CHG-3"; until = 2027-01-01 }
  expect udp 53
}
"#;

pub fn world() -> World {
    let asset = |id: &str, env: &str| {
        let mut made = Make::new(Provider::Aws, id).env(env).public("192.0.2.1");
        let value = Value::Ip("192.0.2.1".parse().unwrap());
        made.0.fields.push(Field { token: ids::AWS_PUBLIC_IP, element: 0, value });
        made
    };
    World::new(POLICY, inventory([asset("i-1", "web"), asset("i-2", "legacy"), asset("i-3", "other")]))
}

const UP: &str = "host.state = up\nports.complete = true\nports.tcp.asked = \"1-10000\"\n";

pub fn evidence(text: &str) -> Vec<HostEvidence> {
    let text = text.replace("UP\n", UP);
    hosts(&text.lines().collect::<Vec<_>>())
}

/// The checks of these tests: the catalogue may grow without changing what is told here.
const FIXED: [&str; 7] = ["DB-07", "SSH-02", "SSH-03", "TLS-03", "TLS-10", "TLS-11", "WEB-05"];

pub fn judged(hosts: &[HostEvidence]) -> Judged {
    let stop = Stop::default();
    let stays = |id: &str| id.starts_with("IG-") || FIXED.contains(&id);
    let checks: Vec<_> = all().into_iter().filter(|c| stays(&c.info().id)).collect();
    judge(&JudgeInput { hosts, checks: &checks, now: now(), threads: 1, progress: &Silent, stop: &stop })
}

fn policies(world: &World, hosts: &[HostEvidence], judged: &Judged, at: Timestamp) -> PolicyOutcome {
    assert_policies(&PolicyInput {
        policies: &world.program.policies,
        hosts,
        judged,
        snapshot: &world.snapshot,
        tags: &world.tags,
        sources: &world.sources,
        now: at,
    })
}

fn shown(outcome: &PolicyOutcome) -> String {
    let mut lines: Vec<String> = outcome
        .assertions
        .iter()
        .map(|a| {
            let port = a.port.map(|(p, t)| format!(" {p}/{}", t.as_str())).unwrap_or_default();
            format!(
                "{} {}{port} [{}] {} sev {}: {}",
                a.asset,
                a.verdict.as_str(),
                a.rule,
                a.place,
                a.severity,
                a.message
            )
        })
        .collect();
    for w in &outcome.waivers {
        lines.push(format!("waiver {} {} expired {} uses {}", w.what, w.place, w.expired, w.uses));
    }
    for u in &outcome.unused {
        lines.push(format!("unused {} {}", u.rule, u.place));
    }
    lines.join("\n")
}

#[test]
fn every_rule_has_a_result_and_a_place() {
    let world = world();
    let hosts = evidence(
        "host i-1 192.0.2.1\nUP\nports.tcp.open = [80, 443, 3389]\n\
         service http 80/tcp\nhttp.status = 301\nhttp.redirects = [https://www.example.com/]\n\
         service http 443/tcp tls\nhttp.status = 200\nhttp.header.strict-transport-security = max-age=31536000\n\
         tls.versions = [TLS 1.1, TLS 1.2]\ntls.control.refused = true\n\
         tls.certificate.not_before = 2026-01-01T00:00:00Z\ntls.certificate.not_after = 2026-07-15T00:00:00Z\n\
         service rdp 3389/tcp\n\
         host i-2 192.0.2.2\nUP\nports.tcp.open = [22, 8443]\nservice ssh 22/tcp\nssh.identification = SSH-2.0-x\n\
         ssh.kex = [curve25519-sha256]\nssh.protocol = 2.0\nservice redis 8443/tcp\nredis.auth_required = false\n\
         host i-3 192.0.2.3\nUP\nports.tcp.open = [22]\n",
    );
    insta::assert_snapshot!(shown(&policies(&world, &hosts, &judged(&hosts), now())), @r#"
    i-1 pass 443/tcp [expect tcp 443] edge.pal:7:3 sev 2: open, as expected
    i-1 fail 443/tcp [expect tcp 443 tls >= 1.2] edge.pal:7:20 sev 3: accepts TLS 1.1
    i-1 pass 443/tcp [expect tcp 443 certificate_days 30] edge.pal:7:36 sev 3: 44 days left, until 2026-07-15T00:00:00Z
    i-1 pass 80/tcp [expect tcp 80] edge.pal:8:3 sev 2: open, as expected
    i-1 pass 80/tcp [expect tcp 80 redirects_to https] edge.pal:8:19 sev 3: 301, redirects to https://www.example.com/
    i-1 fail 3389/tcp [deny port 22,3389] edge.pal:9:3 sev 4: remote administration is reachable
    i-1 pass [deny severity >= 4] edge.pal:10:3 sev 4: no such finding
    i-1 pass [otherwise nothing] edge.pal:11:3 sev 3: nothing else is open among 10000 ports probed
    i-1 unknown 53/udp [expect udp 53] edge.pal:15:3 sev 2: the port was not probed
    i-2 fail 443/tcp [expect tcp 443] edge.pal:7:3 sev 2: expected to be open, and is not
    i-2 fail 80/tcp [expect tcp 80] edge.pal:8:3 sev 2: expected to be open, and is not
    i-2 fail 22/tcp [deny port 22,3389] edge.pal:9:3 sev 4: remote administration is reachable; its waiver has expired
    i-2 waived 8443/tcp [deny severity >= 4] edge.pal:10:3 sev 5: DB-07 Redis answers commands without authentication
    i-2 waived 8443/tcp [otherwise nothing] edge.pal:11:3 sev 5: open (redis), and not expected
    i-2 unknown 53/udp [expect udp 53] edge.pal:15:3 sev 2: the port was not probed
    waiver tcp 8443 edge.pal:12:3 expired false uses 2
    waiver tcp 22 edge.pal:13:3 expired true uses 1
    waiver tcp 9999 edge.pal:14:3 expired false uses 0
    unused expect udp 53 edge.pal:15:3
    "#);
}

#[test]
fn silence_is_unknown_and_never_a_pass() {
    let world = world();
    let hosts = evidence(
        "host i-1 192.0.2.1\nhost.state = down\nports.tcp.asked = \"80,443\"\nports.complete = true\n\
         host i-1 192.0.2.9\nhost.state = up\nports.tcp.asked = \"80\"\nports.tcp.open = [80]\nports.complete = true\n\
         service http 80/tcp\nuntested http = timeout\n\
         host i-2 192.0.2.2\nunattributed\nports.tcp.open = [22]\nports.tcp.asked = \"22\"\n",
    );
    let outcome = policies(&world, &hosts, &judged(&hosts), now());
    let passes: Vec<_> = outcome.assertions.iter().filter(|a| a.verdict.as_str() == "pass").collect();
    insta::assert_snapshot!(shown(&outcome), @r#"
    i-1 unknown 443/tcp [expect tcp 443] edge.pal:7:3 sev 2: the host did not answer
    i-1 unknown 80/tcp [expect tcp 80] edge.pal:8:3 sev 2: the host did not answer
    i-1 unknown [deny port 22,3389] edge.pal:9:3 sev 4: 22/tcp: the port was not probed
    i-1 unknown [deny severity >= 4] edge.pal:10:3 sev 4: the host did not answer
    i-1 unknown [otherwise nothing] edge.pal:11:3 sev 3: the host did not answer
    i-1 unknown 53/udp [expect udp 53] edge.pal:15:3 sev 2: the port was not probed
    i-1 unknown 443/tcp [expect tcp 443] edge.pal:7:3 sev 2: the port was not probed
    i-1 pass 80/tcp [expect tcp 80] edge.pal:8:3 sev 2: open, as expected
    i-1 unknown 80/tcp [expect tcp 80 redirects_to https] edge.pal:8:19 sev 3: `http.status` was not learned (http: timeout)
    i-1 unknown [deny port 22,3389] edge.pal:9:3 sev 4: 22/tcp: the port was not probed
    i-1 pass [deny severity >= 4] edge.pal:10:3 sev 4: no such finding
    i-1 pass [otherwise nothing] edge.pal:11:3 sev 3: nothing else is open among 1 ports probed
    i-1 unknown 53/udp [expect udp 53] edge.pal:15:3 sev 2: the port was not probed
    i-2 unknown 443/tcp [expect tcp 443] edge.pal:7:3 sev 2: the ownership of the address could not be confirmed
    i-2 unknown 80/tcp [expect tcp 80] edge.pal:8:3 sev 2: the ownership of the address could not be confirmed
    i-2 unknown [deny port 22,3389] edge.pal:9:3 sev 4: 22/tcp: the ownership of the address could not be confirmed
    i-2 unknown [deny severity >= 4] edge.pal:10:3 sev 4: the ownership of the address could not be confirmed
    i-2 unknown [otherwise nothing] edge.pal:11:3 sev 3: the ownership of the address could not be confirmed
    i-2 unknown 53/udp [expect udp 53] edge.pal:15:3 sev 2: the ownership of the address could not be confirmed
    waiver tcp 8443 edge.pal:12:3 expired false uses 0
    waiver tcp 22 edge.pal:13:3 expired true uses 0
    waiver tcp 9999 edge.pal:14:3 expired false uses 0
    unused expect tcp 443 edge.pal:7:3
    unused expect udp 53 edge.pal:15:3
    "#);
    assert!(passes.iter().all(|a| &*a.asset == "i-1" && a.addr.to_string() == "192.0.2.9"), "{passes:?}");
}

#[test]
fn what_was_not_read_of_the_inventory_makes_a_scope_unknown() {
    let mut input = inventory([Make::new(Provider::Aws, "i-1").public("192.0.2.1")]);
    input.partitions = vec![partition("us-east-1", PartitionState::Partial { cause: "throttled".into() })];
    let world = World::new(POLICY, input);
    let hosts = evidence("host i-1 192.0.2.1\nUP\nports.tcp.open = [22]\n");
    let outcome = policies(&world, &hosts, &judged(&hosts), now());
    assert!(outcome.assertions.iter().all(|a| a.verdict.as_str() == "unknown"), "{}", shown(&outcome));
    assert_eq!(outcome.assertions.len(), 1);
}

fn exposed(world: &World, hosts: &[HostEvidence], before: Option<&[HostEvidence]>) -> Vec<String> {
    let judged = judged(hosts);
    let policies = policies(world, hosts, &judged, now());
    let tested = HashMap::from([("i-3".to_owned(), "2026-04-01T00:00:00Z".parse().unwrap())]);
    let found = estate::findings(&EstateInput {
        hosts,
        policies: &policies,
        snapshot: &world.snapshot,
        connector: "c",
        gaps: &[],
        tested: &tested,
        before,
        now: now(),
        chosen: &|_| true,
    });
    found
        .iter()
        .map(|f| {
            let port = f.port.map(|(p, t)| format!(" {p}/{}", t.as_str())).unwrap_or_default();
            format!("{} {}{port} {}: {}", f.check, f.asset, f.severity, f.evidence)
        })
        .collect()
}

#[test]
fn exposure_findings_take_policy_inventory_and_history() {
    let world = world();
    let before = evidence("host i-1 192.0.2.1\nUP\nports.tcp.open = [80]\n");
    let hosts = evidence(
        "host i-1 192.0.2.1\nUP\nports.tcp.open = [80, 6379]\nservice http 80/tcp\nservice redis 6379/tcp\n\
         host i-1 2001:db8::1\nUP\nports.tcp.open = [80, 9000]\n",
    );
    insta::assert_snapshot!(exposed(&world, &hosts, Some(&before)).join("\n"), @r#"
    EX-06 i-1 2: name-i-1 has no tag `owner`
    EX-02 i-1 443/tcp 2: edge.pal:7:3 (expect tcp 443): expected to be open, and is not
    EX-01 i-1 6379/tcp 5: edge.pal:11:3 (otherwise nothing): open (redis), and not expected
    EX-15 i-1 6379/tcp 4: it was not open in the last run
    EX-01 i-1 9000/tcp 3: edge.pal:11:3 (otherwise nothing): open, and not expected
    EX-08 i-1 9000/tcp 3: open at 2001:db8::1, not open on IPv4
    EX-15 i-1 9000/tcp 2: it was not open in the last run
    EX-06 i-2 2: name-i-2 has no tag `owner`
    EX-12 i-2 2: no scan of this store has tested it
    EX-06 i-3 2: name-i-3 has no tag `owner`
    EX-12 i-3 2: last tested 61 days ago, 2026-04-01T00:00:00Z
    EX-14 policy edge 2: edge.pal:13:3: expired on 2026-05-31, covered 0 violations, owner net-team
    EX-14 policy edge 2: edge.pal:12:3: covers no violation, owner net-team
    EX-14 policy edge 2: edge.pal:14:3: covers no violation, owner nobody
    "#);
}

#[test]
fn controls_fail_pass_and_stay_unknown() {
    let world = world();
    let hosts = evidence(
        "host i-1 192.0.2.1\nUP\nports.tcp.open = [22, 80, 443]\nservice ssh 22/tcp\nssh.kex = [curve25519-sha256]\n\
         ssh.protocol = 2.0\nssh.identification = SSH-2.0-x\n\
         service http 80/tcp\nhttp.status = 200\nservice http 443/tcp tls\nhttp.status = 200\ntls.versions = [TLS 1.0]\n\
         tls.certificate.not_before = 2026-01-01T00:00:00Z\ntls.certificate.not_after = 2027-01-01T00:00:00Z\n\
         tls.certificate.fingerprint = 00\ntls.certificate.subject = CN=x\n",
    );
    let judged = judged(&hosts);
    let policies = policies(&world, &hosts, &judged, now());
    let run = RunFacts { approved: None, complete: true, refused: 0 };
    let results = control::assert(&ControlInput {
        hosts: &hosts,
        judged: &judged,
        policies: &policies,
        snapshot: &world.snapshot,
        run,
        now: now(),
    });
    assert_eq!(results.len(), 28);
    // Those that a catalogue of checks answers change with the catalogue.
    let own =
        ["PC-01", "PC-02", "PC-03", "PC-04", "PC-05", "PC-06", "PC-07", "PC-09", "PC-10", "PC-12", "PC-14", "PC-22"];
    let more = ["PC-23", "PC-25", "PC-26", "PC-27", "PC-28"];
    let lines: Vec<String> = results
        .iter()
        .filter(|r| own.contains(&r.control) || more.contains(&r.control))
        .map(|r| format!("{} {}: {}", r.control, r.verdict.as_str(), r.message))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    PC-01 fail: 22/tcp ssh
    PC-02 pass: no insecure service is approved without a measure
    PC-03 fail: 22/tcp ssh
    PC-04 unknown: no IPv6 address of it was scanned
    PC-05 unknown: not available: it takes a model of routes and filter rules, which this version does not have
    PC-06 unknown: no UDP port was probed
    PC-07 pass: every web service is expected
    PC-09 pass: no open port is a data store
    PC-10 fail: 22/tcp ssh
    PC-12 fail: TLS-03 on 443/tcp
    PC-14 pass: 1 certificates are known
    PC-22 fail: no tag for owner, data class
    PC-23 fail: the inventory is 63 days old
    PC-25 pass: nothing is open for longer than its severity allows
    PC-26 unknown: the run names no approved plan (run --plan)
    PC-27 unknown: not available: the inventory does not hold the metadata service's settings
    PC-28 pass: complete; every packet has its warrant in the ledger
    "#);
    let down = evidence("host i-1 192.0.2.1\nhost.state = down\nports.tcp.asked = \"22\"\nports.complete = true\n");
    let nothing = Judged { whole: true, ..Judged::default() };
    let none = PolicyOutcome::default();
    let results = control::assert(&ControlInput {
        hosts: &down,
        judged: &nothing,
        policies: &none,
        snapshot: &world.snapshot,
        run,
        now: now(),
    });
    let passed: Vec<&str> = results.iter().filter(|r| r.verdict.as_str() == "pass").map(|r| r.control).collect();
    assert!(passed.is_empty(), "a host that did not answer passes {passed:?}");
}

#[test]
fn a_name_that_leads_outside_the_inventory_is_told_once() {
    let world = world();
    let hosts = evidence(
        "host i-1 192.0.2.1\nUP\ndns.elsewhere = [cdn.example.com 198.51.100.7, cdn.example.com 198.51.100.8]\n\
         host i-2 192.0.2.2\nUP\ndns.elsewhere = [cdn.example.com 198.51.100.7]\n",
    );
    let found: Vec<String> =
        exposed(&world, &hosts, None).into_iter().filter(|line| line.starts_with("EX-11")).collect();
    assert_eq!(found, ["EX-11 i-1 2: cdn.example.com leads to 198.51.100.7, which no asset here has"]);
}
