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
/// A queue: round trips beyond the shortest by half and this.
const QUEUE: Duration = Duration::from_millis(10);
/// Control probes that have ended, remembered.
const CONTROLS: u32 = 64;
/// What a control probe counts for after another one: a thousand of them tell what is usual.
const FADE: f64 = 0.999;
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
    shortest: Option<Duration>,
    smooth: Option<(Duration, Duration)>,
    longest: Duration,
    /// Round trips since the last look: the shortest, and how many.
    lately: (Duration, u32),
    grown: Duration,
    /// Which of the control probes that ended lately were lost, newest first, and how many they are.
    controls: (u64, u32),
    /// Control probes that ended and those lost of them, older ones counting for less: the usual loss.
    usual_controls: (f64, f64),
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
            shortest: None,
            smooth: None,
            longest: Duration::ZERO,
            lately: (Duration::MAX, 0),
            grown: Duration::ZERO,
            controls: (0, 0),
            usual_controls: (0.0, 0.0),
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
    pub(super) fn answered(&mut self, rtt: Duration, slack: Duration, now: Duration) {
        if let Some(slot) = self.slot_mut(slot_number(now.saturating_sub(rtt))) {
            slot.answered += 1;
        }
        if let Some(slot) = self.slot_mut(slot_number(now)) {
            slot.arrived += 1;
        }
        let clean = rtt.saturating_sub(slack);
        self.lately = (self.lately.0.min(clean), self.lately.1 + 1);
        self.shortest = Some(self.shortest.map_or(clean, |s| s.min(clean)));
        self.longest = self.longest.max(rtt);
        self.smooth = Some(match self.smooth {
            // RFC 6298 2.2, 2.3.
            None => (rtt, rtt / 2),
            Some((smooth, vary)) => ((smooth * 7 + rtt) / 8, (vary * 3 + smooth.abs_diff(rtt)) / 4),
        });
    }

    /// A control probe has come to its end.
    pub(super) fn control(&mut self, answered: bool) {
        self.controls.0 = self.controls.0 << 1 | u64::from(!answered);
        self.controls.1 = (self.controls.1 + 1).min(CONTROLS);
        let (all, lost) = self.usual_controls;
        self.usual_controls = (all * FADE + 1.0, lost * FADE + f64::from(u8::from(!answered)));
    }

    /// The kernel dropped answers.
    pub(super) fn dropped(&mut self) {
        self.trouble = true;
    }

    /// Other pairs are asked from now on: their share of answers is another.
    pub(super) fn new_round(&mut self, now: Duration) {
        self.usual = (0.0, 0.0);
        self.judged = slot_number(now) + 1;
        self.lately = (Duration::MAX, 0);
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
        let trip = self.shortest.unwrap_or(Duration::from_millis(40));
        if now.saturating_sub(self.looked) < (trip / 2).clamp(Duration::from_millis(5), Duration::from_millis(100)) {
            return;
        }
        if self.drain.is_some_and(|(until, _)| now >= until) {
            self.drain = None;
        }
        let queue = self.lately.1 >= 4 && self.shortest.is_some_and(|s| self.lately.0 > s.mul_f64(1.5) + QUEUE);
        let fewer = self.fewer_answers(now, trip);
        let lost = self.controls_lost();
        if now >= self.hold {
            if queue || fewer || lost || self.trouble {
                self.cut(now, trip);
            } else if self.drain.is_none() && self.limited {
                self.grow(now);
            }
        }
        self.trouble = false;
        self.looked = now;
        self.lately = (Duration::MAX, 0);
        self.limited = false;
    }

    fn grow(&mut self, now: Duration) {
        let Some((smooth, _)) = self.smooth else {
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

    fn cut(&mut self, now: Duration, trip: Duration) {
        self.cuts += 1;
        let (sent, answered) = self.usual;
        // What came back lately tells what got through, where the usual share of answers is known.
        let last = slot_number(now);
        let lately = last.saturating_sub(THROUGH)..last;
        let arrived: u32 = lately.filter_map(|n| self.slot(n)).map(|s| s.arrived).sum();
        let span = SLOT.as_secs_f64() * THROUGH as f64;
        let wanted = if answered >= 50.0 && arrived >= 30 {
            let through = f64::from(arrived) / span / (answered / sent);
            (through * 0.9).clamp(self.rate * 0.1, self.rate * 0.9)
        } else {
            self.rate * 0.5
        };
        self.rate = wanted.max(SLOWEST);
        self.ceiling = self.rate;
        self.grown = now;
        let behind = match (self.lately, self.shortest) {
            ((now_shortest, n), Some(shortest)) if n > 0 => now_shortest.saturating_sub(shortest),
            _ => Duration::ZERO,
        };
        // Half of it until the queue is gone; and the effect shows only after a round trip.
        let behind = behind.min(Duration::from_secs(1));
        self.drain = (!behind.is_zero()).then_some((now + behind * 2, self.rate * 0.5));
        self.hold = now + behind * 2 + trip.max(Duration::from_millis(20));
        self.controls = (0, 0);
        self.judged = slot_number(self.hold) + 1;
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
        let mut arrivals: Vec<Vec<(Duration, f64)>> = vec![Vec::new(); seconds * 1_000 + 10_000];
        let mut owed = 0.0;
        for ms in 0..seconds * 1_000 {
            let now = Duration::from_millis(ms as u64 + 1_000);
            for (left, n) in std::mem::take(&mut arrivals[ms]) {
                owed += n;
                while owed >= 1.0 {
                    owed -= 1.0;
                    auto.answered(now - left, Duration::ZERO, now);
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

    #[test]
    fn lost_controls_cut_and_steady_loss_does_not() {
        let mut auto = Auto::default();
        for i in 0..200u64 {
            auto.control(i % 10 != 0);
            auto.look(Duration::from_millis(100 * i));
        }
        assert_eq!(auto.cuts, 0);
        for i in 200..260u64 {
            auto.control(i % 3 == 0);
            auto.look(Duration::from_millis(100 * i));
        }
        assert!(auto.cuts > 0);
    }
}
