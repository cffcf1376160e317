//! What must hold of a database before anything is done with it.

use std::fs;
use std::io::Read;
use std::path::Path;

use super::StoreError;

/// A database up to this size is checked wholly when it is opened.
const CHECKED_WHOLLY_BYTES: u64 = 16 << 20;

/// How a database is checked before it is used: a small one wholly, a large one in the tables that every command needs.
/// The results of old runs are not: reading them all would cost each command a second for 1 GB. Damage there shows
/// where it is read, if at all.
pub(super) fn before_use(database: &Path) -> &'static [&'static str] {
    const WHOLE: &[&str] = &["PRAGMA quick_check(1)"];
    const SMALL_TABLES: &[&str] =
        &["PRAGMA quick_check(runs)", "PRAGMA quick_check(run_history)", "PRAGMA quick_check(snapshots)"];
    match fs::metadata(database) {
        Ok(facts) if facts.len() > CHECKED_WHOLLY_BYTES => SMALL_TABLES,
        _ => WHOLE,
    }
}

/// What the database's first answer means: corruption and foreign files are damage, anything else is told as it is.
pub(super) fn unusable(database: &Path, error: sqlx::Error) -> StoreError {
    let path = database.to_owned();
    let code = error.as_database_error().and_then(|e| e.code()).and_then(|c| c.parse::<u32>().ok());
    // The low byte is the primary code: 11 is SQLITE_CORRUPT, 26 SQLITE_NOTADB.
    let corrupt = matches!(code.map(|c| c & 0xff), Some(11 | 26)) || matches!(error, sqlx::Error::Protocol(_));
    if corrupt {
        StoreError::Damaged { path, why: error.to_string() }
    } else {
        StoreError::Query { path, source: error }
    }
}

/// A file that is there and is no SQLite database, or one of a newer version, is refused before anything touches it.
pub(super) fn refuse_foreign(database: &Path, known: usize) -> Result<(), StoreError> {
    let Ok(file) = fs::File::open(database) else { return Ok(()) };
    let mut head = Vec::new();
    if let Err(source) = file.take(100).read_to_end(&mut head) {
        return Err(StoreError::Folder { path: database.to_owned(), source });
    }
    if head.is_empty() {
        return Ok(());
    }
    // The database's header has 100 bytes; the user version stands at byte 60, big-endian.
    let version: Option<[u8; 4]> = head.get(60..64).and_then(|v| v.try_into().ok());
    match version.map(i32::from_be_bytes) {
        Some(found) if head.starts_with(b"SQLite format 3\0") && head.len() == 100 => {
            if usize::try_from(found).is_ok_and(|n| n <= known) {
                return Ok(());
            }
            Err(StoreError::Newer { path: database.to_owned(), found: found.into(), known })
        }
        _ => Err(StoreError::Damaged { path: database.to_owned(), why: "it is no SQLite database".into() }),
    }
}
