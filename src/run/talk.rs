//! The stage after the scan: conversations with open ports, and what they add to the run's outcome.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::env::Env;
use crate::base::progress::StopWish;
use crate::lang::job::Checks;
use crate::scan::admission::SharedPace;
use crate::scan::observation::HostObservation;
use crate::scan::{ScanInput, ScanOutcome};
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

/// Talks to every open port of the outcome, but for hosts of which there is evidence from an earlier part of the run. A
/// profile without checks asks nothing. Under the same leases and exclusions as the scan.
pub fn stage(
    input: &ScanInput<'_>,
    outcome: &mut ScanOutcome,
    pace: &SharedPace,
    asks: &[Ask],
    earlier: &[HostEvidence],
    env: &Env,
) -> Talked {
    if matches!(&input.plan.profile.checks, Checks::Some(none) if none.is_empty()) {
        outcome.notes.push("no conversations: the profile has no checks".into());
        return Talked::default();
    }
    let known: BTreeSet<IpAddr> = earlier.iter().map(|h| h.addr).collect();
    let left: Vec<HostObservation> = outcome.hosts.iter().filter(|h| !known.contains(&h.addr)).cloned().collect();
    let talked = match talk(&TalkInput {
        plan: input.plan,
        leases: input.leases.clone(),
        exclusions: input.exclusions,
        pace: Some(pace.clone()),
        hosts: &left,
        asks,
        clock: env.clock.as_ref(),
        seed: env.seed,
        limits: &env.limits,
        progress: env.progress.as_ref(),
        stop: &env.stop,
    }) {
        Ok(talked) => talked,
        Err(error) => {
            outcome.errors.push(format!("{error}; what the scan saw is kept"));
            return Talked::default();
        }
    };
    outcome.beside.extend(&talked.ledger);
    outcome.counters.refused += talked.refused;
    outcome.finished = env.clock.now();
    outcome.interrupted |= env.stop.wish() != StopWish::None && !talked.unfinished.is_empty();
    Talked { hosts: talked.hosts, unfinished: talked.unfinished.into_iter().collect() }
}
