//! `palisade repl`

use super::Session;
use crate::base::diagnostic::Diagnostic;
use crate::base::source::SourceMap;
use crate::cli::args::ReplArgs;
use crate::cli::exit::Exit;
use crate::repl::{Repl, Start};
use crate::run::error::Result;

/// Starts the REPL; on a pipe it reads lines without a prompt.
pub fn repl(session: &Session, args: &ReplArgs) -> Result<Exit> {
    let env = session.env(None);
    let workspace = session.workspace_for(&args.source, &env)?;
    let (loaded, now) = session.inventory(&args.source, &workspace, &env)?;
    let output = session.output;
    let draw = move |d: &Diagnostic, s: &SourceMap| output.diagnostics(std::slice::from_ref(d), s);
    let write = move |text: &str| output.data(text);
    let start = Start {
        workspace,
        loaded,
        now,
        env,
        state: session.state_folder(),
        look: output.look(),
        color: output.colors(),
        draw: &draw,
        write: &write,
    };
    Repl::new(start).run()?;
    Ok(Exit::Clean)
}
