//! Every diagnostic code, in one table. A released code is never reused.
//!
//! Ranges: `P00xx` syntax, `P01xx` queries, `P02xx` job files, `P03xx` inventories and connectors, `P04xx` plans,
//! `P05xx` scans, `P06xx` scripts, `P07xx` the store, `P08xx` command line and configuration.

mod connector;
mod inventory;
mod job;
mod plan;
mod query;
mod scan;
mod script;
mod store;
mod syntax;
mod usage;

/// One code's documentation, printed by `palisade explain CODE`.
#[derive(Debug, Clone, Copy)]
pub struct CodeDoc {
    /// The code, `P0101`.
    pub code: &'static str,
    /// What it means in one line.
    pub title: &'static str,
    /// Why it is a problem and how to mend it; plain text with an example.
    pub explanation: &'static str,
}

/// All codes, in ascending order.
pub fn all() -> impl Iterator<Item = &'static CodeDoc> {
    [
        syntax::CODES,
        query::CODES,
        job::CODES,
        inventory::CODES,
        connector::CODES,
        plan::CODES,
        scan::CODES,
        script::CODES,
        store::CODES,
        usage::CODES,
    ]
    .into_iter()
    .flatten()
}

/// Looks a code up, case-insensitively.
pub fn find(code: &str) -> Option<&'static CodeDoc> {
    all().find(|c| c.code.eq_ignore_ascii_case(code))
}
