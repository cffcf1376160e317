//! `palisade run`, and the part of it that `scans resume` and `demo` share.

use std::fs;
use std::mem::ManuallyDrop;
use std::path::PathBuf;

use super::Session;
use super::plan::exit_of;
use crate::cli::args::{Format, ModeArg, RunArgs};
use crate::cli::exit::Exit;
use crate::cli::fail_on::{FailOn, violated};
use crate::cli::stop_on_ctrl_c;
use crate::plan::plan::Launch;
use crate::plan::shard::Shard;
use crate::report::model::Results;
use crate::report::plan_document::{PlanDocument, moved};
use crate::report::{plan_text, results_text};
use crate::run::error::{Result, RunError};
use crate::run::pipeline::{self, RunOptions};
use crate::scan::observation::Mode;
use crate::store::{Store, atomic};

/// How a scan is run from the command line.
#[derive(Debug, Clone)]
pub struct Options {
    /// Mode.
    pub mode: ModeArg,
    /// An approved plan.
    pub plan: Option<PathBuf>,
    /// Folder for output files.
    pub out: Option<PathBuf>,
    /// No name resolution.
    pub offline: bool,
    /// Seed.
    pub seed: Option<u64>,
    /// Show the plan before the results.
    pub show_plan: bool,
    /// Go on with this run.
    pub resume: Option<String>,
    /// The shard of the plan.
    pub shard: Option<Shard>,
    /// What ends with exit code 1.
    pub fail_on: Vec<FailOn>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: ModeArg::Auto,
            plan: None,
            out: None,
            offline: false,
            seed: None,
            show_plan: false,
            resume: None,
            shard: None,
            fail_on: vec![FailOn::Policy],
        }
    }
}

/// Plans and scans now.
pub fn run(session: &Session, args: &RunArgs) -> Result<Exit> {
    let options = Options {
        mode: args.mode,
        plan: args.plan.clone(),
        out: args.out.clone(),
        offline: args.offline,
        seed: args.seed,
        shard: args.shard,
        fail_on: args.fail_on.clone(),
        ..Options::default()
    };
    run_scan(session, args.scan.as_deref(), &options)
}

/// The whole chain for one scan.
pub fn run_scan(session: &Session, scan: Option<&str>, options: &Options) -> Result<Exit> {
    let mut env = session.env(options.seed);
    env.resolve_names = !options.offline;
    stop_on_ctrl_c(&env.stop)?;
    let workspace = session.sound_workspace(&env)?;
    let now = env.clock.now();
    let prepared = session.prepare(&workspace, scan, now, &env)?;
    let mut store = Store::open(&session.state_folder())?;
    store.save_ahead(&prepared.loaded.snapshot);
    let plan = prepared.plan(&env)?;
    if let Some(path) = &options.plan {
        let text =
            fs::read_to_string(path).map_err(|source| RunError::File { action: "read", path: path.clone(), source })?;
        let approved: PlanDocument = serde_json::from_str(&text)
            .map_err(|e| RunError::Usage(format!("`{}` is not a plan: {e}", path.display())))?;
        let moved = moved(&approved, &PlanDocument::from(&plan));
        if !moved.is_empty() {
            return Err(RunError::PlanMoved(moved));
        }
    }
    let text_mode = session.output.format == Format::Text;
    if options.show_plan && text_mode {
        session.output.heading("Plan");
        session.output.data(&plan_text::review(&plan, prepared.job));
        session.output.data("\n");
    }
    let mode = match options.mode {
        ModeArg::Auto => None,
        ModeArg::Raw => Some(Mode::Raw),
        ModeArg::Connect => Some(Mode::Connect),
    };
    let how = RunOptions {
        mode,
        resume: options.resume.as_deref(),
        approved: options.plan.as_ref().map(|_| true),
        shard: options.shard,
    };
    // The process ends after this: giving many hosts back to the allocator one by one is for nothing.
    let plan = ManuallyDrop::new(plan);
    let mut show = |results: &Results| {
        if let Some(folder) = &options.out {
            write_files(folder, results, &PlanDocument::from(&*plan))?;
        }
        match session.output.format {
            Format::Text => {
                if options.show_plan {
                    session.output.heading("Results");
                }
                session.output.data(&results_text::view(results));
            }
            Format::Json => session.output.json(results),
            Format::Jsonl => results.hosts.iter().for_each(|h| session.output.json_line(h)),
        }
        Ok(())
    };
    let ran = ManuallyDrop::new(pipeline::run(&prepared, &plan, how, &mut store, &env, &mut show)?);
    store.leave();
    // What is violated is certain, whatever else was not read or not reached.
    if let (Some(_), Some(why)) = (&ran.outcome, violated(&options.fail_on, &ran.results)) {
        session.output.error(&why);
        return Ok(Exit::Violations);
    }
    Ok(match &ran.outcome {
        None => {
            let what = if plan.launch == Launch::Failed { "failed" } else { "was not launched" };
            session.output.error(&format!("the scan {what}: it has no targets; `palisade plan` says why"));
            Exit::NotLaunched
        }
        Some(outcome) if outcome.interrupted => {
            session.output.warn(&format!("interrupted; go on with: palisade scans resume {}", ran.reference));
            Exit::Incomplete
        }
        Some(outcome) if !outcome.errors.is_empty() => Exit::Incomplete,
        Some(outcome) if outcome.gaps() > 0 => {
            let told = "targets were not scanned, or not wholly; the results say why";
            session.output.warn(&format!("{} {told}", outcome.gaps()));
            Exit::Incomplete
        }
        // The recall line of the notes says what was reached instead.
        Some(outcome) if outcome.recall.as_ref().is_some_and(|r| !r.reached()) => Exit::Incomplete,
        Some(_) => exit_of(&plan),
    })
}

fn write_files(folder: &PathBuf, results: &Results, plan: &PlanDocument) -> Result<()> {
    let failed = |path: &PathBuf| {
        let path = path.clone();
        move |source| RunError::File { action: "write", path, source }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let json = |value: std::result::Result<String, serde_json::Error>| {
        value.map_err(|e| RunError::Usage(format!("cannot write JSON: {e}")))
    };
    let files = [
        ("results.json", json(serde_json::to_string_pretty(results))?),
        ("results.txt", results_text::view(results)),
        ("plan.json", json(serde_json::to_string_pretty(plan))?),
    ];
    for (name, text) in files {
        let path = folder.join(name);
        atomic::write(&path, text.as_bytes()).map_err(failed(&path))?;
    }
    Ok(())
}
