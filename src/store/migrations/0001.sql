-- Version 1: snapshots, runs with their history, results and ledger totals, and the activity log.
CREATE TABLE snapshots (
    id         TEXT PRIMARY KEY,
    connectors TEXT NOT NULL,
    taken_at   TEXT NOT NULL,
    learned_at TEXT NOT NULL,
    assets     INTEGER NOT NULL,
    file       TEXT NOT NULL
);
CREATE TABLE runs (
    reference TEXT PRIMARY KEY,
    scan      TEXT NOT NULL,
    state     TEXT NOT NULL,
    plan_hash TEXT NOT NULL,
    snapshot  TEXT NOT NULL,
    started   TEXT NOT NULL,
    finished  TEXT,
    seed      TEXT NOT NULL,
    process   INTEGER NOT NULL
);
CREATE TABLE run_history (
    reference TEXT NOT NULL REFERENCES runs (reference),
    at        TEXT NOT NULL,
    state     TEXT NOT NULL,
    why       TEXT NOT NULL
);
CREATE TABLE results (
    reference TEXT PRIMARY KEY REFERENCES runs (reference),
    document  TEXT NOT NULL
);
CREATE TABLE finished_targets (
    reference TEXT NOT NULL REFERENCES runs (reference),
    asset     TEXT NOT NULL,
    address   TEXT NOT NULL,
    PRIMARY KEY (reference, asset, address)
);
CREATE TABLE ledger (
    reference   TEXT NOT NULL REFERENCES runs (reference),
    warrant     INTEGER NOT NULL,
    destination TEXT NOT NULL,
    port        INTEGER NOT NULL,
    probe       TEXT NOT NULL,
    packets     INTEGER NOT NULL,
    PRIMARY KEY (reference, warrant, destination, port, probe)
);
CREATE TABLE activity (
    at   TEXT NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL
);
