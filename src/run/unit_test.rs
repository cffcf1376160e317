//! `test` blocks: tags, scans and policies of the workspace over a recorded inventory at a given moment. language.md 1.

use jiff::Timestamp;

use super::env::Env;
use super::error::{Result, RunError};
use super::imagined;
use super::inventory::{self, Loaded};
use super::pipeline::{self, Prepared};
use super::workspace::Workspace;
use crate::base::source::{Location, Span, Spanned};
use crate::lang::job::{Connector, Expectation, ImaginedAnswers, PolicyWord, UnitTest};
use crate::plan::plan::Plan;

/// Assets named in one failure.
const NAMED: usize = 5;

/// What did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The statement.
    pub place: Location,
    /// What was expected and what is.
    pub message: String,
}

/// One test's result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tested {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub place: Location,
    /// Expectations that were looked at.
    pub expectations: usize,
    /// Those that did not hold.
    pub failures: Vec<Failure>,
}

/// Runs one test. An expectation that cannot be looked at is a failure of its own.
pub fn run(workspace: &Workspace, test: &UnitTest, env: &Env) -> Tested {
    let mut env = env.clone();
    env.resolve_names = false;
    let now = test.now.unwrap_or_else(|| env.clock.now());
    let bench = Bench { workspace, test, env: &env, now };
    let failures = test.expectations.iter().flat_map(|e| bench.expectation(e)).collect();
    Tested {
        name: test.name.value.clone(),
        place: workspace.sources.locate(test.span),
        expectations: test.expectations.len(),
        failures,
    }
}

struct Bench<'a> {
    workspace: &'a Workspace,
    test: &'a UnitTest,
    env: &'a Env,
    now: Timestamp,
}

impl Bench<'_> {
    fn fail(&self, span: Span, message: String) -> Vec<Failure> {
        vec![Failure { place: self.workspace.sources.locate(span), message }]
    }

    fn load(&self, connector: Option<&Connector>) -> Result<Loaded> {
        let folder = self.workspace.root.join(&self.test.base);
        let pattern = &self.test.inventory.value;
        let failed = |source| RunError::File { action: "list", path: folder.join(pattern), source };
        let paths = super::files::matching(&folder, pattern).map_err(failed)?;
        if paths.is_empty() {
            return Err(RunError::Usage(format!("no file matches `{pattern}`")));
        }
        inventory::from_files_as(self.workspace, connector, &paths, self.now, self.env)
    }

    fn expectation(&self, expectation: &Expectation) -> Vec<Failure> {
        let (span, result) = match expectation {
            Expectation::TagMatches { tag, assets, span } => (*span, self.tag(tag, assets, *span)),
            Expectation::ScanCounts { scan, counts, span } => (*span, self.scan(scan, counts)),
            Expectation::PolicySays { policy, asset, says, answers, span } => {
                (*span, self.policy(policy, asset, *says, answers, *span))
            }
        };
        result.unwrap_or_else(|error| self.fail(span, error.to_string()))
    }

    /// Recorded answers stand in for the workspace's only connector, so that tags by connector name work.
    fn load_any(&self) -> Result<Loaded> {
        let connector = match self.workspace.program.connectors.as_slice() {
            [only] => Some(only),
            _ => None,
        };
        self.load(connector)
    }

    fn policy(
        &self,
        policy: &Spanned<String>,
        asset: &Spanned<String>,
        says: PolicyWord,
        answers: &ImaginedAnswers,
        span: Span,
    ) -> Result<Vec<Failure>> {
        let loaded = self.load_any()?;
        let row = match crate::plan::why::find(&loaded.snapshot, &asset.value) {
            Ok(row) => row,
            Err(error) => return Ok(self.fail(asset.span, error.to_string())),
        };
        let Some(found) = self.workspace.program.policies.iter().find(|p| p.name.value == policy.value) else {
            return Ok(self.fail(policy.span, format!("there is no policy `{}`", policy.value)));
        };
        let told = imagined::says(self.workspace, found, &loaded, row, answers, self.now);
        let mut failures = Vec::new();
        if told.word != says {
            let (is, wanted) = (imagined::word(told.word), imagined::word(says));
            let why = told.reasons.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
            let why = if why.is_empty() { why } else { format!(": {why}") };
            let message = format!("policy \"{}\" {is} \"{}\", expected {wanted}{why}", policy.value, asset.value);
            failures.extend(self.fail(span, message));
        }
        if let Some(words) = &answers.says
            && !told.reasons.iter().any(|r| r.contains(&words.value))
        {
            let message = format!("no violation says \"{}\": {}", words.value, told.reasons.join("; "));
            failures.extend(self.fail(words.span, message));
        }
        Ok(failures)
    }

    fn tag(&self, tag: &Spanned<String>, wanted: &[Spanned<String>], span: Span) -> Result<Vec<Failure>> {
        let loaded = self.load_any()?;
        let Some(members) = loaded.tags.of(&tag.value) else {
            return Ok(self.fail(tag.span, format!("there is no tag `{}`", tag.value)));
        };
        let mut failures = Vec::new();
        let mut expected = roaring::RoaringBitmap::new();
        for asset in wanted {
            match crate::plan::why::find(&loaded.snapshot, &asset.value) {
                Ok(row) => {
                    expected.insert(row);
                }
                Err(error) => failures.extend(self.fail(asset.span, error.to_string())),
            }
        }
        let name = |row: u32| {
            let asset = loaded.snapshot.asset(row);
            asset.map(|a| a.name().unwrap_or(a.id()).to_owned()).unwrap_or_default()
        };
        let listed = |rows: roaring::RoaringBitmap| {
            let shown: Vec<String> = rows.iter().take(NAMED).map(name).collect();
            let more = rows.len().saturating_sub(NAMED as u64);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{}{more}", shown.join(", "))
        };
        for (rows, words) in [
            (&expected & &members.cannot_tell, "cannot be told for"),
            (&expected - &members.matched - &members.cannot_tell, "does not match"),
            (&members.matched - &expected, "also matches"),
        ] {
            if !rows.is_empty() {
                failures.extend(self.fail(span, format!("tag \"{}\" {words} {}", tag.value, listed(rows))));
            }
        }
        Ok(failures)
    }

    fn scan(&self, scan: &Spanned<String>, counts: &[(Spanned<String>, u64)]) -> Result<Vec<Failure>> {
        let job = self.workspace.scan(Some(&scan.value))?;
        let connectors = &self.workspace.program.connectors;
        let connector = connectors.iter().find(|c| c.name.value == job.connector.value);
        let hook = match pipeline::script(self.workspace, job, self.env)? {
            None => None,
            Some(Ok(hook)) => Some(hook),
            Some(Err(fault)) => {
                let told = fault.diagnostics.first().map(|d| d.message.clone()).unwrap_or_default();
                return Ok(self.fail(scan.span, format!("its script cannot be used: {told}")));
            }
        };
        let prepared = Prepared::with_inventory(self.workspace, job, hook, self.load(connector)?, self.now);
        let plan = prepared.plan(self.env)?;
        let mut failures = Vec::new();
        for (name, wanted) in counts {
            let found = count(&plan, &name.value);
            if found != Some(*wanted) {
                let found = found.map_or_else(|| "unknown".to_owned(), |n| n.to_string());
                let message = format!("scan \"{}\": {} is {found}, expected {wanted}", scan.value, name.value);
                failures.extend(self.fail(name.span, message));
            }
        }
        Ok(failures)
    }
}

fn count(plan: &Plan, name: &str) -> Option<u64> {
    Some(match name {
        "identified" => plan.identified,
        "qualified" => plan.qualified,
        "submitted" => plan.submitted,
        "targets" => plan.targets.len() as u64,
        "not_targetable" => plan.not_targetable,
        "merged" => plan.merged.len() as u64,
        _ => return None,
    })
}
