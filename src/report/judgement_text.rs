//! The judge's part of the results view: findings of a host by kind with counts (rule K9), totals, changes, policies,
//! controls.

use std::fmt::Write as _;

use super::judged::{ControlRecord, FindingRecord, JudgementRecord, PolicyRecord};

/// Headings in the guide's words.
const KINDS: [(&str, &str); 3] = [
    ("confirmed", "Vulnerabilities"),
    ("potential", "Potential Vulnerabilities"),
    ("information", "Information Gathered"),
];

/// Lines shown of a list before the rest is only counted.
const MOST: usize = 20;

fn port(port: Option<u16>, protocol: Option<&str>) -> String {
    port.map(|p| format!("  port {p}/{}", protocol.unwrap_or("tcp"))).unwrap_or_default()
}

/// Evidence in one line that ends.
fn short(text: &str) -> String {
    let line = text.replace(['\n', '\r'], " ");
    let mut cut: String = line.chars().take(160).collect();
    if line.chars().count() > 160 {
        cut.push('…');
    }
    cut
}

/// A host's findings, grouped by kind. In a first run all are new, and it is not said of each.
pub(super) fn findings(found: &[FindingRecord], indent: &str, shows_states: bool, out: &mut String) {
    for (kind, heading) in KINDS {
        let of: Vec<&FindingRecord> = found.iter().filter(|f| f.kind == kind).collect();
        if of.is_empty() {
            continue;
        }
        let _ = writeln!(out, "{indent}{heading} ({})", of.len());
        for f in of {
            let state = if f.state == "active" || !shows_states { String::new() } else { format!("  [{}]", f.state) };
            let at = port(f.port, f.protocol.as_deref());
            let _ = writeln!(out, "{indent}  {} {}{at}{state}", f.severity, f.title);
            let _ = writeln!(out, "{indent}      {}: {}", f.check, short(&f.evidence));
            if let Some(why) = &f.contradicted {
                let _ = writeln!(out, "{indent}      contradicted: {why}");
            }
        }
    }
}

/// What stands after the hosts.
pub(super) fn judgement(j: &JudgementRecord, out: &mut String) {
    if !j.other_findings.is_empty() {
        let _ = writeln!(out, "\nPolicy and Inventory");
        for f in j.other_findings.iter().take(MOST) {
            let _ = writeln!(out, "  {} {}  {}: {}", f.severity, f.title, f.asset, short(&f.evidence));
        }
        more(j.other_findings.len(), out);
    }
    for policy in &j.policies {
        self::policy(policy, out);
    }
    if !j.controls.is_empty() {
        controls(&j.controls, out);
    }
    if !j.gone.is_empty() {
        let _ = writeln!(out, "\nGone Since Earlier Runs");
        for g in j.gone.iter().take(MOST) {
            let at = port(g.port, g.protocol.as_deref());
            let _ = writeln!(out, "  {:<14} {} {}  {}{at}  {}", g.state, g.severity, g.title, g.asset, g.why);
        }
        more(j.gone.len(), out);
    }
    totals(j, out);
}

fn more(n: usize, out: &mut String) {
    if let Some(rest) = n.checked_sub(MOST).filter(|r| *r > 0) {
        let _ = writeln!(out, "  and {rest} more");
    }
}

fn policy(policy: &PolicyRecord, out: &mut String) {
    let count = |result: &str| policy.counts.get(result).copied().unwrap_or(0);
    let _ = writeln!(
        out,
        "\nPolicy \"{}\": {} pass, {} fail, {} error, {} unknown, {} waived",
        policy.name,
        count("pass"),
        count("fail"),
        count("error"),
        count("unknown"),
        count("waived")
    );
    let told: Vec<_> = policy.assertions.iter().filter(|a| a.result != "pass").collect();
    for a in told.iter().take(MOST) {
        let at = port(a.port, a.protocol.as_deref());
        let place = format!("{}:{}:{}", a.place.file, a.place.line, a.place.column);
        let _ = writeln!(out, "  {:<7} {} {}{at}  {}: {}  ({place})", a.result, a.severity, a.asset, a.rule, a.message);
    }
    more(told.len(), out);
    for w in policy.waivers.iter().filter(|w| w.state != "used") {
        let place = format!("{}:{}:{}", w.place.file, w.place.line, w.place.column);
        let _ = writeln!(out, "  waiver  {} is {}, until {}, {}  ({place})", w.what, w.state, w.until, w.owner);
    }
    for u in &policy.unused_expectations {
        let place = format!("{}:{}:{}", u.place.file, u.place.line, u.place.column);
        let _ = writeln!(out, "  unused  {}: open on no asset in scope  ({place})", u.rule);
    }
}

fn controls(controls: &[ControlRecord], out: &mut String) {
    let _ = writeln!(out, "\nControls{:>53} pass fail error unknown waived", "");
    for c in controls {
        let count = |result: &str| c.counts.get(result).copied().unwrap_or(0);
        let statement: String = c.statement.chars().take(52).collect();
        let _ = writeln!(
            out,
            "  {} {statement:<52} {:>4} {:>4} {:>5} {:>7} {:>6}",
            c.id,
            count("pass"),
            count("fail"),
            count("error"),
            count("unknown"),
            count("waived")
        );
    }
}

fn totals(j: &JudgementRecord, out: &mut String) {
    let vulnerabilities: u64 = j.totals.iter().map(|t| t.confirmed + t.potential).sum();
    let _ = writeln!(
        out,
        "\nVulnerabilities Total {vulnerabilities}    Security Risk {:.1} ({})",
        j.security_risk, j.security_risk_mode
    );
    let _ = writeln!(out, "  Severity  Confirmed  Potential  Information Gathered  Total");
    let line = |name: &str, (c, p, i): (u64, u64, u64), out: &mut String| {
        let _ = writeln!(out, "  {name:<8}  {c:>9}  {p:>9}  {i:>20}  {:>5}", c + p + i);
    };
    let mut sum = (0, 0, 0);
    for t in &j.totals {
        sum = (sum.0 + t.confirmed, sum.1 + t.potential, sum.2 + t.information);
        line(&t.severity.to_string(), (t.confirmed, t.potential, t.information), out);
    }
    line("Total", sum, out);
    let states: Vec<String> = j.states.iter().map(|(state, n)| format!("{n} {state}")).collect();
    if !states.is_empty() {
        let _ = writeln!(out, "  Against earlier runs: {}", states.join(", "));
    }
    let sum = |of: fn(&super::judged::CheckCoverageRecord) -> u64| j.coverage.iter().map(of).sum::<u64>();
    let _ = writeln!(
        out,
        "  Checks: {} run, {} not run; {} found, {} clear, {} not tested, {} failed",
        j.coverage.len(),
        j.left_out.len(),
        sum(|c| c.found),
        sum(|c| c.clear),
        sum(|c| c.not_tested),
        sum(|c| c.failed)
    );
}
