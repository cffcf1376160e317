//! Codes about the store.

use super::CodeDoc;

const fn doc(code: &'static str, title: &'static str, explanation: &'static str) -> CodeDoc {
    CodeDoc { code, title, explanation }
}

pub(super) const CODES: &[CodeDoc] = &[
    doc(
        "P0701",
        "the store is damaged",
        "The database or a snapshot file in the state folder is not what was written. It was left as it is, so that it can be looked \
         at. Move it away to start a new store, restore a copy, or name another folder with --state.",
    ),
    doc(
        "P0702",
        "the store is of a newer version",
        "A newer palisade has written this state folder; an older one would not understand what it holds. Nothing was changed. Use the \
         newer palisade, or name another folder with --state.",
    ),
    doc(
        "P0703",
        "the store could not be read or written",
        "The database's words follow. A full disk, missing rights and another process that holds the database for more than ten \
         seconds are the usual causes. Every change is one transaction: what was not written is not half written.",
    ),
];
