//! The raw scanner's mind: which frame next, what a reply means. It does no I/O and reads no clock; time and frames are
//! arguments.
//!
//! Discovery comes first where the profile skips dead hosts; then rounds over all pairs in seeded order, each round only
//! the unanswered. Replies are recognised by a keyed cookie in the sequence number (RFC 9293 3.4: an acceptable answer
//! acknowledges it plus one), so a stranger's or forged packet counts for nothing.

use std::collections::{HashMap, VecDeque};
use std::hash::Hasher;
use std::net::IpAddr;
use std::time::Duration;

use siphasher::sip::SipHasher13;

use super::observation::{HostState, PortObservation, PortState, ProbeKind, Reason};
use super::outcome::Counters;
use super::pace::Pace;
use super::payload;
use super::wire::{Ends, Probe, Reply, build};
use crate::lang::job::{DeadHosts, Ping, Profile, Protocol};
use crate::plan::order::Order;

/// First of the source ports we own, one a round, above the kernel's default ephemeral range (32768 to 60999).
const FIRST_PORT: u16 = 61_000;
/// Longest and shortest wait after the last probe of a round.
const LONGEST_WAIT: Duration = Duration::from_millis(1_200);
const SHORTEST_WAIT: Duration = Duration::from_millis(150);
/// Pairs that wait for their host's rate before the order goes on.
const DEFERRED: usize = 4_096;

/// One target of the engine.
#[derive(Debug, Clone)]
pub(super) struct Aim {
    /// Index in the plan.
    pub(super) target: u32,
    /// Ends of the path.
    pub(super) ends: Ends,
    /// A lower rate for this target.
    pub(super) rate: Option<u32>,
}

/// A frame to send, with what the ledger has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shot {
    pub(super) frame: Vec<u8>,
    pub(super) target: u32,
    pub(super) destination: IpAddr,
    pub(super) port: u16,
    pub(super) kind: ProbeKind,
}

/// What the engine wants next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Send this.
    Send(Box<Shot>),
    /// Nothing before this moment; look for replies meanwhile.
    Wait(Duration),
    /// All done.
    Done,
}

/// One question to every target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    Echo,
    Tcp(u16),
    Udp(u16),
}

/// State of one (target, question) pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pair {
    Silent,
    Answered { state: PortState, reason: Reason, ttl: u8, rtt_us: u32 },
}

/// What a genuine reply says.
#[derive(Debug, Clone, Copy)]
struct Seen {
    state: PortState,
    reason: Reason,
    ttl: u8,
}

/// What is known of one target.
#[derive(Debug, Clone)]
struct Host {
    alive: Option<Reason>,
    first: Option<Duration>,
    last: Duration,
    /// Given up before all probes were sent, and why.
    cut: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Discover,
    Ports,
    End,
}

/// The engine.
pub(super) struct Engine {
    aims: Vec<Aim>,
    by_address: HashMap<IpAddr, usize>,
    pings: Vec<Ask>,
    ports: Vec<Ask>,
    port_index: HashMap<(bool, u16), usize>,
    dead_hosts: DeadHosts,
    tries: u8,
    max_time_per_host: Option<Duration>,
    key: u64,
    pace: Pace,
    phase: Phase,
    round: u8,
    order: Order,
    position: u64,
    deferred: VecDeque<u64>,
    pairs: Vec<Pair>,
    sent_at: Vec<u32>,
    hosts: Vec<Host>,
    /// End of the wait after a round.
    quiet_until: Option<Duration>,
    slowest: Duration,
    /// Pairs without an answer.
    unanswered: usize,
    /// Frames and replies.
    pub(super) counters: Counters,
    done: u64,
}

impl Engine {
    pub(super) fn new(aims: Vec<Aim>, tcp: &[u16], udp: &[u16], profile: &Profile, seed: u64) -> Self {
        let pings = profile.ping.iter().flat_map(|ping| match ping {
            Ping::Icmp => vec![Ask::Echo],
            Ping::Tcp(ports) => ports.iter().map(Ask::Tcp).collect(),
            Ping::Udp(ports) => ports.iter().map(Ask::Udp).collect(),
        });
        let ports: Vec<Ask> = tcp.iter().map(|p| Ask::Tcp(*p)).chain(udp.iter().map(|p| Ask::Udp(*p))).collect();
        let port_index = ports
            .iter()
            .enumerate()
            .filter_map(|(i, ask)| match ask {
                Ask::Tcp(p) => Some(((true, *p), i)),
                Ask::Udp(p) => Some(((false, *p), i)),
                Ask::Echo => None,
            })
            .collect();
        let per_second = |r: &Option<crate::base::quantity::Rate>| r.map(|r| r.per_second);
        let hosts = vec![Host { alive: None, first: None, last: Duration::ZERO, cut: None }; aims.len()];
        let mut engine = Self {
            by_address: aims.iter().enumerate().map(|(i, a)| (a.ends.destination, i)).collect(),
            pings: pings.collect(),
            port_index,
            dead_hosts: profile.dead_hosts,
            tries: profile.retries.saturating_add(1),
            max_time_per_host: profile.max_time_per_host,
            key: seed,
            pace: Pace::new(per_second(&profile.rate), per_second(&profile.per_network), per_second(&profile.per_host)),
            phase: Phase::Discover,
            round: 0,
            order: Order::new(0, seed),
            position: 0,
            deferred: VecDeque::new(),
            pairs: vec![Pair::Silent; aims.len() * ports.len()],
            sent_at: vec![0; aims.len() * ports.len()],
            hosts,
            quiet_until: None,
            slowest: Duration::ZERO,
            unanswered: aims.len() * ports.len(),
            counters: Counters::default(),
            done: 0,
            aims,
            ports,
        };
        engine.start_round();
        engine
    }

    fn asks(&self) -> &[Ask] {
        match self.phase {
            Phase::Discover => &self.pings,
            Phase::Ports | Phase::End => &self.ports,
        }
    }

    fn start_round(&mut self) {
        let n = (self.aims.len() * self.asks().len()) as u64;
        let salt = u64::from(self.round) << 8 | u64::from(self.phase == Phase::Ports);
        self.order = Order::new(n, self.key ^ salt);
        self.position = 0;
        self.quiet_until = None;
    }

    /// Pairs that have an answer or all their tries; for progress and coverage.
    pub(super) fn done(&self) -> u64 {
        self.done
    }

    /// The pair at a place of the order, where it still has to be asked.
    fn wanted(&self, number: u64) -> Option<(usize, Ask)> {
        let n = self.aims.len() as u64;
        let host_idx = (number % n.max(1)) as usize;
        let ask = *self.asks().get((number / n.max(1)) as usize)?;
        let host = self.hosts.get(host_idx)?;
        if host.cut.is_some() {
            return None;
        }
        let needed = match self.phase {
            Phase::Discover => host.alive.is_none(),
            Phase::Ports => {
                let pair = self.pairs.get(self.pair(host_idx, (number / n.max(1)) as usize))?;
                let dead = self.dead_hosts == DeadHosts::Skip && host.alive.is_none() && !self.pings.is_empty();
                matches!(pair, Pair::Silent) && !dead
            }
            Phase::End => false,
        };
        needed.then_some((host_idx, ask))
    }

    fn pair(&self, host_idx: usize, ask_idx: usize) -> usize {
        host_idx * self.ports.len() + ask_idx
    }

    /// What to do now.
    pub(super) fn next(&mut self, now: Duration) -> Next {
        loop {
            if self.phase == Phase::End {
                return Next::Done;
            }
            if let Some(until) = self.quiet_until {
                if now < until && self.may_change() {
                    return Next::Wait(until);
                }
                self.end_round();
                continue;
            }
            let run_ready = self.pace.run_ready_at();
            if run_ready > now {
                return Next::Wait(run_ready);
            }
            match self.pick(now) {
                Picked::Pair(host_idx, ask, number) => {
                    if let Some(shot) = self.shoot(host_idx, ask, number, now) {
                        return Next::Send(Box::new(shot));
                    }
                }
                Picked::Later(at) => return Next::Wait(at),
                Picked::Nothing => self.quiet_until = Some(now + self.wait()),
            }
        }
    }

    /// Three times the slowest answer, within bounds: the wait after a round.
    fn wait(&self) -> Duration {
        if self.slowest.is_zero() { LONGEST_WAIT } else { (self.slowest * 3).clamp(SHORTEST_WAIT, LONGEST_WAIT) }
    }

    /// Whether a reply could still change something in this round; cheap, and true a little too often.
    fn may_change(&self) -> bool {
        match self.phase {
            Phase::Discover => self.anything_open(),
            Phase::Ports => self.unanswered > 0,
            Phase::End => false,
        }
    }

    /// Whether another round has something to ask.
    fn anything_open(&self) -> bool {
        match self.phase {
            Phase::Discover => self.hosts.iter().any(|h| h.alive.is_none() && h.cut.is_none()),
            Phase::Ports => (0..self.order.len()).any(|number| self.wanted(number).is_some()),
            Phase::End => false,
        }
    }

    fn end_round(&mut self) {
        self.round += 1;
        if self.round < self.tries && self.anything_open() {
            self.start_round();
            return;
        }
        self.round = 0;
        self.phase = match self.phase {
            Phase::Discover => Phase::Ports,
            Phase::Ports | Phase::End => Phase::End,
        };
        if self.phase == Phase::End {
            self.done = (self.aims.len() * self.ports.len()) as u64;
        }
        self.start_round();
    }

    fn pick(&mut self, now: Duration) -> Picked {
        let mut earliest = Duration::MAX;
        for _ in 0..self.deferred.len() {
            let Some(number) = self.deferred.pop_front() else { break };
            let Some((host_idx, ask)) = self.wanted(number) else { continue };
            match self.ready_at(host_idx) {
                at if at <= now => return Picked::Pair(host_idx, ask, number),
                at => {
                    earliest = earliest.min(at);
                    self.deferred.push_back(number);
                }
            }
        }
        while self.deferred.len() < DEFERRED {
            let Some(number) = self.order.at(self.position) else { break };
            self.position += 1;
            let Some((host_idx, ask)) = self.wanted(number) else { continue };
            match self.ready_at(host_idx) {
                at if at <= now => return Picked::Pair(host_idx, ask, number),
                at => {
                    earliest = earliest.min(at);
                    self.deferred.push_back(number);
                }
            }
        }
        if self.deferred.is_empty() { Picked::Nothing } else { Picked::Later(earliest) }
    }

    fn ready_at(&self, host_idx: usize) -> Duration {
        self.aims.get(host_idx).map_or(Duration::ZERO, |a| self.pace.host_ready_at(a.ends.destination))
    }

    fn shoot(&mut self, host_idx: usize, ask: Ask, number: u64, now: Duration) -> Option<Shot> {
        let aim = self.aims.get(host_idx)?;
        let destination = aim.ends.destination;
        let source_port = FIRST_PORT + u16::from(self.round);
        let host = self.hosts.get_mut(host_idx)?;
        let first = *host.first.get_or_insert(now);
        if self.max_time_per_host.is_some_and(|limit| now.saturating_sub(first) > limit) {
            host.cut = Some("its time limit was reached");
            return None;
        }
        host.last = now;
        let (probe, port, kind) = match ask {
            Ask::Echo => {
                let cookie = self.cookie(destination, 0, source_port);
                (Probe::Echo { id: cookie as u16, sequence: u16::from(self.round), cookie }, 0, ProbeKind::Echo)
            }
            Ask::Tcp(port) => {
                let sequence = self.cookie(destination, port, source_port) as u32;
                (Probe::Syn { source_port, port, sequence }, port, ProbeKind::Syn)
            }
            Ask::Udp(port) => (Probe::Udp { source_port, port, payload: payload::udp(port) }, port, ProbeKind::Udp),
        };
        let frame = build(&aim.ends, &probe)?;
        let (target, rate) = (aim.target, aim.rate);
        self.pace.take(destination, rate, now);
        if self.phase == Phase::Ports {
            let pair = self.pair(host_idx, (number / self.aims.len().max(1) as u64) as usize);
            if let Some(at) = self.sent_at.get_mut(pair) {
                *at = now.as_millis() as u32;
            }
            if self.round + 1 == self.tries {
                self.done += 1;
            }
        }
        Some(Shot { frame, target, destination, port, kind })
    }

    /// The keyed cookie of a question: what only its answer can know.
    fn cookie(&self, destination: IpAddr, port: u16, source_port: u16) -> u64 {
        let mut hash = SipHasher13::new_with_keys(self.key, 0x7061_6c69_7361_6465);
        match destination {
            IpAddr::V4(a) => hash.write(&a.octets()),
            IpAddr::V6(a) => hash.write(&a.octets()),
        }
        hash.write_u16(port);
        hash.write_u16(source_port);
        hash.finish()
    }

    fn ours(&self, our_port: u16) -> bool {
        (FIRST_PORT..FIRST_PORT.saturating_add(u16::from(self.tries))).contains(&our_port)
    }

    /// Takes a reply in.
    pub(super) fn reply(&mut self, reply: &Reply, now: Duration) {
        let known = match *reply {
            Reply::Tcp { from, to, port, our_port, acknowledgement, syn_ack, ttl } => {
                let host_idx = self.by_address.get(&from).copied().filter(|i| self.is_ours(*i, to));
                let expected = (self.cookie(from, port, our_port) as u32).wrapping_add(1);
                host_idx.filter(|_| self.ours(our_port) && acknowledgement == expected).map(|i| {
                    let (state, reason) =
                        if syn_ack { (PortState::Open, Reason::SynAck) } else { (PortState::Closed, Reason::Reset) };
                    (i, Some((true, port)), state, reason, ttl)
                })
            }
            Reply::Udp { from, to, port, our_port, ttl } => {
                let host_idx = self.by_address.get(&from).copied().filter(|i| self.is_ours(*i, to));
                host_idx
                    .filter(|_| self.ours(our_port))
                    .map(|i| (i, Some((false, port)), PortState::Open, Reason::UdpReply, ttl))
            }
            Reply::Echo { from, to, id, cookie, ttl } => {
                let host_idx = self.by_address.get(&from).copied().filter(|i| self.is_ours(*i, to));
                let genuine = (0..self.tries).any(|round| {
                    let expected = self.cookie(from, 0, FIRST_PORT + u16::from(round));
                    expected == cookie && expected as u16 == id
                });
                host_idx.filter(|_| genuine).map(|i| (i, None, PortState::Open, Reason::EchoReply, ttl))
            }
            Reply::Error { about, tcp, port, our_port, sequence, kind, code, ttl } => {
                let host_idx = self.by_address.get(&about).copied();
                let genuine =
                    self.ours(our_port) && sequence.is_none_or(|s| s == self.cookie(about, port, our_port) as u32);
                // Port unreachable closes a UDP port; everything else is a filter's word. RFC 792, RFC 4443 3.1.
                let closed = !tcp && matches!((kind, code, about.is_ipv4()), (3, 3, true) | (1, 4, false));
                let state = if closed { PortState::Closed } else { PortState::Filtered };
                host_idx
                    .filter(|_| genuine)
                    .map(|i| (i, Some((tcp, port)), state, Reason::Unreachable(kind, code), ttl))
            }
            Reply::Neighbour { .. } => return,
        };
        let Some((host_idx, port, state, reason, ttl)) = known else {
            self.counters.strangers += 1;
            return;
        };
        self.record(host_idx, port, Seen { state, reason, ttl }, now);
    }

    /// A reply must be addressed to the address we asked from.
    fn is_ours(&self, host_idx: usize, to: IpAddr) -> bool {
        self.aims.get(host_idx).is_some_and(|a| a.ends.source == to)
    }

    fn record(&mut self, host_idx: usize, port: Option<(bool, u16)>, seen: Seen, now: Duration) {
        let Seen { state, reason, ttl } = seen;
        if let Some(host) = self.hosts.get_mut(host_idx)
            && host.alive.is_none()
            && !(matches!(reason, Reason::Unreachable(..)) && state == PortState::Filtered)
        {
            host.alive = Some(reason);
        }
        let ask_idx = port.and_then(|p| self.port_index.get(&p).copied());
        let Some(pair_idx) = ask_idx.map(|a| self.pair(host_idx, a)) else {
            self.counters.replies += 1;
            return;
        };
        let sent_ms = self.sent_at.get(pair_idx).copied().unwrap_or(0);
        let rtt = now.saturating_sub(Duration::from_millis(u64::from(sent_ms)));
        let early = self.phase == Phase::Discover;
        let Some(pair) = self.pairs.get_mut(pair_idx) else { return };
        // A first answer stands, but an open port is open whatever a filter said before.
        let better = match pair {
            Pair::Silent => true,
            Pair::Answered { state: known, .. } => *known != PortState::Open && state == PortState::Open,
        };
        if !better {
            self.counters.duplicates += 1;
            return;
        }
        self.counters.replies += 1;
        self.unanswered -= usize::from(matches!(pair, Pair::Silent));
        if matches!(pair, Pair::Silent) && !early && self.round + 1 < self.tries {
            self.done += 1;
        }
        *pair = Pair::Answered { state, reason, ttl, rtt_us: rtt.as_micros().min(u128::from(u32::MAX)) as u32 };
        if !early {
            self.slowest = self.slowest.max(rtt.min(LONGEST_WAIT));
        }
    }

    /// What is known of each target: index in the plan, state, open ports, counts by state, first and last send, and
    /// why it was cut short.
    pub(super) fn results(&self) -> impl Iterator<Item = Known> + '_ {
        self.aims.iter().enumerate().filter_map(|(i, aim)| {
            let host = self.hosts.get(i)?;
            let sent = host.first?;
            let mut known = Known {
                target: aim.target,
                addr: aim.ends.destination,
                state: HostState::Down,
                ports: Vec::new(),
                counts: std::collections::BTreeMap::new(),
                sent: (sent, host.last),
                cut: host.cut,
            };
            let skipped = self.dead_hosts == DeadHosts::Skip && host.alive.is_none() && !self.pings.is_empty();
            for (ask_idx, ask) in self.ports.iter().enumerate() {
                let (protocol, port) = match ask {
                    Ask::Tcp(p) => (Protocol::Tcp, *p),
                    Ask::Udp(p) => (Protocol::Udp, *p),
                    Ask::Echo => continue,
                };
                let pair = self.pairs.get(self.pair(i, ask_idx))?;
                let (state, reason, ttl, rtt) = match *pair {
                    Pair::Answered { state, reason, ttl, rtt_us } => {
                        (state, reason, Some(ttl), Some(Duration::from_micros(u64::from(rtt_us))))
                    }
                    Pair::Silent if skipped => continue,
                    Pair::Silent if protocol == Protocol::Udp => {
                        (PortState::OpenOrFiltered, Reason::NoAnswer, None, None)
                    }
                    Pair::Silent => (PortState::Filtered, Reason::NoAnswer, None, None),
                };
                *known.counts.entry(state).or_default() += 1;
                if state == PortState::Open {
                    known.ports.push(PortObservation { port, protocol, state, reason, rtt, ttl });
                }
            }
            known.ports.sort_by_key(|p| (p.protocol, p.port));
            known.state = match host.alive {
                Some(reason) => HostState::Up(reason),
                None if self.pings.is_empty() => HostState::Unknown,
                None => HostState::Down,
            };
            Some(known)
        })
    }
}

/// What the engine knows of one target.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Known {
    pub(super) target: u32,
    pub(super) addr: IpAddr,
    pub(super) state: HostState,
    pub(super) ports: Vec<PortObservation>,
    pub(super) counts: std::collections::BTreeMap<PortState, u32>,
    pub(super) sent: (Duration, Duration),
    pub(super) cut: Option<&'static str>,
}

enum Picked {
    Pair(usize, Ask, u64),
    Later(Duration),
    Nothing,
}
