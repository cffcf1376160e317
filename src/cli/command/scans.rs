//! `palisade scans`

use serde::Serialize;

use super::Session;
use super::run::{Options, run_scan};
use crate::cli::args::{Format, ScansAction, ScansArgs};
use crate::cli::exit::Exit;
use crate::repl::table;
use crate::report::model::Results;
use crate::report::results_text;
use crate::run::error::{Result, RunError};
use crate::store::{RunState, Store};

#[derive(Serialize)]
struct ScanRecord<'a> {
    reference: &'a str,
    scan: &'a str,
    state: &'a str,
    started: &'a str,
    finished: Option<&'a str>,
    plan_hash: &'a str,
}

/// Lists, shows, fetches, resumes.
pub fn scans(session: &Session, args: &ScansArgs) -> Result<Exit> {
    let mut store = Store::open(&session.state_folder())?;
    match &args.action {
        ScansAction::List => list(session, &mut store),
        ScansAction::Show { reference } => show(session, &mut store, reference),
        ScansAction::Fetch { reference } => fetch(session, &mut store, reference),
        ScansAction::Resume { reference, mode } => {
            let run = store.run(reference)?;
            if run.state != RunState::Interrupted {
                return Err(RunError::Usage(format!(
                    "{} is {}; only an interrupted scan can be resumed",
                    run.reference,
                    run.state.as_str()
                )));
            }
            drop(store);
            let options =
                Options { mode: *mode, seed: Some(run.seed), resume: Some(run.reference), ..Options::default() };
            run_scan(session, Some(&run.scan), &options)
        }
    }
}

fn list(session: &Session, store: &mut Store) -> Result<Exit> {
    let runs = store.runs()?;
    let records: Vec<ScanRecord<'_>> = runs
        .iter()
        .map(|r| ScanRecord {
            reference: &r.reference,
            scan: &r.scan,
            state: r.state.as_str(),
            started: &r.started,
            finished: r.finished.as_deref(),
            plan_hash: &r.plan_hash,
        })
        .collect();
    match session.output.format {
        Format::Text if records.is_empty() => session.output.note("no scans yet"),
        Format::Text => {
            let rows: Vec<Vec<String>> = records
                .iter()
                .map(|r| vec![r.scan.into(), r.reference.into(), r.started.into(), r.state.into()])
                .collect();
            let headings = ["title", "reference", "date", "status"];
            session.output.data(&table::draw(&headings, &rows, session.output.look()));
        }
        Format::Json => session.output.json(&records),
        Format::Jsonl => records.iter().for_each(|r| session.output.json_line(r)),
    }
    Ok(Exit::Clean)
}

fn show(session: &Session, store: &mut Store, reference: &str) -> Result<Exit> {
    let run = store.run(reference)?;
    session.output.data(&format!("{}  {}  {}\n", run.reference, run.scan, run.state.as_str()));
    for (at, state, why) in store.history(&run.reference)? {
        session.output.data(&format!("  {at}  {state:<12} {why}\n"));
    }
    Ok(Exit::Clean)
}

fn fetch(session: &Session, store: &mut Store, reference: &str) -> Result<Exit> {
    let run = store.run(reference)?;
    let document = store
        .document(&run.reference)?
        .ok_or_else(|| RunError::Usage(format!("{} is {} and has no results", run.reference, run.state.as_str())))?;
    let results: Results = serde_json::from_str(&document)
        .map_err(|e| RunError::Usage(format!("the stored results of {} cannot be read: {e}", run.reference)))?;
    match session.output.format {
        Format::Text => session.output.data(&results_text::view(&results)),
        Format::Json => session.output.json(&results),
        Format::Jsonl => results.hosts.iter().for_each(|h| session.output.json_line(h)),
    }
    Ok(Exit::Clean)
}
