//! A new database, made aside and moved into place whole. SQLite would sync six times to make one; here it is synced
//! once, beside whatever the caller does next, and nobody relies on it before that is done.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, SqliteConnection};

/// A sync that is under way.
pub(super) type Syncing = JoinHandle<io::Result<()>>;

/// An empty database with a write-ahead log where there is none; another process may be faster. True where it is new.
pub(super) async fn make(database: &Path) -> Result<bool, sqlx::Error> {
    if fs::metadata(database).is_ok_and(|facts| facts.len() > 0) {
        return Ok(false);
    }
    let aside = beside(database);
    let options = SqliteConnectOptions::new()
        .filename(&aside)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Off);
    let made = async {
        SqliteConnection::connect_with(&options).await?.close().await?;
        match fs::hard_link(&aside, database) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            // A file system without links: the database is made in place, by SQLite.
            Err(_) => Ok(false),
        }
    }
    .await;
    let _ = fs::remove_file(&aside);
    made
}

fn beside(database: &Path) -> PathBuf {
    let name = database.file_name().unwrap_or_default().to_string_lossy();
    // Two threads of one process may make the same store.
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    database.with_file_name(format!(".{name}.{}.{number}.new", std::process::id()))
}

/// Begins to sync a new database and its folder.
pub(super) fn sync(database: &Path) -> io::Result<Syncing> {
    let database = database.to_owned();
    std::thread::Builder::new().spawn(move || {
        File::open(&database)?.sync_all()?;
        database.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    })
}
