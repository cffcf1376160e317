//! `palisade query`

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value as Json;

use super::{Session, plural};
use crate::cli::args::{DialectArg, Format, QueryArgs};
use crate::cli::exit::Exit;
use crate::inventory::catalogue::{self, TokenId, ids};
use crate::inventory::partition::Gap;
use crate::lang::query::check::Dialect;
use crate::lang::query::facts;
use crate::lang::query::predicate::{Moment, Predicate};
use crate::repl::table;
use crate::run::ask::{self, Answer};
use crate::run::error::{Result, RunError};
use crate::run::inventory::Loaded;

#[derive(Serialize)]
struct QueryRecord {
    schema: &'static str,
    query: Option<String>,
    matched: Vec<Json>,
    cannot_tell: Vec<UnsureRecord>,
    counts: CountsRecord,
    gaps: Vec<GapRecord>,
}

#[derive(Serialize)]
struct UnsureRecord {
    id: String,
    gaps: Vec<GapRecord>,
}

#[derive(Serialize)]
struct CountsRecord {
    assets: u32,
    matched: usize,
    cannot_tell: usize,
}

#[derive(Serialize)]
struct GapRecord {
    partition: String,
    cause: String,
}

impl From<&Gap> for GapRecord {
    fn from(gap: &Gap) -> Self {
        Self { partition: gap.partition.to_string(), cause: gap.cause.to_string() }
    }
}

#[derive(Serialize)]
struct CountedRecord {
    schema: &'static str,
    token: &'static str,
    values: Vec<ValueCount>,
}

#[derive(Serialize)]
struct ValueCount {
    value: String,
    assets: u64,
}

/// Asks the inventory; 3 where something could not be told.
pub fn query(session: &Session, args: &QueryArgs) -> Result<Exit> {
    let env = session.env(None);
    let workspace = session.workspace_for(&args.source, &env)?;
    let columns = args.columns.iter().map(|c| ask::token(c)).collect::<Result<Vec<_>>>()?;
    let counted = args.count_by.as_deref().or(args.values.as_deref()).map(ask::token).transpose()?;
    let dialect = match args.dialect {
        DialectArg::Default => Dialect::Default,
        DialectArg::Strict => Dialect::Strict,
    };
    let mut predicate = None;
    if let Some(text) = &args.query {
        let asked = ask::ask(text, &workspace, &env, dialect);
        session.output.diagnostics(&asked.diagnostics, &asked.sources);
        let Some(checked) = asked.predicate else { return Ok(Exit::Usage) };
        predicate = Some(checked);
    }
    let (loaded, now) = session.inventory(&args.source, &workspace, &env)?;
    let moment = Moment { now, tags: Some(&loaded.tags) };
    if let Some(asset) = &args.explain {
        return explain(session, &loaded, predicate.as_ref(), asset, &moment);
    }
    let found = ask::membership(&loaded, predicate.as_ref(), &moment);
    let exit = if found.cannot_tell.is_empty() { Exit::Clean } else { Exit::Incomplete };
    if let Some(token) = counted {
        counts(session, token, facts::count_by(&loaded.snapshot, &found.matched, token, &moment));
        return Ok(exit);
    }
    let answer = ask::answer(&loaded, &found, predicate.as_ref(), &columns, &moment);
    match session.output.format {
        Format::Text => text(session, args, &loaded, &answer, &columns, &moment),
        Format::Json => session.output.json(&QueryRecord {
            schema: "palisade/query/1",
            query: predicate.as_ref().map(|p| p.text().to_owned()),
            matched: answer.matched.iter().map(|r| row_json(r, &columns)).collect(),
            cannot_tell: answer
                .cannot_tell
                .iter()
                .map(|u| UnsureRecord { id: u.id.clone(), gaps: u.gaps.iter().map(GapRecord::from).collect() })
                .collect(),
            counts: CountsRecord {
                assets: answer.assets,
                matched: answer.matched.len(),
                cannot_tell: answer.cannot_tell.len(),
            },
            gaps: loaded.snapshot.partition_gaps().map(|(_, g)| GapRecord::from(&g)).collect(),
        }),
        Format::Jsonl => {
            for row in &answer.matched {
                session.output.json_line(&row_json(row, &columns));
            }
        }
    }
    Ok(exit)
}

fn row_json(row: &ask::Row, columns: &[TokenId]) -> Json {
    let mut object: BTreeMap<&str, Json> = BTreeMap::new();
    object.insert("id", row.id.as_str().into());
    object.insert("provider", row.provider.into());
    for (token, values) in columns.iter().map(|c| catalogue::token(*c)).zip(&row.columns) {
        let value = match (token.many, values.as_slice()) {
            (true, values) => values.into(),
            (false, [value, ..]) => value.as_str().into(),
            (false, []) => Json::Null,
        };
        object.insert(token.name, value);
    }
    serde_json::json!(object)
}

fn text(
    session: &Session,
    args: &QueryArgs,
    loaded: &Loaded,
    answer: &Answer,
    columns: &[TokenId],
    moment: &Moment<'_>,
) {
    let output = &session.output;
    let limit = if args.limit == 0 { usize::MAX } else { args.limit };
    let mut headings = vec!["id", "provider"];
    headings.extend(columns.iter().map(|c| catalogue::token(*c).name));
    if columns.is_empty() {
        headings.push("name");
    }
    let rows: Vec<Vec<String>> = answer
        .matched
        .iter()
        .take(limit)
        .map(|row| {
            let mut cells = vec![row.id.clone(), row.provider.to_owned()];
            cells.extend(row.columns.iter().map(|v| if v.is_empty() { "-".into() } else { v.join(", ") }));
            if columns.is_empty() {
                let at = loaded.snapshot.row_of(&row.id);
                let name = at.map(|at| facts::seen(&loaded.snapshot, at, ids::NAME, moment));
                cells.push(name.filter(|n| !n.is_empty()).map_or("-".into(), |n| n.join(", ")));
            }
            cells
        })
        .collect();
    if !rows.is_empty() {
        output.data(&table::draw(&headings, &rows, output.look()));
    }
    for unsure in answer.cannot_tell.iter().take(limit) {
        let gaps: Vec<String> = unsure.gaps.iter().map(|g| format!("{} {}", g.partition, g.cause)).collect();
        output.note(&format!("cannot tell: {}: {}", unsure.id, gaps.join("; ")));
    }
    let n = answer.matched.len();
    let verb = if n == 1 { "matches" } else { "match" };
    output.note(&format!(
        "{n} of {} asset{} {verb}; {} cannot be told",
        answer.assets,
        plural(answer.assets as usize),
        answer.cannot_tell.len()
    ));
}

fn counts(session: &Session, token: TokenId, counted: Vec<(String, u64)>) {
    let name = catalogue::token(token).name;
    let values: Vec<ValueCount> = counted.into_iter().map(|(value, assets)| ValueCount { value, assets }).collect();
    match session.output.format {
        Format::Text => {
            let rows: Vec<Vec<String>> = values.iter().map(|v| vec![v.value.clone(), v.assets.to_string()]).collect();
            session.output.data(&table::draw(&[name, "assets"], &rows, session.output.look()));
        }
        Format::Json => session.output.json(&CountedRecord { schema: "palisade/counts/1", token: name, values }),
        Format::Jsonl => values.iter().for_each(|v| session.output.json_line(v)),
    }
}

fn explain(
    session: &Session,
    loaded: &Loaded,
    predicate: Option<&Predicate>,
    asset: &str,
    moment: &Moment,
) -> Result<Exit> {
    let Some(predicate) = predicate else {
        return Err(RunError::Usage("--explain needs a query: palisade query 'QUERY' --explain ASSET".into()));
    };
    let row = loaded.find(asset)?;
    let explanation = predicate.explain(&loaded.snapshot, row, moment);
    session.output.data(&explanation.render());
    Ok(Exit::Clean)
}
