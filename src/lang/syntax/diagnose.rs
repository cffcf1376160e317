//! Why a text does not parse, in words. The grammar says where nothing fitted; the lexemes round that place say why.

use super::grammar::{Place, Rule, parse};
use super::lexer::{Kind, Lexeme, is_keyword};
use crate::base::diagnostic::Diagnostic;

/// A string or comment without its end, anywhere in the text: nothing after it can be trusted.
pub(super) fn unclosed(source: &str, lexemes: &[Lexeme], place: Place) -> Option<Diagnostic> {
    lexemes.iter().find_map(|l| {
        let span = place.span(l.start, l.start + l.text(source).chars().next().map_or(1, char::len_utf8));
        match l.kind {
            Kind::Quoted { closed: false } => Some(
                Diagnostic::error("P0010", "the quoted text is not closed", span, "it starts here")
                    .help("add the closing quote; a quote inside is written `\\\"`"),
            ),
            Kind::Comment { closed: false } => {
                Some(Diagnostic::error("P0011", "the comment is not closed", span, "it starts here").help("add `*/`"))
            }
            _ => None,
        }
    })
}

/// All problems of a query that did not parse. Operands between `and` and `or` at the top level are judged one by one,
/// so that one broken operand does not hide the next.
pub(super) fn query(source: &str, lexemes: &[Lexeme], place: Place, at: usize) -> Vec<Diagnostic> {
    if let Some(found) = brackets(source, lexemes, place) {
        return vec![found];
    }
    let segments = split(source, lexemes);
    let mut found = Vec::new();
    for (n, segment) in segments.iter().enumerate() {
        let before = segment.operator;
        let following = segments.get(n + 1);
        match (segment.lexemes.first(), segment.lexemes.last()) {
            (Some(first), Some(last)) => {
                let Some(text) = source.get(first.start..last.end) else { continue };
                if let Err(local) = parse(Rule::query, text) {
                    let local = local + first.start;
                    found.push(operand(source, segment.lexemes, place, local, following));
                }
            }
            _ => {
                // `name: and` was reported as a keyword used as a value.
                let ends_in_colon = n > 0 && segments.get(n - 1).is_some_and(|s| ends_with_operator(source, s.lexemes));
                if !ends_in_colon {
                    found.push(dangling(source, before, following, place));
                }
            }
        }
    }
    if found.is_empty() {
        let l = lexemes.iter().find(|l| l.end > at).or(lexemes.last());
        found.extend(l.map(|l| unexpected(source, l, place)));
    }
    found
}

struct Segment<'a> {
    /// The `and` or `or` before it.
    operator: Option<Lexeme>,
    lexemes: &'a [Lexeme],
}

/// Operands of the top level.
fn split<'a>(source: &str, lexemes: &'a [Lexeme]) -> Vec<Segment<'a>> {
    let mut segments = Vec::new();
    let (mut depth, mut start, mut operator) = (0usize, 0, None);
    for (i, lexeme) in lexemes.iter().enumerate() {
        match lexeme.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Word if depth == 0 && is_joint(lexeme.text(source)) => {
                segments.push(Segment { operator, lexemes: lexemes.get(start..i).unwrap_or(&[]) });
                operator = Some(*lexeme);
                start = i + 1;
            }
            _ => {}
        }
    }
    segments.push(Segment { operator, lexemes: lexemes.get(start..).unwrap_or(&[]) });
    segments
}

fn is_joint(word: &str) -> bool {
    word.eq_ignore_ascii_case("and") || word.eq_ignore_ascii_case("or")
}

fn ends_with_operator(source: &str, lexemes: &[Lexeme]) -> bool {
    lexemes.last().is_some_and(|l| l.kind == Kind::Operator && l.text(source) != ",")
}

fn dangling(source: &str, before: Option<Lexeme>, following: Option<&Segment<'_>>, place: Place) -> Diagnostic {
    match (before, following.and_then(|s| s.operator)) {
        (Some(operator), _) => {
            let word = operator.text(source);
            let span = place.span(operator.start, operator.end);
            Diagnostic::error("P0016", format!("nothing follows `{word}`"), span, "a test is missing after this")
                .help("add a test such as `provider: AWS`, or remove the operator")
        }
        (None, Some(operator)) => {
            let word = operator.text(source);
            let span = place.span(operator.start, operator.end);
            Diagnostic::error("P0016", format!("nothing stands before `{word}`"), span, "a test is missing before this")
                .help("add a test such as `provider: AWS`, or remove the operator")
        }
        (None, None) => Diagnostic::error("P0023", "the query is empty", place.span(0, 0), ""),
    }
}

/// A bracket without its partner.
pub(super) fn brackets(source: &str, lexemes: &[Lexeme], place: Place) -> Option<Diagnostic> {
    let mut open: Vec<&Lexeme> = Vec::new();
    for lexeme in lexemes {
        match lexeme.kind {
            Kind::Open => open.push(lexeme),
            Kind::Close => {
                let close = lexeme.text(source);
                let span = place.span(lexeme.start, lexeme.end);
                let Some(opener) = open.pop() else {
                    let message = format!("`{close}` closes nothing");
                    return Some(Diagnostic::error("P0017", message, span, "").help("remove it, or open it before"));
                };
                let wanted = partner(opener.text(source));
                if wanted != close {
                    return Some(mismatch(source, opener, lexeme, place));
                }
            }
            _ => {}
        }
    }
    open.last().map(|opener| {
        let wanted = partner(opener.text(source));
        let message = format!("`{}` is never closed", opener.text(source));
        Diagnostic::error("P0018", message, place.span(opener.start, opener.end), "it opens here")
            .help(format!("add `{wanted}`"))
    })
}

fn mismatch(source: &str, opener: &Lexeme, close: &Lexeme, place: Place) -> Diagnostic {
    let (a, b) = (opener.text(source), close.text(source));
    let inside = source.get(opener.end..close.start).unwrap_or("");
    let span = place.span(close.start, close.end);
    let found = if inside.contains("..") {
        Diagnostic::error("P0020", "a range has two ends of one kind", span, "")
            .help("write `[low .. high]` with both ends included, or `(low .. high)` with both left out")
    } else {
        Diagnostic::error("P0018", format!("`{a}` is closed by `{b}`"), span, format!("expected `{}`", partner(a)))
            .help(format!("close it with `{}`", partner(a)))
    };
    found.label(place.span(opener.start, opener.end), "it opens here")
}

fn partner(open: &str) -> &'static str {
    match open {
        "(" => ")",
        "[" => "]",
        _ => "}",
    }
}

/// Why one operand does not parse.
fn operand(source: &str, lexemes: &[Lexeme], place: Place, at: usize, following: Option<&Segment<'_>>) -> Diagnostic {
    if let Some(found) = lexemes.iter().find_map(|l| foreign_operator(source, l, place)) {
        return found;
    }
    let i = lexemes.iter().position(|l| l.end > at).unwrap_or(lexemes.len());
    let here = lexemes.get(i);
    let Some(before) = i.checked_sub(1).and_then(|p| lexemes.get(p)) else {
        return here.map_or_else(
            || Diagnostic::error("P0023", "the query is empty", place.span(at, at), ""),
            |l| unexpected(source, l, place),
        );
    };
    let text = before.text(source);
    match (before.kind, here) {
        (Kind::Operator, Some(l)) if text != "," && is_keyword(l.text(source)) => keyword_as_value(source, l, place),
        (Kind::Operator, None) if text != "," => match following {
            // `name: and` with nothing after it: the keyword was meant as a value.
            Some(Segment { operator: Some(word), lexemes: [] }) => keyword_as_value(source, word, place),
            _ => missing_value(source, lexemes, before, place),
        },
        (Kind::Operator, Some(l)) if l.kind == Kind::Close => missing_value(source, lexemes, before, place),
        (Kind::Word, None) if text.eq_ignore_ascii_case("not") => {
            Diagnostic::error("P0016", "nothing follows `not`", place.span(before.start, before.end), "")
                .help("add a test such as `not provider: AWS`, or remove it")
        }
        (Kind::Word, next) if text.eq_ignore_ascii_case("is") || is_after_is(source, lexemes, i) => {
            let end = next.map_or(before.end, |l| l.end);
            Diagnostic::error("P0021", "`is` takes `null` or `not null`", place.span(before.start, end), "")
                .help("write `token is null`, `token is not null`, or `token: value`")
        }
        (Kind::Word | Kind::Quoted { .. }, Some(l)) if matches!(l.kind, Kind::Word | Kind::Quoted { .. }) => {
            several_words(source, lexemes, i, place)
        }
        (Kind::Close | Kind::Word | Kind::Quoted { .. }, Some(l)) if l.kind == Kind::Open || starts_test(l) => {
            Diagnostic::error(
                "P0015",
                "an `and` or `or` is missing",
                place.span(l.start, l.end),
                "a new test starts here",
            )
            .help("join the tests with `and` or `or`")
        }
        (_, Some(l)) => unexpected(source, l, place),
        (_, None) => unexpected(source, before, place),
    }
}

fn starts_test(l: &Lexeme) -> bool {
    matches!(l.kind, Kind::Word | Kind::Quoted { .. })
}

fn is_after_is(source: &str, lexemes: &[Lexeme], i: usize) -> bool {
    let word = |back: usize| i.checked_sub(back).and_then(|p| lexemes.get(p)).map(|l| l.text(source)).unwrap_or("");
    word(1).eq_ignore_ascii_case("not") && word(2).eq_ignore_ascii_case("is")
}

fn missing_value(source: &str, lexemes: &[Lexeme], operator: &Lexeme, place: Place) -> Diagnostic {
    let at = lexemes.iter().position(|l| l == operator).unwrap_or(0);
    let token = at.checked_sub(1).and_then(|p| lexemes.get(p)).map_or("", |l| l.text(source));
    let op = operator.text(source);
    Diagnostic::error(
        "P0012",
        format!("a value is missing after `{token}{op}`"),
        place.span(operator.start, operator.end),
        "the value belongs after this",
    )
    .help("write the value, such as an id; or `*` for any value")
}

fn keyword_as_value(source: &str, word: &Lexeme, place: Place) -> Diagnostic {
    let text = word.text(source);
    let span = place.span(word.start, word.end);
    Diagnostic::error("P0013", format!("`{text}` is a keyword, so as a value it needs quotes"), span, "").fix(
        format!("write \"{text}\""),
        span,
        format!("\"{text}\""),
    )
}

/// Two values in a row: a value of several words without quotes, or a missing `and`.
fn several_words(source: &str, lexemes: &[Lexeme], i: usize, place: Place) -> Diagnostic {
    let is_word = |l: &Lexeme| l.kind == Kind::Word && !is_keyword(l.text(source));
    let mut first = i.saturating_sub(1);
    while first > 0 && lexemes.get(first - 1).is_some_and(is_word) && lexemes.get(first).is_some_and(is_word) {
        first -= 1;
    }
    let operator = first.checked_sub(1).and_then(|p| lexemes.get(p));
    let after_colon = operator.is_some_and(|l| l.kind == Kind::Operator && l.text(source) != ",");
    let run: Vec<&Lexeme> = lexemes.get(first..).unwrap_or(&[]).iter().take_while(|l| is_word(l)).collect();
    let next_test = lexemes.get(first + run.len()).is_some_and(|l| l.kind == Kind::Operator);
    let (Some(start), Some(end)) = (run.first(), run.last()) else {
        let l = lexemes.get(i).map_or((0, 0), |l| (l.start, l.end));
        return Diagnostic::error(
            "P0015",
            "an `and` or `or` is missing",
            place.span(l.0, l.1),
            "a new test starts here",
        )
        .help("join the tests with `and` or `or`");
    };
    // `state: RUNNING provider: AWS`: the last word of the run is the next test's token.
    if !after_colon || next_test {
        let l = lexemes.get(i).unwrap_or(end);
        let span = place.span(l.start, l.end);
        return Diagnostic::error("P0015", "an `and` or `or` is missing", span, "a new test starts here")
            .help("join the tests with `and` or `or`; a value of several words needs quotes");
    }
    let span = place.span(start.start, end.end);
    let quoted = format!("\"{}\"", source.get(start.start..end.end).unwrap_or(""));
    Diagnostic::error("P0014", "a value of several words needs quotes", span, "these words in a row").fix(
        format!("write {quoted}"),
        span,
        quoted.clone(),
    )
}

/// Operators of other languages.
fn foreign_operator(source: &str, l: &Lexeme, place: Place) -> Option<Diagnostic> {
    if l.kind != Kind::Unknown {
        return None;
    }
    let span = place.span(l.start, l.end);
    let text = l.text(source);
    let ours = match text {
        "&&" | "&" => "and",
        "||" | "|" => "or",
        "==" | "~" | "=~" | "~=" => ":",
        "<>" | "!==" => "!=",
        "!" => "not",
        "=>" => ">=",
        "=<" => "<=",
        _ => {
            let shown: String = text.chars().flat_map(char::escape_default).collect();
            let shown = if text.chars().all(|c| !c.is_control()) { text.to_owned() } else { shown };
            let found = Diagnostic::error("P0021", format!("`{shown}` has no meaning here"), span, "");
            return Some(found.help("quote values that hold more than letters, digits and `. - _ / @ * +`"));
        }
    };
    Some(Diagnostic::error("P0019", format!("`{text}` is not an operator of this language"), span, "").fix(
        format!("write `{ours}`"),
        span,
        ours,
    ))
}

/// The last resort: what stands here cannot stand here.
pub(super) fn unexpected(source: &str, l: &Lexeme, place: Place) -> Diagnostic {
    if let Some(found) = foreign_operator(source, l, place) {
        return found;
    }
    let text: String = l.text(source).chars().take(40).collect();
    Diagnostic::error("P0021", format!("`{text}` cannot stand here"), place.span(l.start, l.end), "")
        .help("a test looks like `token: value`, `token is null` or `token > value`; tests are joined by `and`, `or`")
}
