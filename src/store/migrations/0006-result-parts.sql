-- Large results documents, packed and in parts; `results.document` is then empty.
CREATE TABLE result_parts (
    reference TEXT NOT NULL REFERENCES runs (reference),
    part      INTEGER NOT NULL,
    body      BLOB NOT NULL,
    PRIMARY KEY (reference, part)
);
