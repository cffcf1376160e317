//! Which question comes next: all pairs by arithmetic, the silent ones again, and those whose host may not be asked yet
//! later. Memory is bounded, however many pairs there are.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::Duration;

use crate::lang::job::Protocol;
use crate::plan::order::Order;

/// Silent questions kept before they are asked again ahead of new ones.
const AGAIN: usize = 65_536;
/// Questions kept whose host may not be asked yet.
const HELD: usize = 1_024;

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

/// The questions of one round.
#[derive(Debug)]
pub(super) struct Questions<'a> {
    targets: &'a [u32],
    ports: &'a [(Protocol, u16)],
    order: Order,
    position: u64,
    again: VecDeque<Question>,
    held: HashMap<u32, VecDeque<Question>>,
    held_count: usize,
    due: BinaryHeap<Reverse<(Duration, u32)>>,
}

impl<'a> Questions<'a> {
    /// All pairs of targets and ports, in the order of a seed.
    pub(super) fn new(targets: &'a [u32], ports: &'a [(Protocol, u16)], seed: u64) -> Self {
        let order = Order::new(targets.len() as u64 * ports.len() as u64, seed);
        Self {
            targets,
            ports,
            order,
            position: 0,
            again: VecDeque::new(),
            held: HashMap::new(),
            held_count: 0,
            due: BinaryHeap::new(),
        }
    }

    /// Puts a question back, to be asked once more.
    pub(super) fn again(&mut self, question: Question) {
        self.again.push_back(question);
    }

    /// The next question whose host may be asked, by when each target is ready.
    pub(super) fn next(&mut self, now: Duration, ready_at: impl Fn(u32) -> Duration) -> Next {
        if let Some(question) = self.release(now, &ready_at) {
            return Next::Ask(question);
        }
        while self.held_count < HELD {
            let Some(question) = self.take() else { break };
            let ready = ready_at(question.target);
            if ready <= now {
                return Next::Ask(question);
            }
            self.hold(question, ready);
        }
        self.due.peek().map_or(Next::Nothing, |Reverse((at, _))| Next::At(*at))
    }

    /// A new question, or one that stayed silent where there are many of these or no new ones.
    fn take(&mut self) -> Option<Question> {
        if self.again.len() >= AGAIN {
            return self.again.pop_front();
        }
        self.fresh().or_else(|| self.again.pop_front())
    }

    fn fresh(&mut self) -> Option<Question> {
        let number = self.order.at(self.position)?;
        self.position += 1;
        let count = self.targets.len() as u64;
        let target = *self.targets.get((number % count) as usize)?;
        let (protocol, port) = *self.ports.get((number / count) as usize)?;
        Some(Question { target, protocol, port, tries: 0 })
    }

    fn hold(&mut self, question: Question, until: Duration) {
        let waiting = self.held.entry(question.target).or_default();
        if waiting.is_empty() {
            self.due.push(Reverse((until, question.target)));
        }
        waiting.push_back(question);
        self.held_count += 1;
    }

    /// A held question whose time has come.
    fn release(&mut self, now: Duration, ready_at: &impl Fn(u32) -> Duration) -> Option<Question> {
        while let Some(Reverse((at, target))) = self.due.peek().copied() {
            if at > now {
                return None;
            }
            self.due.pop();
            // Others of its network may have been asked in the meantime.
            let ready = ready_at(target);
            if ready > now {
                self.due.push(Reverse((ready, target)));
                continue;
            }
            let Some(waiting) = self.held.get_mut(&target) else { continue };
            let question = waiting.pop_front();
            if waiting.is_empty() {
                self.held.remove(&target);
            } else {
                self.due.push(Reverse((now, target)));
            }
            if question.is_some() {
                self.held_count -= 1;
                return question;
            }
        }
        None
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
        let ports = ports(40);
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
        assert_eq!(seen.len(), 2_000);
        assert_eq!(now, MS * 3_900);
        // All others were through before the slow host's second question.
        let others = order.iter().rposition(|t| *t != 7).unwrap();
        assert!(order[..others].iter().filter(|t| **t == 7).count() <= 1, "{others}");
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
        assert!(questions.held_count <= HELD && questions.again.len() <= AGAIN);
    }
}
