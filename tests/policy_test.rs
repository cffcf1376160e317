//! `policy` statements in `test` blocks: the words that hold, those that do not and why, and what is wrong with a statement.

use std::fs;

use crate::cli::{TempDir, palisade};

const WORKSPACE: &str = r#"
tag "web" { query = aws.tags: (key: role and value: web) }
policy "edge" {
  scope = tags.name: "web"
  expect tcp 443 { tls = ">= 1.2"; certificate_days = 30 }
  expect tcp 80 { redirects_to = https }
  deny port 22 severity 4 "no shells"
  deny severity >= 4
  otherwise nothing
  waive tcp 8443 on tags.name: "web" { owner = "net"; reason = "CHG-1"; until = 2026-12-31 }
}
"#;

/// Exit code, output and errors of `palisade test` with these statements in a test block.
fn told(name: &str, statements: &str, now: &str) -> (i32, String, String) {
    let folder = TempDir::new(&format!("policy-test-{name}"));
    let inventory = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/inventory/aws-instances.json");
    fs::copy(inventory, folder.0.join("aws.json")).unwrap();
    let test = format!("test \"t\" {{\n inventory = \"aws.json\"; now = {now}\n{statements}\n}}\n");
    fs::write(folder.0.join("a.pal"), format!("{WORKSPACE}{test}")).unwrap();
    let state = folder.0.join("state");
    let out = palisade().arg("-C").arg(&folder.0).arg("--state").arg(state).arg("test").output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (out.status.code().unwrap(), text(out.stdout), text(out.stderr))
}

#[test]
fn verdicts_of_imagined_hosts() {
    let good = "tls = \"1.2\"; certificate_days = 31; redirects_to = https";
    let statements = [
        format!("policy \"edge\" passes \"web-1\" {{ open = [80, 443]; {good} }}"),
        format!("policy \"edge\" fails \"web-1\" {{ open = [443]; {good}; says = \"expected to be open\" }}"),
        format!("policy \"edge\" fails \"web-1\" {{ open = [22, 80, 443]; {good}; says = \"no shells\" }}"),
        format!("policy \"edge\" fails \"web-1\" {{ open = [80, 443, 9000-9001]; {good}; says = \"not expected\" }}"),
        format!("policy \"edge\" fails \"web-1\" {{ open = [80, 443]; {good}; severity = 4 }}"),
        format!("policy \"edge\" passes \"web-1\" {{ open = [80, 443]; {good}; severity = 3 }}"),
        format!("policy \"edge\" fails \"web-1\" {{ open = [80, 443]; udp = [53]; {good} }}"),
        format!("policy \"edge\" waived \"web-1\" {{ open = [80, 443, 8443]; {good} }}"),
        "policy \"edge\" unknown \"web-1\" { open = [80, 443] }".into(),
        "policy \"edge\" fails \"web-1\" { open = [80, 443]; tls = none; says = \"speaks no TLS\" }".into(),
        "policy \"edge\" fails \"web-1\" { open = [80, 443]; redirects_to = none; says = \"does not redirect\" }"
            .into(),
        format!("policy \"edge\" ignores \"db-1\" {{ open = [22]; {good} }}"),
    ];
    let (code, out, errors) = told("holds", &statements.join("\n"), "2026-06-01");
    assert_eq!((code, errors.as_str()), (0, "1 test: 1 passed, 0 failed\n"), "{out}");
}

#[test]
fn a_waiver_that_has_ended_waives_nothing() {
    let statement = "policy \"edge\" fails \"web-1\" { open = [80, 443, 8443]; tls = \"1.3\"; certificate_days = 31; \
        redirects_to = https; says = \"its waiver has expired\" }";
    let (code, out, _) = told("expired", statement, "2027-01-01");
    assert_eq!(code, 0, "{out}");
}

#[test]
fn what_does_not_hold_says_why() {
    let statements = "policy \"edge\" passes \"web-1\" { open = [22, 80, 443]; tls = \"1.2\"; certificate_days = 31; \
        redirects_to = https }\npolicy \"edge\" passes \"nobody\" { open = [] }";
    let (code, out, _) = told("fails", statements, "2026-06-01");
    assert_eq!(code, 1);
    assert!(out.contains("policy \"edge\" fails \"web-1\", expected passes: deny port 22 22/tcp: no shells"), "{out}");
    assert!(out.contains("nobody"), "{out}");
}

#[test]
fn wrong_statements_are_told() {
    for (name, statement, wanted) in [
        ("form", "policy \"edge\" \"web-1\" passes { open = [] }", "this is not how a policy is tested"),
        ("word", "policy \"edge\" pases \"web-1\" { open = [] }", "passes"),
        ("open", "policy \"edge\" passes \"web-1\" { tls = \"1.2\" }", "`open` is missing"),
        ("key", "policy \"edge\" passes \"web-1\" { open = []; tsl = \"1.2\" }", "a policy test has no key `tsl`"),
        ("tls", "policy \"edge\" passes \"web-1\" { open = []; tls = \"2.0\" }", "a version such as"),
        ("severity", "policy \"edge\" passes \"web-1\" { open = []; severity = 0 }", "a number from 1 to 5"),
        ("name", "policy \"egde\" passes \"web-1\" { open = [] }", "edge"),
    ] {
        let (code, _, errors) = told(name, statement, "2026-06-01");
        assert_eq!(code, 2, "{name}: {errors}");
        assert!(errors.contains(wanted), "{name}: {errors}");
    }
}
