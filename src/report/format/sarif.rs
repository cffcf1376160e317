//! SARIF 2.1.0 (OASIS, 2020). A scanner has no source file of its own, so each result stands where a person can act:
//! at the rule of the policy that it breaks, else at the clause of the job that chose the asset.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Options, RenderError};
use crate::report::document::{CheckText, PolicyOutcome, Report, ReportFinding};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

pub(super) fn render(report: &Report, _: &Options) -> Result<Vec<u8>, RenderError> {
    let mut rules = Rules::default();
    let mut results: Vec<Value> = Vec::new();
    for outcome in report.policies.iter().filter(|o| o.result != "pass") {
        results.push(policy_result(outcome, &mut rules));
    }
    for host in &report.hosts {
        for finding in &host.findings {
            let about = About { asset: &host.asset, address: Some(&host.address), clause: host.clause.as_deref() };
            results.push(finding_result(report, &about, finding, &mut rules));
        }
    }
    for other in &report.other {
        results.push(finding_result(
            report,
            &About { asset: &other.asset, address: None, clause: None },
            &other.finding,
            &mut rules,
        ));
    }
    let notifications: Vec<Value> = report
        .gaps
        .iter()
        .map(|g| format!("not read: {}: {}", g.partition, g.cause))
        .chain(report.errors.iter().cloned())
        .map(|text| json!({"level": "warning", "message": {"text": text}}))
        .collect();
    let complete = report.gaps.is_empty() && report.errors.is_empty() && report.summary.status == "Finished";
    let document = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "Palisade",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.list,
            }},
            "automationDetails": {"id": format!("{}/{}", report.summary.title, report.summary.reference)},
            "invocations": [{
                "executionSuccessful": complete,
                "startTimeUtc": report.summary.launch_date,
                "toolExecutionNotifications": notifications,
            }],
            "columnKind": "unicodeCodePoints",
            "results": results,
            "properties": {
                "planHash": report.plan_hash,
                "snapshot": report.snapshot,
                "notScanned": report.not_scanned.len(),
            },
        }],
    });
    let mut bytes =
        serde_json::to_vec_pretty(&document).map_err(|e| RenderError { format: "sarif", why: e.to_string() })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The rules that results refer to, each once.
#[derive(Default)]
struct Rules {
    list: Vec<Value>,
    index: BTreeMap<String, usize>,
}

impl Rules {
    fn of(&mut self, id: &str, make: impl FnOnce() -> Value) -> usize {
        if let Some(index) = self.index.get(id) {
            return *index;
        }
        self.list.push(make());
        self.index.insert(id.to_owned(), self.list.len() - 1);
        self.list.len() - 1
    }
}

/// 5 and 4 are errors, 3 and 2 warnings, 1 a note.
fn level(severity: u8) -> &'static str {
    match severity {
        4.. => "error",
        2 | 3 => "warning",
        _ => "note",
    }
}

/// GitHub's scale of `security-severity`, 0.1 to 10, two points a severity.
fn security_severity(severity: u8) -> String {
    format!("{:.1}", (f64::from(severity) * 2.0).clamp(0.1, 10.0))
}

fn check_rule(id: &str, text: &CheckText) -> Value {
    let markdown = |parts: [(&str, &str); 3]| {
        let some = parts.iter().filter(|(_, t)| !t.is_empty());
        some.map(|(head, t)| format!("**{head}** {t}")).collect::<Vec<_>>().join("\n\n")
    };
    let help = [("Threat", text.threat.as_str()), ("Impact", &text.impact), ("Solution", &text.solution)];
    let mut plain: Vec<&str> = help.iter().map(|h| h.1).filter(|t| !t.is_empty()).collect();
    if plain.is_empty() {
        plain.push(&text.title);
    }
    let mut tags = vec!["security".to_owned(), text.family.clone()];
    tags.extend(text.references.iter().cloned());
    tags.retain(|t| !t.is_empty());
    tags.sort();
    tags.dedup();
    json!({
        "id": id,
        "name": text.title,
        "shortDescription": {"text": text.title},
        "help": {"text": plain.join("\n"), "markdown": markdown(help)},
        "defaultConfiguration": {"level": if text.kind == "information" { "note" } else { level(text.severity) }},
        "properties": {
            "tags": tags,
            "security-severity": security_severity(text.severity),
        },
    })
}

/// What a finding is about.
struct About<'a> {
    asset: &'a str,
    address: Option<&'a str>,
    /// `file:line:column`.
    clause: Option<&'a str>,
}

fn finding_result(report: &Report, about: &About<'_>, finding: &ReportFinding, rules: &mut Rules) -> Value {
    let index = rules.of(&finding.check, || {
        check_rule(&finding.check, report.glossary.get(&finding.check).unwrap_or(&CheckText::default()))
    });
    let place = finding.place().map(|p| format!(" on {p}")).unwrap_or_default();
    let evidence = if finding.evidence.is_empty() { String::new() } else { format!(": {}", finding.evidence) };
    let address = about.address.map(|a| format!(" ({a})")).unwrap_or_default();
    let text = format!("{}{place} of {}{address}{evidence}", finding.title, about.asset);
    // Other kinds than `fail` have the level `none`. SARIF 2.1.0, 3.27.10.
    let (kind, level) = match finding.kind.as_str() {
        "confirmed" => ("fail", level(finding.severity)),
        "potential" => ("review", "none"),
        _ => ("informational", "none"),
    };
    let baseline = match finding.state.as_deref() {
        Some("new" | "reopened") => Some("new"),
        Some("fixed") => Some("absent"),
        Some("active") => Some("unchanged"),
        _ => None,
    };
    let mut result = json!({
        "ruleId": finding.check,
        "ruleIndex": index,
        "kind": kind,
        "level": level,
        "message": {"text": text},
        "locations": [location(about.clause.and_then(Place::read), about.asset)],
        "rank": f64::from(finding.severity) * 20.0,
        "properties": {
            "severity": finding.severity,
            "asset": about.asset,
            "address": about.address,
            "port": finding.place(),
            "service": finding.service,
            "firstSeen": finding.first_seen,
            "lastSeen": finding.last_seen,
        },
    });
    if let Some(map) = result.as_object_mut() {
        if !finding.id.is_empty() {
            map.insert("partialFingerprints".into(), json!({"palisadeFinding/v1": finding.id}));
        }
        if let Some(baseline) = baseline {
            map.insert("baselineState".into(), json!(baseline));
        }
    }
    result
}

fn policy_result(outcome: &PolicyOutcome, rules: &mut Rules) -> Value {
    let id = format!("policy/{}", outcome.policy);
    let index = rules.of(&id, || {
        json!({
            "id": id,
            "name": outcome.policy,
            "shortDescription": {"text": format!("policy {}", outcome.policy)},
            "help": {"text": "The line that a result points at is the rule that it breaks."},
            "defaultConfiguration": {"level": "error"},
            "properties": {"tags": ["policy", "security"]},
        })
    });
    let (kind, level) = match outcome.result.as_str() {
        "fail" => ("fail", outcome.severity.map_or("error", level)),
        "error" => ("fail", "error"),
        "waived" => ("notApplicable", "none"),
        _ => ("open", "none"),
    };
    let about = outcome.asset.as_deref().map(|a| format!("{a}: ")).unwrap_or_default();
    let place = Place { file: outcome.file.clone(), line: outcome.line, column: outcome.column };
    let asset = outcome.asset.as_deref().unwrap_or(&outcome.policy);
    json!({
        "ruleId": id,
        "ruleIndex": index,
        "kind": kind,
        "level": level,
        "message": {"text": format!("{about}{}: {}", outcome.rule, outcome.message)},
        "locations": [location(place.file.is_some().then_some(place), asset)],
        "properties": {
            "result": outcome.result,
            "severity": outcome.severity,
            "asset": outcome.asset,
            "address": outcome.address,
            "port": outcome.port,
        },
    })
}

/// A place in a job file.
struct Place {
    file: Option<String>,
    line: Option<u32>,
    column: Option<u32>,
}

impl Place {
    /// Reads `file:line:column`.
    fn read(text: &str) -> Option<Self> {
        let (front, column) = text.rsplit_once(':')?;
        let (file, line) = front.rsplit_once(':')?;
        Some(Self { file: Some(file.to_owned()), line: line.parse().ok(), column: column.parse().ok() })
    }
}

fn location(place: Option<Place>, asset: &str) -> Value {
    let logical = json!([{"fullyQualifiedName": asset, "kind": "resource"}]);
    let Some(place) = place else { return json!({"logicalLocations": logical}) };
    json!({
        "physicalLocation": {
            "artifactLocation": {"uri": uri(&place.file.unwrap_or_default())},
            "region": {"startLine": place.line.unwrap_or(1).max(1), "startColumn": place.column.unwrap_or(1).max(1)},
        },
        "logicalLocations": logical,
    })
}

/// A path as a relative reference, RFC 3986: what may not stand in one is percent-encoded.
fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.replace('\\', "/").bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
