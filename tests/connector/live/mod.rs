//! Live connectors against real servers on loopback.

mod aws;
mod aws_bench;
mod aws_chain;
mod aws_faults;
pub mod moto;
pub mod proxy;
