//! Editor services on real and hostile texts: they agree with the checker, and never fail.

use palisade::base::limits::Limits;
use palisade::base::source::{FileId, SourceMap};
use palisade::lang::analyze::{analyze, schema};
use palisade::lang::ide::{HighlightKind, IdeContext, Mode, complete, highlight, hover, reference_at, symbols};
use palisade::lang::syntax::{parse_file, parse_query};
use proptest::prelude::*;

use crate::golden::golden;

const SAMPLE: &str = include_str!("analyze/sample.pal");

fn codes(text: &str) -> Vec<&'static str> {
    let mut sources = SourceMap::new();
    let id = sources.add("t.pal", text);
    let (file, mut found) = parse_file(text, id, &Limits::default());
    found.extend(analyze(&[file], &sources).1);
    found.iter().map(|d| d.code).collect()
}

/// A letter a kind, under each line of the text.
fn painted(text: &str, mode: Mode) -> String {
    let mut letters = vec![b' '; text.len()];
    for (range, kind) in highlight(text, mode) {
        let letter = match kind {
            HighlightKind::Keyword => b'K',
            HighlightKind::Token => b'T',
            HighlightKind::Key => b'k',
            HighlightKind::Word => b'w',
            HighlightKind::Operator => b'o',
            HighlightKind::Bracket => b'b',
            HighlightKind::String => b's',
            HighlightKind::Number => b'n',
            HighlightKind::Reference => b'R',
            HighlightKind::Comment => b'c',
            HighlightKind::Error => b'!',
        };
        letters[range.start as usize..range.end as usize].fill(letter);
    }
    let mut out = String::new();
    let mut at = 0;
    for line in text.lines() {
        let paint = String::from_utf8_lossy(&letters[at..at + line.len()]).into_owned();
        out.push_str(&format!("{line}\n{}\n", paint.trim_end()));
        at += line.len() + 1;
    }
    out
}

#[test]
fn the_sample_in_colour() {
    let shown = painted(SAMPLE, Mode::Job);
    assert!(!highlight(SAMPLE, Mode::Job).iter().any(|(_, k)| *k == HighlightKind::Error));
    golden("ide/sample.colours.txt", &shown);
}

#[test]
fn every_word_of_the_schema_is_one_the_checker_takes() {
    let mut tried = 0;
    for block in schema::BLOCKS {
        for key in block.keys {
            for (word, text) in
                key.words.iter().map(|w| (w, (*w).to_owned())).chain(key.in_list.iter().map(|w| (w, format!("[{w}]"))))
            {
                if word.ends_with('(') || block.kind == "schedule" && key.name == "every" {
                    continue;
                }
                let body = match (key.name, *word) {
                    ("include" | "exclude", "any" | "all") if block.kind == "targets" => {
                        format!("{} = {word} []", key.name)
                    }
                    ("scanner", "internal") => "scanner = internal [\"a\"]".to_owned(),
                    _ => format!("{} = {text}", key.name),
                };
                let inside = format!("{} {} {{ {body} }}", block.kind, if block.named { "\"x\"" } else { "" });
                let whole = match block.kind {
                    "targets" | "schedule" | "notify" => {
                        let rest = if block.kind == "schedule" {
                            inside.replace('{', "{ start = 2026-01-01;")
                        } else {
                            inside
                        };
                        let rest = if block.kind == "notify" { rest.replace('{', "{ to = [];") } else { rest };
                        format!(
                            "connector \"f\" {{ provider = file; path = \"x\" }}\nscan \"s\" {{ connector = \"f\"\n{rest} }}"
                        )
                    }
                    "scan" => format!(
                        "connector \"f\" {{ provider = file; path = \"x\" }}\n{}",
                        inside.replace('{', "{ connector = \"f\"\n")
                    ),
                    _ => inside,
                };
                let found = codes(&whole);
                let refused: Vec<_> =
                    found.iter().filter(|c| c.starts_with("P00") || ["P0202", "P0208", "P0209"].contains(c)).collect();
                assert!(refused.is_empty(), "{whole}: {refused:?}");
                tried += 1;
            }
        }
    }
    assert!(tried > 80, "{tried}");
}

#[test]
fn keys_and_blocks_are_offered_where_the_sample_has_them() {
    let context = IdeContext { mode: Mode::Job, ..IdeContext::default() };
    let mut tried = 0;
    for (range, kind) in highlight(SAMPLE, Mode::Job) {
        if !matches!(kind, HighlightKind::Key | HighlightKind::Keyword | HighlightKind::Token) {
            continue;
        }
        let word = &SAMPLE[range.start as usize..range.end as usize];
        if ["and", "null"].contains(&word) {
            continue;
        }
        let offers = complete(SAMPLE, range.start + 1, &context);
        let offered = offers.iter().find(|o| o.label.starts_with(word) || word == "is" && o.label.starts_with("is "));
        let offered = offered.unwrap_or_else(|| panic!("`{word}` at {} is not offered", range.start));
        assert_eq!(offered.replace.start, range.start, "{word}");
        tried += 1;
    }
    assert!(tried > 90, "{tried}");
}

#[test]
fn keys_tokens_and_blocks_of_the_sample_have_a_hover() {
    for (range, kind) in highlight(SAMPLE, Mode::Job) {
        if matches!(kind, HighlightKind::Key | HighlightKind::Token) {
            let word = &SAMPLE[range.start as usize..range.end as usize];
            let found = hover(SAMPLE, range.start, Mode::Job);
            assert_eq!(found.map(|h| h.span), Some(range), "{word}");
        }
    }
}

#[test]
fn references_of_the_sample_lead_to_its_symbols() {
    let defined = symbols(SAMPLE);
    let mut led = 0;
    for (range, kind) in highlight(SAMPLE, Mode::Job) {
        if kind != HighlightKind::String {
            continue;
        }
        if let Some(reference) = reference_at(SAMPLE, range.start + 1, Mode::Job) {
            let found = defined.iter().any(|s| s.kind == reference.kind && s.name == reference.name);
            assert!(found, "{reference:?}");
            led += 1;
        }
    }
    assert_eq!(led, 12);
}

fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "scan",
        "\"x\"",
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "=",
        ":",
        ";",
        "\n",
        " ",
        "and",
        "or",
        "not",
        "is",
        "in",
        "null",
        "@",
        "@a",
        "azure.vm.state",
        "aws.tags",
        "tags.name",
        "query",
        "where",
        "targets",
        "include",
        "any",
        "waive",
        "on",
        "expect",
        "tcp",
        "test",
        "counts",
        "let",
        "#",
        "//",
        "/*",
        "*/",
        "\"",
        "'",
        "`",
        "\\",
        "..",
        "ü",
        "\u{201c}",
        "\u{feff}",
        "8000-8100",
        "P0101",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|p| p.concat())
}

fn all_services(text: &str) {
    for mode in [Mode::Query, Mode::Job] {
        let mut end = 0;
        for (range, _) in highlight(text, mode) {
            assert!(range.start >= end && range.end > range.start && range.end as usize <= text.len());
            assert!(text.is_char_boundary(range.start as usize) && text.is_char_boundary(range.end as usize));
            end = range.end;
        }
        let context = IdeContext { mode, tags: vec!["EC2 Tag".into()], ..IdeContext::default() };
        for offset in (0..=text.len() as u32 + 1).step_by(3) {
            for offer in complete(text, offset, &context) {
                assert!(text.get(offer.replace.start as usize..offer.replace.end as usize).is_some());
            }
            hover(text, offset, mode);
            reference_at(text, offset, mode);
        }
    }
    symbols(text);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_is_too_strange(text in pieces()) {
        all_services(&text);
    }

    #[test]
    fn no_characters_are_too_strange(text in "\\PC{0,60}") {
        all_services(&text);
    }
}

#[test]
fn deep_nesting_is_no_matter() {
    for piece in ["(", "[", "{", "a{", "not ", "aws.tags:(", "\"", "/*"] {
        let text = piece.repeat(50_000);
        for mode in [Mode::Query, Mode::Job] {
            assert!(!highlight(&text, mode).is_empty());
            complete(&text, text.len() as u32, &IdeContext { mode, ..IdeContext::default() });
        }
    }
}

#[test]
fn taking_each_first_offer_keeps_a_query_whole() {
    // Built by completion alone, from what a person would type.
    let mut text = String::new();
    let tags = vec!["EC2 Tag".to_owned()];
    let context = IdeContext { tags, ..IdeContext::default() };
    for typed in ["azure.vm.sta", " :", " runn", " an", " tags.na", " :", " \"ec", " or", " name", " is no"] {
        text.push_str(typed);
        if typed == " :" {
            continue;
        }
        let offset = text.len() as u32;
        let first = complete(&text, offset, &context).into_iter().next();
        if let Some(first) = first {
            text.replace_range(first.replace.start as usize..first.replace.end as usize, &first.insert);
        }
    }
    assert_eq!(text, "azure.vm.state : RUNNING and tags.name : \"EC2 Tag\" or name is not null");
    assert!(parse_query(&text, FileId(0), 0, &Limits::default()).1.is_empty());
}
