//! Why an asset is in or out: the stage it left at, the line that decided, the values seen, and the smallest change
//! that would turn the answer. product.md F6.

use std::sync::Arc;

use super::plan::{Plan, Removal, Stage};
use super::planner::PlanInput;
use crate::base::nearest::nearest;
use crate::base::source::Location;
use crate::inventory::snapshot::Snapshot;
use crate::lang::job::{Quantifier, TagRule};
use crate::lang::query::explain::Explanation;
use crate::lang::query::predicate::{Moment, Truth};

/// One step of the funnel for one asset.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// `identified`, `qualified`, `submitted`, `target`.
    pub name: &'static str,
    /// Whether it passed.
    pub passed: bool,
    /// Why not, or what it became.
    pub text: String,
    /// The line that decided.
    pub clause: Option<Location>,
    /// The values seen.
    pub seen: Vec<String>,
}

/// The whole story of one asset.
#[derive(Debug, Clone, PartialEq)]
pub struct Why {
    /// Provider resource id.
    pub asset: Arc<str>,
    /// Name for people.
    pub name: Option<Arc<str>>,
    /// Steps up to the first that it did not pass.
    pub steps: Vec<Step>,
    /// What would have to be otherwise; none where it is a target.
    pub change: Option<String>,
    /// The queries that were asked, by title.
    pub queries: Vec<(String, Location, Explanation)>,
}

/// Why a text leads to no single asset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// No asset has this id or name.
    #[error("there is no asset `{asked}` in the inventory{hint}", hint = hint(nearest))]
    Unknown {
        /// The text.
        asked: String,
        /// Ids and names that look like it.
        nearest: Vec<String>,
    },
    /// A name of several assets.
    #[error("`{asked}` is the name of several assets; say which: {}", ids.join(", "))]
    Several {
        /// The name.
        asked: String,
        /// Their ids.
        ids: Vec<String>,
    },
}

fn hint(nearest: &[String]) -> String {
    if nearest.is_empty() { String::new() } else { format!("; nearest: {}", nearest.join(", ")) }
}

/// The row of an asset by id, else by name.
pub fn find(snapshot: &Snapshot, asked: &str) -> Result<u32, NotFound> {
    if let Some(row) = snapshot.row_of(asked) {
        return Ok(row);
    }
    let asset = |row: u32| snapshot.asset(row);
    match snapshot.rows_named(asked).as_slice() {
        [row] => Ok(*row),
        [] => {
            let rows = || (0..snapshot.len()).filter_map(asset);
            let words = rows().map(|a| a.id()).chain(rows().filter_map(|a| a.name()));
            let nearest = nearest(asked, words).into_iter().map(str::to_owned).collect();
            Err(NotFound::Unknown { asked: asked.into(), nearest })
        }
        several => {
            let ids = several.iter().filter_map(|r| asset(*r)).map(|a| a.id().to_owned()).collect();
            Err(NotFound::Several { asked: asked.into(), ids })
        }
    }
}

/// The story of a load balancer of the plan, by its name.
pub fn why_load_balancer(plan: &Plan, name: &str) -> Option<Why> {
    let asset = plan.load_balancers.iter().find(|n| n.eq_ignore_ascii_case(name.trim_end_matches('.')))?;
    let removal = plan.removed.iter().find(|r| r.asset == *asset);
    let step = match removal {
        Some(r) => Step {
            name: "target",
            passed: false,
            text: r.reason.to_string(),
            clause: r.clause.clone(),
            seen: r.seen.clone(),
        },
        None => {
            let text = destinations(plan, asset);
            Step { name: "target", passed: true, text, clause: None, seen: Vec::new() }
        }
    };
    let change = removal.map(|r| match &*r.reason {
        "every address is excluded" => "it would be a target if one of its addresses were not excluded".into(),
        _ => "it would be a target if its name resolved to a public address".into(),
    });
    Some(Why { asset: Arc::clone(asset), name: None, steps: vec![step], change, queries: Vec::new() })
}

impl Why {
    /// The story for people.
    pub fn render(&self, scan: &str) -> String {
        let name = self.name.as_deref().map(|n| format!(" ({n})")).unwrap_or_default();
        let mut out = format!("{}{name} in scan \"{scan}\"\n", self.asset);
        for step in &self.steps {
            let mark = if step.passed { "yes" } else { "no " };
            let text = if step.text.is_empty() { String::new() } else { format!("  {}", step.text) };
            out.push_str(&format!("  {mark} {:<11}{text}\n", step.name));
            for seen in &step.seen {
                out.push_str(&format!("                    seen: {seen}\n"));
            }
            if let Some(clause) = &step.clause {
                out.push_str(&format!("                    line: {clause}\n"));
            }
        }
        for (title, clause, explanation) in &self.queries {
            out.push_str(&format!("  {title}, {clause}\n"));
            for line in explanation.render().lines() {
                out.push_str(&format!("    {line}\n"));
            }
        }
        if let Some(change) = &self.change {
            out.push_str(&format!("  Smallest change: {change}.\n"));
        }
        out
    }
}

const STAGES: [(Stage, &str); 4] = [
    (Stage::Identify, "identified"),
    (Stage::Qualify, "qualified"),
    (Stage::Submit, "submitted"),
    (Stage::Target, "target"),
];

/// Tells the story of a row of the plan's own inventory.
pub fn why(input: &PlanInput<'_>, plan: &Plan, row: u32) -> Option<Why> {
    let record = input.snapshot.asset(row)?;
    let asset: Arc<str> = record.id().into();
    let mut why = Why {
        asset: Arc::clone(&asset),
        name: record.name().map(Arc::from),
        steps: Vec::new(),
        change: None,
        queries: queries(input, row),
    };
    if record.connector() != &*plan.connector || record.provider() != plan.provider {
        let text = format!("it is no {} asset of connector `{}`", plan.provider.as_str(), plan.connector);
        let clause = Some(input.sources.locate(input.job.connector.span));
        why.steps.push(Step { name: "identified", passed: false, text, clause, seen: Vec::new() });
        why.change = Some(if record.connector() == &*plan.connector {
            format!("it would be identified if the scan were of {}", record.provider().as_str())
        } else {
            format!("it would be identified if the scan named connector `{}`", record.connector())
        });
        return Some(why);
    }
    let removal = plan.removed.iter().find(|r| r.asset == asset);
    for (stage, name) in STAGES {
        match removal.filter(|r| r.stage == stage) {
            Some(removal) => {
                why.steps.push(Step {
                    name,
                    passed: false,
                    text: removal.reason.to_string(),
                    clause: removal.clause.clone(),
                    seen: removal.seen.clone(),
                });
                why.change = Some(change(input, removal, row));
                return Some(why);
            }
            None => {
                let text = if stage == Stage::Target { destinations(plan, &asset) } else { String::new() };
                why.steps.push(Step { name, passed: true, text, clause: None, seen: Vec::new() });
            }
        }
    }
    Some(why)
}

fn destinations(plan: &Plan, asset: &Arc<str>) -> String {
    let own = plan.targets.iter().filter(|t| t.warrant().asset == *asset);
    let mut shown: Vec<String> = own
        .map(|t| match t.name() {
            Some(name) => format!("{name} ({})", t.addr()),
            None => t.addr().to_string(),
        })
        .collect();
    shown.extend(
        plan.merged.iter().filter(|m| m.asset == *asset).map(|m| format!("{} (shared with {})", m.addr, m.into)),
    );
    shown.join(", ")
}

/// The queries of the job and of its tags, explained.
fn queries(input: &PlanInput<'_>, row: u32) -> Vec<(String, Location, Explanation)> {
    let moment = Moment { now: input.now, tags: Some(input.tags) };
    let targets = &input.job.targets;
    let mut found = Vec::new();
    let filters = [("include", &targets.include), ("exclude", &targets.exclude)];
    for (word, filter) in filters.into_iter().filter_map(|(w, f)| f.as_ref().map(|f| (w, f))) {
        for name in &filter.tags {
            let tag = input.program.tags.iter().find(|t| t.name.value == name.value);
            if let Some(TagRule::Dynamic { query, .. }) = tag.map(|t| &t.rule) {
                let explanation = query.explain(input.snapshot, row, &moment);
                found.push((format!("{word} tag \"{}\"", name.value), input.sources.locate(query.span), explanation));
            }
        }
    }
    if let Some(query) = &targets.filter_query {
        found.push(("where".into(), input.sources.locate(query.span), query.explain(input.snapshot, row, &moment)));
    }
    found
}

/// The smallest change that would take the asset past the clause that stopped it.
fn change(input: &PlanInput<'_>, removal: &Removal, row: u32) -> String {
    let moment = Moment { now: input.now, tags: Some(input.tags) };
    let reason = &*removal.reason;
    let module = input.job.module.as_str();
    if let Some(gap) = reason.strip_prefix("cannot tell: ") {
        return format!("it could be told if this were read: {gap}");
    }
    if reason == "`where` does not hold" {
        let flips = input.job.targets.filter_query.as_ref().map(|q| q.smallest_change(input.snapshot, row, &moment));
        return format!("it would pass `where` if {}", flips.unwrap_or_default().join(" and "));
    }
    if reason.starts_with("has not ") {
        return format!("it would be included if {}", include_change(input, row, &moment));
    }
    if reason.starts_with("excluded by ") {
        return format!("it would stay if it had not {}", exclude_change(input, row));
    }
    match reason {
        _ if reason.starts_with("not activated") => format!("it would be submitted if it were activated for {module}"),
        _ if reason.starts_with("state is ") => "it would qualify if it were not terminated".into(),
        _ if reason.starts_with("region is ") => format!("it would qualify if `regions` held {}", value(&removal.seen)),
        _ if reason.starts_with("VPC is ") => format!("it would qualify if `vpc` held {}", value(&removal.seen)),
        "in a VPC, not EC2 Classic" => "it would qualify if `platform` were vpc_all".into(),
        "EC2 Classic, not in a VPC" => "it would qualify if `platform` were ec2_classic".into(),
        "its public addresses are IPv6, which the scan leaves out" => {
            "it would be a target if the scan said ipv6 = true".into()
        }
        "every address is excluded" => "it would be a target if one of its addresses were not excluded".into(),
        "no public name or address" | "not public-facing" => "it would be a target if it had a public address".into(),
        _ if reason.starts_with("hook ") => "it would be submitted if the hook's `filter` returned true for it".into(),
        _ => format!("it would pass if this were not so: {reason}"),
    }
}

/// The value of a fact `token: value`, or a word for none.
fn value(seen: &[String]) -> &str {
    seen.first().and_then(|s| s.split_once(": ")).map_or("its own, which is unknown", |(_, value)| value)
}

/// The tags to lose: with `any` all that it has, with `all` one of them.
fn exclude_change(input: &PlanInput<'_>, row: u32) -> String {
    let Some(filter) = &input.job.targets.exclude else { return String::new() };
    let has = |name: &&str| input.tags.of(name).is_some_and(|m| m.of(row) == Truth::In);
    let own: Vec<String> =
        filter.tags.iter().map(|t| t.value.as_str()).filter(has).map(|t| format!("tag \"{t}\"")).collect();
    own.join(match filter.quantifier {
        Quantifier::Any => " and ",
        Quantifier::All => " or ",
    })
}

/// The cheapest tag to gain; with `all`, every tag that is missing.
fn include_change(input: &PlanInput<'_>, row: u32, moment: &Moment<'_>) -> String {
    let Some(filter) = &input.job.targets.include else { return String::new() };
    let mut options: Vec<(usize, String)> = Vec::new();
    for name in &filter.tags {
        if input.tags.of(&name.value).is_some_and(|m| m.of(row) == Truth::In) {
            continue;
        }
        let tag = input.program.tags.iter().find(|t| t.name.value == name.value);
        match tag.map(|t| &t.rule) {
            Some(TagRule::Dynamic { query, .. }) => {
                let flips = query.smallest_change(input.snapshot, row, moment);
                options.push((flips.len(), format!("{} (tag \"{}\")", flips.join(" and "), name.value)));
            }
            _ => options.push((1, format!("tag \"{}\" listed it", name.value))),
        }
    }
    options.sort();
    match filter.quantifier {
        Quantifier::Any => options.into_iter().next().map(|(_, t)| t).unwrap_or_default(),
        Quantifier::All => options.into_iter().map(|(_, t)| t).collect::<Vec<_>>().join(", and "),
    }
}
