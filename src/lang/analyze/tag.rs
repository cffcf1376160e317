//! `tag "x" { … }`, and the order in which chained tags are evaluated.

use std::collections::{BTreeMap, BTreeSet};

use super::Context;
use super::connector::{PROVIDERS, no_new_errors};
use super::reader::{Reader, wrong};
use crate::base::diagnostic::Diagnostic;
use crate::lang::job::{Program, Tag, TagRule};
use crate::lang::syntax::ast::{Block, NodeKind};

/// The longest tag name. query-language.md 8.2.
const MAX_NAME_CHARS: usize = 1_024;

pub(super) fn lower(block: &Block, context: &mut Context<'_>) -> Option<Tag> {
    let before = context.found.len();
    let reader = Reader::open(block, context);
    let name = reader.name();
    if name.value.chars().count() > MAX_NAME_CHARS {
        let message = format!("a tag's name has at most {MAX_NAME_CHARS} characters");
        context.fail::<()>("P0210", message, name.span, "shorten it");
    }
    let provider = reader.choice("provider", PROVIDERS, context);
    let criticality = reader.number("criticality", 1..=5, context).unwrap_or(2);
    let rule = match (reader.node("query"), reader.attr("assets")) {
        (Some(node), None) => match &node.kind {
            NodeKind::Query(query) => context.query(query, provider).map(|query| TagRule::Dynamic { query, provider }),
            _ => {
                wrong("query", node, "a query", context);
                None
            }
        },
        (None, Some(_)) => {
            let texts = reader.texts("assets", context)?;
            Some(TagRule::Static { assets: texts.into_iter().map(|t| t.value).collect() })
        }
        (Some(_), Some(attr)) => {
            let message = "a tag has a `query` or a list of `assets`, not both".into();
            context.fail("P0214", message, attr.key.span, "make two tags and join them: tags.name: [\"a\", \"b\"]")
        }
        (None, None) if no_new_errors(before, context) && !is_broken(block) => {
            context.fail("P0207", "`query` is missing".into(), block.kind.span, "write a query, or assets = [\"id\"]")
        }
        (None, None) => None,
    }?;
    no_new_errors(before, context).then(|| Tag { name, rule, criticality: criticality as u8, span: block.span })
}

pub(super) fn is_broken(block: &Block) -> bool {
    block.entries.iter().any(|e| matches!(e, crate::lang::syntax::ast::Entry::Broken(_)))
}

/// Puts each tag after those it refers to; a loop is an error that names it, and its tags are left out.
pub(super) fn order(program: &mut Program, context: &mut Context<'_>) {
    let mut waiting: Vec<Tag> = std::mem::take(&mut program.tags);
    let all: BTreeSet<String> = waiting.iter().map(|t| t.name.value.clone()).collect();
    let needs: BTreeMap<String, Vec<String>> = waiting
        .iter()
        .map(|t| {
            let names: Vec<String> = match &t.rule {
                TagRule::Dynamic { query, .. } => {
                    query.tag_names().filter(|n| all.contains(*n)).map(str::to_owned).collect()
                }
                TagRule::Static { .. } => Vec::new(),
            };
            (t.name.value.clone(), names)
        })
        .collect();
    let mut done: BTreeSet<String> = BTreeSet::new();
    loop {
        let (ready, rest): (Vec<Tag>, Vec<Tag>) = waiting
            .into_iter()
            .partition(|t| needs.get(&t.name.value).is_none_or(|n| n.iter().all(|n| done.contains(n))));
        waiting = rest;
        if ready.is_empty() {
            break;
        }
        done.extend(ready.iter().map(|t| t.name.value.clone()));
        program.tags.extend(ready);
    }
    if let Some(first) = waiting.first() {
        let mut chain = vec![first.name.value.clone()];
        while let Some(next) =
            chain.last().and_then(|n| needs.get(n)).and_then(|n| n.iter().find(|n| !done.contains(*n)))
        {
            let closes = chain.iter().position(|c| c == next);
            chain.push(next.clone());
            if let Some(at) = closes {
                chain.drain(..at);
                break;
            }
        }
        let shown: Vec<String> = chain.iter().map(|c| format!("`{c}`")).collect();
        let span =
            waiting.iter().find(|t| Some(&t.name.value) == chain.first()).map_or(first.name.span, |t| t.name.span);
        context.found.push(
            Diagnostic::error("P0215", format!("the tags refer to each other: {}", shown.join(" -> ")), span, "")
                .help("break the loop: a tag may build only on tags that do not build on it"),
        );
    }
}
