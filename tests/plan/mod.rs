//! Plans: the funnel adds up, targets are ours, hooks only narrow, names are resolved with care.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice, reason = "a panic is a failed test")]

mod funnel;
mod hooks;
mod names;
mod property;
pub mod world;
