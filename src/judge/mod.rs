//! Judgement: checks over evidence, findings, expected exposure, waivers, change, security risk. Connects to nothing.

mod assertion;
pub mod change;
pub mod check;
pub mod control;
pub mod engine;
pub mod estate;
pub mod exposure;
pub mod finding;
pub mod identity;
pub mod policy;
pub mod randomness;
mod requirement;
pub mod risk;
pub mod select;
pub mod version;
