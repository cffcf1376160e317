//! What a few SYN-ACKs tell about a host: predictable sequence numbers, kinds of IP ids, and how long it has run.

/// Modulus of sequence numbers and timestamps.
const WORD: u64 = 1 << 32;

/// How initial sequence numbers behave. RFC 6528.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sequence {
    /// All the same.
    Constant,
    /// Each a like step above the last: the next one can be guessed.
    Stepping {
        /// Mean step.
        step: u64,
        /// Bits that remain to be guessed.
        bits: u32,
    },
    /// No step to be seen.
    Random {
        /// Bits of the spread of the differences, 32 at most.
        bits: u32,
    },
}

/// Below so many unknown bits a sequence number is within reach of a flood of guesses.
const GUESSABLE_BITS: u32 = 16;

/// Classes initial sequence numbers in the order they were sent; at least four are needed.
pub fn sequence(numbers: &[u32]) -> Option<Sequence> {
    if numbers.len() < 4 {
        return None;
    }
    let steps: Vec<u64> = numbers
        .iter()
        .zip(numbers.iter().skip(1))
        .map(|(a, b)| (WORD + u64::from(*b) - u64::from(*a)) % WORD)
        .collect();
    if steps.iter().all(|s| *s == 0) {
        return Some(Sequence::Constant);
    }
    let mean = steps.iter().sum::<u64>() / steps.len() as u64;
    let spread = steps.iter().map(|s| s.abs_diff(mean)).max().unwrap_or(0);
    let bits = (spread + 1).ilog2();
    Some(if bits < GUESSABLE_BITS {
        Sequence::Stepping { step: mean, bits }
    } else {
        Sequence::Random { bits: (bits + 1).min(32) }
    })
}

/// How IP identification values behave. RFC 6864, RFC 7739.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpIds {
    /// Always zero: datagrams that may not be fragmented need none.
    Zero,
    /// Always the same other value.
    Constant,
    /// Rising by little: a counter.
    Counter {
        /// Largest step.
        step: u32,
    },
    /// None of these.
    Random,
}

/// A counter that other traffic moves too may rise so much between two of our packets.
const COUNTER_STEP: u32 = 2_048;

/// Classes IP ids in the order they arrived; at least four are needed.
pub fn ip_ids(ids: &[u16]) -> Option<IpIds> {
    if ids.len() < 4 {
        return None;
    }
    if ids.iter().all(|i| *i == 0) {
        return Some(IpIds::Zero);
    }
    let steps: Vec<u32> = ids.iter().zip(ids.iter().skip(1)).map(|(a, b)| u32::from(b.wrapping_sub(*a))).collect();
    if steps.iter().all(|s| *s == 0) {
        return Some(IpIds::Constant);
    }
    let step = steps.iter().copied().max().unwrap_or(0);
    let rising = steps.iter().all(|s| (1..=COUNTER_STEP).contains(s));
    Some(if rising { IpIds::Counter { step } } else { IpIds::Random })
}

/// A clock that TCP timestamps follow. RFC 7323.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uptime {
    /// Ticks a second.
    pub rate: u64,
    /// Seconds since the clock stood at zero, for the last time.
    pub seconds: u64,
    /// Seconds after which the clock goes round to zero.
    pub round: u64,
}

/// Rates that stacks use, ticks a second.
const RATES: [u64; 5] = [1, 10, 100, 250, 1_000];
/// Ticks that must have passed for the rate to be known, where the clock was watched for less than two seconds.
const TICKS: u64 = 50;

/// No clock ticks faster (RFC 7323 5.4 has one tick a millisecond at most), and no answer is noticed later.
const FASTEST_TICKS_PER_MS: u64 = 10;
const LATE_MS: u64 = 1_000;

/// Reads a clock from pairs of milliseconds and timestamp values: at least three over at least a second (two for slow
/// clocks), all on one line. Many stacks begin each connection at an offset of its own; those are not on one line. An
/// offset for each peer cannot be told from here.
pub fn uptime(pairs: &[(u64, u32)]) -> Result<Uptime, &'static str> {
    let (Some(first), Some(last)) = (pairs.first(), pairs.last()) else {
        return Err("its SYN-ACKs carry no timestamps");
    };
    let millis = last.0.saturating_sub(first.0);
    let jumps = |(a, b): (&(u64, u32), &(u64, u32))| {
        let moved = u64::from(b.1.wrapping_sub(a.1).cast_signed().unsigned_abs());
        moved > (b.0.abs_diff(a.0) + LATE_MS) * FASTEST_TICKS_PER_MS
    };
    if pairs.len() >= 3 && pairs.iter().zip(pairs.iter().skip(1)).any(jumps) {
        return Err("each connection begins its timestamps at a random offset, which hides the clock");
    }
    if pairs.len() < 3 || millis < 1_000 {
        return Err("fewer than three timestamps over one second");
    }
    let ticks = |at: &(u64, u32)| (WORD + u64::from(at.1) - u64::from(first.1)) % WORD;
    if millis < 2_000 && ticks(last) < TICKS {
        return Err("too few ticks of a slow clock were seen");
    }
    let measured = ticks(last) as f64 * 1_000.0 / millis as f64;
    let on_line = |rate: f64| {
        // A busy scanner notices an answer late: half a second, or two ticks of a slow clock.
        let most = (rate / 2.0).max(2.0);
        let wanted = |at: &(u64, u32)| at.0.saturating_sub(first.0) as f64 * rate / 1_000.0;
        pairs.iter().all(|at| (ticks(at) as f64 - wanted(at)).abs() <= most)
    };
    let usual = RATES.into_iter().find(|r| (measured / *r as f64 - 1.0).abs() < 0.25);
    let rate = match usual.filter(|rate| on_line(*rate as f64)) {
        Some(rate) => rate,
        None if usual.is_none() && on_line(measured) => return Err("the timestamps follow no usual clock"),
        None => return Err("the timestamps do not follow one clock"),
    };
    Ok(Uptime { rate, seconds: u64::from(last.1) / rate, round: WORD / rate })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_classed() {
        assert_eq!(sequence(&[1, 2, 3]), None);
        assert_eq!(sequence(&[7; 5]), Some(Sequence::Constant));
        assert_eq!(sequence(&[0, 64_000, 128_000, 192_000]), Some(Sequence::Stepping { step: 64_000, bits: 0 }));
        let wrapped = [u32::MAX - 10, 63_989, 127_989, 191_989];
        assert!(matches!(sequence(&wrapped), Some(Sequence::Stepping { step: 64_000, .. })));
        let random = [0x8a1f_22c3, 0x0102_9f00, 0xf00d_1234, 0x5555_aaaa, 0x1357_9bdf];
        assert!(matches!(sequence(&random), Some(Sequence::Random { bits: 28..=32 })));
    }

    #[test]
    fn ip_ids_are_classed() {
        assert_eq!(ip_ids(&[0; 3]), None);
        assert_eq!(ip_ids(&[0; 4]), Some(IpIds::Zero));
        assert_eq!(ip_ids(&[9; 4]), Some(IpIds::Constant));
        assert_eq!(ip_ids(&[65_534, 65_535, 1, 4]), Some(IpIds::Counter { step: 3 }));
        assert_eq!(ip_ids(&[12, 60_000, 4, 33_000]), Some(IpIds::Random));
    }

    #[test]
    fn uptime_needs_one_clock() {
        let line =
            |rate: u64| -> Vec<(u64, u32)> { (0..4).map(|i| (i * 1_000, (86_400 * rate + i * rate) as u32)).collect() };
        assert_eq!(uptime(&line(100)), Ok(Uptime { rate: 100, seconds: 86_403, round: 42_949_672 }));
        let late = [(0, 90_000), (20, 90_020), (460, 90_240), (1_105, 91_105)];
        assert_eq!(uptime(&late), Ok(Uptime { rate: 1_000, seconds: 91, round: 4_294_967 }), "one was noticed late");
        assert_eq!(uptime(&line(1_000)), Ok(Uptime { rate: 1_000, seconds: 86_403, round: 4_294_967 }));
        assert!(uptime(&[(0, 5), (3_000, 9)]).is_err());
        assert!(uptime(&[(0, 5), (500, 10), (1_100, 16)]).is_err(), "11 ticks in a second may be 10 or 12 a second");
        assert!(uptime(&[(0, 5), (1_000, 4_000_000), (3_000, 3_005)]).is_err());
        assert!(uptime(&[]).is_err());
    }
}
