//! The ground floor: source text and spans, diagnostics, limits, clock, address sets, port sets, rates.
//!
//! Nothing here does I/O beyond reading the clock, and nothing names a third-party syntax.

pub mod addr_set;
pub mod beside;
pub mod clock;
pub mod codes;
pub mod diagnostic;
pub mod fast;
pub mod limits;
pub mod nearest;
pub mod port_set;
pub mod progress;
pub mod quantity;
pub mod source;
