//! `palisade scans`

use std::time::Duration;

use serde::Serialize;

use super::Session;
use super::run::{Options, run_scan};
use crate::base::addr_set::AddrRange;
use crate::cli::args::{Format, ScansAction, ScansArgs};
use crate::cli::exit::Exit;
use crate::repl::table;
use crate::report::model::Results;
use crate::report::results_text;
use crate::run::error::{Result, RunError};
use crate::store::run_folder::Request;
use crate::store::{RunRecord, RunState, Store};

/// How often and how many times a running scan is looked at after it was asked to end: ten seconds in all.
const ASKED_EVERY: Duration = Duration::from_millis(50);
const ASKED_TIMES: u32 = 200;

#[derive(Serialize)]
struct ScanRecord<'a> {
    reference: &'a str,
    scan: &'a str,
    state: &'a str,
    started: &'a str,
    finished: Option<&'a str>,
    plan_hash: &'a str,
}

/// Lists, shows, fetches, pauses, resumes, cancels, excludes.
pub fn scans(session: &Session, args: &ScansArgs) -> Result<Exit> {
    let mut store = Store::open(&session.state_folder())?;
    let done = match &args.action {
        ScansAction::List => list(session, &mut store),
        ScansAction::Show { reference } => show(session, &mut store, reference),
        ScansAction::Fetch { reference } => fetch(session, &mut store, reference),
        ScansAction::Pause { reference } => pause(session, &mut store, reference),
        ScansAction::Cancel { reference } => cancel(session, &mut store, reference),
        ScansAction::Exclude { reference, addresses } => exclude(session, &mut store, reference, addresses),
        ScansAction::Resume { reference, mode } => {
            let run = store.run(reference)?;
            if !run.state.resumable() {
                return Err(RunError::Usage(format!(
                    "{} is {}; only an interrupted or paused scan can be resumed",
                    run.reference,
                    run.state.as_str()
                )));
            }
            drop(store);
            let options =
                Options { mode: *mode, seed: Some(run.seed), resume: Some(run.reference), ..Options::default() };
            return run_scan(session, Some(&run.scan), &options);
        }
    };
    store.close();
    done
}

/// Asks the process that runs a scan, and waits until it has done so.
fn ask(session: &Session, store: &mut Store, run: &RunRecord, request: Request) -> Result<Exit> {
    put(store, run, request)?;
    for _ in 0..ASKED_TIMES {
        std::thread::sleep(ASKED_EVERY);
        let now = store.run(&run.reference)?;
        if now.state != RunState::Running {
            session.output.note(&format!("{} is {}", now.reference, now.state.as_str()));
            return Ok(Exit::Clean);
        }
    }
    session.output.warn(&format!("{} was asked, and has not ended yet", run.reference));
    Ok(Exit::Incomplete)
}

fn put(store: &Store, run: &RunRecord, request: Request) -> Result<()> {
    store.run_folder(&run.reference).request(request).map_err(|source| RunError::File {
        action: "write",
        path: "the run's control file".into(),
        source,
    })
}

fn pause(session: &Session, store: &mut Store, reference: &str) -> Result<Exit> {
    let run = store.run(reference)?;
    if run.state != RunState::Running {
        let text = format!("{} is {}; only a running scan can be paused", run.reference, run.state.as_str());
        return Err(RunError::Usage(text));
    }
    ask(session, store, &run, Request::Pause)
}

fn cancel(session: &Session, store: &mut Store, reference: &str) -> Result<Exit> {
    let run = store.run(reference)?;
    if run.state == RunState::Running {
        return ask(session, store, &run, Request::Cancel);
    }
    let now = session.env(None).clock.now();
    store.transition(&run.reference, RunState::Cancelled, now, "cancelled by the user")?;
    store.run_folder(&run.reference).clear();
    session.output.note(&format!("{} is cancelled", run.reference));
    Ok(Exit::Clean)
}

fn exclude(session: &Session, store: &mut Store, reference: &str, addresses: &[String]) -> Result<Exit> {
    let run = store.run(reference)?;
    if run.state != RunState::Running && !run.state.resumable() {
        let text = format!("{} is {}; nothing is sent for it any more", run.reference, run.state.as_str());
        return Err(RunError::Usage(text));
    }
    let ranges: std::result::Result<Vec<AddrRange>, _> = addresses.iter().map(|a| a.parse::<AddrRange>()).collect();
    for range in ranges.map_err(|e| RunError::Usage(e.to_string()))? {
        put(store, &run, Request::Exclude(range))?;
        session.output.note(&format!("{}: nothing is sent to {range} any more", run.reference));
    }
    Ok(Exit::Clean)
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
