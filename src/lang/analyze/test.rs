//! `test "x" { … }` and `report "x" { … }`.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::Context;
use super::connector::no_new_errors;
use super::reader::{Reader, choose, texts_of, wrong};
use crate::base::nearest::did_you_mean;
use crate::base::source::Spanned;
use crate::lang::job::{Expectation, ReportSort, ReportTemplate, UnitTest};
use crate::lang::syntax::ast::{Block, Entry, Node, NodeKind, Statement};

/// Numbers a plan has.
const COUNTS: &[&str] = &["identified", "qualified", "submitted", "targets", "not_targetable", "merged"];

pub(super) fn lower(block: &Block, context: &mut Context<'_>) -> Option<UnitTest> {
    let before = context.found.len();
    let reader = Reader::open(block, context);
    let inventory = reader.text("inventory", context)?;
    let now = reader.node("now").and_then(|n| moment(n, context));
    let expectations = reader
        .statements()
        .filter_map(|s| match s.keyword.value.as_str() {
            "tag" => tag_matches(s, context),
            "scan" => scan_counts(s, context),
            "policy" => super::test_policy::lower(s, context),
            _ => None,
        })
        .collect();
    let test = UnitTest {
        name: reader.name(),
        inventory,
        base: context.folder(block.span),
        now,
        expectations,
        span: block.span,
    };
    no_new_errors(before, context).then_some(test)
}

fn moment(node: &Node, context: &mut Context<'_>) -> Option<Timestamp> {
    let zoned = match &node.kind {
        NodeKind::Date(day) => day.to_datetime(Time::midnight()).to_zoned_datetime(TimeZone::UTC).ok(),
        NodeKind::DateTime { civil, zone } => {
            let zone = zone.as_deref().map_or(Ok(TimeZone::UTC), TimeZone::get);
            zone.ok().and_then(|z| civil.to_zoned_datetime(z).ok())
        }
        _ => None,
    };
    if zoned.is_none() {
        wrong("now", node, "a date such as 2026-01-01", context);
    }
    zoned.map(|z| z.timestamp())
}

/// `tag "x" matches ["a"]`.
fn tag_matches(s: &Statement, context: &mut Context<'_>) -> Option<Expectation> {
    match s.operands.as_slice() {
        [Node { kind: NodeKind::Text(name), span }, Node { kind: NodeKind::Word(verb), .. }, list]
            if verb == "matches" =>
        {
            let tag = Spanned::new(name.clone(), *span);
            context.refer("tag", &tag);
            match texts_of(list) {
                Some(assets) => Some(Expectation::TagMatches { tag, assets, span: s.span }),
                None => {
                    wrong("matches", list, "a list of asset ids or names", context);
                    None
                }
            }
        }
        _ => context.fail(
            "P0225",
            "this is not how a tag is tested".into(),
            s.span,
            "write tag \"name\" matches [\"id\"]",
        ),
    }
}

/// `scan "x" counts { identified = 23 }`.
fn scan_counts(s: &Statement, context: &mut Context<'_>) -> Option<Expectation> {
    let (scan, body) = match (s.operands.as_slice(), &s.body) {
        ([Node { kind: NodeKind::Text(name), span }, Node { kind: NodeKind::Word(verb), .. }], Some(body))
            if verb == "counts" =>
        {
            (Spanned::new(name.clone(), *span), body)
        }
        _ => {
            let help = "write scan \"name\" counts { identified = 23; qualified = 9; submitted = 8 }";
            return context.fail("P0225", "this is not how a scan is tested".into(), s.span, help);
        }
    };
    context.refer("scan", &scan);
    let mut counts = Vec::new();
    for entry in body {
        let Entry::Attr(attr) = entry else { continue };
        if !COUNTS.contains(&attr.key.value.as_str()) {
            let help = did_you_mean(&attr.key.value, COUNTS.iter().copied())
                .unwrap_or_else(|| format!("counts are {}", COUNTS.join(", ")));
            context.fail::<()>("P0202", format!("there is no count `{}`", attr.key.value), attr.key.span, help);
            continue;
        }
        match attr.value.kind {
            NodeKind::Number(n) if n >= 0 => counts.push((attr.key.clone(), n as u64)),
            _ => wrong(&attr.key.value, &attr.value, "a number", context),
        }
    }
    Some(Expectation::ScanCounts { scan, counts, span: s.span })
}

/// Sections of the guide's display tab.
const SECTIONS: &[(&str, &str)] = &[
    ("host_details", "host_details"),
    ("ec2_information", "ec2_information"),
    ("azure_information", "azure_information"),
    ("metadata", "metadata"),
    ("summary", "summary"),
    ("vulnerability_details", "vulnerability_details"),
    ("threat", "threat"),
    ("impact", "impact"),
    ("solution", "solution"),
    ("results", "results"),
];

const FORMATS: &[(&str, &str)] = &[
    ("text", "text"),
    ("html", "html"),
    ("json", "json"),
    ("csv", "csv"),
    ("xml", "xml"),
    ("sarif", "sarif"),
    ("nmap_xml", "nmap_xml"),
    ("asset_xml", "asset_xml"),
    ("junit", "junit"),
    ("pdf", "pdf"),
];

const KINDS: &[(&str, &str)] =
    &[("confirmed", "confirmed"), ("potential", "potential"), ("information", "information")];

pub(super) fn report(block: &Block, context: &mut Context<'_>) -> Option<ReportTemplate> {
    let before = context.found.len();
    let reader = Reader::open(block, context);
    let sorts = [("host", ReportSort::Host), ("severity", ReportSort::Severity), ("port", ReportSort::Port)];
    let include = match reader.node("include") {
        Some(Node { kind: NodeKind::List(nodes), .. }) => nodes
            .iter()
            .filter_map(|n| choose("include", n, SECTIONS, context).map(|w| Spanned::new(w.to_owned(), n.span)))
            .collect(),
        Some(node) => {
            wrong("include", node, "a list of sections", context);
            Vec::new()
        }
        None => Vec::new(),
    };
    let kinds = match reader.node("kinds") {
        Some(Node { kind: NodeKind::List(nodes), .. }) => {
            nodes.iter().filter_map(|n| choose("kinds", n, KINDS, context).map(str::to_owned)).collect()
        }
        Some(node) => {
            wrong("kinds", node, "a list such as [confirmed, potential]", context);
            Vec::new()
        }
        None => Vec::new(),
    };
    let template = ReportTemplate {
        name: reader.name(),
        sort: reader.choice("sort", &sorts, context).unwrap_or(ReportSort::Host),
        include,
        kinds,
        format: reader.choice("format", FORMATS, context).unwrap_or("text").to_owned(),
        span: block.span,
    };
    no_new_errors(before, context).then_some(template)
}
