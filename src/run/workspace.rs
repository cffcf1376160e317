//! A folder of `*.pal` files as one checked program.

use std::fs;
use std::path::{Path, PathBuf};

use crate::base::diagnostic::{Diagnostic, has_errors};
use crate::base::limits::Limits;
use crate::base::source::SourceMap;
use crate::lang::analyze::analyze;
use crate::lang::job::{Job, Program};
use crate::lang::syntax::{decode, parse_file};

use super::error::{Result, RunError, hint};
use super::files;

/// A loaded workspace. The program holds every item that checked; the diagnostics say what did not.
#[derive(Debug)]
pub struct Workspace {
    /// Its folder.
    pub root: PathBuf,
    /// All texts.
    pub sources: SourceMap,
    /// What checked.
    pub program: Program,
    /// What did not, and lints.
    pub diagnostics: Vec<Diagnostic>,
}

impl Workspace {
    /// Reads and checks every `*.pal` file below a folder; a folder without any is an empty program.
    pub fn load(root: &Path, limits: &Limits) -> Result<Self> {
        let paths = files::with_ending(root, "pal").map_err(|source| RunError::File {
            action: "list",
            path: root.to_owned(),
            source,
        })?;
        Self::load_files(root, &paths, limits)
    }

    /// Reads and checks these files as one program.
    pub fn load_files(root: &Path, paths: &[PathBuf], limits: &Limits) -> Result<Self> {
        Self::read(root, paths, &[], limits)
    }

    fn read(root: &Path, paths: &[PathBuf], items: &[String], limits: &Limits) -> Result<Self> {
        let mut sources = SourceMap::new();
        let mut diagnostics = Vec::new();
        let mut trees = Vec::new();
        for path in paths {
            let failed = |source| RunError::File { action: "read", path: path.clone(), source };
            let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
            let size = fs::metadata(path).map_err(failed)?.len();
            // A file over the limit is not read into memory; its first bytes are enough to say so in its place.
            let bytes = if size > limits.job_file_bytes {
                vec![b' '; limits.job_file_bytes as usize + 1]
            } else {
                fs::read(path).map_err(failed)?
            };
            let file_id = crate::base::source::FileId(sources.files().count() as u32);
            let (text, found) = decode(&bytes, file_id, limits);
            diagnostics.extend(found);
            let id = sources.add(name, text.clone().unwrap_or_default());
            if let Some(text) = text {
                let (tree, found) = parse_file(&text, id, limits);
                diagnostics.extend(found);
                trees.push(tree);
            }
        }
        for item in items {
            let id = sources.add("<repl>", item.as_str());
            let (tree, found) = parse_file(item, id, limits);
            diagnostics.extend(found);
            trees.push(tree);
        }
        let (program, found) = analyze(&trees, &sources);
        diagnostics.extend(found);
        diagnostics.sort_by_key(|d| d.span());
        Ok(Self { root: root.to_owned(), sources, program, diagnostics })
    }

    /// The same files with further items typed in the REPL, as one program.
    pub fn with_items(&self, items: &[String], limits: &Limits) -> Result<Self> {
        let paths = files::with_ending(&self.root, "pal").map_err(|source| RunError::File {
            action: "list",
            path: self.root.clone(),
            source,
        })?;
        Self::read(&self.root, &paths, items, limits)
    }

    /// Compiles the scripts that scans name, and adds what is wrong with them to the diagnostics.
    pub fn check_scripts(&mut self, env: &super::env::Env) -> Result<()> {
        let mut faults: Vec<Diagnostic> = Vec::new();
        for job in &self.program.scans {
            let Some(hook) = &job.targets.hook else { continue };
            match super::pipeline::script(self, job, env) {
                Ok(None | Some(Ok(_))) => {}
                Ok(Some(Err(fault))) => {
                    let first = fault.diagnostics.first();
                    let place = first.and_then(|d| d.span()).map(|s| fault.sources.locate(s).to_string());
                    let mut found = Diagnostic::error(
                        first.map_or("P0603", |d| d.code),
                        format!("{}: {}", place.unwrap_or_default(), first.map_or("", |d| &d.message)),
                        hook.span,
                        "named here",
                    );
                    found.help = first.and_then(|d| d.help.clone());
                    faults.push(found);
                }
                Err(error) => faults.push(Diagnostic::error("P0603", error.to_string(), hook.span, "named here")),
            }
        }
        self.diagnostics.extend(faults);
        self.diagnostics.extend(super::judge::script_faults(&self.root, &mut self.sources, env)?);
        Ok(())
    }

    /// True where nothing stops a run.
    pub fn is_sound(&self) -> bool {
        !has_errors(&self.diagnostics)
    }

    /// The scan of a name; without a name, the only one there is.
    pub fn scan(&self, name: Option<&str>) -> Result<&Job> {
        let names = || self.program.scans.iter().map(|s| s.name.value.as_str());
        match name {
            Some(name) => self.program.scans.iter().find(|s| s.name.value == name).ok_or_else(|| RunError::Unknown {
                kind: "scan",
                name: name.to_owned(),
                hint: hint(name, names()),
            }),
            None => match self.program.scans.as_slice() {
                [only] => Ok(only),
                [] => Err(RunError::Usage(format!(
                    "there is no scan in `{}`; write one (see examples/) or name another folder with -C",
                    self.root.display()
                ))),
                _ => Err(RunError::Usage(format!("which scan{}", hint("", names())))),
            },
        }
    }
}
