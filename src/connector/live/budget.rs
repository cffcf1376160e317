//! The call budget: how fast one API of one account is asked, shared by all workers. product.md part 3 want 10.
//!
//! Each provider documents a quota for its API, as a bucket of calls that fills at a steady rate. A connector takes a
//! share of both (`call_budget`, by default half), so that the customer's own programs keep the rest: that share is
//! a hard stop, not a wish. A throttled answer stops every worker on that API until the back-off is over, and halves
//! the rate; each answered call after that gives a little of it back.
//!
//! Nothing here reads a clock or sleeps: time is an argument, waiting is the caller's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::connector::live::Usage;

/// A provider's documented quota for one API in one account (and region, where it counts by region).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quota {
    /// Calls that may come at once.
    pub burst: u32,
    /// Calls a second, lasting.
    pub per_second: f64,
}

/// What is counted together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Meter {
    /// Account, subscription or project.
    pub account: Arc<str>,
    /// Region, where the provider counts by region; else empty.
    pub region: Arc<str>,
    /// Such as `ec2:DescribeInstances`.
    pub call: Arc<str>,
}

#[derive(Debug)]
struct Bucket {
    /// Share of the quota: most tokens, and tokens a second.
    capacity: f64,
    rate: f64,
    /// Present rate, lower after throttling.
    slowed: f64,
    tokens: f64,
    filled_at: Duration,
    closed_until: Duration,
    throttled_in_a_row: u32,
    calls: u64,
    throttled: u64,
}

/// The buckets of all meters.
#[derive(Debug)]
pub struct Budget {
    share: f64,
    state: Mutex<(BTreeMap<Meter, Bucket>, u64)>,
}

/// Shortest and longest back-off without word from the provider.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(20));
/// Longest wait that a provider's `Retry-After` is followed to.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(120);
/// The rate never falls below this part of the share.
const SLOWEST: f64 = 1.0 / 16.0;

impl Budget {
    /// A budget of `percent` (1 to 100) of every quota; `seed` for the jitter.
    pub fn new(percent: u8, seed: u64) -> Self {
        Self { share: f64::from(percent.clamp(1, 100)) / 100.0, state: Mutex::new((BTreeMap::new(), seed)) }
    }

    fn with<T>(&self, meter: &Meter, quota: Quota, now: Duration, act: impl FnOnce(&mut Bucket, &mut u64) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        let (buckets, seed) = &mut *state;
        let bucket = buckets.entry(meter.clone()).or_insert_with(|| {
            let capacity = (f64::from(quota.burst) * self.share).max(1.0);
            let rate = (quota.per_second * self.share).max(0.01);
            Bucket {
                capacity,
                rate,
                slowed: rate,
                tokens: capacity,
                filled_at: now,
                closed_until: Duration::ZERO,
                throttled_in_a_row: 0,
                calls: 0,
                throttled: 0,
            }
        });
        act(bucket, seed)
    }

    /// Takes one call. Nothing where it may be made now, else how long to wait before asking again.
    pub fn take(&self, meter: &Meter, quota: Quota, now: Duration) -> Option<Duration> {
        self.with(meter, quota, now, |b, _| {
            let gone = now.saturating_sub(b.filled_at).as_secs_f64();
            b.tokens = (b.tokens + gone * b.slowed).min(b.capacity);
            b.filled_at = b.filled_at.max(now);
            if now < b.closed_until {
                return Some(b.closed_until - now);
            }
            if b.tokens < 1.0 {
                // Rounded up to a millisecond, so that a waiter never comes too early for ever.
                let seconds = ((1.0 - b.tokens) / b.slowed).clamp(0.001, 3_600.0);
                return Some(Duration::from_secs_f64(seconds) + Duration::from_millis(1));
            }
            b.tokens -= 1.0;
            b.calls += 1;
            None
        })
    }

    /// The provider throttled: all workers of this meter wait. Twice as long each time in a row, with jitter, or as
    /// long as the provider asked. The wait that was set.
    pub fn throttled(&self, meter: &Meter, quota: Quota, now: Duration, retry_after: Option<Duration>) -> Duration {
        self.with(meter, quota, now, |b, seed| {
            b.throttled += 1;
            b.slowed = (b.slowed / 2.0).max(b.rate * SLOWEST);
            b.tokens = b.tokens.min(1.0);
            // Answers to calls that were in flight when the door closed tell nothing new.
            if now < b.closed_until && retry_after.is_none() {
                return b.closed_until - now;
            }
            let step = BACK_OFF.0.saturating_mul(1 << b.throttled_in_a_row.min(10)).min(BACK_OFF.1);
            b.throttled_in_a_row += 1;
            let wait = match retry_after {
                Some(asked) => asked.min(LONGEST_RETRY_AFTER) + jitter(seed, BACK_OFF.0),
                None => step / 2 + jitter(seed, step / 2),
            };
            b.closed_until = b.closed_until.max(now + wait);
            wait
        })
    }

    /// A call was answered.
    pub fn answered(&self, meter: &Meter, quota: Quota, now: Duration) {
        self.with(meter, quota, now, |b, _| {
            b.throttled_in_a_row = 0;
            b.slowed = (b.slowed + b.rate / 32.0).min(b.rate);
        });
    }

    /// A pause before another try after a failure that was not throttling; doubles with `tries`.
    pub fn pause(&self, tries: u32) -> Duration {
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        let step = BACK_OFF.0.saturating_mul(1 << tries.min(10)).min(BACK_OFF.1);
        step / 2 + jitter(&mut state.1, step / 2)
    }

    /// Calls made so far, by account and API.
    pub fn usage(&self) -> Vec<Usage> {
        let state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        let mut all: BTreeMap<(Arc<str>, Arc<str>), (u64, u64)> = BTreeMap::new();
        for (meter, bucket) in &state.0 {
            let sum = all.entry((Arc::clone(&meter.account), Arc::clone(&meter.call))).or_default();
            sum.0 += bucket.calls;
            sum.1 += bucket.throttled;
        }
        let usage = all.into_iter().filter(|(_, (calls, _))| *calls > 0);
        usage.map(|((account, call), (calls, throttled))| Usage { account, call, calls, throttled }).collect()
    }
}

/// From nothing to `most`, by splitmix64.
fn jitter(seed: &mut u64, most: Duration) -> Duration {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    let part = u32::try_from(z >> 32).unwrap_or(0);
    most.mul_f64(f64::from(part) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota { burst: 10, per_second: 4.0 };

    fn meter(region: &str) -> Meter {
        Meter { account: "1".into(), region: region.into(), call: "ec2:X".into() }
    }

    #[test]
    fn no_more_than_the_share_in_any_stretch_of_time() {
        let budget = Budget::new(50, 7);
        let m = meter("r");
        let mut made = Vec::new();
        let mut now = Duration::ZERO;
        while now < Duration::from_secs(60) {
            match budget.take(&m, QUOTA, now) {
                None => made.push(now),
                Some(wait) => now += wait,
            }
        }
        for (n, from) in made.iter().enumerate() {
            for (k, to) in made.iter().enumerate().skip(n) {
                let allowed = 5.0 + (*to - *from).as_secs_f64() * 2.0;
                assert!((k - n) as f64 <= allowed, "{} calls in {:?}", k - n, *to - *from);
            }
        }
        assert!(made.len() >= 120, "the share is used: {}", made.len());
        let usage = budget.usage();
        assert_eq!((usage.len(), usage[0].calls, usage[0].throttled), (1, made.len() as u64, 0));
    }

    #[test]
    fn a_throttled_answer_stops_every_worker_of_its_meter_and_no_other() {
        let budget = Budget::new(100, 1);
        let now = Duration::from_secs(5);
        assert_eq!(budget.take(&meter("a"), QUOTA, now), None);
        let first = budget.throttled(&meter("a"), QUOTA, now, None);
        assert!(first >= BACK_OFF.0 / 2 && first <= BACK_OFF.0);
        assert_eq!(budget.take(&meter("a"), QUOTA, now), Some(first));
        assert_eq!(budget.take(&meter("b"), QUOTA, now), None);
        assert_eq!(budget.throttled(&meter("a"), QUOTA, now, None), first, "one door, one back-off");
        let second = budget.throttled(&meter("a"), QUOTA, now + first, None);
        assert!(second >= BACK_OFF.0 && second <= BACK_OFF.0 * 2);
        let asked = budget.throttled(&meter("a"), QUOTA, now + first, Some(Duration::from_secs(9)));
        assert!(asked >= Duration::from_secs(9) && asked <= Duration::from_millis(9_500));
        let usage = budget.usage();
        assert_eq!((usage[0].calls, usage[0].throttled), (2, 4), "regions add up");
    }
}
