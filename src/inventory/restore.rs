//! A stored snapshot back to the records it was built from, so that a later reading can be held against it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::asset::{Asset, Field, Value};
use super::catalogue::{self, TokenId, ids};
use super::partition::PartitionId;
use super::snapshot::{Snapshot, SnapshotInput, ValueRef};
use super::stale::{RecordKey, Stale, StaleRecord};

/// Values that most assets have at most; more only cost another allocation.
const FIELDS: usize = 32;

impl Snapshot {
    /// The records of this snapshot, stale ones marked. Building them again gives the same snapshot.
    pub fn to_input(&self) -> SnapshotInput {
        let mut assets: Vec<Asset> = (0..self.len()).filter_map(|row| self.record(row)).collect();
        for token in catalogue::all_ids() {
            let column = self.column(token);
            // Rows share the text of a value, as they did when it was read.
            let values: Vec<Option<Value>> =
                (0..column.codes()).map(|code| column.value(code).map(ValueRef::to_value)).collect();
            for row in column.present() {
                let Some(asset) = assets.get_mut(row as usize) else { continue };
                asset.fields.extend(column.cells(row).filter_map(|cell| {
                    let value = values.get(cell.code as usize)?.clone()?;
                    Some(Field { token, element: cell.element, value })
                }));
            }
        }
        SnapshotInput {
            taken_at: self.taken_at(),
            learned_at: self.learned_at(),
            stale: self.stale_records(&assets),
            assets,
            partitions: self.partitions().to_vec(),
            load_balancers: self.load_balancers().to_vec(),
        }
    }

    fn record(&self, row: u32) -> Option<Asset> {
        let asset = self.asset(row)?;
        let name = self.column(ids::NAME);
        let text = name.cells(row).find_map(|c| match name.value(c.code) {
            Some(ValueRef::Str(s)) => Some(Arc::from(s)),
            _ => None,
        });
        Some(Asset {
            id: asset.id().into(),
            name: text,
            provider: asset.provider(),
            connector: asset.connector().into(),
            partition: PartitionId(*self.parts.row_partitions.get(row as usize)?),
            interfaces: asset.interfaces(),
            fields: Vec::with_capacity(FIELDS),
        })
    }

    fn stale_records(&self, assets: &[Asset]) -> Stale {
        let known = &self.parts.stale;
        let mut stale = Stale { since: known.since.clone(), ..Stale::default() };
        let key = |row: u32| {
            let asset = assets.get(row as usize)?;
            let (id, connector) = (Arc::clone(&asset.id), Arc::clone(&asset.connector));
            Some(RecordKey { provider: asset.provider, id, connector })
        };
        for (token, rows) in &known.cells {
            for key in rows.iter().filter_map(key) {
                let entry = stale.records.entry(key).or_insert_with(|| StaleRecord::Tokens(BTreeSet::<TokenId>::new()));
                if let StaleRecord::Tokens(tokens) = entry {
                    tokens.insert(*token);
                }
            }
        }
        stale.records.extend(known.rows.iter().filter_map(key).map(|k| (k, StaleRecord::Whole)));
        let balancers = known.load_balancers.iter().filter_map(|i| self.parts.load_balancers.get(i as usize));
        stale.load_balancers = balancers.map(|l| (Arc::clone(&l.connector), Arc::clone(&l.id))).collect();
        stale
    }
}

#[cfg(test)]
mod tests {
    use crate::base::limits::Limits;
    use crate::inventory::snapshot::Snapshot;
    use crate::inventory::synthetic;

    #[test]
    fn records_come_back_as_they_went_in() {
        let built = Snapshot::build(synthetic::assets(500, 11), &Limits::default()).unwrap().0;
        let again = Snapshot::build(built.to_input(), &Limits::default()).unwrap().0;
        assert_eq!(again.to_bytes(), built.to_bytes());
    }
}
