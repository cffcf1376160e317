//! The judge: selection, engine, check scripts good and hostile.

mod cli;
mod engine;
mod policy;
mod script;
mod story;
