//! Recorded provider answers in, inventory as text out.

mod aws;
mod azure;
pub mod dump;
mod edge;
mod examples;
mod gcp;
mod hostile;
mod pages;
