//! Text to AST. The only room that knows the parser library.

pub mod ast;
