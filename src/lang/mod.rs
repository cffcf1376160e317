//! The language: text to AST, typed queries, checked programs, formatter, editor services. Reads no file, no network.

pub mod analyze;
pub mod cloud;
pub mod format;
pub mod ide;
pub mod job;
pub mod keep;
pub mod organization;
pub mod policy;
pub mod query;
pub mod syntax;
pub mod unit_test;
