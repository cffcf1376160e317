//! Scans that end early and go on: what was done is not done again, what was sent stays counted, whatever has changed.

use super::*;
use crate::base::progress::{Silent, StopWish};
use crate::connector::live::{Claim, Ownership};
use crate::inventory::snapshot::{Snapshot, SnapshotInput};
use crate::plan::lease::Owner;
use crate::scan::checkpoint::{Kept, plan_key};

/// One way of the path.
const DELAY: Duration = Duration::from_millis(30);

/// The frames that had left when a checkpoint was made.
fn before<'a>(world: &World, checkpoint: &Checkpoint, first: &'a [(Duration, Vec<u8>)]) -> &'a [(Duration, Vec<u8>)] {
    let key = plan_key(&world.plan.hash, world.seed);
    let (kept, ..) = Kept::from_bytes(&checkpoint.state, &checkpoint.past, key).unwrap();
    &first[..kept.sent as usize]
}

/// Of what left before a checkpoint: pairs that had their answer by then.
fn answered(before: &[(Duration, Vec<u8>)]) -> BTreeSet<(IpAddr, u16, u8)> {
    let end = before.last().unwrap().0.saturating_sub(DELAY * 2 + Duration::from_millis(1));
    let early: Vec<_> = before.iter().filter(|(at, _)| *at < end).cloned().collect();
    captured(&early).into_keys().collect()
}

/// Goes on from each checkpoint of `first` as `second`: the ledger holds exactly what left before and after, and nobody
/// who had answered is asked again. Gives the outcomes.
fn go_on(first: &World, second: &World) -> Vec<ScanOutcome> {
    let shelf = Shelf::default();
    let (_, sent, _) = first.scan(Some(&shelf), &Silent);
    let checkpoints = shelf.0.into_inner().unwrap();
    assert!(checkpoints.len() >= 3, "{}", checkpoints.len());
    let mut outcomes = Vec::new();
    for (n, checkpoint) in checkpoints.iter().enumerate() {
        let (rest, after, _) = second.scan(Some(&Shelf::of(checkpoint)), &Silent);
        assert!(rest.whole);
        let before = before(first, checkpoint, &sent);
        let all = [before, &after].concat();
        let arp = all.iter().filter(|(_, f)| f[12..14] == [8, 6]).count() as u64;
        let neighbours = rest.ledger.by_probe().remove(&ProbeKind::Neighbour).unwrap_or(0);
        assert_eq!(arp, neighbours + rest.ledger.upkeep, "checkpoint {n}");
        let mut probes = booked(&rest);
        probes.retain(|(_, port, _), _| *port > 0);
        assert!(captured(&all) == probes, "checkpoint {n}: ledger and capture differ");
        let known = answered(before);
        let again: Vec<_> = captured(&after).into_keys().filter(|p| known.contains(p)).collect();
        assert!(known.len() > 300 && again.is_empty(), "checkpoint {n}: {again:?}");
        outcomes.push(rest);
    }
    outcomes
}

/// 64 hosts of which each port answers, slowly enough for several checkpoints.
fn slow_block() -> World {
    let ports: Vec<u16> = (1..=60).collect();
    let profile = Profile { retries: 0, rate: Some(Rate { per_second: 3_000 }), ..profile() };
    let faults = Faults { delay: DELAY, ..Faults::default() };
    World::new(plan_of(64, &ports, profile), block(false), faults)
}

fn reasons(outcome: &ScanOutcome) -> BTreeMap<u32, &str> {
    outcome.not_scanned.iter().map(|n| (n.target, &*n.reason)).collect()
}

/// What each link's engine has sent is counted once, whichever was at work when the scan ended.
#[test]
fn several_links_are_counted_once() {
    let world = slow_block().over(2);
    let (whole, sent, _) = world.scan(None, &Silent);
    assert_eq!(captured(&sent), booked(&whole));
    for outcome in go_on(&world, &world) {
        assert_eq!(found(&outcome), world.truth());
        assert_eq!(outcome.coverage, whole.coverage);
        assert_eq!(reasons(&outcome), BTreeMap::new());
    }
}

#[test]
fn targets_that_come_later_are_scanned_beside_the_others() {
    let first = World { finished: vec![0, 7, 20], ..slow_block() };
    let second = slow_block();
    for outcome in go_on(&first, &second) {
        assert_eq!(found(&outcome), second.truth());
        assert_eq!((outcome.coverage.done, outcome.coverage.planned), (64 * 60, 64 * 60));
    }
}

/// On-link neighbours: one is gone when the scan goes on. What it had answered stays.
#[test]
fn a_neighbour_that_is_gone_is_told_and_the_others_go_on() {
    let on_link = |mut world: World| {
        world.routes.values_mut().for_each(|route| route.gateway = None);
        world
    };
    let first = on_link(slow_block());
    let mut second = on_link(slow_block());
    second.machines.get_mut(&host(9)).unwrap().absent = true;
    let (mut open, mut told) = (0, 0);
    for outcome in go_on(&first, &second) {
        let others = |all: BTreeSet<(IpAddr, u16)>| all.into_iter().filter(|(a, _)| *a != host(9)).collect::<Vec<_>>();
        assert_eq!(others(found(&outcome)), others(second.truth()));
        // At the last checkpoint it may have had all its answers.
        assert!(reasons(&outcome).into_iter().all(|r| r == (9, "no such neighbour")), "{:?}", outcome.not_scanned);
        open = open.max(found(&outcome).len() - others(found(&outcome)).len());
        told += outcome.not_scanned.len();
    }
    assert!(open > 0 && told > 0, "{open} {told}");
}

#[test]
fn a_link_that_cannot_be_opened_costs_only_its_own_targets() {
    let first = slow_block().over(2);
    let second = World { shut: [2].into(), ..slow_block().over(2) };
    let (mut seen, mut told) = (BTreeSet::new(), 0);
    for outcome in go_on(&first, &second) {
        let even = |all: BTreeSet<(IpAddr, u16)>| {
            all.into_iter().filter(|(a, _)| second.routes[a].interface == 1).collect::<Vec<_>>()
        };
        assert_eq!(even(found(&outcome)), even(second.truth()));
        assert!(found(&outcome).is_subset(&second.truth()));
        assert!(outcome.errors.contains(&"interface 2: it is shut".to_owned()));
        assert!(reasons(&outcome).iter().all(|(t, why)| t % 2 == 1 && *why == "its interface could not be opened"));
        told += outcome.not_scanned.len();
        seen.insert(found(&outcome).len());
    }
    assert!(seen.len() > 1 && told > 0, "what the lost link had found stays: {seen:?}");
}

/// A target that is reached over another link now, one without a route, and links whose numbers have changed.
#[test]
fn routes_that_have_changed_cost_only_their_targets() {
    let first = slow_block();
    let mut second = slow_block();
    second.routes.values_mut().for_each(|route| route.interface = 5);
    second.routes.get_mut(&host(3)).unwrap().interface = 6;
    second.routes.remove(&host(4));
    let outcomes = go_on(&first, &second);
    let told = reasons(&outcomes[0]);
    assert_eq!(told[&3], "its route changed while the scan ran");
    assert_eq!(told[&4], "its route was lost while the scan ran");
    assert_eq!(told.len(), 2);
    for outcome in outcomes {
        let others = |all: BTreeSet<(IpAddr, u16)>| {
            all.into_iter().filter(|(a, _)| ![host(3), host(4)].contains(a)).collect::<Vec<_>>()
        };
        assert_eq!(others(found(&outcome)), others(second.truth()));
    }
}

/// Stopped in the midst of the first link, then in the midst of the second: nothing is lost on the way.
#[test]
fn a_scan_that_is_stopped_again_and_again_loses_nothing() {
    let (shelf, mut all, mut parts) = (Shelf::default(), Vec::new(), 0);
    loop {
        let world = slow_block().over(3);
        let from = all.len() as u64;
        let progress = AtUpdate(|done| {
            if done > from.saturating_sub(40) + 900 && world.stop.wish() == StopWish::None {
                world.stop.raise();
            }
        });
        let (outcome, sent, _) = world.scan(Some(&shelf), &progress);
        all.extend(sent);
        parts += 1;
        assert_eq!(captured(&all), booked(&outcome), "part {parts}");
        if !outcome.interrupted {
            assert_eq!(found(&outcome), world.truth());
            assert_eq!(outcome.coverage.done, outcome.coverage.planned);
            break;
        }
    }
    assert!(parts >= 3, "{parts}");
    assert!(captured(&all).values().all(|n| *n == 1), "a pause asks nobody twice");
}

/// The owner of all addresses but two.
struct ButTwo;

impl Owner for ButTwo {
    fn confirm(&self, claims: &[Claim]) -> Vec<Ownership> {
        let answer = |c: &Claim| match [host(5), host(11)].contains(&c.addr) {
            true => Ownership::Lost("somebody has it".into()),
            false => Ownership::Confirmed,
        };
        claims.iter().map(answer).collect()
    }
}

/// One target had no lease before and has none now; another has lost its own since.
#[test]
fn leases_that_are_gone_cost_only_their_targets() {
    let first = World { finished: vec![5], ..slow_block() };
    let mut second = World { finished: vec![5, 11], ..slow_block() };
    let (nobody, _) = Snapshot::build(SnapshotInput::default(), &Limits::default()).unwrap();
    let leases = Leases::new(&second.plan, &nobody, Duration::from_secs(900), 64);
    let clock = ManualClock::at(Timestamp::from_second(1_000).unwrap());
    leases.renew(&ButTwo, &clock, Duration::from_secs(60), &|| true);
    second.leases = Some(Arc::new(leases));
    let mut lost = 0;
    for outcome in go_on(&first, &second) {
        let others = |all: BTreeSet<(IpAddr, u16)>| {
            all.into_iter().filter(|(a, _)| ![host(5), host(11)].contains(a)).collect::<Vec<_>>()
        };
        assert_eq!(others(found(&outcome)), others(second.truth()));
        assert!(!booked(&outcome).keys().any(|(addr, ..)| *addr == host(5)));
        let told = reasons(&outcome);
        assert_eq!(told[&5], "not reached");
        assert!(told.iter().all(|(t, why)| *t == 5 || (*t, *why) == (11, "lease lost")), "{told:?}");
        lost += usize::from(told.contains_key(&11));
    }
    assert!(lost > 0);
}

/// What is found makes the past longer, and no checkpoint larger; the past is only ever added to.
#[test]
fn a_checkpoint_costs_the_same_however_much_is_done() {
    let ports: Vec<u16> = (1..=4_000).collect();
    let open = |n: usize| ports.iter().copied().filter(|p| (usize::from(*p) + n).is_multiple_of(3)).collect();
    let machines = (0..8).map(|n| (host(n), Machine { open: open(n), ..Machine::default() })).collect();
    let profile = Profile { rate: Some(Rate { per_second: 10_000 }), ..profile() };
    let world = World::new(plan_of(8, &ports, profile), machines, Faults::default());
    let shelf = Shelf::default();
    let (outcome, ..) = world.scan(Some(&shelf), &Silent);
    let checkpoints = shelf.0.into_inner().unwrap();
    assert!(outcome.open_ports() > 10_000 && checkpoints.len() > 5, "{}", checkpoints.len());
    let last = checkpoints.last().unwrap();
    let states: Vec<usize> = checkpoints.iter().map(|c| c.state.len()).collect();
    assert!(last.past.len() > 100_000 && states.iter().all(|n| *n < 20_000), "{states:?}, {}", last.past.len());
    assert!(checkpoints.is_sorted_by(|a, b| b.past.starts_with(&a.past)));
}

/// A checkpoint that is there and cannot be read is told.
#[test]
fn a_checkpoint_that_cannot_be_read_is_told() {
    struct Torn;
    impl Keep for Torn {
        fn keep(&self, _: Vec<u8>, _: u64, _: Vec<u8>) {}
        fn kept(&self) -> Result<Option<Checkpoint>, String> {
            Err("it is too large".into())
        }
    }
    let world = slow_block();
    let (outcome, ..) = world.scan(Some(&Torn), &Silent);
    assert_eq!(found(&outcome), world.truth());
    let told = "the checkpoint cannot be read: it is too large; what it covers is scanned anew";
    assert!(!outcome.whole && outcome.notes.iter().any(|n| n == told), "{:?}", outcome.notes);
}

/// Kills at any checkpoint, as if the process had died right before the next one, then goes on.
#[test]
fn whoever_goes_on_from_a_checkpoint_finds_the_same() {
    let ports: Vec<u16> = (1..=60).collect();
    for (silent, ping, retries) in [(false, false, 0), (true, false, 2), (false, true, 1)] {
        let profile = Profile {
            retries,
            rate: Some(Rate { per_second: 3_000 }),
            ping: if ping { vec![Ping::Icmp, Ping::Tcp([7].into_iter().collect())] } else { Vec::new() },
            ..profile()
        };
        let machines: HashMap<IpAddr, Machine> =
            block(silent).into_iter().map(|(a, m)| (a, Machine { echo: true, ..m })).collect();
        let faults = Faults { delay: DELAY, ..Faults::default() };
        let world = World::new(plan_of(64, &ports, profile), machines, faults);
        let shelf = Shelf::default();
        let (whole, first, _) = world.scan(Some(&shelf), &Silent);
        let checkpoints = shelf.0.into_inner().unwrap();
        assert!(checkpoints.len() >= 3, "{}", checkpoints.len());
        for (n, checkpoint) in checkpoints.iter().enumerate() {
            let key = plan_key(&world.plan.hash, world.seed);
            let (before, ..) = Kept::from_bytes(&checkpoint.state, &checkpoint.past, key).unwrap();
            let (rest, sent, _) = world.scan(Some(&Shelf::of(checkpoint)), &Silent);
            assert!(rest.whole);
            assert_eq!(found(&rest), found(&whole), "checkpoint {n}");
            let counts = |o: &ScanOutcome| {
                o.hosts.iter().map(|h| (h.addr, h.counts.clone(), h.reasons.clone())).collect::<Vec<_>>()
            };
            assert_eq!(counts(&rest), counts(&whole), "checkpoint {n}");
            assert_eq!(rest.coverage, whole.coverage);
            // The ledger holds what left before and after; what left after is the rest.
            let mut after = captured(&sent);
            let all = booked(&rest);
            for (pair, total) in &all {
                let n = after.remove(pair).unwrap_or(0);
                assert!(n <= *total && *total <= u32::from(retries) + 2, "{pair:?}: {n} of {total}");
            }
            assert!(after.is_empty());
            assert!(before.sent <= whole.counters.sent);
            // A pair that had left and been answered before the checkpoint is not asked again: only what was on its way
            // there, and what left later, is.
            if !silent && !ping {
                let answered = first[before.sent as usize - 1].0.saturating_sub(DELAY * 2);
                let early: Vec<_> = first.iter().filter(|(at, _)| *at < answered).cloned().collect();
                let known = captured(&early);
                let again: Vec<_> = captured(&sent).into_keys().filter(|pair| known.contains_key(pair)).collect();
                assert!(known.len() > 500 && again.is_empty(), "checkpoint {n}: {again:?}");
            }
        }
        let mut damaged = checkpoints.last().unwrap().clone();
        let middle = damaged.state.len() / 2;
        damaged.state[middle] ^= 1;
        let (anew, ..) = world.scan(Some(&Shelf::of(&damaged)), &Silent);
        assert!(!anew.whole && anew.notes.iter().any(|n| n.contains("damaged")));
        assert_eq!(found(&anew), found(&whole));
    }
}

/// A queue that stays full is no hang: the scan looks up, and what was ready to leave is judged again when it can.
#[test]
fn what_waits_for_a_full_queue_is_judged_again() {
    let ports: Vec<u16> = (1..=100).collect();
    let block = (Duration::from_millis(1_500), Duration::from_millis(4_500));
    let profile = Profile { rate: Some(Rate { per_second: 20 }), retries: 0, ..profile() };
    let machines: HashMap<IpAddr, Machine> = (0..2).map(|n| (host(n), Machine::default())).collect();
    let faults = Faults { full: Some(block), ..Faults::default() };
    let world = World::new(plan_of(2, &ports, profile.clone()), machines.clone(), faults);
    let clock = Arc::new(ManualClock::at(Timestamp::from_second(1_000).unwrap()));
    let progress = AtUpdate(|_| {
        if clock.elapsed() > Duration::from_secs(3) && world.exclusions.after(0).is_empty() {
            world.exclusions.add(AddrRange::single(host(0)));
        }
    });
    let (outcome, sent, _) = world.scan_by(&clock, None, &progress);
    assert_eq!(captured(&sent), booked(&outcome));
    assert_eq!(too_fast(&world.plan.profile, &frames(&sent)), None);
    let late = sent.iter().filter(|(at, f)| *at >= block.1 && f[12..14] == [8, 0] && f[33] == 0).count();
    assert_eq!(late, 0, "frames to a host that was excluded while they waited");
    assert_eq!(outcome.hosts.iter().find(|h| h.addr == host(1)).unwrap().counts[&PortState::Closed], 100);

    // It never drains: the link is given up, and somebody who wants to stop is heard at once.
    let faults = Faults { full: Some((block.0, Duration::MAX)), ..Faults::default() };
    let world = World::new(plan_of(2, &ports, profile.clone()), machines.clone(), faults.clone());
    let (outcome, _, took) = world.scan(None, &Silent);
    assert!(outcome.errors[0].starts_with("the link was lost"), "{:?}", outcome.errors);
    assert!((Duration::from_secs(10)..Duration::from_secs(11)).contains(&took), "{took:?}");
    let world = World::new(plan_of(2, &ports, profile), machines, faults);
    let clock = Arc::new(ManualClock::at(Timestamp::from_second(1_000).unwrap()));
    let progress = AtUpdate(|_| {
        if clock.elapsed() > Duration::from_secs(3) {
            world.stop.raise();
        }
    });
    let (outcome, _, took) = world.scan_by(&clock, None, &progress);
    assert_eq!((outcome.errors.len(), took < Duration::from_secs(3)), (0, true), "{took:?} {:?}", outcome.errors);
}

/// A new engine beside resumed ones waits too: what left in the last second before a crash is not known.
#[test]
fn whoever_goes_on_rests_first() {
    let first = World { finished: (48..64).collect(), ..slow_block() };
    let shelf = Shelf::default();
    first.scan(Some(&shelf), &Silent);
    let last = shelf.0.into_inner().unwrap().pop().unwrap();
    for world in [slow_block(), slow_block().on_link()] {
        let (outcome, sent, _) = world.scan(Some(&Shelf::of(&last)), &Silent);
        assert_eq!(found(&outcome), world.truth());
        assert!(sent[0].0 >= Duration::from_secs(2), "{:?}", sent[0].0);
    }
}

/// A host that had all its answers and is not reached any more gets nothing, nor does a canary on it.
#[test]
fn a_canary_that_is_out_of_reach_is_not_asked() {
    let world = |absent: bool| {
        let mut world = slow_block().on_link();
        world.plan = with_canary(world.plan, 5);
        world.machines.insert(host(0), Machine { open: (1..=60).step_by(7).collect(), absent, ..Machine::default() });
        world
    };
    let shelf = Shelf::default();
    world(false).scan(Some(&shelf), &Silent);
    for checkpoint in shelf.0.into_inner().unwrap() {
        let second = world(true);
        let (outcome, sent, _) = second.scan(Some(&Shelf::of(&checkpoint)), &Silent);
        assert!(sent.iter().all(|(_, f)| f[..6] != [0; 6]), "a frame to nobody's hardware address");
        assert_eq!(outcome.counters.refused, 0);
        assert_eq!(canary_notes(&outcome), ["canary 198.18.0.0 tcp 5: its target was left out, so it tells no loss"]);
    }
}

/// Of a host that answers on every port the lowest open ports are kept, however often the scan was interrupted.
#[test]
fn what_is_kept_of_a_host_that_answers_on_every_port_is_the_lowest() {
    let ports: Vec<u16> = (2_001..=6_000).collect();
    let faults = Faults { delay: Duration::from_millis(500), ..Faults::default() };
    let machines = HashMap::from([
        (host(0), Machine { every: true, ..Machine::default() }),
        (host(1), Machine { open: [2_500].into(), ..Machine::default() }),
    ]);
    let profile = Profile { rate: Some(Rate { per_second: 3_000 }), retries: 1, ..profile() };
    let world = World::new(plan_of(2, &ports, profile), machines, faults);
    let shelf = Shelf::default();
    let (whole, ..) = world.scan(Some(&shelf), &Silent);
    let kept = |outcome: &ScanOutcome| {
        let host = outcome.hosts.iter().find(|h| h.addr == host(0)).unwrap();
        let open = host.counts[&PortState::Open] as usize;
        assert!(open > 1_100 && outcome.every.contains_key(&0), "{open}");
        host.ports.iter().map(|p| p.port).collect::<Vec<_>>()
    };
    let lowest = kept(&whole);
    assert_eq!(lowest.len(), 1_024);
    // Ports are asked in an order of their own: the lowest of all that answered lie close together.
    assert!(*lowest.last().unwrap() < 5_500, "{lowest:?}");
    for checkpoint in shelf.0.into_inner().unwrap() {
        let (outcome, ..) = world.scan(Some(&Shelf::of(&checkpoint)), &Silent);
        assert_eq!(kept(&outcome).len(), 1_024);
    }
}
