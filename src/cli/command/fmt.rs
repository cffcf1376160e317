//! `palisade fmt`

use std::fs;
use std::io::Read;
use std::path::Path;

use super::check::expand;
use super::{Session, plural};
use crate::base::source::{FileId, SourceMap};
use crate::cli::args::FmtArgs;
use crate::cli::exit::Exit;
use crate::lang::format::format_file;
use crate::lang::syntax::decode;
use crate::run::error::{Result, RunError};
use crate::run::files;
use crate::store::atomic;

/// Formats; with `--check` exit 1 where a file would change, 2 where a file is broken.
pub fn fmt(session: &Session, args: &FmtArgs) -> Result<Exit> {
    if args.paths.iter().any(|p| p == Path::new("-")) {
        return standard_input(session);
    }
    let dir = &session.global.dir;
    let paths = if args.paths.is_empty() {
        files::with_ending(dir, "pal").map_err(|source| RunError::File { action: "list", path: dir.clone(), source })?
    } else {
        expand(&args.paths, "pal")?
    };
    let (mut changed, mut broken) = (0, 0);
    for path in &paths {
        let bytes = fs::read(path).map_err(|source| RunError::File { action: "read", path: path.clone(), source })?;
        let Some((text, formatted)) = format_bytes(session, &path.display().to_string(), &bytes) else {
            broken += 1;
            continue;
        };
        if formatted == text {
            continue;
        }
        changed += 1;
        if args.check {
            session.output.data(&format!("would change: {}\n", path.display()));
        } else {
            atomic::write(path, formatted.as_bytes()).map_err(|source| RunError::File {
                action: "write",
                path: path.clone(),
                source,
            })?;
            session.output.note(&format!("formatted: {}", path.display()));
        }
    }
    let n = paths.len();
    let verb = if args.check { "would change" } else { "changed" };
    session.output.note(&format!("{n} file{}: {changed} {verb}, {broken} broken", plural(n)));
    Ok(match (broken, changed) {
        (1.., _) => Exit::Usage,
        (0, 1..) if args.check => Exit::Violations,
        _ => Exit::Clean,
    })
}

fn standard_input(session: &Session) -> Result<Exit> {
    let mut bytes = Vec::new();
    let limit = session.env(None).limits.job_file_bytes;
    std::io::stdin().take(limit + 1).read_to_end(&mut bytes).map_err(|source| RunError::File {
        action: "read",
        path: "-".into(),
        source,
    })?;
    match format_bytes(session, "<stdin>", &bytes) {
        Some((_, formatted)) => {
            session.output.data(&formatted);
            Ok(Exit::Clean)
        }
        None => Ok(Exit::Usage),
    }
}

/// The text and its canonical form; diagnostics are shown where it has none.
fn format_bytes(session: &Session, name: &str, bytes: &[u8]) -> Option<(String, String)> {
    let limits = session.env(None).limits;
    let (text, diagnostics) = decode(bytes, FileId(0), &limits);
    let shown = String::from_utf8_lossy(bytes).into_owned();
    let mut sources = SourceMap::new();
    sources.add(name, text.clone().unwrap_or(shown));
    let Some(text) = text else {
        session.output.diagnostics(&diagnostics, &sources);
        return None;
    };
    match format_file(&text, &limits) {
        Ok(formatted) => Some((text, formatted)),
        Err(diagnostics) => {
            session.output.diagnostics(&diagnostics, &sources);
            None
        }
    }
}
