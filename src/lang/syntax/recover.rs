//! A file that does not parse as a whole, taken apart: items by their braces, entries by their lines. Each piece is
//! parsed alone, so every broken piece is reported at its place and the good ones are kept.

use super::ast::{Block, Entry, Item};
use super::diagnose;
use super::grammar::{Place, Rule, parse};
use super::job::{Lower, meaning};
use super::lexer::{Kind, Lexeme, lexemes};
use crate::base::diagnostic::Diagnostic;
use crate::base::source::Spanned;

/// Keywords that open an item: at the start of a line they end whatever was left open before.
const ITEM_WORDS: &[&str] =
    &["workspace", "connector", "tag", "profile", "scan", "channel", "policy", "report", "test", "let"];

/// Parses the items of a broken file one by one.
pub(super) fn items(source: &str, all: &[Lexeme], lower: &mut Lower<'_>) -> Vec<Item> {
    pieces(source, all, true).into_iter().filter_map(|piece| item(source, piece, lower)).collect()
}

/// Cuts lexemes into pieces. Top-level pieces start with a word at depth 0, or with an item's keyword in the first
/// column whatever the depth; entries end at a line end or `;` at depth 0, unless the line ends or the next one starts
/// with a word or mark that goes on.
fn pieces<'a>(source: &str, all: &'a [Lexeme], top: bool) -> Vec<&'a [Lexeme]> {
    let mut pieces = Vec::new();
    let (mut start, mut depth) = (0, 0usize);
    let mut line_start = true;
    for (i, lexeme) in all.iter().enumerate() {
        let text = lexeme.text(source);
        let column_zero = lexeme.start == 0 || source.as_bytes().get(lexeme.start.wrapping_sub(1)) == Some(&b'\n');
        let opens_item = top && column_zero && ITEM_WORDS.contains(&text) && opens(source, all, i);
        let new_line = line_start && lexeme.kind != Kind::Newline;
        let begins = match top {
            true => opens_item || (depth == 0 && new_line && lexeme.kind == Kind::Word),
            false => depth == 0 && new_line && !goes_on(source, all, i),
        };
        if begins && i > start {
            pieces.push(all.get(start..i).unwrap_or(&[]));
            start = i;
            depth = 0;
        }
        match lexeme.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Operator if !top && depth == 0 && text == ";" => {
                pieces.push(all.get(start..i).unwrap_or(&[]));
                start = i + 1;
            }
            _ => {}
        }
        line_start = match lexeme.kind {
            Kind::Newline => true,
            Kind::Operator if text == ";" => true,
            Kind::Comment { .. } => line_start,
            _ => false,
        };
    }
    pieces.push(all.get(start..).unwrap_or(&[]));
    pieces.retain(|p| p.iter().any(|l| !matches!(l.kind, Kind::Newline | Kind::Comment { .. })));
    pieces
}

/// `scan "x" {` and `workspace {` open an item; `scan = ` does not.
fn opens(source: &str, all: &[Lexeme], i: usize) -> bool {
    let next = all.get(i + 1);
    next.is_some_and(|l| {
        matches!(l.kind, Kind::Quoted { .. })
            || l.text(source) == "{"
            || all.get(i).is_some_and(|w| w.text(source) == "let")
    })
}

/// Whether the line that starts at lexeme `i` belongs to the entry before it.
fn goes_on(source: &str, all: &[Lexeme], i: usize) -> bool {
    let joint = |l: &Lexeme| ["and", "or"].iter().any(|w| l.text(source).eq_ignore_ascii_case(w));
    let before =
        all.get(..i).unwrap_or(&[]).iter().rev().find(|l| !matches!(l.kind, Kind::Newline | Kind::Comment { .. }));
    let here = all.get(i);
    // `key =` on a line of its own has lost its value; the next line is an entry of its own.
    let next_is_entry = all.get(i + 1).is_some_and(|l| l.text(source) == "=");
    if next_is_entry {
        return false;
    }
    here.is_some_and(joint)
        || here.is_some_and(|l| l.kind == Kind::Close)
        || before.is_some_and(|l| {
            joint(l)
                || l.text(source).eq_ignore_ascii_case("not")
                || (l.kind == Kind::Operator && matches!(l.text(source), "=" | ":" | ","))
        })
}

fn slice<'s>(source: &'s str, piece: &[Lexeme]) -> Option<(usize, &'s str, Vec<Lexeme>)> {
    let kept = meaning(piece);
    let (first, last) = (kept.first()?, kept.last()?);
    Some((first.start, source.get(first.start..last.end)?, kept))
}

fn item(source: &str, piece: &[Lexeme], lower: &mut Lower<'_>) -> Option<Item> {
    let (offset, text, kept) = slice(source, piece)?;
    let inner = Place { file: lower.place.file, offset: lower.place.offset + offset as u32 };
    let error_at = match parse(Rule::one_item, text) {
        Ok(pair) => {
            let mut alone = Lower::new(text, inner, lower.limits);
            let item = pair.into_inner().find(|p| p.as_rule() == Rule::item).and_then(|p| alone.item(p));
            lower.found.append(&mut alone.found);
            return item;
        }
        Err(at) => at + offset,
    };
    let span = lower.place.span(offset, offset + text.len());
    if let Some(found) = diagnose::unclosed(source, &kept, lower.place) {
        lower.found.push(found);
        return Some(Item::Broken(span));
    }
    match head(source, &kept, lower) {
        Some((block, body_at)) => Some(Item::Block(open_block(source, piece, block, body_at, span, lower))),
        None => {
            lower.found.push(not_an_item(source, &kept, error_at, lower));
            Some(Item::Broken(span))
        }
    }
}

/// The head `kind "label" {` of a block, and the index of its brace.
fn head(source: &str, kept: &[Lexeme], lower: &Lower<'_>) -> Option<(Block, usize)> {
    let first = kept.first().filter(|l| l.kind == Kind::Word)?;
    let name = |l: &Lexeme| Spanned::new(l.text(source).to_owned(), lower.place.span(l.start, l.end));
    let (label, brace) = match kept.get(1)? {
        l if l.text(source) == "{" => (None, l),
        l if matches!(l.kind, Kind::Quoted { closed: true }) && l.text(source).starts_with('"') => {
            let mut label = name(l);
            label.value = label.value.trim_matches('"').replace("\\\"", "\"").replace("\\\\", "\\");
            (Some(label), kept.get(2).filter(|b| b.text(source) == "{")?)
        }
        _ => return None,
    };
    let block = Block { kind: name(first), label, entries: Vec::new(), span: name(first).span };
    Some((block, brace.start))
}

/// A block whose inside is broken: its entries one by one.
fn open_block(
    source: &str,
    piece: &[Lexeme],
    mut block: Block,
    brace: usize,
    span: crate::base::source::Span,
    lower: &mut Lower<'_>,
) -> Block {
    block.span = span;
    let from = piece.iter().position(|l| l.start == brace).map_or(piece.len(), |i| i + 1);
    let mut inside = piece.get(from..).unwrap_or(&[]);
    match closing(source, inside) {
        Some(at) => {
            let rest = meaning(inside.get(at + 1..).unwrap_or(&[]));
            if let Some(extra) = rest.iter().find(|l| l.text(source) != ";") {
                lower.found.push(diagnose::unexpected(source, extra, lower.place).help("a block ends at its `}`"));
            }
            inside = inside.get(..at).unwrap_or(&[]);
        }
        None => {
            let place = lower.place.span(brace, brace + 1);
            let name = &block.kind.value;
            lower.found.push(
                Diagnostic::error("P0030", format!("the block `{name}` is never closed"), place, "it opens here")
                    .help("add `}` at its end"),
            );
        }
    }
    for piece in pieces(source, inside, false) {
        block.entries.extend(entry(source, piece, lower));
    }
    block
}

/// The index of the brace that closes what was opened before these lexemes.
fn closing(source: &str, inside: &[Lexeme]) -> Option<usize> {
    let mut depth = 0usize;
    for (i, l) in inside.iter().enumerate() {
        match (l.kind, l.text(source)) {
            (Kind::Open, "{") => depth += 1,
            (Kind::Close, "}") if depth == 0 => return Some(i),
            (Kind::Close, "}") => depth -= 1,
            _ => {}
        }
    }
    None
}

fn entry(source: &str, piece: &[Lexeme], lower: &mut Lower<'_>) -> Option<Entry> {
    let (offset, text, kept) = slice(source, piece)?;
    let inner = Place { file: lower.place.file, offset: lower.place.offset + offset as u32 };
    let error_at = match parse(Rule::one_entry, text) {
        Ok(pair) => {
            let mut alone = Lower::new(text, inner, lower.limits);
            let entry = pair.into_inner().find(|p| p.as_rule() == Rule::entry).and_then(|p| alone.entry(p));
            lower.found.append(&mut alone.found);
            return entry;
        }
        Err(at) => at + offset,
    };
    let span = lower.place.span(offset, offset + text.len());
    if let Some(found) = diagnose::unclosed(source, &kept, lower.place) {
        lower.found.push(found);
        return Some(Entry::Broken(span));
    }
    if let Some((block, brace)) = head(source, &kept, lower) {
        return Some(Entry::Block(open_block(source, piece, block, brace, span, lower)));
    }
    broken_entry(source, &kept, error_at, lower);
    Some(Entry::Broken(span))
}

/// Why an entry does not parse.
fn broken_entry(source: &str, kept: &[Lexeme], at: usize, lower: &mut Lower<'_>) {
    let place = lower.place;
    if let Some(found) = diagnose::brackets(source, kept, place) {
        lower.found.push(found);
        return;
    }
    let word = |i: usize| kept.get(i).map_or("", |l| l.text(source));
    let is_query = matches!(word(0), "query" | "where" | "scope") && word(1) == "=";
    if is_query && let (Some(first), Some(last)) = (kept.get(2), kept.last()) {
        let text = source.get(first.start..last.end).unwrap_or("");
        let lexed = lexemes(text);
        let inner = Place { file: place.file, offset: place.offset + first.start as u32 };
        lower.found.extend(diagnose::query(text, &meaning(&lexed), inner, at.saturating_sub(first.start)));
        return;
    }
    let found = match kept {
        [key, equals] if equals.text(source) == "=" => {
            let name = key.text(source);
            let span = place.span(equals.start, equals.end);
            Diagnostic::error("P0032", format!("`{name}` has no value"), span, "the value belongs after this")
                .help("write the value on the same line, or remove the line")
        }
        [key, colon, ..] if key.kind == Kind::Word && colon.text(source) == ":" => {
            let span = place.span(colon.start, colon.end);
            Diagnostic::error("P0021", "an attribute is written with `=`", span, "").fix("write `=`", span, "=")
        }
        [key] if key.kind == Kind::Word => {
            let span = place.span(key.start, key.end);
            Diagnostic::error("P0032", format!("`{}` has no value", key.text(source)), span, "")
                .help("an attribute is `key = value`, a block is `kind { … }`")
        }
        _ => {
            let l = kept.iter().find(|l| l.end > at).or(kept.last());
            match l {
                Some(l) => diagnose::unexpected(source, l, place)
                    .help("an entry is `key = value`, a block `kind { … }`, or a statement such as `expect tcp 443`"),
                None => return,
            }
        }
    };
    lower.found.push(found);
}

/// Why a top-level piece is no item.
fn not_an_item(source: &str, kept: &[Lexeme], at: usize, lower: &Lower<'_>) -> Diagnostic {
    let place = lower.place;
    let Some(first) = kept.first() else {
        return Diagnostic::error("P0031", "an item is missing", place.span(at, at), "");
    };
    if let Some(found) = diagnose::brackets(source, kept, place).filter(|f| f.code == "P0017") {
        return found;
    }
    let word = first.text(source);
    if word == "let" {
        let query = kept.iter().position(|l| l.text(source) == "=").and_then(|e| kept.get(e + 1..));
        if let Some((from, to)) = query.and_then(|q| Some((q.first()?, q.last()?))) {
            let text = source.get(from.start..to.end).unwrap_or("");
            let lexed = lexemes(text);
            let inner = Place { file: place.file, offset: place.offset + from.start as u32 };
            let all = diagnose::query(text, &meaning(&lexed), inner, at.saturating_sub(from.start));
            if let Some(found) = all.into_iter().next() {
                return found;
            }
        }
    }
    if let (Some(l), true) = (kept.get(1), ITEM_WORDS.contains(&word)) {
        let span = place.span(l.start, l.end);
        if matches!(l.kind, Kind::Word | Kind::Quoted { .. }) && !l.text(source).starts_with('"') {
            let quoted = format!("\"{}\"", l.text(source).trim_matches('\''));
            return Diagnostic::error("P0035", "a name stands in double quotes", span, "").fix(
                format!("write {quoted}"),
                span,
                quoted.clone(),
            );
        }
    }
    Diagnostic::error("P0031", format!("`{word}` opens no item"), place.span(first.start, first.end), "").help(format!(
        "an item is a block such as `scan \"name\" {{ … }}` or `let name = …`; blocks are {}",
        ITEM_WORDS.join(", ")
    ))
}
