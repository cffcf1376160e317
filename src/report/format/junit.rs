//! JUnit XML: one case a rule and asset, so that a pipeline shows what it expects of tests. Unknown is never a pass: it
//! is an error. Findings fail at the severity that was asked for.

use super::xml::Document;
use super::{Options, RenderError};
use crate::report::document::{PolicyOutcome, Report};

/// How a case ended.
enum End {
    Pass,
    Fail,
    Error,
    Skip,
}

struct Case {
    class: String,
    name: String,
    end: End,
    message: String,
}

pub(super) fn render(report: &Report, options: &Options) -> Result<Vec<u8>, RenderError> {
    let mut suites: Vec<(String, Vec<Case>)> = Vec::new();
    for outcome in &report.policies {
        let name = format!("policy {}", outcome.policy);
        let case = policy_case(outcome);
        match suites.iter_mut().find(|s| s.0 == name) {
            Some(suite) => suite.1.push(case),
            None => suites.push((name, vec![case])),
        }
    }
    suites.push(("findings".into(), findings(report, options)));
    suites.push(("coverage".into(), coverage(report)));
    suites.retain(|s| !s.1.is_empty());
    let all = || suites.iter().flat_map(|s| &s.1);
    let time = format!("{:.3}", report.summary.duration_seconds);
    let counts = counts(all());
    let mut document = Document::new("junit");
    let mut attributes = vec![("name", report.title.as_str()), ("time", &time)];
    attributes.extend(counts.iter().map(|(k, v)| (*k, v.as_str())));
    document.element("testsuites", &attributes, |d| {
        for (name, cases) in &suites {
            suite(d, name, cases, &report.summary.launch_date);
        }
    });
    document.finish()
}

fn counts<'a>(cases: impl Iterator<Item = &'a Case> + Clone) -> [(&'static str, String); 4] {
    let of = |want: fn(&End) -> bool| cases.clone().filter(|c| want(&c.end)).count().to_string();
    [
        ("tests", of(|_| true)),
        ("failures", of(|e| matches!(e, End::Fail))),
        ("errors", of(|e| matches!(e, End::Error))),
        ("skipped", of(|e| matches!(e, End::Skip))),
    ]
}

fn suite(document: &mut Document, name: &str, cases: &[Case], launched: &str) {
    let counts = counts(cases.iter());
    let mut attributes = vec![("name", name), ("timestamp", launched)];
    attributes.extend(counts.iter().map(|(k, v)| (*k, v.as_str())));
    document.element("testsuite", &attributes, |d| {
        for case in cases {
            d.element("testcase", &[("classname", case.class.as_str()), ("name", &case.name)], |d| match case.end {
                End::Pass if case.message.is_empty() => {}
                End::Pass => d.text("system-out", &case.message),
                End::Fail => d.text_with("failure", &[("message", &case.message)], &case.message),
                End::Error => d.text_with("error", &[("message", &case.message)], &case.message),
                End::Skip => d.empty("skipped", &[("message", &case.message)]),
            });
        }
    });
}

fn policy_case(outcome: &PolicyOutcome) -> Case {
    let place = match (&outcome.file, outcome.line) {
        (Some(file), Some(line)) => format!(" ({file}:{line})"),
        _ => String::new(),
    };
    let port = outcome.port.as_deref().map(|p| format!(" {p}")).unwrap_or_default();
    Case {
        class: outcome.asset.clone().unwrap_or_else(|| outcome.policy.clone()),
        name: format!("{}{port}", outcome.rule),
        end: match outcome.result.as_str() {
            "pass" => End::Pass,
            "fail" => End::Fail,
            "waived" => End::Skip,
            _ => End::Error,
        },
        message: if outcome.result == "pass" { String::new() } else { format!("{}{place}", outcome.message) },
    }
}

fn findings(report: &Report, options: &Options) -> Vec<Case> {
    let mut cases = Vec::new();
    for host in &report.hosts {
        for finding in host.findings.iter().filter(|f| f.is_vulnerability()) {
            let fails = options.fail_on.is_some_and(|n| finding.severity >= n) && finding.kind == "confirmed";
            let place = finding.place().map(|p| format!(" {p}")).unwrap_or_default();
            cases.push(Case {
                class: host.asset.clone(),
                name: format!("{} {}{place}", finding.check, finding.title),
                end: if fails { End::Fail } else { End::Pass },
                message: format!("severity {}, {}: {}", finding.severity, finding.kind, finding.evidence),
            });
        }
    }
    cases
}

fn coverage(report: &Report) -> Vec<Case> {
    let gaps = report.gaps.iter().map(|g| Case {
        class: "inventory".into(),
        name: g.partition.clone(),
        end: End::Error,
        message: format!("not read: {}", g.cause),
    });
    let left = report.not_scanned.iter().map(|n| Case {
        class: "not scanned".into(),
        name: n.target.clone(),
        end: End::Skip,
        message: n.reason.clone(),
    });
    gaps.chain(left).collect()
}
