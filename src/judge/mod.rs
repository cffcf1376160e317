//! Judgement: checks over evidence, findings, expected exposure, waivers, change, security risk. Connects to nothing.

pub mod check;
pub mod finding;
