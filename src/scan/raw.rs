//! Raw mode: the engine over a link, interface by interface. Every frame passes the gate and is counted in the ledger.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use super::ScanInput;
use super::answer::Ports;
use super::canary::left_out;
use super::checkpoint::{Earlier, Kept, REST};
use super::drive::{Sender, drive};
use super::engine::{Engine, Setup};
use super::gate::Gate;
use super::hosts::{Aim, Cut, every_note, saved_note};
use super::ledger::Ledger;
use super::link::datalink::{DataLink, facts};
use super::link::packet::PacketLink;
use super::link::route::Route;
use super::link::{Link, Purpose};
use super::neighbour::{Wanted, neighbours};
use super::observation::HostObservation;
use super::outcome::ScanOutcome;
use super::preflight::Chosen;
use super::recall::{Recall, Tally};
use super::reroute::RouteWatch;
use super::resume::{Part, parts, resume};
use super::study::{Leftover, Study};
use super::wire::Hardware;
use crate::base::beside::beside;
use crate::base::progress::StopWish;
use crate::plan::cost;

/// Opens a link by the number of its interface, and gives its hardware address with it.
pub(super) type Open<'a> = dyn FnMut(u32, &mut ScanOutcome) -> std::io::Result<(Hardware, Box<dyn Link + Send>)> + 'a;

/// How the targets are reached.
pub(super) struct Ways<'a> {
    pub(super) routes: &'a BTreeMap<IpAddr, Route>,
    pub(super) ports: Ports,
    /// Whether the kernel's routes are watched for changes.
    pub(super) watch: bool,
}

/// Scans all targets that have a route. Links and hosts stay for a study, where there is to be one.
pub(super) fn scan(input: &ScanInput<'_>, chosen: &Chosen, outcome: &mut ScanOutcome, study: Option<&mut Study>) {
    let ways = Ways { routes: &chosen.routes, ports: chosen.ports, watch: true };
    let pings = input.plan.targets.len() as u64 * cost::pings(&input.plan.profile);
    let purpose = Purpose { ports: chosen.ports.range(), answers: outcome.coverage.planned + pings };
    scan_over(input, &ways, &mut |interface, outcome| open(interface, &purpose, outcome), outcome, study);
}

/// The same over links that `open` opens.
pub(super) fn scan_over(
    input: &ScanInput<'_>,
    ways: &Ways<'_>,
    open: &mut Open<'_>,
    outcome: &mut ScanOutcome,
    mut study: Option<&mut Study>,
) {
    let (mut kept, engines) = resume(input, outcome);
    let by_interface = parts(input, ways.routes, engines, outcome);
    input.progress.start("scan", outcome.coverage.planned);
    let mut measured = Measured::default();
    // What left in the last moments before an end that nobody expected is not known.
    let rest_until = if outcome.whole { input.clock.elapsed() + REST } else { Duration::ZERO };
    for (interface, parts) in by_interface {
        let mut work =
            Work { input, own: Hardware::default(), ways, measured: &mut measured, kept: &mut kept, rest_until };
        let opened = match interface {
            _ if input.stop.wish() != StopWish::None => Err(None),
            Some(interface) => open(interface, outcome).map_err(|error| {
                outcome.errors.push(format!("interface {interface}: {error}"));
                Some(Cut::NoLink)
            }),
            None => Err(Some(Cut::NoRoute)),
        };
        let mut link = match opened {
            Ok((own, link)) => {
                work.own = own;
                link
            }
            Err(cut) => {
                parts.into_iter().for_each(|part| work.leave(part, cut, outcome));
                continue;
            }
        };
        let lefts: Vec<Leftover> = parts.into_iter().filter_map(|p| work.scan(link.as_mut(), p, outcome)).collect();
        match (&mut study, lefts.into_iter().reduce(Leftover::join)) {
            (Some(study), Some(left)) => study.add(link, left),
            // Closing waits until no core uses the socket any more; nobody has to wait for that.
            _ => drop(std::thread::spawn(move || drop(link))),
        }
    }
    if input.stop.wish() != StopWish::None {
        kept.keep(input, outcome);
    }
    let pairs = input.plan.canaries.iter().flat_map(|c| &c.pairs).filter(|pair| !measured.canaries.contains(pair));
    let name = |(target, port): &(u32, u16)| Some((input.plan.targets.get(*target as usize)?.addr(), *port));
    let unreached = pairs.filter_map(name).map(|(addr, port)| left_out(addr, port)).collect::<Vec<_>>();
    measured.tell(input, outcome);
    outcome.notes.extend(unreached);
    input.progress.finish("scan");
}

/// The fastest backend that the interface has.
fn open(
    interface: u32,
    purpose: &Purpose,
    outcome: &mut ScanOutcome,
) -> std::io::Result<(Hardware, Box<dyn Link + Send>)> {
    let own =
        facts(interface).and_then(|f| f.hardware).ok_or_else(|| std::io::Error::other("it has no hardware address"))?;
    match PacketLink::open(interface, purpose) {
        Ok(link) => {
            outcome.notes.push(
                "frames leave past the queueing discipline: a capture sees them where they arrive, not on this machine"
                    .into(),
            );
            Ok((own, Box::new(link)))
        }
        Err(error) => {
            outcome.notes.push(format!("the fast path is not to be had ({error}); frames leave one by one"));
            Ok((own, Box::new(DataLink::open(interface, purpose)?)))
        }
    }
}

/// What all engines together have measured.
#[derive(Debug, Default)]
struct Measured {
    tally: Tally,
    policed: u64,
    tries: u8,
    /// What the engines sent. It joins the outcome's ledger at the end: until then that one is what checkpoints hold of
    /// packets outside of the engines.
    ledger: Ledger,
    /// Canaries that an engine had.
    canaries: HashSet<(u32, u16)>,
}

impl Measured {
    fn tell(self, input: &ScanInput<'_>, outcome: &mut ScanOutcome) {
        let recall = Recall {
            at_least: self.tally.recall(self.tries),
            wanted: input.plan.profile.recall.map(|r| f64::from(r) / 100_000.0),
            tally: self.tally,
            policed: self.policed,
        };
        outcome.notes.push(recall.describe());
        outcome.recall = Some(recall);
        outcome.ledger.merge(self.ledger);
    }
}

/// The parts of one link.
struct Work<'a, 'b> {
    input: &'a ScanInput<'b>,
    own: Hardware,
    ways: &'a Ways<'a>,
    measured: &'a mut Measured,
    kept: &'a mut Kept,
    /// Nothing is sent before this moment of the clock.
    rest_until: Duration,
}

/// Who is reached from which of our addresses, and who is not.
#[derive(Default)]
struct Reached {
    aims: Vec<Aim>,
    sources: Vec<(IpAddr, Hardware)>,
    cut: Vec<(u32, Cut)>,
}

impl Work<'_, '_> {
    /// Scans a part; nothing is left where it was stopped before it began.
    fn scan(&mut self, link: &mut dyn Link, part: Part, outcome: &mut ScanOutcome) -> Option<Leftover> {
        let input = self.input;
        let mut gateways: Vec<IpAddr> = part.targets.iter().filter_map(|(_, r)| r.gateway).collect();
        gateways.sort();
        gateways.dedup();
        let gate = Gate::new(input.plan.targets.iter(), input.plan.exclusions.clone(), gateways)
            .with_leases(input.leases.clone());
        let mut sender = Sender::new(input, gate, outcome);
        let mut reached = self.reach(&part.targets, link, &mut sender);
        if input.stop.wish() != StopWish::None {
            // Whoever had no time to answer is not given up for it.
            self.leave(part, None, outcome);
            return None;
        }
        reached.cut.extend(part.cut);
        let mut engine = self.engine(part.earlier, reached, sender.outcome);
        let interface = part.targets.first().map_or(0, |(_, route)| route.interface);
        let watch = RouteWatch::new(self.own, interface);
        if self.ways.watch {
            let routes = part.targets.iter();
            let routes = routes.filter_map(|(t, r)| Some((input.plan.targets.get(*t as usize)?.addr(), *r)));
            let work = || drive(&mut sender, link, &mut engine, self.kept, Some(&watch));
            beside(|| watch.run(routes, input.clock), || watch.end(), work);
        } else {
            drive(&mut sender, link, &mut engine, self.kept, None);
        }
        if input.keep.is_some() {
            let base = engine.base;
            self.kept.note(&mut engine, base, input.clock.now());
        }
        let gate = sender.gate;
        self.collect(&mut engine, outcome);
        Some(leftover(engine, gate))
    }

    /// Takes over what is known of a part to which nothing is sent: it was stopped, or all its targets are `cut`.
    fn leave(&mut self, part: Part, cut: Option<Cut>, outcome: &mut ScanOutcome) {
        let all = part.targets.iter().map(|(target, _)| *target);
        let mut reached = Reached::default();
        if let Some(cut) = cut {
            reached.cut = all.map(|target| (target, cut)).chain(part.cut).collect();
        }
        let mut engine = self.engine(part.earlier, reached, outcome);
        self.collect(&mut engine, outcome);
    }

    /// The engine of a part, where an earlier one stood if there is one.
    fn engine(&mut self, earlier: Option<Earlier>, reached: Reached, outcome: &mut ScanOutcome) -> Engine {
        let Reached { mut aims, sources, cut } = reached;
        match &earlier {
            Some(earlier) => {
                let known: HashMap<u32, Aim> = aims.iter().map(|a| (a.target, *a)).collect();
                let aim = |(target, destination): &(u32, IpAddr)| {
                    known.get(target).copied().unwrap_or(Aim::nowhere(*target, *destination))
                };
                aims = earlier.aims.iter().map(aim).collect();
            }
            None => {
                outcome.not_scanned.extend(cut.iter().map(|(target, cut)| cut.not_scanned(*target)));
            }
        }
        let canaries = self.canaries(&aims);
        let tcp: Vec<u16> = self.input.plan.probes.tcp.iter().collect();
        let udp: Vec<u16> = self.input.plan.probes.udp.iter().collect();
        let setup = Setup {
            aims,
            sources,
            tcp: &tcp,
            udp: &udp,
            profile: &self.input.plan.profile,
            seed: self.input.seed,
            ports: self.ways.ports,
            canaries,
        };
        let mut engine = Engine::new(setup);
        engine.canaries.carry(&self.measured.ledger);
        let Some(mut earlier) = earlier else { return engine };
        if !engine.restore(&mut earlier) {
            outcome
                .notes
                .push("an engine's state in the checkpoint cannot be read; its targets are scanned anew".into());
            outcome.ledger.merge(std::mem::take(&mut earlier.ledger));
            self.kept.forget(earlier.number);
        }
        let (cut, unfinished) = (cut.into_iter().collect::<HashMap<_, _>>(), engine.unfinished());
        for (host, (target, _)) in (0..).zip(&earlier.aims) {
            if let Some(cut) = cut.get(target).filter(|_| unfinished.contains(&host)) {
                engine.give_up(host, *cut);
            }
        }
        engine
    }

    /// The targets whose next hop has a known hardware address, and our addresses.
    fn reach(&self, targets: &[(u32, Route)], link: &mut dyn Link, sender: &mut Sender<'_, '_>) -> Reached {
        let plan = self.input.plan;
        let mut wanted = Wanted::new();
        for (i, route) in targets {
            let Some(target) = plan.targets.get(*i as usize) else { continue };
            let warrant = route.gateway.is_none().then_some(*i);
            wanted.insert(route.next_hop(target.addr()), (route.source, warrant));
        }
        let pace = sender.outcome.pace.clone();
        let rest = self.rest_until;
        let mut turn = |addr, own, now| if now < rest { Err((rest, true)) } else { pace.take(addr, own, now) };
        let hardware = neighbours(wanted, self.own, link, sender, (&mut turn, &mut |_, _| {}));
        // Whoever was not asked because somebody wanted to stop is only not scanned yet.
        let stopped = self.input.stop.wish() != StopWish::None;
        let mut reached = Reached::default();
        for (i, route) in targets {
            let Some(target) = plan.targets.get(*i as usize) else { continue };
            let Some(next_hop) = hardware.get(&route.next_hop(target.addr())).copied() else {
                if stopped {
                    continue;
                }
                let silent = if route.gateway.is_some() { Cut::NoGateway } else { Cut::NoNeighbour };
                reached.cut.push((*i, sender.refusal(target.addr()).unwrap_or(silent)));
                continue;
            };
            let known = reached.sources.iter().position(|(a, _)| *a == route.source);
            let source = known.unwrap_or(reached.sources.len()) as u16;
            if known.is_none() {
                reached.sources.push((route.source, self.own));
                sender.outcome.sources.push(route.source);
            }
            let rate = plan.rates.get(i).copied();
            reached.aims.push(Aim { target: *i, destination: target.addr(), next_hop, source, rate });
        }
        reached
    }

    /// The plan's canaries that are reached over this link.
    fn canaries(&mut self, aims: &[Aim]) -> Vec<(u32, u16)> {
        let mut here = Vec::new();
        for (target, port) in self.input.plan.canaries.iter().flat_map(|c| &c.pairs) {
            if let Some(place) = aims.iter().position(|a| a.target == *target && a.reached()) {
                self.measured.canaries.insert((*target, *port));
                here.push((place as u32, *port));
            }
        }
        here
    }

    fn collect(&mut self, engine: &mut Engine, outcome: &mut ScanOutcome) {
        let measured = &mut *self.measured;
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
        let wall = |at: Duration| match before {
            Some((then, time)) if at <= time => then.checked_sub(time - at).unwrap_or(then),
            _ => now.checked_sub(elapsed.saturating_sub(at)).unwrap_or(now),
        };
        for known in engine.results() {
            outcome.not_scanned.extend(known.cut.map(|cut| cut.not_scanned(known.target)));
            if let Some((open, answered)) = known.every {
                let asked: u32 = known.counts.values().sum();
                let saved = (engine.asks.len() as u64).saturating_sub(u64::from(asked));
                outcome.every.insert(known.target, if known.cut.is_none() { saved } else { 0 });
                outcome.notes.push(every_note(known.addr, open, answered));
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
                reasons: known.reasons,
                span: Some((wall(known.sent.0), wall(known.sent.1))),
            });
        }
        for (aim, host) in engine.aims.iter().zip(&engine.hosts).filter(|(_, host)| host.first.is_none()) {
            outcome.not_scanned.extend(host.cut.map(|cut| cut.not_scanned(aim.target)));
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
                "the kernel had no room for {} frames; answers among them were asked for again",
                engine.counters.dropped
            );
            outcome.notes.push(text);
        }
        measured.ledger.merge(std::mem::take(&mut engine.ledger));
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
        .filter(|((aim, host), _)| host.alive.is_some() && host.cut.is_none() && aim.reached())
        .map(|((aim, _), number)| (*aim, open.get(&number).copied()))
        .collect();
    let patience = engine.patience();
    let sources = std::mem::take(&mut engine.sources);
    Leftover { gate, sources, cookies: engine.cookies, hosts, patience, rate: engine.auto.rate() }
}
