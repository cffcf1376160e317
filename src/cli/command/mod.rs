//! One file a command.

pub mod check;
pub mod demo;
pub mod diff;
pub mod findings;
pub mod fmt;
pub mod judge;
pub mod plan;
pub mod query;
pub mod reference;
pub mod repl;
pub mod report;
pub mod run;
pub mod scans;
pub mod sync;
pub mod test;
pub mod why;

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use super::args::{Global, InventoryArgs, MomentArgs};
use super::output::Output;
use super::progress::Bars;
use crate::base::clock::SystemClock;
use crate::base::limits::Limits;
use crate::base::progress::{Progress, Silent, Stop};
use crate::connector::notice::Notice;
use crate::run::env::Env;
use crate::run::error::{Result, RunError};
use crate::run::inventory::{self, Loaded};
use crate::run::pipeline::{self, Prepared};
use crate::run::workspace::Workspace;

/// What every command starts from.
pub struct Session {
    /// Options every command takes.
    pub global: Global,
    /// Where text goes.
    pub output: Output,
}

impl Session {
    /// A session of this process.
    pub fn new(global: Global, output: Output) -> Self {
        Self { global, output }
    }

    /// The world as it is, with a random seed unless one is given.
    pub fn env(&self, seed: Option<u64>) -> Env {
        let progress: Arc<dyn Progress> =
            if self.output.shows_progress() { Arc::new(Bars::default()) } else { Arc::new(Silent) };
        Env {
            clock: Arc::new(SystemClock::default()),
            limits: Limits::default(),
            progress,
            stop: Arc::new(Stop::default()),
            seed: seed.unwrap_or_else(crate::run::env::random_seed),
            resolve_names: true,
            state: self.state_folder(),
            live: Arc::new(crate::connector::live::open::open),
        }
    }

    /// The state folder.
    pub fn state_folder(&self) -> PathBuf {
        self.global.state.clone().unwrap_or_else(|| self.global.dir.join(".palisade"))
    }

    /// The workspace with its diagnostics shown; an error where it has errors.
    pub fn sound_workspace(&self, env: &Env) -> Result<Workspace> {
        let workspace = Workspace::load(&self.global.dir, &env.limits)?;
        self.output.diagnostics(&workspace.diagnostics, &workspace.sources);
        if workspace.is_sound() {
            return Ok(workspace);
        }
        let errors = workspace.diagnostics.iter().filter(|d| d.is_error()).count();
        Err(RunError::Usage(format!("{errors} error{} in the job files; nothing was done", plural(errors))))
    }

    /// The workspace of an ad-hoc command. One that names its own inventory needs no job files: broken ones are said in
    /// a line and left out.
    pub fn workspace_for(&self, source: &InventoryArgs, env: &Env) -> Result<Workspace> {
        if source.inventory.is_empty() {
            return self.sound_workspace(env);
        }
        let workspace = Workspace::load(&self.global.dir, &env.limits)?;
        if workspace.is_sound() {
            return Ok(workspace);
        }
        self.output
            .warn("the job files of this folder have errors (see `palisade check`); their tags and names are not used");
        Workspace::load_files(&self.global.dir, &[], &env.limits)
    }

    /// The inventory that the options name.
    pub fn inventory(&self, source: &InventoryArgs, workspace: &Workspace, env: &Env) -> Result<(Loaded, Timestamp)> {
        let about =
            MomentArgs { now: source.now.clone(), as_of: source.as_of.clone(), known_at: source.known_at.clone() };
        let (now, past) = moments(&about, env)?;
        let loaded = if let Some(past) = past {
            inventory::as_of(workspace, &source.connector, past, now, env)?
        } else if source.inventory.is_empty() {
            inventory::from_connectors(workspace, &source.connector, None, now, env)?
        } else {
            inventory::from_files(workspace, &source.inventory, now, env)?
        };
        self.notices(&loaded);
        Ok((loaded, now))
    }

    /// A scan with its inventory and its script, ready to be planned.
    pub fn prepare<'w>(
        &self,
        workspace: &'w Workspace,
        scan: Option<&str>,
        now: Timestamp,
        env: &Env,
    ) -> Result<Prepared<'w>> {
        self.prepare_at(workspace, scan, (now, None), env)
    }

    /// The same, with the inventory of a moment in the past.
    pub fn prepare_at<'w>(
        &self,
        workspace: &'w Workspace,
        scan: Option<&str>,
        (now, past): (Timestamp, Option<Past>),
        env: &Env,
    ) -> Result<Prepared<'w>> {
        let job = workspace.scan(scan)?;
        let hook = match pipeline::script(workspace, job, env)?.transpose() {
            Ok(hook) => hook,
            Err(fault) => {
                self.output.diagnostics(&fault.diagnostics, &fault.sources);
                return Err(RunError::Usage("the scan's script cannot be used; nothing was done".into()));
            }
        };
        let prepared = match past {
            None => Prepared::new(workspace, job, hook, now, env)?,
            Some(past) => {
                let loaded = inventory::as_of(workspace, std::slice::from_ref(&job.connector.value), past, now, env)?;
                Prepared::with_inventory(workspace, job, hook, loaded, now)
            }
        };
        self.notices(&prepared.loaded);
        Ok(prepared)
    }

    /// What was wrong with inventory records: the first few, and a count.
    pub fn notices(&self, loaded: &Loaded) {
        self.notices_of(&loaded.notices);
    }

    /// The same for any list.
    pub fn notices_of(&self, notices: &[Notice]) {
        let shown = if self.output.verbose > 0 { usize::MAX } else { 5 };
        for notice in notices.iter().take(shown) {
            self.output.warn(&notice.to_string());
        }
        if let Some(more) = notices.len().checked_sub(shown).filter(|n| *n > 0) {
            self.output.warn(&format!("{more} more of this kind; -v shows all"));
        }
    }
}

/// A moment that an inventory was true at, and one up to which it was learned.
pub type Past = (Timestamp, Option<Timestamp>);

/// What `now` means, and which moment of the past the inventory is of, where it is.
pub fn moments(about: &MomentArgs, env: &Env) -> Result<(Timestamp, Option<Past>)> {
    let at = |text: Option<&str>| text.map(|t| moment(Some(t), env)).transpose();
    let (as_of, known_at) = (at(about.as_of.as_deref())?, at(about.known_at.as_deref())?);
    let now = match (about.now.as_deref(), as_of) {
        (None, Some(then)) => then,
        (now, _) => moment(now, env)?,
    };
    Ok((now, as_of.map(|then| (then, known_at))))
}

/// `--now`: an instant (`2026-01-01T00:00:00Z`) or a UTC day (`2026-01-01`); without it the clock.
pub fn moment(text: Option<&str>, env: &Env) -> Result<Timestamp> {
    let Some(text) = text else { return Ok(env.clock.now()) };
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    text.parse::<jiff::civil::Date>()
        .ok()
        .and_then(|day| day.to_datetime(jiff::civil::Time::midnight()).to_zoned_datetime(jiff::tz::TimeZone::UTC).ok())
        .map(|at| at.timestamp())
        .ok_or_else(|| RunError::Usage(format!("`{text}` is not a time; write 2026-01-31 or 2026-01-31T12:00:00Z")))
}

/// `s` unless there is one.
pub fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}
