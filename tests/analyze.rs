//! Job files that parse: what is wrong with them, and what a good one means.

use palisade::base::diagnostic::Diagnostic;
use palisade::base::limits::Limits;
use palisade::base::source::SourceMap;
use palisade::lang::analyze::{analyze, schema};
use palisade::lang::job::Program;
use palisade::lang::syntax::parse_file;

use crate::golden::golden;
use crate::syntax::shown;

fn checked(text: &str) -> (Program, Vec<Diagnostic>) {
    let mut sources = SourceMap::new();
    let id = sources.add("t.pal", text);
    let (file, mut found) = parse_file(text, id, &Limits::default());
    let (program, more) = analyze(&[file], &sources);
    found.extend(more);
    (program, found)
}

#[test]
fn the_sample_of_the_language_page_is_clean() {
    let text = include_str!("analyze/sample.pal");
    let (program, found) = checked(text);
    golden("analyze/sample.txt", &shown(&found, text));
    assert!(!found.iter().any(Diagnostic::is_error));
    let counts = [
        program.connectors.len(),
        program.tags.len(),
        program.profiles.len(),
        program.scans.len(),
        program.channels.len(),
        program.policies.len(),
        program.reports.len(),
        program.tests.len(),
    ];
    assert_eq!(counts, [2, 5, 1, 1, 1, 1, 1, 1]);
    let names: Vec<&str> = program.tags.iter().map(|t| t.name.value.as_str()).collect();
    assert!(names.iter().position(|n| *n == "web") < names.iter().position(|n| *n == "legacy"));
    golden(
        "analyze/sample.program.txt",
        &format!("{:#?}\n{:#?}\n", program.scans[0].schedule, program.policies[0].rules.len()),
    );
}

#[test]
fn live_connectors() {
    let text = include_str!("analyze/live.pal");
    let (program, found) = checked(text);
    golden("analyze/live.txt", &shown(&found, text));
    let read: Vec<_> = program
        .connectors
        .iter()
        .map(|c| {
            (c.name.value.as_str(), c.profile.as_deref(), c.call_budget, c.endpoint.as_ref().map(|e| e.value.as_str()))
        })
        .collect();
    assert_eq!(
        read,
        [("org", Some("audit"), 25, Some("http://127.0.0.1:5000")), ("one", None, 50, None)],
        "broken ones are left out"
    );
    let organization = program.connectors[0].organization.clone().unwrap();
    assert_eq!(organization.read_role, "perimeter-reader");
    assert_eq!(organization.list_role.as_deref(), Some("arn:aws:iam::123456789012:role/lister"));
    assert_eq!(organization.units, ["ou-abcd-12345678"]);
    assert_eq!(organization.except, ["444455556666"]);
}

#[test]
fn everything_broken_is_told_at_once() {
    let text = include_str!("analyze/broken.pal");
    let (_, found) = checked(text);
    golden("analyze/broken.txt", &shown(&found, text));
}

#[test]
fn keys_of_azure_and_google_connectors() {
    let text = include_str!("analyze/cloud.pal");
    let (program, found) = checked(text);
    let connectors: Vec<String> =
        program.connectors.iter().map(|c| format!("{}: {:?}\n", c.name.value, c.cloud)).collect();
    golden("analyze/cloud.txt", &format!("{}{}", connectors.concat(), shown(&found, text)));
}

#[test]
fn every_code_about_job_files_is_met() {
    let (_, found) = checked(include_str!("analyze/broken.pal"));
    let missing: Vec<&str> = palisade::base::codes::all()
        .map(|c| c.code)
        .filter(|c| c.starts_with("P02") && !found.iter().any(|d| d.code == *c))
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
    for d in &found {
        assert!(palisade::base::codes::find(d.code).is_some(), "{} is not in the table", d.code);
    }
}

#[test]
fn no_key_is_known_with_a_letter_missing() {
    let text = include_str!("analyze/sample.pal");
    let mut tried = 0;
    for block in schema::BLOCKS {
        for key in block.keys {
            for (at, _) in text.match_indices(key.name) {
                let before = text[..at].chars().next_back();
                if text[..at].rsplit('\n').next().is_some_and(|line| line.contains('#')) {
                    continue;
                }
                let after = text[at + key.name.len()..].trim_start();
                if !before.is_none_or(|c| c.is_whitespace()) || !after.starts_with('=') || key.name.len() < 3 {
                    continue;
                }
                let wrong = format!("{}{}", &text[..at], &text[at + 1..]);
                assert!(checked(&wrong).1.iter().any(Diagnostic::is_error), "{} without its first letter", key.name);
                tried += 1;
            }
        }
    }
    assert!(tried > 40, "{tried}");
}
