//! The command line: what was typed becomes a configuration once, each command calls the pipeline, and the outcome
//! becomes an exit code. No logic of its own.

pub mod args;
mod command;
mod exit;
mod fail_on;
mod output;
mod progress;
mod render;

use std::sync::Arc;

use clap::Parser;
use clap::error::ErrorKind;

use self::args::{Cli, Command};
use self::command::Session;
use self::exit::Exit;
use self::output::Output;
use crate::run::error::RunError;

/// Runs the command line of this process and returns its exit code. interfaces.md, "Exit codes".
pub fn main() -> u8 {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // clap prints help and version on standard output, mistakes on standard error.
            let _ = error.print();
            let clean = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if clean { Exit::Clean.code() } else { Exit::Usage.code() };
        }
    };
    let output = Output::new(&cli.global);
    match dispatch(cli, output) {
        Ok(exit) => exit.code(),
        Err(error) => {
            output.error(&error.to_string());
            exit_of(&error).code()
        }
    }
}

fn dispatch(cli: Cli, output: Output) -> Result<Exit, RunError> {
    if cli.global.format.plain().is_none() && !matches!(cli.command, Command::Report(_)) {
        return Err(RunError::Usage(
            "this format is one of `palisade report`; other commands write text, json or jsonl".into(),
        ));
    }
    let session = Session::new(cli.global, output);
    match cli.command {
        Command::Check(args) => command::check::check(&session, &args),
        Command::Fmt(args) => command::fmt::fmt(&session, &args),
        Command::Query(args) => command::query::query(&session, &args),
        Command::Sync(args) => command::sync::sync(&session, &args),
        Command::Plan(args) => command::plan::plan(&session, &args),
        Command::Why(args) => command::why::why(&session, &args),
        Command::Run(args) => command::run::run(&session, &args),
        Command::Scans(args) => command::scans::scans(&session, &args),
        Command::Report(args) => command::report::report(&session, &args),
        Command::Judge(args) => command::judge::judge(&session, &args),
        Command::Findings(args) => command::findings::findings(&session, &args),
        Command::Diff(args) => command::diff::diff(&session, &args),
        Command::Test(args) => command::test::test(&session, &args),
        Command::Repl(args) => command::repl::repl(&session, &args),
        Command::Tokens(args) => command::reference::tokens(&session, &args),
        Command::Explain(args) => command::reference::explain(&session, &args),
        Command::Schema(args) => command::reference::schema(&session, &args),
        Command::Demo(args) => command::demo::demo(&session, &args),
        Command::Completions(args) => command::reference::completions(&session, &args),
        Command::Man => command::reference::man(&session),
    }
}

/// The exit code a failure stands for.
fn exit_of(error: &RunError) -> Exit {
    match error {
        RunError::Plan(error) => match error.outcome() {
            crate::plan::planner::Outcome::Incomplete => Exit::Incomplete,
            crate::plan::planner::Outcome::Usage => Exit::Usage,
            crate::plan::planner::Outcome::Bug => Exit::Bug,
        },
        RunError::Scan(_)
        | RunError::Talk(_)
        | RunError::File { .. }
        | RunError::Unknown { .. }
        | RunError::Usage(_)
        | RunError::PlanMoved(_)
        | RunError::Store(_)
        | RunError::Snapshot(_) => Exit::Usage,
    }
}

/// Raises the wish to stop at each Ctrl-C: once for a clean end, twice for an end at once.
fn stop_on_ctrl_c(stop: &Arc<crate::base::progress::Stop>) -> Result<(), RunError> {
    let stop = Arc::clone(stop);
    let (ready, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let _ = ready.send(runtime.is_ok());
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            while tokio::signal::ctrl_c().await.is_ok() {
                stop.raise();
            }
        });
    });
    match wait.recv() {
        Ok(true) => Ok(()),
        _ => Err(RunError::Usage("cannot watch for Ctrl-C on this machine".into())),
    }
}
