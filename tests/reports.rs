//! Reports in every format, from the guide's sample: stored results, an inventory and a template in, exact text out.

use std::path::Path;

use palisade::base::clock::SystemClock;
use palisade::base::limits::Limits;
use palisade::base::progress::{Silent, Stop};
use palisade::lang::job::SecurityRisk;
use palisade::report::build::{self, Choices, Sources};
use palisade::report::document::Report;
use palisade::report::format::{FORMATS, Options, by_name};
use palisade::report::model::Results;
use palisade::run::env::Env;
use palisade::run::inventory;
use palisade::run::workspace::Workspace;
use serde_json::Value;

use crate::golden::golden;

/// The sample as a report, with a template of its workspace or with everything.
fn sample(template: Option<&str>) -> Report {
    let folder = Path::new("tests/report/guide");
    let limits = Limits::default();
    let workspace = Workspace::load(folder, &limits).unwrap();
    assert!(workspace.is_sound(), "{:?}", workspace.diagnostics);
    let env = Env {
        clock: std::sync::Arc::new(SystemClock::default()),
        limits,
        progress: std::sync::Arc::new(Silent),
        stop: std::sync::Arc::new(Stop::default()),
        seed: 1,
        resolve_names: false,
        state: folder.into(),
        live: std::sync::Arc::new(palisade::connector::live::open::open),
    };
    let now = "2018-05-01T17:41:58Z".parse().unwrap();
    let loaded = inventory::from_connectors(&workspace, &[], None, now, &env).unwrap();
    let results: Results =
        serde_json::from_str(&std::fs::read_to_string(folder.join("results.json")).unwrap()).unwrap();
    let sources = Sources {
        results: &results,
        snapshot: Some(&loaded.snapshot),
        tags: Some(&loaded.tags),
        risk: SecurityRisk::Average,
    };
    let template = template.map(|name| workspace.program.reports.iter().find(|t| t.name.value == name).unwrap());
    build::report(&sources, &Choices::of(template), now)
}

fn rendered(format: &str, report: &Report) -> String {
    let options = Options { fail_on: Some(4) };
    let text = String::from_utf8((by_name(format).unwrap().render)(report, &options).unwrap()).unwrap();
    text.replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

#[test]
fn the_guides_sample_report() {
    let report = sample(Some("Scan Report with EC2 Related Info"));
    let host = report.hosts.iter().find(|h| h.asset == "i-0b11abd19771f17ed").unwrap();
    assert_eq!((host.totals.vulnerabilities(), host.risk.shown), (10, 3.9));
    golden("report/guide.template.txt", &rendered("text", &report));
}

#[test]
fn every_text_format_says_the_same() {
    let report = sample(None);
    for (format, file) in [
        ("text", "guide.txt"),
        ("html", "guide.html"),
        ("csv", "guide.csv"),
        ("sarif", "guide.sarif"),
        ("junit", "guide.junit.xml"),
        ("nmap_xml", "guide.nmap.xml"),
        ("xml", "guide.scan.xml"),
        ("asset_xml", "guide.asset.xml"),
    ] {
        golden(&format!("report/{file}"), &rendered(format, &report));
    }
}

#[test]
fn json_reads_back_and_every_format_renders_nothing_too() {
    let report = sample(None);
    let again: Report = serde_json::from_str(&rendered("json", &report)).unwrap();
    let document: Value = serde_json::from_str(&rendered("json", &report)).unwrap();
    assert_eq!(crate::report::faults_by("palisade/report/1", &document), Vec::<String>::new());
    assert_eq!(serde_json::to_value(&again).unwrap()["totals"], serde_json::to_value(&report).unwrap()["totals"]);
    let mut empty = report;
    empty.hosts.clear();
    empty.policies.clear();
    empty.not_scanned.clear();
    empty.gaps.clear();
    for format in FORMATS {
        let bytes = (format.render)(&empty, &Options::default()).unwrap();
        assert!(!bytes.is_empty(), "{}", format.name);
    }
}

#[test]
fn strangers_words_stay_words() {
    let report = sample(None);
    let html = rendered("html", &report);
    assert!(!html.contains("<script>alert"), "a banner became script");
    assert!(html.contains("&lt;script&gt;alert(1)"));
    assert!(!html.contains('\u{1b}') && !html.contains('\0'));
    for outside in ["src=", "href=", "url(", "@import", "http:", "https:"] {
        assert!(!html.contains(outside), "the page would load `{outside}`");
    }
    let csv = rendered("csv", &report);
    assert!(csv.contains("'=TLS 1.0 accepted"), "a banner became a formula");
    let sarif: Value = serde_json::from_str(&rendered("sarif", &report)).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 3 + 23, "each finding and each outcome that is no pass");
    let place = &results[0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "policies/the%20edge.pal");
    assert_eq!(place["region"]["startLine"], 7);
}

#[test]
fn pdf_has_pages_and_a_closing_table() {
    let report = sample(None);
    let bytes = (by_name("pdf").unwrap().render)(&report, &Options::default()).unwrap();
    assert!(bytes.starts_with(b"%PDF-1."));
    assert!(bytes.ends_with(b"%%EOF") || bytes.ends_with(b"%%EOF\n"));
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.matches("/Type /Page\n").count() >= 3, "several pages");
    assert!(text.contains("(AWS-API-SCH-4)"));
}
