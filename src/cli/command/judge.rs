//! `palisade judge`

use super::Session;
use crate::cli::args::{Format, JudgeArgs};
use crate::cli::exit::Exit;
use crate::cli::fail_on::violated;
use crate::report::results_text;
use crate::run::error::Result;
use crate::run::judge;
use crate::store::Store;

/// Runs new and changed checks and policies over stored evidence; sends nothing.
pub fn judge(session: &Session, args: &JudgeArgs) -> Result<Exit> {
    let env = session.env(None);
    let workspace = session.sound_workspace(&env)?;
    let mut store = Store::open(&session.state_folder())?;
    let again = judge::again(&workspace, &args.reference, &mut store, &env)?;
    match session.output.format {
        Format::Text => session.output.data(&results_text::view(&again.results)),
        Format::Json => session.output.json(&again.results),
        Format::Jsonl => again.results.hosts.iter().for_each(|h| session.output.json_line(h)),
    }
    if !again.stored {
        session.output.note("a later run of this scan exists: shown only, the store keeps what it had");
    }
    if let Some(why) = violated(&args.fail_on, &again.results) {
        session.output.error(&why);
        return Ok(Exit::Violations);
    }
    Ok(Exit::Clean)
}
