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
mod connect;
mod connector;
mod format;
mod golden;
mod hostile_facts;
mod ide;
mod judge;
mod lab;
mod lab_connect;
mod lab_facts;
mod lab_life;
mod lab_link;
mod lab_random;
mod lab_rates;
mod plan;
mod policy_test;
mod query;
mod repl;
mod report;
mod reports;
mod run;
mod script;
mod service;
mod store;
mod sync;
mod syntax;
mod tidy;
