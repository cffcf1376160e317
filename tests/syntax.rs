//! Queries and job files that do not parse, and what is said about them; hostile texts.

use std::fmt::Write as _;

use palisade::base::diagnostic::Diagnostic;
use palisade::base::limits::Limits;
use palisade::base::source::{FileId, SourceMap};
use palisade::lang::syntax::{decode, parse_file, parse_query};
use proptest::prelude::*;

use crate::golden::golden;

/// `P0012 1:30 message | under: text | help`, one line a diagnostic.
pub fn shown(diagnostics: &[Diagnostic], text: &str) -> String {
    let mut sources = SourceMap::new();
    sources.add("t", text);
    let mut out = String::new();
    for d in diagnostics {
        let span = d.span().unwrap();
        let at = sources.locate(span);
        let under = sources.text(span).replace('\n', "⏎");
        let _ = write!(out, "{} {}:{} {} | {under}", d.code, at.line, at.column, d.message);
        if let Some(help) = &d.help {
            let _ = write!(out, " | {help}");
        }
        if let Some(fix) = &d.fix {
            let _ = write!(out, " | fix: {}", fix.title);
        }
        out.push('\n');
    }
    out
}

fn query_errors(text: &str) -> String {
    shown(&parse_query(text, FileId(0), 0, &Limits::default()).1, text)
}

fn file_errors(text: &str) -> String {
    shown(&parse_file(text, FileId(0), &Limits::default()).1, text)
}

#[test]
fn the_four_queries_of_the_guide() {
    for good in [
        r#"not azure.vm.publicIpAddress is null and azure.vm.state: "RUNNING""#,
        r#"not azure.vm.publicIpAddress is null and azure.vm.state: "RUNNING" and azure.vm.location: westus"#,
        r#"not azure.vm.publicIpAddress is null and azure.vm.state:"RUNNING" and azure.vm.resourceGroupName:testRG"#,
    ] {
        assert_eq!(query_errors(good), "", "{good}");
    }
    golden(
        "syntax/guide-query-2.txt",
        &query_errors(
            r#"not azure.vm.publicIpAddress is null and azure.vm.subscriptionId: and azure.vm.state: "RUNNING""#,
        ),
    );
}

#[test]
fn broken_queries_say_what_to_do() {
    let mut out = String::new();
    for text in [
        "operatingSystem: Windows 7",
        "name: and",
        "name: and and provider: AWS",
        "provider: AWS and",
        "or provider: AWS",
        "not",
        "a: 1 b: 2",
        "(a: 1",
        "a: 1)",
        "a: [1 .. 2)",
        "a == 1 && b: 2",
        "a: \"x",
        "a is nul",
        "a is not 5",
        "a:",
        "a: 1 and b: and c: 3 and d:",
        "",
        "a: 1 /* x",
        "a: b$c",
    ] {
        let _ = writeln!(out, "{text}\n  {}", query_errors(text).trim_end().replace('\n', "\n  "));
    }
    golden("syntax/broken-queries.txt", &out);
}

#[test]
fn every_form_of_the_language_parses() {
    for text in [
        "a.b: 1",
        "a>=now-90d",
        "b!=0",
        "a: > 3",
        "a: [1, 2]",
        "a in [1,2,]",
        "a: [1 .. 2]",
        "a: (1 ... 2)",
        "d: [now-3d...now]",
        "d:[2026-05-01 ... 2026-05-31]",
        "ip: [10.0.0.1 .. 10.0.0.9]",
        "ip: [10.0.0.1 .. *]",
        "t: (k: a and v: b)",
        "t: (a or b)",
        "t: (a)",
        "@NAME and a: *",
        "A IS NOT NULL AND NOT (B: 1 OR C: 2)",
        "a: 'x y' or b: `z*`",
        "a: \u{201c}Windows 7\u{201d}",
        "v.v: (\n qid: 1\n or qid: 2 )",
        "ip: 10.0.1.",
        "n: *dev*",
        "a: 1 # comment\n and b: 2",
        "a: \"\\\"q\\\"\"",
        "azure.vm.subscriptionId:*",
        "android.x: 1",
        "inside: 1",
    ] {
        let found = parse_query(text, FileId(0), 0, &Limits::default());
        assert!(found.0.is_some(), "{text}: {}", shown(&found.1, text));
    }
}

#[test]
fn broken_items_do_not_hide_the_next() {
    let text = r#"
scan "a" {
  connector =
  module = vm
  rate: 5
  targets {
    where = provider: and name: x
    regions = ["us-east-1"
  }
}
tag "x" { query = name: Windows 7 }
bogus here
profile 'p' { tcp = none }
scan "b" { connector = "c" module = vm }
tag "good" { query = provider: AWS }
connector "open" {
  provider = aws
let late = provider: GCP
"#;
    golden("syntax/broken-items.txt", &file_errors(text));
}

#[test]
fn hostile_texts_end_in_clear_errors() {
    let limits = Limits::default();
    let deep = format!("{}a: 1{}", "(".repeat(10_000), ")".repeat(10_000));
    let nots = "not ".repeat(10_000) + "a: 1";
    assert!(query_errors(&deep).starts_with("P0004 1:129 nested deeper than 128 levels"));
    assert!(query_errors(&nots).starts_with("P0004"));
    assert!(file_errors(&format!("tag \"x\" {{ query = {deep} }}")).starts_with("P0004"));
    let many = |n: usize| vec!["a: 1"; n].join(" or ");
    assert_eq!(query_errors(&many(1_000)), "");
    assert!(query_errors(&many(1_001)).starts_with("P0005"));
    let decoded = |bytes: &[u8]| {
        let (text, found) = decode(bytes, FileId(0), &limits);
        (text, found.first().map(|d| d.message.clone()))
    };
    assert_eq!(decoded(b"\xef\xbb\xbfa = 1\r\n"), (Some("a = 1\r\n".into()), None));
    assert_eq!(decoded(b"a\nb\xff").1.unwrap(), "the file is not UTF-8: byte 3 on line 2 fits no character");
    assert_eq!(decoded(b"a\0b").1.unwrap(), "there is a NUL byte at byte 1");
    let large = vec![b' '; (16 << 20) + 1];
    assert_eq!(decoded(&large).1.unwrap(), "the file is larger than 16777216 bytes, the limit for job files");
    assert_eq!(decoded(&large[1..]).1, None);
    assert_eq!(file_errors("tag \"crlf\" {\r\n  query = provider: AWS\r\n}\r\n"), "");
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let limits = Limits::default();
        let _ = parse_query(&text, FileId(0), 0, &limits);
        let _ = parse_file(&text, FileId(0), &limits);
    }

    #[test]
    fn no_mutation_of_a_good_file_panics(at in 0usize..2000, with in "[\\x00-\\x7f]{0,3}", cut in 0usize..20) {
        let mut text = include_str!("../examples/6-policy/edge.pal").to_owned();
        let at = at % text.len();
        if text.is_char_boundary(at) && text.is_char_boundary((at + cut).min(text.len())) {
            text.replace_range(at..(at + cut).min(text.len()), &with);
        }
        let _ = parse_file(&text, FileId(0), &Limits::default());
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes, FileId(0), &Limits::default());
    }
}
