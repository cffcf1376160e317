//! Recorded provider answers in, inventory as text out.

mod dump;
mod aws;
mod azure;
mod examples;
mod gcp;
mod hostile;
mod pages;
