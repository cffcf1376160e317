//! Canonical text. The formatter proves that what it prints means the same before anybody writes it.

mod file;
mod query;

pub use file::format_file;
pub use query::{format_expr, format_query, quote};
