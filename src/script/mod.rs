//! The rhai host: limits, the script API, and the adapter to plan hooks. The only room that knows rhai.

mod asset;
pub mod console;
mod engine;
mod header;
pub mod hook;
mod lexemes;
