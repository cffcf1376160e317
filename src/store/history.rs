//! The history of inventories. Every sync has two times: when its answers were true, and when we learned them. A sync
//! that found nothing new points at the snapshot before it, so that history costs only what changed.

use std::fs;

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

use super::{Store, StoreError};
use crate::inventory::partition::Kind;
use crate::inventory::reconcile::Change;
use crate::inventory::snapshot::Snapshot;
use crate::lang::keep::Keep;

/// One sync as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncRecord {
    /// Its number, ascending.
    pub number: i64,
    /// Connector name.
    pub connector: String,
    /// Snapshot id.
    pub snapshot: String,
    /// When the answers were true.
    pub true_at: Timestamp,
    /// When we learned them.
    pub known_at: Timestamp,
    /// What it found.
    pub counts: SyncCounts,
}

/// What a sync found, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SyncCounts {
    /// Assets of the snapshot.
    pub assets: u64,
    /// Not there before.
    pub came: u64,
    /// Gone by a complete reading, or left out by the job file now.
    pub went: u64,
    /// With other values.
    pub changed: u64,
    /// Kept from an earlier reading.
    pub kept: u64,
    /// Partitions not completely read.
    pub gaps: u64,
    /// Provider calls.
    pub calls: u64,
}

/// One event of an asset's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetEvent {
    /// Connector name.
    pub connector: String,
    /// `AWS`, `AZURE`, `GCP`.
    pub provider: String,
    /// Provider resource id.
    pub asset: String,
    /// Name at that time.
    pub name: Option<String>,
    /// When it was true.
    pub true_at: Timestamp,
    /// The sync that learned it.
    pub sync: i64,
    /// `came`, `went`, `left`, `changed`.
    pub what: String,
    /// Changed values, one line.
    pub detail: String,
}

/// What is stored of one sync.
pub struct SyncEntry<'a> {
    /// Connector name.
    pub connector: &'a str,
    /// The snapshot: a new one, or the one before where nothing changed.
    pub snapshot: &'a Snapshot,
    /// True where the snapshot of the sync before is used again.
    pub unchanged: bool,
    /// When the answers were true.
    pub true_at: Timestamp,
    /// When we learned them.
    pub known_at: Timestamp,
    /// In numbers.
    pub counts: SyncCounts,
    /// What became of single records, with the changed values in a line.
    pub events: &'a [&'a (Change, String)],
}

/// Events written by one statement, eight values each: a million of them, one a statement, take most of a minute.
const EVENT_ROWS: usize = 1_000;

const COLUMNS: &str =
    "number, connector, snapshot, true_at, known_at, assets, came, went, changed, kept, gaps, calls FROM syncs";

impl Store {
    /// Stores a sync: its snapshot file first, then its rows in one transaction. Returns its number.
    pub fn record_sync(&mut self, entry: &SyncEntry<'_>) -> Result<i64, StoreError> {
        if !entry.unchanged {
            self.save_snapshot(entry.snapshot, entry.connector)?;
        }
        let failed = self.failed();
        let connection = &mut self.connection;
        self.runtime
            .block_on(async {
                let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
                let number = insert_sync(&mut transaction, entry).await?;
                let own = |e: &&&(Change, String)| e.0.kind == Kind::Instances;
                let events: Vec<&(Change, String)> = entry.events.iter().filter(own).copied().collect();
                for some in events.chunks(EVENT_ROWS) {
                    insert_events(&mut transaction, entry, number, some).await?;
                }
                transaction.commit().await?;
                Ok(number)
            })
            .map_err(failed)
    }

    /// The newest sync of a connector that was true at a moment, by what was known at another; none of the two bounds
    /// means now.
    pub fn sync_at(
        &mut self,
        connector: &str,
        true_at: Option<Timestamp>,
        known_at: Option<Timestamp>,
    ) -> Result<Option<SyncRecord>, StoreError> {
        let statement = format!(
            "SELECT {COLUMNS} WHERE connector = ? AND true_at <= ? AND known_at <= ? \
             ORDER BY true_at DESC, number DESC LIMIT 1"
        );
        let bound = |at: Option<Timestamp>| at.map_or(i64::MAX, Timestamp::as_microsecond);
        let failed = self.failed();
        let connection = &mut self.connection;
        let row = self.runtime.block_on(async {
            sqlx::query(AssertSqlSafe(statement))
                .bind(connector)
                .bind(bound(true_at))
                .bind(bound(known_at))
                .fetch_optional(connection)
                .await
        });
        row.map_err(failed)?.map(|row| self.sync_record(&row)).transpose()
    }

    /// The last sync of a connector: the one that the next is held against.
    pub fn last_sync(&mut self, connector: &str) -> Result<Option<SyncRecord>, StoreError> {
        let statement = format!("SELECT {COLUMNS} WHERE connector = ? ORDER BY number DESC LIMIT 1");
        let failed = self.failed();
        let connection = &mut self.connection;
        let row = self
            .runtime
            .block_on(async { sqlx::query(AssertSqlSafe(statement)).bind(connector).fetch_optional(connection).await });
        row.map_err(failed)?.map(|row| self.sync_record(&row)).transpose()
    }

    /// All syncs, newest first; of some connectors where any are named.
    pub fn syncs(&mut self, connectors: &[String]) -> Result<Vec<SyncRecord>, StoreError> {
        let statement = format!("SELECT {COLUMNS} ORDER BY number DESC");
        let failed = self.failed();
        let connection = &mut self.connection;
        let rows = self
            .runtime
            .block_on(async { sqlx::query(AssertSqlSafe(statement)).fetch_all(connection).await })
            .map_err(failed)?;
        let mut records = rows.iter().map(|row| self.sync_record(row)).collect::<Result<Vec<_>, _>>()?;
        records.retain(|r| connectors.is_empty() || connectors.contains(&r.connector));
        Ok(records)
    }

    fn sync_record(&self, row: &sqlx::sqlite::SqliteRow) -> Result<SyncRecord, StoreError> {
        let failed = self.failed();
        let damaged = || StoreError::Damaged { path: self.database.clone(), why: "a sync has no readable time".into() };
        let number = |at: usize| row.try_get::<i64, _>(at).map_err(&failed);
        let count = |at: usize| number(at).map(|n| u64::try_from(n).unwrap_or(0));
        let time = |at: usize| Timestamp::from_microsecond(number(at)?).map_err(|_| damaged());
        Ok(SyncRecord {
            number: number(0)?,
            connector: row.try_get(1).map_err(&failed)?,
            snapshot: row.try_get(2).map_err(&failed)?,
            true_at: time(3)?,
            known_at: time(4)?,
            counts: SyncCounts {
                assets: count(5)?,
                came: count(6)?,
                went: count(7)?,
                changed: count(8)?,
                kept: count(9)?,
                gaps: count(10)?,
                calls: count(11)?,
            },
        })
    }

    /// Opens the snapshot of a sync, with the times of that sync.
    pub fn open_sync(&self, sync: &SyncRecord) -> Result<Snapshot, StoreError> {
        Ok(self.snapshot(&sync.snapshot)?.at(sync.true_at, sync.known_at))
    }

    /// What became of an asset, by id or name, oldest first.
    pub fn asset_events(&mut self, asset: &str) -> Result<Vec<AssetEvent>, StoreError> {
        let statement = "SELECT connector, provider, asset, name, true_at, sync, what, detail FROM asset_events \
            WHERE asset = ?1 OR name = ?1 ORDER BY true_at, sync";
        let failed = self.failed();
        let connection = &mut self.connection;
        type Line = (String, String, String, Option<String>, i64, i64, String, String);
        let rows: Vec<Line> = self
            .runtime
            .block_on(async { sqlx::query_as(statement).bind(asset).fetch_all(connection).await })
            .map_err(failed)?;
        Ok(rows
            .into_iter()
            .map(|(connector, provider, asset, name, at, sync, what, detail)| AssetEvent {
                connector,
                provider,
                asset,
                name,
                true_at: Timestamp::from_microsecond(at).unwrap_or_default(),
                sync,
                what,
                detail,
            })
            .collect())
    }

    /// Forgets syncs that the retention rule no longer keeps, and the snapshot files that nothing refers to any more.
    /// The newest sync of each connector always stays, and so does every snapshot that a run was made from. Returns how
    /// many snapshots went.
    pub fn retain_snapshots(&mut self, connector: &str, keep: Keep, now: Timestamp) -> Result<u64, StoreError> {
        let own = [connector.to_owned()];
        let syncs = self.syncs(&own)?;
        // By age, the last one before the bound stays too: it was in force at the bound.
        let old: Vec<&SyncRecord> = syncs
            .iter()
            .zip(syncs.iter().skip(1))
            .enumerate()
            .filter(|(i, (newer, _))| match keep {
                Keep::Count(n) => i + 1 >= n.get() as usize,
                Keep::Age(age) => now.checked_sub(age).is_ok_and(|oldest| newer.known_at < oldest),
            })
            .map(|(_, (_, s))| s)
            .collect();
        let failed = self.failed();
        let connection = &mut self.connection;
        let files: Vec<(String, String)> = self
            .runtime
            .block_on(async {
                let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
                for sync in &old {
                    sqlx::query("DELETE FROM syncs WHERE number = ?")
                        .bind(sync.number)
                        .execute(&mut *transaction)
                        .await?;
                }
                // Only snapshots that a sync of this connector brought; those of runs over files stay with their runs.
                let mut gone = Vec::new();
                for sync in &old {
                    let statement = "DELETE FROM snapshots WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM syncs WHERE \
                        snapshot = ?1) AND NOT EXISTS (SELECT 1 FROM runs WHERE snapshot = ?1) RETURNING id, file";
                    let row: Option<(String, String)> =
                        sqlx::query_as(statement).bind(&sync.snapshot).fetch_optional(&mut *transaction).await?;
                    gone.extend(row);
                }
                transaction.commit().await?;
                Ok(gone)
            })
            .map_err(failed)?;
        for (_, file) in &files {
            // A file that stays for lack of rights costs space and nothing else.
            let _ = fs::remove_file(self.folder.join("snapshots").join(file));
        }
        Ok(files.len() as u64)
    }
}

async fn insert_events(
    transaction: &mut SqliteConnection,
    entry: &SyncEntry<'_>,
    number: i64,
    events: &[&(Change, String)],
) -> Result<(), sqlx::Error> {
    // Numbered parameters are looked up one after the other, so that a statement of many takes quadratic time.
    let rows = vec!["(?,?,?,?,?,?,?,?)"; events.len()].join(",");
    let mut query = sqlx::query(AssertSqlSafe(format!("INSERT INTO asset_events VALUES {rows}")));
    for (change, detail) in events {
        query = query
            .bind(entry.connector)
            .bind(change.provider.as_str())
            .bind(change.id.to_string())
            .bind(change.name.as_ref().map(ToString::to_string))
            .bind(entry.true_at.as_microsecond())
            .bind(number)
            .bind(change.what.as_str())
            .bind(detail);
    }
    query.execute(transaction).await.map(drop)
}

async fn insert_sync(transaction: &mut SqliteConnection, entry: &SyncEntry<'_>) -> Result<i64, sqlx::Error> {
    let n = |v: u64| i64::try_from(v).unwrap_or(i64::MAX);
    let counts = &entry.counts;
    let statement = "INSERT INTO syncs (connector, snapshot, true_at, known_at, assets, came, went, changed, kept, gaps, \
        calls) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING number";
    sqlx::query_scalar(statement)
        .bind(entry.connector)
        .bind(entry.snapshot.id().to_string())
        .bind(entry.true_at.as_microsecond())
        .bind(entry.known_at.as_microsecond())
        .bind(n(counts.assets))
        .bind(n(counts.came))
        .bind(n(counts.went))
        .bind(n(counts.changed))
        .bind(n(counts.kept))
        .bind(n(counts.gaps))
        .bind(n(counts.calls))
        .fetch_one(transaction)
        .await
}
