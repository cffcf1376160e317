//! Palisade: policy as code for the public edge of a cloud.

pub mod base;
pub mod connector;
pub mod inventory;
pub mod lang;
pub mod plan;
pub mod scan;
