//! The state folder: inventory snapshots as files; runs, results, ledger and activity in SQLite. Every change is one
//! transaction. A store that is damaged or newer than this version is refused and left as it is.
//!
//! No change is lost where a process is killed. A power cut hides no run that began, for from there on every change is
//! on the disk before it counts; what comes before (making the store, noting a snapshot) is synced together with it,
//! which saves a scan of one port half of its time on a slow disk.

pub mod atomic;
mod check;
pub mod document;
pub mod evidence;
mod evidence_batch;
pub mod findings;
mod fresh;
pub mod history;
mod ledgers;
mod mapped;
pub mod run_folder;

use std::fs;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, QueryBuilder, Row, Sqlite, SqliteConnection};
use tokio::runtime::Runtime;

use self::document::Document;
use crate::inventory::snapshot::Snapshot;
use crate::scan::ledger::Ledger;

/// Migrations in order; the database's `user_version` is how many have run.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
    include_str!("migrations/0003-evidence.sql"),
    include_str!("migrations/0004-history.sql"),
    include_str!("migrations/0005-findings.sql"),
    include_str!("migrations/0006-result-parts.sql"),
    include_str!("migrations/0007-ledger-lineage.sql"),
];
/// Pages of the write-ahead log before a commit folds it into the database; closing does so anyway, and may do it while
/// results are printed.
const LOG_PAGES: &str = "16384";
/// A write-ahead log up to this size may be left beside the database: the next command that closes it folds it in.
const SHORT_LOG_BYTES: u64 = 64 << 20;
/// How long one process waits for another's transaction.
const BUSY: Duration = Duration::from_secs(10);
/// Rows written by one statement: one row a statement takes ten times as long. SQLite takes 32,766 values.
const ROWS: usize = 1_000;

/// Why the state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder or a file in it.
    #[error("cannot use the state folder `{}`: {source}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// Not a database, or a broken one.
    #[error(
        "P0701: the store `{}` is damaged ({why}); it is left as it is. Move it away to start a new one, or name another folder with --state",
        path.display()
    )]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Written by a newer version.
    #[error("P0702: the store `{}` has version {found}, this palisade knows {known}; use a newer palisade", path.display())]
    Newer {
        /// Which.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: usize,
    },
    /// A query failed.
    #[error("P0703: the store `{}`: {source}", path.display())]
    Query {
        /// Which.
        path: PathBuf,
        /// The database's words.
        source: sqlx::Error,
    },
    /// A state change that the life of a scan does not have.
    #[error("a scan that is {from} cannot become {to}")]
    Transition {
        /// From.
        from: String,
        /// To.
        to: String,
    },
    /// No such reference.
    #[error("there is no scan `{0}`; `palisade scans list` shows them")]
    Unknown(String),
}

/// Where a run stands. product.md 1.10.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// Sending.
    Running,
    /// All done.
    Finished,
    /// Stopped by Ctrl-C or by a crash; can be resumed.
    Interrupted,
    /// Paused by the user; can be resumed.
    Paused,
    /// Ended for good by the user.
    Cancelled,
    /// Nothing to scan, and the scan counts as failed. Rule E10.
    Failed,
    /// Nothing to scan. Rule E11.
    NotLaunched,
}

impl RunState {
    const ALL: [Self; 7] = [
        Self::Running,
        Self::Finished,
        Self::Interrupted,
        Self::Paused,
        Self::Cancelled,
        Self::Failed,
        Self::NotLaunched,
    ];

    /// True where the run can go on.
    pub const fn resumable(self) -> bool {
        matches!(self, Self::Interrupted | Self::Paused)
    }

    /// The word stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Interrupted => "interrupted",
            Self::Paused => "paused",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::NotLaunched => "not launched",
        }
    }

    fn may_become(self, to: Self) -> bool {
        matches!(
            (self, to),
            (
                Self::Running,
                Self::Finished | Self::Interrupted | Self::Paused | Self::Cancelled | Self::Failed | Self::NotLaunched
            ) | (Self::Interrupted | Self::Paused, Self::Running | Self::Cancelled)
        )
    }

    fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == word)
    }
}

/// One run as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecord {
    /// `scan/1525152912.86743`.
    pub reference: String,
    /// Job title.
    pub scan: String,
    /// State.
    pub state: RunState,
    /// Plan hash.
    pub plan_hash: String,
    /// Start, RFC 3339.
    pub started: String,
    /// End, RFC 3339.
    pub finished: Option<String>,
    /// Seed of the probe order.
    pub seed: u64,
}

/// A snapshot file that a thread writes.
type Saving = JoinHandle<Result<(), StoreError>>;

/// An open store.
pub struct Store {
    folder: PathBuf,
    database: PathBuf,
    runtime: Runtime,
    connection: SqliteConnection,
    /// A snapshot file that is being written.
    ahead: Option<(Arc<str>, Saving)>,
    /// A new database whose first sync is under way.
    syncing: Option<fresh::Syncing>,
}

/// Reading and writing both use one connection; other processes wait for its transactions.
impl Store {
    /// Opens the store of a folder, making it where it is not there.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::Folder { path, source }
        };
        fs::create_dir_all(folder.join("snapshots")).map_err(failed(folder))?;
        let database = folder.join("palisade.db");
        check::refuse_foreign(&database, MIGRATIONS.len())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed(folder))?;
        let options = SqliteConnectOptions::new()
            .filename(&database)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .pragma("wal_autocheckpoint", LOG_PAGES)
            // What a statement of many rows needs to undo itself is not worth a file.
            .pragma("temp_store", "MEMORY")
            .foreign_keys(true)
            .busy_timeout(BUSY);
        let new = fresh::make(&database).map_err(failed(&database))?;
        let connection = runtime.block_on(async {
            // What a new store needs is synced with the first change that counts.
            let options = if new { options.synchronous(SqliteSynchronous::Off) } else { options };
            let mut connection = SqliteConnection::connect_with(&options).await?;
            for check in check::before_use(&database) {
                let found: String = sqlx::query_scalar(*check).fetch_one(&mut connection).await?;
                if found != "ok" {
                    return Err(sqlx::Error::Protocol(found));
                }
            }
            Ok(connection)
        });
        let connection = connection.map_err(|e| check::unusable(&database, e))?;
        let syncing = new.then(|| fresh::sync(&database)).transpose().map_err(failed(&database))?;
        let mut store = Self { folder: folder.to_owned(), database, runtime, connection, ahead: None, syncing };
        store.migrate()?;
        store.pragma("PRAGMA synchronous = NORMAL")?;
        store.reclaim()?;
        Ok(store)
    }

    fn failed(&self) -> impl Fn(sqlx::Error) -> StoreError + use<> {
        let path = self.database.clone();
        move |source| StoreError::Query { path: path.clone(), source }
    }

    fn pragma(&mut self, pragma: &'static str) -> Result<(), StoreError> {
        let failed = self.failed();
        let connection = &mut self.connection;
        self.runtime.block_on(async { sqlx::query(pragma).execute(connection).await }).map(drop).map_err(failed)
    }

    /// From here on each change is on the disk before it counts.
    fn safe_from_here(&mut self) -> Result<(), StoreError> {
        self.pragma("PRAGMA synchronous = FULL")
    }

    /// Waits until what was written beside the changes is on the disk too: a new database, a snapshot's file.
    fn settle(&mut self) -> Result<(), StoreError> {
        match self.syncing.take().map(JoinHandle::join) {
            None | Some(Ok(Ok(()))) => {}
            Some(Ok(Err(source))) => return Err(StoreError::Folder { path: self.database.clone(), source }),
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        }
        match self.ahead.take().map(|(_, thread)| thread.join()) {
            None => Ok(()),
            Some(Ok(written)) => written,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        }
    }

    /// Version and migrations are one transaction, so that two processes that make a store do not both make its tables.
    fn migrate(&mut self) -> Result<(), StoreError> {
        let failed = self.failed();
        let connection = &mut self.connection;
        let found = self.runtime.block_on(async {
            let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await?;
            if usize::try_from(found).is_ok_and(|done| done >= MIGRATIONS.len()) {
                return Ok(found);
            }
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *transaction).await?;
            let done = usize::try_from(found).unwrap_or(usize::MAX);
            // Another process has just brought it further.
            if done >= MIGRATIONS.len() {
                return Ok(found);
            }
            let mut all: String = MIGRATIONS.iter().skip(done).copied().collect();
            all.push_str(&format!("PRAGMA user_version = {};", MIGRATIONS.len()));
            sqlx::raw_sql(sqlx::AssertSqlSafe(all)).execute(&mut *transaction).await?;
            transaction.commit().await?;
            Ok(found)
        });
        let found = found.map_err(failed)?;
        if usize::try_from(found).is_ok_and(|done| done <= MIGRATIONS.len()) {
            return Ok(());
        }
        Err(StoreError::Newer { path: self.database.clone(), found, known: MIGRATIONS.len() })
    }

    /// Runs whose process is gone were interrupted by a crash.
    fn reclaim(&mut self) -> Result<(), StoreError> {
        let failed = self.failed();
        let connection = &mut self.connection;
        let statement = "SELECT r.reference, r.process, max(h.at) FROM runs r JOIN run_history h USING (reference) \
            WHERE r.state = 'running' GROUP BY r.reference";
        let running: Vec<(String, i64, String)> = self
            .runtime
            .block_on(async { sqlx::query_as(statement).fetch_all(&mut *connection).await })
            .map_err(failed)?;
        for (reference, process, last_seen) in running {
            let alive = process == i64::from(std::process::id()) || Path::new(&format!("/proc/{process}")).exists();
            // Nobody wrote down when it died; the last known moment of the run is the honest one.
            let at = last_seen.parse().unwrap_or(Timestamp::UNIX_EPOCH);
            match (!alive).then(|| self.transition(&reference, RunState::Interrupted, at, "its process ended")) {
                // Another process saw the same and was faster.
                None | Some(Ok(()) | Err(StoreError::Transition { .. })) => {}
                Some(Err(error)) => return Err(error),
            }
        }
        Ok(())
    }

    fn snapshot_path(&self, id: &str) -> PathBuf {
        self.folder.join("snapshots").join(format!("{id}.pal-snap"))
    }

    /// Begins to write a snapshot's file while the caller goes on; [`Self::begin_run`] waits for it and says what became
    /// of it.
    pub fn save_ahead(&mut self, snapshot: &Arc<Snapshot>) {
        let path = self.snapshot_path(snapshot.id());
        let of = Arc::clone(snapshot);
        let writing = std::thread::Builder::new().spawn(move || write_snapshot(&path, &of));
        // Without a thread it is simply written later.
        self.ahead = writing.ok().map(|thread| (Arc::clone(snapshot.id()), thread));
    }

    /// Writes a snapshot file and its row. A snapshot that is there already, or is being written, is not written again.
    pub fn save_snapshot(&mut self, snapshot: &Snapshot, connectors: &str) -> Result<(), StoreError> {
        let path = self.snapshot_path(snapshot.id());
        if self.ahead.as_ref().is_none_or(|(id, _)| id != snapshot.id()) {
            write_snapshot(&path, snapshot)?;
        }
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let failed = self.failed();
        let connection = &mut self.connection;
        self.runtime
            .block_on(async {
                sqlx::query("INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?, ?, ?)")
                    .bind(snapshot.id().to_string())
                    .bind(connectors)
                    .bind(snapshot.taken_at().to_string())
                    .bind(snapshot.learned_at().to_string())
                    .bind(i64::from(snapshot.len()))
                    .bind(name)
                    .execute(connection)
                    .await
            })
            .map(drop)
            .map_err(failed)
    }

    /// Opens a stored snapshot by its id.
    pub fn snapshot(&self, id: &str) -> Result<Snapshot, StoreError> {
        let path = self.snapshot_path(id);
        let bytes = mapped::map(&path).map_err(|source| StoreError::Folder { path: path.clone(), source })?;
        Snapshot::from_bytes(bytes).map_err(|e| StoreError::Damaged { path, why: e.to_string() })
    }

    /// The newest stored snapshot of these connectors, opened.
    pub fn latest_snapshot(&mut self, connectors: &str) -> Result<Option<Snapshot>, StoreError> {
        let failed = self.failed();
        let connection = &mut self.connection;
        let statement = "SELECT id FROM snapshots WHERE connectors = ? ORDER BY learned_at DESC, rowid DESC LIMIT 1";
        let id: Option<String> = self
            .runtime
            .block_on(async { sqlx::query_scalar(statement).bind(connectors).fetch_optional(connection).await })
            .map_err(failed)?;
        id.map(|id| self.snapshot(&id)).transpose()
    }

    /// Begins a run and returns its reference, once a power cut could no longer hide that it began: the second it began, and a number that makes it unique. Rule J3.
    pub fn begin_run(
        &mut self,
        scan: &str,
        plan_hash: &str,
        snapshot: &str,
        at: Timestamp,
        seed: u64,
    ) -> Result<String, StoreError> {
        self.safe_from_here()?;
        let failed = self.failed();
        let connection = &mut self.connection;
        self.runtime
            .block_on(async {
                let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
                let front = format!("scan/{}.", at.as_second());
                let taken: Vec<String> = sqlx::query_scalar("SELECT reference FROM runs WHERE reference LIKE ? || '%'")
                    .bind(&front)
                    .fetch_all(&mut *transaction)
                    .await?;
                let first = u64::from(at.subsec_nanosecond().unsigned_abs()) / 10_000;
                let free = (first..).map(|n| format!("{front}{n:05}")).find(|r| !taken.contains(r));
                let reference = free.unwrap_or_else(|| front.clone());
                sqlx::query("INSERT INTO runs VALUES (?, ?, 'running', ?, ?, ?, NULL, ?, ?)")
                    .bind(&reference)
                    .bind(scan)
                    .bind(plan_hash)
                    .bind(snapshot)
                    .bind(at.to_string())
                    .bind(seed.to_string())
                    .bind(i64::from(std::process::id()))
                    .execute(&mut *transaction)
                    .await?;
                sqlx::query("INSERT INTO run_history VALUES (?, ?, 'running', 'launched')")
                    .bind(&reference)
                    .bind(at.to_string())
                    .execute(&mut *transaction)
                    .await?;
                transaction.commit().await?;
                Ok(reference)
            })
            .map_err(failed)
            .and_then(|reference| self.settle().map(|()| reference))
    }

    /// Changes a run's state and writes its history. Refused where the life of a scan has no such step, also when
    /// another process was faster.
    pub fn transition(&mut self, reference: &str, to: RunState, at: Timestamp, why: &str) -> Result<(), StoreError> {
        let from = self.run(reference)?;
        if !from.state.may_become(to) {
            return Err(StoreError::Transition { from: from.state.as_str().into(), to: to.as_str().into() });
        }
        self.safe_from_here()?;
        let failed = self.failed();
        let connection = &mut self.connection;
        let moved = self.runtime.block_on(async {
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            if !step(&mut transaction, &from.reference, (from.state, to), at, why).await? {
                return Ok(false);
            }
            transaction.commit().await?;
            Ok(true)
        });
        moved.map_err(failed)?.then_some(()).ok_or_else(|| self.moved_on(reference, to))?;
        self.settle()
    }

    fn moved_on(&mut self, reference: &str, to: RunState) -> StoreError {
        match self.run(reference) {
            Ok(run) => StoreError::Transition { from: run.state.as_str().into(), to: to.as_str().into() },
            Err(error) => error,
        }
    }

    /// Ends a run: results, ledgers, finished targets, state and history in one transaction.
    pub fn finish_run(
        &mut self,
        reference: &str,
        to: RunState,
        at: Timestamp,
        end: &RunEnd<'_>,
    ) -> Result<(), StoreError> {
        if !RunState::Running.may_become(to) {
            return Err(StoreError::Transition { from: RunState::Running.as_str().into(), to: to.as_str().into() });
        }
        let failed = self.failed();
        let connection = &mut self.connection;
        let ended = self
            .runtime
            .block_on(async {
                let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
                if !step(&mut transaction, reference, (RunState::Running, to), at, end.why).await? {
                    return Ok(false);
                }
                document::write(&mut transaction, reference, end.document).await?;
                for ledger in end.ledgers {
                    ledgers::write(&mut transaction, reference, *ledger).await?;
                }
                if let Some(judged) = &end.judged {
                    findings::write(&mut transaction, reference, judged).await?;
                }
                for some in end.finished_targets.chunks(ROWS) {
                    let mut statement = QueryBuilder::<Sqlite>::new("INSERT OR IGNORE INTO finished_targets ");
                    statement.push_values(some, |mut row, (asset, address)| {
                        row.push_bind(reference).push_bind(asset).push_bind(address);
                    });
                    statement.build().execute(&mut *transaction).await?;
                }
                transaction.commit().await?;
                Ok(true)
            })
            .map_err(failed)?;
        ended.then_some(()).ok_or_else(|| self.moved_on(reference, to))
    }

    /// Ends a process's work with the store. A write-ahead log that is not too long stays beside the database: it is on
    /// the disk, and whoever opens the store next reads it. Folding it in takes two syncs and writes all of it again,
    /// which nobody has to wait for at the end of a scan.
    pub fn leave(self) {
        let mut log = self.database.clone().into_os_string();
        log.push("-wal");
        if fs::metadata(log).is_ok_and(|facts| facts.len() <= SHORT_LOG_BYTES) {
            // The connection is closed by the end of the process.
            let _ = ManuallyDrop::new(self);
        } else {
            self.close();
        }
    }

    /// Ends a process's work with the store and folds the write-ahead log into the database, unless somebody else uses
    /// it. What was written is safe without that: an error changes nothing.
    pub fn close(self) {
        let _ = self.runtime.block_on(self.connection.close());
    }

    /// Targets that earlier parts of a run have finished, as (asset, address).
    pub fn finished_targets(&mut self, reference: &str) -> Result<Vec<(String, String)>, StoreError> {
        let failed = self.failed();
        let connection = &mut self.connection;
        self.runtime
            .block_on(async {
                sqlx::query_as("SELECT asset, address FROM finished_targets WHERE reference = ?")
                    .bind(reference)
                    .fetch_all(connection)
                    .await
            })
            .map_err(failed)
    }

    /// All runs, newest first.
    pub fn runs(&mut self) -> Result<Vec<RunRecord>, StoreError> {
        let failed = self.failed();
        let connection = &mut self.connection;
        let statement = "SELECT reference, scan, state, plan_hash, started, finished, seed FROM runs \
            ORDER BY started DESC, reference DESC";
        let rows =
            self.runtime.block_on(async { sqlx::query(statement).fetch_all(connection).await }).map_err(failed)?;
        rows.iter().map(|row| self.record(row)).collect()
    }

    fn record(&self, row: &sqlx::sqlite::SqliteRow) -> Result<RunRecord, StoreError> {
        let failed = self.failed();
        let state: String = row.try_get(2).map_err(&failed)?;
        let seed: String = row.try_get(6).map_err(&failed)?;
        let damaged = || StoreError::Damaged { path: self.database.clone(), why: format!("a run is `{state}`") };
        Ok(RunRecord {
            reference: row.try_get(0).map_err(&failed)?,
            scan: row.try_get(1).map_err(&failed)?,
            state: RunState::read(&state).ok_or_else(damaged)?,
            plan_hash: row.try_get(3).map_err(&failed)?,
            started: row.try_get(4).map_err(&failed)?,
            finished: row.try_get(5).map_err(&failed)?,
            seed: seed.parse().unwrap_or(0),
        })
    }

    /// One run; `latest` is the newest.
    pub fn run(&mut self, reference: &str) -> Result<RunRecord, StoreError> {
        let runs = self.runs()?;
        let found = runs.into_iter().find(|r| reference == "latest" || r.reference == reference);
        found.ok_or_else(|| StoreError::Unknown(reference.to_owned()))
    }

    /// (time, state, why) of a run, oldest first.
    pub fn history(&mut self, reference: &str) -> Result<Vec<(String, String, String)>, StoreError> {
        let failed = self.failed();
        let connection = &mut self.connection;
        self.runtime
            .block_on(async {
                sqlx::query_as("SELECT at, state, why FROM run_history WHERE reference = ? ORDER BY rowid")
                    .bind(reference)
                    .fetch_all(connection)
                    .await
            })
            .map_err(failed)
    }

    /// Adds a line to the activity log.
    pub fn log(&mut self, at: Timestamp, kind: &str, text: &str) -> Result<(), StoreError> {
        let failed = self.failed();
        let connection = &mut self.connection;
        self.runtime
            .block_on(async {
                sqlx::query("INSERT INTO activity VALUES (?, ?, ?)")
                    .bind(at.to_string())
                    .bind(kind)
                    .bind(text)
                    .execute(connection)
                    .await
            })
            .map(drop)
            .map_err(failed)
    }

    /// The newest lines of the activity log as (time, kind, text), newest first.
    pub fn activity(&mut self, most: u32) -> Result<Vec<(String, String, String)>, StoreError> {
        let failed = self.failed();
        let connection = &mut self.connection;
        self.runtime
            .block_on(async {
                sqlx::query_as("SELECT at, kind, text FROM activity ORDER BY rowid DESC LIMIT ?")
                    .bind(i64::from(most))
                    .fetch_all(connection)
                    .await
            })
            .map_err(failed)
    }
}

/// Writes a snapshot's file where it is not there yet.
fn write_snapshot(path: &Path, snapshot: &Snapshot) -> Result<(), StoreError> {
    if path.exists() {
        return Ok(());
    }
    let written = atomic::write_by(path, |file| snapshot.write_to(file));
    written.map_err(|source| StoreError::Folder { path: path.to_owned(), source })
}

/// One step in a run's life, with its history; false where the run is no longer where the step begins.
async fn step(
    transaction: &mut SqliteConnection,
    reference: &str,
    (from, to): (RunState, RunState),
    at: Timestamp,
    why: &str,
) -> Result<bool, sqlx::Error> {
    let changed = sqlx::query("UPDATE runs SET state = ?, process = ?, finished = ? WHERE reference = ? AND state = ?")
        .bind(to.as_str())
        .bind(i64::from(std::process::id()))
        .bind((to != RunState::Running).then(|| at.to_string()))
        .bind(reference)
        .bind(from.as_str())
        .execute(&mut *transaction)
        .await?;
    if changed.rows_affected() != 1 {
        return Ok(false);
    }
    sqlx::query("INSERT INTO run_history VALUES (?, ?, ?, ?)")
        .bind(reference)
        .bind(at.to_string())
        .bind(to.as_str())
        .bind(why)
        .execute(&mut *transaction)
        .await?;
    Ok(true)
}

/// What is stored at the end of a run, or of a part of it.
pub struct RunEnd<'a> {
    /// The results document, which is JSON.
    pub document: &'a Document,
    /// What this part has sent, each with its lineage: it takes the place of what is there of the same lineage. What
    /// stands by itself has lineage 0.
    pub ledgers: &'a [(i64, &'a Ledger)],
    /// Targets that need not be scanned again, as (asset, address).
    pub finished_targets: &'a [(String, String)],
    /// What was found; none where nothing was judged.
    pub judged: Option<findings::JudgedEnd<'a>>,
    /// Why the run ended.
    pub why: &'a str,
}
