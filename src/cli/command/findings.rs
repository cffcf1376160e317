//! `palisade findings`

use serde::Serialize;

use super::{Session, plural};
use crate::cli::args::{FindingsArgs, Format};
use crate::cli::exit::Exit;
use crate::judge::check::Kind;
use crate::judge::finding::State;
use crate::lang::query::check::Dialect;
use crate::lang::query::predicate::{Moment, Truth};
use crate::repl::table;
use crate::run::ask;
use crate::run::error::{Result, RunError};
use crate::store::Store;
use crate::store::findings::StoredFinding;

#[derive(Serialize)]
struct FindingsRecord<'a> {
    schema: &'static str,
    findings: Vec<Record<'a>>,
}

#[derive(Serialize)]
struct Record<'a> {
    id: &'a str,
    scan: &'a str,
    check: &'a str,
    title: &'a str,
    kind: &'static str,
    severity: u8,
    asset: &'a str,
    name: Option<&'a str>,
    port: Option<u16>,
    protocol: Option<&'static str>,
    service: Option<&'a str>,
    key: Option<&'a str>,
    evidence: &'a str,
    state: &'static str,
    why: Option<&'a str>,
    first_seen: String,
    last_seen: String,
    first_run: &'a str,
    last_run: &'a str,
}

fn record(f: &StoredFinding) -> Record<'_> {
    let known = &f.finding;
    Record {
        id: &known.id,
        scan: &f.scan,
        check: &known.check,
        title: &known.title,
        kind: known.kind.as_str(),
        severity: known.severity,
        asset: &known.asset,
        name: known.name.as_deref(),
        port: known.port.map(|p| p.0),
        protocol: known.port.map(|p| p.1.as_str()),
        service: known.service.as_deref(),
        key: Some(known.key.as_str()).filter(|k| !k.is_empty()),
        evidence: &known.evidence,
        state: known.state.as_str(),
        why: Some(f.why.as_str()).filter(|w| !w.is_empty()),
        first_seen: known.first_seen.to_string(),
        last_seen: known.last_seen.to_string(),
        first_run: &f.first_run,
        last_run: &f.last_run,
    }
}

/// Findings across scans, worst first; without options those that are open and no information.
pub fn findings(session: &Session, args: &FindingsArgs) -> Result<Exit> {
    let mut store = Store::open(&session.state_folder())?;
    let mut found = store.findings(args.scan.as_deref())?;
    found.retain(|f| shown(f, args));
    if let Some(text) = &args.query {
        of_assets(session, args, text, &mut found)?;
    }
    found.sort_by_key(|f| std::cmp::Reverse(f.finding.severity));
    let records: Vec<Record<'_>> = found.iter().map(record).collect();
    match session.output.format {
        Format::Text => {
            let rows: Vec<Vec<String>> = records.iter().map(row).collect();
            let headings = ["severity", "kind", "state", "check", "asset", "port", "first seen", "title"];
            if !rows.is_empty() {
                session.output.data(&table::draw(&headings, &rows, session.output.look()));
            }
            session.output.note(&format!("{} finding{}", rows.len(), plural(rows.len())));
        }
        Format::Json => session.output.json(&FindingsRecord { schema: "palisade/findings/1", findings: records }),
        Format::Jsonl => records.iter().for_each(|r| session.output.json_line(r)),
    }
    Ok(Exit::Clean)
}

fn shown(f: &StoredFinding, args: &FindingsArgs) -> bool {
    let known = &f.finding;
    if known.severity < args.severity.unwrap_or(1) {
        return false;
    }
    match known.state {
        State::New | State::Reopened if args.new => known.kind != Kind::Information || args.all,
        _ if args.new => false,
        _ if args.all => true,
        State::Fixed => false,
        _ => known.kind != Kind::Information,
    }
}

fn row(r: &Record<'_>) -> Vec<String> {
    let port = r.port.map(|p| format!("{p}/{}", r.protocol.unwrap_or("tcp"))).unwrap_or_default();
    let day = r.first_seen.split('T').next().unwrap_or("").to_owned();
    vec![
        r.severity.to_string(),
        r.kind.into(),
        r.state.into(),
        r.check.into(),
        r.name.unwrap_or(r.asset).into(),
        port,
        day,
        r.title.into(),
    ]
}

/// Keeps findings of assets that a query matches; what cannot be told is kept, and said.
fn of_assets(session: &Session, args: &FindingsArgs, text: &str, found: &mut Vec<StoredFinding>) -> Result<()> {
    let env = session.env(None);
    let workspace = session.workspace_for(&args.source, &env)?;
    let asked = ask::ask(text, &workspace, &env, Dialect::Default);
    session.output.diagnostics(&asked.diagnostics, &asked.sources);
    let Some(predicate) = asked.predicate else {
        return Err(RunError::Usage("the query cannot be asked; nothing was done".into()));
    };
    let (loaded, now) = session.inventory(&args.source, &workspace, &env)?;
    let members = predicate.evaluate(&loaded.snapshot, &Moment { now, tags: Some(&loaded.tags) });
    let mut unsure = 0usize;
    found.retain(|f| match loaded.snapshot.row_of(&f.finding.asset).map(|row| members.of(row)) {
        Some(Truth::In) => true,
        Some(Truth::CannotTell) => {
            unsure += 1;
            true
        }
        Some(Truth::Out) | None => false,
    });
    if unsure > 0 {
        session.output.warn(&format!("{unsure} of them are of assets for which the query cannot be told"));
    }
    Ok(())
}
