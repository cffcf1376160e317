//! Ledgers of runs, one compact record for each part of a run: a run that was interrupted and resumed has several.

use sqlx::SqliteConnection;

use super::{Store, StoreError};
use crate::scan::ledger::Ledger;

/// Adds the ledger of a part.
pub(super) async fn add(
    transaction: &mut SqliteConnection,
    reference: &str,
    ledger: &Ledger,
) -> Result<(), sqlx::Error> {
    let statement = "INSERT INTO ledgers SELECT ?1, coalesce(max(part), 0) + 1, ?2 FROM ledgers WHERE reference = ?1";
    sqlx::query(statement).bind(reference).bind(ledger.to_bytes()).execute(transaction).await.map(drop)
}

impl Store {
    /// What all parts of a run have sent, by warrant, destination, port and probe.
    pub fn ledger(&mut self, reference: &str) -> Result<Ledger, StoreError> {
        let failed = self.failed();
        let connection = &mut self.connection;
        let statement = "SELECT ledger FROM ledgers WHERE reference = ? ORDER BY part";
        let parts: Vec<Vec<u8>> = self
            .runtime
            .block_on(async { sqlx::query_scalar(statement).bind(reference).fetch_all(connection).await })
            .map_err(failed)?;
        let mut all = Ledger::default();
        for part in parts {
            let damaged = || StoreError::Damaged {
                path: self.database.clone(),
                why: format!("the ledger of {reference} cannot be read"),
            };
            all.merge(Ledger::from_bytes(&part).ok_or_else(damaged)?);
        }
        Ok(all)
    }
}
