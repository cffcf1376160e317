//! Packets: probes, link backends, connect mode, pacing, the frame gate and the ledger. Accepts no destination
//! without a warrant.

pub mod admission;
mod answer;
mod auto;
mod bytes;
mod canary;
mod checkpoint;
pub mod connect;
mod control;
mod drive;
mod engine;
#[cfg(test)]
mod forgery;
mod gate;
mod grid;
mod hosts;
pub mod ledger;
mod link;
mod neighbour;
pub mod observation;
mod outcome;
mod own_ports;
mod pace;
mod payload;
mod pick;
pub mod preflight;
mod question;
mod quick;
mod rates;
mod raw;
pub mod recall;
pub mod released;
mod reroute;
mod resume;
#[cfg(test)]
mod simulation;
pub mod study;
mod template;
mod waiting;
mod window;
mod wire;
#[cfg(test)]
mod wire_built;
mod wire_shape;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use self::ledger::Ledger;
use self::observation::{HostObservation, Mode, NotScanned};
use self::study::{Study, Wanted};
use crate::base::addr_set::AddrRange;
use crate::base::clock::Clock;
use crate::base::limits::Limits;
use crate::base::progress::{Progress, Stop};
use crate::plan::lease::Leases;
use crate::plan::plan::Plan;

pub use self::outcome::{Counters, Coverage, ScanOutcome};

/// Exclusions that are added while a scan runs. They only ever grow.
#[derive(Debug, Default)]
pub struct LiveExclusions {
    count: AtomicUsize,
    ranges: Mutex<Vec<AddrRange>>,
}

impl LiveExclusions {
    /// Adds one.
    pub fn add(&self, range: AddrRange) {
        let mut ranges = self.ranges.lock().unwrap_or_else(|e| e.into_inner());
        ranges.push(range);
        self.count.store(ranges.len(), Ordering::Release);
    }

    /// Those after the first `known`; cheap where there are none.
    pub fn after(&self, known: usize) -> Vec<AddrRange> {
        if self.count.load(Ordering::Acquire) <= known {
            return Vec::new();
        }
        let ranges = self.ranges.lock().unwrap_or_else(|e| e.into_inner());
        ranges.get(known..).unwrap_or_default().to_vec()
    }
}

/// A checkpoint with the past that it builds on. The past only grows, and may be longer than the checkpoint knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checkpoint {
    /// Where the scan stands.
    pub state: Vec<u8>,
    /// What is over, in the order in which it came.
    pub past: Vec<u8>,
}

/// Where a scan's checkpoints are kept.
pub trait Keep: Send + Sync {
    /// Keeps a state instead of the last, after it has made the past end with `more` from byte `from` on. Returns at
    /// once; a reader sees one of the two states, whole, with at least its past.
    fn keep(&self, state: Vec<u8>, from: u64, more: Vec<u8>);
    /// The checkpoint of an earlier part of this scan; the error says why there is one that cannot be read.
    fn kept(&self) -> Result<Option<Checkpoint>, String>;
}

/// Everything a scan is made from. Destinations come from the plan's targets alone.
pub struct ScanInput<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The mode asked for; none lets the preflight decide.
    pub mode: Option<Mode>,
    /// Time.
    pub clock: &'a dyn Clock,
    /// Seed of the probe order and of the reply cookies.
    pub seed: u64,
    /// Bounds.
    pub limits: &'a Limits,
    /// Where progress goes.
    pub progress: &'a dyn Progress,
    /// The wish to stop.
    pub stop: &'a Stop,
    /// Targets (by index) that an earlier part of this scan has finished; they are not sent to again.
    pub finished: &'a [u32],
    /// Targets (by index) that are not this scan's at all: another shard of the plan holds them.
    pub elsewhere: &'a [u32],
    /// Exclusions that come while it runs.
    pub exclusions: &'a LiveExclusions,
    /// Where checkpoints go; none for a scan that cannot be resumed from one.
    pub keep: Option<&'a dyn Keep>,
    /// Ownership of the targets, checked before each packet; none for recorded inventories.
    pub leases: Option<Arc<Leases>>,
}

/// Why a scan did not start. What goes wrong later is part of its outcome.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// Raw mode was asked for, and this process may not.
    #[error(
        "raw mode needs the right to send own frames ({0}); run as root, give the binary CAP_NET_RAW, or use --mode connect"
    )]
    NoRight(String),
    /// No asynchronous runtime.
    #[error("cannot start the scanner: {0}")]
    Runtime(std::io::Error),
}

/// Scans a plan. Always returns what was seen, also where it ends early.
pub fn scan(input: &ScanInput<'_>) -> Result<ScanOutcome, ScanError> {
    scan_and_study(input, Wanted::default()).map(|(outcome, _)| outcome)
}

/// Scans a plan, and keeps the links open for a closer look at the hosts that are alive, where one is wanted. Connect
/// mode has none.
pub fn scan_and_study(input: &ScanInput<'_>, wanted: Wanted) -> Result<(ScanOutcome, Study), ScanError> {
    let mut study = Study::default();
    let chosen = preflight::preflight(input)?;
    let mut outcome = ScanOutcome::new(input, chosen.mode);
    outcome.notes.clone_from(&chosen.notes);
    match chosen.mode {
        Mode::Raw => raw::scan(input, &chosen, &mut outcome, (!wanted.nothing()).then_some(&mut study)),
        Mode::Connect => connect::scan(input, &mut outcome)?,
    }
    outcome.finish(input);
    Ok((outcome, study))
}

/// A reason shared by many records.
pub(crate) fn reason(text: &str) -> Arc<str> {
    text.into()
}
