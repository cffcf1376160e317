-- Evidence of each host of a run, as one document: what checks can be run over again without a packet.
CREATE TABLE evidence (
    reference TEXT NOT NULL REFERENCES runs (reference),
    asset     TEXT NOT NULL,
    address   TEXT NOT NULL,
    document  TEXT NOT NULL,
    PRIMARY KEY (reference, asset, address)
);
