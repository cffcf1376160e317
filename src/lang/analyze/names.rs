//! First pass: what is defined where. Names are unique per kind.

use std::collections::BTreeMap;

use super::Context;
use crate::base::diagnostic::Diagnostic;
use crate::base::source::{Span, Spanned};
use crate::lang::syntax::ast::{Expr, File, Item, Node, NodeKind, Query, Quote, Scalar};

/// Names by kind.
#[derive(Debug, Default)]
pub(super) struct Names {
    by_kind: BTreeMap<String, BTreeMap<String, Span>>,
}

impl Names {
    /// The names of a kind that were written, sorted.
    pub(super) fn list(&self, kind: &str) -> Vec<&str> {
        self.by_kind.get(kind).map(|n| n.keys().map(String::as_str).collect()).unwrap_or_default()
    }

    /// All names of a kind, sorted.
    pub(super) fn of(&self, kind: &str) -> Vec<String> {
        let mut names: Vec<String> = self.by_kind.get(kind).map(|n| n.keys().cloned().collect()).unwrap_or_default();
        if kind == "profile" && !names.iter().any(|n| n == "Initial Options") {
            names.push("Initial Options".into());
        }
        names
    }
}

/// Collects names and `let` definitions; a second definition of a name is an error that shows both places.
pub(super) fn collect(files: &[File], context: &mut Context<'_>) {
    for item in files.iter().flat_map(|f| &f.items) {
        let (kind, name) = match item {
            Item::Block(block) => match &block.label {
                Some(label) => (block.kind.value.as_str(), label.clone()),
                None => continue,
            },
            Item::Let(attr) => ("let", attr.key.clone()),
            Item::Broken(_) => continue,
        };
        define(kind, &name, context);
        if let Item::Let(attr) = item {
            match &attr.value.kind {
                NodeKind::Query(Query { expr: Expr::Free(value), .. }) => {
                    context.values.insert(name.value, vec![value.clone()]);
                }
                NodeKind::Query(query) => {
                    context.lets.insert(name.value, query.clone());
                }
                _ => {
                    let values = scalars(&attr.value);
                    context.values.insert(name.value, values);
                }
            }
        }
    }
}

fn define(kind: &str, name: &Spanned<String>, context: &mut Context<'_>) {
    let known = context.names.by_kind.entry(kind.to_owned()).or_default();
    match known.get(&name.value) {
        Some(first) => context.found.push(
            Diagnostic::error(
                "P0204",
                format!("`{}` is defined twice", name.value),
                name.span,
                "the second definition",
            )
            .label(*first, "the first one")
            .help(format!("a {kind} needs a name of its own; rename or remove one")),
        ),
        None => {
            known.insert(name.value.clone(), name.span);
        }
    }
}

/// A plain value as the values of a query.
fn scalars(node: &Node) -> Vec<Scalar> {
    let one = |text: String, quote| vec![Scalar { text, wildcards: Vec::new(), quote, span: node.span }];
    match &node.kind {
        NodeKind::List(nodes) => nodes.iter().flat_map(scalars).collect(),
        NodeKind::Word(w) => {
            let wildcards = w.match_indices('*').map(|(i, _)| i as u32).collect();
            vec![Scalar { text: w.clone(), wildcards, quote: Quote::Bare, span: node.span }]
        }
        NodeKind::Text(t) => one(t.clone(), Quote::Double),
        NodeKind::Number(n) => one(n.to_string(), Quote::Bare),
        NodeKind::Date(d) => one(d.to_string(), Quote::Bare),
        NodeKind::Addresses(a) => one(a.to_string(), Quote::Double),
        NodeKind::Percent(_)
        | NodeKind::Duration(_)
        | NodeKind::Rate(_)
        | NodeKind::Size(_)
        | NodeKind::DateTime { .. }
        | NodeKind::Ports(..)
        | NodeKind::Call { .. }
        | NodeKind::Phrase(_)
        | NodeKind::Query(_) => Vec::new(),
    }
}
