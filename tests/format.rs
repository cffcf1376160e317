//! The formatter: canonical, idempotent, comments kept, meaning kept, and nothing formatted that does not parse.

use std::fs;
use std::path::{Path, PathBuf};

use palisade::base::limits::Limits;
use palisade::lang::format::format_file;
use proptest::prelude::*;

use crate::golden::golden;

fn formatted(text: &str) -> String {
    format_file(text, &Limits::default()).unwrap_or_else(|found| panic!("{found:#?}\n{text}"))
}

/// Every job file of the repository that parses.
fn samples() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut stack = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"), "tests".into()];
    while let Some(folder) = stack.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                stack.push(path);
            } else if path.extension().is_some_and(|e| e == "pal") && path.file_name().unwrap() != "broken.pal" {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found
}

#[test]
fn untidy_text_becomes_canonical() {
    let messy = fs::read_to_string("tests/format/messy.pal").unwrap();
    let text = formatted(&messy);
    golden("format/messy.formatted.txt", &text);
    assert_eq!(formatted(&text), text, "formatting twice changes nothing");
}

#[test]
fn every_sample_is_stable_and_the_examples_are_canonical() {
    let samples = samples();
    assert!(samples.len() >= 7, "{samples:?}");
    for (path, text) in samples {
        let once = formatted(&text);
        assert_eq!(formatted(&once), once, "{}", path.display());
        if path.components().any(|c| c.as_os_str() == "examples") {
            assert_eq!(once, text, "{} is not canonical; run `palisade fmt`", path.display());
        }
    }
}

#[test]
fn line_ends_of_other_systems_and_marks_mean_nothing() {
    let text = fs::read_to_string("tests/format/messy.pal").unwrap();
    assert_eq!(formatted(&text.replace('\n', "\r\n")), formatted(&text));
    assert_eq!(formatted(""), "");
    assert_eq!(formatted("\n\n\n"), "");
    assert_eq!(formatted("# only a comment"), "# only a comment\n");
}

#[test]
fn what_does_not_parse_is_left_alone() {
    for text in ["tag \"x\" {", "tag \"x\" { query = name: }", "let a == 1", "\u{0}"] {
        assert!(format_file(text, &Limits::default()).is_err(), "{text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Comments and empty lines put in at the ends of lines stay, in order, and nothing else changes.
    #[test]
    fn comments_survive_wherever_a_line_ends(places in proptest::collection::btree_set(0usize..400, 0..30), style in 0usize..3) {
        for (path, text) in samples() {
            let mut noisy = String::new();
            let mut marks = Vec::new();
            let mut inside = false;
            for (n, line) in text.lines().enumerate() {
                noisy.push_str(line);
                // A mark inside a block comment would be part of it.
                inside = (inside || line.contains("/*")) && !line.contains("*/");
                let commented = line.contains('#') || line.contains("//") || inside;
                if places.contains(&n) && !commented {
                    let mark = format!("mark {n}");
                    noisy.push_str(&match style {
                        0 => format!(" # {mark}"),
                        1 => format!(" // {mark}"),
                        _ => format!("\n\n   # {mark}\n\n"),
                    });
                    marks.push(mark);
                }
                noisy.push('\n');
            }
            let Ok(out) = format_file(&noisy, &Limits::default()) else {
                return Err(TestCaseError::fail(format!("{}: refused\n{noisy}", path.display())));
            };
            prop_assert_eq!(formatted(&out), out.clone(), "not stable: {}", path.display());
            let mut rest = out.as_str();
            for mark in &marks {
                let at = rest.find(mark.as_str());
                prop_assert!(at.is_some(), "{}: `{mark}` is lost or out of order\n{out}", path.display());
                rest = &rest[at.unwrap() + mark.len()..];
            }
        }
    }
}
