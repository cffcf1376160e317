//! From connectors and files to one snapshot with its tags.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::base::diagnostic::Severity;
use crate::connector::file::{self as file_connector, FileConnector, InputFile};
use crate::connector::notice::Notice;
use crate::inventory::asset::Module;
use crate::inventory::catalogue::ids;
use crate::inventory::snapshot::{BuildNotice, Snapshot, SnapshotInput};
use crate::lang::job::{Connector, ConnectorKind};
use crate::lang::query::facts::text;
use crate::lang::query::tags::TagMembership;

use super::env::Env;
use super::error::{Result, RunError, hint};
use super::files;
use super::sync;
use super::workspace::Workspace;
use crate::store::Store;

/// An inventory ready to be asked.
pub struct Loaded {
    /// The assets.
    pub snapshot: Arc<Snapshot>,
    /// Which tags they have.
    pub tags: Arc<TagMembership>,
    /// What was wrong with single records or files.
    pub notices: Vec<Notice>,
}

impl Loaded {
    /// Assigns the tags of a changed program.
    pub fn retag(&mut self, workspace: &Workspace, now: Timestamp) {
        self.tags = Arc::new(TagMembership::assign(&workspace.program.tags, &self.snapshot, now));
    }

    /// The row of an asset by id, else by name.
    pub fn find(&self, asset: &str) -> Result<u32> {
        let snapshot = &self.snapshot;
        if let Some(row) = snapshot.row_of(asset) {
            return Ok(row);
        }
        match snapshot.rows_named(asset).as_slice() {
            [row] => Ok(*row),
            [] => {
                let column = snapshot.column(ids::NAME);
                let names: Vec<String> =
                    (0..column.codes()).filter_map(|c| column.value(c)).map(|v| text(&v)).collect();
                Err(RunError::Unknown {
                    kind: "asset",
                    name: asset.to_owned(),
                    hint: hint(asset, names.iter().map(String::as_str)),
                })
            }
            many => {
                let found: Vec<&str> = many.iter().take(5).filter_map(|r| snapshot.asset(*r)).map(|a| a.id()).collect();
                Err(RunError::Usage(format!(
                    "{} assets are called `{asset}`; name one by its id, such as {}",
                    many.len(),
                    found.join(", ")
                )))
            }
        }
    }
}

/// The connectors of these names, all of them where none is named.
pub fn choose<'w>(workspace: &'w Workspace, names: &[String]) -> Result<Vec<&'w Connector>> {
    let all = &workspace.program.connectors;
    let chosen: Vec<&Connector> = if names.is_empty() {
        all.iter().collect()
    } else {
        names
            .iter()
            .map(|name| {
                all.iter().find(|c| c.name.value == *name).ok_or_else(|| RunError::Unknown {
                    kind: "connector",
                    name: name.clone(),
                    hint: hint(name, all.iter().map(|c| c.name.value.as_str())),
                })
            })
            .collect::<Result<_>>()?
    };
    if chosen.is_empty() {
        return Err(RunError::Usage(format!(
            "there is no connector in `{}`; add one, or name recorded answers with --inventory FILE",
            workspace.root.display()
        )));
    }
    Ok(chosen)
}

/// The inventory of these connectors (all of them where none is named) as one snapshot: recorded answers are read,
/// live providers are answered from the history, which is read again where it is older than the connector's
/// `sync_every` or `max_age`.
pub fn from_connectors(
    workspace: &Workspace,
    names: &[String],
    max_age: Option<Duration>,
    now: Timestamp,
    env: &Env,
) -> Result<Loaded> {
    let mut parts = Vec::new();
    let mut notices = Vec::new();
    for connector in choose(workspace, names)? {
        let (part, found) = match connector.kind {
            ConnectorKind::File { .. } => {
                let (input, found) = read_connector(workspace, connector, now, env)?;
                (Part::Read(Box::new(input)), found)
            }
            ConnectorKind::Live(_) => {
                let age = max_age.map_or(connector.sync_every, |age| age.min(connector.sync_every));
                let (snapshot, found) = sync::latest(workspace, connector, age, now, env)?;
                (Part::Stored(Box::new(snapshot)), found)
            }
        };
        parts.push(part);
        notices.extend(found);
    }
    join(workspace, parts, notices, now, env)
}

/// The inventory of these connectors as it was true at one moment, by what was known at another. product.md F10.
pub fn as_of(
    workspace: &Workspace,
    names: &[String],
    (true_at, known_at): (Timestamp, Option<Timestamp>),
    now: Timestamp,
    env: &Env,
) -> Result<Loaded> {
    let store = &mut Store::open(&env.state)?;
    let mut parts = Vec::new();
    let mut missing = Vec::new();
    for connector in choose(workspace, names)? {
        let name = &connector.name.value;
        match store.sync_at(name, Some(true_at), known_at)? {
            Some(sync) => parts.push(Part::Stored(Box::new(store.open_sync(&sync)?))),
            None => missing.push(format!("`{name}`")),
        }
    }
    if !missing.is_empty() {
        return Err(RunError::Usage(format!(
            "there is no snapshot of {} from {true_at} or before; `palisade sync --list` shows those there are",
            missing.join(", ")
        )));
    }
    join(workspace, parts, Vec::new(), now, env)
}

/// One connector's part of an inventory.
enum Part {
    Read(Box<SnapshotInput>),
    Stored(Box<Snapshot>),
}

/// A single stored snapshot is used as it lies; several parts are built into one.
fn join(
    workspace: &Workspace,
    mut parts: Vec<Part>,
    notices: Vec<Notice>,
    now: Timestamp,
    env: &Env,
) -> Result<Loaded> {
    if let [Part::Stored(_)] = parts.as_slice()
        && let Some(Part::Stored(snapshot)) = parts.pop()
    {
        let tags = TagMembership::assign(&workspace.program.tags, &snapshot, now);
        return Ok(Loaded { snapshot: Arc::from(snapshot), tags: Arc::new(tags), notices });
    }
    let inputs = parts.into_iter().map(|p| match p {
        Part::Read(input) => *input,
        Part::Stored(snapshot) => snapshot.to_input(),
    });
    load(workspace, inputs.collect(), notices, now, env)
}

/// Reads recorded answers named on the command line as a connector called `files`.
pub fn from_files(workspace: &Workspace, paths: &[PathBuf], now: Timestamp, env: &Env) -> Result<Loaded> {
    from_files_as(workspace, None, paths, now, env)
}

/// Reads recorded answers in the place of a connector's own, with its name and its switches.
pub fn from_files_as(
    workspace: &Workspace,
    connector: Option<&Connector>,
    paths: &[PathBuf],
    now: Timestamp,
    env: &Env,
) -> Result<Loaded> {
    let spec = connector.map_or_else(
        || FileConnector {
            name: "files".into(),
            activate: vec![Module::Vm, Module::Pc],
            include_micro_nano: false,
            project_number: None,
            regions: None,
        },
        FileConnector::from,
    );
    let (input, notices) = read_files(&spec, paths, now, env)?;
    load(workspace, vec![input], notices, now, env)
}

/// The recorded answers of a file connector.
pub fn read_connector(
    workspace: &Workspace,
    connector: &Connector,
    now: Timestamp,
    env: &Env,
) -> Result<(SnapshotInput, Vec<Notice>)> {
    let ConnectorKind::File { path, base } = &connector.kind else {
        return Err(RunError::Usage(format!("connector `{}` reads a provider, not files", connector.name.value)));
    };
    let folder = workspace.root.join(base);
    let paths = files::matching(&folder, &path.value).map_err(|source| RunError::File {
        action: "list",
        path: folder.join(&path.value),
        source,
    })?;
    if paths.is_empty() {
        return Err(RunError::Usage(format!(
            "connector `{}` ({}): no file matches `{}`",
            connector.name.value,
            workspace.sources.locate(path.span),
            path.value
        )));
    }
    read_files(&FileConnector::from(connector), &paths, now, env)
}

fn read_files(
    spec: &FileConnector,
    paths: &[PathBuf],
    now: Timestamp,
    env: &Env,
) -> Result<(SnapshotInput, Vec<Notice>)> {
    let inputs = paths.iter().map(|path| open(path)).collect::<Result<Vec<_>>>()?;
    Ok(file_connector::read(spec, inputs, now, &env.limits, env.progress.as_ref()))
}

fn open(path: &Path) -> Result<InputFile> {
    let failed = |source| RunError::File { action: "read", path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let facts = file.metadata().map_err(failed)?;
    if facts.is_dir() {
        return Err(RunError::Usage(format!("`{}` is a folder; name the files in it", path.display())));
    }
    let modified = facts.modified().ok().and_then(|t| Timestamp::try_from(t).ok());
    Ok(InputFile { name: path.display().to_string(), modified, bytes: Box::new(file) })
}

fn load(
    workspace: &Workspace,
    inputs: Vec<SnapshotInput>,
    mut notices: Vec<Notice>,
    now: Timestamp,
    env: &Env,
) -> Result<Loaded> {
    let (snapshot, found) = Snapshot::build(SnapshotInput::merge(inputs), &env.limits)?;
    notices.extend(found.into_iter().map(built));
    let tags = TagMembership::assign(&workspace.program.tags, &snapshot, now);
    Ok(Loaded { snapshot: Arc::new(snapshot), tags: Arc::new(tags), notices })
}

/// What building noticed, as a notice.
pub(super) fn built(notice: BuildNotice) -> Notice {
    Notice {
        severity: Severity::Warning,
        code: "P0301",
        file: notice.connector,
        path: notice.asset.to_string(),
        text: notice.text,
    }
}

/// Reads a hook script of the workspace.
pub fn script_text(workspace: &Workspace, relative: &str, env: &Env) -> Result<String> {
    let path = workspace.root.join(relative);
    let failed = |source| RunError::File { action: "read", path: path.clone(), source };
    if fs::metadata(&path).map_err(failed)?.len() > env.limits.script_bytes {
        return Err(RunError::Usage(format!(
            "`{}` is larger than {} bytes, the limit for scripts",
            path.display(),
            env.limits.script_bytes
        )));
    }
    fs::read_to_string(&path).map_err(failed)
}
