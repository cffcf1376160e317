//! Canaries: what they steer and measure, and the rules that they keep to.

use super::*;

/// Behind a narrow path that drops what is too much, nothing answers but a few ports that a full path hides: only a
/// canary tells.
#[test]
fn a_canary_keeps_a_silent_path_from_being_buried() {
    let ports: Vec<u16> = (1..=200).collect();
    let mut machines: HashMap<IpAddr, Machine> = (0..64)
        .map(|n| {
            (
                host(n),
                Machine { open: if n % 8 == 5 { [77].into() } else { [].into() }, silent: true, ..Machine::default() },
            )
        })
        .collect();
    machines.insert(host(0), Machine { open: [443].into(), silent: true, ..Machine::default() });
    let faults = Faults {
        delay: Duration::from_millis(20),
        capacity: Some(2_000.0),
        queue: Some(Duration::from_millis(5)),
        ..Faults::default()
    };
    let profile = Profile { retries: 3, ..profile() };
    let blind = World::new(plan_of(64, &ports, profile.clone()), machines.clone(), faults.clone());
    let (outcome, ..) = blind.scan(None, &crate::base::progress::Silent);
    let found_blind = found(&outcome).len();
    let world = World::new(with_canary(plan_of(64, &ports, profile), 443), machines, faults);
    let (outcome, sent, _) = world.scan(None, &crate::base::progress::Silent);
    assert!(found_blind < 8, "{found_blind} of 8 found without a canary");
    assert_eq!(found(&outcome), world.truth(), "{:?}", outcome.notes);
    assert_eq!(captured(&sent), booked(&outcome));
    assert!(outcome.ledger.total() <= world.plan.cost.packets_max);
    assert!(canary_notes(&outcome)[0].starts_with("canary 198.18.0.0 tcp 443: "), "{:?}", outcome.notes);
}

/// Where nothing but the canary answers, it alone measures the recall.
#[test]
fn a_canary_measures_what_silence_cannot() {
    let ports: Vec<u16> = (1..=200).collect();
    let mut machines: HashMap<IpAddr, Machine> =
        (0..64).map(|n| (host(n), Machine { silent: true, ..Machine::default() })).collect();
    machines.insert(host(0), Machine { open: [443].into(), silent: true, ..Machine::default() });
    let faults = Faults { loss: 0.05, delay: Duration::from_millis(20), ..Faults::default() };
    let plan = || plan_of(64, &ports, Profile { recall: Some(99_000), retries: 4, ..profile() });
    let (outcome, ..) = World::new(plan(), machines.clone(), faults.clone()).scan(None, &crate::base::progress::Silent);
    assert_eq!(outcome.recall.unwrap().at_least, None);
    let world = World::new(with_canary(plan(), 443), machines, faults);
    let (outcome, sent, _) = world.scan(None, &crate::base::progress::Silent);
    let recall = outcome.recall.clone().unwrap();
    assert!(recall.reached() && (0.04..0.2).contains(&recall.tally.loss()), "{}", recall.describe());
    assert!(outcome.ledger.total() < 64 * 200 * 5, "the recall was reached before all tries");
    assert_eq!(captured(&sent), booked(&outcome));
}

/// Canaries on two links have one budget, and one on a link that cannot be opened is told.
#[test]
fn canaries_on_several_links_keep_to_one_bound() {
    let ports: Vec<u16> = (1..=200).collect();
    let profile = Profile { rate: Some(Rate { per_second: 300 }), retries: 2, ..profile() };
    let mut plan = with_canary(plan_of(8, &ports, profile), 443);
    plan.canaries.as_mut().unwrap().pairs.push((1, 443));
    let machines: HashMap<IpAddr, Machine> =
        (0..8).map(|n| (host(n), Machine { open: [443].into(), silent: true, ..Machine::default() })).collect();
    let mut world = World::new(plan, machines, Faults::default()).over(2);
    let (outcome, sent, _) = world.scan(None, &crate::base::progress::Silent);
    let capture = captured(&sent);
    let to_canaries = capture[&(host(0), 443, 6)] + capture[&(host(1), 443, 6)];
    let others = capture.values().sum::<u32>() - to_canaries;
    assert!(to_canaries <= 200 + others / 100, "{to_canaries} of {others}");
    assert_eq!(canary_notes(&outcome).len(), 2);
    world.shut.insert(2);
    let (outcome, ..) = world.scan(None, &crate::base::progress::Silent);
    let told = "canary 198.18.0.1 tcp 443: its target was left out, so it tells no loss";
    assert!(canary_notes(&outcome).contains(&told), "{:?}", outcome.notes);
}

/// A canary that is silent or closed, or falls silent, tells nothing, slows nothing, and is named.
#[test]
fn a_canary_that_does_not_sing_is_told() {
    let ports: Vec<u16> = (1..=200).collect();
    let machines = |first: Machine| {
        let mut machines = block(false);
        machines.insert(host(0), first);
        machines
    };
    let profile = Profile { rate: Some(Rate { per_second: 5_000 }), ..profile() };
    let open = || -> BTreeSet<u16> { [443].into() };
    let cases = [
        (Machine { silent: true, ..Machine::default() }, "none of "),
        (Machine::default(), "the port is closed"),
        (
            Machine { open: open(), silent: true, dies: Some(Duration::from_millis(1_500)), ..Machine::default() },
            "then none",
        ),
    ];
    for (machine, says) in cases {
        let world =
            World::new(with_canary(plan_of(64, &ports, profile.clone()), 443), machines(machine), Faults::default());
        let (outcome, sent, took) = world.scan(None, &crate::base::progress::Silent);
        assert!(canary_notes(&outcome)[0].contains(says), "{says}: {:?}", outcome.notes);
        assert_eq!((found(&outcome), outcome.recall.as_ref().unwrap().tally.lost), (world.truth(), 0), "{says}");
        assert_eq!(captured(&sent), booked(&outcome));
        assert!(took < Duration::from_secs(6), "{says}: {took:?}");
    }
}

/// The canary's own limits hold: its host's rate, exclusions, and the bound of the plan.
#[test]
fn a_canary_keeps_to_the_rules() {
    let ports: Vec<u16> = (1..=100).collect();
    let machines = block(true);
    let profile = Profile { per_host: Some(Rate { per_second: 60 }), ..profile() };
    let world = World::new(with_canary(plan_of(64, &ports, profile), 9), machines, Faults::default());
    let progress = AtUpdate(|done| {
        if done > 2_000 && world.exclusions.after(0).is_empty() {
            world.exclusions.add(AddrRange::single(host(0)));
        }
    });
    let (outcome, sent, _) = world.scan(None, &progress);
    let of_first: Vec<Duration> =
        sent.iter().filter(|(_, f)| f[12..14] == [8, 0] && f[30..34] == [198, 18, 0, 0]).map(|(t, _)| *t).collect();
    assert!(busiest_second(of_first.iter().copied()) <= 60);
    let end = sent.last().unwrap().0;
    assert!(*of_first.last().unwrap() + Duration::from_millis(300) < end, "asked until the end");
    assert_eq!(captured(&sent), booked(&outcome));
    assert!(outcome.ledger.total() <= world.plan.cost.packets_max);
}

/// A canary's answer that comes while the rest of its batch waits for room: its probe is booked all the same.
#[test]
fn a_canary_is_booked_though_its_batch_has_not_left() {
    let ports: Vec<u16> = (1..=100).collect();
    let faults = Faults { full_every: Some(2), partial: true, ..Faults::default() };
    let world = World::new(with_canary(plan_of(64, &ports, profile()), 443), canary_first(block(true)), faults);
    let (outcome, sent, _) = world.scan(None, &crate::base::progress::Silent);
    let canary = (host(0), 443, 6);
    assert_eq!(booked(&outcome)[&canary], captured(&sent)[&canary]);
    assert_eq!(captured(&sent), booked(&outcome));
}

fn canary_first(mut machines: HashMap<IpAddr, Machine>) -> HashMap<IpAddr, Machine> {
    machines.get_mut(&host(0)).unwrap().open.insert(443);
    machines
}
