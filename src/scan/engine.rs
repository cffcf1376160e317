//! The raw scanner's mind: which frames next, what a reply means. It does no I/O and reads no clock; time and frames are
//! arguments.
//!
//! Discovery comes first where the profile skips dead hosts; then the ports. Each is a grid of targets times questions
//! in seeded order, gone through window by window; within a window, rounds over what is unanswered. Replies are
//! recognised by a keyed cookie, so a stranger's or forged packet counts for nothing (see `answer.rs`).

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::answer::{Cookies, Ports};
use super::auto::Auto;
use super::canary::Canaries;
use super::checkpoint::Told;
use super::control::{CONTROL_PAUSE, CONTROLS};
use super::grid::{Ask, Grid};
use super::hosts::{Aim, Cut, Host};
use super::ledger::Ledger;
use super::link::{BATCH, Batch};
use super::observation::Reason;
use super::outcome::Counters;
use super::pick::Picked;
use super::quick::ByAddress;
use super::rates::Rates;
use super::recall::Tally;
use super::template::Template;
use super::waiting::Waiting;
use super::window::{Answer, Window};
use super::wire::Hardware;
use crate::lang::job::{DeadHosts, Profile};

/// Longest and shortest wait for answers.
pub(super) const LONGEST_WAIT: Duration = Duration::from_millis(1_200);
pub(super) const SHORTEST_WAIT: Duration = Duration::from_millis(100);
/// Wait while nothing has answered yet. RFC 6298 2.1.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Loss from which a target's own repetition of a lost SYN-ACK, after a second, is waited for. RFC 6298 2.1, 5.5.
const LOSS_SEEN: f64 = 0.002;

/// What the engine is made from.
pub(super) struct Setup<'a> {
    pub(super) aims: Vec<Aim>,
    /// Our addresses with the hardware address frames carry.
    pub(super) sources: Vec<(IpAddr, Hardware)>,
    pub(super) tcp: &'a [u16],
    pub(super) udp: &'a [u16],
    pub(super) profile: &'a Profile,
    pub(super) seed: u64,
    /// Source ports that belong to the scan.
    pub(super) ports: Ports,
    /// Ports that are known to answer: place among the aims, and port.
    pub(super) canaries: Vec<(u32, u16)>,
}

/// What the engine wants next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The batch is filled: send it, then say what became of it.
    Send,
    /// Nothing before this moment; look for replies meanwhile.
    Wait(Duration),
    /// All done.
    Done,
}

/// A frame of the batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shot {
    pub(super) host: u32,
    pub(super) place: u32,
    pub(super) control: bool,
    pub(super) last_try: bool,
    /// Source port and port of a probe to a canary, which has no place.
    pub(super) canary: Option<(u16, u16)>,
}

impl Shot {
    pub(super) fn canary(host: u32, source_port: u16, port: u16) -> Self {
        Self { host, place: u32::MAX, control: false, last_try: false, canary: Some((source_port, port)) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Discover,
    Ports,
    End,
}

/// An open port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) host: u32,
    pub(super) tcp: bool,
    pub(super) port: u16,
    pub(super) ttl: u8,
    pub(super) rtt_us: u32,
}

/// A control probe on its way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Control {
    pub(super) place: u32,
    pub(super) source_port: u16,
    pub(super) sent: Duration,
    /// It left among others, as fast as they did.
    pub(super) among: bool,
}

/// The engine.
pub(super) struct Engine {
    pub(super) aims: Vec<Aim>,
    pub(super) hosts: Vec<Host>,
    pub(super) by_address: ByAddress<u32>,
    pub(super) sources: Vec<(IpAddr, Hardware)>,
    pub(super) templates: Vec<(Template, Template)>,
    pings: Vec<Ask>,
    /// Sorted.
    pub(super) asks: Vec<Ask>,
    pub(super) dead_hosts: DeadHosts,
    pub(super) tries: u8,
    wanted_recall: Option<f64>,
    pub(super) max_time_per_host: Option<Duration>,
    pub(super) cookies: Cookies,
    seed: u64,
    pub(super) rates: Rates,
    pub(super) auto: Auto,
    pub(super) phase: Phase,
    pub(super) grid: Grid,
    pub(super) window: Window,
    pub(super) round: u8,
    pub(super) round_began: Duration,
    pub(super) cursor: u32,
    pub(super) left_behind: bool,
    pub(super) waiting: Waiting,
    /// End of the wait after the last round.
    pub(super) quiet_until: Option<Duration>,
    /// Hosts that discovery has not found yet.
    pub(super) asleep: u32,
    /// Answers of ports to pings, by host, protocol (TCP or not) and port: targets times pings at most.
    pub(super) early: BTreeMap<(u32, bool, u16), Answer>,
    pub(super) open: Vec<Found>,
    /// A host has been found to answer on every port since the open ones were last trimmed.
    pub(super) untrimmed: bool,
    pub(super) shots: Vec<Shot>,
    /// Batches so far, of all that count.
    batches: u16,
    pub(super) pool: VecDeque<u32>,
    pub(super) controls: Vec<Control>,
    pub(super) controlled: Duration,
    pub(super) canaries: Canaries,
    pub(super) tally: Tally,
    /// The ledger of what the present window does not hold.
    pub(super) ledger: Ledger,
    /// Tries that a checkpoint gave back and the ledger still counts: places of the present window.
    pub(super) given_back: Vec<u32>,
    /// Frames and replies.
    pub(super) counters: Counters,
    /// Pairs of windows that are over, and silent pairs of this one with all their tries.
    pub(super) done_before: u64,
    pub(super) exhausted: u32,
    pub(super) lost_pairs: u64,
    pub(super) saved: u64,
    pub(super) policed_pairs: u64,
    /// How much of it the past of the checkpoints holds.
    pub(super) told: Told,
    /// What the clock of this process has to be put forward by: an engine's time goes on where a checkpoint ended.
    pub(super) base: Duration,
    /// Wall time and engine time of the checkpoint it came from.
    pub(super) before: Option<(jiff::Timestamp, Duration)>,
    /// Time since the link was last read: how late an answer may be noticed.
    pub(super) slack: Duration,
}

impl Engine {
    pub(super) fn new(setup: Setup<'_>) -> Self {
        let profile = setup.profile;
        let pings: Vec<Ask> = profile.ping.iter().flat_map(Ask::of).collect();
        let mut asks: Vec<Ask> =
            setup.tcp.iter().map(|p| Ask::Tcp(*p)).chain(setup.udp.iter().map(|p| Ask::Udp(*p))).collect();
        asks.sort_unstable();
        let per_second = |r: &Option<crate::base::quantity::Rate>| r.map(|r| r.per_second);
        let mut rates = Rates::new(
            per_second(&profile.rate),
            per_second(&profile.per_network),
            per_second(&profile.per_host),
            setup.aims.iter().map(|a| a.destination),
        );
        for (i, aim) in setup.aims.iter().enumerate() {
            if let Some(rate) = aim.rate {
                rates.slow(i as u32, rate, setup.aims.len());
            }
        }
        let templates =
            setup.sources.iter().map(|(a, h)| (Template::tcp(*a, *h, false), Template::tcp(*a, *h, true))).collect();
        let mut engine = Self {
            hosts: vec![Host::default(); setup.aims.len()],
            by_address: setup.aims.iter().enumerate().map(|(i, a)| (a.destination, i as u32)).collect(),
            templates,
            dead_hosts: profile.dead_hosts,
            tries: profile.retries.saturating_add(1),
            wanted_recall: profile.recall.map(|r| f64::from(r) / 100_000.0),
            max_time_per_host: profile.max_time_per_host,
            cookies: Cookies { key: setup.seed, ports: setup.ports },
            seed: setup.seed,
            rates,
            auto: Auto::default(),
            phase: Phase::Discover,
            grid: Grid::new(Vec::new(), Vec::new(), 0, 0),
            window: Window::default(),
            round: 0,
            round_began: Duration::ZERO,
            cursor: 0,
            left_behind: false,
            waiting: Waiting::new(setup.aims.len()),
            quiet_until: None,
            asleep: setup.aims.len() as u32,
            early: BTreeMap::new(),
            open: Vec::new(),
            untrimmed: false,
            shots: Vec::with_capacity(BATCH),
            batches: 0,
            pool: VecDeque::new(),
            controls: Vec::new(),
            controlled: Duration::ZERO,
            canaries: Canaries::new(setup.canaries),
            tally: Tally::default(),
            ledger: Ledger::default(),
            given_back: Vec::new(),
            counters: Counters::default(),
            done_before: 0,
            exhausted: 0,
            lost_pairs: 0,
            saved: 0,
            policed_pairs: 0,
            told: Told::default(),
            base: Duration::ZERO,
            before: None,
            slack: Duration::ZERO,
            aims: setup.aims,
            sources: setup.sources,
            pings,
            asks,
        };
        let first = if engine.pings.is_empty() { Phase::Ports } else { Phase::Discover };
        engine.begin(first, Duration::ZERO);
        engine
    }

    /// True where hosts that answered no ping are not asked for their ports.
    pub(super) fn skips_dead(&self) -> bool {
        self.dead_hosts == DeadHosts::Skip && !self.pings.is_empty()
    }

    /// True where no ping was asked for.
    pub(super) fn pings_nobody(&self) -> bool {
        self.pings.is_empty()
    }

    /// Pairs of targets and ports.
    pub(super) fn pairs(&self) -> u64 {
        self.aims.len() as u64 * self.asks.len() as u64
    }

    /// The grid of a phase, as it stands: of the ports, only hosts that are alive where dead ones are skipped.
    pub(super) fn grid_of(&self, phase: Phase) -> (Grid, u64) {
        let seed = self.seed ^ if phase == Phase::Ports { 0x0070_6f72_7473 } else { 0 };
        let all = 0..self.aims.len() as u32;
        let (hosts, asks) = match phase {
            Phase::Discover => (all.collect(), self.pings.clone()),
            Phase::Ports if self.skips_dead() => {
                let alive = |h: &u32| self.hosts.get(*h as usize).is_some_and(|h| h.alive.is_some());
                (all.filter(alive).collect(), self.asks.clone())
            }
            Phase::Ports => (all.collect(), self.asks.clone()),
            Phase::End => (Vec::new(), Vec::new()),
        };
        (Grid::new(hosts, asks, self.aims.len(), seed), seed)
    }

    fn begin(&mut self, phase: Phase, now: Duration) {
        self.phase = phase;
        let (grid, seed) = self.grid_of(phase);
        self.grid = grid;
        if phase == Phase::End {
            self.window = Window::default();
            return;
        }
        let warrant = |h: &u32| self.aims.get(*h as usize).map(|a| (a.target, a.destination));
        let targets: Arc<[_]> = self.grid.hosts().iter().filter_map(warrant).collect();
        let probes: Arc<[_]> = self.grid.asks().iter().map(|a| a.entry()).collect();
        self.ledger.grid(targets, probes, seed);
        self.open_window(0, now);
    }

    fn open_window(&mut self, start: u64, now: Duration) {
        self.window = Window::new(start, self.grid.len());
        self.pool.clear();
        self.controls.clear();
        self.exhausted = 0;
        if self.phase == Phase::Ports {
            for ((host, tcp, port), answer) in &self.early {
                let position = self.grid.position(*host, *tcp, *port);
                if let Some(place) = position.and_then(|p| self.window.place(p)) {
                    self.window.set(place, *answer);
                }
            }
        }
        self.start_round(0, now);
    }

    pub(super) fn start_round(&mut self, round: u8, now: Duration) {
        self.round = round;
        self.round_began = now;
        self.cursor = 0;
        self.left_behind = false;
        self.waiting.clear();
        self.quiet_until = None;
        self.auto.new_round(now);
        self.trim();
        for host in &mut self.hosts {
            host.lately = 0;
            if round == 0 {
                host.sample = None;
            }
        }
    }

    /// Pairs that have an answer or all their tries; for progress and coverage.
    pub(super) fn done(&self) -> u64 {
        match self.phase {
            Phase::Discover => 0,
            Phase::Ports => {
                let here = u64::from(self.window.len() - self.window.open) + u64::from(self.exhausted);
                (self.done_before + here).saturating_sub(self.lost_pairs)
            }
            Phase::End => self.pairs().saturating_sub(self.lost_pairs + self.never_asked()),
        }
    }

    /// Pairs of hosts that were given up before anybody knew whether they are alive.
    fn never_asked(&self) -> u64 {
        let cut = self.hosts.iter().filter(|h| h.cut.is_some() && h.alive.is_none()).count() as u64;
        if self.skips_dead() { cut * self.asks.len() as u64 } else { 0 }
    }

    /// Fills a batch, or says how long there is nothing to send.
    pub(super) fn fill(&mut self, now: Duration, batch: &mut Batch) -> Next {
        batch.clear();
        self.shots.clear();
        self.auto.look(now);
        self.end_controls(now);
        self.end_canaries(now);
        self.canaries.due = self.next_canary(now).is_some();
        let next = self.fill_up(now, batch);
        self.add_canary(now, batch);
        // A probe to a canary goes by itself where all else has to wait.
        if batch.len() > 0 { Next::Send } else { next }
    }

    fn fill_up(&mut self, now: Duration, batch: &mut Batch) -> Next {
        loop {
            if self.phase == Phase::End {
                return Next::Done;
            }
            if self.settled() {
                self.end_window(now);
                continue;
            }
            if let Some(until) = self.quiet_until {
                if self.wants_controls(now) {
                    let room = self.room(now, CONTROLS);
                    self.add_controls(now, batch, room, false);
                    if batch.len() > 0 {
                        return Next::Send;
                    }
                }
                if now < until {
                    return Next::Wait(until.min(now + CONTROL_PAUSE));
                }
                self.end_round(now);
                continue;
            }
            let room = self.room(now, BATCH).saturating_sub(usize::from(self.canaries.due));
            if room == 0 {
                return Next::Wait(self.rates.run_ready_at(32).max(self.auto.ready_at(32)));
            }
            let mut later = None;
            // Any place, by turns: the first frames of a batch fare better on a full path than the last. (The factor is of
            // Knuth, The Art of Computer Programming, 6.4.)
            self.batches = self.batches.wrapping_add(1);
            let place = usize::from(self.batches.wrapping_mul(40_503) >> 6) % room;
            while batch.len() < room {
                if batch.len() == place {
                    self.add_canary(now, batch);
                    if self.wants_controls(now) {
                        self.add_controls(now, batch, (room - place).min(room / 4), true);
                    }
                }
                match self.pick(now) {
                    Picked::Pair(place, host, ask) => self.shoot(place, host, ask, now, batch),
                    Picked::Later(at) => {
                        later = Some(at);
                        break;
                    }
                    Picked::Nothing => break,
                }
            }
            if self.wants_controls(now) {
                self.add_controls(now, batch, room.saturating_sub(batch.len()).min(CONTROLS), false);
            }
            if batch.len() > 0 {
                return Next::Send;
            }
            match later {
                Some(at) => return Next::Wait(at),
                None if self.window.open == 0 => {}
                None => self.after_sending(now),
            }
        }
    }

    /// Frames the run may send now.
    pub(super) fn room(&mut self, now: Duration, most: usize) -> usize {
        let most = self.rates.allowance(now, most);
        self.auto.allowance(now, most)
    }

    /// Nothing more can be learnt here.
    fn settled(&self) -> bool {
        self.window.open == 0 || (self.phase == Phase::Discover && self.asleep == 0)
    }

    /// How long an answer may take before its pair is asked again.
    pub(super) fn patience(&self) -> Duration {
        self.auto.patience().map_or(FIRST_WAIT, |p| p.clamp(SHORTEST_WAIT, LONGEST_WAIT))
    }

    /// All frames of a round are sent. The next round goes on by itself, pair by pair, as each has had its time; after
    /// the last one, and where the recall decides whether there is another, answers are waited for.
    fn after_sending(&mut self, now: Duration) {
        if self.round + 1 >= self.tries {
            let wait = if self.tally.loss() >= LOSS_SEEN && self.tally.lost >= 3 {
                LONGEST_WAIT
            } else {
                self.patience().max((self.auto.longest() * 2).min(LONGEST_WAIT))
            };
            self.quiet_until = Some(now + wait);
        } else if self.wanted_recall.is_some() {
            self.quiet_until = Some(now + self.patience());
        } else {
            self.end_round(now);
        }
    }

    fn end_round(&mut self, now: Duration) {
        let enough = self.phase == Phase::Ports
            && self.wanted_recall.is_some_and(|r| self.tally.recall(self.round + 1).is_some_and(|have| have >= r));
        if self.round + 1 < self.tries && !enough {
            if self.round == 0 && self.phase == Phase::Ports && self.tries > 2 {
                self.question_silent(now);
            }
            self.slow_policed(now);
            self.start_round(self.round + 1, now);
        } else {
            self.end_window(now);
        }
    }

    /// Folds the window into what stays, and opens the next one or the next phase.
    fn end_window(&mut self, now: Duration) {
        self.close_window();
        if self.phase == Phase::Ports {
            self.done_before += u64::from(self.window.len());
        }
        let end = self.window.end();
        if end < self.grid.len() && !(self.phase == Phase::Discover && self.asleep == 0) {
            self.open_window(end, now);
            return;
        }
        let next = if self.phase == Phase::Discover { Phase::Ports } else { Phase::End };
        self.begin(next, now);
    }

    /// Writes the window into the ledger. What a checkpoint gave back is added as it left.
    fn close_window(&mut self) {
        if self.window.len() == 0 {
            return;
        }
        let mut packets = self.window.packets();
        for place in std::mem::take(&mut self.given_back) {
            if let Some(n) = packets.get_mut(place as usize) {
                *n = n.saturating_add(1);
            }
        }
        self.ledger.block(self.window.start, &packets);
        if self.phase == Phase::Ports && self.hosts.iter().any(|h| h.policed) {
            let silent = |p: &u32| self.window.tries(*p) > 0 && self.window.answer(*p).is_none();
            let policed = (0..self.window.len()).filter(silent).filter(|place| {
                let pair = self.grid.pair(self.window.start + u64::from(*place));
                pair.is_some_and(|(h, _)| self.hosts.get(h as usize).is_some_and(|h| h.policed))
            });
            self.policed_pairs += policed.count() as u64;
        }
    }

    /// Ends where it stands: the window's packets go to the ledger. For a scan that was stopped.
    pub(super) fn close(&mut self) {
        if self.phase != Phase::End {
            self.done_before = self.done() + self.lost_pairs;
            self.close_window();
            self.window = Window::default();
            self.exhausted = 0;
        }
    }

    /// Builds the frame of a pair and counts it.
    fn shoot(&mut self, place: u32, host_number: u32, ask: Ask, now: Duration, batch: &mut Batch) {
        let ports = self.cookies.ports;
        let source_port = if self.phase == Phase::Discover { ports.ping(self.round) } else { ports.syn(self.round) };
        if !self.build(host_number, ask, source_port, batch) {
            self.window.forget(place);
            return;
        }
        let first_try = self.window.tries(place) == 0;
        self.window.ask(place, now);
        let last_try = self.window.tries(place) == self.tries;
        self.exhausted += u32::from(last_try);
        if let Some(host) = self.hosts.get_mut(host_number as usize) {
            host.first.get_or_insert(now);
            host.last = now;
            if self.phase == Phase::Ports && first_try {
                match ask {
                    Ask::Tcp(_) => host.tcp.asked += 1,
                    _ => host.udp.asked += 1,
                }
            }
        }
        self.rates.take(host_number, now);
        self.auto.took(1, now);
        self.canaries.others += 1;
        self.shots.push(Shot { host: host_number, place, control: false, last_try, canary: None });
    }

    /// A frame of the batch did not leave: its count is taken back. `cut` says that its host is to be given up.
    pub(super) fn not_sent(&mut self, index: usize, cut: Option<Cut>) {
        let Some(shot) = self.shots.get(index).copied() else { return };
        self.shots.remove(index);
        if let Some((source_port, _)) = shot.canary {
            self.canary_not_sent(source_port);
            if let (Some(cut), Some(host)) = (cut, self.hosts.get_mut(shot.host as usize)) {
                host.cut.get_or_insert(cut);
            }
            return;
        }
        self.canaries.others -= 1;
        self.window.unask(shot.place);
        // An answer to an earlier try may have come while the batch waited, and has counted already.
        let silent = self.window.answer(shot.place).is_none();
        self.exhausted -= u32::from(shot.last_try && silent);
        if shot.control {
            self.controls.retain(|c| c.place != shot.place);
        }
        if let Some(host) = self.hosts.get_mut(shot.host as usize) {
            if self.phase == Phase::Ports && silent && self.window.tries(shot.place) == 0 {
                match self.grid.pair(self.window.start + u64::from(shot.place)) {
                    Some((_, Ask::Tcp(_))) => host.tcp.asked = host.tcp.asked.saturating_sub(1),
                    _ => host.udp.asked = host.udp.asked.saturating_sub(1),
                }
            }
            if let Some(cut) = cut {
                host.cut.get_or_insert(cut);
            } else {
                self.left_behind = true;
            }
        }
    }

    /// Marks a host alive.
    pub(super) fn wake(&mut self, host: u32, reason: Reason) {
        if let Some(host) = self.hosts.get_mut(host as usize)
            && host.alive.is_none()
        {
            host.alive = Some(reason);
            self.asleep -= 1;
        }
    }
}
