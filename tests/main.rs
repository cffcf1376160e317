//! The one test binary. Each module is a folder of cases or one subject.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    reason = "in tests a panic is a failed test, and what is skipped says so"
)]

mod analyze;
mod checks;
mod cli;
mod connector;
mod golden;
mod ide;
mod judge;
mod lab;
mod plan;
mod query;
mod report;
mod script;
mod service;
mod store;
mod syntax;
mod tidy;
