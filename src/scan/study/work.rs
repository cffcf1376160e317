//! A study at work: steps in time, packets through the gate, answers to their hosts.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::Wanted;
use super::subject::{Ask, QUICK, Step, Subject, asks};
use crate::base::progress::StopWish;
use crate::scan::admission::SharedPace;
use crate::scan::answer::Cookies;
use crate::scan::drive::{Pushed, Sender};
use crate::scan::ledger::Entry;
use crate::scan::link::{BATCH, Batch, Link};
use crate::scan::observation::ProbeKind;
use crate::scan::quick::ByAddress;
use crate::scan::template::Route;
use crate::scan::wire::{Hardware, Reply, read};

/// Distance of the SYNs in a row.
const QUICK_GAP: Duration = Duration::from_millis(20);
/// When a host with a clock is asked again; the last time only while others are still talked to.
const SLOW: [Duration; 2] = [Duration::from_millis(550), Duration::from_millis(1_100)];
const SLOWER: Duration = Duration::from_millis(2_100);
/// Between two of these at least.
const PAUSE: Duration = Duration::from_millis(500);
/// Longest sleep, so that the wish to stop is seen.
const LONGEST_SLEEP: Duration = Duration::from_millis(50);
/// Between two looks at who is still waited for.
const LOOK: Duration = Duration::from_millis(5);

/// A part at work.
pub(super) struct Work<'a, 'b, 'c> {
    pub(super) sender: Sender<'a, 'b>,
    pub(super) link: &'c mut dyn Link,
    pub(super) subjects: &'c mut [Subject],
    pub(super) by_address: &'c ByAddress<u32>,
    pub(super) sources: &'c [(IpAddr, Hardware)],
    pub(super) cookies: Cookies,
    pub(super) pace: &'c SharedPace,
    pub(super) began: Duration,
    /// How long an answer may take, and when the last packet left.
    pub(super) patience: Duration,
    pub(super) last: Duration,
    /// When to look next whether anybody is still waited for.
    pub(super) look: Duration,
    /// Spacing of packets, and when the next one is due.
    pub(super) spacing: (Duration, Duration),
}

impl Work<'_, '_, '_> {
    /// All steps in order; false where it was stopped or the link is gone.
    pub(super) fn steps(&mut self, wanted: Wanted, talking: &AtomicBool) -> bool {
        let mut plan: Vec<(Duration, Step)> = Vec::new();
        if wanted.pings {
            plan.push((Duration::ZERO, Step::Ping));
        }
        let quick = if wanted.handshakes { u32::from(QUICK) } else { 0 };
        plan.extend((0..quick).map(|n| (QUICK_GAP * n, Step::Quick)));
        let settled = QUICK_GAP * quick + self.patience;
        if wanted.pings {
            plan.push((settled, Step::Ping));
        }
        if wanted.handshakes {
            plan.push((settled, Step::Missing));
            let [first, second] = SLOW;
            let first = first.max(settled);
            let second = second.max(first + PAUSE);
            plan.extend([(first, Step::Slow), (second, Step::Slow), (SLOWER.max(second + PAUSE), Step::Slower)]);
        }
        for (at, step) in plan {
            let still = || talking.load(Ordering::Acquire);
            if !self.listen(self.began + at, step, &still) || !self.send(step, still()) {
                return false;
            }
        }
        self.listen(self.last + self.patience, Step::End, &|| false)
    }

    /// Listens until a moment; ends early where nothing more can come before the next step, and that step asks nobody.
    fn listen(&mut self, until: Duration, step: Step, talking: &dyn Fn() -> bool) -> bool {
        loop {
            if self.sender.input.stop.wish() != StopWish::None {
                return false;
            }
            let now = self.sender.input.clock.elapsed();
            if now >= until {
                return true;
            }
            if now >= self.look {
                // With many hosts each look takes a while.
                self.look = now + if self.subjects.len() > 256 { LOOK } else { Duration::ZERO };
                let late = now.saturating_sub(self.last) >= self.patience;
                if !self.subjects.iter().any(|s| (s.waits() && !late) || step.wants(s, talking())) {
                    return true;
                }
            }
            if !self.receive((until - now).min(LONGEST_SLEEP)) {
                return false;
            }
        }
    }

    fn receive(&mut self, wait: Duration) -> bool {
        let (clock, most) = (self.sender.input.clock, self.sender.input.limits.frame_bytes);
        let mut seen = Listener { subjects: self.subjects, by_address: self.by_address, sources: self.sources, most };
        let (cookies, began) = (self.cookies, self.began);
        self.link.receive(wait, &mut |frame| seen.take(frame, cookies, clock.elapsed().saturating_sub(began))).is_ok()
    }

    /// Sends a step's packets to everybody who wants one, as the rates allow. Who has to wait lets others go first.
    fn send(&mut self, step: Step, talking: bool) -> bool {
        let mut queue: VecDeque<(usize, Ask)> = VecDeque::new();
        for (index, subject) in self.subjects.iter_mut().enumerate().filter(|(_, s)| step.wants(s, talking)) {
            queue.extend(asks(step, subject).into_iter().map(|ask| (index, ask)));
        }
        let mut out = Outgoing::default();
        let (mut put_off, mut earliest) = (0, Duration::MAX);
        while let Some((index, ask)) = queue.pop_front() {
            match self.turn(index) {
                Turn::Now => {
                    self.build(index, ask, &mut out);
                    (put_off, earliest) = (0, Duration::MAX);
                    if out.batch.len() >= BATCH && !self.flush(&mut out) {
                        return false;
                    }
                    continue;
                }
                Turn::Never => continue,
                Turn::Later(at, for_all) => {
                    queue.push_back((index, ask));
                    earliest = earliest.min(at);
                    put_off = if for_all { queue.len() } else { put_off + 1 };
                }
            }
            if put_off >= queue.len() {
                if !self.flush(&mut out) || !self.pause(earliest) {
                    return false;
                }
                (put_off, earliest) = (0, Duration::MAX);
            }
        }
        self.flush(&mut out)
    }

    /// Whether a host may be sent a packet now; where it may, the packet is taken from the rates.
    fn turn(&mut self, index: usize) -> Turn {
        let Some(subject) = self.subjects.get_mut(index).filter(|s| !s.gone) else { return Turn::Never };
        let (addr, target) = (subject.aim.destination, subject.aim.target);
        if !self.sender.may(addr) {
            subject.leave();
            return Turn::Never;
        }
        let now = self.sender.input.clock.elapsed();
        if self.spacing.1 > now {
            return Turn::Later(self.spacing.1, true);
        }
        let own = self.sender.input.plan.rates.get(&target).copied();
        match self.pace.take(addr, own, now) {
            Ok(()) => {
                // What was not used in time is gone, but for a few milliseconds.
                let due = self.spacing.1.max(now.saturating_sub(Duration::from_millis(4)));
                self.spacing.1 = due + self.spacing.0;
                Turn::Now
            }
            Err((at, for_all)) => Turn::Later(at, for_all),
        }
    }

    fn pause(&mut self, until: Duration) -> bool {
        let now = self.sender.input.clock.elapsed();
        let wait = until.saturating_sub(now).clamp(Duration::from_micros(50), LONGEST_SLEEP);
        self.receive(wait) && self.sender.input.stop.wish() == StopWish::None
    }

    fn build(&mut self, index: usize, ask: Ask, out: &mut Outgoing) {
        let Some(subject) = self.subjects.get_mut(index) else { return };
        let aim = subject.aim;
        let Some((source, hardware)) = self.sources.get(usize::from(aim.source)).copied() else { return };
        let route = Route { source, hardware, destination: aim.destination, next_hop: aim.next_hop };
        let (probe, port) = match ask {
            Ask::Syn(port) => {
                let own = self.cookies.ports.study(subject.syns);
                let sequence = self.cookies.tcp(aim.destination, port, own);
                route.syn(out.batch.add(route.syn_len()), own, port, sequence);
                subject.syns += 1;
                (ProbeKind::Syn, port)
            }
            Ask::Ping { timestamp, number } => {
                let cookie = self.cookies.icmp(aim.destination, timestamp, number);
                route.icmp(out.batch.add(route.icmp_len(timestamp)), timestamp, u16::from(number), cookie);
                if timestamp {
                    subject.timestamp = Some(false)
                } else {
                    subject.echo = Some(false)
                }
                (if timestamp { ProbeKind::Timestamp } else { ProbeKind::Echo }, 0)
            }
        };
        let entry = Entry { warrant: aim.target, destination: aim.destination, port, probe };
        out.errands.push((aim.destination, Some(entry)));
    }

    fn flush(&mut self, out: &mut Outgoing) -> bool {
        if out.batch.len() == 0 {
            return true;
        }
        let (clock, most) = (self.sender.input.clock, self.sender.input.limits.frame_bytes);
        let mut seen = Listener { subjects: self.subjects, by_address: self.by_address, sources: self.sources, most };
        let (cookies, began) = (self.cookies, self.began);
        let mut take = |_: &mut Sender<'_, '_>, frame: &[u8]| {
            seen.take(frame, cookies, clock.elapsed().saturating_sub(began));
        };
        // What cannot leave in time counts as lost on its way.
        let pushed = self.sender.upkeep(self.link, &mut out.batch, &mut out.errands, &mut take);
        self.last = self.sender.input.clock.elapsed();
        out.batch.clear();
        out.errands.clear();
        pushed != Pushed::Lost && self.sender.input.stop.wish() == StopWish::None
    }
}

/// Who takes in what arrives.
struct Listener<'c> {
    subjects: &'c mut [Subject],
    by_address: &'c ByAddress<u32>,
    sources: &'c [(IpAddr, Hardware)],
    /// Longest frame read.
    most: usize,
}

impl Listener<'_> {
    fn take(&mut self, frame: &[u8], cookies: Cookies, at: Duration) {
        if frame.len() > self.most {
            return;
        }
        let Ok(reply) = read(frame) else { return };
        let Some((from, to)) = ends(&reply) else { return };
        let subject = self.by_address.get(from).and_then(|i| self.subjects.get_mut(*i as usize));
        let Some(subject) = subject else { return };
        if self.sources.get(usize::from(subject.aim.source)).is_some_and(|(own, _)| *own == to) {
            subject.take(&reply, frame, cookies, at);
        }
    }
}

/// Frames on their way, each with whom it is for and its line of the ledger.
#[derive(Default)]
struct Outgoing {
    batch: Batch,
    errands: Vec<(IpAddr, Option<Entry>)>,
}

/// Whose turn it is.
enum Turn {
    Now,
    /// From this moment on; true where that holds for all hosts.
    Later(Duration, bool),
    Never,
}

fn ends(reply: &Reply) -> Option<(IpAddr, IpAddr)> {
    match *reply {
        Reply::Tcp { from, to, .. } | Reply::Echo { from, to, .. } | Reply::Timestamp { from, to, .. } => {
            Some((from, to))
        }
        Reply::Udp { .. } | Reply::Error { .. } | Reply::Neighbour { .. } => None,
    }
}
