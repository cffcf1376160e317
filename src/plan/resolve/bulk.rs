//! Many names at once: own datagrams to several servers, thousands in flight over few sockets.
//!
//! Each server has lanes; a lane is one socket with its own random port, renewed now and then, that only this server can
//! answer to. An id is drawn at random for each question, and the case of the letters is; a reply counts where all of
//! it agrees (RFC 5452). What does not fit comes again over TCP. A server that falls silent is asked less, and its
//! questions go to the others.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{sleep, timeout};

use super::Answer;
use super::message::{self, ALIASES, Reading, Reply};
use super::server::Server;
use crate::base::clock::{Clock, SystemClock};
use crate::base::progress::{Progress, Stop, StopWish};

/// Questions of one socket at once.
const LANE: usize = 64;
/// Questions after which a socket is replaced by one with another port.
const SOCKET_LIFE: usize = 4_096;
/// Tries of one question, over all servers.
const TRIES: u8 = 5;
/// Answers over TCP fetched at once.
const STREAMS: usize = 16;
/// How often an idle lane looks for work.
const IDLE: Duration = Duration::from_millis(5);
/// After so many silent tries in a row, and so many times a name's time, nobody is there.
const SILENT_TRIES: u32 = 64;
const NOT_FETCHED: &str = "its answer does not fit, and could not be fetched over TCP";
/// Names between two notes of progress.
const NOTE_EACH: usize = 256;

/// What is asked and how.
#[derive(Debug)]
pub(super) struct Bulk<'a> {
    pub(super) names: &'a [Arc<str>],
    pub(super) servers: Vec<SocketAddr>,
    /// Questions in flight to one server.
    pub(super) in_flight: usize,
    /// Time for one name, all tries together.
    pub(super) timeout: Duration,
    pub(super) addresses_per_name: usize,
    /// IPv6 addresses too.
    pub(super) ipv6: bool,
    /// Who is named where nobody answered.
    pub(super) label: Arc<str>,
}

/// One question on its way to an answer.
#[derive(Debug, Clone)]
struct Question {
    index: usize,
    /// The name, or what it is an alias of.
    name: Name,
    kind: RecordType,
    aliases: u8,
    tries: u8,
    /// Servers asked, bit by bit.
    asked: u64,
    started: Duration,
    found: Vec<IpAddr>,
    by: Vec<usize>,
    trouble: &'static str,
    /// Without mixed case: the server does not keep it, and speaks no TCP.
    plain: bool,
}

/// A question in flight.
struct Flight {
    question: Question,
    sent_name: Name,
    bytes: Vec<u8>,
    extended: bool,
    sent: Duration,
    wait: Duration,
}

struct State<'a> {
    bulk: &'a Bulk<'a>,
    stop: &'a Stop,
    progress: &'a dyn Progress,
    clock: SystemClock,
    servers: Vec<Server>,
    next: usize,
    again: VecDeque<Question>,
    /// Server, question, and whether it is for the case of letters.
    streams: VecDeque<(usize, Question, bool)>,
    answers: Vec<Option<Answer>>,
    done: usize,
    chance: RandomState,
    drawn: u64,
    silent_tries: u32,
    last_answer: Duration,
}

/// Resolves all names; one answer each, in order.
pub(super) async fn resolve(bulk: &Bulk<'_>, progress: &dyn Progress, stop: &Stop) -> io::Result<Vec<Answer>> {
    let state = RefCell::new(State {
        bulk,
        stop,
        progress,
        clock: SystemClock::default(),
        servers: bulk.servers.iter().take(64).map(|at| Server::new(*at, bulk.in_flight)).collect(),
        next: 0,
        again: VecDeque::new(),
        streams: VecDeque::new(),
        answers: vec![None; bulk.names.len()],
        done: 0,
        chance: RandomState::new(),
        drawn: 0,
        silent_tries: 0,
        last_answer: Duration::ZERO,
    });
    run(&state).await?;
    let mut state = state.into_inner();
    for index in 0..bulk.names.len() {
        state.finish_unasked(index, "interrupted");
    }
    Ok(state.answers.into_iter().flatten().collect())
}

/// Runs all lanes to their end.
async fn run(state: &RefCell<State<'_>>) -> io::Result<()> {
    let (servers, in_flight) = (state.borrow().servers.len(), state.borrow().bulk.in_flight);
    let lanes = (0..servers).flat_map(|s| (0..in_flight.div_ceil(LANE).max(1)).map(move |_| s));
    let mut running: FuturesUnordered<_> = lanes.map(|server| Lane::run(state, server)).collect();
    let mut streams = std::pin::pin!(streams(state));
    loop {
        tokio::select! {
            ended = running.next() => match ended {
                Some(ended) => ended?,
                None => break,
            },
            () = &mut streams => break,
        }
    }
    Ok(())
}

impl State<'_> {
    fn over(&self) -> bool {
        self.done == self.answers.len() || self.stop.wish() == StopWish::Now
    }

    fn draw(&mut self) -> u64 {
        self.drawn += 1;
        // SipHash under a key from the system's source of randomness.
        self.chance.hash_one(self.drawn)
    }

    /// The next question for a server: one that others left unanswered, else a new name.
    fn take(&mut self, server: usize) -> Option<Question> {
        let all = if self.servers.len() >= 64 { u64::MAX } else { (1 << self.servers.len()) - 1 };
        let bit = 1 << (server % 64);
        // Whoever has asked all servers may ask any of them again.
        let fits = |q: &Question| q.asked & bit == 0 || q.asked & all == all;
        if let Some(place) = self.again.iter().take(LANE).position(fits) {
            return self.again.remove(place);
        }
        while self.stop.wish() == StopWish::None {
            let index = self.next;
            let name = Arc::clone(self.bulk.names.get(index)?);
            self.next += 1;
            match full_name(&name) {
                Some(name) => {
                    return Some(Question {
                        index,
                        name,
                        kind: RecordType::A,
                        aliases: 0,
                        tries: 0,
                        asked: 0,
                        started: self.clock.elapsed(),
                        found: Vec::new(),
                        by: Vec::new(),
                        trouble: "timed out",
                        plain: false,
                    });
                }
                None => self.finish_unasked(index, "not a name of the DNS"),
            }
        }
        // The rest is answered at the end; what is in flight is waited for.
        for index in std::mem::replace(&mut self.next, self.bulk.names.len())..self.bulk.names.len() {
            self.finish_unasked(index, "interrupted");
        }
        None
    }

    fn finish_unasked(&mut self, index: usize, why: &str) {
        let (Some(place), Some(name)) = (self.answers.get_mut(index), self.bulk.names.get(index)) else { return };
        if place.is_none() {
            *place = Some(Answer {
                name: Arc::clone(name),
                addresses: Vec::new(),
                resolver: Arc::clone(&self.bulk.label),
                error: Some(why.into()),
            });
            self.done += 1;
        }
    }

    /// What a reply means for its question, which was asked with extended DNS or without.
    fn reply(&mut self, server: usize, mut question: Question, reply: Reply, extended: bool) {
        self.silent_tries = 0;
        self.last_answer = self.clock.elapsed();
        match reply {
            Reply::Addresses(found) => {
                question.found.extend(found);
                self.step(server, question, None);
            }
            Reply::NoAddresses => self.step(server, question, Some("no addresses")),
            Reply::NoName => self.finish(server, question, Some("no such name")),
            Reply::Alias(to) if question.aliases < ALIASES => {
                question.name = to;
                question.aliases += 1;
                question.tries = 0;
                question.asked = 0;
                self.again.push_back(question);
            }
            Reply::Alias(_) => self.finish(server, question, Some("its aliases lead in a circle")),
            Reply::Truncated => self.streams.push_back((server, question, false)),
            Reply::NoExtension if extended => {
                if let Some(server) = self.servers.get_mut(server) {
                    server.extended = false;
                }
                self.again.push_front(question);
            }
            Reply::NoExtension => self.failed(server, question, "format error"),
            Reply::Failed(why) => self.failed(server, question, why),
        }
    }

    /// From IPv4 to IPv6, or to the end.
    fn step(&mut self, server: usize, mut question: Question, error: Option<&'static str>) {
        if question.kind == RecordType::A && self.bulk.ipv6 {
            question.kind = RecordType::AAAA;
            question.by.push(server);
            question.tries = 0;
            question.asked = 0;
            question.aliases = 0;
            if let Some(name) = self.bulk.names.get(question.index).and_then(|n| full_name(n)) {
                question.name = name;
            }
            self.again.push_back(question);
            return;
        }
        let error = if question.found.is_empty() { error } else { None };
        self.finish(server, question, error);
    }

    /// No use from this server: another try where one is left.
    fn failed(&mut self, server: usize, mut question: Question, why: &'static str) {
        question.asked |= 1 << (server % 64);
        question.trouble = why;
        question.tries += 1;
        let time = self.clock.elapsed().saturating_sub(question.started) < self.bulk.timeout;
        // A server's own word counts once from each server, silence and noise several times.
        let word = !matches!(why, "timed out" | "unreadable answer" | "no server at this address" | NOT_FETCHED);
        let asked_all = question.asked.count_ones() as usize >= self.servers.len().min(64);
        if time && question.tries < TRIES && !(word && asked_all) {
            self.again.push_back(question);
            return;
        }
        // Half an answer is told as one: what was found stands, and so does what was not read.
        if question.by.is_empty() { self.finish(server, question, Some(why)) } else { self.half(server, question, why) }
    }

    fn half(&mut self, server: usize, question: Question, why: &'static str) {
        let error = if question.found.is_empty() { why.to_owned() } else { format!("IPv6 addresses: {why}") };
        self.end(server, question, Some(error.into()));
    }

    fn finish(&mut self, server: usize, question: Question, error: Option<&'static str>) {
        self.end(server, question, error.map(Arc::from));
    }

    fn end(&mut self, server: usize, mut question: Question, error: Option<Arc<str>>) {
        question.by.push(server);
        question.by.sort_unstable();
        question.by.dedup();
        let silent = matches!(error.as_deref(), Some("timed out"));
        let resolver = match question.by.as_slice() {
            _ if silent => Arc::clone(&self.bulk.label),
            [one] => self.servers.get(*one).map_or_else(|| "".into(), |s| Arc::clone(&s.label)),
            several => several
                .iter()
                .filter_map(|s| self.servers.get(*s))
                .map(|s| &*s.label)
                .collect::<Vec<_>>()
                .join(", ")
                .into(),
        };
        let mut addresses: Vec<IpAddr> = question.found.iter().map(|a| a.to_canonical()).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(self.bulk.addresses_per_name);
        let (Some(place), Some(name)) = (self.answers.get_mut(question.index), self.bulk.names.get(question.index))
        else {
            return;
        };
        if place.is_none() {
            *place = Some(Answer { name: Arc::clone(name), addresses, resolver, error });
            self.done += 1;
            if self.done.is_multiple_of(NOTE_EACH) {
                self.progress.update("resolve", self.done as u64, "");
            }
        }
    }

    /// Silence. Where nobody has answered for long, nobody will: the rest is not asked one by one.
    fn silent(&mut self, server: usize, flight: Flight) {
        let now = self.clock.elapsed();
        if let Some(s) = self.servers.get_mut(server) {
            s.silent(flight.wait, now);
        }
        self.silent_tries += 1;
        let why = if flight.question.trouble == "unreadable answer" { "unreadable answer" } else { "timed out" };
        self.failed(server, flight.question, why);
        if self.silent_tries >= SILENT_TRIES && now.saturating_sub(self.last_answer) > self.bulk.timeout * 2 {
            while let Some(question) = self.again.pop_front() {
                self.finish(server, question, Some("timed out"));
            }
            for index in std::mem::replace(&mut self.next, self.bulk.names.len())..self.bulk.names.len() {
                self.finish_unasked(index, "timed out");
            }
        }
    }
}

/// A name with its root, so that no search domain is added.
fn full_name(name: &str) -> Option<Name> {
    let mut full = Name::from_utf8(name.trim_end_matches('.')).ok()?;
    full.set_fqdn(true);
    (!full.is_root()).then_some(full)
}

/// One socket to one server.
struct Lane<'s, 'a> {
    state: &'s RefCell<State<'a>>,
    server: usize,
    socket: UdpSocket,
    asked: usize,
    flights: HashMap<u16, Flight>,
}

impl<'s, 'a> Lane<'s, 'a> {
    async fn run(state: &'s RefCell<State<'a>>, server: usize) -> io::Result<()> {
        let Some(at) = state.borrow().servers.get(server).map(|s| s.at) else { return Ok(()) };
        let mut lane = Self { state, server, socket: socket(at).await?, asked: 0, flights: HashMap::new() };
        let mut buffer = vec![0; 4_096];
        loop {
            if state.borrow().over() {
                return Ok(());
            }
            if lane.asked >= SOCKET_LIFE && lane.flights.is_empty() {
                lane.socket = socket(at).await?;
                lane.asked = 0;
            }
            lane.fill();
            if lane.flights.is_empty() {
                sleep(IDLE).await;
                continue;
            }
            let pause = lane.pause();
            // Answers are read before anything is given up: this machine's own delay is no server's silence.
            let arrived = timeout(pause, lane.socket.readable()).await.is_ok();
            lane.receive(&mut buffer);
            if !arrived {
                lane.expire();
            }
        }
    }

    fn fill(&mut self) {
        while self.flights.len() < LANE && self.asked < SOCKET_LIFE {
            let mut state = self.state.borrow_mut();
            if !state.servers.get(self.server).is_some_and(Server::has_room) {
                return;
            }
            let Some(question) = state.take(self.server) else { return };
            let mut id = state.draw();
            while self.flights.contains_key(&(id as u16)) {
                id = state.draw();
            }
            let bits = state.draw();
            let (id, at_most) = (id as u16, state.bulk.timeout);
            let now = state.clock.elapsed();
            let Some(server) = state.servers.get_mut(self.server) else { return };
            let mixed = server.keeps_case() && !question.plain;
            let extended = server.extended;
            let sent_name = if mixed { message::with_case(&question.name, bits) } else { question.name.clone() };
            let Some(bytes) = message::question(id, &sent_name, question.kind, extended) else {
                state.finish(self.server, question, Some("not a name of the DNS"));
                continue;
            };
            let (extended, wait) = (server.extended, server.wait(question.tries, at_most));
            match self.socket.try_send(&bytes) {
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::OutOfMemory) => {
                    state.again.push_front(question);
                    return;
                }
                // An earlier datagram was refused, or no route leads there; the question counts as asked.
                Err(_) => {
                    server.silent(wait, now);
                    state.failed(self.server, question, "no server at this address");
                    continue;
                }
            }
            server.busy += 1;
            self.asked += 1;
            self.flights.insert(id, Flight { question, sent_name, bytes, extended, sent: now, wait });
        }
    }

    /// Until the first question's time is up, at most so long that a wish to stop is seen.
    fn pause(&self) -> Duration {
        let now = self.state.borrow().clock.elapsed();
        let first = self.flights.values().map(|f| f.sent + f.wait).min().unwrap_or(now);
        first.saturating_sub(now).clamp(Duration::from_millis(1), Duration::from_millis(50))
    }

    fn receive(&mut self, buffer: &mut [u8]) {
        loop {
            match self.socket.try_recv(buffer) {
                Ok(length) => self.message(buffer.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    // ICMP says that nothing listens there; which question it was for, it does not.
                    let first = self.flights.iter().min_by_key(|(_, f)| f.sent).map(|(id, _)| *id);
                    if let Some(flight) = first.and_then(|id| self.land(id)) {
                        let mut state = self.state.borrow_mut();
                        let now = state.clock.elapsed();
                        if let Some(server) = state.servers.get_mut(self.server) {
                            server.silent(flight.wait, now);
                        }
                        state.failed(self.server, flight.question, "no server at this address");
                    }
                }
                Err(_) => return,
            }
        }
    }

    fn land(&mut self, id: u16) -> Option<Flight> {
        let flight = self.flights.remove(&id)?;
        if let Some(server) = self.state.borrow_mut().servers.get_mut(self.server) {
            server.busy = server.busy.saturating_sub(1);
        }
        Some(flight)
    }

    fn message(&mut self, bytes: &[u8]) {
        let Some(id) = message::id(bytes) else { return };
        let Some(flight) = self.flights.get_mut(&id) else { return };
        let reading = message::read(bytes, &flight.bytes, &flight.sent_name, flight.question.kind);
        match reading {
            Reading::Stranger => {}
            // The true one may still come.
            Reading::Unreadable => flight.question.trouble = "unreadable answer",
            Reading::OtherCase | Reading::Reply(_) => {
                let Some(flight) = self.land(id) else { return };
                let mut state = self.state.borrow_mut();
                let took = state.clock.elapsed().saturating_sub(flight.sent);
                if let Some(server) = state.servers.get_mut(self.server) {
                    server.answered(took);
                }
                match reading {
                    Reading::Reply(reply) => state.reply(self.server, flight.question, reply, flight.extended),
                    // A stream cannot be forged from elsewhere: it tells a careless server from a guess.
                    _ => state.streams.push_back((self.server, flight.question, true)),
                }
            }
        }
    }

    fn expire(&mut self) {
        let now = self.state.borrow().clock.elapsed();
        let late: Vec<u16> = self.flights.iter().filter(|(_, f)| f.sent + f.wait <= now).map(|(id, _)| *id).collect();
        for id in late {
            if let Some(flight) = self.land(id) {
                self.state.borrow_mut().silent(self.server, flight);
            }
        }
    }
}

/// A socket with a port of the kernel's choice, which is random, that only the server can send to.
async fn socket(server: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.writable().await?;
    Ok(socket)
}

/// Fetches over TCP what did not fit, or what came in another case. Never ends by itself.
async fn streams(state: &RefCell<State<'_>>) {
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < STREAMS {
            let Some((server, question, case)) = state.borrow_mut().streams.pop_front() else { break };
            running.push(stream(state, server, question, case));
        }
        if running.is_empty() {
            sleep(IDLE).await;
        } else {
            // New ones are started without waiting for the slowest.
            let _ = timeout(IDLE, running.next()).await;
        }
    }
}

/// One question over TCP. RFC 7766.
async fn stream(state: &RefCell<State<'_>>, server: usize, mut question: Question, case: bool) {
    let (at, id, extended, left) = {
        let mut state = state.borrow_mut();
        let left = state.bulk.timeout.saturating_sub(state.clock.elapsed().saturating_sub(question.started));
        let id = state.draw() as u16;
        let Some(server) = state.servers.get(server) else { return };
        (server.at, id, server.extended, left)
    };
    let name = question.name.clone();
    let reading = match message::question(id, &name, question.kind, extended) {
        Some(query) => match timeout(left, exchange(at, &query)).await {
            Ok(Ok(reply)) => Some(message::read(&reply, &query, &name, question.kind)),
            _ => None,
        },
        None => None,
    };
    let mut state = state.borrow_mut();
    if case && let Some(server) = state.servers.get_mut(server) {
        server.lost_case();
    }
    match reading {
        Some(Reading::Reply(reply)) if reply != Reply::Truncated => state.reply(server, question, reply, extended),
        _ => {
            question.plain = true;
            state.failed(server, question, NOT_FETCHED);
        }
    }
}

async fn exchange(at: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(at).await?;
    let length = u16::try_from(query.len()).map_err(io::Error::other)?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(query);
    stream.write_all(&framed).await?;
    let length = stream.read_u16().await?;
    let mut reply = vec![0; length.into()];
    stream.read_exact(&mut reply).await?;
    Ok(reply)
}
