//! Check scripts: what they can say, and that hostile ones end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use palisade::base::clock::{Clock, ManualClock};
use palisade::base::limits::Limits;
use palisade::base::source::FileId;
use palisade::judge::check::{Check, Subject, Verdict};
use palisade::script::check::CheckHost;

use crate::checks::{hosts, now};

const HEADER: &str = "// id: ACME-01\n// title: t\n// severity: 3\n// kind: information\n// family: acme\n// stage: check\n\
    // author: t\n// threat: t\n// impact: t\n// solution: t\n";

/// A clock on which each look takes a millisecond.
struct Ticking(AtomicU64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

fn host_with(limits: &Limits, clock: Arc<dyn Clock>) -> CheckHost {
    CheckHost::new(limits, clock)
}

fn still() -> Arc<dyn Clock> {
    Arc::new(ManualClock::at(now()))
}

/// The verdict of a script's functions on one service.
fn verdict_of(functions: &str, host: &CheckHost) -> Verdict {
    let check = match host.load(&format!("{HEADER}{functions}"), "t.rhai", FileId(0)) {
        Ok(check) => check,
        Err(found) => return Verdict::Failed(format!("{} {}", found[0].code, found[0].message)),
    };
    let text = "host i-1 192.0.2.1 www.example.com\nicmp.echo = true\n\
        service http 443/tcp tls product nginx version 1.18.0\ntls.versions = [TLS 1.0, TLS 1.2]\nhttp.status = 200\n\
        http.header.server = nginx/1.18.0\ntls.certificate.not_after = 2026-06-20T00:00:00Z\nuntested tls.dh_bits = reset";
    let hosts = hosts(&text.lines().collect::<Vec<_>>());
    let subject = Subject { estate: &hosts, host: Some(&hosts[0]), service: Some(&hosts[0].services[0]), now: now() };
    check.judge(&subject)
}

fn verdict(body: &str) -> Verdict {
    verdict_of(&format!("fn check(service, evidence) {{ {body} }}"), &host_with(&Limits::default(), still()))
}

fn told(body: &str) -> String {
    match verdict(body) {
        Verdict::Found(hits) => hits
            .iter()
            .map(|h| {
                format!("found {}{}{}", h.severity.map(|s| format!("{s} ")).unwrap_or_default(), h.key, h.evidence)
            })
            .collect::<Vec<_>>()
            .join(" | "),
        other => format!("{other:?}"),
    }
}

#[test]
fn scripts_read_facts_and_say_what_they_found() {
    let shown: Vec<String> = [
        "",
        "()",
        "[]",
        "\"x\"",
        "[\"x\", #{ evidence: \"y\", severity: 5, key: \"/k \" }]",
        "joined(evidence[\"tls.versions\"])",
        "joined(contains_any(evidence[\"tls.versions\"], [\"tls 1.0\", \"SSL 3.0\"]))",
        "joined(matching(evidence[\"tls.versions\"], \"*1.2\"))",
        "`${days_between(evidence.now, evidence[\"tls.certificate.not_after\"])} days`",
        "`${service.name} ${service.port}/${service.protocol} ${service.tls} ${service.product} ${service.version}`",
        "`${evidence.name} ${evidence.address} ${evidence.asset} ${evidence.host[\"icmp.echo\"]}`",
        "if version_within(service.version, \"1.1\", \"1.20\") && compare_versions(\"1.9\", \"1.18\") < 0 { \"in\" }",
        "if evidence.get(\"no.such\") == () && !evidence.has(\"no.such\") && evidence.any_under(\"tls.\") { \"ok\" }",
        "evidence[\"tls.dh_bits\"]",
        "evidence[\"smtp.banner\"]",
        "not_tested(\"no reason to\")",
        "1",
        "#{ severity: 3 }",
        "#{ evidence: \"x\", severity: 9 }",
        "#{ evidence: \"x\", colour: 9 }",
        "throw \"no\"",
        "service.no_such",
    ]
    .iter()
    .map(|body| told(body))
    .collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    Clear
    Clear
    Clear
    found x
    found x | found 5 /k y
    found TLS 1.0, TLS 1.2
    found TLS 1.0
    found TLS 1.2
    found 19 days
    found http 443/tcp true nginx 1.18.0
    found www.example.com 192.0.2.1 i-1 true
    found in
    found ok
    NotTested("`tls.dh_bits` was not learned (tls.dh_bits: reset)")
    NotTested("`smtp.banner` was not learned")
    NotTested("no reason to")
    Failed("t.rhai: `check` must return nothing, a text, or maps such as #{ evidence: \"…\", severity: 3, key: \"…\" }, not i64")
    Failed("t.rhai: a finding has no evidence; `check` must return nothing, a text, or maps such as #{ evidence: \"…\", severity: 3, key: \"…\" }")
    Failed("t.rhai: a finding's severity is a whole number from 1 to 5")
    Failed("t.rhai: a finding has no `colour` of this kind; `check` must return nothing, a text, or maps such as #{ evidence: \"…\", severity: 3, key: \"…\" }")
    Failed("t.rhai:11:31: `check` failed: no")
    Failed("t.rhai:11:39: `check` failed: unknown property 'no_such' - a getter is not registered for type 'service'")
    "#);
}

#[test]
fn applies_decides_before_check() {
    let host = host_with(&Limits::default(), still());
    let of =
        |applies: &str| verdict_of(&format!("fn applies(service) {{ {applies} }} fn check(s, e) {{ \"x\" }}"), &host);
    assert_eq!(of("service.name == \"ssh\""), Verdict::NotApplicable);
    assert!(matches!(of("service.tls"), Verdict::Found(_)));
    assert!(matches!(of("1"), Verdict::Failed(_)));
    assert!(matches!(of("throw 1"), Verdict::Failed(_)));
}

#[test]
fn faults_of_a_header_and_of_functions_are_told_at_once() {
    let host = host_with(&Limits::default(), still());
    let shown: Vec<String> = [
        "fn check(s, e) {}",
        "// id: x\n// severity: 9\n// kind: sure\n// stage: hook\n// consent: all\n// scope: estate\nfn check(s, e) {}",
        &format!("{HEADER}fn check(s) {{}}"),
        &format!("{HEADER}fn applies(s) {{ true }}"),
        &format!("{HEADER}fn check(s, e) {{ nonsense }}"),
        &format!("{}fn check(s, e) {{}}", HEADER.replace("information", "confirmed")),
        &format!("// {}", "x".repeat(2 << 20)),
    ]
    .iter()
    .map(|text| {
        let found = host.load(text, "t.rhai", FileId(0)).err().unwrap_or_default();
        found.iter().map(|d| format!("{} {}", d.code, d.message)).collect::<Vec<_>>().join("; ")
    })
    .collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    P0601 the check's header has no `id`; P0601 the check's header has no `title`; P0601 the check's header has no `severity`; P0601 the check's header has no `kind`; P0601 the check's header has no `family`; P0601 the check's header has no `threat`; P0601 the check's header has no `impact`; P0601 the check's header has no `solution`; P0601 the check's header has no `stage`; P0601 the check's header has no `author`
    P0601 the check's header has no `title`; P0601 the check's header has no `family`; P0601 the check's header has no `threat`; P0601 the check's header has no `impact`; P0601 the check's header has no `solution`; P0601 the check's header has no `author`; P0607 `hook` is no stage of a check; P0607 `x` is no id of a check; P0607 `9` is no severity of a check; P0607 `sure` is no kind of a check; P0607 `all` is no consent of a check; P0607 `estate` is no scope of a check
    P0605 `check` takes 1 arguments, not 2
    P0608 the script has no function `check`
    P0606 undefined variable: nonsense
    P0601 the check's header has no `control`
    P0603 the script has 2097155 bytes; the limit is 1048576
    "#);
}

#[test]
fn hostile_checks_end_and_are_told_as_failed() {
    for (limit, body) in [
        ("operations", "loop { }"),
        ("operations in callbacks", "let a = []; a.pad(9999, 1); loop { a = a.map(|x| x + 1); }"),
        ("call depth", "fn f(n) { f(n + 1) } f(0)"),
        ("string size", "let s = \"x\"; loop { s += s; }"),
        ("array size", "let a = [1]; loop { a += a; }"),
        ("array size made at once", "let a = []; a.pad(2000000000, 1);"),
        ("map size", "let m = #{}; let i = 0; loop { m[i.to_string()] = i; i += 1; }"),
        ("replace", "let s = \"x\"; s.pad(90000, 'a'); let t = s; s.replace(\"a\", t);"),
        ("pattern", "let s = \"*\"; s.pad(50000, '*'); glob(\"x\", s)"),
        ("findings", "let a = []; a.pad(300, \"x\"); a"),
        ("no clock", "timestamp()"),
        ("no sleep", "sleep(1)"),
        ("no eval", "eval(\"1\")"),
        ("no files", "open_file(\"x\")"),
        ("variables", &(0..2_000).map(|i| format!("let v{i} = {i}; ")).collect::<String>()),
        ("expression depth", &format!("{}1{}", "(".repeat(10_000), ")".repeat(10_000))),
    ] {
        let functions = match body.strip_prefix("fn f") {
            Some(rest) => {
                let (function, call) = rest.rsplit_once("} ").unwrap();
                format!("fn check(s, e) {{ {call} }} fn f{function}}}")
            }
            None => format!("fn check(s, e) {{ {body} }}"),
        };
        let verdict = verdict_of(&functions, &host_with(&Limits::default(), still()));
        assert!(matches!(verdict, Verdict::Failed(_)), "{limit}: {verdict:?}");
    }
}

#[test]
fn time_ends_a_call_that_operations_do_not() {
    let limits = Limits { script_operations: u64::MAX, ..Limits::default() };
    let host = host_with(&limits, Arc::new(Ticking(AtomicU64::new(0))));
    let Verdict::Failed(why) = verdict_of("fn check(s, e) { loop { } }", &host) else { panic!("it must fail") };
    assert!(why.contains("it takes longer than a call may"), "{why}");
}
