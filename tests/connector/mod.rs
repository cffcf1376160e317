//! Recorded provider answers in, inventory as text out.

mod aws;
mod azure;
mod dump;
mod examples;
mod gcp;
mod hostile;
mod pages;
