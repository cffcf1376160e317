//! How long to wait for one host, and how many questions may be in flight: both learnt from the answers.

use std::time::Duration;

/// Wait for a first answer where nothing is known. Below a second, so that the kernel repeats no SYN of its own
/// (its first repetition comes after one second, RFC 6298 2.1) and the ledger counts every one.
pub(super) const FIRST_WAIT: Duration = Duration::from_millis(900);
/// Last wait of a run in which nothing at all has answered yet: a path may be slower than a second.
pub(super) const PATIENT_WAIT: Duration = Duration::from_millis(2_500);
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
/// Noise of a round trip that is no sign of a queue.
const NOISE: Duration = Duration::from_millis(20);

/// Round-trip times of one host, or of the run. RFC 6298 section 2, in microseconds; zero for not measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Rtt {
    smoothed: u32,
    spread: u32,
    least: u32,
}

impl Rtt {
    pub(super) fn sample(&mut self, rtt: Duration) {
        let now = u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX).max(1);
        if self.smoothed == 0 {
            *self = Self { smoothed: now, spread: now / 2, least: now };
            return;
        }
        let off = self.smoothed.abs_diff(now);
        self.spread = self.spread - self.spread / 4 + off / 4;
        self.smoothed = (self.smoothed - self.smoothed / 8).saturating_add(now / 8).max(1);
        self.least = self.least.min(now);
    }

    /// Smoothed time and four times its spread, a quarter more at least, within bounds; none before the first answer.
    pub(super) fn wait(self) -> Option<Duration> {
        let micros = u64::from(self.smoothed) + (4 * u64::from(self.spread)).max(u64::from(self.smoothed / 4));
        (self.smoothed != 0).then(|| Duration::from_micros(micros).clamp(SHORTEST_WAIT, FIRST_WAIT))
    }

    /// True where a round trip is so much longer than the shortest that a queue must stand on the path.
    pub(super) fn queued(self, rtt: Duration) -> bool {
        self.smoothed != 0 && rtt > Duration::from_micros(2 * u64::from(self.least)) + NOISE
    }
}

/// How long to wait for an answer of a host: by its own round trips, else twice what those of all hosts say, and longer
/// with each try, so that an answer over a path that has become longer is seen and learnt from.
pub(super) fn wait(host: Rtt, run: Rtt, tries: u8, last: bool) -> Duration {
    match host.wait().or_else(|| run.wait().map(|other| other * 2)) {
        Some(known) => (known * (1 + u32::from(tries))).min(FIRST_WAIT),
        None if last => PATIENT_WAIT,
        None => FIRST_WAIT,
    }
}

/// Questions in flight: starts small, doubles while answers come in time, shrinks where a queue builds up or where hosts
/// that refuse reliably fall silent more often than they used to, and grows again.
#[derive(Debug)]
pub(super) struct Window {
    size: f64,
    most: f64,
    doubling: bool,
    period: Period,
    /// The smallest share of silence of any period: loss that is there at any pace.
    usual: f64,
    held_until: Duration,
    /// Times that it shrank.
    pub(super) shrunk: u32,
}

/// Outcomes counted over at least two waits: the answers to a burst come together and its silences together, so that
/// over less either of them would be all there is.
#[derive(Debug, Clone, Copy, Default)]
struct Period {
    began: Duration,
    answered: u32,
    silent: u32,
}

impl Window {
    const FIRST: f64 = 512.0;
    const LEAST: f64 = 32.0;
    /// More silence than twice the usual and this is taken for a path that is full or policed.
    const LOSS: f64 = 0.15;
    /// A period is no shorter, and judged by no fewer outcomes.
    const PERIOD: Duration = Duration::from_millis(250);
    const OUTCOMES: u32 = 64;
    /// Growth a round trip once it has shrunk, and the shortest round trip that counts as one.
    const REGROWTH: f64 = 0.05;
    const ROUND_TRIP: Duration = Duration::from_millis(20);

    pub(super) fn new(most: usize) -> Self {
        let most = most as f64;
        Self {
            size: Self::FIRST.min(most),
            most,
            doubling: true,
            period: Period::default(),
            usual: 1.0,
            held_until: Duration::ZERO,
            shrunk: 0,
        }
    }

    pub(super) fn size(&self) -> usize {
        self.size.min(self.most) as usize
    }

    /// An answer; `queued` where it was late. `rtt` is how long a change takes to show.
    pub(super) fn answered(&mut self, queued: bool, rtt: Duration, now: Duration) {
        self.period.answered += 1;
        if queued {
            self.shrink(rtt, now);
        } else {
            self.grow(rtt);
        }
    }

    /// Silence; `expected` where the host answers reliably otherwise.
    pub(super) fn silent(&mut self, expected: bool, wait: Duration, now: Duration) {
        if !expected {
            self.grow(wait);
            return;
        }
        self.period.silent += 1;
        let Period { began, answered, silent } = self.period;
        if now.saturating_sub(began) < Self::PERIOD.max(wait * 2) || answered + silent < Self::OUTCOMES {
            return;
        }
        self.period = Period { began: now, ..Period::default() };
        let share = f64::from(silent) / f64::from(answered + silent);
        self.usual = self.usual.min(share);
        if share > self.usual * 2.0 + Self::LOSS {
            self.shrink(wait, now);
        }
    }

    /// The machine has no more sockets than these.
    pub(super) fn limit(&mut self, most: usize) {
        self.most = (most as f64).max(1.0);
    }

    /// More sockets may have become free: a quarter more, at most so many.
    pub(super) fn widen(&mut self, most: usize) {
        self.most = (self.most * 1.25 + 1.0).min(most as f64);
    }

    /// A window of answers comes in one round trip.
    fn grow(&mut self, rtt: Duration) {
        let trip = (rtt.as_secs_f64() / Self::ROUND_TRIP.as_secs_f64()).min(1.0);
        let by = if self.doubling { 1.0 } else { Self::REGROWTH * trip };
        // A shortage of sockets leaves what was learnt of the path.
        self.size = (self.size + by).min(self.most.max(self.size));
    }

    fn shrink(&mut self, pause: Duration, now: Duration) {
        if now < self.held_until {
            return;
        }
        self.size = (self.size.min(self.most) * 0.7).max(Self::LEAST.min(self.most));
        self.doubling = false;
        self.shrunk += 1;
        self.held_until = now + pause;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn waits_follow_the_round_trips() {
        let (mut near, mut far) = (Rtt::default(), Rtt::default());
        assert_eq!((near.wait(), near.queued(MS * 500)), (None, false));
        for _ in 0..40 {
            near.sample(MS / 10);
            far.sample(MS * 180);
        }
        assert_eq!(near.wait(), Some(SHORTEST_WAIT));
        let learnt = far.wait().unwrap();
        assert!(learnt >= MS * 175 && learnt < MS * 260, "{learnt:?}");
        assert!(far.queued(MS * 381) && !far.queued(MS * 379));
        // One long one widens the wait, at most to the bound.
        far.sample(MS * 900);
        assert!(far.wait().unwrap() > learnt);
        far.sample(Duration::from_secs(1 << 40));
        assert_eq!(far.wait(), Some(FIRST_WAIT));
        // A host that was near and is not any more: a later try waits longer, so that its answer is seen and learnt from.
        assert_eq!([0, 1, 2].map(|t| wait_of(near, near, t)), [MS * 100, MS * 200, MS * 300]);
        assert_eq!(wait(far, near, 9, true), FIRST_WAIT);
        // An unknown host waits by what others took, longer each time; with nothing known, long.
        let unknown = Rtt::default();
        assert_eq!([0, 1, 2].map(|t| wait_of(unknown, near, t)), [MS * 200, MS * 400, MS * 600]);
        assert_eq!([wait(unknown, unknown, 0, false), wait(unknown, unknown, 2, true)], [FIRST_WAIT, PATIENT_WAIT]);
    }

    fn wait_of(host: Rtt, run: Rtt, tries: u8) -> Duration {
        wait(host, run, tries, tries == 2)
    }

    #[test]
    fn the_window_opens_and_closes() {
        let mut window = Window::new(16_000);
        for _ in 0..2_000 {
            window.answered(false, MS, MS);
        }
        assert_eq!(window.size(), 2_512);
        // A queue shrinks it once a round trip.
        window.answered(true, MS * 10, MS * 100);
        window.answered(true, MS * 10, MS * 101);
        assert_eq!((window.size(), window.shrunk), (1_758, 1));
        // What is lost at any pace does nothing, more than that does. A window of 500 is answered after 80 ms, and what
        // is lost of it falls silent together 20 ms later.
        let mut now = MS * 200;
        let mut bursts = |window: &mut Window, lost: u32, trips: u32| {
            for _ in 0..trips {
                now += MS * 80;
                (0..500 - lost).for_each(|_| window.answered(false, MS * 80, now));
                now += MS * 20;
                (0..lost).for_each(|_| window.silent(true, MS * 100, now));
            }
        };
        let before = window.size();
        bursts(&mut window, 50, 50);
        assert_eq!(window.shrunk, 1);
        assert!(window.size() > before + 900, "it grows again: {}", window.size());
        bursts(&mut window, 250, 20);
        assert!((2..12).contains(&window.shrunk), "{}", window.shrunk);
        for i in 0..100_000u32 {
            window.answered(true, MS, MS * (100_000 + i));
        }
        assert_eq!(window.size(), 32);
        bursts(&mut window, 0, 10);
        assert!(window.size() > 200, "{}", window.size());
        // A shortage of sockets passes, and the window is as before.
        let before = window.size();
        window.limit(3);
        assert_eq!(window.size(), 3);
        window.answered(false, MS, MS);
        (0..30).for_each(|_| window.widen(16_000));
        assert_eq!(window.size(), before);
    }
}
