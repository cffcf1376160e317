//! The stage after the scan: conversations with open ports, and what they add to the run's outcome.

use std::collections::BTreeSet;

use super::env::Env;
use super::error::Result;
use crate::base::progress::StopWish;
use crate::lang::job::Checks;
use crate::plan::plan::Plan;
use crate::scan::ScanOutcome;
use crate::service::driver::{TalkInput, talk};
use crate::service::evidence::{Ask, HostEvidence};

/// What the stage leaves behind.
#[derive(Debug, Default)]
pub struct Talked {
    /// Evidence of each host that was seen.
    pub hosts: Vec<HostEvidence>,
    /// Targets (by index) that have ports nobody has talked to yet, because the run was stopped.
    pub unfinished: BTreeSet<u32>,
}

/// Talks to every open port of the outcome. A profile without checks asks nothing.
pub fn stage(plan: &Plan, outcome: &mut ScanOutcome, asks: &[Ask], env: &Env) -> Result<Talked> {
    if matches!(&plan.profile.checks, Checks::Some(none) if none.is_empty()) {
        outcome.notes.push("no conversations: the profile has no checks".into());
        return Ok(Talked::default());
    }
    let talked = talk(&TalkInput {
        plan,
        hosts: &outcome.hosts,
        asks,
        clock: env.clock.as_ref(),
        seed: env.seed,
        limits: &env.limits,
        progress: env.progress.as_ref(),
        stop: &env.stop,
    })?;
    outcome.ledger.extend(&talked.ledger);
    outcome.counters.refused += talked.refused;
    outcome.finished = env.clock.now();
    outcome.interrupted |= env.stop.wish() != StopWish::None && !talked.unfinished.is_empty();
    Ok(Talked { hosts: talked.hosts, unfinished: talked.unfinished.into_iter().collect() })
}
