//! Which question comes next: one to each target in turn, its ports by arithmetic, the silent ones again. A target that
//! may not be asked yet waits by itself. Memory is bounded, however many pairs there are.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use crate::lang::job::Protocol;
use crate::plan::order::Order;

/// Silent questions kept before a target is asked its own again ahead of new ones.
const AGAIN: usize = 65_536;
/// One question to one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Question {
    /// Index of the target in the plan.
    pub(super) target: u32,
    pub(super) protocol: Protocol,
    pub(super) port: u16,
    /// Times it was asked before.
    pub(super) tries: u8,
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Ask this.
    Ask(Question),
    /// Nothing before this moment.
    At(Duration),
    /// Nothing is left.
    Nothing,
}

/// One target's questions.
#[derive(Debug, Clone, Default)]
struct Line {
    /// Ports asked so far.
    asked: u32,
    again: VecDeque<Question>,
    /// True while its turn will come.
    queued: bool,
}

/// The questions of one round.
#[derive(Debug)]
pub(super) struct Questions<'a> {
    ports: &'a [(Protocol, u16)],
    order: Order,
    /// By index of the target in the plan.
    lines: Vec<Line>,
    /// Targets to look at next, and those that may not be asked before a moment.
    turn: VecDeque<u32>,
    due: BinaryHeap<Reverse<(Duration, u64, u32)>>,
    /// Times that a target had to wait: of those that are due together, the one that came first is first.
    waits: u64,
    /// Questions that were put back.
    put_back: usize,
}

impl<'a> Questions<'a> {
    /// All pairs of targets and ports, in the order of a seed.
    pub(super) fn new(targets: &[u32], ports: &'a [(Protocol, u16)], seed: u64) -> Self {
        let order = Order::new(targets.len() as u64, seed);
        let turn: VecDeque<u32> =
            (0..order.len()).filter_map(|i| targets.get(order.at(i)? as usize)).copied().collect();
        let mut lines = vec![Line::default(); turn.iter().max().map_or(0, |last| *last as usize + 1)];
        for target in targets {
            if let Some(line) = lines.get_mut(*target as usize) {
                line.queued = true;
            }
        }
        let order = Order::new(ports.len() as u64, seed);
        Self { ports, order, lines, turn, due: BinaryHeap::new(), waits: 0, put_back: 0 }
    }

    /// Puts a question back, to be asked once more.
    pub(super) fn again(&mut self, question: Question) {
        let Some(line) = self.lines.get_mut(question.target as usize) else { return };
        line.again.push_back(question);
        self.put_back += 1;
        if !std::mem::replace(&mut line.queued, true) {
            self.turn.push_back(question.target);
        }
    }

    /// The next question whose host may be asked, by when each target is ready.
    pub(super) fn next(&mut self, now: Duration, ready_at: impl Fn(u32) -> Duration) -> Next {
        while let Some(target) = self.pop(now) {
            let Some(line) = self.lines.get_mut(target as usize) else { continue };
            if line.again.is_empty() && line.asked as usize >= self.ports.len() {
                line.queued = false;
                continue;
            }
            let ready = ready_at(target);
            if ready > now {
                self.due.push(Reverse((ready, self.waits, target)));
                self.waits += 1;
                continue;
            }
            if let Some(question) = self.take(target) {
                self.turn.push_back(target);
                return Next::Ask(question);
            }
        }
        self.due.peek().map_or(Next::Nothing, |Reverse((at, ..))| Next::At(*at))
    }

    /// The target to look at: one whose time has come, else the next in turn.
    fn pop(&mut self, now: Duration) -> Option<u32> {
        if self.due.peek().is_some_and(|Reverse((at, ..))| *at <= now) {
            return self.due.pop().map(|Reverse((.., target))| target);
        }
        self.turn.pop_front()
    }

    /// A new question to a target, or one that stayed silent where there are many of these or no new ones.
    fn take(&mut self, target: u32) -> Option<Question> {
        let line = self.lines.get_mut(target as usize)?;
        let count = self.order.len();
        if u64::from(line.asked) < count && (self.put_back < AGAIN || line.again.is_empty()) {
            // Each target begins elsewhere.
            let begin = u64::from(target).wrapping_mul(0x9e37_79b9_7f4a_7c15) % count;
            let number = self.order.at((u64::from(line.asked) + begin) % count)?;
            line.asked += 1;
            let (protocol, port) = *self.ports.get(number as usize)?;
            return Some(Question { target, protocol, port, tries: 0 });
        }
        let question = line.again.pop_front()?;
        self.put_back -= 1;
        Some(question)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn ports(n: u16) -> Vec<(Protocol, u16)> {
        (1..=n).map(|p| (Protocol::Tcp, p)).collect()
    }

    #[test]
    fn each_pair_comes_once_and_again_when_put_back() {
        let (targets, ports) = ([3, 5, 8], ports(7));
        let mut questions = Questions::new(&targets, &ports, 11);
        let mut seen = BTreeMap::new();
        while let Next::Ask(q) = questions.next(MS, |_| Duration::ZERO) {
            *seen.entry((q.target, q.port)).or_insert(0) += 1;
            if q.tries == 0 && q.port == 2 {
                questions.again(Question { tries: 1, ..q });
            }
        }
        assert_eq!(seen.len(), 21);
        assert!(seen.iter().all(|((_, port), n)| *n == if *port == 2 { 2 } else { 1 }));
        assert_eq!(Questions::new(&[], &ports, 1).next(MS, |_| MS), Next::Nothing);
    }

    /// One host that may be asked rarely holds up no other, and each of its questions still comes.
    #[test]
    fn a_slow_host_waits_alone() {
        let targets: Vec<u32> = (0..50).collect();
        let ports = ports(4_000);
        let mut questions = Questions::new(&targets, &ports, 5);
        let mut slow_ready = Duration::ZERO;
        let (mut now, mut seen, mut order) = (Duration::ZERO, BTreeSet::new(), Vec::new());
        loop {
            match questions.next(now, |t| if t == 7 { slow_ready } else { Duration::ZERO }) {
                Next::Ask(q) => {
                    if q.target == 7 {
                        assert!(slow_ready <= now);
                        slow_ready = now + MS * 100;
                    }
                    assert!(seen.insert((q.target, q.port)));
                    order.push(q.target);
                }
                Next::At(at) => now = now.max(at),
                Next::Nothing => break,
            }
        }
        assert_eq!(seen.len(), 200_000);
        assert_eq!(now, MS * 399_900);
        // All others were through before the slow host's second question.
        let others = order.iter().rposition(|t| *t != 7).unwrap();
        assert!(order[..others].iter().filter(|t| **t == 7).count() <= 1, "{others}");
    }

    /// Targets that share one brake take turns.
    #[test]
    fn those_that_wait_together_take_turns() {
        let (targets, ports) = ([2, 4, 6], ports(20));
        let mut questions = Questions::new(&targets, &ports, 5);
        let (mut now, mut ready, mut order) = (Duration::ZERO, Duration::ZERO, Vec::new());
        loop {
            match questions.next(now, |_| ready) {
                Next::Ask(q) => {
                    ready = now + MS;
                    order.push(q.target);
                }
                Next::At(at) => now = at,
                Next::Nothing => break,
            }
        }
        assert_eq!(order.len(), 60);
        assert!(order.chunks(3).all(|turn| BTreeSet::from_iter(turn).len() == 3), "{order:?}");
    }

    /// However many pairs: what is kept stays within its bounds.
    #[test]
    fn memory_is_bounded() {
        let targets: Vec<u32> = (0..1_000).collect();
        let ports = ports(10_000);
        let mut questions = Questions::new(&targets, &ports, 9);
        for _ in 0..200_000 {
            match questions.next(MS, |t| if t.is_multiple_of(3) { MS * 2 } else { MS }) {
                Next::Ask(q) if q.tries < 2 => questions.again(Question { tries: q.tries + 1, ..q }),
                Next::Ask(_) => {}
                _ => break,
            }
        }
        assert!(questions.put_back <= AGAIN + targets.len());
        assert!(questions.turn.len() + questions.due.len() <= targets.len());
    }
}
