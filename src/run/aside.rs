//! What is learned of hosts while others talk to them: how their stacks behave, and what their addresses point to.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use super::env::Env;
use super::judge::CheckSet;
use super::talk::{self, Talked};
use crate::base::beside::AtEnd;
use crate::judge::select::Selection;
use crate::lang::job::{Checks, Profile};
use crate::plan::resolve::{Hickory, Pointer};
use crate::scan::observation::{HostState, Mode};
use crate::scan::study::{Studied, Study, Terms, Traits, Wanted};
use crate::scan::{ScanInput, ScanOutcome};
use crate::service::evidence::{Ask, HostEvidence};

/// Native checks that read what SYN-ACKs show.
const HANDSHAKES: &[&str] = &["IG-06", "IG-07", "IG-08", "IG-13", "IG-14", "IG-24"];
/// Those that read replies to pings.
const PINGS: &[&str] = &["IG-05", "IG-13", "IG-14"];
/// Those that read what addresses point to.
const POINTERS: &[&str] = &["IG-01", "IG-02"];

/// What the profile's checks want to know of hosts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Curiosity {
    /// From the scanner's own frames.
    pub(super) study: Wanted,
    /// From the name servers.
    pub(super) pointers: bool,
}

impl Curiosity {
    /// Nothing for a profile without checks. Checks of the user's own may read any fact.
    pub(super) fn of(profile: &Profile, checks: &CheckSet) -> Self {
        if matches!(&profile.checks, Checks::Some(none) if none.is_empty()) {
            return Self::default();
        }
        let selection = Selection { checks: &profile.checks, consent: &profile.consent };
        let (chosen, _) = selection.split(&checks.checks);
        let chosen: BTreeSet<&str> = chosen.iter().map(|c| c.info().id.as_str()).collect();
        let any = |ids: &[&str]| ids.iter().any(|id| chosen.contains(id));
        let study = Wanted { pings: any(PINGS), handshakes: any(HANDSHAKES) };
        Self { study, pointers: any(POINTERS) }
    }
}

/// What was learned.
#[derive(Debug, Default)]
pub(super) struct Aside {
    /// Of stacks, by index of the target.
    pub(super) traits: BTreeMap<u32, Traits>,
    /// What addresses point to.
    pub(super) pointers: BTreeMap<IpAddr, Pointer>,
    /// Why nothing is known of a group of facts: `tcp: connect mode …`.
    pub(super) untested: Vec<String>,
}

/// The stage after the scan: conversations, and at the same time the closer look at hosts and their names.
pub(super) struct Stage<'a, 'b> {
    pub(super) input: &'a ScanInput<'b>,
    pub(super) wanted: Curiosity,
    pub(super) asks: &'a [Ask],
    /// Evidence of an earlier part of the run: its hosts are left alone.
    pub(super) earlier: &'a [HostEvidence],
    /// Whom to ask what addresses point to.
    pub(super) resolver: Option<&'a Hickory>,
    pub(super) env: &'a Env,
}

impl Stage<'_, '_> {
    /// Runs all three at once; they share the plan's rates.
    pub(super) fn run(&self, outcome: &mut ScanOutcome, study: Study) -> (Talked, Aside) {
        let (input, env, wanted) = (self.input, self.env, self.wanted);
        let pace = outcome.pace.clone();
        let skip: HashSet<IpAddr> = self.earlier.iter().map(|h| h.addr).collect();
        let up = outcome.hosts.iter().filter(|h| matches!(h.state, HostState::Up(_)) && !skip.contains(&h.addr));
        let up: Vec<IpAddr> = up.map(|h| h.addr).collect();
        let resolver = self.resolver.filter(|_| wanted.pointers);
        let talking = AtomicBool::new(true);
        let (talked, studied, pointers) = std::thread::scope(|scope| {
            let studied = scope.spawn(|| {
                study.run(input, &Terms { wanted: wanted.study, pace: &pace, talking: &talking, skip: &skip })
            });
            let pointers = scope.spawn(|| resolver.map(|r| r.reverse(&up, &env.stop)).unwrap_or_default());
            let over = AtEnd(|| talking.store(false, Ordering::Release));
            let talked = talk::stage(input, outcome, &pace, self.asks, self.earlier, env);
            drop(over);
            (talked, studied.join(), pointers.join())
        });
        let studied: Studied = studied.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let pointers = pointers.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        outcome.beside.extend(&studied.ledger);
        outcome.counters.sent += studied.counters.sent;
        outcome.counters.refused += studied.counters.refused;
        outcome.notes.extend(studied.notes);
        outcome.errors.extend(studied.errors);
        outcome.finished = env.clock.now();
        let untested = untested(outcome.mode, resolver, wanted, env);
        let pointers = pointers.into_iter().map(|p| (p.addr, p)).collect();
        (talked, Aside { traits: studied.traits, pointers, untested })
    }
}

/// Groups of facts that this run cannot learn, with the reason.
fn untested(mode: Mode, resolver: Option<&Hickory>, wanted: Curiosity, env: &Env) -> Vec<String> {
    let mut why = Vec::new();
    if mode == Mode::Connect {
        let told = "connect mode sends no frames of its own and is not shown what comes back";
        why.extend(["icmp", "tcp", "ip"].map(|group| format!("{group}: {told}")));
    }
    if wanted.pointers && resolver.is_none() {
        why.push(if env.resolve_names {
            "dns: the workspace names no resolver to ask".to_owned()
        } else {
            "dns: names are not resolved in this run".to_owned()
        });
    }
    why
}
