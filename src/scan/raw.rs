//! Raw mode: the engine over a link, interface by interface. Every frame passes the gate and is counted in the ledger.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use super::engine::{Aim, Engine, Next};
use super::gate::{Gate, Pass, Refusal};
use super::ledger::Entry;
use super::link::Link;
use super::link::datalink::{DataLink, facts};
use super::link::route::Route;
use super::observation::{HostObservation, NotScanned, ProbeKind};
use super::outcome::ScanOutcome;
use super::wire::{Ends, Hardware, Reply, Unread, ask_neighbour, read};
use super::{ScanInput, reason};
use crate::base::progress::StopWish;
use crate::plan::cost::NEIGHBOUR_TRIES;

/// Target-port pairs held in memory at once; larger plans go in parts.
const PAIRS_AT_ONCE: usize = 4_000_000;
/// How long a neighbour has to answer.
const NEIGHBOUR_WAIT: Duration = Duration::from_millis(500);
/// How long to go on listening after a gentle stop.
const LAST_REPLIES: Duration = Duration::from_millis(500);
/// Longest sleep of the loop, so that the wish to stop is seen.
const LONGEST_SLEEP: Duration = Duration::from_millis(50);
/// Tries of one frame while the system says that its buffers are full.
const SEND_TRIES: u32 = 50;

/// Scans all targets that have a route.
pub(super) fn scan(input: &ScanInput<'_>, routes: &BTreeMap<IpAddr, Route>, outcome: &mut ScanOutcome) {
    let mut by_interface: BTreeMap<u32, Vec<(u32, Route)>> = BTreeMap::new();
    for (i, target) in input.plan.targets.iter().enumerate() {
        let i = i as u32;
        if input.finished.contains(&i) {
            continue;
        }
        match routes.get(&target.addr()) {
            Some(route) => by_interface.entry(route.interface).or_default().push((i, *route)),
            None => outcome.not_scanned.push(NotScanned { target: i, reason: reason("no route") }),
        }
    }
    input.progress.start("scan", outcome.coverage.planned);
    for (interface, targets) in by_interface {
        let opened = facts(interface)
            .and_then(|f| f.hardware)
            .ok_or_else(|| std::io::Error::other("it has no hardware address"))
            .and_then(|own| DataLink::open(interface).map(|link| (own, link)));
        match opened {
            Ok((own, mut link)) => run(input, &mut link, own, &targets, outcome),
            Err(error) => {
                outcome.errors.push(format!("interface {interface}: {error}"));
                let why = reason("its interface could not be opened");
                outcome.not_scanned.extend(targets.iter().map(|(t, _)| NotScanned { target: *t, reason: why.clone() }));
            }
        }
    }
    input.progress.finish("scan");
}

/// Scans the targets of one link, in parts that fit in memory.
fn run(input: &ScanInput<'_>, link: &mut dyn Link, own: Hardware, targets: &[(u32, Route)], outcome: &mut ScanOutcome) {
    let mut gateways: Vec<IpAddr> = targets.iter().filter_map(|(_, r)| r.gateway).collect();
    gateways.sort();
    gateways.dedup();
    let gate =
        Gate::new(input.plan.targets.iter(), input.plan.exclusions.clone(), gateways).with_leases(input.leases.clone());
    let ports = (input.plan.probes.tcp.len() + input.plan.probes.udp.len()).max(1) as usize;
    for part in targets.chunks((PAIRS_AT_ONCE / ports).max(1)) {
        let mut work = Part { input, link: &mut *link, gate: &gate, own, outcome: &mut *outcome };
        work.scan(part);
        if input.stop.wish() != StopWish::None {
            return;
        }
    }
}

/// One part of the targets on one link.
struct Part<'a, 'b> {
    input: &'a ScanInput<'b>,
    link: &'a mut dyn Link,
    gate: &'a Gate,
    own: Hardware,
    outcome: &'a mut ScanOutcome,
}

impl Part<'_, '_> {
    fn scan(&mut self, targets: &[(u32, Route)]) {
        let neighbours = self.neighbours(targets);
        let mut aims = Vec::new();
        for (i, route) in targets {
            let Some(target) = self.input.plan.targets.get(*i as usize) else { continue };
            let Some(next_hop) = neighbours.get(&route.next_hop(target.addr())).copied() else {
                let why = if route.gateway.is_some() { "its gateway does not answer" } else { "no such neighbour" };
                self.outcome.not_scanned.push(NotScanned { target: *i, reason: reason(why) });
                continue;
            };
            self.outcome.sources.push(route.source);
            let ends = Ends { source: route.source, destination: target.addr(), source_hardware: self.own, next_hop };
            aims.push(Aim { target: *i, ends, rate: self.input.plan.rates.get(i).copied() });
        }
        let tcp: Vec<u16> = self.input.plan.probes.tcp.iter().collect();
        let udp: Vec<u16> = self.input.plan.probes.udp.iter().collect();
        let mut engine = Engine::new(aims, &tcp, &udp, &self.input.plan.profile, self.input.seed);
        self.drive(&mut engine);
        self.collect(&engine);
    }

    /// The loop: send what is due, take in what arrives, end when the engine is done or somebody wants to stop.
    fn drive(&mut self, engine: &mut Engine) {
        let before = self.outcome.coverage.done;
        let mut last_replies: Option<Duration> = None;
        let mut shown = Duration::ZERO;
        loop {
            let now = self.input.clock.elapsed();
            match self.input.stop.wish() {
                StopWish::Now => return,
                StopWish::Gently => {
                    let until = *last_replies.get_or_insert(now + LAST_REPLIES);
                    if now >= until || !self.take_in(engine, until - now) {
                        return;
                    }
                    continue;
                }
                StopWish::None => {}
            }
            if now.saturating_sub(shown) >= Duration::from_millis(100) {
                shown = now;
                let facts = format!("{} replies", engine.counters.replies);
                self.input.progress.update("scan", before + engine.done(), &facts);
            }
            let wait = match engine.next(now) {
                Next::Done => return,
                Next::Send(shot) => {
                    let entry = Entry {
                        warrant: shot.target,
                        destination: shot.destination,
                        port: shot.port,
                        probe: shot.kind,
                    };
                    if !self.send(&shot.frame, Some(entry)) {
                        return;
                    }
                    Duration::ZERO
                }
                Next::Wait(until) => until.saturating_sub(now).min(LONGEST_SLEEP),
            };
            if !self.take_in(engine, wait) {
                return;
            }
        }
    }

    /// Hands arrived frames to the engine; false where the link is gone.
    fn take_in(&mut self, engine: &mut Engine, wait: Duration) -> bool {
        let frames = match self.link.receive(wait) {
            Ok(frames) => frames,
            Err(error) => return self.link_lost(&error),
        };
        let now = self.input.clock.elapsed();
        for frame in frames {
            if frame.len() > self.input.limits.frame_bytes {
                self.outcome.counters.malformed += 1;
                continue;
            }
            match read(&frame) {
                Ok(reply) => engine.reply(&reply, now),
                Err(Unread::Malformed) => self.outcome.counters.malformed += 1,
                Err(Unread::Foreign) => {}
            }
        }
        true
    }

    fn link_lost(&mut self, error: &std::io::Error) -> bool {
        self.outcome.errors.push(format!("the link was lost: {error}; what was known is kept"));
        false
    }

    /// Sends one frame through the gate; false where the link is gone. A frame without an entry is upkeep.
    fn send(&mut self, frame: &[u8], entry: Option<Entry>) -> bool {
        match (self.gate.frame(frame, self.input.clock.now()), entry) {
            (Ok(Pass::Warrant(addr)), Some(entry)) if addr == entry.destination => {}
            (Ok(Pass::Upkeep), None) => {}
            // An address that is no longer ours is no bug of ours: the probe is dropped.
            (Err(Refusal::NoLease(_)), _) => return true,
            (refusal, _) => {
                self.outcome.counters.refused += 1;
                let text = format!("the gate refused a frame: {refusal:?}");
                if !self.outcome.errors.contains(&text) && self.outcome.errors.len() < 20 {
                    self.outcome.errors.push(text);
                }
                return true;
            }
        }
        for _ in 0..SEND_TRIES {
            match self.link.send(frame) {
                Ok(()) => {
                    self.outcome.counters.sent += 1;
                    match entry {
                        Some(entry) => self.outcome.ledger.count(entry),
                        None => self.outcome.ledger.upkeep += 1,
                    }
                    return true;
                }
                // The queue is full (ENOBUFS is 105 on Linux): let it drain.
                Err(error) if error.raw_os_error() == Some(105) || error.kind() == std::io::ErrorKind::WouldBlock => {
                    if let Err(error) = self.link.receive(Duration::from_millis(2)) {
                        return self.link_lost(&error);
                    }
                }
                Err(error) => return self.link_lost(&error),
            }
        }
        self.outcome.counters.send_errors += 1;
        true
    }

    /// Hardware addresses of all next hops, asked for on the link.
    fn neighbours(&mut self, targets: &[(u32, Route)]) -> HashMap<IpAddr, Hardware> {
        let mut open: BTreeMap<IpAddr, (IpAddr, Option<u32>)> = BTreeMap::new();
        for (i, route) in targets {
            let Some(target) = self.input.plan.targets.get(*i as usize) else { continue };
            let warrant = route.gateway.is_none().then_some(*i);
            open.insert(route.next_hop(target.addr()), (route.source, warrant));
        }
        let mut found = HashMap::new();
        for _ in 0..NEIGHBOUR_TRIES {
            for (asked, (source, warrant)) in &open {
                let Some(frame) = ask_neighbour(*source, self.own, *asked) else { continue };
                let entry =
                    warrant.map(|w| Entry { warrant: w, destination: *asked, port: 0, probe: ProbeKind::Neighbour });
                if !self.send(&frame, entry) || self.input.stop.wish() != StopWish::None {
                    return found;
                }
            }
            let until = self.input.clock.elapsed() + NEIGHBOUR_WAIT;
            while !open.is_empty() && self.input.clock.elapsed() < until {
                let Ok(frames) = self.link.receive(LONGEST_SLEEP) else { return found };
                for frame in frames {
                    if let Ok(Reply::Neighbour { addr, hardware }) = read(&frame)
                        && open.remove(&addr).is_some()
                    {
                        found.insert(addr, hardware);
                    }
                }
            }
            if open.is_empty() {
                break;
            }
        }
        found
    }

    fn collect(&mut self, engine: &Engine) {
        let counters = &mut self.outcome.counters;
        counters.replies += engine.counters.replies;
        counters.duplicates += engine.counters.duplicates;
        counters.strangers += engine.counters.strangers;
        self.outcome.coverage.done += engine.done();
        let (now, elapsed) = (self.input.clock.now(), self.input.clock.elapsed());
        let wall = |at: Duration| now.checked_sub(elapsed.saturating_sub(at)).unwrap_or(now);
        for known in engine.results() {
            if let Some(why) = known.cut {
                self.outcome.not_scanned.push(NotScanned { target: known.target, reason: reason(why) });
            }
            self.outcome.hosts.push(HostObservation {
                target: known.target,
                addr: known.addr,
                state: known.state,
                ports: known.ports,
                counts: known.counts,
                span: Some((wall(known.sent.0), wall(known.sent.1))),
            });
        }
    }
}
