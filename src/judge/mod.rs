//! Judgement: checks over evidence, findings, expected exposure, waivers, change, security risk. Connects to nothing.

pub mod check;
pub mod engine;
pub mod finding;
pub mod identity;
pub mod randomness;
pub mod select;
pub mod version;
