//! From a reference to a report: stored results, the inventory they were planned from, the workspace's tags and template.

use super::env::Env;
use super::error::{Result, RunError, hint};
use super::workspace::Workspace;
use crate::lang::job::ReportTemplate;
use crate::lang::query::tags::TagMembership;
use crate::report::build::{self, Choices, Sources};
use crate::report::document::Report;
use crate::report::model::Results;
use crate::store::Store;

/// A report template of the workspace.
pub fn template<'w>(workspace: &'w Workspace, name: &str) -> Result<&'w ReportTemplate> {
    let all = &workspace.program.reports;
    all.iter().find(|t| t.name.value == name).ok_or_else(|| RunError::Unknown {
        kind: "report template",
        name: name.to_owned(),
        hint: hint(name, all.iter().map(|t| t.name.value.as_str())),
    })
}

/// Makes the report of a stored run. A snapshot that is gone leaves the information blocks empty, and says so.
pub fn report(
    workspace: &Workspace,
    store: &mut Store,
    reference: &str,
    template: Option<&ReportTemplate>,
    env: &Env,
) -> Result<Report> {
    let run = store.run(reference)?;
    let document = store
        .document(&run.reference)?
        .ok_or_else(|| RunError::Usage(format!("{} is {} and has no results", run.reference, run.state.as_str())))?;
    let mut results: Results = serde_json::from_str(&document)
        .map_err(|e| RunError::Usage(format!("the stored results of {} cannot be read: {e}", run.reference)))?;
    let snapshot = store.snapshot(&results.snapshot);
    if let Err(error) = &snapshot {
        results.notes.push(format!("the inventory is not at hand, so facts about assets are missing: {error}"));
    }
    let snapshot = snapshot.ok();
    let tags = snapshot.as_ref().map(|s| TagMembership::assign(&workspace.program.tags, s, s.taken_at()));
    let sources = Sources {
        results: &results,
        snapshot: snapshot.as_ref(),
        tags: tags.as_ref(),
        risk: workspace.program.workspace.security_risk,
    };
    Ok(build::report(&sources, &Choices::of(template), env.clock.now()))
}
