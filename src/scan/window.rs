//! What is known of the pairs being asked: one byte and a send time each, for a window of the order. A scan of any size
//! goes through it window by window.

use std::time::Duration;

/// Pairs of one window at most. Tests go through several of them sooner.
pub(super) const WINDOW: u64 = if cfg!(test) { 1 << 16 } else { 1 << 21 };

/// Tries sent, in the low four bits.
const TRIES: u8 = 0x0f;
/// Where the answer stands; zero is none.
const ANSWER: u8 = 0x30;
/// Not to be asked any more, and why is known of its host.
const DROPPED: u8 = 0x40;

const UNIT_US: u64 = 16;

fn units(time: Duration) -> u32 {
    (time.as_micros() as u64 / UNIT_US) as u32
}

/// What a pair answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Open,
    Closed,
    Filtered,
}

impl Answer {
    fn bits(self) -> u8 {
        match self {
            Self::Open => 0x10,
            Self::Closed => 0x20,
            Self::Filtered => 0x30,
        }
    }
}

/// A run of positions.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// First position.
    pub(super) start: u64,
    state: Vec<u8>,
    /// When the last try left, in units of 16 microseconds: 19 hours.
    sent: Vec<u32>,
    /// Pairs that are neither answered nor dropped.
    pub(super) open: u32,
}

impl Window {
    /// The window of a grid of `len` pairs that begins at `start`.
    pub(super) fn new(start: u64, len: u64) -> Self {
        let n = len.saturating_sub(start).min(WINDOW) as usize;
        Self { start, state: vec![0; n], sent: vec![0; n], open: n as u32 }
    }

    /// From kept bytes, as [`Window::checkpoint`] gives them.
    pub(super) fn restore(start: u64, state: Vec<u8>) -> Self {
        let open = state.iter().filter(|s| **s & (ANSWER | DROPPED) == 0).count() as u32;
        Self { start, sent: vec![0; state.len()], state, open }
    }

    pub(super) fn len(&self) -> u32 {
        self.state.len() as u32
    }

    /// Position after the last.
    pub(super) fn end(&self) -> u64 {
        self.start + self.state.len() as u64
    }

    /// The place of a position.
    pub(super) fn place(&self, position: u64) -> Option<u32> {
        let place = position.checked_sub(self.start)?;
        (place < self.state.len() as u64).then_some(place as u32)
    }

    fn byte(&self, place: u32) -> u8 {
        self.state.get(place as usize).copied().unwrap_or(DROPPED)
    }

    /// The next place from `from` on that still has to be asked in a round; `len` where there is none.
    pub(super) fn next_wanted(&self, from: u32, round: u8) -> u32 {
        let rest = self.state.get(from as usize..).unwrap_or_default();
        rest.iter().position(|s| *s <= round).map_or(self.len(), |i| from + i as u32)
    }

    /// True where a place still has to be asked in a round.
    pub(super) fn wanted(&self, place: u32, round: u8) -> bool {
        // Without an answer and not dropped, the byte is the number of tries.
        self.byte(place) <= round
    }

    /// Tries so far.
    pub(super) fn tries(&self, place: u32) -> u8 {
        self.byte(place) & TRIES
    }

    /// Time since the last try; how long ago is unknown after a restart, and then long.
    pub(super) fn age(&self, place: u32, now: Duration) -> Duration {
        let sent = self.sent.get(place as usize).copied().unwrap_or_default();
        if sent == 0 {
            return Duration::from_secs(3_600);
        }
        Duration::from_micros(u64::from(units(now).wrapping_sub(sent)) * UNIT_US)
    }

    /// Counts a try.
    pub(super) fn ask(&mut self, place: u32, now: Duration) {
        if let (Some(state), Some(sent)) = (self.state.get_mut(place as usize), self.sent.get_mut(place as usize)) {
            *state = (*state & !TRIES) | ((*state & TRIES) + 1).min(TRIES);
            *sent = units(now).max(1);
        }
    }

    /// Takes a try back that did not leave.
    pub(super) fn unask(&mut self, place: u32) {
        if let Some(state) = self.state.get_mut(place as usize) {
            *state = (*state & !TRIES) | (*state & TRIES).saturating_sub(1);
        }
    }

    /// What a place has answered.
    pub(super) fn answer(&self, place: u32) -> Option<Answer> {
        [Answer::Open, Answer::Closed, Answer::Filtered].into_iter().find(|a| self.byte(place) & ANSWER == a.bits())
    }

    /// Notes an answer, the first or a better one.
    pub(super) fn set(&mut self, place: u32, answer: Answer) {
        if let Some(state) = self.state.get_mut(place as usize) {
            self.open -= u32::from(*state & (ANSWER | DROPPED) == 0);
            *state = (*state & !ANSWER) | answer.bits();
        }
    }

    /// Takes a pair out of the work.
    pub(super) fn forget(&mut self, place: u32) {
        if let Some(state) = self.state.get_mut(place as usize) {
            self.open -= u32::from(*state & (ANSWER | DROPPED) == 0);
            *state |= DROPPED;
        }
    }

    /// Packets by place, for the ledger.
    pub(super) fn packets(&self) -> Vec<u8> {
        self.state.iter().map(|s| s & TRIES).collect()
    }

    /// State bytes for a checkpoint that may be the last: a last try that may still be answered (it is younger than
    /// `wait`) is given back, so that whoever goes on asks again. The ledger's count of it is kept by the caller.
    pub(super) fn checkpoint(&self, now: Duration, wait: Duration, tries: u8) -> (Vec<u8>, Vec<u32>) {
        let mut state = self.state.clone();
        let mut again = Vec::new();
        for (place, byte) in state.iter_mut().enumerate() {
            if *byte == tries && self.age(place as u32, now) < wait {
                *byte -= 1;
                again.push(place as u32);
            }
        }
        (state, again)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_holds_tries_answer_and_end() {
        let mut window = Window::new(10, 16);
        assert_eq!(
            (window.len(), window.open, window.end(), window.place(9), window.place(16)),
            (6, 6, 16, None, None)
        );
        let now = Duration::from_millis(5);
        window.ask(0, now);
        window.ask(2, now);
        window.ask(2, now);
        window.unask(2);
        let age = window.age(2, Duration::from_millis(7)).abs_diff(Duration::from_millis(2));
        assert!(age < Duration::from_micros(32), "{age:?}");
        let days = Duration::from_secs(10 * 3_600);
        assert_eq!(window.age(2, days).as_secs(), 35_999, "no scan's window is as long as the counter");
        window.set(2, Answer::Closed);
        window.set(2, Answer::Open);
        window.forget(3);
        window.forget(3);
        assert_eq!(
            (window.answer(2), window.answer(0), window.tries(2), window.open),
            (Some(Answer::Open), None, 1, 4)
        );
        let places = |round: u8| (0..6).filter(|p| window.wanted(*p, round)).collect::<Vec<_>>();
        assert_eq!((places(0), places(1)), (vec![1, 4, 5], vec![0, 1, 4, 5]));
        assert_eq!((window.next_wanted(2, 0), window.next_wanted(5, 0), window.next_wanted(6, 0)), (4, 5, 6));
        assert_eq!(window.packets(), [1, 0, 1, 0, 0, 0]);
        let (state, again) = window.checkpoint(now, Duration::from_millis(1), 1);
        assert_eq!((again, Window::restore(10, state).tries(0)), (vec![0], 0));
        let kept = Window::restore(10, window.checkpoint(now, Duration::ZERO, 1).0);
        assert_eq!((kept.open, kept.answer(2)), (4, Some(Answer::Open)));
    }
}
