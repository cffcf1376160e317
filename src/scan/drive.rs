//! The loop round the engine: looks at what has arrived, sends what is due through the gate, keeps checkpoints, and ends
//! when the engine is done, the link is gone, or somebody wants to stop.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;

use super::ScanInput;
use super::admission::SharedPace;
use super::checkpoint::Kept;
use super::engine::{Engine, Next};
use super::gate::{Gate, Pass, Refusal, WarrantTime};
use super::hosts::Cut;
use super::ledger::Entry;
use super::link::{Batch, Link};
use super::outcome::ScanOutcome;
use super::reroute::{Rerouted, RouteWatch};
use super::wire::{Unread, read};
use crate::base::progress::StopWish;

/// How long to go on listening after a gentle stop.
const LAST_REPLIES: Duration = Duration::from_millis(300);
/// How late a frame may leave after it was counted: less than the fiftieth of a second that rates allow for.
const PATIENCE: Duration = Duration::from_millis(15);
/// Longest sleep of the loop, so that wishes are seen.
const LONGEST_SLEEP: Duration = Duration::from_millis(50);
/// Shortest sleep: the loop never spins on a moment that is just now.
const SHORTEST_SLEEP: Duration = Duration::from_micros(20);
/// How often progress is shown, wishes are looked at and the kernel's counters are read.
const UPKEEP: Duration = Duration::from_millis(50);
/// Between two checkpoints.
const CHECKPOINT: Duration = Duration::from_millis(400);
/// After such a pause in its troubles a link has new ones.
const PAUSE: Duration = Duration::from_secs(2);
/// How long an interface may be down before the link counts as lost.
pub(super) const DOWN: Duration = Duration::from_secs(10);

/// Sends batches through the gate, and keeps what has to be told about it.
pub(super) struct Sender<'a, 'b> {
    pub(super) input: &'a ScanInput<'b>,
    pub(super) gate: Gate,
    pub(super) outcome: &'a mut ScanOutcome,
    time: WarrantTime,
    exclusions: usize,
    /// Since when nothing leaves, and when that was last seen.
    down: Option<(Duration, Duration)>,
    /// What the engine's time is ahead of the clock's.
    pub(super) ahead: Duration,
}

impl<'a, 'b> Sender<'a, 'b> {
    pub(super) fn new(input: &'a ScanInput<'b>, gate: Gate, outcome: &'a mut ScanOutcome) -> Self {
        let time = WarrantTime::new(input.clock.now(), input.clock.elapsed());
        Self { input, gate, outcome, time, exclusions: 0, down: None, ahead: Duration::ZERO }
    }

    fn warrant_time(&mut self) -> Timestamp {
        let (time, note) = self.time.at(self.input.clock.now(), self.input.clock.elapsed());
        self.outcome.notes.extend(note);
        time
    }

    /// True where an address may be sent to now, exclusions that have just come included.
    pub(super) fn may(&mut self, addr: IpAddr) -> bool {
        self.look_for_exclusions();
        let now = self.warrant_time();
        self.gate.address(addr, now).is_ok()
    }

    /// Why an address may not be sent to now; none where it may.
    pub(super) fn refusal(&mut self, addr: IpAddr) -> Option<Cut> {
        let now = self.warrant_time();
        self.gate.address(addr, now).err().map(|refusal| self.refused(refusal))
    }

    /// Takes in exclusions that have come since the last look.
    fn look_for_exclusions(&mut self) {
        let new = self.input.exclusions.after(self.exclusions);
        for range in &new {
            let note = format!("excluded while the scan ran: {range}");
            if !self.outcome.notes.contains(&note) {
                self.outcome.notes.push(note);
            }
        }
        self.exclusions += new.len();
        self.gate.exclude(new);
    }

    fn refused(&mut self, refusal: Refusal) -> Cut {
        match refusal {
            Refusal::Excluded(_) => Cut::Excluded,
            Refusal::Expired(_) => Cut::Expired,
            // An address that is no longer ours is no bug of ours: its probes are dropped.
            Refusal::NoLease(_) => Cut::NoLease,
            Refusal::NoWarrant(_) | Refusal::Unreadable => {
                self.outcome.counters.refused += 1;
                let text = format!("the gate refused a frame: {refusal:?}");
                if !self.outcome.errors.contains(&text) && self.outcome.errors.len() < 20 {
                    self.outcome.errors.push(text);
                }
                Cut::Refused
            }
        }
    }

    /// Sends the engine's batch; false where the link is gone.
    fn probes(&mut self, link: &mut dyn Link, engine: &mut Engine, batch: &mut Batch) -> bool {
        self.look_for_exclusions();
        let now = self.warrant_time();
        let mut index = 0;
        while index < batch.len() {
            let meant = engine.shots.get(index).and_then(|s| engine.aims.get(s.host as usize)).map(|a| a.destination);
            let cut = match self.gate.frame(batch.frame(index), now) {
                Ok(Pass::Warrant(addr)) if Some(addr) == meant => None,
                Ok(_) => Some(self.refused(Refusal::Unreadable)),
                Err(refusal) => Some(self.refused(refusal)),
            };
            if let Some(cut) = cut {
                batch.remove(index);
                engine.not_sent(index, Some(cut));
            } else {
                index += 1;
            }
        }
        let late = |sender: &mut Self, engine: &mut &mut Engine, frame: &[u8]| sender.late(engine, frame);
        let refused = |_: &mut Self, engine: &mut &mut Engine, i| engine.not_sent(i, Some(Cut::Refused));
        let (sent, end) = self.push(link, batch, &mut &mut *engine, refused, late);
        // What could not leave in time is asked for again: the gate, the rates and whoever wants to stop come first.
        (sent..batch.len()).for_each(|_| engine.not_sent(sent, None));
        engine.canaries_sent();
        end != Pushed::Lost
    }

    /// Sends frames that the gate has let pass; how many left, and what became of the rest. What the link refuses for
    /// good goes to `refused`, what comes in meanwhile to `take`.
    fn push<C>(
        &mut self,
        link: &mut dyn Link,
        batch: &mut Batch,
        context: &mut C,
        refused: impl Fn(&mut Self, &mut C, usize),
        take: impl Fn(&mut Self, &mut C, &[u8]),
    ) -> (usize, Pushed) {
        let began = self.input.clock.elapsed();
        let mut sent = 0;
        while sent < batch.len() {
            let error = match link.send(batch, sent) {
                Ok(n) => {
                    sent += n;
                    self.outcome.counters.sent += n as u64;
                    self.down = None;
                    continue;
                }
                Err(error) => error,
            };
            match self.trouble(&error) {
                Trouble::Wait(wait) => {
                    let waited = self.input.clock.elapsed().saturating_sub(began);
                    if waited >= PATIENCE || self.input.stop.wish() != StopWish::None {
                        return (sent, Pushed::PutOff);
                    }
                    // Answers may be what the queue is full of.
                    let wait = wait.min(PATIENCE - waited);
                    if !self.listen(link, wait, &mut |sender, frame| take(sender, context, frame)) {
                        return (sent, Pushed::Lost);
                    }
                }
                Trouble::Frame => {
                    self.outcome.counters.send_errors += 1;
                    batch.remove(sent);
                    refused(self, context, sent);
                }
                Trouble::Lost => {
                    self.link_lost(&error);
                    return (sent, Pushed::Lost);
                }
            }
        }
        (sent, Pushed::All)
    }

    /// Takes in a frame that came while something else was waited for.
    pub(super) fn late(&mut self, engine: &mut Engine, frame: &[u8]) {
        let now = self.input.clock.elapsed() + self.ahead;
        take(engine, self.outcome, self.input, frame, now);
    }

    /// Keeps a checkpoint, where the scan has a place for it.
    fn keep(&mut self, engine: &mut Engine, kept: &mut Kept, now: Duration) {
        if self.input.keep.is_some() {
            kept.note(engine, now, self.input.clock.now());
            kept.keep(self.input, self.outcome);
        }
    }

    /// Sends frames of the link's upkeep, each with whom it is about, and counted under its warrant where it has one.
    /// What comes in while the system has no room for more goes to `take`. What could not leave in time stays.
    pub(super) fn upkeep(
        &mut self,
        link: &mut dyn Link,
        batch: &mut Batch,
        errands: &mut Vec<(IpAddr, Option<Entry>)>,
        take: &mut dyn FnMut(&mut Self, &[u8]),
    ) -> Pushed {
        self.look_for_exclusions();
        let now = self.warrant_time();
        let mut index = 0;
        while index < batch.len() {
            let errand = errands.get_mut(index).map(|(_, entry)| entry);
            match (self.gate.frame(batch.frame(index), now), errand) {
                (Ok(Pass::Warrant(addr)), Some(Some(entry))) if addr == entry.destination => index += 1,
                // A target may be a gateway as well.
                (Ok(Pass::Upkeep), Some(entry)) => {
                    *entry = None;
                    index += 1;
                }
                // Also a frame of which nobody says whom it is about.
                (other, errand) => {
                    let known = errand.is_some();
                    self.refused(other.err().unwrap_or(Refusal::Unreadable));
                    batch.remove(index);
                    if known {
                        errands.remove(index);
                    }
                }
            }
        }
        let mut context = (errands, take);
        let (sent, end) = self.push(
            link,
            batch,
            &mut context,
            |_, (errands, _), i| {
                errands.remove(i);
            },
            |sender, (_, take), frame| take(sender, frame),
        );
        for (_, entry) in context.0.drain(..sent) {
            match entry {
                Some(entry) => self.outcome.ledger.count(entry),
                None => self.outcome.ledger.upkeep += 1,
            }
        }
        end
    }

    /// Listens for so long; false where the link is gone.
    pub(super) fn listen(
        &mut self,
        link: &mut dyn Link,
        wait: Duration,
        take: &mut dyn FnMut(&mut Self, &[u8]),
    ) -> bool {
        let Err(error) = link.receive(wait, &mut |frame| take(self, frame)) else { return true };
        matches!(self.trouble(&error), Trouble::Wait(_)) || self.link_lost(&error)
    }

    /// What a refused send means: errno(3) on Linux.
    fn trouble(&mut self, error: &std::io::Error) -> Trouble {
        match error.raw_os_error() {
            // ENOBUFS, EAGAIN: the queue is full, or the interface has no carrier.
            Some(105 | 11) => {
                self.outcome.counters.put_off += 1;
                if self.down_for() < DOWN { Trouble::Wait(Duration::from_millis(1)) } else { Trouble::Lost }
            }
            // EINTR.
            Some(4) => Trouble::Wait(Duration::ZERO),
            // EMSGSIZE, EINVAL: this frame only.
            Some(90 | 22) => Trouble::Frame,
            // ENETDOWN, ENETUNREACH: the interface is down, and may come back.
            Some(100 | 101) => {
                let since = self.down_for();
                if since.is_zero() {
                    self.outcome.notes.push("the interface went down while the scan ran".into());
                }
                if since < DOWN { Trouble::Wait(LONGEST_SLEEP) } else { Trouble::Lost }
            }
            _ if error.kind() == std::io::ErrorKind::WouldBlock => Trouble::Wait(Duration::from_millis(1)),
            _ => Trouble::Lost,
        }
    }

    /// For how long nothing has left that was to leave.
    fn down_for(&mut self) -> Duration {
        let now = self.input.clock.elapsed();
        let since = self.down.filter(|(_, last)| now.saturating_sub(*last) < PAUSE).map_or(now, |(since, _)| since);
        self.down = Some((since, now));
        now.saturating_sub(since)
    }

    fn link_lost(&mut self, error: &std::io::Error) -> bool {
        self.outcome.errors.push(format!("the link was lost: {error}; what was known is kept"));
        false
    }
}

/// What became of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    /// All have left.
    All,
    /// Some could not leave for as long as a frame may be late, or somebody wants to stop.
    PutOff,
    /// The link is gone.
    Lost,
}

enum Trouble {
    /// Try again after this long.
    Wait(Duration),
    /// Leave this frame out.
    Frame,
    /// It is over.
    Lost,
}

fn take(engine: &mut Engine, outcome: &mut ScanOutcome, input: &ScanInput<'_>, frame: &[u8], now: Duration) {
    if frame.len() > input.limits.frame_bytes {
        outcome.counters.malformed += 1;
        return;
    }
    match read(frame) {
        Ok(reply) => engine.reply(&reply, now),
        Err(Unread::Malformed) => outcome.counters.malformed += 1,
        Err(Unread::Foreign) => {}
    }
}

/// What the kernel had no room for.
struct Kernel {
    /// Answers and other frames read by the last look.
    read: (u64, u64),
}

impl Kernel {
    fn read(engine: &Engine, outcome: &ScanOutcome) -> (u64, u64) {
        let counters = &engine.counters;
        (counters.replies + counters.duplicates, counters.strangers + outcome.counters.malformed)
    }

    /// Takes in how many frames were dropped. As many of them were answers as of those that were read meanwhile; where
    /// these are the smaller part, somebody floods our ports, and asking less would not help.
    fn look(&mut self, link: &mut dyn Link, engine: &mut Engine, outcome: &ScanOutcome) {
        let (frames, read) = (link.dropped(), Self::read(engine, outcome));
        let (answers, others) = (read.0 - self.read.0, read.1 - self.read.1);
        self.read = read;
        if frames == 0 {
            return;
        }
        engine.counters.dropped += frames;
        let share = if answers + others == 0 { 1.0 } else { answers as f64 / (answers + others) as f64 };
        engine.tally.dropped((frames as f64 * share).ceil() as u64);
        if share >= 0.5 {
            engine.auto.dropped();
        }
    }
}

impl Engine {
    /// Goes on with the rates where others have stopped.
    fn carry_in(&mut self, pace: &SharedPace, ahead: Duration) {
        self.rates.carry_in(&pace.lock(), self.aims.iter().map(|a| a.destination), ahead);
    }

    /// Leaves the rates to those who send next.
    fn carry_out(&self, pace: &SharedPace, ahead: Duration) {
        self.rates.carry_out(&mut pace.lock(), self.aims.iter().map(|a| a.destination), self.base, ahead);
    }
}

/// Runs the engine over a link. `routes` watches those of its targets; none where they cannot change.
pub(super) fn drive(
    sender: &mut Sender<'_, '_>,
    link: &mut dyn Link,
    engine: &mut Engine,
    kept: &mut Kept,
    routes: Option<&RouteWatch>,
) {
    let mut rerouted = Rerouted::default();
    let mut kernel = Kernel { read: Kernel::read(engine, sender.outcome) };
    let (input, before) = (sender.input, sender.outcome.coverage.done);
    let base = engine.base.saturating_sub(input.clock.elapsed());
    sender.ahead = base;
    engine.carry_in(&sender.outcome.pace, base);
    let engine_time = || input.clock.elapsed() + base;
    let (mut upkept, mut checkpoint, mut last_replies) = (Duration::ZERO, Duration::ZERO, None);
    let began = engine_time();
    let mut batch = Batch::default();
    let (mut wait, mut looked) = (Duration::ZERO, engine_time());
    loop {
        // An answer found after a sleep may have come at any moment of it, and woken us at once.
        engine.slack = engine_time().saturating_sub(looked);
        let mut now = None;
        let heard = sender.listen(link, wait, &mut |sender, frame| {
            let now = *now.get_or_insert_with(engine_time);
            take(engine, sender.outcome, input, frame, now);
        });
        if !heard {
            break;
        }
        let now = engine_time();
        looked = now;
        if now.saturating_sub(upkept) >= UPKEEP {
            upkept = now;
            kernel.look(link, engine, sender.outcome);
            if let Some(routes) = routes {
                rerouted.look(routes, link, engine, sender);
            }
            let facts = format!("{} open, {:.0}/s allowed", engine.open.len(), engine.auto.rate());
            input.progress.update("scan", before + engine.done(), &facts);
            if now.saturating_sub(checkpoint.max(began)) >= CHECKPOINT {
                checkpoint = now;
                sender.keep(engine, kept, now);
            }
        }
        match input.stop.wish() {
            StopWish::Now => break,
            StopWish::Gently => {
                let until = *last_replies.get_or_insert(now + LAST_REPLIES);
                if now >= until {
                    break;
                }
                wait = (until - now).min(LONGEST_SLEEP);
                continue;
            }
            StopWish::None => {}
        }
        wait = match engine.fill(now, &mut batch) {
            Next::Done => break,
            Next::Send => {
                if !sender.probes(link, engine, &mut batch) {
                    break;
                }
                Duration::ZERO
            }
            Next::Wait(until) => {
                sender.look_for_exclusions();
                until.saturating_sub(now).clamp(SHORTEST_SLEEP, LONGEST_SLEEP)
            }
        };
    }
    kernel.look(link, engine, sender.outcome);
    rerouted.tell(sender);
    if !checkpoint.is_zero() || input.stop.wish() != StopWish::None {
        sender.keep(engine, kept, engine_time());
    }
    engine.base = engine_time();
    engine.carry_out(&sender.outcome.pace, base);
}
