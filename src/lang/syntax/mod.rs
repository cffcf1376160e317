//! Text to AST. The only room that knows the parser library.

pub mod ast;
mod diagnose;
mod grammar;
mod guard;
mod job;
pub mod lexer;
mod literal;
mod query;
mod recover;

pub use guard::decode;
pub use job::parse_file;
pub use query::parse_query;
