//! What is known of each target, small while it is silent.

use std::collections::BTreeMap;
use std::time::Duration;

use super::answer::Answer;
use super::timing::Rtt;
use crate::lang::job::Protocol;
use crate::scan::gate::EXCLUDED;
use crate::scan::hosts::{Counts, Suspicion, answered_on_every, every_note, saved_note};
use crate::scan::observation::{HostObservation, HostState, NotScanned, PortObservation, PortState, Reason};
use crate::scan::outcome::ScanOutcome;
use crate::scan::{ScanInput, reason};

/// Refusals after which a host's silence is a loss, not its habit.
const REFUSALS: u32 = 8;
const STATES: [PortState; 4] = [PortState::Open, PortState::Closed, PortState::Filtered, PortState::OpenOrFiltered];

/// One target.
#[derive(Debug, Clone, Default)]
pub(super) struct Host {
    pub(super) alive: Option<Reason>,
    pub(super) rtt: Rtt,
    /// Why it is asked no more.
    pub(super) cut: Option<&'static str>,
    /// Why this machine did not ask it something.
    pub(super) unasked: Option<&'static str>,
    pub(super) first: Option<Duration>,
    pub(super) last: Duration,
    /// No route has led to it since this moment, and it is not asked before that one.
    pub(super) away: Option<(Duration, Duration)>,
    /// TCP ports by what answered for them, those from 1024 up that are open, and what raw mode judges by them too.
    pub(super) tcp: Counts,
    high: u32,
    suspect: Option<Suspicion>,
    /// It answers on every port: no more TCP ports are asked, and so many were saved.
    pub(super) every: Option<u64>,
    open: BTreeMap<(Protocol, u16), PortObservation>,
    counts: [u32; STATES.len()],
    /// Why ports that are not open are in their state.
    reasons: BTreeMap<(PortState, Reason), u32>,
}

impl Host {
    pub(super) fn count(&self, state: PortState) -> u32 {
        STATES.iter().zip(self.counts).find(|(s, _)| **s == state).map_or(0, |(_, n)| n)
    }

    /// Answers with refusals nearly always, so that silence is news.
    pub(super) fn refuses_reliably(&self) -> bool {
        let closed = self.count(PortState::Closed);
        closed >= REFUSALS && self.count(PortState::Filtered) < closed / 4
    }

    /// Decides whether it answers on every port, where everything asked has had so long to answer.
    pub(super) fn judge(&mut self, now: Duration, patience: Duration) {
        if self.every.is_some() {
            return;
        }
        self.suspect = self.suspect.or_else(|| Suspicion::new(self.tcp, self.high, now));
        let judged = self.suspect.and_then(|suspicion| suspicion.decide(self.tcp, now, patience));
        if let Some(every) = judged {
            self.every = every.then_some(0);
            self.suspect = None;
        }
    }

    /// Takes in what a port said, and where it said something, when it was asked and how long that took.
    pub(super) fn record(&mut self, protocol: Protocol, port: u16, answer: Answer, trip: Option<(Duration, Duration)>) {
        let rtt = trip.map(|(_, rtt)| rtt);
        if protocol == Protocol::Tcp {
            match answer.state {
                PortState::Open => {
                    self.tcp.open += 1;
                    self.high += u32::from(port >= 1_024);
                    if let (Some(suspicion), Some((sent, _))) = (&mut self.suspect, trip) {
                        suspicion.opened(sent);
                    }
                }
                PortState::Closed => self.tcp.closed += 1,
                // Silence is no answer.
                _ => self.tcp.filtered += u32::from(answer.reason != Reason::NoAnswer),
            }
        }
        for (state, count) in STATES.iter().zip(&mut self.counts) {
            *count += u32::from(*state == answer.state);
        }
        if answer.state != PortState::Open {
            *self.reasons.entry((answer.state, answer.reason)).or_default() += 1;
        } else {
            let seen = PortObservation { port, protocol, state: answer.state, reason: answer.reason, rtt, ttl: None };
            self.open.insert((protocol, port), seen);
        }
    }
}

/// Hands everything over.
pub(super) fn collect(hosts: Vec<Host>, input: &ScanInput<'_>, outcome: &mut ScanOutcome, no_pings: bool) {
    let saved: u64 = hosts.iter().filter_map(|h| h.every).sum();
    if saved > 0 {
        outcome.notes.push(saved_note(saved));
    }
    let (now, elapsed) = (input.clock.now(), input.clock.elapsed());
    let wall = |at: Duration| now.checked_sub(elapsed.saturating_sub(at)).unwrap_or(now);
    for (mut host, target) in hosts.into_iter().zip(0u32..) {
        let Some(addr) = input.plan.targets.get(target as usize).map(|t| t.addr()) else { continue };
        if let Some(why) = host.cut.or(host.unasked.filter(|_| host.first.is_none())) {
            outcome.not_scanned.push(NotScanned { target, reason: reason(why), gap: why != EXCLUDED });
        }
        let Some(first) = host.first else { continue };
        if answered_on_every(host.tcp, host.high) {
            host.every.get_or_insert(0);
        }
        if let Some(saved) = host.every {
            outcome.every.insert(target, if host.cut.is_none() { saved } else { 0 });
            outcome.notes.push(every_note(addr, host.tcp.open, host.tcp.answered()));
        }
        let state = match host.alive {
            Some(why) => HostState::Up(why),
            None if no_pings => HostState::Unknown,
            None => HostState::Down,
        };
        let counts = STATES.into_iter().zip(host.counts).filter(|(_, n)| *n > 0).collect();
        outcome.hosts.push(HostObservation {
            target,
            addr,
            state,
            ports: host.open.into_values().collect(),
            counts,
            reasons: host.reasons.into_iter().map(|((state, why), n)| (state, why, n)).collect(),
            span: Some((wall(first), wall(host.last))),
        });
    }
}
