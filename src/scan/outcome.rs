//! What a scan leaves behind.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;

use super::admission::SharedPace;
use super::observation::{HostState, PortState, Reason};
use super::recall::Recall;
use super::{HostObservation, Ledger, Mode, NotScanned, ScanInput, reason};
use crate::base::fast::FastSet;
use crate::base::progress::StopWish;

/// Frames and replies that did not become an observation, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Frames or connections sent.
    pub sent: u64,
    /// Replies that counted.
    pub replies: u64,
    /// Replies seen again.
    pub duplicates: u64,
    /// Frames that no check could read.
    pub malformed: u64,
    /// Packets that answer nothing we asked: strangers, spoofed ones, late ones.
    pub strangers: u64,
    /// Frames that the gate refused; more than none is a bug.
    pub refused: u64,
    /// Sends that the system refused for good.
    pub send_errors: u64,
    /// Sends that the system put off because its queue was full; they were repeated.
    pub put_off: u64,
    /// Frames for us that the kernel had no room for.
    pub dropped: u64,
}

/// Planned and done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Coverage {
    /// Target-port pairs of the plan.
    pub planned: u64,
    /// Pairs that have an answer, or had all their tries.
    pub done: u64,
}

impl Coverage {
    /// All pairs of a plan, those of earlier parts too.
    pub(super) fn planned_of(self, input: &ScanInput<'_>) -> u64 {
        input.plan.probes.count() * input.plan.targets.len().saturating_sub(input.elsewhere.len()) as u64
    }
}

/// A scan's result.
#[derive(Debug, Clone)]
pub struct ScanOutcome {
    /// Mode it ran in.
    pub mode: Mode,
    /// What the preflight decided and why, and what is to be known about this run.
    pub notes: Vec<String>,
    /// One observation a target that was sent to, in plan order.
    pub hosts: Vec<HostObservation>,
    /// Targets left out or cut short, with reasons.
    pub not_scanned: Vec<NotScanned>,
    /// Packets of the scan by warrant, destination, port and probe; those of earlier parts too where it is `whole`.
    pub ledger: Ledger,
    /// Packets of conversations and of the closer look: no checkpoint holds them.
    pub beside: Ledger,
    /// Packets of earlier parts of the run that are in neither.
    pub earlier: Ledger,
    /// First and last moment.
    pub started: Timestamp,
    /// End.
    pub finished: Timestamp,
    /// The plan's rates, as what has been sent leaves them: whoever sends next goes on from there.
    pub pace: SharedPace,
    /// Addresses packets came from.
    pub sources: Vec<IpAddr>,
    /// Frames and replies.
    pub counters: Counters,
    /// Planned and done.
    pub coverage: Coverage,
    /// How much may have been missed; none in connect mode.
    pub recall: Option<Recall>,
    /// True where it covers what earlier parts of the run did too: it was resumed from a checkpoint.
    pub whole: bool,
    /// True where it was stopped.
    pub interrupted: bool,
    /// True where it was stopped before all ports had been asked.
    pub cut_short: bool,
    /// What went wrong on the way, with everything known kept.
    pub errors: Vec<String>,
    /// Targets whose address was lost while they were scanned, with the last moment at which it was certainly ours:
    /// what was seen later may be somebody else's. product.md F2.
    pub unattributed: BTreeMap<u32, Timestamp>,
    /// Targets that answer on every port, with the probes that were not sent because of it.
    pub every: BTreeMap<u32, u64>,
}

impl ScanOutcome {
    pub(super) fn new(input: &ScanInput<'_>, mode: Mode) -> Self {
        let probes = input.plan.probes.count();
        let not_ours: HashSet<u32> = input.finished.iter().chain(input.elsewhere).copied().collect();
        let left = input.plan.targets.len().saturating_sub(not_ours.len()) as u64;
        Self {
            mode,
            notes: Vec::new(),
            hosts: Vec::new(),
            not_scanned: Vec::new(),
            ledger: Ledger::default(),
            beside: Ledger::default(),
            earlier: Ledger::default(),
            started: input.clock.now(),
            finished: input.clock.now(),
            pace: SharedPace::of(input.plan),
            sources: Vec::new(),
            counters: Counters::default(),
            coverage: Coverage { planned: probes * left, done: 0 },
            recall: None,
            whole: false,
            interrupted: false,
            cut_short: false,
            errors: Vec::new(),
            unattributed: BTreeMap::new(),
            every: BTreeMap::new(),
        }
    }

    /// Sorts, and says why each target without a full answer has none.
    pub(super) fn finish(&mut self, input: &ScanInput<'_>) {
        self.finished = input.clock.now();
        self.interrupted = input.stop.wish() != StopWish::None;
        self.cut_short = self.interrupted;
        self.hosts.sort_by_key(|h| h.target);
        let mut known: FastSet<u32> = self.not_scanned.iter().map(|n| n.target).collect();
        for host in self.hosts.iter().filter(|h| h.state == HostState::Down) {
            if known.insert(host.target) {
                self.not_scanned.push(NotScanned { target: host.target, reason: reason("not alive"), gap: false });
            }
        }
        known.extend(self.hosts.iter().map(|h| h.target));
        if !self.whole {
            known.extend(input.finished);
        }
        known.extend(input.elsewhere);
        let why: Arc<str> = reason(if self.interrupted { "interrupted" } else { "not reached" });
        for target in 0..input.plan.targets.len() as u32 {
            if !known.contains(&target) {
                self.not_scanned.push(NotScanned { target, reason: Arc::clone(&why), gap: true });
            }
        }
        self.not_scanned.sort_by_key(|n| n.target);
        self.sources.sort();
        self.sources.dedup();
    }

    /// Packets of all parts of the run.
    pub fn ledgers(&self) -> [&Ledger; 3] {
        [&self.earlier, &self.ledger, &self.beside]
    }

    /// True where nothing more is to be learned of a host that was to be asked so much: every probe had its answer or all
    /// its tries, or was not needed. A dead host has no ports, and one that answers on every port no services among those
    /// that were not asked.
    pub fn is_over(&self, host: &HostObservation, probes: u64) -> bool {
        let decided = host.counts.values().map(|n| u64::from(*n)).sum::<u64>() >= probes;
        let silent = host.reasons.iter().any(|(_, why, _)| *why == Reason::NoAnswer);
        let left_out = || self.not_scanned.binary_search_by_key(&host.target, |n| n.target).is_ok();
        let spared = || host.state == HostState::Down || (self.every.contains_key(&host.target) && !left_out());
        if self.cut_short { decided && !silent } else { decided || spared() }
    }

    /// Open ports in all.
    pub fn open_ports(&self) -> usize {
        self.hosts.iter().flat_map(|h| &h.ports).filter(|p| p.state == PortState::Open).count()
    }

    /// Targets of which something that was to be learned was not.
    pub fn gaps(&self) -> usize {
        self.not_scanned.iter().filter(|n| n.gap).count()
    }
}
