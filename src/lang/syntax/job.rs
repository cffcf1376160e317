//! Job files: parsed whole by the grammar; what does not parse is taken apart by [`super::recover`].

use pest::iterators::Pair;

use super::ast::{Attr, Block, Comment, Entry, File, Item, Node, NodeKind, Statement};
use super::grammar::{Place, Rule, parse};
use super::guard;
use super::lexer::{Kind, Lexeme, lexemes};
use super::literal;
use super::query::{Lower as LowerQuery, too_many_terms};
use super::recover;
use crate::base::diagnostic::Diagnostic;
use crate::base::limits::Limits;
use crate::base::source::{FileId, Span, Spanned};

/// Parses a job file. Broken items are reported and left out; the good ones are in the tree.
pub fn parse_file(text: &str, file: FileId, limits: &Limits) -> (File, Vec<Diagnostic>) {
    let place = Place { file, offset: 0 };
    let lexed = lexemes(text);
    let comments = lexed
        .iter()
        .filter(|l| matches!(l.kind, Kind::Comment { .. }))
        .map(|l| Comment { span: place.span(l.start, l.end) })
        .collect();
    if let Some(found) = guard::nesting(text, &lexed, place, limits) {
        return (File { file, items: Vec::new(), comments }, vec![found]);
    }
    let mut lower = Lower::new(text, place, limits);
    let items = match parse(Rule::file, text) {
        Ok(pair) => {
            let items: Vec<Item> =
                pair.into_inner().filter(|p| p.as_rule() == Rule::item).filter_map(|p| lower.item(p)).collect();
            items
        }
        Err(_) => recover::items(text, &lexed, &mut lower),
    };
    let mut found = lower.found;
    found.truncate(limits.diagnostics_per_file);
    (File { file, items, comments }, found)
}

/// Turns pairs into the tree. Nesting was checked, so recursion is bounded.
pub(super) struct Lower<'a> {
    pub(super) source: &'a str,
    pub(super) place: Place,
    pub(super) limits: &'a Limits,
    /// Errors and warnings met on the way.
    pub(super) found: Vec<Diagnostic>,
}

impl<'a> Lower<'a> {
    pub(super) fn new(source: &'a str, place: Place, limits: &'a Limits) -> Self {
        Self { source, place, limits, found: Vec::new() }
    }

    /// An item from an `item` pair.
    pub(super) fn item(&mut self, pair: Pair<'_, Rule>) -> Option<Item> {
        let inner = pair.into_inner().next()?;
        Some(match inner.as_rule() {
            Rule::let_item => Item::Let(self.let_item(inner)),
            _ => Item::Block(self.block(inner)),
        })
    }

    fn let_item(&mut self, pair: Pair<'_, Rule>) -> Attr {
        let span = self.place.of(&pair);
        let mut attr = Attr { key: Spanned::new(String::new(), span), value: word(span, ""), span };
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::ident => attr.key = self.name(&part),
                Rule::let_value => {
                    if let Some(value) = part.into_inner().find(|p| p.as_rule() == Rule::value) {
                        attr.value = self.value(value);
                    }
                }
                Rule::or_expr => attr.value = self.query(part),
                _ => {}
            }
        }
        attr
    }

    fn block(&mut self, pair: Pair<'_, Rule>) -> Block {
        let span = self.place.of(&pair);
        let mut block = Block { kind: Spanned::new(String::new(), span), label: None, entries: Vec::new(), span };
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::ident => block.kind = self.name(&part),
                Rule::double => block.label = Some(self.text(&part)),
                Rule::body => block.entries = self.entries(part),
                _ => {}
            }
        }
        block
    }

    fn entries(&mut self, body: Pair<'_, Rule>) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        for pair in body.into_inner().filter(|p| p.as_rule() == Rule::entry) {
            if let Some(entry) = self.entry(pair) {
                if let Some(last) = entries.last() {
                    self.separated(entry_span(last), entry_span(&entry));
                }
                entries.push(entry);
            }
        }
        entries
    }

    /// An entry from an `entry` pair.
    pub(super) fn entry(&mut self, pair: Pair<'_, Rule>) -> Option<Entry> {
        let inner = pair.into_inner().next()?;
        Some(match inner.as_rule() {
            Rule::block => Entry::Block(self.block(inner)),
            Rule::query_attr | Rule::attr => Entry::Attr(self.attr(inner)),
            _ => Entry::Statement(self.statement(inner)),
        })
    }

    fn attr(&mut self, pair: Pair<'_, Rule>) -> Attr {
        let span = self.place.of(&pair);
        let mut attr = Attr { key: Spanned::new(String::new(), span), value: word(span, ""), span };
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::ident | Rule::query_key => attr.key = self.name(&part),
                Rule::or_expr => attr.value = self.query(part),
                _ => attr.value = self.phrase(part),
            }
        }
        attr.span = attr.key.span.join(attr.value.span);
        attr
    }

    fn statement(&mut self, pair: Pair<'_, Rule>) -> Statement {
        let span = self.place.of(&pair);
        let mut statement =
            Statement { keyword: Spanned::new(String::new(), span), operands: Vec::new(), body: None, span };
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::verb | Rule::waive_word => statement.keyword = self.name(&part),
                Rule::body => {
                    statement.span = statement.keyword.span.join(self.place.of(&part));
                    statement.body = Some(self.entries(part));
                }
                Rule::or_expr => {
                    let query = self.query(part);
                    statement.operands.push(query);
                }
                Rule::operand => {
                    if let Some(inner) = part.into_inner().next() {
                        let node = self.value(inner);
                        statement.operands.push(node);
                    }
                }
                _ => {}
            }
        }
        // The pair reaches to the next entry; the statement ends with its last part.
        if statement.body.is_none() {
            let last = statement.operands.last().map_or(statement.keyword.span, |n| n.span);
            statement.span = statement.keyword.span.join(last);
        }
        statement
    }

    fn query(&mut self, pair: Pair<'_, Rule>) -> Node {
        let mut lower = LowerQuery::new(self.place);
        let query = lower.query(pair);
        self.found.append(&mut lower.found);
        self.found.extend(too_many_terms(&query, self.limits));
        Node { span: query.span, kind: NodeKind::Query(query) }
    }

    fn phrase(&mut self, pair: Pair<'_, Rule>) -> Node {
        let parts: Vec<Node> = pair.into_inner().map(|p| self.value(p)).collect();
        match (parts.first(), parts.last()) {
            (Some(first), Some(last)) => {
                let span = first.span.join(last.span);
                match <[Node; 1]>::try_from(parts) {
                    Ok([only]) => only,
                    Err(parts) => Node { kind: NodeKind::Phrase(parts), span },
                }
            }
            // INVARIANT: the grammar gives a phrase at least one value.
            _ => word(Span::default(), ""),
        }
    }

    /// A value from a `value` pair, one of its alternatives, or an operator.
    fn value(&mut self, pair: Pair<'_, Rule>) -> Node {
        let span = self.place.of(&pair);
        let kind = match pair.as_rule() {
            Rule::double => NodeKind::Text(self.text(&pair).value),
            Rule::moment => self.literal(literal::read_moment(pair.as_str()), span, pair.as_str()),
            Rule::blob => self.literal(literal::read(pair.as_str()), span, pair.as_str()),
            Rule::operator => NodeKind::Word(pair.as_str().to_owned()),
            Rule::array => NodeKind::List(pair.into_inner().map(|p| self.value(p)).collect()),
            Rule::call => {
                let mut name = Spanned::new(String::new(), span);
                let mut args = Vec::new();
                for part in pair.into_inner() {
                    match part.as_rule() {
                        Rule::ident => name = self.name(&part),
                        _ => args.push(self.value(part)),
                    }
                }
                NodeKind::Call { name, args }
            }
            // `value` and `phrase_op` wrap one pair.
            _ => match pair.into_inner().next() {
                Some(inner) => return self.value(inner),
                None => NodeKind::Word(String::new()),
            },
        };
        Node { kind, span }
    }

    fn literal(&mut self, read: Result<NodeKind, String>, span: Span, text: &str) -> NodeKind {
        read.unwrap_or_else(|why| {
            self.found.push(Diagnostic::error("P0033", why, span, ""));
            NodeKind::Word(text.to_owned())
        })
    }

    fn name(&self, pair: &Pair<'_, Rule>) -> Spanned<String> {
        Spanned::new(pair.as_str().to_owned(), self.place.of(pair))
    }

    /// A double-quoted text without its quotes, escapes resolved.
    fn text(&self, pair: &Pair<'_, Rule>) -> Spanned<String> {
        let raw = pair.as_str();
        let mut chars = raw.get(1..raw.len().saturating_sub(1)).unwrap_or("").chars();
        let mut text = String::with_capacity(raw.len());
        while let Some(c) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some(other) => text.push(other),
                    None => {}
                },
                c => text.push(c),
            }
        }
        Spanned::new(text, self.place.of(pair))
    }

    /// Two entries need a line end or `;` between them.
    pub(super) fn separated(&mut self, before: Span, after: Span) {
        let offset = self.place.offset;
        let gap = (before.end - offset) as usize..after.start.saturating_sub(offset) as usize;
        if self.source.get(gap).is_some_and(|g| !g.contains(['\n', ';'])) {
            self.found.push(
                Diagnostic::error("P0034", "two entries stand on one line", after, "this one starts a new entry").fix(
                    "put `;` between them",
                    Span::new(before.file, before.end, before.end),
                    ";",
                ),
            );
        }
    }
}

fn word(span: Span, text: &str) -> Node {
    Node { kind: NodeKind::Word(text.to_owned()), span }
}

/// Where an entry stands.
pub(super) fn entry_span(entry: &Entry) -> Span {
    match entry {
        Entry::Attr(attr) => attr.span,
        Entry::Block(block) => block.span,
        Entry::Statement(statement) => statement.span,
        Entry::Broken(span) => *span,
    }
}

/// Lexemes without comments and line ends.
pub(super) fn meaning(lexemes: &[Lexeme]) -> Vec<Lexeme> {
    lexemes.iter().filter(|l| !matches!(l.kind, Kind::Comment { .. } | Kind::Newline)).copied().collect()
}
