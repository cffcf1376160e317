//! Typed access to a block's attributes. Opening a reader checks the block's shape against the schema; each getter
//! checks one value and says what it found and what it wants.

use std::time::Duration;

use super::{Context, schema};
use crate::base::addr_set::AddrRange;
use crate::base::diagnostic::Diagnostic;
use crate::base::nearest::{did_you_mean, nearest};
use crate::base::quantity::Rate;
use crate::base::source::{Span, Spanned};
use crate::lang::syntax::ast::{Attr, Block, Entry, Node, NodeKind, Statement};

/// A block whose shape was checked.
pub(super) struct Reader<'b> {
    pub(super) block: &'b Block,
}

impl<'b> Reader<'b> {
    /// Checks keys, nested blocks, statements, name and required keys.
    pub(super) fn open(block: &'b Block, context: &mut Context<'_>) -> Self {
        let Some(schema) = schema::of(&block.kind.value) else { return Self { block } };
        match (&block.label, schema.named) {
            (None, true) => {
                let help = format!("write `{} \"name\" {{ … }}`", schema.kind);
                context.fail::<()>("P0203", format!("this {} has no name", schema.kind), block.kind.span, help);
            }
            (Some(label), false) => {
                context.fail::<()>("P0203", format!("a {} block has no name", schema.kind), label.span, "remove it");
            }
            _ => {}
        }
        let mut seen: Vec<(&str, Span)> = Vec::new();
        for entry in &block.entries {
            let (name, span, known, what): (&str, Span, Vec<&str>, &str) = match entry {
                Entry::Attr(a) => (&a.key.value, a.key.span, schema.keys.iter().map(|k| k.name).collect(), "key"),
                Entry::Block(b) => (&b.kind.value, b.kind.span, schema.blocks.to_vec(), "block"),
                Entry::Statement(s) => (&s.keyword.value, s.keyword.span, schema.statements.to_vec(), "statement"),
                Entry::Broken(_) => continue,
            };
            if !known.contains(&name) {
                unknown(name, span, &known, what, schema, context);
            } else if what != "statement" {
                match seen.iter().find(|(n, _)| *n == name) {
                    Some((_, first)) => context.found.push(
                        Diagnostic::error("P0206", format!("`{name}` is given twice"), span, "the second time")
                            .label(*first, "the first time")
                            .help("keep one"),
                    ),
                    None => seen.push((name, span)),
                }
            }
        }
        // A broken entry may be the missing one.
        let broken = block.entries.iter().any(|e| matches!(e, Entry::Broken(_)));
        for key in schema.keys.iter().filter(|k| k.required && !broken) {
            if !seen.iter().any(|(n, _)| *n == key.name) {
                let message = format!("`{}` is missing", key.name);
                context.fail::<()>("P0207", message, block.kind.span, format!("{}: {}", key.name, key.doc));
            }
        }
        Self { block }
    }

    pub(super) fn attr(&self, key: &str) -> Option<&'b Attr> {
        self.block.entries.iter().find_map(|e| match e {
            Entry::Attr(a) if a.key.value == key => Some(a),
            _ => None,
        })
    }

    pub(super) fn node(&self, key: &str) -> Option<&'b Node> {
        self.attr(key).map(|a| &a.value)
    }

    pub(super) fn nested(&self, kind: &str) -> Option<&'b Block> {
        self.block.entries.iter().find_map(|e| match e {
            Entry::Block(b) if b.kind.value == kind => Some(b),
            _ => None,
        })
    }

    pub(super) fn statements(&self) -> impl Iterator<Item = &'b Statement> {
        self.block.entries.iter().filter_map(|e| match e {
            Entry::Statement(s) => Some(s),
            _ => None,
        })
    }

    /// The block's name; an empty one where it is missing, which was told.
    pub(super) fn name(&self) -> Spanned<String> {
        self.block.label.clone().unwrap_or_else(|| Spanned::new(String::new(), self.block.kind.span))
    }

    fn get<T>(
        &self,
        key: &str,
        wanted: &str,
        context: &mut Context<'_>,
        read: impl FnOnce(&'b Node) -> Option<T>,
    ) -> Option<T> {
        let node = self.node(key)?;
        let value = read(node);
        if value.is_none() {
            wrong(key, node, wanted, context);
        }
        value
    }

    pub(super) fn text(&self, key: &str, context: &mut Context<'_>) -> Option<Spanned<String>> {
        self.get(key, "text in double quotes", context, |n| match &n.kind {
            NodeKind::Text(t) => Some(Spanned::new(t.clone(), n.span)),
            _ => None,
        })
    }

    pub(super) fn boolean(&self, key: &str, context: &mut Context<'_>) -> Option<bool> {
        self.choice(key, &[("true", true), ("false", false)], context)
    }

    /// One of a list of words.
    pub(super) fn choice<T: Clone>(&self, key: &str, words: &[(&str, T)], context: &mut Context<'_>) -> Option<T> {
        let node = self.node(key)?;
        choose(key, node, words, context)
    }

    pub(super) fn number(
        &self,
        key: &str,
        range: std::ops::RangeInclusive<i64>,
        context: &mut Context<'_>,
    ) -> Option<i64> {
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        self.get(key, &wanted, context, |n| match n.kind {
            NodeKind::Number(v) if range.contains(&v) => Some(v),
            _ => None,
        })
    }

    pub(super) fn duration(&self, key: &str, context: &mut Context<'_>) -> Option<Duration> {
        self.get(key, "a duration such as 1h30m", context, |n| match n.kind {
            NodeKind::Duration(d) => Some(d),
            _ => None,
        })
    }

    pub(super) fn rate(&self, key: &str, context: &mut Context<'_>) -> Option<Rate> {
        self.get(key, "a rate such as 1000/s", context, |n| match n.kind {
            NodeKind::Rate(per_second) => Some(Rate { per_second }),
            _ => None,
        })
    }

    /// `["a", "b"]`; one text counts as a list of one.
    pub(super) fn texts(&self, key: &str, context: &mut Context<'_>) -> Option<Vec<Spanned<String>>> {
        self.get(key, "a list of texts such as [\"a\", \"b\"]", context, texts_of)
    }

    pub(super) fn addresses(&self, key: &str, context: &mut Context<'_>) -> Option<Vec<Spanned<AddrRange>>> {
        self.get(key, "a list of addresses such as [203.0.113.0/28, 198.51.100.7]", context, |n| {
            let nodes = match &n.kind {
                NodeKind::List(nodes) => nodes.as_slice(),
                _ => std::slice::from_ref(n),
            };
            nodes
                .iter()
                .map(|n| match n.kind {
                    NodeKind::Addresses(range) => Some(Spanned::new(range, n.span)),
                    _ => None,
                })
                .collect()
        })
    }
}

/// The texts of a list.
pub(super) fn texts_of(node: &Node) -> Option<Vec<Spanned<String>>> {
    match &node.kind {
        NodeKind::List(nodes) => nodes
            .iter()
            .map(|n| match &n.kind {
                NodeKind::Text(t) => Some(Spanned::new(t.clone(), n.span)),
                _ => None,
            })
            .collect(),
        NodeKind::Text(t) => Some(vec![Spanned::new(t.clone(), node.span)]),
        _ => None,
    }
}

/// One of a list of words; anything else is an error that names the nearest.
pub(super) fn choose<T: Clone>(key: &str, node: &Node, words: &[(&str, T)], context: &mut Context<'_>) -> Option<T> {
    let NodeKind::Word(word) = &node.kind else {
        let names: Vec<&str> = words.iter().map(|(w, _)| *w).collect();
        wrong(key, node, &format!("one of {}", names.join(", ")), context);
        return None;
    };
    if let Some((_, value)) = words.iter().find(|(w, _)| w == word) {
        return Some(value.clone());
    }
    let names: Vec<&str> = words.iter().map(|(w, _)| *w).collect();
    let mut found = Diagnostic::error("P0209", format!("`{word}` is no value of `{key}`"), node.span, "");
    found = match nearest(word, names.iter().copied()).as_slice() {
        [only] => found.fix(format!("write {only}"), node.span, *only),
        _ => found.help(format!("the values are {}", names.join(", "))),
    };
    context.found.push(found);
    None
}

/// A value of another type than its key takes.
pub(super) fn wrong(key: &str, node: &Node, wanted: &str, context: &mut Context<'_>) {
    let message = format!("`{key}` takes {wanted}, not {}", describe(node));
    context.found.push(Diagnostic::error("P0208", message, node.span, ""));
}

fn describe(node: &Node) -> &'static str {
    match &node.kind {
        NodeKind::Word(_) => "a bare word",
        NodeKind::Text(_) => "a text",
        NodeKind::Number(_) => "this number",
        NodeKind::Percent(_) => "a percentage",
        NodeKind::Duration(_) => "a duration",
        NodeKind::Rate(_) => "a rate",
        NodeKind::Size(_) => "a size",
        NodeKind::Date(_) => "a date",
        NodeKind::DateTime { .. } => "a date and time",
        NodeKind::Addresses(_) => "an address",
        NodeKind::Ports(..) => "a range of ports",
        NodeKind::List(_) => "this list",
        NodeKind::Call { .. } => "this call",
        NodeKind::Phrase(_) => "several values",
        NodeKind::Query(_) => "a query",
    }
}

fn unknown(
    name: &str,
    span: Span,
    known: &[&str],
    what: &str,
    schema: &schema::BlockSchema,
    context: &mut Context<'_>,
) {
    let mut found = Diagnostic::error("P0202", format!("a {} block has no {what} `{name}`", schema.kind), span, "");
    found = match nearest(name, known.iter().copied()).as_slice() {
        [only] => found.fix(format!("write {only}"), span, *only),
        [] if known.is_empty() => found.help("remove it"),
        [] => found.help(format!("it has {}", known.join(", "))),
        _ => found.help(did_you_mean(name, known.iter().copied()).unwrap_or_default()),
    };
    context.found.push(found);
}
