-- Version 2: the ledger of each part of a run as one compact record; one row a line took longer than the scan itself.
CREATE TABLE ledgers (
    reference TEXT NOT NULL REFERENCES runs (reference),
    part      INTEGER NOT NULL,
    ledger    BLOB NOT NULL,
    PRIMARY KEY (reference, part)
);
