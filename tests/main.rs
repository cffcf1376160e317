//! The one test binary. Each module is a folder of cases or one subject.

mod analyze;
mod connector;
mod golden;
mod query;
mod report;
mod script;
mod store;
mod syntax;
mod tidy;
