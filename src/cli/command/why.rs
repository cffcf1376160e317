//! `palisade why`

use serde::Serialize;

use super::{Session, moments};
use crate::cli::args::{Format, WhyArgs};
use crate::cli::exit::Exit;
use crate::plan::why::Why;
use crate::run::error::{Result, RunError};

#[derive(Serialize)]
struct WhyRecord<'a> {
    schema: &'static str,
    scan: &'a str,
    asset: &'a str,
    name: Option<&'a str>,
    steps: Vec<StepRecord<'a>>,
    change: Option<&'a str>,
    queries: Vec<QueryRecord>,
}

#[derive(Serialize)]
struct StepRecord<'a> {
    name: &'a str,
    passed: bool,
    text: &'a str,
    clause: Option<String>,
    seen: &'a [String],
}

#[derive(Serialize)]
struct QueryRecord {
    title: String,
    clause: String,
    explanation: String,
}

/// Tells where an asset leaves the funnel. Names are not resolved: the answer is about the inventory.
pub fn why(session: &Session, args: &WhyArgs) -> Result<Exit> {
    let mut env = session.env(None);
    env.resolve_names = false;
    let workspace = session.sound_workspace(&env)?;
    let (now, past) = moments(&args.moment, &env)?;
    let prepared = session.prepare_at(&workspace, Some(&args.scan), (now, past), &env)?;
    let plan = prepared.plan(&env)?;
    let row = prepared.loaded.find(&args.asset)?;
    let story = prepared
        .why(&plan, row, &env)
        .ok_or_else(|| RunError::Usage(format!("`{}` is no asset of this inventory", args.asset)))?;
    match session.output.format {
        Format::Text => session.output.data(&story.render(&args.scan)),
        Format::Json | Format::Jsonl => session.output.json(&record(&args.scan, &story)),
    }
    Ok(Exit::Clean)
}

fn record<'a>(scan: &'a str, story: &'a Why) -> WhyRecord<'a> {
    WhyRecord {
        schema: "palisade/why/1",
        scan,
        asset: &story.asset,
        name: story.name.as_deref(),
        steps: story
            .steps
            .iter()
            .map(|s| StepRecord {
                name: s.name,
                passed: s.passed,
                text: &s.text,
                clause: s.clause.as_ref().map(ToString::to_string),
                seen: &s.seen,
            })
            .collect(),
        change: story.change.as_deref(),
        queries: story
            .queries
            .iter()
            .map(|(title, clause, e)| QueryRecord {
                title: title.clone(),
                clause: clause.to_string(),
                explanation: e.render(),
            })
            .collect(),
    }
}
