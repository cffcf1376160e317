-- The ledger of a part that covers earlier ones takes the place of those of the same lineage; 0 stands beside all others.
ALTER TABLE ledgers ADD COLUMN lineage INTEGER NOT NULL DEFAULT 0;
