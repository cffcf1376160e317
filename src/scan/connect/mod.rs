//! Connect mode: the kernel's own connections, for machines without the right to send frames. Same gate, same pacing,
//! same ledger; one line of the ledger counts one connection, whose packets the kernel sends.
//!
//! One thread keeps as many sockets in flight as the path and the descriptors bear. A question is over when its answer
//! is fetched, or when its time is up and the kernel, asked after that, has none: the scanner's own delay never counts
//! against a host.

mod answer;
mod hosts;
mod queue;
#[cfg(test)]
mod tests;
mod timing;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use self::answer::{Answer, Shortage, meaning, shortage};
use self::hosts::{EXCLUDED, Host};
use self::queue::{Next, Question, Questions};
use self::timing::{Rtt, Window, wait};
use super::drive::DOWN;
use super::gate::{Gate, Refusal, WarrantTime};
use super::ledger::Entry;
use super::link::limits::raise_descriptors;
use super::link::sockets::{Sockets, Verdict};
use super::observation::{PortState, ProbeKind};
use super::outcome::ScanOutcome;
use super::pace::Pace;
use super::payload;
use super::{ScanError, ScanInput};
use crate::base::progress::StopWish;
use crate::lang::job::{DeadHosts, Ping, Protocol};

/// Descriptors kept back for everything else.
const SPARE_DESCRIPTORS: usize = 64;
/// Longest sleep, so that the wish to stop is seen.
const LONGEST_SLEEP: Duration = Duration::from_millis(50);
/// Questions asked before answers are looked for.
const BATCH: usize = 32;
/// Pause after this machine has run out of sockets.
const SHORTAGE_PAUSE: Duration = Duration::from_millis(20);
/// Pause between two looks at the window and two notes of progress.
const HOUSEKEEPING: Duration = Duration::from_millis(100);

/// A question in flight.
#[derive(Debug, Clone, Copy)]
struct Flight {
    question: Question,
    sent: Duration,
    wait: Duration,
    deadline: Duration,
}

/// What stopped the asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// More can be asked at once.
    Some,
    /// Nothing before this moment.
    Until(Duration),
    /// As many are in flight as may be.
    Full,
    /// Nothing is left to ask.
    All,
}

/// Scans the plan with connections.
pub(super) fn scan(input: &ScanInput<'_>, outcome: &mut ScanOutcome) -> Result<(), ScanError> {
    if input.plan.profile.ping.contains(&Ping::Icmp) {
        outcome.notes.push("connect mode sends no ICMP; hosts are found by their TCP and UDP answers".into());
    }
    outcome.notes.push("connect mode counts connections; the kernel may repeat their packets".into());
    if input.plan.canaries.is_some() {
        outcome.notes.push("connect mode asks no canaries: the kernel repeats what a path loses".into());
    }
    let sockets = Sockets::new().map_err(ScanError::Runtime)?;
    input.progress.start("scan", outcome.coverage.planned);
    Scanner::new(input, outcome, sockets).run();
    input.progress.finish("scan");
    Ok(())
}

struct Scanner<'a, 'b> {
    input: &'a ScanInput<'b>,
    outcome: &'a mut ScanOutcome,
    gate: Gate,
    time: WarrantTime,
    /// Exclusions taken in so far.
    excluded: usize,
    pace: Pace,
    hosts: Vec<Host>,
    sockets: Sockets,
    flights: Vec<Option<Flight>>,
    /// Ends of waiting, earliest first; those of answered questions stay until their time.
    deadlines: BinaryHeap<Reverse<(Duration, u32)>>,
    ready: Vec<u32>,
    /// Most sockets at once: allowed, and so far.
    width: usize,
    widest: usize,
    window: Window,
    rtt: Rtt,
    /// Nothing is asked before this moment, for lack of sockets.
    pause_until: Duration,
    next_housekeeping: Duration,
    shortages: u64,
    /// IPv4 and IPv6: since when no route has led anywhere.
    down: [Option<Duration>; 2],
    /// Some target had no route for a while.
    waited: bool,
    /// Answers in all, and those that came to a repeated question.
    answers: (u64, u64),
    discovery: bool,
}

impl<'a, 'b> Scanner<'a, 'b> {
    fn new(input: &'a ScanInput<'b>, outcome: &'a mut ScanOutcome, sockets: Sockets) -> Self {
        let pace = outcome.pace.lock().clone();
        let room = raise_descriptors().map_or(256, |n| n.saturating_sub(SPARE_DESCRIPTORS));
        let width = input.limits.sockets_in_flight.min(room).max(1);
        Self {
            excluded: 0,
            time: WarrantTime::new(input.clock.now(), input.clock.elapsed()),
            gate: Gate::new(input.plan.targets.iter(), input.plan.exclusions.clone(), Vec::new())
                .with_leases(input.leases.clone()),
            pace,
            hosts: vec![Host::default(); input.plan.targets.len()],
            sockets,
            flights: Vec::new(),
            deadlines: BinaryHeap::new(),
            ready: Vec::new(),
            width,
            widest: 0,
            window: Window::new(width),
            rtt: Rtt::default(),
            pause_until: Duration::ZERO,
            next_housekeeping: Duration::ZERO,
            shortages: 0,
            down: [None; 2],
            waited: false,
            answers: (0, 0),
            discovery: false,
            input,
            outcome,
        }
    }

    fn run(mut self) {
        let finished: std::collections::HashSet<u32> =
            self.input.finished.iter().chain(self.input.elsewhere).copied().collect();
        let all: Vec<u32> =
            (0..self.input.plan.targets.len() as u32).filter(|target| !finished.contains(target)).collect();
        let profile = &self.input.plan.profile;
        let pings: Vec<(Protocol, u16)> = profile.ping.iter().flat_map(ping).collect();
        self.round(&all, &pings, true);
        let skip = profile.dead_hosts == DeadHosts::Skip && !pings.is_empty();
        let alive = |target: &u32| self.hosts.get(*target as usize).is_some_and(|h| h.alive.is_some());
        let chosen: Vec<u32> = all.into_iter().filter(|target| !skip || alive(target)).collect();
        let probes = &self.input.plan.probes;
        let tcp = probes.tcp.iter().map(|p| (Protocol::Tcp, p));
        let ports: Vec<(Protocol, u16)> = tcp.chain(probes.udp.iter().map(|p| (Protocol::Udp, p))).collect();
        self.round(&chosen, &ports, false);
        self.notes();
        self.outcome.pace.lock().clone_from(&self.pace);
        hosts::collect(self.hosts, self.input, self.outcome, pings.is_empty());
    }

    /// Asks all pairs, and again those that stay silent.
    fn round(&mut self, targets: &[u32], ports: &[(Protocol, u16)], discovery: bool) {
        self.discovery = discovery;
        let mut questions = Questions::new(targets, ports, self.input.seed ^ u64::from(discovery));
        loop {
            let wish = self.input.stop.wish();
            if wish == StopWish::Now {
                break;
            }
            let asked = if wish == StopWish::None { self.ask_some(&mut questions) } else { Asked::All };
            if asked == Asked::All && self.sockets.busy() == 0 {
                break;
            }
            let now = self.input.clock.elapsed();
            let mut pause = match asked {
                Asked::Some => Duration::ZERO,
                Asked::Until(at) => at.saturating_sub(now).min(LONGEST_SLEEP),
                Asked::Full | Asked::All => LONGEST_SLEEP,
            };
            if let Some(Reverse((first, _))) = self.deadlines.peek() {
                pause = pause.min(first.saturating_sub(now));
            }
            if let Err(error) = self.gather(pause, &mut questions) {
                self.outcome.errors.push(format!("cannot wait for connections: {error}"));
                break;
            }
            self.housekeeping(now);
        }
        // Whatever is still in flight is given up.
        for id in 0..self.flights.len() as u32 {
            if self.flights.get_mut(id as usize).and_then(Option::take).is_some() {
                self.sockets.release(id);
            }
        }
        self.deadlines.clear();
        self.progress();
    }

    fn ask_some(&mut self, questions: &mut Questions<'_>) -> Asked {
        for _ in 0..BATCH {
            if self.sockets.busy() >= self.window.size().min(self.width) {
                return Asked::Full;
            }
            let now = self.input.clock.elapsed();
            let run = self.pace.run_ready_at().max(self.pause_until);
            if run > now {
                return Asked::Until(run);
            }
            let (hosts, pace, discovery) = (&self.hosts, &self.pace, self.discovery);
            let (targets, own) = (&self.input.plan.targets, &self.input.plan.rates);
            let next = questions.next(now, |target| {
                let host = hosts.get(target as usize);
                let wanted = host.filter(|h| h.cut.is_none() && !(discovery && h.alive.is_some()));
                match targets.get(target as usize).zip(wanted) {
                    Some((t, h)) => pace
                        .host_ready_at(t.addr(), own.get(&target).copied())
                        .max(h.away.map_or(Duration::ZERO, |(_, until)| until)),
                    // What need not be asked any more is ready, and dropped on admission.
                    None => Duration::ZERO,
                }
            });
            let question = match next {
                Next::Ask(question) => question,
                Next::At(at) => return Asked::Until(at),
                Next::Nothing => return Asked::All,
            };
            if let Some(addr) = self.admit(&question, now) {
                self.ask(question, addr, now, questions);
            }
        }
        Asked::Some
    }

    /// The gate and the time limit; none where the question is not to be asked.
    fn admit(&mut self, question: &Question, now: Duration) -> Option<IpAddr> {
        let addr = self.input.plan.targets.get(question.target as usize)?.addr();
        let host = self.hosts.get_mut(question.target as usize)?;
        if host.cut.is_some() || (self.discovery && host.alive.is_some()) {
            return None;
        }
        let new = self.input.exclusions.after(self.excluded);
        self.excluded += new.len();
        self.gate.exclude(new);
        let (time, note) = self.time.at(self.input.clock.now(), self.input.clock.elapsed());
        self.outcome.notes.extend(note);
        if let Err(refusal) = self.gate.address(addr, time) {
            // An address that is no longer ours is no bug of ours.
            // An exclusion that came while the scan runs is none either.
            self.outcome.counters.refused += u64::from(!matches!(refusal, Refusal::NoLease(_) | Refusal::Excluded(_)));
            host.cut = Some(match refusal {
                Refusal::Expired(_) => "its warrant has expired",
                Refusal::Excluded(_) => EXCLUDED,
                Refusal::NoLease(_) => "lease lost",
                Refusal::NoWarrant(_) | Refusal::Unreadable => "no warrant",
            });
            return None;
        }
        let asked_for = host.first.map_or(Duration::ZERO, |first| now.saturating_sub(first));
        if self.input.plan.profile.max_time_per_host.is_some_and(|limit| asked_for > limit) {
            host.cut = Some("its time limit was reached");
            return None;
        }
        if !self.discovery && question.protocol == Protocol::Tcp {
            host.judge(now, wait(host.rtt, self.rtt, 0, false));
            if let Some(saved) = &mut host.every {
                *saved += u64::from(question.tries == 0);
                self.outcome.coverage.done += 1;
                return None;
            }
        }
        Some(addr)
    }

    /// The pace and the ledger, for what has left.
    fn book(&mut self, question: &Question, addr: IpAddr, now: Duration) {
        if let Some(host) = self.hosts.get_mut(question.target as usize) {
            host.first.get_or_insert(now);
            host.last = now;
            host.away = None;
            let fresh = !self.discovery && question.tries == 0 && question.protocol == Protocol::Tcp;
            host.tcp.asked += u32::from(fresh);
        }
        if let Some(down) = self.down.get_mut(usize::from(addr.is_ipv6())) {
            *down = None;
        }
        let rate = self.input.plan.rates.get(&question.target).copied();
        self.pace.take(addr, rate, now);
        self.outcome.counters.sent += 1;
        self.outcome.ledger.count(Entry {
            warrant: question.target,
            destination: addr,
            port: question.port,
            probe: if question.protocol == Protocol::Tcp { ProbeKind::Connect } else { ProbeKind::Udp },
        });
    }

    fn ask(&mut self, question: Question, addr: IpAddr, now: Duration, questions: &mut Questions<'_>) {
        let at = SocketAddr::new(addr, question.port);
        let asked = match question.protocol {
            Protocol::Tcp => self.sockets.connect(at),
            Protocol::Udp => self.sockets.send(at, payload::udp(question.port)).map(|id| (id, Verdict::Pending)),
        };
        let (id, verdict) = match asked {
            Ok(begun) => begun,
            Err(error) => return self.not_asked(question, at, &error, now, questions),
        };
        self.book(&question, addr, now);
        self.widest = self.widest.max(self.sockets.busy());
        let host = self.hosts.get(question.target as usize).map_or(Rtt::default(), |h| h.rtt);
        let last = question.tries >= self.input.plan.profile.retries;
        let wait = wait(host, self.rtt, question.tries, last);
        let flight = Flight { question, sent: now, wait, deadline: now + wait };
        if !matches!(verdict, Verdict::Pending) {
            let at = self.input.clock.elapsed();
            self.sockets.release(id);
            return self.over(&flight, &verdict, at, questions);
        }
        if self.flights.len() <= id as usize {
            self.flights.resize(id as usize + 1, None);
        }
        if let Some(place) = self.flights.get_mut(id as usize) {
            *place = Some(flight);
        }
        self.deadlines.push(Reverse((flight.deadline, id)));
    }

    /// The call itself failed, so nothing was sent: a shortage of this machine's passes, a route may come back, anything
    /// else concerns the host.
    fn not_asked(
        &mut self,
        question: Question,
        at: SocketAddr,
        error: &io::Error,
        now: Duration,
        questions: &mut Questions<'_>,
    ) {
        self.outcome.counters.send_errors += 1;
        let sourceless = error.kind() == ErrorKind::AddrNotAvailable && !Sockets::has_source(at);
        let why = match if sourceless { Shortage::NoRoute } else { shortage(error) } {
            Shortage::Passing => {
                self.shortages += 1;
                if self.sockets.close_resting() == 0 {
                    self.window.limit(self.sockets.busy());
                }
                self.pause_until = now + SHORTAGE_PAUSE;
                return questions.again(question);
            }
            Shortage::NoRoute if self.route_may_return(question.target, at.is_ipv6(), now) => {
                return questions.again(question);
            }
            Shortage::NoRoute => "no route",
            Shortage::Forbidden => "this machine forbids connections to it",
            Shortage::Other => "this machine cannot connect to it",
        };
        if let Some(host) = self.hosts.get_mut(question.target as usize) {
            host.cut = Some(why);
        }
    }

    /// No route leads to a target now: it is left alone for a moment, and lost after as long as raw mode waits for an
    /// interface.
    fn route_may_return(&mut self, target: u32, v6: bool, now: Duration) -> bool {
        self.waited = true;
        let Some(host) = self.hosts.get_mut(target as usize) else { return false };
        let since = host.away.map_or(now, |(since, _)| since);
        host.away = Some((since, now + LONGEST_SLEEP));
        let all_since = self.down.get_mut(usize::from(v6)).map_or(now, |down| *down.get_or_insert(now));
        now.saturating_sub(since.min(all_since)) < DOWN
    }

    /// Fetches answers, then gives up those whose time was over before the kernel was asked.
    fn gather(&mut self, pause: Duration, questions: &mut Questions<'_>) -> io::Result<()> {
        let mut pause = pause;
        let asked_at = loop {
            let mut ready = std::mem::take(&mut self.ready);
            ready.clear();
            let before = self.input.clock.elapsed();
            let more = self.sockets.wait(pause, &mut ready)?;
            let now = self.input.clock.elapsed();
            for id in &ready {
                self.fetch(*id, now, questions);
            }
            self.ready = ready;
            // The last look does not wait: what it does not find was not there when it began.
            if !more && pause.is_zero() {
                break before;
            }
            pause = Duration::ZERO;
        };
        while let Some(Reverse((deadline, id))) = self.deadlines.peek().copied() {
            if deadline > asked_at {
                break;
            }
            self.deadlines.pop();
            let place = self.flights.get_mut(id as usize);
            if let Some(flight) = place.and_then(|f| f.take_if(|f| f.deadline == deadline)) {
                let verdict = self.sockets.last_look(id);
                self.sockets.release(id);
                self.over(&flight, &verdict, asked_at, questions);
            }
        }
        Ok(())
    }

    fn fetch(&mut self, id: u32, now: Duration, questions: &mut Questions<'_>) {
        let Some(flight) = self.flights.get(id as usize).copied().flatten() else { return };
        let verdict = self.sockets.verdict(id);
        if matches!(verdict, Verdict::Pending) {
            return;
        }
        if let Some(place) = self.flights.get_mut(id as usize) {
            *place = None;
        }
        self.sockets.release(id);
        self.over(&flight, &verdict, now, questions);
    }

    /// The kernel has an answer, or an error that stands for silence.
    fn over(&mut self, flight: &Flight, verdict: &Verdict, now: Duration, questions: &mut Questions<'_>) {
        let question = flight.question;
        let v6 = self.input.plan.targets.get(question.target as usize).is_some_and(|t| t.addr().is_ipv6());
        let Some(answer) = meaning(verdict, question.protocol, v6) else {
            return self.silent(flight, now, questions);
        };
        let rtt = now.saturating_sub(flight.sent);
        self.outcome.counters.replies += 1;
        self.answers.0 += 1;
        self.answers.1 += u64::from(question.tries > 0);
        let Some(host) = self.hosts.get_mut(question.target as usize) else { return };
        self.window.answered(host.rtt.queued(rtt), rtt, now);
        host.rtt.sample(rtt);
        self.rtt.sample(rtt);
        if answer.from_host && host.alive.is_none() {
            host.alive = Some(answer.reason);
        }
        self.done(&question, answer, Some(rtt));
    }

    /// No answer in time: ask again, or count the silence.
    fn silent(&mut self, flight: &Flight, now: Duration, questions: &mut Questions<'_>) {
        let mut question = flight.question;
        let expected = self.hosts.get(question.target as usize).is_some_and(Host::refuses_reliably);
        self.window.silent(expected && question.protocol == Protocol::Tcp, flight.wait, now);
        if question.tries < self.input.plan.profile.retries {
            question.tries += 1;
            questions.again(question);
            return;
        }
        self.done(&question, Answer::silence(question.protocol), None);
    }

    fn done(&mut self, question: &Question, answer: Answer, rtt: Option<Duration>) {
        if self.discovery {
            return;
        }
        if let Some(host) = self.hosts.get_mut(question.target as usize) {
            host.record(question.protocol, question.port, answer, rtt);
            self.outcome.coverage.done += 1;
        }
    }

    fn housekeeping(&mut self, now: Duration) {
        if now < self.next_housekeeping {
            return;
        }
        self.next_housekeeping = now + HOUSEKEEPING;
        // A shortage of descriptors may have passed.
        self.window.widen(self.width);
        self.progress();
    }

    fn progress(&self) {
        let short = self.pause_until > self.input.clock.elapsed();
        let waiting = if short { ", waiting for sockets" } else { "" };
        let facts = format!("{} replies{waiting}", self.outcome.counters.replies);
        self.input.progress.update("scan", self.outcome.coverage.done, &facts);
    }

    fn notes(&mut self) {
        self.outcome.notes.push(format!("{} connections in flight at most", self.widest));
        let (answers, repeated) = self.answers;
        if repeated > 0 {
            let share = repeated as f64 * 100.0 / answers.max(1) as f64;
            self.outcome
                .notes
                .push(format!("{repeated} of {answers} answers came to a repeated question ({share:.1} %)"));
        }
        if self.shortages > 0 {
            self.outcome.notes.push(format!(
                "this machine ran out of sockets or ports {} times; what could not be asked was asked again later",
                self.shortages
            ));
        }
        if self.waited {
            let patience = DOWN.as_secs();
            self.outcome.notes.push(format!("targets without a route were asked again for up to {patience} s"));
        }
        if self.window.shrunk > 0 {
            self.outcome
                .notes
                .push(format!("slowed down {} times, where answers came late or failed to come", self.window.shrunk));
        }
        let silent: u64 = self.hosts.iter().map(|h| u64::from(h.count(PortState::Filtered))).sum();
        if silent > 0 {
            let tries = u32::from(self.input.plan.profile.retries) + 1;
            self.outcome
                .notes
                .push(format!("{silent} TCP ports stayed silent or were forbidden, up to {tries} tries each"));
        }
    }
}

/// Descriptors that this process may hold, once the soft limit is raised to the hard one.
pub fn descriptors() -> Option<usize> {
    raise_descriptors()
}

/// The ports that a ping of connect mode asks.
fn ping(ping: &Ping) -> Vec<(Protocol, u16)> {
    match ping {
        Ping::Icmp | Ping::Timestamp | Ping::TcpAck(_) => Vec::new(),
        Ping::Tcp(ports) => ports.iter().map(|p| (Protocol::Tcp, p)).collect(),
        Ping::Udp(ports) => ports.iter().map(|p| (Protocol::Udp, p)).collect(),
    }
}
