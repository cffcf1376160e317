//! The judge: selection, engine, check scripts good and hostile.

mod engine;
mod script;
