//! Ledgers of runs, compact records: a run that was interrupted and resumed has several.

use sqlx::SqliteConnection;

use super::{Store, StoreError};
use crate::scan::ledger::Ledger;

/// Adds a ledger, in the place of those of its lineage.
pub(super) async fn write(
    transaction: &mut SqliteConnection,
    reference: &str,
    (lineage, ledger): (i64, &Ledger),
) -> Result<(), sqlx::Error> {
    let statement = "DELETE FROM ledgers WHERE reference = ? AND lineage = ? AND lineage <> 0";
    sqlx::query(statement).bind(reference).bind(lineage).execute(&mut *transaction).await?;
    let statement =
        "INSERT INTO ledgers SELECT ?1, coalesce(max(part), 0) + 1, ?2, ?3 FROM ledgers WHERE reference = ?1";
    sqlx::query(statement).bind(reference).bind(ledger.to_bytes()).bind(lineage).execute(transaction).await.map(drop)
}

impl Store {
    /// What all parts of a run have sent, by warrant, destination, port and probe.
    pub fn ledger(&mut self, reference: &str) -> Result<Ledger, StoreError> {
        let mut all = Ledger::default();
        self.ledgers(reference)?.into_iter().for_each(|(_, ledger)| all.merge(ledger));
        Ok(all)
    }

    /// The same part by part, each with its lineage.
    pub fn ledgers(&mut self, reference: &str) -> Result<Vec<(i64, Ledger)>, StoreError> {
        let failed = self.failed();
        let connection = &mut self.connection;
        let statement = "SELECT lineage, ledger FROM ledgers WHERE reference = ? ORDER BY part";
        let parts: Vec<(i64, Vec<u8>)> = self
            .runtime
            .block_on(async { sqlx::query_as(statement).bind(reference).fetch_all(connection).await })
            .map_err(failed)?;
        let damaged = || StoreError::Damaged {
            path: self.database.clone(),
            why: format!("the ledger of {reference} cannot be read"),
        };
        let read = |(lineage, part): (i64, Vec<u8>)| {
            Ledger::from_bytes(&part).map(|ledger| (lineage, ledger)).ok_or_else(damaged)
        };
        parts.into_iter().map(read).collect()
    }
}
