//! Whole scans over a network in memory: what is found, what is sent, what is counted, and that the three agree.

mod canaries;
mod life;
mod memory;
mod rates;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;

use self::rates::{frames, too_fast};
use super::answer::Ports;
use super::ledger::Entry;
use super::link::Link;
use super::link::memory::{Faults, Machine, MemoryLink};
use super::link::route::Route;
use super::observation::{Mode, PortState, ProbeKind};
use super::raw::{Ways, scan_over};
use super::wire::Hardware;
use super::{Checkpoint, Keep, LiveExclusions, ScanInput, ScanOutcome};
use crate::base::addr_set::{AddrRange, AddrSet};
use crate::base::clock::{Clock, ManualClock};
use crate::base::limits::Limits;
use crate::base::progress::{Progress, Stop};
use crate::base::quantity::Rate;
use crate::base::source::Location;
use crate::lang::job::{DeadHosts, Ping, Profile};
use crate::plan::lease::Leases;
use crate::plan::plan::{Canaries, Plan, ProbeSet};
use crate::plan::{cost, sample};

const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
const GATEWAY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fn host(n: usize) -> IpAddr {
    Ipv4Addr::from(0xc612_0000 + n as u32).into()
}

fn profile() -> Profile {
    Profile { ping: Vec::new(), rate: None, per_host: None, retries: 2, ..Profile::initial_options() }
}

fn plan_of(hosts: usize, ports: &[u16], profile: Profile) -> Plan {
    let addrs: Vec<IpAddr> = (0..hosts).map(host).collect();
    let probes = ProbeSet { tcp: ports.iter().copied().collect(), udp: Default::default() };
    sample::plan(&addrs, probes, profile, AddrSet::default(), Timestamp::from_second(86_400).unwrap())
}

/// A place for checkpoints that remembers all of them, each with the past of its time.
#[derive(Default)]
struct Shelf(Mutex<Vec<Checkpoint>>);

impl Shelf {
    fn of(checkpoint: &Checkpoint) -> Self {
        Self(Mutex::new(vec![checkpoint.clone()]))
    }
}

impl Keep for Shelf {
    fn keep(&self, state: Vec<u8>, from: u64, more: Vec<u8>) {
        let mut all = self.0.lock().unwrap();
        let mut past = all.last().map(|c| c.past.clone()).unwrap_or_default();
        assert!(from as usize <= past.len());
        past.truncate(from as usize);
        past.extend(more);
        all.push(Checkpoint { state, past });
    }

    fn kept(&self) -> Result<Option<Checkpoint>, String> {
        Ok(self.0.lock().unwrap().last().cloned())
    }
}

/// Does something when the scan says how far it is.
struct AtUpdate<F: Fn(u64) + Send + Sync>(F);

impl<F: Fn(u64) + Send + Sync> Progress for AtUpdate<F> {
    fn start(&self, _: &'static str, _: u64) {}
    fn update(&self, _: &'static str, done: u64, _: &str) {
        (self.0)(done);
    }
    fn finish(&self, _: &'static str) {}
}

/// Everything round one scan.
struct World {
    plan: Plan,
    machines: HashMap<IpAddr, Machine>,
    faults: Faults,
    seed: u64,
    exclusions: LiveExclusions,
    stop: Stop,
    routes: BTreeMap<IpAddr, Route>,
    /// Interfaces that cannot be opened.
    shut: BTreeSet<u32>,
    /// Targets that an earlier part has finished, or that are left out of this one.
    finished: Vec<u32>,
    leases: Option<Arc<Leases>>,
    /// Whether frames that left are remembered.
    capture: bool,
}

impl World {
    fn new(plan: Plan, machines: HashMap<IpAddr, Machine>, faults: Faults) -> Self {
        let route = Route { interface: 1, source: SOURCE, gateway: Some(GATEWAY), local: false };
        Self {
            routes: plan.targets.iter().map(|t| (t.addr(), route)).collect(),
            plan,
            machines,
            faults,
            seed: 7,
            exclusions: LiveExclusions::default(),
            stop: Stop::default(),
            shut: BTreeSet::new(),
            finished: Vec::new(),
            leases: None,
            capture: true,
        }
    }

    /// Its targets are on so many links in turn.
    fn over(mut self, links: usize) -> Self {
        self.routes.values_mut().enumerate().for_each(|(n, route)| route.interface = (n % links) as u32 + 1);
        self
    }

    /// Its targets are neighbours on their links.
    fn on_link(mut self) -> Self {
        self.routes.values_mut().for_each(|route| route.gateway = None);
        self
    }

    fn scan(
        &self,
        keep: Option<&dyn Keep>,
        progress: &dyn Progress,
    ) -> (ScanOutcome, Vec<(Duration, Vec<u8>)>, Duration) {
        self.scan_by(&Arc::new(ManualClock::at(Timestamp::from_second(1_000).unwrap())), keep, progress)
    }

    fn scan_by(
        &self,
        clock: &Arc<ManualClock>,
        keep: Option<&dyn Keep>,
        progress: &dyn Progress,
    ) -> (ScanOutcome, Vec<(Duration, Vec<u8>)>, Duration) {
        clock.advance(Duration::from_secs(1));
        let input = ScanInput {
            plan: &self.plan,
            mode: Some(Mode::Raw),
            clock: clock.as_ref(),
            seed: self.seed,
            limits: &Limits::default(),
            progress,
            stop: &self.stop,
            finished: &self.finished,
            elsewhere: &[],
            exclusions: &self.exclusions,
            keep,
            leases: self.leases.clone(),
        };
        let mut outcome = ScanOutcome::new(&input, Mode::Raw);
        let sent = Arc::default();
        let mut open = |interface: u32, _: &mut ScanOutcome| -> io::Result<(Hardware, Box<dyn Link + Send>)> {
            if self.shut.contains(&interface) {
                return Err(io::Error::other("it is shut"));
            }
            let seed = self.seed ^ 0x5eec ^ u64::from(interface);
            let mut link = MemoryLink::new(clock.clone(), self.machines.clone(), self.faults.clone(), seed);
            (link.sent, link.keep) = (Arc::clone(&sent), self.capture);
            Ok(([2, 0, 0, 0, 0, 1], Box::new(link)))
        };
        let ways = Ways { routes: &self.routes, ports: Ports(61_000), watch: false };
        scan_over(&input, &ways, &mut open, &mut outcome, None);
        outcome.finish(&input);
        let took = clock.elapsed() - Duration::from_secs(1);
        let sent = std::mem::take(&mut *sent.lock().unwrap());
        (outcome, sent, took)
    }

    fn truth(&self) -> BTreeSet<(IpAddr, u16)> {
        let asked: Vec<u16> = self.plan.probes.tcp.iter().collect();
        self.plan
            .targets
            .iter()
            .filter(|t| !self.plan.exclusions.contains(t.addr()))
            .flat_map(|t| asked.iter().map(move |p| (t.addr(), *p)))
            .filter(|(a, p)| self.machines.get(a).is_some_and(|m| m.every || m.open.contains(p)))
            .collect()
    }
}

fn found(outcome: &ScanOutcome) -> BTreeSet<(IpAddr, u16)> {
    let ports = outcome.hosts.iter().flat_map(|h| h.ports.iter().map(|p| (h.addr, p)));
    ports.filter(|(_, p)| p.state == PortState::Open).map(|(a, p)| (a, p.port)).collect()
}

/// What left, read from the frames by code of its own.
fn captured(sent: &[(Duration, Vec<u8>)]) -> BTreeMap<(IpAddr, u16, u8), u32> {
    let mut counts = BTreeMap::new();
    for (_, frame) in sent.iter().filter(|(_, f)| f[12..14] == [8, 0]) {
        let addr: [u8; 4] = frame[30..34].try_into().unwrap();
        let protocol = frame[23];
        let port = if protocol == 1 { 0 } else { u16::from_be_bytes([frame[36], frame[37]]) };
        *counts.entry((IpAddr::from(addr), port, protocol)).or_default() += 1;
    }
    counts
}

fn booked(outcome: &ScanOutcome) -> BTreeMap<(IpAddr, u16, u8), u32> {
    let mut counts = BTreeMap::new();
    for (Entry { destination, port, probe, .. }, n) in outcome.ledger.lines() {
        let protocol = match probe {
            ProbeKind::Syn | ProbeKind::Ack => 6,
            ProbeKind::Udp => 17,
            _ => 1,
        };
        *counts.entry((destination, port, protocol)).or_default() += n;
    }
    counts
}

fn busiest_second(times: impl Iterator<Item = Duration>) -> usize {
    let times: Vec<Duration> = times.collect();
    let mut start = 0;
    (0..times.len())
        .map(|end| {
            while times[end] - times[start] >= Duration::from_secs(1) {
                start += 1;
            }
            end - start + 1
        })
        .max()
        .unwrap_or(0)
}

prop_compose! {
    fn machine()(open in proptest::collection::btree_set(1u16..12, 0..6), silent in any::<bool>(), storm in 0u32..3, echo in any::<bool>()) -> Machine {
        Machine { open, silent, storm, echo, ..Machine::default() }
    }
}

prop_compose! {
    fn faults()(loss in prop_oneof![Just(0.0), 0.0..0.3], delay in 0u64..120, jitter in 0u64..40, repeated in 0.0..0.2, forged in 0.0..0.3, full in prop_oneof![Just(None), (2u64..9).prop_map(Some)], partial in any::<bool>(), blocked in prop_oneof![Just(None), (1_000u64..2_500, 1u64..400).prop_map(Some)]) -> Faults {
        Faults {
            loss, repeated, forged, partial,
            delay: Duration::from_millis(delay),
            jitter: Duration::from_millis(jitter),
            full_every: full,
            full: blocked.map(|(from, len)| (Duration::from_millis(from), Duration::from_millis(from + len))),
            ..Faults::default()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Random plans, exclusions and faults: nothing leaves outside the warrants; ledger and capture agree to the packet;
    /// the rates hold over every second; without loss, everything open is found.
    #[test]
    fn what_leaves_is_warranted_and_booked(
        machines in proptest::collection::vec(machine(), 1..14),
        faults in faults(),
        excluded in proptest::collection::vec((0usize..14, 0usize..3), 0..3),
        ports in 1u16..12,
        retries in 0u8..4,
        rate in prop_oneof![Just(None), (20u32..5_000).prop_map(Some)],
        per_host in prop_oneof![Just(None), (5u32..300).prop_map(Some)],
        per_network in prop_oneof![Just(None), (20u32..900).prop_map(Some)],
        ping in any::<bool>(),
        skip in any::<bool>(),
        canary in prop_oneof![Just(None), (1u16..14).prop_map(Some)],
        links in 1usize..3,
        seed in any::<u64>(),
    ) {
        let limit = |n: Option<u32>| n.map(|per_second| Rate { per_second });
        let profile = Profile {
            retries, rate: limit(rate), per_host: limit(per_host), per_network: limit(per_network),
            ping: if ping { vec![Ping::Icmp, Ping::Timestamp, Ping::Tcp([1].into_iter().collect()), Ping::TcpAck([2].into_iter().collect())] } else { Vec::new() },
            dead_hosts: if skip { DeadHosts::Skip } else { DeadHosts::Scan },
            ..profile()
        };
        let all: Vec<u16> = (1..=ports).collect();
        let mut plan = plan_of(machines.len(), &all, profile);
        plan.exclusions = excluded
            .iter()
            .map(|(n, more)| AddrRange { first: host(*n), last: host(n + more) })
            .collect();
        if let Some(port) = canary {
            plan = with_canary(plan, port);
            // The bound is one for all links.
            plan.canaries.as_mut().unwrap().pairs.extend((machines.len() > 1).then_some((1, port)));
        }
        let lossless = faults.loss == 0.0;
        let machines: HashMap<IpAddr, Machine> = machines.into_iter().enumerate().map(|(i, m)| (host(i), m)).collect();
        // Machines that nobody may talk to stand beside the targets.
        let mut all_machines = machines.clone();
        all_machines.extend((20..30).map(|n| (host(n), Machine { every: true, ..Machine::default() })));
        let world = World { seed, ..World::new(plan, all_machines, faults).over(links) };
        let (outcome, sent, _) = world.scan(None, &crate::base::progress::Silent);

        let capture = captured(&sent);
        prop_assert_eq!(&capture, &booked(&outcome));
        prop_assert_eq!(outcome.counters.refused, 0);
        prop_assert_eq!(capture.values().map(|n| u64::from(*n)).sum::<u64>(), outcome.ledger.total());
        prop_assert!(outcome.ledger.total() <= world.plan.cost.packets_max);
        for (addr, ..) in capture.keys() {
            prop_assert!(machines.contains_key(addr) && !world.plan.exclusions.contains(*addr), "{addr}");
        }
        if lossless {
            let mut truth = world.truth();
            if skip && ping {
                truth.retain(|(a, _)| outcome.hosts.iter().any(|h| h.addr == *a && matches!(h.state, super::observation::HostState::Up(_))));
            }
            prop_assert_eq!(found(&outcome), truth, "{:?} {:?} {:?}", outcome.hosts, outcome.notes, outcome.counters);
        } else {
            prop_assert!(found(&outcome).is_subset(&world.truth()));
        }
        prop_assert_eq!(too_fast(&world.plan.profile, &frames(&sent)), None);
        // No round trip is told shorter than the path is.
        for rtt in outcome.hosts.iter().flat_map(|h| &h.ports).filter_map(|p| p.rtt) {
            prop_assert!(rtt + Duration::from_micros(32) >= world.faults.delay * 2, "{rtt:?}");
        }
    }
}

/// Every probe is also answered by a forger who has not seen it, with the opposite of the truth.
#[test]
fn forged_answers_change_nothing() {
    let machine = |open: &[u16], silent| Machine { open: open.iter().copied().collect(), silent, ..Machine::default() };
    let machines = [
        machine(&[80], false),
        Machine { echo: true, ..machine(&[53, 443], true) },
        Machine { udp: true, echo: true, ..machine(&[53], false) },
    ];
    let machines: HashMap<IpAddr, Machine> = machines.into_iter().enumerate().map(|(i, m)| (host(i), m)).collect();
    let ping = vec![Ping::Icmp, Ping::Tcp([80].into_iter().collect()), Ping::TcpAck([81].into_iter().collect())];
    for ping in [Vec::new(), ping] {
        let mut plan = plan_of(5, &[22, 53, 80, 443], Profile { ping, ..profile() });
        plan.probes.udp = [53, 161].into_iter().collect();
        let told = |forged: f64| {
            let world = World::new(plan.clone(), machines.clone(), Faults { forged, ..Faults::default() });
            let (outcome, sent, _) = world.scan(None, &crate::base::progress::Silent);
            let hosts: Vec<_> =
                outcome.hosts.iter().map(|h| (h.addr, h.state, found(&outcome), h.counts.clone())).collect();
            assert!(world.truth().is_subset(&found(&outcome)));
            let forgeries = if forged > 0.0 { captured(&sent).values().sum::<u32>() } else { 0 };
            assert_eq!(outcome.counters.strangers, u64::from(forgeries));
            hosts
        };
        assert_eq!(told(1.0), told(0.0));
    }
}

/// 64 hosts, 100 ports, one port in twenty open.
fn block(silent: bool) -> HashMap<IpAddr, Machine> {
    let open = |n: usize| (1..=100u16).filter(|p| (usize::from(*p) * 7 + n * 3).is_multiple_of(20)).collect();
    (0..64).map(|n| (host(n), Machine { open: open(n), silent, ..Machine::default() })).collect()
}

#[test]
fn a_lossy_path_is_asked_until_the_recall_is_shown() {
    for silent in [false, true] {
        let ports: Vec<u16> = (1..=100).collect();
        let profile = Profile { retries: 8, recall: Some(99_000), ..profile() };
        let faults = Faults { loss: 0.05, delay: Duration::from_millis(40), ..Faults::default() };
        let world = World::new(plan_of(64, &ports, profile), block(silent), faults);
        let (outcome, _, took) = world.scan(None, &crate::base::progress::Silent);
        let recall = outcome.recall.clone().unwrap();
        let share = found(&outcome).len() as f64 / world.truth().len() as f64;
        assert!(recall.reached() && share >= 0.985, "{share} {}", recall.describe());
        assert!((0.05..0.16).contains(&recall.tally.loss()), "{}", recall.describe());
        assert!(took < Duration::from_secs(6), "{took:?}");
        if silent {
            // Not all nine tries: three or four show 99 %.
            assert!(outcome.ledger.total() < 6_400 * 5, "{}", outcome.ledger.total());
        }
    }
}

/// Among so many control probes a few are lost one after the other by chance: that is the path, and no host is slowed.
#[test]
fn a_lossy_path_is_not_taken_for_hosts_that_answer_only_so_often() {
    let ports: Vec<u16> = (1..=200).collect();
    let open = |n: usize| (1..=200u16).filter(|p| (usize::from(*p) * 7 + n * 3).is_multiple_of(20)).collect();
    let machines: HashMap<IpAddr, Machine> =
        (0..200).map(|n| (host(n), Machine { open: open(n), silent: true, ..Machine::default() })).collect();
    let faults = Faults { loss: 0.05, delay: Duration::from_millis(40), ..Faults::default() };
    for seed in 1..=6 {
        let profile = Profile { retries: 3, ..profile() };
        let world = World { seed, ..World::new(plan_of(200, &ports, profile), machines.clone(), faults.clone()) };
        let (outcome, _, took) = world.scan(None, &crate::base::progress::Silent);
        let slowed: Vec<_> = outcome.notes.iter().filter(|n| n.contains("only so often")).collect();
        assert!(slowed.is_empty() && took < Duration::from_secs(12), "seed {seed}: {took:?} {slowed:?}");
    }
}

#[test]
fn a_narrow_path_is_not_buried() {
    let ports: Vec<u16> = (1..=100).collect();
    let faults = Faults {
        delay: Duration::from_millis(20),
        capacity: Some(4_000.0),
        queue: Some(Duration::from_millis(50)),
        ..Faults::default()
    };
    let world = World::new(plan_of(64, &ports, profile()), block(false), faults);
    let (outcome, _, took) = world.scan(None, &crate::base::progress::Silent);
    assert_eq!(found(&outcome), world.truth());
    // What left before anybody could know is asked again; the path carries 4,000 a second.
    assert!(outcome.ledger.total() < 13_000 && took < Duration::from_secs(3), "{} {took:?}", outcome.ledger.total());
}

/// A plan whose canary is a port of its first target.
fn with_canary(mut plan: Plan, port: u16) -> Plan {
    let clause = Location { file: "job.pal".into(), line: 1, column: 1 };
    plan.canaries = Some(Canaries { pairs: vec![(0, port)], more: 0, clause });
    plan.cost = cost::bound(&plan.profile, &plan.probes, plan.targets.len() as u64, None, 600, true);
    plan
}

fn canary_notes(outcome: &ScanOutcome) -> Vec<&str> {
    outcome.notes.iter().map(String::as_str).filter(|n| n.starts_with("canary ")).collect()
}

#[test]
fn a_host_that_answers_on_every_port_is_told_and_spared() {
    let ports: Vec<u16> = (5_000..7_000).collect();
    let mut machines: HashMap<IpAddr, Machine> =
        (0..4).map(|n| (host(n), Machine { open: [5_005, 6_000].into(), ..Machine::default() })).collect();
    machines.insert(host(1), Machine { every: true, ..Machine::default() });
    let profile = Profile { per_host: Some(Rate { per_second: 1_000 }), ..profile() };
    let world = World::new(plan_of(4, &ports, profile), machines, Faults::default());
    let (outcome, sent, _) = world.scan(None, &crate::base::progress::Silent);
    let to_it = captured(&sent).iter().filter(|((a, ..), _)| *a == host(1)).count();
    assert!(to_it < 300, "{to_it} packets");
    assert!(outcome.notes.iter().any(|n| n.starts_with("198.18.0.1 answers on every port")), "{:?}", outcome.notes);
    assert!(outcome.notes.iter().any(|n| n.contains("probes saved")), "{:?}", outcome.notes);
    let others: BTreeSet<_> = found(&outcome).into_iter().filter(|(a, _)| *a != host(1)).collect();
    assert_eq!(others, [0, 2, 3].into_iter().flat_map(|n| [(host(n), 5_005), (host(n), 6_000)]).collect());
}

/// Reasons add up to the counts, by state, and survive a checkpoint (see `life`).
#[test]
fn each_port_that_is_not_open_has_a_reason() {
    let ports: Vec<u16> = (1..=40).collect();
    let mut plan = plan_of(2, &ports, profile());
    plan.probes.udp = [53, 123, 161].into_iter().collect();
    let open: BTreeSet<u16> = [7, 53].into();
    let machines = [(host(0), false), (host(1), true)]
        .map(|(addr, silent)| (addr, Machine { open: open.clone(), silent, udp: true, ..Machine::default() }));
    let (outcome, ..) = World::new(plan, machines.into(), Faults::default()).scan(None, &crate::base::progress::Silent);
    let told = |n: usize| {
        let reasons = outcome.hosts[n].reasons.iter();
        reasons.map(|(s, why, n)| format!("{} {} {n}", s.as_str(), why.describe())).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(told(0), "closed reset 39, closed icmp 3/3 2");
    assert_eq!(told(1), "filtered no-answer 39, open|filtered no-answer 2");
    for host in &outcome.hosts {
        let mut sums: BTreeMap<PortState, u32> = BTreeMap::new();
        host.reasons.iter().for_each(|(state, _, n)| *sums.entry(*state).or_default() += n);
        let counts: BTreeMap<PortState, u32> =
            host.counts.clone().into_iter().filter(|(s, _)| *s != PortState::Open).collect();
        assert_eq!(sums, counts);
    }
}

#[test]
fn a_host_that_answers_only_so_often_is_asked_slowly() {
    let ports: Vec<u16> = (1..=200).collect();
    let mut machines: HashMap<IpAddr, Machine> =
        (0..20).map(|n| (host(n), Machine { open: [7, 80, 150].into(), ..Machine::default() })).collect();
    machines
        .insert(host(3), Machine { open: (1..=200).step_by(9).collect(), per_second: Some(40), ..Machine::default() });
    let world = World::new(plan_of(20, &ports, Profile { retries: 3, ..profile() }), machines, Faults::default());
    let (outcome, _, _) = world.scan(None, &crate::base::progress::Silent);
    assert!(outcome.notes.iter().any(|n| n.contains("198.18.0.3 answers only so often")), "{:?}", outcome.notes);
    assert_eq!(found(&outcome), world.truth());
}

#[test]
fn an_exclusion_holds_from_the_moment_it_comes() {
    let ports: Vec<u16> = (1..=300).collect();
    let machines = (0..8).map(|n| (host(n), Machine { open: [5].into(), ..Machine::default() })).collect();
    let profile = Profile { rate: Some(Rate { per_second: 2_000 }), ..profile() };
    let world = World::new(plan_of(8, &ports, profile), machines, Faults::default());
    let progress = AtUpdate(|done| {
        if done > 1_000 && world.exclusions.after(0).is_empty() {
            world.exclusions.add(AddrRange::single(host(2)));
        }
    });
    let (outcome, sent, _) = world.scan(None, &progress);
    let times: Vec<Duration> =
        sent.iter().filter(|(_, f)| f[12..14] == [8, 0] && f[30..34] == [198, 18, 0, 2]).map(|(t, _)| *t).collect();
    assert!((100..290).contains(&times.len()), "{}", times.len());
    assert_eq!(captured(&sent), booked(&outcome));
    assert!(outcome.not_scanned.iter().any(|n| n.target == 2 && n.reason.contains("excluded while")));
    assert!(outcome.hosts.iter().all(|h| outcome.is_over(h, 300) == (h.target != 2)), "who was cut is not over");
    assert_eq!(outcome.counters.refused, 0);
}

#[test]
fn an_expired_warrant_ends_the_sending() {
    let ports: Vec<u16> = (1..=300).collect();
    let mut plan = plan_of(4, &ports, Profile { rate: Some(Rate { per_second: 200 }), ..profile() });
    let addrs: Vec<IpAddr> = (0..4).map(host).collect();
    plan.targets = sample::plan(
        &addrs,
        plan.probes.clone(),
        plan.profile.clone(),
        AddrSet::default(),
        Timestamp::from_second(1_003).unwrap(),
    )
    .targets;
    let world = World::new(plan, HashMap::new(), Faults::default());
    let (outcome, sent, _) = world.scan(None, &crate::base::progress::Silent);
    let last = captured(&sent).values().sum::<u32>();
    assert!((300..=420).contains(&last), "{last}");
    assert!(outcome.not_scanned.iter().all(|n| &*n.reason == "its warrant has expired"), "{:?}", outcome.not_scanned);
    assert_eq!(outcome.not_scanned.len(), 4);
}

/// A clock that is set forward by an hour, or back, is told, changes no result, and gives no warrant more time.
#[test]
fn a_clock_that_is_set_is_told_and_gives_no_time() {
    let ports: Vec<u16> = (1..=300).collect();
    let rate = Profile { rate: Some(Rate { per_second: 1_000 }), ..profile() };
    for by in [3_600i64, -3_600] {
        let machines: HashMap<IpAddr, Machine> =
            (0..4).map(|n| (host(n), Machine { open: [5, 250].into(), ..Machine::default() })).collect();
        let world = World::new(plan_of(4, &ports, rate.clone()), machines, Faults::default());
        let clock = Arc::new(ManualClock::at(Timestamp::from_second(10_000).unwrap()));
        let step = step_once(&clock, by);
        let (outcome, sent, _) = world.scan_by(&clock, None, &AtUpdate(step));
        assert_eq!(found(&outcome), world.truth(), "{by}");
        assert_eq!(captured(&sent), booked(&outcome));
        assert!(outcome.notes.iter().any(|n| n == "the clock was set by about 3600 s while the scan ran"), "{by}");
        assert_eq!(outcome.coverage.done, outcome.coverage.planned);
    }
    // Warrants that end 500 s after the start: set back, the clock gives them no more; set forward, it ends them.
    for (by, complete) in [(-3_600i64, true), (3_600, false)] {
        let mut plan = plan_of(4, &ports, rate.clone());
        let addrs: Vec<IpAddr> = (0..4).map(host).collect();
        let ends = Timestamp::from_second(10_500).unwrap();
        let again = sample::plan(&addrs, plan.probes.clone(), plan.profile.clone(), AddrSet::default(), ends);
        plan.targets = again.targets;
        let world = World::new(plan, HashMap::new(), Faults::default());
        let clock = Arc::new(ManualClock::at(Timestamp::from_second(10_000).unwrap()));
        let (outcome, ..) = world.scan_by(&clock, None, &AtUpdate(step_once(&clock, by)));
        assert_eq!(outcome.coverage.done == outcome.coverage.planned, complete, "{by}");
        let ended = outcome.not_scanned.iter().filter(|n| &*n.reason == "its warrant has expired").count();
        assert_eq!(ended, if complete { 0 } else { 4 }, "{:?}", outcome.not_scanned);
    }
}

/// Sets the clock once, in the midst of a scan.
fn step_once(clock: &Arc<ManualClock>, by: i64) -> impl Fn(u64) + Send + Sync + use<> {
    let (clock, left) = (Arc::clone(clock), Mutex::new(Some(by)));
    move |done| {
        if done > 200
            && let Some(by) = left.lock().unwrap().take()
        {
            clock.set(clock.now().checked_add(jiff::SignedDuration::from_secs(by)).unwrap());
        }
    }
}

/// A target that is the gateway of others is asked for its hardware address like any gateway.
#[test]
fn a_target_may_be_a_gateway() {
    let ports: Vec<u16> = (1..=20).collect();
    for gateway in [0, 3] {
        let mut world = World::new(plan_of(4, &ports, profile()), block(false), Faults::default());
        let routes = world.routes.iter_mut();
        routes.for_each(|(a, route)| route.gateway = (*a != host(gateway)).then_some(host(gateway)));
        let (outcome, sent, _) = world.scan(None, &crate::base::progress::Silent);
        assert_eq!(found(&outcome), world.truth());
        assert_eq!(captured(&sent), booked(&outcome));
        assert_eq!((outcome.counters.refused, outcome.ledger.upkeep, outcome.errors.len()), (0, 1, 0));
    }
}

/// A host that is excluded before anybody knew whether it is alive was not scanned: its ports are not done, and it is
/// not dead.
#[test]
fn a_host_that_is_excluded_in_discovery_is_not_done() {
    let ports: Vec<u16> = (1..=20).collect();
    let ping = vec![Ping::Icmp, Ping::Tcp((1..=40).collect())];
    let rate = Some(Rate { per_second: 50 });
    let profile = Profile { ping, dead_hosts: DeadHosts::Skip, rate, retries: 0, ..profile() };
    let machines = (1..4).map(|n| (host(n), Machine { echo: true, ..Machine::default() })).collect();
    let world = World::new(plan_of(4, &ports, profile), machines, Faults::default());
    let clock = Arc::new(ManualClock::at(Timestamp::from_second(1_000).unwrap()));
    let progress = AtUpdate(|_| {
        if clock.elapsed() > Duration::from_millis(1_200) && world.exclusions.after(0).is_empty() {
            world.exclusions.add(AddrRange::single(host(0)));
        }
    });
    let (outcome, ..) = world.scan_by(&clock, None, &progress);
    assert_eq!((outcome.coverage.planned, outcome.coverage.done), (80, 60), "{:?}", outcome.not_scanned);
    assert_eq!(outcome.hosts[0].state, super::observation::HostState::Unknown);
}

/// Answers to first tries that come while the last ones wait for an interface that never comes back: each pair counts
/// once, as answered.
#[test]
fn what_is_answered_while_its_last_try_waits_counts_once() {
    let ports: Vec<u16> = (1..=100).collect();
    let faults =
        Faults { delay: Duration::from_millis(700), down: Some(Duration::from_millis(2_500)), ..Faults::default() };
    let world = World::new(plan_of(64, &ports, Profile { retries: 1, ..profile() }), block(true), faults);
    let (outcome, sent, _) = world.scan(None, &crate::base::progress::Silent);
    assert!(outcome.errors[0].starts_with("the link was lost"), "{:?}", outcome.errors);
    let booked = booked(&outcome);
    assert_eq!(captured(&sent), booked);
    assert!(booked.len() > 100 && booked.values().all(|n| *n == 1), "{} pairs", booked.len());
    assert_eq!(found(&outcome), world.truth());
    assert_eq!(outcome.coverage.done, world.truth().len() as u64, "the silent ones lack a try");
    assert_eq!(outcome.hosts.iter().flat_map(|h| h.counts.values()).sum::<u32>() as usize, booked.len());
}

/// A path with a short queue and hardly an answer: what is lost among others tells that the rate is too high.
#[test]
fn a_silent_path_with_a_short_queue_is_not_buried() {
    let ports: Vec<u16> = (1..=1_000).collect();
    let open = |n: usize| (1..=1_000u16).filter(|p| (usize::from(*p) * 7 + n * 3).is_multiple_of(100)).collect();
    let machines: HashMap<IpAddr, Machine> =
        (0..64).map(|n| (host(n), Machine { open: open(n), silent: true, ..Machine::default() })).collect();
    let faults = Faults {
        loss: 0.01,
        delay: Duration::from_millis(10),
        capacity: Some(20_000.0),
        queue: Some(Duration::from_millis(20)),
        ..Faults::default()
    };
    for seed in 1..=3 {
        let profile = Profile { retries: 3, ..profile() };
        let world = World { seed, ..World::new(plan_of(64, &ports, profile), machines.clone(), faults.clone()) };
        let (outcome, ..) = world.scan(None, &crate::base::progress::Silent);
        let (found, truth) = (found(&outcome).len(), world.truth().len());
        let told = outcome.recall.as_ref().unwrap().at_least.unwrap();
        let share = found as f64 / truth as f64;
        assert!(share >= 0.9 && told <= share, "seed {seed}: {found} of {truth}, {:?}", outcome.notes);
    }
}
