//! Codes about the store.

use super::CodeDoc;

const fn doc(code: &'static str, title: &'static str, explanation: &'static str) -> CodeDoc {
    CodeDoc { code, title, explanation }
}

pub(super) const CODES: &[CodeDoc] = &[
    doc(
        "P0701",
        "the store is damaged",
        "The database or a snapshot file is not what was written. It is never overwritten: move it away to start a new one, or name another folder with --state.",
    ),
    doc("P0702", "the store is newer than this version", "Another, newer palisade has written it. Use that one."),
    doc("P0703", "the store refused an operation", "The message is the database's own."),
];
