//! From trees to a checked program: names collected first, then one lowering a block kind. A broken block never hides
//! the next: everything that is sound is in the program, everything else is told.

mod cloud;
mod connector;
mod names;
mod organization;
mod policy;
mod profile;
mod reader;
mod scan;
mod schedule;
pub mod schema;
mod tag;
mod test;
mod test_policy;
mod workspace;

use std::collections::BTreeMap;

use self::names::Names;
use crate::base::diagnostic::Diagnostic;
use crate::base::nearest::did_you_mean;
use crate::base::source::{SourceMap, Span, Spanned};
use crate::inventory::asset::Provider;
use crate::lang::job::{Profile, Program};
use crate::lang::query::check::{Dialect, Scope, check};
use crate::lang::query::predicate::Predicate;
use crate::lang::syntax::ast::{Block, File, Item, Query, Scalar};

/// What every lowering sees and adds to.
pub(super) struct Context<'a> {
    pub(super) found: Vec<Diagnostic>,
    names: Names,
    pub(super) sources: &'a SourceMap,
    pub(super) lets: BTreeMap<String, Query>,
    pub(super) values: BTreeMap<String, Vec<Scalar>>,
}

impl Context<'_> {
    pub(super) fn fail<T>(
        &mut self,
        code: &'static str,
        message: String,
        span: Span,
        help: impl Into<String>,
    ) -> Option<T> {
        self.found.push(Diagnostic::error(code, message, span, "").help(help));
        None
    }

    /// A reference to a named block must lead somewhere.
    pub(super) fn refer(&mut self, kind: &'static str, name: &Spanned<String>) -> bool {
        let known = self.names.of(kind);
        if known.iter().any(|n| n == &name.value) {
            return true;
        }
        let help = did_you_mean(&name.value, known.iter().map(String::as_str))
            .unwrap_or_else(|| format!("define it with `{kind} \"{}\" {{ … }}`", name.value));
        self.fail::<()>("P0205", format!("there is no {kind} `{}`", name.value), name.span, help);
        false
    }

    /// A query checked with the workspace's names.
    pub(super) fn query(&mut self, query: &Query, provider: Option<Provider>) -> Option<Predicate> {
        let lets = |name: &str| self.lets.get(name);
        let values = |name: &str| self.values.get(name).map(Vec::as_slice);
        let tags = || self.names.list("tag");
        let scope = Scope {
            lets: &lets,
            values: &values,
            let_names: self.lets.keys().chain(self.values.keys()).map(String::as_str).collect(),
            known_tags: Some(&tags),
            provider,
            free_text: false,
            dialect: Dialect::Default,
            portable: false,
        };
        let (predicate, found) = check(query, &scope);
        self.found.extend(found);
        predicate
    }

    /// The folder of the file that a span stands in, relative to the workspace; paths are relative to it.
    pub(super) fn folder(&self, span: Span) -> String {
        let name = self.sources.file(span.file).map_or("", |f| f.name.as_ref());
        name.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned())
    }
}

/// Checks all files of a workspace as one program. language.md 1.
pub fn analyze(files: &[File], sources: &SourceMap) -> (Program, Vec<Diagnostic>) {
    let mut context =
        Context { found: Vec::new(), names: Names::default(), sources, lets: BTreeMap::new(), values: BTreeMap::new() };
    names::collect(files, &mut context);
    let mut program = Program::default();
    let blocks = || {
        files.iter().flat_map(|f| &f.items).filter_map(|item| match item {
            Item::Block(block) => Some(block),
            Item::Let(_) | Item::Broken(_) => None,
        })
    };
    // Scans need the workspace's switches, whatever the order in the files.
    for block in blocks().filter(|b| b.kind.value == "workspace") {
        workspace::lower(block, &mut program, &mut context);
    }
    for block in blocks() {
        lower(block, &mut program, &mut context);
    }
    tag::order(&mut program, &mut context);
    for block in blocks().filter(|b| b.kind.value == "scan") {
        program.scans.extend(scan::lower(block, &program.workspace, &program.connectors, &mut context));
    }
    if !program.profiles.iter().any(|p| p.name.value == "Initial Options") {
        program.profiles.push(Profile::initial_options());
    }
    program.lets = context.lets;
    program.values = context.values;
    (program, context.found)
}

fn lower(block: &Block, program: &mut Program, context: &mut Context<'_>) {
    match block.kind.value.as_str() {
        "workspace" | "scan" => {}
        "connector" => program.connectors.extend(connector::lower(block, context)),
        "tag" => program.tags.extend(tag::lower(block, context)),
        "profile" => program.profiles.extend(profile::lower(block, context)),
        "channel" => program.channels.extend(connector::channel(block, context)),
        "policy" => program.policies.extend(policy::lower(block, context)),
        "report" => program.reports.extend(test::report(block, context)),
        "test" => program.tests.extend(test::lower(block, context)),
        other => {
            let help = did_you_mean(other, schema::TOP.iter().copied())
                .unwrap_or_else(|| format!("blocks are {}", schema::TOP.join(", ")));
            context.fail::<()>("P0201", format!("there is no block `{other}`"), block.kind.span, help);
        }
    }
}
