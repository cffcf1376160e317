//! Rates in whole scans over a network in memory: those of the profile hold over every second of all that leaves, and
//! the one that is found while scanning is cut where the path asks for it, and nowhere else.

use super::*;
use crate::scan::admission::{Admission, Admitted};

/// All frames with whom they are for or about.
pub(super) fn frames(sent: &[(Duration, Vec<u8>)]) -> Vec<(Duration, IpAddr)> {
    let about =
        |f: &[u8]| if f[12..14] == [8, 6] { [f[38], f[39], f[40], f[41]] } else { [f[30], f[31], f[32], f[33]] };
    sent.iter().map(|(at, f)| (*at, about(f).into())).collect()
}

/// The rate of a profile that these frames break.
pub(super) fn too_fast(profile: &Profile, frames: &[(Duration, IpAddr)]) -> Option<String> {
    let mut by: BTreeMap<String, (Option<Rate>, Vec<Duration>)> = BTreeMap::new();
    for (at, addr) in frames {
        let text = addr.to_string();
        let network = format!("{}.0/24", text.rsplit_once('.').unwrap().0);
        for (what, rate) in [("run".into(), profile.rate), (network, profile.per_network), (text, profile.per_host)] {
            by.entry(what).or_insert((rate, Vec::new())).1.push(*at);
        }
    }
    by.into_iter().find_map(|(what, (rate, times))| {
        let (rate, most) = (rate?.per_second as usize, busiest_second(times.into_iter()));
        (most > rate).then(|| format!("{what}: {most} packets in a second, {rate} allowed"))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// The rates hold over every second of a run: over requests for hardware addresses, over scans of one link after the
    /// other, and over the conversations that follow at once.
    #[test]
    fn rates_hold_from_stage_to_stage(
        hosts in 2usize..80,
        apart in 1u32..80,
        links in 1usize..4,
        local in any::<bool>(),
        rate in prop_oneof![Just(None), (20u32..2_000).prop_map(Some)],
        per_network in prop_oneof![Just(None), (20u32..500).prop_map(Some)],
        per_host in prop_oneof![Just(None), (2u32..100).prop_map(Some)],
        seed in any::<u64>(),
    ) {
        let limit = |n: Option<u32>| n.map(|per_second| Rate { per_second });
        let profile =
            Profile { rate: limit(rate), per_network: limit(per_network), per_host: limit(per_host), ..profile() };
        let addrs: Vec<IpAddr> = (0..hosts as u32).map(|n| host((n * apart) as usize)).collect();
        let probes = ProbeSet { tcp: (1..=6).collect(), udp: Default::default() };
        let ends = Timestamp::from_second(86_400).unwrap();
        let plan = sample::plan(&addrs, probes, profile, AddrSet::default(), ends);
        let machine = Machine { open: [3].into(), ..Machine::default() };
        let machines = addrs.iter().map(|a| (*a, machine.clone())).collect();
        let mut world = World { seed, ..World::new(plan, machines, Faults::default()) }.over(links);
        if local {
            world = world.on_link();
        }
        let clock = Arc::new(ManualClock::at(Timestamp::from_second(1_000).unwrap()));
        let (outcome, sent, _) = world.scan_by(&clock, None, &crate::base::progress::Silent);
        prop_assert_eq!(found(&outcome), world.truth());
        let mut all = frames(&sent);
        let scanned = all.len();
        let mut door = Admission::new(&world.plan, None, &world.exclusions).sharing(outcome.pace.clone());
        while all.len() < scanned + 2 * hosts {
            let (now, wall) = (clock.elapsed(), clock.now());
            match door.ask(((all.len() - scanned) % hosts) as u32, 3, now, wall) {
                Admitted::Go(at) => all.push((now, at.ip())),
                Admitted::NotBefore(at) => clock.advance(at - now),
                Admitted::Refused(why) => prop_assert!(false, "{why}"),
            }
        }
        prop_assert_eq!(too_fast(&world.plan.profile, &all), None);
    }
}

/// How often the rate was cut.
fn cuts(outcome: &ScanOutcome) -> u32 {
    let note = outcome.notes.iter().find_map(|n| n.strip_prefix("the rate was cut "));
    note.map_or(0, |n| n.split(' ').next().unwrap().parse().unwrap())
}

/// Hosts are near and far; a far one's answer is no sign of a queue, whether it is its first or not.
#[test]
fn near_hosts_do_not_make_far_ones_look_queued() {
    for (hosts, near, ports) in [(400, 1, 200), (400, 200, 200), (20_000, 20, 2)] {
        let ports: Vec<u16> = (1..=ports).collect();
        let distance = |n| if n < near { Duration::from_micros(200) } else { Duration::from_millis(80) };
        let machine =
            |n: usize| Machine { open: [1 + n as u16 % 2].into(), distance: distance(n), ..Machine::default() };
        let machines = (0..hosts).map(|n| (host(n), machine(n))).collect();
        let world = World::new(plan_of(hosts, &ports, profile()), machines, Faults::default());
        let (outcome, _, took) = world.scan(None, &crate::base::progress::Silent);
        assert_eq!(found(&outcome), world.truth());
        assert!(
            cuts(&outcome) <= 1 && took < Duration::from_secs(3),
            "{near} of {hosts} near: {took:?} {:?}",
            outcome.notes
        );
    }
}

/// Answers that lay unread while this process did not run tell nothing of the path.
#[test]
fn a_stall_of_this_process_is_no_queue() {
    let ports: Vec<u16> = (1..=1_000).collect();
    let delay = Duration::from_millis(40);
    let machines = (0..64).map(|n| (host(n), Machine { open: [5].into(), ..Machine::default() })).collect();
    let faults = Faults { delay, stall: Some((150, Duration::from_millis(60))), ..Faults::default() };
    let world = World::new(plan_of(64, &ports, profile()), machines, faults);
    let (outcome, _, took) = world.scan(None, &crate::base::progress::Silent);
    assert_eq!(found(&outcome), world.truth());
    assert!(cuts(&outcome) <= 1 && took < Duration::from_secs(6), "{took:?} {:?}", outcome.notes);
}

/// A deep queue shows in the first answers of hosts, where each host has but one.
#[test]
fn a_deep_queue_shows_where_each_host_answers_once() {
    let machines = (0..40_000).map(|n| (host(n), Machine { open: [80].into(), ..Machine::default() })).collect();
    let faults = Faults { delay: Duration::from_millis(20), capacity: Some(8_000.0), ..Faults::default() };
    let world = World::new(plan_of(40_000, &[80], Profile { retries: 1, ..profile() }), machines, faults);
    let (outcome, _, _) = world.scan(None, &crate::base::progress::Silent);
    assert_eq!(found(&outcome), world.truth());
    assert!(cuts(&outcome) >= 1, "{:?}", outcome.notes);
    assert!(outcome.ledger.total() < 44_000, "{} packets, as if answers were lost", outcome.ledger.total());
}

/// A flood of junk into our ports overruns the ring: what is lost of it is no answer, and a lower rate would not help.
#[test]
fn a_flood_of_junk_does_not_cut_the_rate() {
    let ports: Vec<u16> = (1..=1_000).collect();
    let machines = (0..64).map(|n| (host(n), Machine { open: [5].into(), ..Machine::default() })).collect();
    let faults = Faults {
        delay: Duration::from_millis(5),
        stall: Some((50, Duration::from_millis(4))),
        flood: 200_000.0,
        ring: Some(850),
        ..Faults::default()
    };
    let profile = Profile { rate: Some(Rate { per_second: 50_000 }), ..profile() };
    let world = World::new(plan_of(64, &ports, profile), machines, faults);
    let (outcome, _, took) = world.scan(None, &crate::base::progress::Silent);
    let (dropped, lost) = (outcome.counters.dropped, outcome.recall.as_ref().unwrap().tally.lost);
    assert_eq!(found(&outcome), world.truth());
    assert!(dropped > 1_000 && lost < dropped / 2, "{lost} lost of {dropped} dropped");
    assert!(cuts(&outcome) <= 1 && took < Duration::from_secs(4), "{took:?} {:?}", outcome.notes);
}

/// Answers that the kernel had no room for are losses, and less is asked at once.
#[test]
fn dropped_answers_cut_the_rate() {
    let ports: Vec<u16> = (1..=1_000).collect();
    let machines = (0..64).map(|n| (host(n), Machine { open: [5].into(), ..Machine::default() })).collect();
    let stall = Some((50, Duration::from_millis(20)));
    let faults = Faults { delay: Duration::from_millis(5), stall, ring: Some(100), ..Faults::default() };
    let world = World::new(plan_of(64, &ports, Profile { retries: 3, ..profile() }), machines, faults);
    let (outcome, ..) = world.scan(None, &crate::base::progress::Silent);
    let (dropped, lost) = (outcome.counters.dropped, outcome.recall.as_ref().unwrap().tally.lost);
    assert_eq!(found(&outcome), world.truth());
    assert!(dropped > 100 && lost >= dropped && cuts(&outcome) >= 1, "{lost} of {dropped} {:?}", outcome.notes);
    assert!(outcome.notes.iter().any(|n| n.starts_with(&format!("the kernel had no room for {dropped} frames"))));
}
