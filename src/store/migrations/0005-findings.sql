-- Findings of each scan over its runs, and when each asset was tested last.
CREATE TABLE findings (
    scan       TEXT NOT NULL,
    id         TEXT NOT NULL,
    check_id   TEXT NOT NULL,
    title      TEXT NOT NULL,
    kind       TEXT NOT NULL,
    severity   INTEGER NOT NULL,
    asset      TEXT NOT NULL,
    name       TEXT,
    port       INTEGER,
    protocol   TEXT,
    service    TEXT,
    key        TEXT NOT NULL,
    evidence   TEXT NOT NULL,
    state      TEXT NOT NULL,
    why        TEXT NOT NULL,
    first_seen TEXT NOT NULL,
    last_seen  TEXT NOT NULL,
    first_run  TEXT NOT NULL REFERENCES runs (reference),
    last_run   TEXT NOT NULL REFERENCES runs (reference),
    -- State before last_run, so that the same run can be judged again.
    before     TEXT,
    PRIMARY KEY (scan, id)
);
CREATE TABLE tested (
    asset     TEXT PRIMARY KEY,
    at        TEXT NOT NULL,
    reference TEXT NOT NULL REFERENCES runs (reference)
);
