//! Canaries: ports that the user knows to answer, asked again and again from the first moment on. Where nothing else
//! answers they alone tell the path's loss from silence, and with it whether the rate is too high and what may have been
//! missed. product.md F8.
//!
//! A canary counts once it has answered: from then on each probe to it that stays without an answer is a loss. One that
//! never answers, is closed, or falls silent while others go on answering tells nothing, and the report says so.

use std::net::IpAddr;
use std::time::Duration;

use super::engine::{Engine, Phase, Shot};
use super::grid::Ask;
use super::ledger::{Entry, Ledger};
use super::link::Batch;
use super::observation::{ProbeKind, Reason};
use crate::plan::cost::{CANARY_PACKETS, CANARY_SHARE};

/// Between two probes to canaries.
const PAUSE: Duration = Duration::from_millis(10);
/// At least so many times the interval of the rates that hold for a canary: its host's ports and all others come first.
const OF_RATE: u32 = 8;
/// Between two probes to one that has not answered yet, after its first ones.
const SILENT_PAUSE: Duration = Duration::from_secs(1);
const FIRST_ONES: u32 = 10;
/// Probes lost one after the other while so many others were answered: it is the canary, not the path.
const GONE: u32 = 32;
/// Shortest and longest time that an answer gets, of twice the longest round trip to the canary.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_millis(2_400);
/// A queue: round trips beyond the canary's shortest by half and this.
const QUEUE: Duration = Duration::from_millis(10);

/// What became of a canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It has not answered yet.
    Unknown,
    /// It answers.
    Sings,
    /// It answered with a reset.
    Closed,
    /// It answers no more, while others do.
    Gone,
}

#[derive(Debug, Clone)]
struct Canary {
    host: u32,
    port: u16,
    state: State,
    answered: u64,
    lost: u64,
    /// Lost since the last answer, and the replies of others by the first of them.
    in_a_row: u32,
    others: u64,
    /// Shortest and longest round trip.
    trips: (Duration, Duration),
    not_before: Duration,
}

/// A probe on its way.
#[derive(Debug, Clone, Copy)]
struct Flight {
    canary: usize,
    source_port: u16,
    sent: Duration,
}

/// The canaries of an engine.
#[derive(Debug, Default)]
pub(super) struct Canaries {
    all: Vec<Canary>,
    flights: Vec<Flight>,
    turn: usize,
    number: u16,
    asked_at: Option<Duration>,
    /// A probe is to stand in the present batch.
    pub(super) due: bool,
    /// Probes to canaries, and to all others: the first are bounded by the second.
    pub(super) sent: u64,
    pub(super) others: u64,
}

/// The note of a canary whose target nothing was sent to.
pub(super) fn left_out(addr: IpAddr, port: u16) -> String {
    format!("canary {addr} tcp {port}: its target was left out, so it tells no loss")
}

impl Canaries {
    /// Hosts by number, and ports.
    pub(super) fn new(pairs: impl IntoIterator<Item = (u32, u16)>) -> Self {
        let canary = |(host, port)| Canary {
            host,
            port,
            state: State::Unknown,
            answered: 0,
            lost: 0,
            in_a_row: 0,
            others: 0,
            trips: (Duration::MAX, Duration::ZERO),
            not_before: Duration::ZERO,
        };
        Self { all: pairs.into_iter().map(canary).collect(), ..Self::default() }
    }

    /// Counts what other engines of the run have sent: the bound is the run's.
    pub(super) fn carry(&mut self, ledger: &Ledger) {
        // Single lines of engines' ledgers are those of canaries.
        self.sent += ledger.single();
        self.others += ledger.total() - ledger.single();
    }

    fn in_budget(&self) -> bool {
        self.sent < CANARY_PACKETS + self.others / CANARY_SHARE
    }
}

impl Canary {
    fn patience(&self) -> Duration {
        if self.state == State::Unknown { Duration::from_secs(1) } else { (self.trips.1 * 2).clamp(SHORTEST, LONGEST) }
    }
}

impl Engine {
    /// The canary that is to be asked now.
    pub(super) fn next_canary(&self, now: Duration) -> Option<usize> {
        let canaries = &self.canaries;
        let due = canaries.asked_at.is_none_or(|at| now.saturating_sub(at) >= PAUSE);
        let count = canaries.all.len();
        if count == 0 || self.phase == Phase::End || !due || !canaries.in_budget() {
            return None;
        }
        let may = |canary: &Canary| {
            let free = self.hosts.get(canary.host as usize).is_some_and(|h| h.cut.is_none() && !h.policed);
            let known = !matches!(canary.state, State::Closed | State::Gone);
            known && free && canary.not_before <= now && self.rates.host_ready_at(canary.host).0 <= now
        };
        (canaries.turn..count).chain(0..canaries.turn).find(|i| canaries.all.get(*i).is_some_and(may))
    }

    /// Adds the probe to a canary that is due.
    pub(super) fn add_canary(&mut self, now: Duration, batch: &mut Batch) {
        if !std::mem::take(&mut self.canaries.due) || self.room(now, 1) == 0 {
            return;
        }
        // Its host's turn may have been used up meanwhile.
        let Some(index) = self.next_canary(now) else { return };
        let Some(canary) = self.canaries.all.get(index).cloned() else { return };
        let count = self.canaries.all.len();
        let source_port = self.cookies.ports.canary(self.canaries.number);
        if !self.build(canary.host, Ask::Tcp(canary.port), source_port, batch) {
            return;
        }
        let pause = self.rates.slowest_interval(canary.host) * OF_RATE;
        self.rates.take(canary.host, now);
        self.auto.took(1, now);
        let canaries = &mut self.canaries;
        canaries.turn = (index + 1) % count;
        canaries.number = canaries.number.wrapping_add(1);
        canaries.asked_at = Some(now);
        canaries.sent += 1;
        canaries.flights.push(Flight { canary: index, source_port, sent: now });
        if let Some(canary) = canaries.all.get_mut(index) {
            let silent = canary.state == State::Unknown && canary.in_a_row >= FIRST_ONES;
            canary.not_before = now + if silent { SILENT_PAUSE } else { Duration::ZERO }.max(pause);
        }
        if let Some(host) = self.hosts.get_mut(canary.host as usize).filter(|h| h.first.is_some()) {
            host.last = now;
        }
        self.shots.push(Shot::canary(canary.host, source_port, canary.port));
    }

    /// The probe to a canary did not leave.
    pub(super) fn canary_not_sent(&mut self, source_port: u16) {
        self.canaries.sent -= 1;
        self.canaries.flights.retain(|f| f.source_port != source_port);
    }

    /// Counts the probes to canaries of a batch that has left. Some may have been answered by now.
    pub(super) fn canaries_sent(&mut self) {
        for shot in &self.shots {
            if let (Some((_, port)), Some(aim)) = (shot.canary, self.aims.get(shot.host as usize)) {
                let (warrant, destination) = (aim.target, aim.destination);
                self.ledger.count(Entry { warrant, destination, port, probe: ProbeKind::Syn });
            }
        }
    }

    /// A canary has answered, by a SYN-ACK or by a reset; false where no such probe is on its way.
    pub(super) fn canary_answered(&mut self, host: u32, source_port: u16, open: bool, now: Duration) -> bool {
        let canaries = &mut self.canaries;
        let of = |f: &Flight| canaries.all.get(f.canary).is_some_and(|c| c.host == host);
        let Some(place) = canaries.flights.iter().position(|f| f.source_port == source_port && of(f)) else {
            return false;
        };
        let flight = canaries.flights.swap_remove(place);
        let Some(canary) = canaries.all.get_mut(flight.canary) else { return false };
        if !open {
            canary.state = State::Closed;
            self.canaries_steer();
            self.wake(host, Reason::Reset);
            return true;
        }
        let trip = now.saturating_sub(flight.sent);
        let clean = trip.saturating_sub(self.slack);
        if canary.state == State::Unknown {
            // What was lost before counts from now on.
            (0..canary.lost).for_each(|_| self.tally.control(false));
        }
        canary.state = State::Sings;
        canary.answered += 1;
        canary.in_a_row = 0;
        let (shortest, longest) = canary.trips;
        let queued = shortest < clean && clean > shortest.mul_f64(1.5) + QUEUE;
        // What was spent on this side is known only as a bound: the shortest counts it in.
        canary.trips = (shortest.min(trip), longest.max(trip));
        self.tally.control(true);
        self.auto.canary(true, queued, flight.sent);
        self.wake(host, Reason::SynAck);
        true
    }

    /// Probes to canaries that had their time are lost.
    pub(super) fn end_canaries(&mut self, now: Duration) {
        let canaries = &mut self.canaries;
        let mut over = Vec::new();
        canaries.flights.retain(|flight| {
            let patience = canaries.all.get(flight.canary).map_or(LONGEST, Canary::patience);
            let waits = now.saturating_sub(flight.sent) < patience;
            if !waits {
                over.push(*flight);
            }
            waits
        });
        let mut gone = false;
        for flight in over {
            let Some(canary) = canaries.all.get_mut(flight.canary) else { continue };
            let replies = self.counters.replies;
            if canary.in_a_row == 0 {
                canary.others = replies;
            }
            canary.in_a_row += 1;
            if matches!(canary.state, State::Closed | State::Gone) {
                continue;
            }
            canary.lost += 1;
            if canary.state == State::Sings {
                self.tally.control(false);
                self.auto.canary(false, false, flight.sent);
                if canary.in_a_row >= GONE && replies - canary.others >= u64::from(GONE) {
                    canary.state = State::Gone;
                    canary.lost -= u64::from(canary.in_a_row);
                    self.tally.take_back(u64::from(canary.in_a_row));
                    gone = true;
                }
            }
        }
        if gone {
            self.canaries_steer();
        }
    }

    /// Tells the rate's control whether there is a canary to steer by.
    fn canaries_steer(&mut self) {
        self.auto.steered_by_canaries(self.canaries.all.iter().any(|c| c.state == State::Sings));
    }

    /// What there is to say of each canary.
    pub(super) fn canary_notes(&self) -> Vec<String> {
        let note = |canary: &Canary| {
            let aim = self.aims.get(canary.host as usize)?;
            let name = format!("canary {} tcp {}", aim.destination, canary.port);
            let asked = canary.answered + canary.lost;
            Some(match canary.state {
                State::Sings => format!("{name}: {} of {asked} probes answered", canary.answered),
                State::Unknown if self.hosts.get(canary.host as usize).is_some_and(|h| h.cut.is_some()) => {
                    left_out(aim.destination, canary.port)
                }
                State::Unknown if asked == 0 => format!("{name}: the scan was over before it could answer"),
                State::Unknown => format!("{name}: none of {asked} probes answered, so it tells no loss"),
                State::Closed => format!("{name}: the port is closed, so it tells no loss"),
                State::Gone => {
                    format!("{name}: {} of {asked} probes answered, then none, while others went on", canary.answered)
                }
            })
        };
        self.canaries.all.iter().filter_map(note).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::job::Profile;
    use crate::scan::answer::Ports;
    use crate::scan::engine::Setup;
    use crate::scan::hosts::{Aim, Cut};

    /// A canary that the gate refuses is given up with its host, and not asked again each time it is due.
    #[test]
    fn a_canary_that_the_gate_refuses_is_given_up() {
        let mut engine = engine();
        let mut batch = Batch::default();
        let now = Duration::from_secs(1);
        assert_eq!(engine.next_canary(now), Some(0));
        engine.fill(now, &mut batch);
        let place = engine.shots.iter().position(|s| s.canary.is_some()).unwrap();
        engine.not_sent(place, Some(Cut::Expired));
        assert_eq!((engine.hosts[0].cut, engine.canaries.sent), (Some(Cut::Expired), 0));
        assert_eq!(engine.next_canary(now * 2), None);
    }

    /// A reset is life; and what was lost before the first answer counts once, whatever the canary does then.
    #[test]
    fn a_canary_that_comes_back_counts_its_losses_once() {
        let mut engine = engine();
        let mut batch = Batch::default();
        let mut ask = |engine: &mut Engine, at: u64| {
            let now = Duration::from_millis(at);
            engine.fill(now, &mut batch);
            (engine.shots.iter().find_map(|s| s.canary).unwrap().0, now)
        };
        ask(&mut engine, 1_000);
        ask(&mut engine, 3_000);
        let (first, at) = ask(&mut engine, 5_000);
        let (second, _) = ask(&mut engine, 5_200);
        assert!(engine.canary_answered(0, first, true, at));
        assert_eq!(engine.tally.controls_lost, 2);
        let (third, _) = ask(&mut engine, 5_290);
        assert!(engine.canary_answered(0, second, false, at));
        assert_eq!(engine.hosts[0].alive, Some(Reason::SynAck));
        assert!(engine.canary_answered(0, third, true, at));
        assert_eq!((engine.tally.controls_lost, engine.tally.controls), (2, 4));
        let mut other = self::engine();
        let (reset, at) = ask(&mut other, 1_000);
        assert!(other.canary_answered(0, reset, false, at));
        assert_eq!(other.hosts[0].alive, Some(Reason::Reset));
    }

    fn engine() -> Engine {
        let profile = Profile { ping: Vec::new(), ..Profile::initial_options() };
        let aim = |n: u8| Aim {
            target: n.into(),
            destination: [198, 18, 0, n].into(),
            next_hop: [3; 6],
            source: 0,
            rate: None,
        };
        Engine::new(Setup {
            aims: vec![aim(1), aim(2)],
            sources: vec![([198, 18, 0, 9].into(), [2; 6])],
            tcp: &[80],
            udp: &[],
            profile: &profile,
            seed: 7,
            ports: Ports(61_000),
            canaries: vec![(0, 443)],
        })
    }
}
