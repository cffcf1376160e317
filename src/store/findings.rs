//! Findings over runs: one row an identity and scan. What a run found, and what became of what earlier runs found, is
//! written in one transaction with its results.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use sqlx::{Connection, QueryBuilder, Row, Sqlite, SqliteConnection};

use super::document::{self, Document};
use super::{ROWS, Store, StoreError};
use crate::judge::change::{Gone, KnownFinding, OF_ONE_RUN};
use crate::judge::check::Kind;
use crate::judge::finding::{Finding, State};
use crate::lang::job::Protocol;

/// What one run says of findings.
#[derive(Debug, Clone, Copy)]
pub struct JudgedEnd<'a> {
    /// Job title.
    pub scan: &'a str,
    /// What was found.
    pub findings: &'a [Finding],
    /// What became of the others.
    pub gone: &'a [Gone],
    /// Assets that were tested, and when.
    pub tested: &'a [(String, Timestamp)],
}

/// One stored finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFinding {
    /// Job title.
    pub scan: String,
    /// The finding and its state.
    pub finding: KnownFinding,
    /// Why it has its state, where it is gone.
    pub why: String,
    /// The run that showed it first.
    pub first_run: String,
    /// The run that was judged last.
    pub last_run: String,
    /// State before that run; none where that run showed it first.
    pub before: Option<State>,
}

const COLUMNS: &str = "scan, id, check_id, title, kind, severity, asset, name, port, protocol, service, key, evidence, \
    state, why, first_seen, last_seen, first_run, last_run, before";

fn kind(word: &str) -> Option<Kind> {
    [Kind::Confirmed, Kind::Potential, Kind::Information].into_iter().find(|k| k.as_str() == word)
}

fn state(word: &str) -> Option<State> {
    let all = [State::New, State::Active, State::Fixed, State::Reopened, State::NotComparable];
    all.into_iter().find(|s| s.as_str() == word)
}

fn protocol(word: &str) -> Option<Protocol> {
    [Protocol::Tcp, Protocol::Udp].into_iter().find(|p| p.as_str() == word)
}

/// None for a row that this version does not understand.
fn read(row: &sqlx::sqlite::SqliteRow) -> Result<Option<StoredFinding>, sqlx::Error> {
    let text = |i: usize| row.try_get::<String, _>(i);
    let maybe = |i: usize| row.try_get::<Option<String>, _>(i);
    let shared = |t: Option<String>| t.map(|t| Arc::<str>::from(t.as_str()));
    let number: Option<i64> = row.try_get(8)?;
    let port = number.and_then(|n| u16::try_from(n).ok()).zip(maybe(9)?.as_deref().and_then(protocol));
    let (Some(kind), Some(state_now)) = (kind(&text(4)?), state(&text(13)?)) else { return Ok(None) };
    let (Ok(first_seen), Ok(last_seen)) = (text(15)?.parse(), text(16)?.parse()) else { return Ok(None) };
    Ok(Some(StoredFinding {
        scan: text(0)?,
        finding: KnownFinding {
            id: text(1)?.as_str().into(),
            check: text(2)?.as_str().into(),
            title: text(3)?.as_str().into(),
            kind,
            severity: u8::try_from(row.try_get::<i64, _>(5)?).unwrap_or(1),
            asset: text(6)?.as_str().into(),
            name: shared(maybe(7)?),
            port,
            service: shared(maybe(10)?),
            key: text(11)?,
            evidence: text(12)?,
            state: state_now,
            first_seen,
            last_seen,
        },
        why: text(14)?,
        first_run: text(17)?,
        last_run: text(18)?,
        before: maybe(19)?.as_deref().and_then(state),
    }))
}

/// Writes what a run says. Runs inside of the caller's transaction.
pub(super) async fn write(
    transaction: &mut SqliteConnection,
    reference: &str,
    end: &JudgedEnd<'_>,
) -> Result<(), sqlx::Error> {
    // What an earlier judgement of this very run found first, and this one does not, never was.
    sqlx::query("DELETE FROM findings WHERE scan = ? AND first_run = ?")
        .bind(end.scan)
        .bind(reference)
        .execute(&mut *transaction)
        .await?;
    insert(transaction, reference, end).await?;
    for some in end.gone.chunks(ROWS) {
        let mut statement = QueryBuilder::<Sqlite>::new("WITH told (id, state, why) AS (");
        statement.push_values(some, |mut row, gone| {
            row.push_bind(&*gone.finding.id).push_bind(gone.finding.state.as_str()).push_bind(&gone.why);
        });
        statement.push(") UPDATE findings SET before = CASE WHEN last_run = ").push_bind(reference);
        statement.push(" THEN before ELSE findings.state END, state = told.state, why = told.why, last_run = ");
        statement.push_bind(reference).push(" FROM told WHERE findings.id = told.id AND findings.scan = ");
        statement.push_bind(end.scan).build().execute(&mut *transaction).await?;
    }
    let mut tested: BTreeMap<Timestamp, Vec<&str>> = BTreeMap::new();
    for (asset, at) in end.tested {
        tested.entry(*at).or_default().push(asset);
    }
    for (at, assets) in tested {
        // One list instead of as many values as assets: of 65,536 the values alone would take longer than the rows.
        let assets = serde_json::to_string(&assets).map_err(|e| sqlx::Error::Encode(Box::new(e)))?;
        let statement = "INSERT INTO tested SELECT value, ?2, ?3 FROM json_each(?1) WHERE true ON CONFLICT DO UPDATE SET \
            at = excluded.at, reference = excluded.reference WHERE excluded.at >= at";
        sqlx::query(statement).bind(assets).bind(at.to_string()).bind(reference).execute(&mut *transaction).await?;
    }
    Ok(())
}

async fn insert(transaction: &mut SqliteConnection, reference: &str, end: &JudgedEnd<'_>) -> Result<(), sqlx::Error> {
    let lasting: Vec<&Finding> = end.findings.iter().filter(|f| !OF_ONE_RUN.contains(&&*f.check)).collect();
    for some in lasting.chunks(ROWS) {
        let mut statement = QueryBuilder::<Sqlite>::new(format!("INSERT INTO findings ({COLUMNS}) "));
        statement.push_values(some, |mut row, f| {
            row.push_bind(end.scan).push_bind(&*f.id).push_bind(&*f.check).push_bind(&*f.title);
            row.push_bind(f.kind.as_str()).push_bind(i64::from(f.severity)).push_bind(&*f.asset);
            row.push_bind(f.name.as_deref()).push_bind(f.port.map(|p| i64::from(p.0)));
            row.push_bind(f.port.map(|p| p.1.as_str())).push_bind(f.service.as_deref()).push_bind(&f.key);
            row.push_bind(&f.evidence).push_bind(f.state.as_str()).push("''");
            row.push_bind(f.seen.0.to_string()).push_bind(f.seen.1.to_string());
            row.push_bind(reference).push_bind(reference).push("NULL");
        });
        statement.push(
            " ON CONFLICT DO UPDATE SET title = excluded.title, kind = excluded.kind, severity = excluded.severity, \
             name = excluded.name, service = excluded.service, evidence = excluded.evidence, \
             before = CASE WHEN last_run = excluded.last_run THEN before ELSE state END, state = excluded.state, \
             why = '', last_seen = excluded.last_seen, last_run = excluded.last_run",
        );
        statement.build().execute(&mut *transaction).await?;
    }
    Ok(())
}

impl Store {
    /// All stored findings, newest first seen first; of one scan where it is named.
    pub fn findings(&mut self, scan: Option<&str>) -> Result<Vec<StoredFinding>, StoreError> {
        let failed = self.failed();
        let connection = &mut self.connection;
        let statement = format!(
            "SELECT {COLUMNS} FROM findings WHERE ?1 IS NULL OR scan = ?1 ORDER BY first_seen DESC, asset, port, check_id, key"
        );
        let rows = self.runtime.block_on(async {
            let rows = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(scan).fetch_all(connection).await?;
            rows.iter().map(read).collect::<Result<Vec<_>, _>>()
        });
        Ok(rows.map_err(failed)?.into_iter().flatten().collect())
    }

    /// What runs before this one left of a scan's findings. A run that is judged again sees what it saw the first time.
    pub fn known_findings(&mut self, scan: &str, reference: &str) -> Result<Vec<KnownFinding>, StoreError> {
        let stored = self.findings(Some(scan))?;
        let before = stored.into_iter().filter(|f| f.first_run != reference);
        Ok(before
            .map(|f| match f.before {
                Some(state) if f.last_run == reference => KnownFinding { state, ..f.finding },
                _ => f.finding,
            })
            .collect())
    }

    /// When each asset was tested last, by runs other than this one.
    pub fn tested(&mut self, reference: &str) -> Result<HashMap<String, Timestamp>, StoreError> {
        let failed = self.failed();
        let connection = &mut self.connection;
        let rows: Vec<(String, String)> = self
            .runtime
            .block_on(async {
                sqlx::query_as("SELECT asset, at FROM tested WHERE reference <> ?")
                    .bind(reference)
                    .fetch_all(connection)
                    .await
            })
            .map_err(failed)?;
        Ok(rows.into_iter().filter_map(|(asset, at)| Some((asset, at.parse().ok()?))).collect())
    }

    /// Puts a new judgement of a finished run in the place of the old one: results and findings in one transaction.
    pub fn judged_again(
        &mut self,
        reference: &str,
        document: &Document,
        end: &JudgedEnd<'_>,
    ) -> Result<(), StoreError> {
        let failed = self.failed();
        let connection = &mut self.connection;
        self.runtime
            .block_on(async {
                let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
                document::write(&mut transaction, reference, document).await?;
                write(&mut transaction, reference, end).await?;
                transaction.commit().await
            })
            .map_err(failed)
    }
}
