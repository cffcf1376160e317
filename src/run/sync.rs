//! `palisade sync`: one connector's provider is read, held against the last reading, and stored as history.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::env::Env;
use super::error::{Result, RunError};
use super::inventory;
use super::workspace::Workspace;
use crate::base::progress::StopWish;
use crate::connector::file::FileConnector;
use crate::connector::live::open::Opening;
use crate::connector::live::{Live, Usage, whole};
use crate::connector::notice::Notice;
use crate::inventory::asset::Value;
use crate::inventory::catalogue;
use crate::inventory::partition::{Kind, PartitionState};
use crate::inventory::reconcile::{Change, Reconciled, TokenChange, What, reconcile};
use crate::inventory::region::region_by_name;
use crate::inventory::snapshot::{Snapshot, SnapshotInput};
use crate::lang::job::{Connector, ConnectorKind, Regions};
use crate::store::Store;
use crate::store::history::{SyncCounts, SyncEntry, SyncRecord};

/// Longest line about one asset's changed values in the history, in bytes.
const DETAIL_BYTES: usize = 2_000;

/// What a sync of one connector did.
#[derive(Debug)]
pub struct Synced {
    /// Its number in the history.
    pub number: i64,
    /// The inventory as it is known now.
    pub snapshot: Arc<Snapshot>,
    /// The sync before, if there was one.
    pub previous: Option<SyncRecord>,
    /// Nothing but the time is new.
    pub unchanged: bool,
    /// Differences to the sync before, with the changed values in a line.
    pub changes: Vec<(Change, String)>,
    /// In numbers.
    pub counts: SyncCounts,
    /// Provider calls.
    pub usage: Vec<Usage>,
    /// What went wrong as a whole.
    pub errors: Vec<String>,
    /// What was wrong with single records.
    pub notices: Vec<Notice>,
    /// Old snapshots that the retention rule removed.
    pub forgotten: u64,
}

impl Synced {
    /// Whether everything that was asked for was read.
    pub fn is_complete(&self) -> bool {
        self.counts.gaps == 0 && self.counts.kept == 0 && self.errors.is_empty()
    }
}

/// What one reading brought.
struct Reading {
    input: SnapshotInput,
    notices: Vec<Notice>,
    usage: Vec<Usage>,
    errors: Vec<String>,
    /// Every account that the connector reads, where that is certain.
    accounts: Option<HashSet<Arc<str>>>,
}

/// Opens a connector's provider.
pub fn open(workspace: &Workspace, connector: &Connector, env: &Env) -> Result<Box<dyn Live>> {
    let opening = Opening {
        connector,
        root: &workspace.root,
        clock: Arc::clone(&env.clock),
        limits: &env.limits,
        seed: env.seed,
    };
    (env.live)(&opening).map_err(|e| RunError::Usage(e.to_string()))
}

/// Reads one connector, holds it against its last snapshot and stores the result. A provider's error costs nothing that
/// was known before: see [`reconcile`].
pub fn sync(workspace: &Workspace, connector: &Connector, store: &mut Store, env: &Env) -> Result<Synced> {
    let now = env.clock.now();
    let reading = match connector.kind {
        ConnectorKind::File { .. } => {
            let (input, notices) = inventory::read_connector(workspace, connector, now, env)?;
            Reading { input, notices, usage: Vec::new(), errors: Vec::new(), accounts: None }
        }
        ConnectorKind::Live(_) => fetch(connector, open(workspace, connector, env)?.as_ref(), env),
    };
    if env.stop.wish() == StopWish::Now {
        return Err(RunError::Usage("interrupted; nothing was stored".into()));
    }
    keep(workspace, connector, reading, store, env)
}

fn fetch(connector: &Connector, live: &dyn Live, env: &Env) -> Reading {
    let spec = FileConnector::from(connector);
    let told = (env.progress.as_ref(), &*env.stop);
    let (fetched, input, notices) = whole::read(&spec, live, env.clock.as_ref(), &env.limits, told);
    let accounts = fetched.accounts.map(|all| all.into_iter().collect());
    Reading { input, notices, usage: fetched.usage, errors: fetched.errors, accounts }
}

/// Stores a reading.
fn keep(
    workspace: &Workspace,
    connector: &Connector,
    reading: Reading,
    store: &mut Store,
    env: &Env,
) -> Result<Synced> {
    let name = connector.name.value.as_str();
    let previous = store.last_sync(name)?;
    let last = previous.as_ref().map(|p| store.open_sync(p)).transpose()?;
    let listed = |account: &str| {
        account.is_empty() || reading.accounts.as_ref().is_none_or(|all: &HashSet<Arc<str>>| all.contains(account))
    };
    let reads = |account: &str, region: &str| listed(account) && reads(connector, region);
    let (true_at, known_at) = (reading.input.taken_at, reading.input.learned_at);
    let Reconciled { input, changes } = reconcile(last.as_ref().map(Snapshot::to_input), reading.input, &reads);
    let (built, found) = Snapshot::build(input, &env.limits)?;
    let mut notices = reading.notices;
    notices.extend(found.into_iter().map(inventory::built));
    let (snapshot, unchanged) = match last {
        Some(last) if last.same_content(&built) => (last.at(true_at, known_at), true),
        _ => (built, false),
    };
    let changes: Vec<(Change, String)> = changes
        .into_iter()
        .map(|c| {
            let line = detail(&c);
            (c, line)
        })
        .collect();
    let counts = counts(connector, &snapshot, &changes, &reading.usage);
    // That a record was kept is an event once, not again at every sync that fails.
    let last_at = previous.as_ref().map(|p| p.true_at);
    let is_event = |c: &&(Change, String)| !matches!(c.0.what, What::Kept { since } if Some(since) != last_at);
    let events: Vec<&(Change, String)> = changes.iter().filter(is_event).collect();
    let entry =
        SyncEntry { connector: name, snapshot: &snapshot, unchanged, true_at, known_at, counts, events: &events };
    let number = store.record_sync(&entry)?;
    let forgotten = store.retain_snapshots(name, workspace.program.workspace.keep_snapshots, known_at)?;
    Ok(Synced {
        number,
        snapshot: Arc::new(snapshot),
        previous,
        unchanged,
        changes,
        counts,
        usage: reading.usage,
        errors: reading.errors,
        notices,
        forgotten,
    })
}

/// Whether a connector reads a region at all; what has no region it does.
fn reads(connector: &Connector, region: &str) -> bool {
    match &connector.regions {
        Regions::All => true,
        Regions::Some(wanted) => {
            region.is_empty()
                || wanted.iter().any(|w| {
                    w.value.eq_ignore_ascii_case(region)
                        || region_by_name(&w.value) == Some(region)
                        || w.value.replace([' ', '(', ')'], "").eq_ignore_ascii_case(region)
                        || w.value.strip_prefix(region).is_some_and(|zone| zone.starts_with('-'))
                })
        }
    }
}

fn counts(connector: &Connector, snapshot: &Snapshot, changes: &[(Change, String)], usage: &[Usage]) -> SyncCounts {
    // What a recording does not hold nobody asked for; that is told, and no failure of the sync.
    let live = matches!(connector.kind, ConnectorKind::Live(_));
    let failed = |state: &PartitionState| match state {
        PartitionState::Complete => false,
        PartitionState::NotAsked => live,
        PartitionState::Partial { .. } | PartitionState::Denied { .. } | PartitionState::Throttled { .. } => true,
    };
    let own = |c: &&(Change, String)| c.0.kind == Kind::Instances;
    let count = |wanted: fn(&What) -> bool| changes.iter().filter(own).filter(|c| wanted(&c.0.what)).count() as u64;
    SyncCounts {
        assets: u64::from(snapshot.len()),
        came: count(|w| matches!(w, What::Came)),
        went: count(|w| matches!(w, What::Went | What::Left)),
        changed: count(|w| matches!(w, What::Changed(_))),
        kept: changes.iter().filter(|c| matches!(c.0.what, What::Kept { .. })).count() as u64,
        gaps: snapshot.partitions().iter().filter(|p| failed(&p.state)).count() as u64,
        calls: usage.iter().map(|u| u.calls).sum(),
    }
}

/// The changed values of one record in a line; empty where it has none.
fn detail(change: &Change) -> String {
    let What::Changed(tokens) = &change.what else { return String::new() };
    let mut line = tokens.iter().map(token_line).collect::<Vec<_>>().join("; ");
    if line.len() > DETAIL_BYTES {
        let end = (0..=DETAIL_BYTES).rev().find(|i| line.is_char_boundary(*i)).unwrap_or(0);
        line.truncate(end);
        line.push('…');
    }
    line
}

fn token_line(change: &TokenChange) -> String {
    let words = |values: &[Value]| match values {
        [] => "-".to_owned(),
        values => values.iter().map(value_text).collect::<Vec<_>>().join(", "),
    };
    format!("{}: {} -> {}", catalogue::token(change.token).name, words(&change.before), words(&change.after))
}

/// A value as text.
pub fn value_text(value: &Value) -> String {
    match value {
        Value::Str(s) => s.to_string(),
        Value::Num(n) => n.to_string(),
        Value::Date(at) => at.to_string(),
        Value::Bool(b) => b.to_string(),
        Value::Ip(ip) => ip.to_string(),
    }
}

/// A live connector's inventory from the history: the newest snapshot, read again first where there is none or it is
/// older than `max_age`. Where that fails, the old one stands, with a notice.
pub fn latest(
    workspace: &Workspace,
    connector: &Connector,
    max_age: std::time::Duration,
    now: Timestamp,
    env: &Env,
) -> Result<(Snapshot, Vec<Notice>)> {
    let mut store = Store::open(&env.state)?;
    let known = store.last_sync(&connector.name.value)?;
    let fresh =
        known.as_ref().is_some_and(|k| now.duration_since(k.true_at).unsigned_abs() <= max_age || k.true_at > now);
    if let (true, Some(known)) = (fresh, &known) {
        return Ok((store.open_sync(known)?, Vec::new()));
    }
    match (sync(workspace, connector, &mut store, env), known) {
        (Ok(synced), _) => {
            let newest = store.last_sync(&connector.name.value)?;
            let snapshot = newest.map(|n| store.open_sync(&n)).transpose()?;
            let mut notices = synced.notices;
            notices.extend(synced.errors.iter().map(|e| notice("P0370", connector, e.clone())));
            match snapshot {
                Some(snapshot) => Ok((snapshot, notices)),
                None => Err(RunError::Usage(format!("connector `{}` has no snapshot", connector.name.value))),
            }
        }
        (Err(error), Some(known)) => {
            let text = format!("it could not be read again, so the inventory of {} is used: {error}", known.true_at);
            Ok((store.open_sync(&known)?, vec![notice("P0369", connector, text)]))
        }
        (Err(error), None) => Err(error),
    }
}

fn notice(code: &'static str, connector: &Connector, text: String) -> Notice {
    let severity = crate::base::diagnostic::Severity::Warning;
    Notice { severity, code, file: connector.name.value.as_str().into(), path: String::new(), text }
}
