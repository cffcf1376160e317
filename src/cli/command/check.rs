//! `palisade check`

use std::path::PathBuf;

use serde::Serialize;

use super::{Session, plural};
use crate::base::diagnostic::Severity;
use crate::cli::args::{CheckArgs, Format};
use crate::cli::exit::Exit;
use crate::cli::render::{DiagnosticRecord, record};
use crate::run::error::Result;
use crate::run::files;
use crate::run::workspace::Workspace;

#[derive(Serialize)]
struct CheckRecord {
    schema: &'static str,
    files: usize,
    errors: usize,
    warnings: usize,
    diagnostics: Vec<DiagnosticRecord>,
}

/// Parses and checks; 0 where nothing is wrong, 2 where something is.
pub fn check(session: &Session, args: &CheckArgs) -> Result<Exit> {
    let env = session.env(None);
    let mut workspace = if args.paths.is_empty() {
        Workspace::load(&session.global.dir, &env.limits)?
    } else {
        let paths = expand(&args.paths, "pal")?;
        Workspace::load_files(&session.global.dir, &paths, &env.limits)?
    };
    let files = workspace.sources.files().count();
    workspace.check_scripts(&env)?;
    let count = |s: Severity| workspace.diagnostics.iter().filter(|d| d.severity == s).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    match session.output.format {
        Format::Text => {
            session.output.diagnostics(&workspace.diagnostics, &workspace.sources);
            let program = &workspace.program;
            session.output.note(&format!(
                "{files} file{}: {} scan{}, {} tag{}, {} connector{}; {errors} error{}, {warnings} warning{}",
                plural(files),
                program.scans.len(),
                plural(program.scans.len()),
                program.tags.len(),
                plural(program.tags.len()),
                program.connectors.len(),
                plural(program.connectors.len()),
                plural(errors),
                plural(warnings),
            ));
        }
        Format::Json => session.output.json(&CheckRecord {
            schema: "palisade/check/1",
            files,
            errors,
            warnings,
            diagnostics: workspace.diagnostics.iter().map(|d| record(d, &workspace.sources)).collect(),
        }),
        Format::Jsonl => {
            for d in &workspace.diagnostics {
                session.output.json_line(&record(d, &workspace.sources));
            }
        }
    }
    Ok(if errors > 0 { Exit::Usage } else { Exit::Clean })
}

/// Files as named, folders as the files with the ending below them.
pub fn expand(paths: &[PathBuf], ending: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            found.extend(files::with_ending(path, ending).map_err(|source| crate::run::error::RunError::File {
                action: "list",
                path: path.clone(),
                source,
            })?);
        } else {
            found.push(path.clone());
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}
