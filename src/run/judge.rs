//! The judging stage: checks, exposure, change, policies and controls over evidence, in that order, and into the
//! results document.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::env::Env;
use super::error::{Result, RunError};
use super::files;
use super::stored;
use super::workspace::Workspace;
use crate::base::diagnostic::{Diagnostic, has_errors};
use crate::base::source::{SourceMap, Span};
use crate::inventory::asset::Module;
use crate::inventory::partition::Gap;
use crate::inventory::snapshot::Snapshot;
use crate::judge::change::{self, Gone, KnownFinding, View};
use crate::judge::check::{Check, CheckInfo, native};
use crate::judge::control::{self, ControlInput, ControlResult, RunFacts};
use crate::judge::engine::{self, JudgeInput, Judged};
use crate::judge::estate::{self, EstateInput};
use crate::judge::exposure::doubt;
use crate::judge::policy::{self, PolicyInput, PolicyOutcome};
use crate::judge::select::{LeftOut, Selection};
use crate::lang::job::Profile;
use crate::lang::query::tags::TagMembership;
use crate::report::judgement;
use crate::report::model::Results;
use crate::script::check::{BUILTIN, CheckHost, Loaded, builtin};
use crate::service::evidence::{Ask, HostEvidence};
use crate::store::findings::JudgedEnd;
use crate::store::{RunState, Store};

/// Folder of a workspace's own checks.
const CHECKS_FOLDER: &str = "scripts/checks";

/// All checks there are: native, rhai that comes with the program, rhai of the workspace.
pub struct CheckSet {
    /// Checks without errors.
    pub checks: Vec<Arc<dyn Check>>,
    /// Texts of the scripts with errors.
    pub sources: SourceMap,
    /// What is wrong with them.
    pub diagnostics: Vec<Diagnostic>,
}

/// (name, text) of a workspace's own checks. An unchanged copy of a check that comes with the program is that check, as
/// in a checkout of the program itself.
fn own_scripts(root: &Path, env: &Env) -> Result<Vec<(String, String)>> {
    let folder = root.join(CHECKS_FOLDER);
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| RunError::File { action: "read", path, source }
    };
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let most = env.limits.script_bytes;
    let mut scripts = Vec::new();
    for path in files::with_ending(&folder, "rhai").map_err(failed(&folder))? {
        if fs::metadata(&path).map_err(failed(&path))?.len() > most {
            let told = format!("`{}` is larger than {most} bytes, the limit for scripts", path.display());
            return Err(RunError::Usage(told));
        }
        let text = fs::read_to_string(&path).map_err(failed(&path))?;
        if BUILTIN.iter().any(|(_, builtin)| *builtin == text) {
            continue;
        }
        scripts.push((path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned(), text));
    }
    Ok(scripts)
}

/// What is wrong with a workspace's own checks; their texts join the sources.
pub(super) fn script_faults(root: &Path, sources: &mut SourceMap, env: &Env) -> Result<Vec<Diagnostic>> {
    let host = CheckHost::new(&env.limits, Arc::clone(&env.clock));
    let mut taken: HashSet<String> = CheckSet::from(builtin(&host)).infos().into_iter().map(|i| i.id).collect();
    let mut found = Vec::new();
    for (name, text) in own_scripts(root, env)? {
        let file = sources.add(name.as_str(), text.as_str());
        match host.load(&text, &name, file) {
            Ok(check) => {
                let id = &check.info().id;
                let at = text.find(id.as_str()).unwrap_or(0) as u32;
                let span = Span::new(file, at, at + id.len() as u32);
                if !taken.insert(id.clone()) {
                    found.push(taken_twice(id, span));
                }
            }
            Err(faults) => found.extend(faults),
        }
    }
    Ok(found)
}

fn taken_twice(id: &str, span: Span) -> Diagnostic {
    let message = format!("the id `{id}` is taken by another check");
    Diagnostic::error("P0609", message, span, "").help("choose an id of your own, such as ACME-01")
}

impl CheckSet {
    /// Loads them; a script that is wrong never hides the others.
    pub fn load(workspace: &Workspace, env: &Env) -> Result<Self> {
        let host = CheckHost::new(&env.limits, Arc::clone(&env.clock));
        let mut scripts = builtin(&host);
        for (name, text) in own_scripts(&workspace.root, env)? {
            scripts.add(&host, &name, &text);
        }
        Ok(Self::from(scripts))
    }

    /// An error where a script is wrong.
    pub fn sound(&self) -> Result<()> {
        if !has_errors(&self.diagnostics) {
            return Ok(());
        }
        let first = self.diagnostics.first();
        let place = first.and_then(|d| d.span()).map(|s| self.sources.locate(s).to_string()).unwrap_or_default();
        let told = first.map(|d| format!("{}: {}", d.code, d.message)).unwrap_or_default();
        Err(RunError::Usage(format!("{place}: {told}; `palisade check` shows all")))
    }

    /// What the checks that a profile chooses want asked, each once.
    pub fn asks(&self, profile: &Profile) -> Vec<Ask> {
        let selection = Selection { checks: &profile.checks, consent: &profile.consent };
        let (chosen, _) = selection.split(&self.checks);
        let asks: std::collections::BTreeSet<Ask> = chosen.iter().flat_map(|c| c.info().asks.clone()).collect();
        asks.into_iter().collect()
    }

    /// What each check is, those that take policy, inventory and history too.
    pub fn infos(&self) -> Vec<CheckInfo> {
        self.checks.iter().map(|c| c.info().clone()).chain(estate::infos()).collect()
    }
}

impl From<Loaded> for CheckSet {
    /// Ids are unique: the check that came first keeps its id.
    fn from(mut scripts: Loaded) -> Self {
        let mut checks = native();
        let mut taken: HashSet<String> = checks.iter().map(|c| c.info().id.clone()).collect();
        taken.extend(estate::ROWS.iter().map(|r| r.id.to_owned()));
        for check in scripts.checks {
            let id = check.info().id.clone();
            if taken.insert(id.clone()) {
                checks.push(check);
                continue;
            }
            let file = scripts.sources.add(format!("{id}.rhai"), format!("// id: {id}\n"));
            scripts.diagnostics.push(taken_twice(&id, Span::new(file, 7, 7 + id.len() as u32)));
        }
        Self { checks, sources: scripts.sources, diagnostics: scripts.diagnostics }
    }
}

/// What is judged.
pub struct JudgeRun<'a> {
    /// Job files: policies, risk, places.
    pub workspace: &'a Workspace,
    /// Job title.
    pub scan: &'a str,
    /// Its module.
    pub module: Module,
    /// Its connector.
    pub connector: &'a str,
    /// Its profile.
    pub profile: &'a Profile,
    /// The inventory it was planned over.
    pub snapshot: &'a Snapshot,
    /// Its tags.
    pub tags: &'a TagMembership,
    /// What was not read of it.
    pub gaps: &'a [Gap],
    /// Evidence, also of hosts that did not answer.
    pub hosts: &'a [HostEvidence],
    /// Evidence of the last run of this job.
    pub before: Option<&'a [HostEvidence]>,
    /// How the run itself went.
    pub run: RunFacts,
    /// The moment that counts as now.
    pub now: Timestamp,
}

/// What the judge says of a run.
pub struct JudgedRun {
    /// Checks and findings, those of exposure among them.
    pub judged: Judged,
    /// Checks that were not run.
    pub left_out: Vec<LeftOut>,
    /// Findings of earlier runs that this one does not show.
    pub gone: Vec<Gone>,
    /// Policies.
    pub policies: PolicyOutcome,
    /// Controls of a policy compliance scan.
    pub controls: Vec<ControlResult>,
    /// Assets that were tested.
    pub tested: Vec<(String, Timestamp)>,
    infos: Vec<CheckInfo>,
    now: Timestamp,
}

/// What the store knows from other runs.
pub struct Before {
    /// When each asset was tested last.
    tested: HashMap<String, Timestamp>,
    /// The findings of the scan.
    known: Vec<KnownFinding>,
}

impl Before {
    /// Reads it; for a run that is not the newest, what it saw the first time.
    pub fn read(store: &mut Store, scan: &str, reference: &str) -> Result<Self> {
        Ok(Self { tested: store.tested(reference)?, known: store.known_findings(scan, reference)? })
    }
}

/// Judges a run.
pub fn judge(run: &JudgeRun<'_>, set: &CheckSet, before: Before, env: &Env) -> JudgedRun {
    let Before { tested: tested_before, known } = before;
    let selection = Selection { checks: &run.profile.checks, consent: &run.profile.consent };
    let (checks, mut left_out) = selection.split(&set.checks);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut judged = engine::judge(&JudgeInput {
        hosts: run.hosts,
        checks: &checks,
        now: run.now,
        threads,
        progress: env.progress.as_ref(),
        stop: &env.stop,
    });
    let program = &run.workspace.program;
    let policies = policy::assert(&PolicyInput {
        policies: &program.policies,
        hosts: run.hosts,
        judged: &judged,
        snapshot: run.snapshot,
        tags: run.tags,
        sources: &run.workspace.sources,
        now: run.now,
    });
    let exposed = estate::findings(&EstateInput {
        hosts: run.hosts,
        policies: &policies,
        snapshot: run.snapshot,
        connector: run.connector,
        gaps: run.gaps,
        tested: &tested_before,
        before: run.before,
        now: run.now,
        chosen: &|info| selection.refuses(info).is_none(),
    });
    for info in estate::infos() {
        left_out.extend(selection.refuses(&info).map(|reason| LeftOut { check: info.id, reason }));
    }
    judged.findings.extend(exposed);
    let mut findings = std::mem::take(&mut judged.findings);
    let view = View::new(&judged, run.hosts, &known);
    let gone = change::compare(&mut findings, known, &view);
    judged.findings = findings;
    let controls = match run.module {
        Module::Vm => Vec::new(),
        Module::Pc => control::assert(&ControlInput {
            hosts: run.hosts,
            judged: &judged,
            policies: &policies,
            snapshot: run.snapshot,
            run: run.run,
            now: run.now,
        }),
    };
    let tested = run.hosts.iter().filter(|h| doubt(h).is_none());
    let tested = tested.map(|h| (h.asset.to_string(), run.now)).collect();
    JudgedRun { judged, left_out, gone, policies, controls, tested, infos: set.infos(), now: run.now }
}

impl JudgedRun {
    /// Writes findings and judgement into the results document.
    pub fn write_into(&self, results: &mut Results, workspace: &Workspace) {
        let judgement = judgement::Judgement {
            now: self.now,
            judged: &self.judged,
            infos: &self.infos,
            left_out: &self.left_out,
            gone: &self.gone,
            policies: &self.policies,
            controls: &self.controls,
            risk: workspace.program.workspace.security_risk,
        };
        judgement::write(&judgement, results);
    }

    /// As the store takes it.
    pub fn end<'a>(&'a self, scan: &'a str) -> JudgedEnd<'a> {
        JudgedEnd { scan, findings: &self.judged.findings, gone: &self.gone, tested: &self.tested }
    }
}

/// Evidence of the last finished run of a scan before this one; none for the first.
pub fn last_evidence(store: &mut Store, scan: &str, reference: &str) -> Result<Option<Vec<HostEvidence>>> {
    let runs = store.runs()?;
    let older = runs.iter().skip_while(|r| r.reference != reference).skip(1);
    let last = older.into_iter().find(|r| r.scan == scan && r.state == RunState::Finished);
    Ok(match last {
        Some(run) => Some(store.evidence(&run.reference)?).filter(|e| !e.is_empty()),
        None => None,
    })
}

/// A stored run judged anew.
pub struct JudgedAgain {
    /// The document with the new judgement.
    pub results: Results,
    /// False for a run that later runs of its scan have overtaken: it is shown, and the store keeps what it had.
    pub stored: bool,
}

/// Runs checks and policies as they are now over the stored evidence of a run. Sends nothing. product.md F11.
pub fn again(workspace: &Workspace, reference: &str, store: &mut Store, env: &Env) -> Result<JudgedAgain> {
    let run = store.run(reference)?;
    let unreadable =
        |e: serde_json::Error| RunError::Usage(format!("the stored results of {} cannot be read: {e}", run.reference));
    let document = store.document(&run.reference)?;
    let document = document
        .ok_or_else(|| RunError::Usage(format!("{} is {} and has no results", run.reference, run.state.as_str())))?;
    let mut results: Results = serde_json::from_str(&document).map_err(unreadable)?;
    let hosts = store.evidence(&run.reference)?;
    if hosts.is_empty() && !results.hosts.is_empty() {
        return Err(RunError::Usage(format!(
            "{} has no stored evidence; it was run by an older version",
            run.reference
        )));
    }
    let job = workspace.scan(Some(&run.scan))?;
    let profile = workspace.program.profiles.iter().find(|p| p.name.value == job.profile.value);
    let profile = profile.cloned().unwrap_or_else(Profile::initial_options);
    let snapshot = store.snapshot(&results.snapshot)?;
    let now = env.clock.now();
    let tags = TagMembership::assign(&workspace.program.tags, &snapshot, now);
    let gap = |g: &crate::report::model::GapRecord| Gap {
        partition: g.partition.as_str().into(),
        cause: g.cause.as_str().into(),
    };
    let gaps: Vec<Gap> = results.gaps.iter().map(gap).collect();
    let before = last_evidence(store, &run.scan, &run.reference)?;
    let earlier = Before::read(store, &run.scan, &run.reference)?;
    let set = CheckSet::load(workspace, env)?;
    set.sound()?;
    let judged = judge(
        &JudgeRun {
            workspace,
            scan: &run.scan,
            module: job.module,
            connector: &job.connector.value,
            profile: &profile,
            snapshot: &snapshot,
            tags: &tags,
            gaps: &gaps,
            hosts: &hosts,
            before: before.as_deref(),
            run: RunFacts {
                approved: None,
                complete: run.state == RunState::Finished && results.coverage.done >= results.coverage.planned,
                refused: results.ledger.refused,
            },
            now,
        },
        &set,
        earlier,
        env,
    );
    judged.write_into(&mut results, workspace);
    let newest = store.runs()?.into_iter().find(|r| r.scan == run.scan && r.state != RunState::Running);
    let stored = newest.is_some_and(|r| r.reference == run.reference) && judged.judged.whole;
    if stored {
        let document = stored::document(&mut results)?;
        store.judged_again(&run.reference, &document, &judged.end(&run.scan))?;
        store.log(now, "judged", &format!("{} {}: judged again over stored evidence", run.reference, run.scan))?;
    }
    Ok(JudgedAgain { results, stored })
}
