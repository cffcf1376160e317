//! `palisade plan`

use super::{Session, moments};
use crate::cli::args::{Format, PlanArgs};
use crate::cli::exit::Exit;
use crate::plan::plan::{Launch, Plan};
use crate::report::plan_document::PlanDocument;
use crate::report::plan_text;
use crate::run::error::{Result, RunError};
use crate::store::atomic;

/// Plans and shows; sends nothing but DNS questions.
pub fn plan(session: &Session, args: &PlanArgs) -> Result<Exit> {
    let mut env = session.env(None);
    let workspace = session.sound_workspace(&env)?;
    let (now, past) = moments(&args.moment, &env)?;
    // What names lead to today says nothing about then.
    env.resolve_names = !args.offline && past.is_none();
    let prepared = session.prepare_at(&workspace, Some(&args.scan), (now, past), &env)?;
    let plan = prepared.plan(&env)?;
    let document = PlanDocument::from(&plan);
    if let Some(path) = &args.out {
        let text = serde_json::to_string_pretty(&document).map_err(|e| RunError::Usage(e.to_string()))?;
        atomic::write(path, (text + "\n").as_bytes()).map_err(|source| RunError::File {
            action: "write",
            path: path.clone(),
            source,
        })?;
        session.output.note(&format!("written: {}", path.display()));
    }
    match session.output.format {
        Format::Text => session.output.data(&plan_text::review(&plan, prepared.job)),
        Format::Json => session.output.json(&document),
        Format::Jsonl => document.target_list.iter().for_each(|t| session.output.json_line(t)),
    }
    Ok(exit_of(&plan))
}

/// What a plan by itself means for the exit code.
pub fn exit_of(plan: &Plan) -> Exit {
    match plan.launch {
        Launch::Failed | Launch::NotLaunched => Exit::NotLaunched,
        Launch::Ready if plan.gaps.is_empty() && plan.cannot_tell.is_empty() => Exit::Clean,
        Launch::Ready => Exit::Incomplete,
    }
}
