//! Progress as planned work units, and the wish to stop: arguments of every long stage.

use std::sync::atomic::{AtomicU8, Ordering};

/// Where a stage says how far it is. Faces draw it; tests and pipes ignore it.
pub trait Progress: Send + Sync {
    /// A stage (`sync`, `resolve`, `discover`, `scan`) begins with so many work units.
    fn start(&self, stage: &'static str, units: u64);
    /// So many units are done; never fewer than before. `facts` is short text such as `12 up, 31 open`.
    fn update(&self, stage: &'static str, done: u64, facts: &str);
    /// The stage is over; everything that was planned is done or accounted for.
    fn finish(&self, stage: &'static str);
}

/// Says nothing.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn start(&self, _: &'static str, _: u64) {}
    fn update(&self, _: &'static str, _: u64, _: &str) {}
    fn finish(&self, _: &'static str) {}
}

/// How urgently a stage should end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopWish {
    /// Go on.
    None,
    /// Finish what is in flight, keep everything, return.
    Gently,
    /// Return at once with what there is.
    Now,
}

/// Set from a signal handler, polled by stages at least every 100 ms.
#[derive(Debug, Default)]
pub struct Stop(AtomicU8);

impl Stop {
    /// Each call raises the wish by one step.
    pub fn raise(&self) {
        let _ = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |v| (v < 2).then_some(v + 1));
    }

    /// The present wish.
    pub fn wish(&self) -> StopWish {
        match self.0.load(Ordering::SeqCst) {
            0 => StopWish::None,
            1 => StopWish::Gently,
            _ => StopWish::Now,
        }
    }
}
