//! What a reply means. Each probe carries a keyed cookie that its genuine answer must show (RFC 9293 3.4: an acceptable
//! answer acknowledges the sequence number plus one; 3.10.7.1: a reset of an ACK takes its number from what was
//! acknowledged), so what a stranger sends, or anybody forges, is counted and otherwise ignored.

use std::hash::Hasher;
use std::net::IpAddr;
use std::time::Duration;

use siphasher::sip::SipHasher13;

use super::engine::{Engine, Found, Phase};
use super::grid::Ask;
use super::hosts::{Aim, Cut, Host, KEPT, answered_on_every};
use super::observation::{HostState, PortObservation, PortState, Reason};
use super::payload;
use super::window::Answer;
use super::wire::Reply;
use crate::base::fast::FastMap;
use crate::lang::job::Protocol;

/// Source ports that belong to the scan: a block that the kernel gives to nobody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ports(pub(super) u16);

/// Tries of one kind.
const KIND: u16 = 16;
/// Ports for datagrams, after those for the four kinds of TCP probe.
const DATAGRAMS: u16 = 4_032;
/// Ports in all.
pub(super) const BLOCK: u16 = 4 * KIND + DATAGRAMS;

/// Ports of probes to canaries, after those of a closer look: a number comes again only when its answer came long ago.
const FIRST_CANARY: u16 = 4 * KIND + 256;

impl Ports {
    pub(super) fn syn(self, try_number: u8) -> u16 {
        self.0 + u16::from(try_number) % KIND
    }

    pub(super) fn ack(self, try_number: u8) -> u16 {
        self.0 + KIND + u16::from(try_number) % KIND
    }

    pub(super) fn control(self, try_number: u8) -> u16 {
        self.0 + 2 * KIND + u16::from(try_number) % KIND
    }

    /// SYNs that only look for life: an answer that comes late must not pass for one to a later probe.
    pub(super) fn ping(self, try_number: u8) -> u16 {
        self.0 + 3 * KIND + u16::from(try_number) % KIND
    }

    /// SYNs of a closer look at a host; the numbers of datagrams are free for TCP.
    pub(super) fn study(self, number: u8) -> u16 {
        self.0 + 4 * KIND + u16::from(number)
    }

    /// SYNs to canaries, after those.
    pub(super) fn canary(self, number: u16) -> u16 {
        self.0 + FIRST_CANARY + number % (BLOCK - FIRST_CANARY)
    }

    /// The number of such a SYN.
    pub(super) fn studied(self, port: u16) -> Option<u8> {
        port.checked_sub(self.0 + 4 * KIND).and_then(|n| u8::try_from(n).ok())
    }

    /// First and last.
    pub(super) fn range(self) -> (u16, u16) {
        (self.0, self.0 + BLOCK - 1)
    }

    fn kind(self, port: u16) -> Option<Kind> {
        let n = port.checked_sub(self.0)?;
        match n / KIND {
            0 => Some(Kind::Syn(n as u8)),
            1 => Some(Kind::Ack((n - KIND) as u8)),
            2 => Some(Kind::Control),
            3 => Some(Kind::Ping),
            _ if (FIRST_CANARY..BLOCK).contains(&n) => Some(Kind::Canary),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Syn(u8),
    Ack(u8),
    Control,
    Ping,
    Canary,
}

/// The keyed cookies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cookies {
    pub(super) key: u64,
    pub(super) ports: Ports,
}

impl Cookies {
    fn hash(&self, destination: IpAddr, port: u16, source_port: u16) -> u64 {
        let mut hash = SipHasher13::new_with_keys(self.key, 0x7061_6c69_7361_6465);
        let ports = u64::from(port) << 16 | u64::from(source_port);
        match destination {
            IpAddr::V4(a) => hash.write_u64(u64::from(u32::from(a)) << 32 | ports),
            IpAddr::V6(a) => {
                hash.write_u128(u128::from(a));
                hash.write_u64(ports);
            }
        }
        hash.finish()
    }

    /// The sequence number of a TCP probe.
    pub(super) fn tcp(&self, destination: IpAddr, port: u16, source_port: u16) -> u32 {
        self.hash(destination, port, source_port) as u32
    }

    /// The source port of a datagram: what only its answer can know. It is one of 4,032, so whoever wants a closed UDP
    /// port to be reported open has to guess it while the question is out, and to forge the host's address; each wrong
    /// guess is counted among the strangers. What is open is talked to later, over a connected socket.
    pub(super) fn udp_port(&self, destination: IpAddr, port: u16) -> u16 {
        let own = (self.hash(destination, port, 0) >> 32) as u16;
        self.ports.0 + 4 * KIND + own % DATAGRAMS
    }

    /// What an echo or timestamp request carries.
    pub(super) fn icmp(&self, destination: IpAddr, timestamp: bool, try_number: u8) -> u64 {
        self.hash(destination, u16::from(timestamp), u16::from(try_number))
    }
}

/// What a genuine reply says.
#[derive(Debug, Clone, Copy)]
struct Seen {
    host: u32,
    /// TCP or not, and the port; none for pings without one.
    port: Option<(bool, u16)>,
    answer: Answer,
    reason: Reason,
    ttl: u8,
    /// Which try it answers, where that can be told.
    try_number: Option<u8>,
    /// The source port, where it answers a control probe or one to a canary.
    control: Option<u16>,
}

impl Engine {
    /// Takes a reply in.
    pub(super) fn reply(&mut self, reply: &Reply, now: Duration) {
        match self.recognise(reply) {
            Some(seen) if seen.control.is_some() => self.control_answered(&seen, now),
            Some(seen) => self.record(&seen, now),
            None if matches!(reply, Reply::Neighbour { .. }) => {}
            None => self.counters.strangers += 1,
        }
    }

    /// The host that a reply is from or about, where it is addressed to the address we asked from.
    fn host(&self, from: IpAddr, to: IpAddr) -> Option<u32> {
        let host = *self.by_address.get(from)?;
        let source = self.aims.get(host as usize).and_then(|a| self.sources.get(usize::from(a.source)))?;
        (to == source.0).then_some(host)
    }

    fn recognise(&self, reply: &Reply) -> Option<Seen> {
        match *reply {
            Reply::Tcp { from, to, port, our_port, sequence, acknowledgement, syn_ack, ttl } => {
                let host = self.host(from, to)?;
                let kind = self.cookies.ports.kind(our_port)?;
                let cookie = self.cookies.tcp(from, port, our_port);
                let (answer, reason) =
                    if syn_ack { (Answer::Open, Reason::SynAck) } else { (Answer::Closed, Reason::Reset) };
                let mut seen =
                    Seen { host, port: Some((true, port)), answer, reason, ttl, try_number: None, control: None };
                match kind {
                    Kind::Syn(n) if acknowledgement == cookie.wrapping_add(1) => seen.try_number = Some(n),
                    Kind::Control | Kind::Canary if acknowledgement == cookie.wrapping_add(1) => {
                        seen.control = Some(our_port)
                    }
                    Kind::Ping if acknowledgement == cookie.wrapping_add(1) => {}
                    // It tells that the host is there, and nothing of the port.
                    Kind::Ack(_) if sequence == cookie && !syn_ack => seen.port = None,
                    _ => return None,
                }
                Some(seen)
            }
            Reply::Udp { from, to, port, our_port, ttl } => {
                let host = self.host(from, to)?;
                let asked = [port, 69].into_iter().find(|p| {
                    (*p == port || payload::answers_from_elsewhere(*p)) && our_port == self.cookies.udp_port(from, *p)
                });
                asked.map(|port| Seen {
                    host,
                    port: Some((false, port)),
                    answer: Answer::Open,
                    reason: Reason::UdpReply,
                    ttl,
                    try_number: None,
                    control: None,
                })
            }
            Reply::Echo { from, to, id, cookie, ttl } => {
                let genuine = |n: u8| self.cookies.icmp(from, false, n) == cookie && cookie as u16 == id;
                self.pong(self.host(from, to)?, (0..self.tries).any(genuine), Reason::EchoReply, ttl)
            }
            Reply::Timestamp { from, to, id, originate, ttl } => {
                let genuine = |n: u8| {
                    let cookie = self.cookies.icmp(from, true, n);
                    cookie as u16 == id && (cookie >> 16) as u32 == originate
                };
                self.pong(self.host(from, to)?, (0..self.tries).any(genuine), Reason::TimestampReply, ttl)
            }
            Reply::Error { from, to, source, about, tcp, port, our_port, sequence, kind, code, ttl } => {
                let host = self.host(about, source).filter(|_| to == source)?;
                let probe = self.cookies.ports.kind(our_port).filter(|_| tcp);
                let genuine = if tcp {
                    probe.is_some() && sequence == Some(self.cookies.tcp(about, port, our_port))
                } else {
                    our_port == self.cookies.udp_port(about, port)
                };
                // Port unreachable closes a UDP port where the host itself says so; everything else is a filter's word.
                // RFC 1122 3.2.2.1, RFC 4443 3.1.
                let unreachable = matches!((kind, code, about.is_ipv4()), (3, 3, true) | (1, 4, false));
                let closed = !tcp && unreachable && from == about;
                genuine.then_some(Seen {
                    host,
                    // An ACK asks for life only: what becomes of it says nothing of the port.
                    port: (!matches!(probe, Some(Kind::Ack(_)))).then_some((tcp, port)),
                    answer: if closed { Answer::Closed } else { Answer::Filtered },
                    reason: Reason::Unreachable(kind, code),
                    ttl,
                    try_number: None,
                    control: None,
                })
            }
            Reply::Neighbour { .. } => None,
        }
    }

    fn pong(&self, host: u32, genuine: bool, reason: Reason, ttl: u8) -> Option<Seen> {
        let answer = Answer::Open;
        genuine.then_some(Seen { host, port: None, answer, reason, ttl, try_number: None, control: None })
    }

    fn control_answered(&mut self, seen: &Seen, now: Duration) {
        let open = seen.answer == Answer::Open;
        if seen.control.is_some_and(|port| self.canary_answered(seen.host, port, open, now)) {
            self.counters.replies += 1;
            return;
        }
        let place = seen.port.and_then(|(tcp, port)| self.grid.position(seen.host, tcp, port));
        let place = place.and_then(|p| self.window.place(p));
        let found = self.controls.iter().position(|c| Some(c.place) == place && Some(c.source_port) == seen.control);
        let Some(control) = found.map(|i| self.controls.swap_remove(i)) else {
            self.counters.duplicates += 1;
            return;
        };
        self.counters.replies += 1;
        if let Some(host) = self.hosts.get_mut(seen.host as usize) {
            host.controls_lost = 0;
            host.held = Duration::ZERO;
        }
        self.tally.control(true);
        self.auto.control(true, control.sent);
        self.timed(seen.host, now.saturating_sub(control.sent), now);
        self.remember(control.place);
    }

    fn record(&mut self, seen: &Seen, now: Duration) {
        let filtered = seen.answer == Answer::Filtered;
        let Some((tcp, port)) = seen.port else {
            let again = self.hosts.get(seen.host as usize).is_some_and(|h| h.alive == Some(seen.reason));
            let counter = if again { &mut self.counters.duplicates } else { &mut self.counters.replies };
            *counter += 1;
            if !filtered {
                self.wake(seen.host, seen.reason);
            }
            return;
        };
        let position = self.grid.position(seen.host, tcp, port);
        let place = position.and_then(|p| self.window.place(p));
        let tries = place.map_or(0, |p| self.window.tries(p));
        let asked = tries > 0 || position.is_some_and(|p| p < self.window.start);
        // So few know a datagram's source port by chance that it is no proof where nothing was asked.
        if !asked && (!tcp || self.phase == Phase::Discover) && !self.early.contains_key(&(seen.host, tcp, port)) {
            self.counters.strangers += 1;
            return;
        }
        if !filtered {
            self.wake(seen.host, seen.reason);
        }
        if self.phase == Phase::Discover {
            self.early(seen, tcp, port);
            return;
        }
        let Some(place) = place else {
            // It answers a probe of an earlier window, or a ping.
            self.counters.duplicates += 1;
            return;
        };
        let before = self.window.answer(place);
        // A late answer to a ping, and the port is yet to be asked. A first answer stands, but an open port is open
        // whatever a filter said before.
        let stands = before.is_some_and(|known| known == Answer::Open || seen.answer != Answer::Open);
        if stands || (tries == 0 && before.is_none()) {
            self.counters.duplicates += 1;
            return;
        }
        self.counters.replies += 1;
        let rtt = self.window.age(place, now).min(Duration::from_secs(60));
        self.exhausted -= u32::from(before.is_none() && tries == self.tries);
        self.window.set(place, seen.answer);
        self.count(seen, tcp, before);
        // The send time kept is that of the last try.
        let timed = tcp && !filtered && seen.try_number.is_some_and(|n| n + 1 == tries);
        if timed {
            self.timed(seen.host, rtt, now);
        }
        if let (true, Some(n), None) = (tcp && !filtered, seen.try_number, before) {
            self.tally.answered(n);
            self.weigh(seen, n, place, (now.saturating_sub(rtt), now));
            if seen.answer == Answer::Open || self.open.len() < 64 {
                self.remember(place);
            }
        }
        if seen.answer == Answer::Open && self.hosts.get(seen.host as usize).is_some_and(|h| !h.every) {
            let rtt_us = if timed || !tcp { rtt.as_micros().min(u128::from(u32::MAX)) as u32 } else { u32::MAX };
            self.open.push(Found { host: seen.host, tcp, port, ttl: seen.ttl, rtt_us });
        }
    }

    /// An answer of a host whose round trip is known.
    fn timed(&mut self, host: u32, rtt: Duration, now: Duration) {
        if let Some(host) = self.hosts.get_mut(host as usize) {
            self.auto.answered(rtt, self.slack, host.trip(rtt), now);
        }
    }

    /// Counts of the host by state.
    fn count(&mut self, seen: &Seen, tcp: bool, before: Option<Answer>) {
        let answer = seen.answer;
        if let Some(host) = self.hosts.get_mut(seen.host as usize) {
            host.tell(answer, seen.reason);
            let counts = if tcp { &mut host.tcp } else { &mut host.udp };
            if let Some(before) = before {
                *counts.of(before) -= 1;
            }
            *counts.of(answer) += 1;
        }
    }

    /// Counts an answer to a try, with the moments at which it was sent and answered.
    fn weigh(&mut self, seen: &Seen, try_number: u8, place: u32, (sent, now): (Duration, Duration)) {
        let high = seen.port.is_some_and(|(_, port)| port >= 1_024);
        if let Some(host) = self.hosts.get_mut(seen.host as usize) {
            host.lately += 1;
            host.sample.get_or_insert(place);
            if try_number == 0 {
                host.prompt += 1
            } else {
                host.late += 1
            }
            if seen.answer == Answer::Open {
                host.high += u32::from(high);
                host.opened(sent, now);
            }
        }
    }

    /// A port's answer to a ping: it need not be asked again where it is one of the ports to ask. As with ports, an open
    /// one is open whatever a filter said before.
    fn early(&mut self, seen: &Seen, tcp: bool, port: u16) {
        let before = self.early.insert((seen.host, tcp, port), seen.answer);
        if let Some(before) = before.filter(|before| *before == Answer::Open || seen.answer != Answer::Open) {
            self.early.insert((seen.host, tcp, port), before);
            self.counters.duplicates += 1;
            return;
        }
        self.counters.replies += 1;
        if self.asks.binary_search(&if tcp { Ask::Tcp(port) } else { Ask::Udp(port) }).is_err() {
            return;
        }
        self.count(seen, tcp, before);
        if let Some(host) = self.hosts.get_mut(seen.host as usize).filter(|_| before.is_none()) {
            if tcp { host.tcp.asked += 1 } else { host.udp.asked += 1 }
        }
        if seen.answer == Answer::Open {
            self.open.push(Found { host: seen.host, tcp, port, ttl: seen.ttl, rtt_us: u32::MAX });
        }
    }

    /// Forgets all but the lowest open ports of hosts that answer on every port.
    pub(super) fn trim(&mut self) {
        if !std::mem::take(&mut self.untrimmed) {
            return;
        }
        let every = |host: u32| self.hosts.get(host as usize).is_some_and(|h| h.every);
        let mut ports: FastMap<u32, Vec<u16>> = FastMap::default();
        for found in self.open.iter().filter(|f| f.tcp && every(f.host)) {
            ports.entry(found.host).or_default().push(found.port);
        }
        ports.retain(|_, ports| ports.len() > KEPT);
        let highest = |(host, mut ports): (u32, Vec<u16>)| (host, *ports.select_nth_unstable(KEPT - 1).1);
        let highest: FastMap<u32, u16> = ports.into_iter().map(highest).collect();
        // What checkpoints have told stays in front, in its order.
        let (told, mut place) = (self.told.open, 0);
        self.open.retain(|f| {
            let stays = !f.tcp || highest.get(&f.host).is_none_or(|highest| f.port <= *highest);
            self.told.open -= usize::from(place < told && !stays);
            place += 1;
            stays
        });
    }

    /// What is known of each target that was sent to.
    pub(super) fn results(&mut self) -> Vec<Known> {
        for host in &mut self.hosts {
            host.every |= answered_on_every(host.tcp, host.high);
            self.untrimmed |= host.every;
        }
        self.trim();
        self.open.sort_unstable_by_key(|f| (f.host, !f.tcp, f.port));
        let (nobody, mut from) = (self.pings_nobody(), 0);
        let mut all = Vec::new();
        for (i, (aim, host)) in self.aims.iter().zip(&self.hosts).enumerate() {
            let count = self.open.get(from..).unwrap_or_default().iter().take_while(|f| f.host as usize == i).count();
            let found = self.open.get(from..from + count).unwrap_or_default();
            from += count;
            if let Some(known) = known(aim, host, found, nobody) {
                all.push(known);
            }
        }
        all
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
    pub(super) reasons: Vec<(PortState, Reason, u32)>,
    pub(super) sent: (Duration, Duration),
    pub(super) cut: Option<Cut>,
    /// It answers on every port: how many are open, and how many answered.
    pub(super) every: Option<(u32, u32)>,
    pub(super) policed: bool,
}

fn known(aim: &Aim, host: &Host, found: &[Found], nobody_pinged: bool) -> Option<Known> {
    let first = host.first?;
    let observation = |f: &Found| PortObservation {
        port: f.port,
        protocol: if f.tcp { Protocol::Tcp } else { Protocol::Udp },
        state: PortState::Open,
        reason: if f.tcp { Reason::SynAck } else { Reason::UdpReply },
        rtt: (f.rtt_us != u32::MAX).then(|| Duration::from_micros(u64::from(f.rtt_us))),
        ttl: Some(f.ttl),
    };
    let mut counts = std::collections::BTreeMap::new();
    let tcp_silent = host.tcp.asked.saturating_sub(host.tcp.answered());
    let udp_silent = host.udp.asked.saturating_sub(host.udp.answered());
    for (state, n) in [
        (PortState::Open, host.tcp.open + host.udp.open),
        (PortState::Closed, host.tcp.closed + host.udp.closed),
        (PortState::Filtered, host.tcp.filtered + host.udp.filtered + tcp_silent),
        (PortState::OpenOrFiltered, udp_silent),
    ] {
        if n > 0 {
            counts.insert(state, n);
        }
    }
    Some(Known {
        target: aim.target,
        addr: aim.destination,
        state: match host.alive {
            Some(reason) => HostState::Up(reason),
            None if nobody_pinged || host.cut.is_some() => HostState::Unknown,
            None => HostState::Down,
        },
        ports: found.iter().map(observation).collect(),
        counts,
        reasons: host.reasons(aim.destination.is_ipv4()),
        sent: (first, host.last),
        cut: host.cut,
        every: host.every.then_some((host.tcp.open, host.tcp.answered())),
        policed: host.policed,
    })
}
