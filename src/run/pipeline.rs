//! Every stage in order: inventory, hook, plan, store, scan, talk, results.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;

use super::aside::{Curiosity, Stage};
use super::env::Env;
use super::error::{Result, RunError};
use super::evidence;
use super::host_facts::Beside;
use super::inventory::{self, Loaded};
use super::judge::{self, CheckSet, JudgeRun};
use super::leases::{self, Held};
use super::names;
use super::parts::{self, Past};
use super::stored;
use super::watch::Watch;
use super::workspace::Workspace;
use crate::base::beside::beside;
use crate::base::diagnostic::Diagnostic;
use crate::base::source::{FileId, SourceMap};
use crate::judge::control::RunFacts;
use crate::lang::job::{Checks, Job};
use crate::plan::hook::AssetHook;
use crate::plan::plan::{Launch, Plan};
use crate::plan::planner::{self, PlanInput};
use crate::plan::resolve::{Hickory, Resolver};
use crate::plan::shard::Shard;
use crate::plan::why::{self, Why};
use crate::report::compile::{self, RunFacts as DocumentFacts};
use crate::report::model::Results;
use crate::report::services;
use crate::scan::observation::Mode;
use crate::scan::released::release;
use crate::scan::{LiveExclusions, ScanError, ScanInput, ScanOutcome, scan_and_study};
use crate::script::hook::{HookScript, load};
use crate::service::evidence::HostEvidence;
use crate::store::run_folder::{Request, RunFolder};
use crate::store::{RunEnd, RunState, Store};

/// A job with everything its plan needs.
pub struct Prepared<'w> {
    /// The workspace.
    pub workspace: &'w Workspace,
    /// The job.
    pub job: &'w Job,
    /// The inventory of the job's connector.
    pub loaded: Loaded,
    /// The moment of planning.
    pub now: Timestamp,
    hook: Option<HookScript>,
}

/// Why a hook script cannot be used: diagnostics that point into its text.
pub struct ScriptFault {
    /// The script's text.
    pub sources: SourceMap,
    /// What is wrong.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads and compiles the script of a job.
pub fn script(
    workspace: &Workspace,
    job: &Job,
    env: &Env,
) -> Result<Option<std::result::Result<HookScript, ScriptFault>>> {
    let Some(path) = &job.targets.hook else { return Ok(None) };
    let text = inventory::script_text(workspace, &path.value, env)?;
    let mut sources = SourceMap::new();
    let file: FileId = sources.add(path.value.as_str(), text.as_str());
    let loaded = load(&text, &path.value, file, &env.limits);
    Ok(Some(loaded.map_err(|diagnostics| ScriptFault { sources, diagnostics })))
}

impl<'w> Prepared<'w> {
    /// Reads the job's inventory and takes its script.
    pub fn new(
        workspace: &'w Workspace,
        job: &'w Job,
        hook: Option<HookScript>,
        now: Timestamp,
        env: &Env,
    ) -> Result<Self> {
        let names = [job.connector.value.clone()];
        let loaded = inventory::from_connectors(workspace, &names, job.targets.max_inventory_age, now, env)?;
        Ok(Self { workspace, job, loaded, now, hook })
    }

    /// With an inventory read already, such as a test's.
    pub fn with_inventory(
        workspace: &'w Workspace,
        job: &'w Job,
        hook: Option<HookScript>,
        loaded: Loaded,
        now: Timestamp,
    ) -> Self {
        Self { workspace, job, loaded, now, hook }
    }

    /// The resolver of the workspace; none where names are not resolved.
    fn resolver(&self, env: &Env) -> Option<Hickory> {
        env.resolve_names.then(|| Hickory {
            servers: self.workspace.program.workspace.resolvers.clone(),
            in_flight: env.limits.names_in_flight,
            timeout: env.limits.resolve_timeout,
            addresses_per_name: env.limits.addresses_per_name,
            ipv6: self.job.targets.ipv6,
        })
    }

    fn with_input<T>(&self, env: &Env, act: impl FnOnce(&PlanInput<'_>) -> T) -> T {
        let bound = self.hook.as_ref().map(|h| {
            h.bind(Arc::clone(&self.loaded.snapshot), Arc::clone(&self.loaded.tags), self.now, Arc::clone(&env.clock))
        });
        let resolver = self.resolver(env);
        act(&PlanInput {
            program: &self.workspace.program,
            job: self.job,
            snapshot: &self.loaded.snapshot,
            tags: &self.loaded.tags,
            sources: &self.workspace.sources,
            hook: bound.as_ref().map(|b| b as &dyn AssetHook),
            resolver: resolver.as_ref().map(|r| r as &dyn Resolver),
            now: self.now,
            limits: &env.limits,
            progress: env.progress.as_ref(),
            stop: &env.stop,
        })
    }

    /// Looks up the names that hosts showed, where names may be looked up: the plan did, or the workspace says by whom.
    fn look_up(&self, plan: &Plan, hosts: &mut [HostEvidence], before: &[HostEvidence], env: &Env) {
        let asked = !plan.resolutions.is_empty() || !self.workspace.program.workspace.resolvers.is_empty();
        let judged = !matches!(&plan.profile.checks, Checks::Some(none) if none.is_empty());
        if let Some(resolver) = self.resolver(env).filter(|_| asked && judged && !hosts.is_empty()) {
            names::stage(hosts, &self.loaded.snapshot, before, &resolver, env);
        }
    }

    /// Makes the plan.
    pub fn plan(&self, env: &Env) -> Result<Plan> {
        Ok(self.with_input(env, planner::plan)?)
    }

    /// Tells one asset's story.
    pub fn why(&self, plan: &Plan, row: u32, env: &Env) -> Option<Why> {
        self.with_input(env, |input| why::why(input, plan, row))
    }
}

/// How a plan is run.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunOptions<'a> {
    /// Mode asked for.
    pub mode: Option<Mode>,
    /// The run to go on with.
    pub resume: Option<&'a str>,
    /// The plan was approved; none where the run names none.
    pub approved: Option<bool>,
    /// The shard of the plan that is scanned; a run that goes on knows its own.
    pub shard: Option<Shard>,
}

/// A run's end.
pub struct Ran {
    /// Its reference.
    pub reference: String,
    /// The results document.
    pub results: Results,
    /// What was seen; none where there was nothing to scan.
    pub outcome: Option<ScanOutcome>,
}

/// How the run itself went, for the controls.
fn run_facts(options: RunOptions<'_>, outcome: &ScanOutcome) -> RunFacts {
    RunFacts {
        approved: options.approved,
        complete: !outcome.interrupted && outcome.coverage.done >= outcome.coverage.planned,
        refused: outcome.counters.refused,
    }
}

/// What is needed before the first packet.
struct Ready {
    past: Past,
    held: Option<Held>,
    shard: Option<Shard>,
}

impl Ready {
    fn get(
        prepared: &Prepared<'_>,
        plan: &Plan,
        options: RunOptions<'_>,
        (store, folder, reference): (&mut Store, &RunFolder, &str),
        env: &Env,
    ) -> Result<Self> {
        let resumed = options.resume.is_some();
        let past = Past::read(store, plan, reference, resumed)?;
        let control = |source| RunError::File { action: "write", path: "the run's control file".into(), source };
        let shard = if resumed { folder.shard().map_err(RunError::Usage)? } else { options.shard };
        let began = if resumed { Some(Request::Resume) } else { shard.map(Request::Shard) };
        began.map(|request| folder.request(request)).transpose().map_err(control)?;
        Ok(Self { past, held: leases::confirm(prepared, plan, env)?, shard })
    }
}

/// A run that did not get to its first packet: a new one has failed, an old one stands where it stood.
fn give_up(error: RunError, options: RunOptions<'_>, store: &mut Store, reference: &str, env: &Env) -> RunError {
    let state = if options.resume.is_some() { RunState::Interrupted } else { RunState::Failed };
    // Where the store cannot be written, whoever opens it next finds that the process is gone.
    let _ = store.transition(reference, state, env.clock.now(), &error.to_string());
    error
}

/// Stores, scans and stores again. Whatever happens on the way, what is known is kept. `show` is called with the
/// results while they are being stored.
pub fn run(
    prepared: &Prepared<'_>,
    plan: &Plan,
    options: RunOptions<'_>,
    store: &mut Store,
    env: &Env,
    show: &mut dyn FnMut(&Results) -> Result<()>,
) -> Result<Ran> {
    let launched = env.clock.now();
    let checks = CheckSet::load(prepared.workspace, env)?;
    checks.sound()?;
    store.save_snapshot(&prepared.loaded.snapshot, &plan.connector)?;
    let reference = match options.resume {
        Some(reference) => {
            store.transition(reference, RunState::Running, launched, "resumed")?;
            reference.to_owned()
        }
        None => store.begin_run(&plan.scan, &plan.hash, &plan.snapshot, launched, env.seed)?,
    };
    let facts = DocumentFacts {
        job: prepared.job,
        workspace: &prepared.workspace.program.workspace,
        reference: &reference,
        launched,
    };
    if plan.launch != Launch::Ready {
        return not_launched(&facts, plan, store, env, show);
    }
    let folder = store.run_folder(&reference);
    let Ready { mut past, held, shard } =
        match Ready::get(prepared, plan, options, (&mut *store, &folder, &reference), env) {
            Ok(ready) => ready,
            Err(error) => return Err(give_up(error, options, store, &reference, env)),
        };
    // Targets without a lease never reach the scan.
    let without = held.as_ref().map(|h| h.leases.ended(env.clock.now())).unwrap_or_default();
    let mut left_out = past.finished.clone();
    left_out.extend(without.iter().map(|e| e.target));
    let leases = || held.as_ref().map(|h| Arc::clone(&h.leases));
    let elsewhere = shard.map(|s| s.elsewhere(plan)).unwrap_or_default();
    let exclusions = LiveExclusions::default();
    let watch = Watch::new(&folder, &env.stop, &exclusions);
    let input = ScanInput {
        plan,
        mode: options.mode,
        clock: env.clock.as_ref(),
        seed: env.seed,
        limits: &env.limits,
        progress: env.progress.as_ref(),
        stop: &env.stop,
        finished: &left_out,
        elsewhere: &elsewhere,
        exclusions: &exclusions,
        keep: Some(&folder),
        leases: leases(),
    };
    let asks = checks.asks(&plan.profile);
    let wanted = Curiosity::of(&plan.profile, &checks);
    // Pointers are asked for of the servers that the workspace names, never of others.
    let resolver = prepared.resolver(env).filter(|r| !r.servers.is_empty());
    // Hosts that an earlier part of this run has finished are not talked to again.
    let earlier = std::mem::take(&mut past.evidence);
    let work = || {
        let (mut outcome, study) = scan_and_study(&input, wanted.study)?;
        outcome.notes.extend(shard.map(|s| {
            format!("shard {s}: {} of {} targets are scanned by others", elsewhere.len(), plan.targets.len())
        }));
        let stage = Stage { input: &input, wanted, asks: &asks, earlier: &earlier, resolver: resolver.as_ref(), env };
        let talked = stage.run(&mut outcome, study);
        Ok::<_, ScanError>((outcome, talked))
    };
    let seen = beside(|| watch.run(), || watch.end(), || leases::keeping(held.as_ref(), env, work));
    let (mut outcome, (mut talked, learned)) = match seen {
        Ok(seen) => seen,
        Err(error) => return Err(give_up(error.into(), options, store, &reference, env)),
    };
    let (asked, fault) = watch.asked();
    outcome.errors.extend(folder.settle());
    outcome.errors.extend(fault.iter().cloned());
    outcome.errors.extend(past.without.take());
    let lineage = past.count(&mut outcome);
    let beside = Beside { aside: &learned, leases: held.as_ref().map(|h| &*h.leases) };
    let snapshot = &prepared.loaded.snapshot;
    // Nothing changes the outcome any more where no lease can end.
    let aside = held.is_none() && outcome.hosts.len() >= HOSTS_FOR_A_THREAD;
    let mut early = None;
    let of_scan = std::mem::take(&mut talked.hosts);
    talked.hosts = std::thread::scope(|scope| {
        let forming = aside.then(|| scope.spawn(|| compile::results(&facts, plan, Some(&outcome))));
        let whole = evidence::whole(of_scan, plan, &outcome, snapshot, &beside);
        early = forming.map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        whole
    });
    let known: HashSet<IpAddr> = earlier.iter().map(|e| e.addr).collect();
    talked.hosts.retain(|h| !known.contains(&h.addr));
    if let Some(held) = &held {
        let ended = held.leases.ended(outcome.finished);
        release(&mut outcome, &ended, plan.probes.tcp.len() + plan.probes.udp.len());
        let of = |target: u32| plan.targets.get(target as usize).map(|t| t.addr());
        let lost: HashSet<IpAddr> = ended.iter().filter_map(|e| of(e.target)).collect();
        talked.hosts.iter_mut().filter(|h| lost.contains(&h.addr)).for_each(|h| h.unattributed = true);
    }
    let last = past.last.take();
    prepared.look_up(plan, &mut talked.hosts, last.as_deref().unwrap_or_default(), env);
    talked.hosts.extend(earlier);
    let compiled = || {
        let mut results = early.unwrap_or_else(|| compile::results(&facts, plan, Some(&outcome)));
        services::fill(&mut results, &talked.hosts);
        past.complete(&mut results, &outcome, plan);
        let run = JudgeRun {
            workspace: prepared.workspace,
            scan: &plan.scan,
            module: plan.module,
            connector: &plan.connector,
            profile: &plan.profile,
            snapshot,
            tags: &prepared.loaded.tags,
            gaps: &plan.gaps,
            hosts: &talked.hosts,
            before: last.as_deref(),
            run: run_facts(options, &outcome),
            now: env.clock.now(),
        };
        let judged = judge::judge(&run, &checks, past.before, env);
        judged.write_into(&mut results, prepared.workspace);
        stored::document(&mut results).map(|document| (results, judged, document))
    };
    let mut save = || store.save_evidence(&reference, &talked.hosts);
    let (saved, compiled) = if talked.hosts.len() >= HOSTS_FOR_A_THREAD {
        std::thread::scope(|scope| {
            let saving = scope.spawn(save);
            let compiled = compiled();
            (saving.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), compiled)
        })
    } else {
        (save(), compiled())
    };
    let (mut results, judged, mut document) = compiled?;
    let looks = (wanted.pointers && resolver.is_some()) || (outcome.mode == Mode::Raw && !wanted.study.nothing());
    let mut done = parts::finished(plan, &outcome, &talked, looks);
    if let Err(error) = saved {
        outcome.errors.push(format!("what was seen is not kept for later judgement: {error}"));
        results.errors.clone_from(&outcome.errors);
        results.summary.status = compile::status(plan, Some(&outcome)).into();
        document = stored::document(&mut results)?;
        done.clear();
    }
    let (state, why) = match asked {
        _ if !outcome.interrupted => (RunState::Finished, "done"),
        _ if fault.is_some() => (RunState::Interrupted, "what others ask of it cannot be read"),
        Some(Request::Pause) => (RunState::Paused, "paused by the user"),
        Some(Request::Cancel) => (RunState::Cancelled, "cancelled by the user"),
        _ => (RunState::Interrupted, "stopped by the user"),
    };
    let (at, ledgers) = (env.clock.now(), [(lineage, &outcome.ledger), (0, &outcome.beside)]);
    let judged = Some(judged.end(&plan.scan));
    let end = RunEnd { document: &document, ledgers: &ledgers, finished_targets: &done, judged, why };
    let mut keep = || store.finish_run(&reference, state, at, &end);
    // What cannot be stored is shown all the same.
    let (kept, shown) = if results.hosts.len() < HOSTS_FOR_A_THREAD {
        (keep(), show(&results))
    } else {
        std::thread::scope(|scope| {
            let keeping = scope.spawn(keep);
            let shown = show(&results);
            (keeping.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), shown)
        })
    };
    kept?;
    shown?;
    if !state.resumable() {
        folder.clear();
    }
    Ok(Ran { reference, results, outcome: Some(outcome) })
}

/// Evidence of so many hosts is stored by a thread of its own while they are judged, and results while they are shown.
const HOSTS_FOR_A_THREAD: usize = 2_000;

/// Nothing to scan: two records, the run's history and the activity log. Guide rules E10, E11.
fn not_launched(
    facts: &DocumentFacts<'_>,
    plan: &Plan,
    store: &mut Store,
    env: &Env,
    show: &mut dyn FnMut(&Results) -> Result<()>,
) -> Result<Ran> {
    let mut results = compile::results(facts, plan, None);
    let document = stored::document(&mut results)?;
    let (state, why) = match plan.launch {
        Launch::NotLaunched => (RunState::NotLaunched, "no scan targets are resolved; the scan was not launched"),
        Launch::Ready | Launch::Failed => (RunState::Failed, "no scan targets are resolved; the scan was terminated"),
    };
    let end = RunEnd { document: &document, ledgers: &[], finished_targets: &[], judged: None, why };
    let now = env.clock.now();
    store.finish_run(facts.reference, state, now, &end)?;
    store.log(now, "error", &format!("{} {}: {why}", facts.reference, plan.scan))?;
    show(&results)?;
    Ok(Ran { reference: facts.reference.to_owned(), results, outcome: None })
}
