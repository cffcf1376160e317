//! The REPL: queries answered as tables, commands, job items, script lines; completion, highlighting, history. A thin
//! face over `run` and the language.

mod edit;
pub mod table;

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;

use jiff::Timestamp;

use self::table::Look;
use crate::base::diagnostic::Diagnostic;
use crate::base::source::SourceMap;
use crate::inventory::catalogue::{self, ids};
use crate::lang::query::check::Dialect;
use crate::lang::query::facts;
use crate::lang::query::predicate::Moment;
use crate::report::plan_text;
use crate::run::ask;
use crate::run::env::Env;
use crate::run::error::{Result, RunError};
use crate::run::inventory::{self, Loaded};
use crate::run::pipeline::{self, Prepared, RunOptions};
use crate::run::workspace::Workspace;
use crate::store::Store;

/// What a REPL starts from.
pub struct Start<'a> {
    /// The workspace.
    pub workspace: Workspace,
    /// Its inventory.
    pub loaded: Loaded,
    /// The moment that `now` means.
    pub now: Timestamp,
    /// The world.
    pub env: Env,
    /// The state folder, for `:run`.
    pub state: PathBuf,
    /// How tables are drawn.
    pub look: Look,
    /// Whether colours are on.
    pub color: bool,
    /// Draws a diagnostic.
    pub draw: &'a dyn Fn(&Diagnostic, &SourceMap),
    /// Writes text.
    pub write: &'a dyn Fn(&str),
}

const HELP: &str = "\
A line is a query, and its answer is a table:   provider: AWS and aws.ec2.instanceState: RUNNING
A line that opens a block is a job item:        tag \"x\" { query = provider: GCP }
  :plan SCAN            what a scan would do
  :why SCAN ASSET       where an asset leaves it
  :run SCAN             plan and scan now
  :tokens [PART]        query tokens
  :values TOKEN         the values a token has here
  :count TOKEN QUERY    count matches by a token's values
  :explain ASSET QUERY  why an asset matches or not; :explain CODE explains a diagnostic
  :rhai EXPRESSION      a script expression; `asset(\"id\")` gives an asset
  :load FILE..          another inventory
  :help  :quit
";

/// A running REPL.
pub struct Repl<'a> {
    start: Start<'a>,
    /// Job items typed so far.
    items: Vec<String>,
}

impl<'a> Repl<'a> {
    /// A REPL that has not read a line.
    pub fn new(start: Start<'a>) -> Self {
        Self { start, items: Vec::new() }
    }

    fn say(&self, text: &str) {
        (self.start.write)(text);
    }

    /// Reads lines until the end: from a terminal with editing, from a pipe as they come.
    pub fn run(&mut self) -> Result<()> {
        if std::io::stdin().is_terminal() {
            return self.edit();
        }
        let mut pending = String::new();
        for line in std::io::stdin().lock().lines() {
            let line = line.map_err(|source| RunError::File { action: "read", path: "-".into(), source })?;
            pending.push_str(&line);
            if edit::is_complete(&pending) {
                let done = self.line(pending.trim());
                pending.clear();
                if done {
                    return Ok(());
                }
            } else {
                pending.push('\n');
            }
        }
        if !pending.trim().is_empty() {
            self.line(pending.trim());
        }
        Ok(())
    }

    fn edit(&mut self) -> Result<()> {
        let names = edit::Names {
            tags: self.start.workspace.program.tags.iter().map(|t| t.name.value.clone()).collect(),
            scans: self.start.workspace.program.scans.iter().map(|s| s.name.value.clone()).collect(),
        };
        let mut editor = edit::editor(names, self.start.color);
        let assets = self.start.loaded.snapshot.len();
        self.say(&format!("{assets} assets; type a query, or :help\n"));
        loop {
            match edit::read(&mut editor) {
                Ok(Some(line)) => {
                    if self.line(line.trim()) {
                        return Ok(());
                    }
                }
                Ok(None) => return Ok(()),
                Err(source) => return Err(RunError::File { action: "read", path: "the terminal".into(), source }),
            }
        }
    }

    /// Answers one line; true where it ends the REPL.
    fn line(&mut self, line: &str) -> bool {
        if line.len() > self.start.env.limits.line_bytes {
            self.say("error: the line is too long\n");
            return false;
        }
        let answered = match line.strip_prefix(':') {
            _ if line.is_empty() => Ok(()),
            Some("quit" | "q" | "exit") => return true,
            Some(command) => self.command(command),
            None if edit::opens_item(line) => self.item(line),
            None => self.query(line),
        };
        if let Err(error) = answered {
            self.say(&format!("error: {error}\n"));
        }
        false
    }

    fn query(&self, text: &str) -> Result<()> {
        let Some(predicate) = self.ask(text) else { return Ok(()) };
        let moment = Moment { now: self.start.now, tags: Some(&self.start.loaded.tags) };
        let found = ask::membership(&self.start.loaded, Some(&predicate), &moment);
        let answer = ask::answer(&self.start.loaded, &found, Some(&predicate), &[ids::NAME], &moment);
        let rows: Vec<Vec<String>> = answer
            .matched
            .iter()
            .map(|r| vec![r.id.clone(), r.provider.into(), r.columns.concat().join(", ")])
            .collect();
        if !rows.is_empty() {
            self.say(&table::draw(&["id", "provider", "name"], &rows, self.start.look));
        }
        for unsure in &answer.cannot_tell {
            let gaps: Vec<String> = unsure.gaps.iter().map(|g| format!("{} {}", g.partition, g.cause)).collect();
            self.say(&format!("cannot tell: {}: {}\n", unsure.id, gaps.join("; ")));
        }
        self.say(&format!(
            "{} of {} assets; {} cannot be told\n",
            answer.matched.len(),
            answer.assets,
            answer.cannot_tell.len()
        ));
        Ok(())
    }

    fn ask(&self, text: &str) -> Option<crate::lang::query::predicate::Predicate> {
        let asked = ask::ask(text, &self.start.workspace, &self.start.env, Dialect::Default);
        asked.diagnostics.iter().for_each(|d| (self.start.draw)(d, &asked.sources));
        asked.predicate
    }

    /// A job item joins the program, if it checks together with everything before it.
    fn item(&mut self, text: &str) -> Result<()> {
        self.items.push(text.to_owned());
        let workspace = self.start.workspace.with_items(&self.items, &self.start.env.limits)?;
        if workspace.is_sound() {
            self.start.loaded.retag(&workspace, self.start.now);
            self.start.workspace = workspace;
            self.say("ok\n");
        } else {
            self.items.pop();
            workspace.diagnostics.iter().for_each(|d| (self.start.draw)(d, &workspace.sources));
        }
        Ok(())
    }

    fn command(&mut self, command: &str) -> Result<()> {
        let (word, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        let words = edit::words(rest);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match (word, words.as_slice()) {
            ("help" | "h", _) => self.say(HELP),
            ("tokens", part) => self.tokens(part.first().copied().unwrap_or("")),
            ("values", [token]) => self.count(token, None)?,
            ("count", [token, ..]) => {
                let query = rest.trim_start().strip_prefix(token).unwrap_or("").trim().to_owned();
                self.count(token, Some(&query).filter(|q| !q.is_empty()).map(String::as_str))?;
            }
            ("explain", [code]) => match crate::base::codes::find(code) {
                Some(doc) => self.say(&format!("{}: {}\n{}\n", doc.code, doc.title, doc.explanation)),
                None => self.say("write :explain CODE, or :explain ASSET QUERY\n"),
            },
            ("explain", [asset, ..]) => {
                let query = edit::after_first(rest);
                self.explain(asset, query)?;
            }
            ("plan", [scan]) => {
                let plan = self.prepare(scan, |p, env| Ok(plan_text::review(&p.plan(env)?, p.job)))?;
                self.say(&plan);
            }
            ("why", [scan, asset]) => {
                let text = self.prepare(scan, |p, env| {
                    let mut env = env.clone();
                    env.resolve_names = false;
                    let plan = p.plan(&env)?;
                    let row = p.loaded.find(asset)?;
                    Ok(p.why(&plan, row, &env).map(|w| w.render(scan)).unwrap_or_default())
                })?;
                self.say(&text);
            }
            ("run", [scan]) => {
                let state = self.start.state.clone();
                let text = self.prepare(scan, |p, env| {
                    let plan = p.plan(env)?;
                    let mut store = Store::open(&state)?;
                    let ran = pipeline::run(p, &plan, RunOptions::default(), &mut store, env, &mut |_| Ok(()))?;
                    Ok(crate::report::results_text::view(&ran.results))
                })?;
                self.say(&text);
            }
            ("rhai", [_, ..]) => {
                let loaded = &self.start.loaded;
                let answer = crate::script::console::evaluate(
                    rest,
                    std::sync::Arc::clone(&loaded.snapshot),
                    std::sync::Arc::clone(&loaded.tags),
                    self.start.now,
                    &self.start.env.limits,
                    std::sync::Arc::clone(&self.start.env.clock),
                );
                match answer {
                    Ok(text) => self.say(&format!("{text}\n")),
                    Err(why) => self.say(&format!("error: {why}\n")),
                }
            }
            ("load", [_, ..]) => {
                let paths: Vec<PathBuf> = words.iter().map(PathBuf::from).collect();
                self.start.loaded =
                    inventory::from_files(&self.start.workspace, &paths, self.start.now, &self.start.env)?;
                for notice in &self.start.loaded.notices {
                    self.say(&format!("{notice}\n"));
                }
                self.say(&format!("{} assets\n", self.start.loaded.snapshot.len()));
            }
            _ => self.say(&format!("`:{command}` is no command; :help shows them\n")),
        }
        Ok(())
    }

    fn tokens(&self, part: &str) {
        let part = part.trim_end_matches('*').to_lowercase();
        let rows: Vec<Vec<String>> = catalogue::tokens()
            .iter()
            .filter(|t| t.name.to_lowercase().contains(&part))
            .map(|t| vec![t.name.into(), ask::type_word(t.ty).into(), t.doc.into()])
            .collect();
        self.say(&table::draw(&["token", "type", "meaning"], &rows, self.start.look));
    }

    fn count(&self, token: &str, query: Option<&str>) -> Result<()> {
        let id = ask::token(token)?;
        let moment = Moment { now: self.start.now, tags: Some(&self.start.loaded.tags) };
        let predicate = match query {
            Some(query) => match self.ask(query) {
                Some(predicate) => Some(predicate),
                None => return Ok(()),
            },
            None => None,
        };
        let found = ask::membership(&self.start.loaded, predicate.as_ref(), &moment);
        let counted = facts::count_by(&self.start.loaded.snapshot, &found.matched, id, &moment);
        let rows: Vec<Vec<String>> = counted.into_iter().map(|(v, n)| vec![v, n.to_string()]).collect();
        self.say(&table::draw(&[catalogue::token(id).name, "assets"], &rows, self.start.look));
        Ok(())
    }

    fn explain(&self, asset: &str, query: &str) -> Result<()> {
        let row = self.start.loaded.find(asset)?;
        let Some(predicate) = self.ask(query) else { return Ok(()) };
        let moment = Moment { now: self.start.now, tags: Some(&self.start.loaded.tags) };
        self.say(&predicate.explain(&self.start.loaded.snapshot, row, &moment).render());
        let change = predicate.smallest_change(&self.start.loaded.snapshot, row, &moment);
        if !change.is_empty() {
            self.say(&format!("it would match if {}\n", change.join(" and ")));
        }
        Ok(())
    }

    /// A scan over its connector's inventory.
    fn prepare<T>(&self, scan: &str, act: impl FnOnce(&Prepared<'_>, &Env) -> Result<T>) -> Result<T> {
        let job = self.start.workspace.scan(Some(scan))?;
        let hook = match pipeline::script(&self.start.workspace, job, &self.start.env)?.transpose() {
            Ok(hook) => hook,
            Err(fault) => {
                fault.diagnostics.iter().for_each(|d| (self.start.draw)(d, &fault.sources));
                return Err(RunError::Usage("the scan's script cannot be used".into()));
            }
        };
        let prepared = Prepared::new(&self.start.workspace, job, hook, self.start.now, &self.start.env)?;
        act(&prepared, &self.start.env)
    }
}
