//! Raw mode: the engine over a link, interface by interface. Every frame passes the gate and is counted in the ledger.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::IpAddr;

use super::answer::Ports;
use super::checkpoint::{Kept, plan_key};
use super::drive::{Sender, drive};
use super::engine::{Engine, Setup};
use super::gate::Gate;
use super::hosts::{Aim, every_note, saved_note};
use super::link::datalink::{DataLink, facts};
use super::link::packet::PacketLink;
use super::link::route::Route;
use super::link::{Link, Purpose};
use super::neighbour::{Wanted, neighbours};
use super::observation::{HostObservation, NotScanned};
use super::outcome::ScanOutcome;
use super::preflight::Chosen;
use super::recall::{Recall, Tally};
use super::reroute::RouteWatch;
use super::study::{Leftover, Study};
use super::wire::Hardware;
use super::{ScanInput, reason};
use crate::base::progress::StopWish;

/// Scans all targets that have a route. Links and hosts stay for a study, where there is to be one.
pub(super) fn scan(input: &ScanInput<'_>, chosen: &Chosen, outcome: &mut ScanOutcome, mut study: Option<&mut Study>) {
    let (mut kept, mut earlier) = resume(input, outcome);
    let mut by_interface: BTreeMap<u32, Vec<(u32, Route)>> = BTreeMap::new();
    let finished = if outcome.whole { &[] } else { input.finished };
    let finished: HashSet<u32> = finished.iter().chain(input.elsewhere).copied().collect();
    for (i, target) in input.plan.targets.iter().enumerate() {
        let i = i as u32;
        if finished.contains(&i) {
            continue;
        }
        match chosen.routes.get(&target.addr()) {
            Some(route) => by_interface.entry(route.interface).or_default().push((i, *route)),
            None => outcome.not_scanned.push(NotScanned { target: i, reason: reason("no route") }),
        }
    }
    input.progress.start("scan", outcome.coverage.planned);
    let mut tally = Measured::default();
    for (interface, targets) in by_interface {
        if input.stop.wish() != StopWish::None {
            break;
        }
        match open(interface, chosen.ports, outcome) {
            Ok((own, mut link)) => {
                let work = Work { input, own, targets: &targets, ports: chosen.ports, watch: true };
                let left = work.scan(link.as_mut(), outcome, &mut tally, (&mut kept, earlier.pop_front()));
                match &mut study {
                    Some(study) => study.add(link, left),
                    // Closing waits until no core uses the socket any more; nobody has to wait for that.
                    None => drop(std::thread::spawn(move || drop(link))),
                }
            }
            Err(error) => {
                outcome.errors.push(format!("interface {interface}: {error}"));
                let why = reason("its interface could not be opened");
                outcome.not_scanned.extend(targets.iter().map(|(t, _)| NotScanned { target: *t, reason: why.clone() }));
            }
        }
    }
    let recall = tally.recall(input);
    outcome.notes.push(recall.describe());
    outcome.recall = Some(recall);
    input.progress.finish("scan");
}

/// The checkpoint of an earlier part, and the engines in it.
pub(super) fn resume(input: &ScanInput<'_>, outcome: &mut ScanOutcome) -> (Kept, VecDeque<Vec<u8>>) {
    let plan = plan_key(&input.plan.hash, input.seed);
    let fresh = Kept { plan, started: outcome.started, ..Kept::default() };
    let Some(bytes) = input.keep.and_then(|k| k.kept()) else { return (fresh, VecDeque::new()) };
    let Some(mut kept) = Kept::from_bytes(&bytes, plan) else {
        outcome.notes.push("the checkpoint is of another plan or damaged; what it covers is scanned anew".into());
        return (fresh, VecDeque::new());
    };
    outcome.notes.push(format!("resumed from the checkpoint of {}", kept.at));
    outcome.whole = true;
    outcome.coverage.planned = outcome.coverage.planned_of(input);
    outcome.started = kept.started;
    outcome.counters.sent = kept.sent;
    outcome.ledger = std::mem::take(&mut kept.ledger);
    let engines = std::mem::take(&mut kept.engines);
    (kept, engines.into())
}

/// The fastest backend that the interface has.
fn open(interface: u32, ports: Ports, outcome: &mut ScanOutcome) -> std::io::Result<(Hardware, Box<dyn Link + Send>)> {
    let own =
        facts(interface).and_then(|f| f.hardware).ok_or_else(|| std::io::Error::other("it has no hardware address"))?;
    let answers = outcome.coverage.planned;
    match PacketLink::open(interface, &Purpose { ports: ports.range(), answers }) {
        Ok(link) => {
            outcome.notes.push(
                "frames leave past the queueing discipline: a capture sees them where they arrive, not on this machine"
                    .into(),
            );
            Ok((own, Box::new(link)))
        }
        Err(error) => {
            outcome.notes.push(format!("the fast path is not to be had ({error}); frames leave one by one"));
            Ok((own, Box::new(DataLink::open(interface)?)))
        }
    }
}

/// What all links together have measured.
#[derive(Debug, Default)]
pub(super) struct Measured {
    tally: Tally,
    policed: u64,
    tries: u8,
}

impl Measured {
    pub(super) fn recall(&self, input: &ScanInput<'_>) -> Recall {
        Recall {
            at_least: self.tally.recall(self.tries),
            wanted: input.plan.profile.recall.map(|r| f64::from(r) / 100_000.0),
            tally: self.tally,
            policed: self.policed,
        }
    }
}

/// The targets of one link.
pub(super) struct Work<'a, 'b> {
    pub(super) input: &'a ScanInput<'b>,
    pub(super) own: Hardware,
    pub(super) targets: &'a [(u32, Route)],
    pub(super) ports: Ports,
    /// Whether the kernel's routes are watched for changes.
    pub(super) watch: bool,
}

impl Work<'_, '_> {
    pub(super) fn scan(
        &self,
        link: &mut dyn Link,
        outcome: &mut ScanOutcome,
        measured: &mut Measured,
        (kept, earlier): (&mut Kept, Option<Vec<u8>>),
    ) -> Leftover {
        let input = self.input;
        let mut gateways: Vec<IpAddr> = self.targets.iter().filter_map(|(_, r)| r.gateway).collect();
        gateways.sort();
        gateways.dedup();
        let gate = Gate::new(input.plan.targets.iter(), input.plan.exclusions.clone(), gateways)
            .with_leases(input.leases.clone());
        let mut sender = Sender::new(input, gate, outcome);
        let (aims, sources) = self.aims(link, &mut sender);
        let canaries = self.canaries(&aims);
        let tcp: Vec<u16> = input.plan.probes.tcp.iter().collect();
        let udp: Vec<u16> = input.plan.probes.udp.iter().collect();
        let setup = Setup {
            aims,
            sources,
            tcp: &tcp,
            udp: &udp,
            profile: &input.plan.profile,
            seed: input.seed,
            ports: self.ports,
            canaries,
        };
        let mut engine = Engine::new(setup);
        if let Some(earlier) = earlier
            && !engine.restore(&earlier, kept.at)
        {
            sender.outcome.notes.push("the targets of an interface have changed; they are scanned anew".into());
        }
        let interface = self.targets.first().map_or(0, |(_, route)| route.interface);
        let watch = RouteWatch::new(self.own, interface);
        std::thread::scope(|scope| {
            if self.watch {
                scope.spawn(|| watch.run(self.routes(), input.clock));
            }
            drive(&mut sender, link, &mut engine, kept, self.watch.then_some(&watch));
            watch.end();
        });
        if self.input.keep.is_some() {
            kept.engines.push(engine.save(engine.base));
        }
        let gate = sender.gate;
        self.collect(&mut engine, outcome, measured);
        leftover(engine, gate)
    }

    /// The routes by destination.
    fn routes(&self) -> impl Iterator<Item = (IpAddr, Route)> {
        let all = self.targets.iter();
        all.filter_map(|(t, route)| Some((self.input.plan.targets.get(*t as usize)?.addr(), *route)))
    }

    /// The targets whose next hop has a known hardware address, and our addresses.
    fn aims(&self, link: &mut dyn Link, sender: &mut Sender<'_, '_>) -> (Vec<Aim>, Vec<(IpAddr, Hardware)>) {
        let plan = self.input.plan;
        let mut wanted = Wanted::new();
        for (i, route) in self.targets {
            let Some(target) = plan.targets.get(*i as usize) else { continue };
            let warrant = route.gateway.is_none().then_some(*i);
            wanted.insert(route.next_hop(target.addr()), (route.source, warrant));
        }
        let hardware = neighbours(wanted, self.own, link, sender, &mut |_, _| {});
        let mut sources: Vec<(IpAddr, Hardware)> = Vec::new();
        let mut aims = Vec::new();
        for (i, route) in self.targets {
            let Some(target) = plan.targets.get(*i as usize) else { continue };
            let Some(next_hop) = hardware.get(&route.next_hop(target.addr())).copied() else {
                let why = if route.gateway.is_some() { "its gateway does not answer" } else { "no such neighbour" };
                sender.outcome.not_scanned.push(NotScanned { target: *i, reason: reason(why) });
                continue;
            };
            let known = sources.iter().position(|(a, _)| *a == route.source);
            let source = known.unwrap_or(sources.len()) as u16;
            if known.is_none() {
                sources.push((route.source, self.own));
                sender.outcome.sources.push(route.source);
            }
            let rate = plan.rates.get(i).copied();
            aims.push(Aim { target: *i, destination: target.addr(), next_hop, source, rate });
        }
        (aims, sources)
    }

    /// The plan's canaries that are reached over this link.
    fn canaries(&self, aims: &[Aim]) -> Vec<(u32, u16)> {
        let pairs = self.input.plan.canaries.iter().flat_map(|c| &c.pairs);
        let place = |target: u32| aims.iter().position(|a| a.target == target);
        pairs.filter_map(|(target, port)| Some((place(*target)? as u32, *port))).collect()
    }

    fn collect(&self, engine: &mut Engine, outcome: &mut ScanOutcome, measured: &mut Measured) {
        outcome.coverage.done += engine.done();
        engine.close();
        let counters = &mut outcome.counters;
        counters.replies += engine.counters.replies;
        counters.duplicates += engine.counters.duplicates;
        counters.strangers += engine.counters.strangers;
        counters.dropped += engine.counters.dropped;
        measured.tally.add(&engine.tally);
        measured.policed += engine.policed_pairs;
        measured.tries = engine.tries;
        let clock = self.input.clock;
        let (now, elapsed, before) = (clock.now(), engine.base, engine.before);
        let wall = |at: std::time::Duration| match before {
            Some((then, time)) if at <= time => then.checked_sub(time - at).unwrap_or(then),
            _ => now.checked_sub(elapsed.saturating_sub(at)).unwrap_or(now),
        };
        for known in engine.results(elapsed) {
            if let Some(why) = known.cut {
                outcome.not_scanned.push(NotScanned { target: known.target, reason: reason(why) });
            }
            if let Some(open) = known.every {
                let asked: u32 = known.counts.values().sum();
                let saved = (engine.asks.len() as u64).saturating_sub(u64::from(asked));
                outcome.every.insert(known.target, if known.cut.is_none() { saved } else { 0 });
                outcome.notes.push(every_note(known.addr, open));
            }
            if known.policed {
                outcome.notes.push(format!("{} answers only so often; it was asked more slowly", known.addr));
            }
            outcome.hosts.push(HostObservation {
                target: known.target,
                addr: known.addr,
                state: known.state,
                ports: known.ports,
                counts: known.counts,
                span: Some((wall(known.sent.0), wall(known.sent.1))),
            });
        }
        outcome.notes.extend(engine.canary_notes());
        if engine.auto.cuts > 0 {
            outcome.notes.push(format!(
                "the rate was cut {} times, to {:.0} packets a second at the end: the path carries no more",
                engine.auto.cuts,
                engine.auto.rate()
            ));
        }
        if engine.saved > 0 {
            outcome.notes.push(saved_note(engine.saved));
        }
        if engine.counters.dropped > 0 {
            let text = format!(
                "the kernel had no room for {} answers; what they were about was asked again",
                engine.counters.dropped
            );
            outcome.notes.push(text);
        }
        outcome.ledger.merge(std::mem::take(&mut engine.ledger));
    }
}

/// What a closer look at the hosts needs: those that are alive and were not given up, each with its lowest open port.
fn leftover(mut engine: Engine, gate: Gate) -> Leftover {
    let mut open: HashMap<u32, u16> = HashMap::new();
    for found in engine.open.iter().filter(|f| f.tcp) {
        let port = open.entry(found.host).or_insert(found.port);
        *port = found.port.min(*port);
    }
    let hosts = engine.aims.iter().zip(&engine.hosts).zip(0u32..);
    let hosts = hosts
        .filter(|((_, host), _)| host.alive.is_some() && host.cut.is_none())
        .map(|((aim, _), number)| (*aim, open.get(&number).copied()))
        .collect();
    let patience = engine.patience();
    let sources = std::mem::take(&mut engine.sources);
    Leftover { gate, sources, cookies: engine.cookies, hosts, patience, rate: engine.auto.rate() }
}
