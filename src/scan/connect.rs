//! Connect mode: the kernel's own connections, for machines without the right to send frames. Same gate, same pacing,
//! same ledger; one line of the ledger counts one connection, whose packets the kernel sends.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::gate::Gate;
use super::ledger::Entry;
use super::observation::{HostObservation, HostState, NotScanned, PortObservation, PortState, ProbeKind, Reason};
use super::outcome::ScanOutcome;
use super::pace::Pace;
use super::payload;
use super::{ScanError, ScanInput, reason};
use crate::base::progress::StopWish;
use crate::lang::job::{DeadHosts, Ping, Protocol};
use crate::plan::order::Order;

/// Wait for a first answer; later ones adapt to what was seen.
const FIRST_WAIT: Duration = Duration::from_millis(1_500);
const SHORTEST_WAIT: Duration = Duration::from_millis(300);
/// Descriptors kept back for everything else.
const SPARE_DESCRIPTORS: usize = 64;
/// Longest sleep, so that the wish to stop is seen.
const LONGEST_SLEEP: Duration = Duration::from_millis(50);

/// One question to one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Question {
    target: usize,
    addr: IpAddr,
    protocol: Protocol,
    port: u16,
}

/// What became of it; no answer for lack of descriptors is none.
#[derive(Debug, Clone, Copy)]
struct Outcome {
    question: Question,
    answer: Option<(PortState, Reason)>,
    rtt: Duration,
}

/// What is known of one target.
#[derive(Debug, Clone, Default)]
struct Host {
    alive: Option<Reason>,
    ports: BTreeMap<(Protocol, u16), PortObservation>,
    counts: BTreeMap<PortState, u32>,
    first: Option<Duration>,
    last: Duration,
    cut: Option<&'static str>,
}

/// Scans the plan with connections.
pub(super) fn scan(input: &ScanInput<'_>, outcome: &mut ScanOutcome) -> Result<(), ScanError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ScanError::Runtime)?;
    if input.plan.profile.ping.contains(&Ping::Icmp) {
        outcome.notes.push("connect mode sends no ICMP; hosts are found by their TCP and UDP answers".into());
    }
    outcome.notes.push("connect mode counts connections; the kernel may repeat their packets".into());
    input.progress.start("scan", outcome.coverage.planned);
    runtime.block_on(Scanner::new(input, outcome).run());
    input.progress.finish("scan");
    Ok(())
}

struct Scanner<'a, 'b> {
    input: &'a ScanInput<'b>,
    outcome: &'a mut ScanOutcome,
    gate: Gate,
    pace: Pace,
    hosts: Vec<Host>,
    /// Sockets at once.
    width: usize,
    /// Smoothed round-trip time.
    rtt: Option<Duration>,
}

impl<'a, 'b> Scanner<'a, 'b> {
    fn new(input: &'a ScanInput<'b>, outcome: &'a mut ScanOutcome) -> Self {
        let profile = &input.plan.profile;
        let rate = |r: &Option<crate::base::quantity::Rate>| r.map(|r| r.per_second);
        let room = descriptors().map_or(256, |n| n.saturating_sub(SPARE_DESCRIPTORS));
        Self {
            gate: Gate::new(input.plan.targets.iter(), input.plan.exclusions.clone(), Vec::new()),
            pace: Pace::new(rate(&profile.rate), rate(&profile.per_network), rate(&profile.per_host)),
            hosts: vec![Host::default(); input.plan.targets.len()],
            width: input.limits.sockets_in_flight.min(room).max(1),
            rtt: None,
            input,
            outcome,
        }
    }

    async fn run(mut self) {
        let all: Vec<usize> =
            (0..self.input.plan.targets.len()).filter(|t| !self.input.finished.contains(&(*t as u32))).collect();
        let pings: Vec<(Protocol, u16)> = self
            .input
            .plan
            .profile
            .ping
            .iter()
            .flat_map(|p| match p {
                Ping::Icmp => Vec::new(),
                Ping::Tcp(ports) => ports.iter().map(|p| (Protocol::Tcp, p)).collect(),
                Ping::Udp(ports) => ports.iter().map(|p| (Protocol::Udp, p)).collect(),
            })
            .collect();
        self.rounds(&all, &pings, true).await;
        let skip = self.input.plan.profile.dead_hosts == DeadHosts::Skip && !pings.is_empty();
        let chosen: Vec<usize> =
            all.iter().copied().filter(|t| !skip || self.hosts.get(*t).is_some_and(|h| h.alive.is_some())).collect();
        let probes = &self.input.plan.probes;
        let ports: Vec<(Protocol, u16)> = probes
            .tcp
            .iter()
            .map(|p| (Protocol::Tcp, p))
            .chain(probes.udp.iter().map(|p| (Protocol::Udp, p)))
            .collect();
        self.rounds(&chosen, &ports, false).await;
        self.collect(pings.is_empty());
    }

    /// Asks all pairs, then again those that stayed silent.
    async fn rounds(&mut self, targets: &[usize], ports: &[(Protocol, u16)], discovery: bool) {
        let mut open: Vec<Question> = Vec::new();
        let order = Order::new((targets.len() * ports.len()) as u64, self.input.seed ^ u64::from(discovery));
        for number in (0..order.len()).filter_map(|p| order.at(p)) {
            let target = targets.get((number % targets.len() as u64) as usize).copied();
            let port = ports.get((number / targets.len() as u64) as usize).copied();
            if let (Some(target), Some((protocol, port))) = (target, port)
                && let Some(t) = self.input.plan.targets.get(target)
            {
                open.push(Question { target, addr: t.addr(), protocol, port });
            }
        }
        for last in (0..=self.input.plan.profile.retries).rev().map(|left| left == 0) {
            open = self.ask(open, discovery, last).await;
            if open.is_empty() || self.input.stop.wish() != StopWish::None {
                return;
            }
        }
    }

    /// Asks each question once; returns those without an answer.
    async fn ask(&mut self, mut waiting: Vec<Question>, discovery: bool, last: bool) -> Vec<Question> {
        waiting.reverse();
        let mut running = FuturesUnordered::new();
        let mut silent = Vec::new();
        let mut backing_off = false;
        loop {
            let stopping = self.input.stop.wish();
            if stopping == StopWish::Now || (running.is_empty() && (waiting.is_empty() || stopping != StopWish::None)) {
                return silent;
            }
            let mut due = Duration::ZERO;
            while running.len() < self.width && stopping == StopWish::None && !backing_off {
                let now = self.input.clock.elapsed();
                due = self.pace.run_ready_at();
                if due > now {
                    break;
                }
                let Some(at) = self.next_ready(&waiting, now, discovery) else {
                    due = now + LONGEST_SLEEP;
                    break;
                };
                let question = waiting.swap_remove(at);
                if self.admit(&question, now) {
                    let wait = self.wait();
                    let clock = self.input.clock;
                    running.push(async move {
                        let start = clock.elapsed();
                        let answer = probe(question, wait).await;
                        Outcome { question, answer, rtt: clock.elapsed().saturating_sub(start) }
                    });
                }
            }
            let pause = due.saturating_sub(self.input.clock.elapsed()).clamp(Duration::from_millis(1), LONGEST_SLEEP);
            match timeout(pause, running.next()).await {
                Ok(Some(found)) => {
                    // No descriptor: the question waits until another socket is closed.
                    backing_off = found.answer.is_none() && !running.is_empty();
                    match found.answer {
                        None => waiting.push(found.question),
                        Some(answer) => self.record(&found, answer, discovery, last, &mut silent),
                    }
                }
                Ok(None) => tokio::time::sleep(pause).await,
                Err(_) => {}
            }
        }
    }

    /// The last few questions are looked through for one whose host may be asked; those that need no answer any more
    /// count as ready, and are dropped on admission.
    fn next_ready(&self, waiting: &[Question], now: Duration, discovery: bool) -> Option<usize> {
        let window = waiting.len().saturating_sub(256)..waiting.len();
        window.rev().find(|i| {
            waiting.get(*i).is_some_and(|q| {
                let known = discovery && self.hosts.get(q.target).is_some_and(|h| h.alive.is_some());
                known || self.pace.host_ready_at(q.addr) <= now
            })
        })
    }

    /// The gate, the time limit, the pace and the ledger; false where the question is not to be asked.
    fn admit(&mut self, question: &Question, now: Duration) -> bool {
        let probes_left = self.hosts.get(question.target).is_some_and(|h| h.cut.is_none());
        if !probes_left {
            return false;
        }
        if let Err(refusal) = self.gate.address(question.addr, self.input.clock.now()) {
            self.outcome.counters.refused += 1;
            let why = match refusal {
                super::gate::Refusal::Expired(_) => "its warrant has expired",
                super::gate::Refusal::Excluded(_) => "excluded",
                super::gate::Refusal::NoWarrant(_) | super::gate::Refusal::Unreadable => "no warrant",
            };
            if let Some(host) = self.hosts.get_mut(question.target) {
                host.cut = Some(why);
            }
            return false;
        }
        let limit = self.input.plan.profile.max_time_per_host;
        if let Some(host) = self.hosts.get_mut(question.target) {
            let first = *host.first.get_or_insert(now);
            if limit.is_some_and(|l| now.saturating_sub(first) > l) {
                host.cut = Some("its time limit was reached");
                return false;
            }
            host.last = now;
        }
        let rate = self.input.plan.rates.get(&(question.target as u32)).copied();
        self.pace.take(question.addr, rate, now);
        self.outcome.counters.sent += 1;
        self.outcome.ledger.count(Entry {
            warrant: question.target as u32,
            destination: question.addr,
            port: question.port,
            probe: if question.protocol == Protocol::Tcp { ProbeKind::Connect } else { ProbeKind::Udp },
        });
        true
    }

    /// Four smoothed round trips, within bounds.
    fn wait(&self) -> Duration {
        self.rtt.map_or(FIRST_WAIT, |rtt| (rtt * 4).clamp(SHORTEST_WAIT, FIRST_WAIT))
    }

    fn record(
        &mut self,
        found: &Outcome,
        (state, why): (PortState, Reason),
        discovery: bool,
        last: bool,
        silent: &mut Vec<Question>,
    ) {
        let question = found.question;
        let answered = why != Reason::NoAnswer;
        if answered {
            self.outcome.counters.replies += 1;
            self.rtt = Some(self.rtt.map_or(found.rtt, |old| (old * 7 + found.rtt) / 8));
        } else if !last {
            silent.push(question);
            return;
        }
        let Some(host) = self.hosts.get_mut(question.target) else { return };
        if answered && !matches!(why, Reason::Unreachable(..)) && host.alive.is_none() {
            host.alive = Some(why);
        }
        if discovery {
            return;
        }
        *host.counts.entry(state).or_default() += 1;
        if state == PortState::Open {
            let seen = PortObservation {
                port: question.port,
                protocol: question.protocol,
                state,
                reason: why,
                rtt: Some(found.rtt),
                ttl: None,
            };
            host.ports.insert((question.protocol, question.port), seen);
        }
        self.outcome.coverage.done += 1;
        let facts = format!("{} replies", self.outcome.counters.replies);
        self.input.progress.update("scan", self.outcome.coverage.done, &facts);
    }

    fn collect(self, no_pings: bool) {
        let (now, elapsed) = (self.input.clock.now(), self.input.clock.elapsed());
        let wall = |at: Duration| now.checked_sub(elapsed.saturating_sub(at)).unwrap_or(now);
        for (i, host) in self.hosts.into_iter().enumerate() {
            let target = i as u32;
            let Some(addr) = self.input.plan.targets.get(i).map(|t| t.addr()) else { continue };
            if let Some(why) = host.cut {
                self.outcome.not_scanned.push(NotScanned { target, reason: reason(why) });
            }
            let Some(first) = host.first else { continue };
            let state = match host.alive {
                Some(why) => HostState::Up(why),
                None if no_pings => HostState::Unknown,
                None => HostState::Down,
            };
            self.outcome.hosts.push(HostObservation {
                target,
                addr,
                state,
                ports: host.ports.into_values().collect(),
                counts: host.counts,
                span: Some((wall(first), wall(host.last))),
            });
        }
    }
}

async fn probe(question: Question, wait: Duration) -> Option<(PortState, Reason)> {
    let at = SocketAddr::new(question.addr, question.port);
    match question.protocol {
        Protocol::Tcp => match timeout(wait, TcpStream::connect(at)).await {
            Err(_) => Some((PortState::Filtered, Reason::NoAnswer)),
            Ok(Ok(_)) => Some((PortState::Open, Reason::Connected)),
            Ok(Err(error)) => failed(&error).map(|e| e.unwrap_or((PortState::Closed, Reason::Refused))),
        },
        Protocol::Udp => match timeout(wait, datagram(at)).await {
            Err(_) => Some((PortState::OpenOrFiltered, Reason::NoAnswer)),
            Ok(Ok(())) => Some((PortState::Open, Reason::UdpReply)),
            Ok(Err(error)) => failed(&error).map(|e| e.unwrap_or((PortState::Closed, Reason::Unreachable(3, 3)))),
        },
    }
}

async fn datagram(at: SocketAddr) -> io::Result<()> {
    let any: SocketAddr = if at.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).await?;
    // Connected, so that the kernel hands up only what comes from this address and port.
    socket.connect(at).await?;
    socket.send(payload::udp(at.port())).await?;
    socket.recv(&mut [0; 64]).await.map(|_| ())
}

/// None: try again later. Some(none): refused. Otherwise what the error says.
fn failed(error: &io::Error) -> Option<Option<(PortState, Reason)>> {
    // EMFILE 24, ENFILE 23, ENOBUFS 105, EADDRNOTAVAIL 99: this machine's own shortage, no answer of the target's.
    if matches!(error.raw_os_error(), Some(24 | 23 | 105 | 99)) {
        return None;
    }
    Some(match error.kind() {
        ErrorKind::ConnectionRefused => None,
        ErrorKind::HostUnreachable => Some((PortState::Filtered, Reason::Unreachable(3, 1))),
        ErrorKind::NetworkUnreachable => Some((PortState::Filtered, Reason::Unreachable(3, 0))),
        ErrorKind::PermissionDenied => Some((PortState::Filtered, Reason::Unreachable(3, 13))),
        ErrorKind::ConnectionReset => None,
        _ => Some((PortState::Filtered, Reason::NoAnswer)),
    })
}

/// Descriptors this process may open, as the kernel says it in `/proc/self/limits`.
pub fn descriptors() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find(|l| l.starts_with("Max open files"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}
