//! A new database, made aside and moved into place whole. SQLite would sync six times to make one; here it is synced
//! once, beside whatever the caller does next, and nobody relies on it before that is done.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;

/// A sync that is under way.
pub(super) type Syncing = JoinHandle<io::Result<()>>;

/// Bytes of the only page of an empty database.
const PAGE_BYTES: usize = 4_096;

/// An empty database with a write-ahead log, byte by byte as SQLite makes it: <https://sqlite.org/fileformat2.html>, 1.3
/// (header), 1.6 (an empty leaf, the schema's table).
fn empty() -> Vec<u8> {
    let mut page = Vec::with_capacity(PAGE_BYTES);
    page.extend_from_slice(b"SQLite format 3\0");
    page.extend_from_slice(&(PAGE_BYTES as u16).to_be_bytes());
    // Written and read with a write-ahead log; nothing reserved; the three payload fractions, which are fixed.
    page.extend_from_slice(&[2, 2, 0, 64, 32, 32]);
    // Change counter 1, one page.
    page.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1]);
    page.resize(92, 0);
    // The change that the number of pages holds for.
    page.extend_from_slice(&[0, 0, 0, 1]);
    page.resize(100, 0);
    // A leaf of a table without a cell, whose content begins at the end of the page.
    page.extend_from_slice(&[13, 0, 0, 0, 0]);
    page.extend_from_slice(&(PAGE_BYTES as u16).to_be_bytes());
    page.resize(PAGE_BYTES, 0);
    page
}

/// An empty database where there is none; another process may be faster. True where it is new.
pub(super) fn make(database: &Path) -> io::Result<bool> {
    if fs::metadata(database).is_ok_and(|facts| facts.len() > 0) {
        return Ok(false);
    }
    let aside = beside(database);
    fs::write(&aside, empty())?;
    // A file system without links: the database is made in place, by SQLite.
    let made = fs::hard_link(&aside, database).is_ok();
    fs::remove_file(&aside)?;
    if made {
        // The log of a database that was moved away would be read as this one's.
        for of_it in ["-wal", "-shm"] {
            let mut stale = database.as_os_str().to_owned();
            stale.push(of_it);
            match fs::remove_file(stale) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
    }
    Ok(made)
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
