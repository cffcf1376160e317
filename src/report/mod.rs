//! What people and machines read: one document of results, one of a plan, each with a published schema, and their text
//! forms. Computes no findings.

pub mod build;
pub mod compile;
pub mod document;
pub mod format;
pub mod judged;
pub mod judgement;
pub mod judgement_text;
pub mod model;
pub mod plan_document;
pub mod plan_text;
pub mod results_text;
pub mod schema;
pub mod services;
pub mod totals;
