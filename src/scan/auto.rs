//! The rate that a path carries, found while scanning: it starts low, grows while answers keep up, and is cut when
//! round trips grow (a queue fills), when fewer of the probes are answered than were at a lower rate (something drops),
//! when control probes to ports known to answer get lost, or when the kernel had no room for answers.
//!
//! A path that is sent more than it carries buries the answers under the probes: without this, the fastest scanner
//! finds nothing over a narrow uplink.

use std::time::Duration;

/// Packets a second at the start.
const START: f64 = 20_000.0;
/// The slowest it gets by itself.
const SLOWEST: f64 = 200.0;
/// The fastest while nothing has answered yet: there is nothing to steer by.
const BLIND: f64 = 50_000.0;
/// More than any machine sends.
const FASTEST: f64 = 5_000_000.0;
/// Width of the intervals by which answers are counted against what was sent then.
const SLOT: Duration = Duration::from_millis(20);
const SLOTS: usize = 256;
/// Intervals over which arrivals are measured.
const THROUGH: u64 = 5;
/// A queue: round trips beyond the shortest of their host by half and this.
const QUEUE: Duration = Duration::from_millis(10);
/// Hosts whose first round trips tell what others' first ones are like, and how many of them count at most.
const FIRST_TRIPS: u32 = 16;
const MANY_TRIPS: u32 = 4_096;
/// Control probes that have ended, remembered.
const CONTROLS: u32 = 64;
/// What a control probe counts for after another one: a thousand of them tell what is usual.
const FADE: f64 = 0.999;
/// Probes to canaries that a decision needs, and those of them lost beyond the usual that are too many.
const CANARIES: f64 = 32.0;
const TOO_MANY: f64 = 0.25;
/// Answers of canaries that let the rate grow, where nothing else answers.
const CANARIES_FINE: f64 = 12.0;
/// Cuts that bring nothing before the loss is taken as the path's own.
const CUTS: u8 = 3;
/// Long round trips, one after the other, that are a queue.
const LONG_TRIPS: u32 = 4;
/// Standard deviations that are no chance any more, of as many looks as a scan has.
const CHANCE: f64 = 4.0;

/// Probes sent within one interval, and answers to them, whenever they came.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    number: u64,
    sent: u32,
    answered: u32,
    /// Answers that came in this interval, whatever they answer.
    arrived: u32,
}

/// Round trips since the last look.
#[derive(Debug, Clone, Copy, Default)]
struct Lately {
    judged: u32,
    queued: u32,
    /// The least by which one of them was longer than it had to be.
    behind: Duration,
}

impl Lately {
    /// Takes in a round trip of a host whose usual one is known; true where it is one through a queue.
    fn add(&mut self, clean: Duration, usual: Duration) -> bool {
        let behind = clean.saturating_sub(usual);
        self.behind = if self.judged == 0 { behind } else { self.behind.min(behind) };
        self.judged += 1;
        let queued = clean > usual.mul_f64(1.5) + QUEUE;
        self.queued += u32::from(queued);
        queued
    }
}

/// What canaries have told since the last decision.
#[derive(Debug, Clone, Copy, Default)]
struct Canaries {
    ended: f64,
    lost: f64,
    long_trips: u32,
    /// Probes sent before it tell of another rate.
    since: Duration,
    /// The share that is lost at any rate, whether it has been measured, and what is being added up for it.
    usual: f64,
    known: bool,
    longer: (f64, f64),
    /// While cutting is being tried: the rate and the loss before it, and the cuts.
    trial: Option<(f64, f64, u8)>,
    answer: bool,
}

/// The rate and what it was learnt from.
#[derive(Debug)]
pub(super) struct Auto {
    rate: f64,
    /// Below it the rate grows by half a round trip, above it creeps.
    ceiling: f64,
    due: Duration,
    slots: Vec<Slot>,
    judged: u64,
    /// Sent and answered in intervals without trouble: the usual share of answers.
    usual: (f64, f64),
    /// Round trips without a queue: of hosts' first answers, the average and their number; of all, smoothed.
    first_trips: (Duration, u32),
    trip: Option<Duration>,
    smooth: Option<(Duration, Duration)>,
    longest: Duration,
    lately: Lately,
    grown: Duration,
    /// Which of the control probes that ended lately were lost, newest first, and how many they are.
    controls: (u64, u32),
    /// Control probes that ended and those lost of them, older ones counting for less: the usual loss.
    usual_controls: (f64, f64),
    canaries: Canaries,
    looked: Duration,
    hold: Duration,
    drain: Option<(Duration, f64)>,
    /// Sending was held back by this rate since the last look.
    limited: bool,
    trouble: bool,
    /// How often the rate was cut.
    pub(super) cuts: u32,
}

impl Default for Auto {
    fn default() -> Self {
        Self {
            rate: START,
            ceiling: FASTEST,
            due: Duration::ZERO,
            slots: vec![Slot::default(); SLOTS],
            judged: 0,
            usual: (0.0, 0.0),
            first_trips: (Duration::ZERO, 0),
            trip: None,
            smooth: None,
            longest: Duration::ZERO,
            lately: Lately::default(),
            grown: Duration::ZERO,
            controls: (0, 0),
            usual_controls: (0.0, 0.0),
            canaries: Canaries::default(),
            looked: Duration::ZERO,
            hold: Duration::ZERO,
            drain: None,
            limited: false,
            trouble: false,
            cuts: 0,
        }
    }
}

fn slot_number(time: Duration) -> u64 {
    (time.as_millis() / SLOT.as_millis()) as u64
}

impl Auto {
    /// Packets a second now.
    pub(super) fn rate(&self) -> f64 {
        self.drain.map_or(self.rate, |(_, rate)| rate)
    }

    fn interval(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.rate())
    }

    /// Packets that may leave now, at most `most`.
    pub(super) fn allowance(&mut self, now: Duration, most: usize) -> usize {
        // What was not used in time is gone: a pause is no licence for a burst.
        let burst = Duration::from_millis(4);
        self.due = self.due.max(now.saturating_sub(burst));
        let room = ((now.saturating_sub(self.due)).as_secs_f64() * self.rate()) as usize;
        self.limited |= room < most;
        room.min(most)
    }

    /// When so many may leave.
    pub(super) fn ready_at(&self, packets: u32) -> Duration {
        let packets = packets.min((self.rate() * 0.002) as u32).max(1);
        self.due + self.interval() * packets + Duration::from_micros(1)
    }

    /// Packets have left.
    pub(super) fn took(&mut self, packets: usize, now: Duration) {
        self.due += self.interval() * packets as u32;
        if let Some(slot) = self.slot_mut(slot_number(now)) {
            slot.sent += packets as u32;
        }
    }

    /// An answer whose round trip is known; `slack` of it may have been spent on this side, waiting to be read.
    /// `shortest` is the shortest round trip of its host before; a first one is judged by those of other hosts.
    pub(super) fn answered(&mut self, rtt: Duration, slack: Duration, shortest: Option<Duration>, now: Duration) {
        if let Some(slot) = self.slot_mut(slot_number(now.saturating_sub(rtt))) {
            slot.answered += 1;
        }
        if let Some(slot) = self.slot_mut(slot_number(now)) {
            slot.arrived += 1;
        }
        let clean = rtt.saturating_sub(slack);
        let (average, hosts) = self.first_trips;
        let usual = shortest.or((hosts >= FIRST_TRIPS).then_some(average));
        let queued = usual.is_some_and(|usual| self.lately.add(clean, usual));
        if shortest.is_none() && !queued {
            // The number is bounded, so that the average goes on moving.
            let hosts = (hosts + 1).min(MANY_TRIPS);
            self.first_trips = ((average * (hosts - 1) + rtt) / hosts, hosts);
        }
        let bare = usual.map_or(rtt, |usual| usual.min(rtt));
        self.trip = Some(self.trip.map_or(bare, |trip| (trip * 7 + bare) / 8));
        self.longest = self.longest.max(rtt);
        self.smooth = Some(match self.smooth {
            // RFC 6298 2.2, 2.3.
            None => (rtt, rtt / 2),
            Some((smooth, vary)) => ((smooth * 7 + rtt) / 8, (vary * 3 + smooth.abs_diff(rtt)) / 4),
        });
    }

    /// A control probe, sent at this moment, has come to its end.
    pub(super) fn control(&mut self, answered: bool, sent: Duration) {
        self.known(answered, false, sent);
        self.controls.0 = self.controls.0 << 1 | u64::from(!answered);
        self.controls.1 = (self.controls.1 + 1).min(CONTROLS);
        let (all, lost) = self.usual_controls;
        self.usual_controls = (all * FADE + 1.0, lost * FADE + f64::from(u8::from(!answered)));
    }

    /// A probe to a canary, sent at this moment, has come to its end; `long` where its round trip was far beyond the
    /// canary's shortest.
    pub(super) fn canary(&mut self, answered: bool, long: bool, sent: Duration) {
        self.canaries.answer |= answered;
        self.known(answered, long, sent);
    }

    /// A probe to a port that is known to answer has come to its end.
    fn known(&mut self, answered: bool, long: bool, sent: Duration) {
        let canaries = &mut self.canaries;
        if sent >= canaries.since {
            canaries.ended += 1.0;
            canaries.lost += f64::from(u8::from(!answered));
            canaries.long_trips = if long { canaries.long_trips + 1 } else { 0 };
        }
    }

    /// Whether a canary answers, so that there is something to steer by.
    pub(super) fn steered_by_canaries(&mut self, any: bool) {
        self.canaries.answer &= any;
    }

    /// Decides by canaries and controls: where the rate is to be cut, the share that gets through, if that is known.
    fn ask_known(&mut self, now: Duration) -> Option<Option<f64>> {
        let rate = self.rate;
        let canaries = &mut self.canaries;
        if canaries.long_trips >= LONG_TRIPS {
            return Some(None);
        }
        if canaries.lost > CANARIES * (canaries.usual + TOO_MANY) {
            let loss = canaries.lost / canaries.ended;
            let (before, first, cuts) = canaries.trial.unwrap_or((rate, loss, 0));
            if cuts < CUTS || loss < first * 0.8 {
                canaries.trial = Some((before, first, cuts + 1));
                return Some(Some(1.0 - loss));
            }
            // Less was sent, and as much was lost.
            *canaries = Canaries { usual: loss, known: true, since: now, answer: true, ..Canaries::default() };
            (self.rate, self.ceiling) = (before, FASTEST);
            return None;
        }
        let fine = self.smooth.is_none() && canaries.ended >= CANARIES_FINE && canaries.lost == 0.0 && self.limited;
        if fine || canaries.ended >= CANARIES {
            canaries.longer = (canaries.longer.0 + canaries.ended, canaries.longer.1 + canaries.lost);
            if canaries.longer.0 >= CANARIES * 4.0 {
                let loss = canaries.longer.1 / canaries.longer.0;
                // What comes with a higher rate never becomes usual.
                canaries.usual = if canaries.known { canaries.usual.min(loss) } else { loss };
                (canaries.longer, canaries.known) = ((0.0, 0.0), true);
            }
            *canaries = Canaries { trial: None, since: now, ended: 0.0, lost: 0.0, ..*canaries };
        }
        if fine {
            self.rate = (self.rate * if self.rate < self.ceiling { 1.5 } else { 1.03 }).min(FASTEST);
        }
        None
    }

    /// The kernel dropped answers.
    pub(super) fn dropped(&mut self) {
        self.trouble = true;
    }

    /// Other pairs are asked from now on: their share of answers is another.
    pub(super) fn new_round(&mut self, now: Duration) {
        self.usual = (0.0, 0.0);
        self.judged = slot_number(now) + 1;
        self.lately = Lately::default();
    }

    /// How long to wait for an answer before asking again. RFC 6298 2.3; none while nothing has answered.
    pub(super) fn patience(&self) -> Option<Duration> {
        self.smooth.map(|(smooth, vary)| smooth + vary * 4)
    }

    /// The longest round trip so far.
    pub(super) fn longest(&self) -> Duration {
        self.longest
    }

    /// Looks at what has come in, and sets the rate.
    pub(super) fn look(&mut self, now: Duration) {
        let trip = self.trip.unwrap_or(Duration::from_millis(40));
        if now.saturating_sub(self.looked) < (trip / 2).clamp(Duration::from_millis(5), Duration::from_millis(100)) {
            return;
        }
        if self.drain.is_some_and(|(until, _)| now >= until) {
            self.drain = None;
        }
        let queue = self.lately.queued >= LONG_TRIPS && self.lately.queued == self.lately.judged;
        let fewer = self.fewer_answers(now, trip);
        let lost = self.controls_lost();
        if now >= self.hold {
            let known = self.ask_known(now);
            if queue || fewer || lost || known.is_some() || self.trouble {
                self.cut(now, trip, known.flatten());
            } else if self.drain.is_none() && self.limited {
                self.grow(now);
            }
        }
        self.trouble = false;
        self.looked = now;
        self.lately = Lately::default();
        self.limited = false;
    }

    fn grow(&mut self, now: Duration) {
        let Some((smooth, _)) = self.smooth else {
            if self.canaries.answer {
                // They steer.
                return;
            }
            // Nothing to steer by.
            self.rate = (self.rate * 1.05).min(BLIND.max(self.rate));
            return;
        };
        let fast = self.rate < self.ceiling;
        let step = smooth.mul_f64(1.1).max(Duration::from_millis(if fast { 5 } else { 100 }));
        if now.saturating_sub(self.grown) >= step {
            self.grown = now;
            self.rate = (self.rate * if fast { 1.5 } else { 1.03 }).min(FASTEST);
        }
    }

    fn cut(&mut self, now: Duration, trip: Duration, through: Option<f64>) {
        self.cuts += 1;
        let (sent, answered) = self.usual;
        // What came back lately tells what got through, where the usual share of answers is known.
        let last = slot_number(now);
        let lately = last.saturating_sub(THROUGH)..last;
        let arrived: u32 = lately.filter_map(|n| self.slot(n)).map(|s| s.arrived).sum();
        let span = SLOT.as_secs_f64() * THROUGH as f64;
        let wanted = if let Some(share) = through {
            self.rate * (share * 0.9).clamp(0.1, 0.5)
        } else if answered >= 50.0 && arrived >= 30 {
            let through = f64::from(arrived) / span / (answered / sent);
            (through * 0.9).clamp(self.rate * 0.1, self.rate * 0.9)
        } else {
            self.rate * 0.5
        };
        self.rate = wanted.max(SLOWEST);
        self.ceiling = self.rate;
        self.grown = now;
        let behind = if self.lately.judged > 0 { self.lately.behind } else { Duration::ZERO };
        // Half of it until the queue is gone; and the effect shows only after a round trip.
        let behind = behind.min(Duration::from_secs(1));
        self.drain = (!behind.is_zero()).then_some((now + behind * 2, self.rate * 0.5));
        self.hold = now + behind * 2 + trip.max(Duration::from_millis(20));
        self.controls = (0, 0);
        self.judged = slot_number(self.hold) + 1;
        self.canaries = Canaries { since: now, ended: 0.0, lost: 0.0, long_trips: 0, ..self.canaries };
    }

    fn slot(&self, number: u64) -> Option<&Slot> {
        self.slots.get(number as usize % SLOTS).filter(|s| s.number == number)
    }

    fn slot_mut(&mut self, number: u64) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(number as usize % SLOTS)?;
        if slot.number < number {
            *slot = Slot { number, ..Slot::default() };
        }
        (slot.number == number).then_some(slot)
    }

    /// Intervals whose answers must have come by now, against the usual share; four standard deviations below it is no
    /// chance.
    fn fewer_answers(&mut self, now: Duration, trip: Duration) -> bool {
        let ripe = slot_number(now.saturating_sub(trip * 2 + Duration::from_millis(40)));
        let mut sum = (0.0, 0.0);
        for number in self.judged..ripe.min(self.judged + SLOTS as u64) {
            if let Some(slot) = self.slot(number) {
                sum = (sum.0 + f64::from(slot.sent), sum.1 + f64::from(slot.answered));
            }
        }
        self.judged = self.judged.max(ripe);
        let (sent, answered) = self.usual;
        let expected = if sent > 0.0 { answered / sent * sum.0 } else { 0.0 };
        let found = expected >= 30.0 && sum.1 < expected * 0.8 && sum.1 < expected - 4.0 * expected.sqrt();
        // What is unusual counts for little, so that it does not become usual; old times fade.
        let weight = if found { 0.1 } else { 1.0 };
        self.usual = (sent * 0.995 + sum.0 * weight, answered * 0.995 + sum.1 * weight);
        found
    }

    /// Far more control probes lost lately than is usual, and more than chance does.
    fn controls_lost(&self) -> bool {
        let n = f64::from(self.controls.1);
        if self.controls.1 < CONTROLS / 2 {
            return false;
        }
        let lost = f64::from((self.controls.0 & (u64::MAX >> (CONTROLS - self.controls.1))).count_ones());
        let (all, of_all) = self.usual_controls;
        // What is usual is told by those before the last ones.
        let before = all - n;
        if before < n {
            return false;
        }
        let usual = ((of_all - lost).max(0.0) / before).min(0.9);
        let chance = CHANCE * (n * usual * (1.0 - usual) + 1.0).sqrt();
        lost > n * (usual * 2.0 + 0.15) && lost > n * usual + chance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path that carries so much, queues so much and answers a share, in steps of a millisecond.
    fn over(capacity: f64, queue_ms: f64, share: f64, trip_ms: usize, seconds: usize) -> (Auto, f64, f64) {
        let mut auto = Auto::default();
        let (mut backlog, mut lost, mut sent) = (0.0f64, 0.0, 0.0);
        let mut shortest: Option<Duration> = None;
        let mut arrivals: Vec<Vec<(Duration, f64)>> = vec![Vec::new(); seconds * 1_000 + 10_000];
        let mut owed = 0.0;
        for ms in 0..seconds * 1_000 {
            let now = Duration::from_millis(ms as u64 + 1_000);
            for (left, n) in std::mem::take(&mut arrivals[ms]) {
                owed += n;
                while owed >= 1.0 {
                    owed -= 1.0;
                    auto.answered(now - left, Duration::ZERO, shortest, now);
                    shortest = Some(shortest.map_or(now - left, |s| s.min(now - left)));
                }
            }
            auto.look(now);
            let n = auto.allowance(now, 1_000_000);
            auto.took(n, now);
            sent += n as f64;
            backlog = (backlog - capacity / 1_000.0).max(0.0) + n as f64;
            let most = capacity * queue_ms / 1_000.0 + capacity / 1_000.0;
            let dropped = (backlog - most).max(0.0);
            backlog -= dropped;
            lost += dropped;
            let delay = trip_ms + (backlog / capacity * 1_000.0) as usize;
            if let Some(place) = arrivals.get_mut(ms + delay.max(1)) {
                place.push((now, (n as f64 - dropped) * share));
            }
        }
        (auto, sent / seconds as f64, lost / sent)
    }

    #[test]
    fn a_wide_path_is_used() {
        let (auto, per_second, lost) = over(2_000_000.0, 100.0, 0.9, 1, 3);
        assert!(per_second > 500_000.0 && lost < 0.05, "{per_second} {lost} {}", auto.cuts);
    }

    #[test]
    fn a_narrow_path_with_a_deep_queue_is_filled_and_not_buried() {
        for share in [0.9, 0.01] {
            let (auto, per_second, lost) = over(80_000.0, 3_000.0, share, 80, 10);
            assert!((50_000.0..95_000.0).contains(&per_second), "{share}: {per_second}, {} cuts", auto.cuts);
            assert!(lost < 0.01, "{lost}");
        }
    }

    #[test]
    fn a_path_that_drops_what_is_too_much_is_found_out() {
        let (auto, per_second, lost) = over(30_000.0, 2.0, 0.9, 20, 10);
        assert!((12_000.0..60_000.0).contains(&per_second) && lost < 0.35, "{per_second} {lost} {}", auto.cuts);
    }

    #[test]
    fn silence_is_not_shouted_at() {
        let (auto, per_second, _) = over(1e9, 1.0, 0.0, 10, 5);
        assert!(per_second <= BLIND, "{per_second}");
        assert_eq!((auto.patience(), auto.cuts), (None, 0));
    }

    /// A path that drops what is beyond its capacity and loses a share of the rest, with nothing but a canary behind it:
    /// the rate in the end, and how often it was cut.
    fn silent(capacity: f64, loss: f64, seconds: u64) -> (f64, u32) {
        let mut auto = Auto::default();
        let (mut due, mut dice) = (Duration::ZERO, 7u64);
        for ms in 0..seconds * 1_000 {
            let now = Duration::from_millis(ms + 1_000);
            auto.look(now);
            let n = auto.allowance(now, 1_000_000);
            auto.took(n, now);
            if now >= due {
                due = now + Duration::from_millis(10);
                let through = (capacity / auto.rate()).min(1.0) * (1.0 - loss);
                dice ^= dice << 13;
                dice ^= dice >> 7;
                dice ^= dice << 17;
                auto.canary((dice >> 11) as f64 / ((1u64 << 53) as f64) < through, false, now);
            }
        }
        (auto.rate(), auto.cuts)
    }

    #[test]
    fn a_canary_steers_where_all_else_is_silent() {
        let (rate, cuts) = silent(4_000.0, 0.0, 10);
        assert!((1_500.0..5_500.0).contains(&rate) && cuts >= 2, "narrow: {rate}, {cuts} cuts");
        let (rate, cuts) = silent(1e9, 0.0, 5);
        assert!(rate > BLIND * 2.0 && cuts == 0, "wide: {rate}, {cuts} cuts");
        let (rate, cuts) = silent(1e9, 0.1, 10);
        assert!(rate > 20_000.0 && cuts <= 1, "lossy: {rate}, {cuts} cuts");
        // Half is lost at any rate: cutting is tried, brings nothing, and is taken back.
        let (rate, cuts) = silent(1e9, 0.5, 10);
        assert!(rate >= START && cuts <= 8, "half lost: {rate}, {cuts} cuts");
    }

    #[test]
    fn a_queue_before_a_canary_cuts() {
        let mut auto = Auto::default();
        for i in 0..4u64 {
            let now = Duration::from_millis(1_000 + 20 * i);
            auto.canary(true, true, now);
            auto.look(now);
        }
        assert_eq!((auto.cuts, auto.rate() as u32), (1, 10_000));
    }

    #[test]
    fn lost_controls_cut_and_steady_loss_does_not() {
        let mut auto = Auto::default();
        for i in 0..200u64 {
            auto.control(i % 10 != 0, Duration::ZERO);
            auto.look(Duration::from_millis(100 * i));
        }
        assert_eq!(auto.cuts, 0);
        for i in 200..260u64 {
            auto.control(i % 3 == 0, Duration::ZERO);
            auto.look(Duration::from_millis(100 * i));
        }
        assert!(auto.cuts > 0);
    }
}
