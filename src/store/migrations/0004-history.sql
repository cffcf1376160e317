-- Version 4: the history of inventories: one row a sync of a connector, and what became of each asset. Times are microseconds
-- since the epoch, UTC, so that they sort.
CREATE TABLE syncs (
    number    INTEGER PRIMARY KEY AUTOINCREMENT,
    connector TEXT NOT NULL,
    snapshot  TEXT NOT NULL,
    true_at   INTEGER NOT NULL,
    known_at  INTEGER NOT NULL,
    assets    INTEGER NOT NULL,
    came      INTEGER NOT NULL,
    went      INTEGER NOT NULL,
    changed   INTEGER NOT NULL,
    kept      INTEGER NOT NULL,
    gaps      INTEGER NOT NULL,
    calls     INTEGER NOT NULL
);
CREATE INDEX syncs_by_time ON syncs (connector, true_at, known_at);
CREATE TABLE asset_events (
    connector TEXT NOT NULL,
    provider  TEXT NOT NULL,
    asset     TEXT NOT NULL,
    name      TEXT,
    true_at   INTEGER NOT NULL,
    sync      INTEGER NOT NULL,
    what      TEXT NOT NULL,
    detail    TEXT NOT NULL
);
CREATE INDEX asset_events_by_asset ON asset_events (asset, true_at);
