//! A closer look at hosts that are alive, while conversations with them go on: a few SYNs to one open port of each,
//! whose SYN-ACKs show sequence numbers, IP ids, timestamps and the shape of the stack, and an echo and a timestamp
//! request. Through the same gate, under the same leases and exclusions, and into the ledger like every probe. The
//! kernel resets what the SYN-ACKs leave half-open.
//!
//! No host is kept waiting: six SYNs go out within a tenth of a second, and only a host whose answers carry timestamps
//! is asked again after half a second and a second, for its clock to have moved.

mod subject;
mod work;

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use self::subject::Subject;
use self::work::Work;
use super::admission::SharedPace;
use super::answer::Cookies;
use super::drive::Sender;
use super::gate::Gate;
use super::hosts::Aim;
use super::ledger::Ledger;
use super::link::Link;
use super::observation::Mode;
use super::outcome::ScanOutcome;
use super::quick::ByAddress;
use super::wire::Hardware;
use super::wire_shape::Shape;
use super::{Counters, ScanInput};

/// Packets a second at most, all hosts together: what the path was found to carry, and never more than this.
const FASTEST: f64 = 20_000.0;

/// What is to be learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Echo and timestamp replies.
    pub pings: bool,
    /// What SYN-ACKs show.
    pub handshakes: bool,
}

impl Wanted {
    /// Neither.
    pub fn nothing(self) -> bool {
        !self.pings && !self.handshakes
    }
}

/// How hosts are looked at.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// What is to be learned.
    pub wanted: Wanted,
    /// The plan's rates, shared with whoever sends at the same time.
    pub pace: &'a SharedPace,
    /// True while hosts are talked to: nobody waits for the study until then.
    pub talking: &'a AtomicBool,
    /// Addresses that are left alone.
    pub skip: &'a HashSet<IpAddr>,
}

/// What one SYN-ACK showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When it came, in milliseconds from the first question on.
    pub at_ms: u32,
    /// Initial sequence number.
    pub sequence: u32,
    /// Timestamp value.
    pub timestamp: Option<u32>,
    /// IP id; IPv6 has none.
    pub ip_id: Option<u16>,
}

/// What a closer look at one host showed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Traits {
    /// An echo request was answered; none where none was sent or the time to answer was cut short.
    pub echo: Option<bool>,
    /// A timestamp request was answered; IPv6 has none.
    pub timestamp: Option<bool>,
    /// Time to live of the echo or timestamp reply.
    pub ping_ttl: Option<u8>,
    /// What its first SYN-ACK looked like.
    pub shape: Option<Shape>,
    /// SYN-ACKs in the order of their SYNs, as many as the plan counts at most.
    pub samples: Vec<Sample>,
}

/// What all of it showed.
#[derive(Debug, Default)]
pub struct Studied {
    /// By index of the target in the plan.
    pub traits: BTreeMap<u32, Traits>,
    /// Packets.
    pub ledger: Ledger,
    /// Frames.
    pub counters: Counters,
    /// What is to be known.
    pub notes: Vec<String>,
    /// What went wrong.
    pub errors: Vec<String>,
}

/// A link that is closed aside: closing waits until no core uses it any more, and nobody has to wait for that.
struct Held(Option<Box<dyn Link + Send>>);

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(link) = self.0.take() {
            std::thread::spawn(move || drop(link));
        }
    }
}

/// The hosts of one link.
struct Part {
    link: Held,
    gate: Gate,
    sources: Vec<(IpAddr, Hardware)>,
    cookies: Cookies,
    subjects: Vec<Subject>,
    patience: Duration,
    rate: f64,
}

/// Hosts that can be looked at, with the links that lead there.
#[derive(Default)]
pub struct Study {
    parts: Vec<Part>,
}

/// What a scan's link leaves for the study of its hosts.
pub(super) struct Leftover {
    pub(super) gate: Gate,
    pub(super) sources: Vec<(IpAddr, Hardware)>,
    pub(super) cookies: Cookies,
    /// Hosts that are alive, with an open TCP port where they have one.
    pub(super) hosts: Vec<(Aim, Option<u16>)>,
    /// How long an answer may take.
    pub(super) patience: Duration,
    /// Packets a second that the path was found to carry.
    pub(super) rate: f64,
}

impl Leftover {
    /// Those of two parts of one link, the later one's gate for both: it knows all exclusions.
    pub(super) fn join(self, later: Self) -> Self {
        let before = self.sources.len() as u16;
        let moved = later.hosts.into_iter().map(|(aim, port)| (Aim { source: aim.source + before, ..aim }, port));
        Self {
            hosts: self.hosts.into_iter().chain(moved).collect(),
            sources: [self.sources, later.sources].concat(),
            patience: self.patience.max(later.patience),
            rate: self.rate.min(later.rate),
            ..later
        }
    }

    /// A part without its link.
    fn part(self) -> Part {
        Part {
            link: Held(None),
            gate: self.gate,
            sources: self.sources,
            cookies: self.cookies,
            subjects: self.hosts.into_iter().map(|(aim, port)| Subject::new(aim, port)).collect(),
            patience: self.patience,
            rate: self.rate.min(FASTEST),
        }
    }
}

impl Study {
    pub(super) fn add(&mut self, link: Box<dyn Link + Send>, left: Leftover) {
        self.parts.push(Part { link: Held(Some(link)), ..left.part() });
    }

    /// Looks at every host. Goes on for at most two seconds beyond what the rates ask for, and ends early where nobody
    /// talks any more and nothing is missing. Always returns what was seen.
    pub fn run(self, input: &ScanInput<'_>, terms: &Terms<'_>) -> Studied {
        let mut studied = Studied::default();
        if terms.wanted.nothing() {
            return studied;
        }
        for mut part in self.parts {
            part.subjects.retain(|s| !terms.skip.contains(&s.aim.destination));
            let mut outcome = ScanOutcome::new(input, Mode::Raw);
            let Some(mut link) = part.link.0.take() else { continue };
            part.run_over(link.as_mut(), input, terms, &mut outcome);
            part.link.0 = Some(link);
            studied.ledger.merge(outcome.ledger);
            studied.counters.sent += outcome.counters.sent;
            studied.counters.refused += outcome.counters.refused;
            studied.notes.extend(outcome.notes);
            studied.errors.extend(outcome.errors);
            studied.traits.extend(part.subjects.into_iter().map(|s| (s.aim.target, s.traits())));
        }
        studied
    }
}

impl Part {
    fn run_over(&mut self, link: &mut dyn Link, input: &ScanInput<'_>, terms: &Terms<'_>, outcome: &mut ScanOutcome) {
        let by_address: ByAddress<u32> =
            self.subjects.iter().enumerate().map(|(i, s)| (s.aim.destination, i as u32)).collect();
        let gate = std::mem::take(&mut self.gate);
        let now = input.clock.elapsed();
        let mut work = Work {
            sender: Sender::new(input, gate, outcome),
            link,
            subjects: &mut self.subjects,
            by_address: &by_address,
            sources: &self.sources,
            cookies: self.cookies,
            pace: terms.pace,
            began: now,
            patience: self.patience,
            last: now,
            look: now,
            spacing: (Duration::from_secs_f64(1.0 / self.rate.max(1.0)), now),
        };
        let whole = work.steps(terms.wanted, terms.talking);
        if !whole {
            self.subjects.iter_mut().for_each(Subject::leave);
        }
    }
}

#[cfg(test)]
mod tests;
