//! A study over a network in memory.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use jiff::Timestamp;

use super::subject::QUICK;
use super::*;
use crate::base::addr_set::AddrSet;
use crate::base::clock::{Clock, ManualClock};
use crate::base::limits::Limits;
use crate::base::progress::{Silent, Stop};
use crate::base::quantity::Rate;
use crate::lang::job::Profile;
use crate::plan::cost::{STUDY_PINGS, STUDY_SYNS};
use crate::plan::plan::ProbeSet;
use crate::plan::sample;
use crate::scan::LiveExclusions;
use crate::scan::answer::Ports;
use crate::scan::link::memory::{Faults, Machine, MemoryLink};

const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

fn host(n: u8) -> IpAddr {
    Ipv4Addr::new(198, 18, 0, n).into()
}

struct Seen {
    studied: Studied,
    /// Frames by destination and protocol.
    sent: HashMap<(IpAddr, u8), usize>,
    /// Moments of the frames to the first host.
    first: Vec<Duration>,
    took: Duration,
}

/// Five hosts with port 80 open; the first two answer echo requests.
fn look(faults: Faults, exclusions: &LiveExclusions, per_host: Option<Rate>) -> Seen {
    let clock = Arc::new(ManualClock::at(Timestamp::from_second(1_000).unwrap()));
    let machine = |n: u8| Machine { open: [80].into(), echo: n < 2, ..Machine::default() };
    let machines = (0..5).map(|n| (host(n), machine(n))).collect();
    let mut link = MemoryLink::new(clock.clone(), machines, faults, 11);
    let profile = Profile { rate: None, per_host, per_network: None, ..Profile::initial_options() };
    let addrs: Vec<IpAddr> = (0..5).map(host).collect();
    let probes = ProbeSet { tcp: [80].into_iter().collect(), udp: Default::default() };
    let plan = sample::plan(&addrs, probes, profile, AddrSet::default(), Timestamp::from_second(86_400).unwrap());
    let input = ScanInput {
        plan: &plan,
        mode: Some(Mode::Raw),
        clock: clock.as_ref(),
        seed: 7,
        limits: &Limits::default(),
        progress: &Silent,
        stop: &Stop::default(),
        finished: &[],
        elsewhere: &[],
        exclusions,
        keep: None,
        leases: None,
    };
    let aim =
        |(i, a): (usize, &IpAddr)| Aim { target: i as u32, destination: *a, next_hop: [2; 6], source: 0, rate: None };
    let left = Leftover {
        gate: Gate::new(plan.targets.iter(), AddrSet::default(), Vec::new()),
        sources: vec![(SOURCE, [2; 6])],
        cookies: Cookies { key: 7, ports: Ports(61_000) },
        hosts: addrs.iter().enumerate().map(|one| (aim(one), Some(80))).collect(),
        patience: Duration::from_millis(100),
        rate: 1e6,
    };
    let mut part = left.part();
    let mut outcome = ScanOutcome::new(&input, Mode::Raw);
    let terms = Terms {
        wanted: Wanted { pings: true, handshakes: true },
        pace: &SharedPace::of(&plan),
        talking: &AtomicBool::new(false),
        skip: &HashSet::new(),
    };
    part.run_over(&mut link, &input, &terms, &mut outcome);
    let mut sent: HashMap<(IpAddr, u8), usize> = HashMap::new();
    let mut first = Vec::new();
    for (at, frame) in link.sent.lock().unwrap().iter() {
        let addr: [u8; 4] = frame[30..34].try_into().unwrap();
        if IpAddr::from(addr) == host(0) {
            first.push(*at);
        }
        *sent.entry((addr.into(), frame[23])).or_default() += 1;
    }
    let traits = part.subjects.into_iter().map(|s| (s.aim.target, s.traits())).collect();
    let studied = Studied { traits, ledger: outcome.ledger, ..Studied::default() };
    Seen { studied, sent, first, took: clock.elapsed() }
}

#[test]
fn hosts_without_a_clock_are_known_at_once() {
    let seen = look(Faults::default(), &LiveExclusions::default(), None);
    for (n, traits) in &seen.studied.traits {
        assert_eq!(traits.samples.len(), usize::from(QUICK), "host {n}");
        assert_eq!(traits.echo, Some(*n < 2));
        // The machines of the memory do not know timestamp requests; they were asked twice.
        assert_eq!(traits.timestamp, Some(false));
    }
    let packets = seen.sent.values().sum::<usize>() as u64;
    assert_eq!(seen.studied.ledger.total(), packets);
    assert_eq!(packets, 5 * 6 + 2 * 3 + 3 * 4);
    assert!(seen.took < Duration::from_millis(450), "{:?}", seen.took);
}

#[test]
fn on_a_bad_path_no_host_is_asked_more_than_the_plan_says() {
    let delay = Duration::from_millis(30);
    let faults = Faults { loss: 0.2, delay, repeated: 0.1, forged: 0.5, jitter: delay, ..Faults::default() };
    let seen = look(faults, &LiveExclusions::default(), None);
    assert!(seen.sent.iter().all(|((_, protocol), n)| {
        *n <= if *protocol == 6 { usize::from(STUDY_SYNS) } else { 2 * usize::from(STUDY_PINGS) }
    }));
    assert_eq!(seen.studied.ledger.total(), seen.sent.values().sum::<usize>() as u64);
    assert!(seen.studied.traits.values().all(|t| t.samples.len() >= 3), "{:?}", seen.studied.traits);
    assert!(seen.took < Duration::from_secs(3), "{:?}", seen.took);
}

#[test]
fn excluded_hosts_are_left_alone_and_say_nothing() {
    let exclusions = LiveExclusions::default();
    exclusions.add("198.18.0.1".parse().unwrap());
    let seen = look(Faults::default(), &exclusions, None);
    assert!(!seen.sent.keys().any(|(addr, _)| *addr == host(1)));
    assert_eq!(seen.studied.traits[&1], Traits::default());
    assert_eq!(seen.studied.traits[&0].echo, Some(true));
}

#[test]
fn rates_hold_and_no_host_waits_for_another() {
    let slow = Some(Rate { per_second: 2 });
    let seen = look(Faults::default(), &LiveExclusions::default(), slow);
    assert_eq!(seen.studied.traits.values().map(|t| t.samples.len()).max(), Some(usize::from(QUICK)));
    for (i, from) in seen.first.iter().enumerate() {
        let within = seen.first.iter().skip(i).take_while(|at| **at < *from + Duration::from_secs(1));
        assert!(within.count() <= 2);
    }
    // Eight to ten packets a host at two a second: all five hosts at the same time.
    assert!(seen.took < Duration::from_secs(8), "{:?}", seen.took);
}
