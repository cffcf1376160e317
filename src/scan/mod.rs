//! Packets: probes, link backends, connect mode, pacing, the frame gate and the ledger. Accepts no destination
//! without a warrant.

pub mod admission;
pub mod connect;
mod engine;
mod gate;
pub mod ledger;
mod link;
pub mod observation;
mod outcome;
mod pace;
mod payload;
pub mod preflight;
mod raw;
mod wire;

use std::sync::Arc;

use self::ledger::Ledger;
use self::observation::{HostObservation, Mode, NotScanned};
use crate::base::clock::Clock;
use crate::base::limits::Limits;
use crate::base::progress::{Progress, Stop};
use crate::plan::plan::Plan;

pub use self::outcome::{Counters, Coverage, ScanOutcome};

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
    let chosen = preflight::preflight(input)?;
    let mut outcome = ScanOutcome::new(input, chosen.mode);
    outcome.notes = chosen.notes;
    match chosen.mode {
        Mode::Raw => raw::scan(input, &chosen.routes, &mut outcome),
        Mode::Connect => connect::scan(input, &mut outcome)?,
    }
    outcome.finish(input);
    Ok(outcome)
}

/// A reason shared by many records.
pub(crate) fn reason(text: &str) -> Arc<str> {
    text.into()
}
