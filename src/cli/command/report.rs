//! `palisade report`

use clap::ValueEnum;

use super::Session;
use crate::cli::args::{FormatArg, ReportArgs};
use crate::cli::exit::Exit;
use crate::report::format::{FORMATS, Options, by_name};
use crate::run::error::{Result, RunError, hint};
use crate::run::report as make;
use crate::run::workspace::Workspace;
use crate::store::{Store, atomic};

/// Renders stored results; sends nothing.
pub fn report(session: &Session, args: &ReportArgs) -> Result<Exit> {
    let env = session.env(None);
    let workspace = Workspace::load(&session.global.dir, &env.limits)?;
    if !workspace.is_sound() {
        session.output.warn("the job files have errors (see `palisade check`); tags and templates may be missing");
    }
    let template = args.template.as_deref().map(|name| make::template(&workspace, name)).transpose()?;
    let word = match (session.global.format, template) {
        (FormatArg::Text, Some(template)) => template.format.clone(),
        (format, _) => format.to_possible_value().map(|v| v.get_name().to_owned()).unwrap_or_default(),
    };
    let format = by_name(&word).ok_or_else(|| RunError::Unknown {
        kind: "report format",
        name: word.clone(),
        hint: hint(&word, FORMATS.iter().map(|f| f.name)),
    })?;
    let mut store = Store::open(&session.state_folder())?;
    let report = make::report(&workspace, &mut store, &args.reference, template, &env)?;
    let bytes = (format.render)(&report, &Options { fail_on: args.fail_on })
        .map_err(|e| RunError::Usage(format!("bug: {e}; please report it")))?;
    match &args.out {
        Some(path) => {
            atomic::write(path, &bytes).map_err(|source| RunError::File {
                action: "write",
                path: path.clone(),
                source,
            })?;
            session.output.note(&format!("written: {} ({} bytes)", path.display(), bytes.len()));
        }
        None if format.name == "pdf" && session.output.is_terminal() => {
            return Err(RunError::Usage("a PDF is no text for a terminal; write it with --out FILE".into()));
        }
        None if format.name == "text" => session.output.data(&String::from_utf8_lossy(&bytes)),
        None => session.output.bytes(&bytes),
    }
    Ok(Exit::Clean)
}
