//! The one test binary. Each module is a folder of cases or one subject.

mod analyze;
mod connector;
mod golden;
mod ide;
mod query;
mod syntax;
mod tidy;
