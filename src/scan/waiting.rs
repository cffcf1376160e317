//! Pairs whose host or network may not be sent to yet: a bounded number of them, in lists by what holds them back,
//! looked at when that is ready. What finds no room is left behind and met again on the next way through the window.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::Duration;

/// Pairs that wait at once.
const ROOM: usize = 65_536;
/// At least so many for each host or network.
const SHARE: usize = 64;

/// What holds a pair back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Brake {
    Host(u32),
    Network(u32),
}

/// The wheel.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    lists: HashMap<Brake, VecDeque<u32>>,
    due: BinaryHeap<Reverse<(Duration, Brake)>>,
    len: usize,
    share: usize,
}

impl Waiting {
    /// A wheel for so many hosts.
    pub(super) fn new(hosts: usize) -> Self {
        Self { share: (ROOM / hosts.max(1)).max(SHARE), ..Self::default() }
    }

    pub(super) fn is_full(&self) -> bool {
        self.len >= ROOM
    }

    /// Keeps a place until its brake is ready; false where that brake has its share already.
    pub(super) fn push(&mut self, brake: Brake, at: Duration, place: u32) -> bool {
        let list = self.lists.entry(brake).or_default();
        if list.len() >= self.share {
            return false;
        }
        if list.is_empty() {
            self.due.push(Reverse((at, brake)));
        }
        list.push_back(place);
        self.len += 1;
        true
    }

    /// When the first brake is ready.
    pub(super) fn next_at(&self) -> Option<Duration> {
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    /// A place whose brake was to be ready by now, and that brake; it has to be put back with [`Waiting::again`].
    pub(super) fn pop(&mut self, now: Duration) -> Option<(Brake, u32)> {
        loop {
            let Reverse((at, brake)) = self.due.peek().copied()?;
            if at > now {
                return None;
            }
            self.due.pop();
            // A brake that got places while it was popped stands here twice.
            if let Some(place) = self.lists.get_mut(&brake).and_then(VecDeque::pop_front) {
                self.len -= 1;
                return Some((brake, place));
            }
        }
    }

    /// Says when a popped brake is ready again.
    pub(super) fn again(&mut self, brake: Brake, at: Duration) {
        match self.lists.get(&brake).map(VecDeque::is_empty) {
            Some(false) => self.due.push(Reverse((at, brake))),
            Some(true) => drop(self.lists.remove(&brake)),
            None => {}
        }
    }

    /// All places that wait, forgotten.
    pub(super) fn clear(&mut self) {
        self.lists.clear();
        self.due.clear();
        self.len = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back_when_their_brake_is_ready() {
        let ms = Duration::from_millis;
        let mut waiting = Waiting::new(2_000);
        assert!(waiting.push(Brake::Host(1), ms(20), 7) && waiting.push(Brake::Host(1), ms(20), 8));
        assert!(waiting.push(Brake::Network(1), ms(10), 9));
        assert_eq!((waiting.next_at(), waiting.pop(ms(9))), (Some(ms(10)), None));
        assert_eq!(waiting.pop(ms(25)), Some((Brake::Network(1), 9)));
        waiting.again(Brake::Network(1), ms(99));
        assert_eq!(waiting.pop(ms(25)), Some((Brake::Host(1), 7)));
        assert_eq!(waiting.pop(ms(25)), None, "a popped brake rests until it is put back");
        waiting.again(Brake::Host(1), ms(40));
        assert_eq!(waiting.pop(ms(40)), Some((Brake::Host(1), 8)));
        waiting.again(Brake::Host(1), ms(60));
        assert!(waiting.next_at().is_none());
        assert_eq!((0..100).filter(|p| waiting.push(Brake::Host(3), ms(1), *p)).count(), 64);
        waiting.clear();
        assert!(waiting.next_at().is_none());
    }
}
