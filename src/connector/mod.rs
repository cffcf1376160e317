//! From providers' answers to inventory. A partition that was not read is a gap, never an absence: no reader here may
//! drop an error.

pub mod file;
pub mod live;
pub mod notice;

mod aws;
mod aws_record;
mod azure;
mod azure_balancer;
mod azure_record;
mod classify;
mod coverage;
mod crew;
mod desk;
mod envelope;
mod gcp;
mod gcp_edge;
mod lenient;
mod overlay;
mod shape;
mod split;
mod tokens;
mod unpack;
