//! Why an asset is in or out: the stage it left at, the line that decided, the values seen, and the smallest change
//! that would turn the answer. product.md F6.

use std::sync::Arc;

use super::plan::{Plan, Removal, Stage};
use super::planner::PlanInput;
use crate::base::source::Location;
use crate::lang::job::TagRule;
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
        why.change = Some(format!("the scan named connector `{}`", record.connector()));
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
        return "it would stay if it had not those tags, or the job did not exclude them".into();
    }
    match reason {
        _ if reason.starts_with("not activated") => format!("it would be submitted if it were activated for {module}"),
        _ if reason.starts_with("state is ") => "it would qualify if it were not terminated".into(),
        _ if reason.starts_with("region is ") => "it would qualify if the job took its region".into(),
        "every address is excluded" => "it would be a target if one of its addresses were not excluded".into(),
        "no public name or address" | "not public-facing" => "it would be a target if it had a public address".into(),
        _ if reason.starts_with("hook ") => "it would be submitted if the hook's `filter` returned true for it".into(),
        _ => format!("it would pass if this were not so: {reason}"),
    }
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
        crate::lang::job::Quantifier::Any => options.into_iter().next().map(|(_, t)| t).unwrap_or_default(),
        crate::lang::job::Quantifier::All => options.into_iter().map(|(_, t)| t).collect::<Vec<_>>().join(", and "),
    }
}
