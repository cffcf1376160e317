//! The rhai host: limits, the script API, and the adapters to plan hooks and checks. The only room that knows rhai.

mod asset;
mod builtin;
pub mod check;
mod check_header;
pub mod console;
mod engine;
mod evidence;
mod header;
pub mod hook;
mod lexemes;
