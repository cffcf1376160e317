//! One host under a closer look: what it was asked, and what its genuine answers showed.

use std::time::Duration;

use super::{Sample, Traits};
use crate::plan::cost::{STUDY_PINGS, STUDY_SYNS};
use crate::scan::answer::Cookies;
use crate::scan::hosts::Aim;
use crate::scan::wire::Reply;
use crate::scan::wire_shape::{Shape, shape};

/// SYNs in a row.
pub(super) const QUICK: u8 = 6;
/// A clock that was watched for so long is known.
const WATCHED_MS: u32 = 1_050;
/// A clock moves no more than so many ticks a millisecond, and an answer is noticed no later than this. RFC 7323 5.4.
const TICKS_PER_MS: u32 = 10;
const LATE_MS: u32 = 1_000;
/// Tries of echo requests are numbered from here on: an answer to a ping of the scan is none to them.
const FIRST_TRY: u8 = 64;

/// One host to look at.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) aim: Aim,
    /// An open TCP port.
    pub(super) port: Option<u16>,
    /// Nothing more may be sent to it.
    pub(super) gone: bool,
    pub(super) syns: u8,
    pub(super) pings: u8,
    pub(super) shape: Option<Shape>,
    /// Answers by the number of their SYN.
    pub(super) samples: [Option<Sample>; STUDY_SYNS as usize],
    /// Answered; none while not asked.
    pub(super) echo: Option<bool>,
    pub(super) timestamp: Option<bool>,
    pub(super) ping_ttl: Option<u8>,
}

impl Subject {
    pub(super) fn new(aim: Aim, port: Option<u16>) -> Self {
        Self {
            aim,
            port,
            gone: false,
            syns: 0,
            pings: 0,
            shape: None,
            samples: Default::default(),
            echo: None,
            timestamp: None,
            ping_ttl: None,
        }
    }

    /// Nothing more is sent to it; what it had no time to answer, it has not refused to.
    pub(super) fn leave(&mut self) {
        self.gone = true;
        self.echo = self.echo.filter(|answered| *answered);
        self.timestamp = self.timestamp.filter(|answered| *answered);
    }

    pub(super) fn traits(self) -> Traits {
        Traits {
            echo: self.echo,
            timestamp: self.timestamp,
            ping_ttl: self.ping_ttl,
            shape: self.shape,
            samples: self.samples.into_iter().flatten().collect(),
        }
    }

    fn seen(&self) -> u8 {
        self.samples.iter().flatten().count() as u8
    }

    /// The first and the last moment, in milliseconds, at which it showed a clock; none where it has none, or begins each
    /// connection at an offset of its own.
    fn clock(&self) -> Option<(u32, u32)> {
        let seen = || self.samples.iter().flatten().filter_map(|s| Some((s.at_ms, s.timestamp?)));
        let jumps = |((at, a), (then, b)): ((u32, u32), (u32, u32))| {
            let most = then.abs_diff(at).saturating_add(LATE_MS).saturating_mul(TICKS_PER_MS);
            b.wrapping_sub(a).cast_signed().unsigned_abs() > most
        };
        if seen().zip(seen().skip(1)).any(jumps) {
            return None;
        }
        Some((seen().next()?.0, seen().next_back()?.0))
    }

    /// True where its clock has still to be watched: it shows one, or nothing is known.
    fn is_watched(&self) -> bool {
        match self.clock() {
            Some((first, last)) => last.saturating_sub(first) < WATCHED_MS,
            None => self.seen() == 0,
        }
    }

    /// True where an answer is missing.
    pub(super) fn waits(&self) -> bool {
        !self.gone && (self.seen() < self.syns || self.unanswered())
    }

    fn unanswered(&self) -> bool {
        self.echo == Some(false) || self.timestamp == Some(false)
    }
}

impl Subject {
    /// Takes a reply from its address in, where it shows the cookie of one of our questions.
    pub(super) fn take(&mut self, reply: &Reply, frame: &[u8], cookies: Cookies, at: Duration) {
        let destination = self.aim.destination;
        let numbers = || FIRST_TRY..FIRST_TRY + STUDY_PINGS;
        match *reply {
            Reply::Tcp { port, our_port, acknowledgement, syn_ack: true, .. } if Some(port) == self.port => {
                let Some(number) = cookies.ports.studied(our_port).filter(|n| *n < self.syns) else { return };
                let genuine = acknowledgement == cookies.tcp(destination, port, our_port).wrapping_add(1);
                let place = self.samples.get_mut(usize::from(number)).filter(|place| genuine && place.is_none());
                if let (Some(place), Some(shape)) = (place, shape(frame)) {
                    let at_ms = u32::try_from(at.as_millis()).unwrap_or(u32::MAX);
                    let (sequence, timestamp, ip_id) = (shape.sequence, shape.timestamp, shape.ip_id);
                    *place = Some(Sample { at_ms, sequence, timestamp, ip_id });
                    self.shape.get_or_insert(shape);
                }
            }
            Reply::Echo { id, cookie, ttl, .. } => {
                let genuine = |n: u8| cookies.icmp(destination, false, n) == cookie && cookie as u16 == id;
                if numbers().any(genuine) {
                    self.echo = Some(true);
                    self.ping_ttl = Some(ttl);
                }
            }
            Reply::Timestamp { id, originate, ttl, .. } => {
                let genuine = |n: u8| {
                    let cookie = cookies.icmp(destination, true, n);
                    cookie as u16 == id && (cookie >> 16) as u32 == originate
                };
                if numbers().any(genuine) {
                    self.timestamp = Some(true);
                    self.ping_ttl.get_or_insert(ttl);
                }
            }
            _ => {}
        }
    }
}

/// One packet.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ask {
    Syn(u16),
    Ping { timestamp: bool, number: u8 },
}

/// The packets of a step to one host.
pub(super) fn asks(step: Step, subject: &mut Subject) -> Vec<Ask> {
    if step != Step::Ping {
        return subject.port.map(Ask::Syn).into_iter().collect();
    }
    let number = FIRST_TRY + subject.pings;
    subject.pings += 1;
    let mut asks = Vec::with_capacity(2);
    if subject.echo != Some(true) {
        asks.push(Ask::Ping { timestamp: false, number });
    }
    // ICMPv6 has no timestamps.
    if subject.aim.destination.is_ipv4() && subject.timestamp != Some(true) {
        asks.push(Ask::Ping { timestamp: true, number });
    }
    asks
}

/// One step: what is sent to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A SYN to everybody.
    Quick,
    /// Echo and timestamp requests to who has not answered them.
    Ping,
    /// A SYN to whoever has answered less than six.
    Missing,
    /// A SYN to whoever has a clock.
    Slow,
    /// The same, while others are still talked to.
    Slower,
    /// Nothing more.
    End,
}

impl Step {
    pub(super) fn wants(self, subject: &Subject, talking: bool) -> bool {
        let open = subject.port.is_some() && subject.syns < STUDY_SYNS;
        !subject.gone
            && match self {
                Self::Quick => open,
                Self::Missing => open && subject.seen() < QUICK,
                Self::Slow => open && subject.is_watched(),
                Self::Slower => open && talking && subject.clock().is_some(),
                Self::End => false,
                Self::Ping => subject.pings == 0 || (subject.pings < STUDY_PINGS && subject.unanswered()),
            }
    }
}
