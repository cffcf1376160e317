//! Job files in canonical form: two spaces a level, `=` in one column within a run of attributes, one empty line
//! between blocks, comments where they stood. A file that does not parse is refused; so is one whose formatted text
//! would mean something else, which would be our bug.

use super::query::{format_expr, quote};
use crate::base::diagnostic::{Diagnostic, has_errors};
use crate::base::limits::Limits;
use crate::base::source::{FileId, Span};
use crate::lang::syntax::ast::{Attr, Block, Comment, Entry, File, Item, Node, NodeKind, Statement};
use crate::lang::syntax::parse_file;

/// Longest line before a list or a query is broken.
const WIDTH: usize = 100;

/// The canonical text of a file. The error is what is wrong with it; formatting never changes what a file means.
pub fn format_file(text: &str, limits: &Limits) -> Result<String, Vec<Diagnostic>> {
    let id = FileId(0);
    let (tree, found) = parse_file(text, id, limits);
    if has_errors(&found) {
        return Err(found);
    }
    let mut printer = Printer { source: text, comments: &tree.comments, next: 0, out: String::new() };
    printer.file(&tree);
    let formatted = printer.out;
    let (again, found) = parse_file(&formatted, id, limits);
    let same =
        !has_errors(&found) && meaning(&tree) == meaning(&again) && notes(text, &tree) == notes(&formatted, &again);
    if same {
        return Ok(formatted);
    }
    let message = "bug: the formatted text would mean something else, so the file is left alone";
    Err(vec![Diagnostic::error("P0036", message, Span::new(id, 0, 0), "").help("please report this file")])
}

/// A tree as text without places, queries in canonical form.
fn meaning(file: &File) -> Vec<String> {
    let item = |item: &Item| match item {
        Item::Block(block) => block_meaning(block),
        Item::Let(attr) => format!("let {}={}", attr.key.value, value(&attr.value)),
        Item::Broken(_) => "broken".into(),
    };
    file.items.iter().map(item).collect()
}

fn block_meaning(block: &Block) -> String {
    let label = block.label.as_ref().map(|l| l.value.clone());
    format!("{} {label:?} {{{}}}", block.kind.value, entries_meaning(&block.entries))
}

fn entries_meaning(entries: &[Entry]) -> String {
    let one = |e: &Entry| match e {
        Entry::Attr(a) => format!("{}={}", a.key.value, value(&a.value)),
        Entry::Block(b) => block_meaning(b),
        Entry::Statement(s) => {
            let operands: Vec<String> = s.operands.iter().map(value).collect();
            let body = s.body.as_ref().map(|b| entries_meaning(b));
            format!("{} {} {body:?}", s.keyword.value, operands.join(" "))
        }
        Entry::Broken(_) => "broken".into(),
    };
    entries.iter().map(one).collect::<Vec<_>>().join(";")
}

/// The comments' texts in order.
fn notes(text: &str, file: &File) -> Vec<String> {
    file.comments.iter().filter_map(|c| text.get(c.span.start as usize..c.span.end as usize)).map(comment).collect()
}

/// A comment's text with this system's line ends.
fn comment(text: &str) -> String {
    text.trim().replace("\r\n", "\n")
}

/// A value on one line.
fn value(node: &Node) -> String {
    match &node.kind {
        NodeKind::Word(w) => w.clone(),
        NodeKind::Text(t) => quote(t),
        NodeKind::Number(n) => n.to_string(),
        NodeKind::Percent(p) => {
            let decimals = format!("{:03}", p % 1000);
            let decimals = decimals.trim_end_matches('0');
            if decimals.is_empty() { format!("{}%", p / 1000) } else { format!("{}.{decimals}%", p / 1000) }
        }
        NodeKind::Duration(d) => crate::base::quantity::format_duration(*d),
        NodeKind::Rate(r) => format!("{r}/s"),
        NodeKind::Size(bytes) => size(*bytes),
        NodeKind::Date(d) => d.to_string(),
        NodeKind::DateTime { civil, zone } => {
            let time = civil.strftime(if civil.second() == 0 { "%Y-%m-%dT%H:%M" } else { "%Y-%m-%dT%H:%M:%S" });
            zone.as_ref().map_or(time.to_string(), |z| format!("{time}[{z}]"))
        }
        NodeKind::Addresses(range) => range.to_string(),
        NodeKind::Ports(a, b) => format!("{a}-{b}"),
        NodeKind::List(nodes) => format!("[{}]", nodes.iter().map(value).collect::<Vec<_>>().join(", ")),
        NodeKind::Call { name, args } => {
            format!("{}({})", name.value, args.iter().map(value).collect::<Vec<_>>().join(", "))
        }
        NodeKind::Phrase(nodes) => nodes.iter().map(value).collect::<Vec<_>>().join(" "),
        NodeKind::Query(query) => format_expr(&query.expr),
    }
}

fn size(bytes: u64) -> String {
    for (unit, factor) in
        [("GB", 1_000_000_000), ("GiB", 1 << 30), ("MB", 1_000_000), ("MiB", 1 << 20), ("KB", 1_000), ("KiB", 1 << 10)]
    {
        if bytes >= factor && bytes.is_multiple_of(factor) {
            return format!("{}{unit}", bytes / factor);
        }
    }
    format!("{bytes}B")
}

struct Printer<'a> {
    source: &'a str,
    comments: &'a [Comment],
    /// The next comment that is not printed yet.
    next: usize,
    out: String,
}

impl Printer<'_> {
    fn text(&self, span: Span) -> &str {
        self.source.get(span.start as usize..span.end as usize).unwrap_or("")
    }

    fn line(&mut self, depth: usize, text: &str) {
        self.out.push_str(&"  ".repeat(depth));
        self.out.push_str(text);
        self.out.push('\n');
    }

    /// Comments that stand before a place, each on its own line. True where there was one.
    fn comments_before(&mut self, place: u32, depth: usize) -> bool {
        let mut any = false;
        while let Some(comment) = self.comments.get(self.next).filter(|c| c.span.start < place) {
            let text = self::comment(self.text(comment.span));
            self.line(depth, &text);
            self.next += 1;
            any = true;
        }
        any
    }

    /// A comment on the same line as the end of something joins the line just printed.
    fn comment_after(&mut self, end: u32) {
        let Some(comment) = self.comments.get(self.next) else { return };
        if self.trails(end, comment) {
            let text = self::comment(self.text(comment.span));
            self.out.truncate(self.out.trim_end_matches('\n').len());
            self.out.push_str("  ");
            self.out.push_str(&text);
            self.out.push('\n');
            self.next += 1;
        }
    }

    /// Whether a comment stands behind something that ends there, on the same line.
    fn trails(&self, end: u32, comment: &Comment) -> bool {
        let between = self.source.get(end as usize..comment.span.start as usize).unwrap_or("\n");
        !between.contains('\n') && !between.contains('}') && !self.text(comment.span).contains('\n')
    }

    /// Whether a comment stands inside a span: then its text is kept as written.
    fn has_comment(&self, span: Span) -> bool {
        self.comments.iter().skip(self.next).any(|c| span.start <= c.span.start && c.span.end <= span.end)
    }

    fn skip_comments(&mut self, span: Span) {
        while self.comments.get(self.next).is_some_and(|c| c.span.start < span.end) {
            self.next += 1;
        }
    }

    fn file(&mut self, file: &File) {
        for (i, item) in file.items.iter().enumerate() {
            let span = match item {
                Item::Block(block) => block.span,
                Item::Let(attr) => attr.span,
                Item::Broken(span) => *span,
            };
            let after_let = matches!(i.checked_sub(1).and_then(|p| file.items.get(p)), Some(Item::Let(_)));
            let joined = after_let && matches!(item, Item::Let(_)) && !self.blank_before(span.start);
            if !self.out.is_empty() && !joined {
                self.out.push('\n');
            }
            if self.comments_before(span.start, 0) && self.blank_before(span.start) {
                self.out.push('\n');
            }
            match item {
                Item::Block(block) => self.block(block, 0),
                Item::Let(attr) => self.attr(attr, "let ", 0, 0),
                Item::Broken(span) => {
                    let text = self.text(*span).to_owned();
                    self.line(0, &text);
                }
            }
            self.comment_after(span.end);
        }
        if self.comments.get(self.next).is_some() && !self.out.is_empty() {
            self.out.push('\n');
        }
        self.comments_before(u32::MAX, 0);
    }

    /// Whether an empty line stands before a place.
    fn blank_before(&self, place: u32) -> bool {
        let before = self.source.get(..place as usize).unwrap_or("");
        let space = before.len() - before.trim_end().len();
        before.get(before.len() - space..).is_some_and(|s| s.matches('\n').count() > 1)
    }

    fn block(&mut self, block: &Block, depth: usize) {
        let label = block.label.as_ref().map(|l| format!(" {}", quote(&l.value))).unwrap_or_default();
        let inside = self.comments.get(self.next).is_some_and(|c| c.span.start < block.span.end);
        if block.entries.is_empty() && !inside {
            self.line(depth, &format!("{}{label} {{}}", block.kind.value));
            return;
        }
        self.line(depth, &format!("{}{label} {{", block.kind.value));
        self.entries(&block.entries, depth + 1);
        self.comments_before(block.span.end, depth + 1);
        self.line(depth, "}");
    }

    fn entries(&mut self, entries: &[Entry], depth: usize) {
        let mut before: Option<&Entry> = None;
        for (i, (entry, column)) in entries.iter().zip(self.columns(entries)).enumerate() {
            let span = span_of(entry);
            let is_block = matches!(entry, Entry::Block(_));
            if before.is_some_and(|b| is_block || matches!(b, Entry::Block(_)) || self.apart(entries, i)) {
                self.out.push('\n');
            }
            self.comments_before(span.start, depth);
            match entry {
                Entry::Attr(attr) => self.attr(attr, "", depth, column),
                Entry::Block(block) => self.block(block, depth),
                Entry::Statement(statement) => self.statement(statement, depth),
                Entry::Broken(span) => {
                    let text = self.text(*span).to_owned();
                    self.line(depth, &text);
                }
            }
            self.comment_after(span.end);
            before = Some(entry);
        }
    }

    /// Whether an empty line stands before an entry and the comments that belong to it.
    fn apart(&self, entries: &[Entry], i: usize) -> bool {
        let (Some(entry), Some(before)) = (entries.get(i), i.checked_sub(1).and_then(|p| entries.get(p))) else {
            return false;
        };
        let (start, end) = (span_of(entry).start, span_of(before).end);
        let inside = self.comments.partition_point(|c| c.span.start < end);
        let mut own = self.comments.iter().skip(inside).take_while(|c| c.span.start < start);
        self.blank_before(own.find(|c| !self.trails(end, c)).map_or(start, |c| c.span.start))
    }

    /// For each entry the longest key of the run of attributes around it; a run ends at blocks, statements and empty
    /// lines.
    fn columns(&self, entries: &[Entry]) -> Vec<usize> {
        let key = |e: &Entry| match e {
            Entry::Attr(a) => a.key.value.len(),
            Entry::Block(_) | Entry::Statement(_) | Entry::Broken(_) => 0,
        };
        let starts: Vec<bool> =
            entries.iter().enumerate().map(|(i, e)| key(e) == 0 || self.apart(entries, i)).collect();
        let mut columns = Vec::with_capacity(entries.len());
        while let Some(rest) = entries.get(columns.len()..).filter(|r| !r.is_empty()) {
            let len = 1 + starts.iter().skip(columns.len() + 1).take_while(|s| !**s).count();
            let longest = rest.iter().take(len).map(key).max().unwrap_or(0);
            columns.resize(columns.len() + len, longest);
        }
        columns
    }

    fn attr(&mut self, attr: &Attr, front: &str, depth: usize, column: usize) {
        let head = format!("{front}{:column$} = ", attr.key.value);
        if self.has_comment(attr.value.span) {
            let text = format!("{head}{}", self.text(attr.value.span));
            self.skip_comments(attr.value.span);
            self.line(depth, &text);
            return;
        }
        let text = value(&attr.value);
        let room = WIDTH.saturating_sub(depth * 2 + head.len());
        match &attr.value.kind {
            NodeKind::List(nodes) if text.len() > room => {
                self.line(depth, &format!("{head}["));
                for node in nodes {
                    self.line(depth + 1, &format!("{},", value(node)));
                }
                self.line(depth, "]");
            }
            NodeKind::Query(query) if text.len() > room => {
                let parts = super::query::broken(&query.expr);
                for (i, part) in parts.iter().enumerate() {
                    if i == 0 {
                        self.line(depth, &format!("{head}{part}"));
                    } else {
                        self.line(depth + 1, part);
                    }
                }
            }
            _ => self.line(depth, &format!("{head}{text}")),
        }
    }

    fn statement(&mut self, statement: &Statement, depth: usize) {
        if self.has_comment(statement.span) {
            let text = self.text(statement.span).trim_end().to_owned();
            self.skip_comments(statement.span);
            self.line(depth, &text);
            return;
        }
        let mut text = statement.keyword.value.clone();
        for operand in &statement.operands {
            let on = statement.keyword.value == "waive" && matches!(operand.kind, NodeKind::Query(_));
            text.push_str(if on { " on " } else { " " });
            text.push_str(&value(operand));
        }
        match &statement.body {
            None => self.line(depth, &text),
            Some(entries) => {
                let inner: Vec<String> = entries
                    .iter()
                    .map(|e| match e {
                        Entry::Attr(a) => format!("{} = {}", a.key.value, value(&a.value)),
                        Entry::Block(_) | Entry::Statement(_) | Entry::Broken(_) => String::new(),
                    })
                    .collect();
                let plain = entries.iter().all(|e| matches!(e, Entry::Attr(_)));
                let one_line = format!("{text} {{ {} }}", inner.join("; "));
                if plain && one_line.len() + depth * 2 <= WIDTH {
                    self.line(depth, &one_line);
                } else {
                    self.line(depth, &format!("{text} {{"));
                    self.entries(entries, depth + 1);
                    self.line(depth, "}");
                }
            }
        }
    }
}

fn span_of(entry: &Entry) -> Span {
    match entry {
        Entry::Attr(a) => a.span,
        Entry::Block(b) => b.span,
        Entry::Statement(s) => s.span,
        Entry::Broken(span) => *span,
    }
}
