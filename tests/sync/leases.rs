//! Addresses that change hands between plan and packet, and while a scan runs.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use palisade::base::clock::{Clock, ManualClock, SystemClock};
use palisade::base::progress::{Progress, Stop};
use palisade::plan::lease::{Leases, NoLease};
use palisade::plan::plan::Plan;
use palisade::report::model::Results;
use palisade::run::pipeline::{self, RunOptions};
use palisade::scan::observation::Mode;
use palisade::scan::released::release;
use palisade::scan::{LiveExclusions, ScanInput, scan};

use super::cloud::{PLACES, Place, Scripted, start};

const MINUTE: Duration = Duration::from_secs(60);

/// Three machines on this host's own loopback, and a job that asks a few ports of them.
fn loopback(name: &str, third: u8, ports: &str) -> (Place, [Ipv4Addr; 3]) {
    let job = format!(
        "profile \"few\" {{\n  tcp = [{ports}]\n  ping = [tcp({ports})]\n  dead_hosts = scan\n  retries = 0\n}}\n\
         scan \"s\" {{\n  connector = \"c\"\n  profile = \"few\"\n  targets {{\n    lease = 1m\n  }}\n}}"
    );
    let place = Place::new(name, &job);
    let addresses = [1, 2, 3].map(|n| Ipv4Addr::new(127, 77, third, n));
    for (n, addr) in addresses.iter().enumerate() {
        place.cloud.cloud().vm(&format!("i-{n}"), PLACES[0], &addr.to_string());
    }
    (place, addresses)
}

fn ask(place: &Place, plan: &Plan) -> Leases {
    Leases::new(plan, &place.prepared().loaded.snapshot, 10 * MINUTE, 2)
}

#[test]
fn a_lease_holds_until_its_end_and_is_lost_for_good() {
    let (place, [one, two, three]) = loopback("holds", 1, "9");
    let plan = place.plan();
    let leases = ask(&place, &plan);
    let clock: &ManualClock = &place.cloud.clock;
    let check = |a: Ipv4Addr| leases.check(a.into(), clock.now());
    let stranger: IpAddr = "192.0.2.9".parse().unwrap();
    assert_eq!(leases.check(stranger, clock.now()), Ok(()), "what needs no lease is the warrant's business");
    assert_eq!(check(one), Err(NoLease::Lost), "nothing is ours before it is confirmed");

    place.cloud.cloud().mute.insert(three.into());
    let renew = |ahead: Duration| leases.renew(&place.cloud, clock, ahead, &|| true);
    renew(Duration::ZERO);
    assert_eq!((check(one), check(two), check(three)), (Ok(()), Ok(()), Err(NoLease::Lost)));
    let sizes: Vec<usize> = place.cloud.cloud().asked.iter().map(Vec::len).collect();
    assert_eq!(sizes, [2, 1], "in batches");
    let told = |at: Timestamp| leases.ended(at).iter().map(|e| e.reason.clone()).collect::<Vec<_>>();
    assert_eq!(told(clock.now()), ["lease not confirmed: the provider does not answer"]);

    let confirmed = leases.confirmation(one.into()).unwrap();
    assert!(confirmed.starts_with(&format!("{} eni-i-0 of i-0", clock.now())), "{confirmed}");
    assert_eq!((leases.confirmation(three.into()), leases.confirmation(stranger)), (None, None));

    // Half way, two moves to another machine, and one cannot be asked about.
    clock.advance(5 * MINUTE);
    place.cloud.cloud().mute.insert(one.into());
    place.cloud.cloud().machines.get_mut("i-1").unwrap().addr = "203.0.113.1".into();
    renew(5 * MINUTE);
    assert_eq!((check(one), check(two)), (Ok(()), Err(NoLease::Lost)), "what was confirmed holds to its end");
    clock.advance(5 * MINUTE);
    assert_eq!(check(one), Err(NoLease::Lapsed));
    place.cloud.cloud().mute.clear();
    place.cloud.cloud().machines.get_mut("i-1").unwrap().addr = two.to_string();
    renew(Duration::ZERO);
    assert_eq!((check(one), check(three)), (Ok(()), Ok(())), "late is not lost");
    assert_eq!(check(two), Err(NoLease::Lost), "lost is lost");
    let ended = leases.ended(clock.now());
    assert_eq!(ended.len(), 1);
    assert_eq!((ended[0].reason.as_str(), ended[0].confirmed), ("lease lost: nobody has the address", Some(start())));
}

#[test]
fn an_address_reassigned_between_plan_and_packet_gets_none() {
    let (place, [one, two, three]) = loopback("reassigned", 2, "4477");
    let listeners: Vec<TcpListener> =
        [one, two, three].iter().map(|a| TcpListener::bind((*a, 4477)).unwrap()).collect();
    let mut env = place.env();
    env.clock = Arc::new(SystemClock::default());
    let prepared = place.prepared();
    let mut plan = prepared.plan(&place.env()).unwrap();
    assert_eq!(plan.targets.len(), 3);
    {
        let mut cloud = place.cloud.cloud();
        cloud.machines.get_mut("i-1").unwrap().addr = "203.0.113.1".into();
        cloud.vm("i-9", PLACES[1], &two.to_string());
        cloud.mute.insert(three.into());
    }
    // The plan is of the scripted time; its warrants are made to last until now.
    plan.targets = renewed(&place, &env);
    let mut store = place.store();
    let options = RunOptions { mode: Some(Mode::Connect), ..RunOptions::default() };
    let ran = pipeline::run(&prepared, &plan, options, &mut store, &env, &mut |_| Ok(())).unwrap();

    assert_eq!(
        reasons(&ran.results),
        [
            ("i-1 127.77.2.2".to_owned(), "lease lost: the address belongs to eni-i-9".to_owned()),
            ("i-2 127.77.2.3".to_owned(), "lease not confirmed: the provider does not answer".to_owned()),
        ]
    );
    assert_eq!(ran.outcome.as_ref().unwrap().gaps(), 2);
    let hosts: Vec<&str> = ran.results.hosts.iter().map(|h| h.address.as_str()).collect();
    assert_eq!(hosts, ["127.77.2.1"]);
    let destinations: Vec<IpAddr> = ran.outcome.unwrap().ledger.lines().map(|(e, _)| e.destination).collect();
    assert!(destinations.iter().all(|d| *d == IpAddr::from(one)), "{destinations:?}");
    assert_eq!(knocked(&listeners), [true, false, false]);
}

#[test]
fn a_load_balancer_that_lets_go_of_its_address_gets_no_packet() {
    let job = "profile \"few\" {\n  tcp = [4478]\n  ping = [tcp(4478)]\n  dead_hosts = scan\n  retries = 0\n}\n\
        scan \"s\" {\n  connector = \"c\"\n  profile = \"few\"\n  targets {\n    load_balancers_from_connector = true\n  }\n}";
    let place = Place::new("balancers", job);
    let addresses = [1, 2, 3].map(|n| IpAddr::from([127, 77, 4, n]));
    let listeners: Vec<TcpListener> = addresses.iter().map(|a| TcpListener::bind((*a, 4478)).unwrap()).collect();
    {
        let mut cloud = place.cloud.cloud();
        for (name, addr) in ["one", "two", "three"].into_iter().zip(addresses) {
            cloud.balancers.push((PLACES[0], name, addr));
        }
    }
    let mut env = place.env();
    env.clock = Arc::new(SystemClock::default());
    let prepared = place.prepared();
    let mut plan = prepared.plan(&place.env()).unwrap();
    assert_eq!((plan.load_balancers.len(), plan.targets.len()), (3, 3));
    {
        // One address goes to another load balancer, one cannot be asked about.
        let mut cloud = place.cloud.cloud();
        cloud.balancers[1].2 = "203.0.113.1".parse().unwrap();
        cloud.balancers.push((PLACES[1], "stranger", addresses[1]));
        cloud.mute.insert(addresses[2]);
    }
    plan.targets = renewed(&place, &env);
    let mut store = place.store();
    let options = RunOptions { mode: Some(Mode::Connect), resume: None, approved: None, shard: None };
    let ran = pipeline::run(&prepared, &plan, options, &mut store, &env, &mut |_| Ok(())).unwrap();
    let stranger = super::cloud::arn(PLACES[1], "stranger");
    assert_eq!(
        reasons(&ran.results),
        [
            (
                "three.elb.us-east-1.example 127.77.4.3".to_owned(),
                "lease not confirmed: the provider does not answer".to_owned()
            ),
            (
                "two.elb.us-east-1.example 127.77.4.2".to_owned(),
                format!("lease lost: the address belongs to eni-{stranger}")
            ),
        ]
    );
    let destinations: Vec<IpAddr> = ran.outcome.unwrap().ledger.lines().map(|(e, _)| e.destination).collect();
    assert!(!destinations.is_empty() && destinations.iter().all(|d| *d == addresses[0]), "{destinations:?}");
    assert_eq!(knocked(&listeners), [true, false, false]);
}

/// Which listeners were connected to.
fn knocked(listeners: &[TcpListener]) -> Vec<bool> {
    let one = |l: &TcpListener| {
        l.set_nonblocking(true).unwrap();
        !matches!(l.accept().map_err(|e| e.kind()), Err(ErrorKind::WouldBlock))
    };
    listeners.iter().map(one).collect()
}

/// The same targets, planned at the machine's own time.
fn renewed(place: &Place, env: &palisade::run::env::Env) -> Vec<palisade::plan::target::Target> {
    let mut prepared = place.prepared();
    prepared.now = env.clock.now();
    prepared.plan(env).unwrap().targets
}

fn reasons(results: &Results) -> Vec<(String, String)> {
    results.not_scanned.iter().map(|n| (n.target.clone(), n.reason.clone())).collect()
}

/// Takes an address away once the scan has begun.
struct Thief<'a> {
    leases: &'a Leases,
    cloud: Scripted,
    clock: &'a dyn Clock,
    victim: IpAddr,
    stolen: Mutex<bool>,
}

impl Progress for Thief<'_> {
    fn start(&self, _: &'static str, _: u64) {}
    fn update(&self, _: &'static str, done: u64, _: &str) {
        let mut stolen = self.stolen.lock().unwrap();
        if done >= 6 && !*stolen {
            *stolen = true;
            self.cloud.cloud().hands.insert(self.victim, 0);
            // All are asked again, as the keeper would at half of their life.
            self.leases.renew(&self.cloud, self.clock, 10 * MINUTE, &|| true);
        }
    }
    fn finish(&self, _: &'static str) {}
}

#[test]
fn an_address_lost_while_scanning_gets_no_further_packet() {
    let ports: Vec<String> = (4500..4540).map(|p| p.to_string()).collect();
    let (place, [one, two, three]) = loopback("midway", 3, &ports.join(", "));
    let mut env = place.env();
    let clock = SystemClock::default();
    env.clock = Arc::new(SystemClock::default());
    let mut plan = place.plan();
    plan.targets = renewed(&place, &env);
    plan.profile.ping.clear();
    let leases = Arc::new(ask(&place, &plan));
    leases.renew(&place.cloud, &clock, Duration::ZERO, &|| true);
    let confirmed = leases.ended(clock.now());
    assert!(confirmed.is_empty(), "{confirmed:?}");
    let thief = Thief {
        leases: &leases,
        cloud: place.cloud.clone(),
        clock: &clock,
        victim: two.into(),
        stolen: Mutex::new(false),
    };
    let mut limits = env.limits.clone();
    limits.sockets_in_flight = 1;
    let input = ScanInput {
        plan: &plan,
        mode: Some(Mode::Connect),
        clock: &clock,
        seed: 7,
        limits: &limits,
        progress: &thief,
        stop: &Stop::default(),
        finished: &[],
        elsewhere: &[],
        exclusions: &LiveExclusions::default(),
        keep: None,
        leases: Some(Arc::clone(&leases)),
    };
    let mut outcome = scan(&input).unwrap();
    assert!(*thief.stolen.lock().unwrap());
    let mut sent: BTreeMap<IpAddr, u32> = BTreeMap::new();
    for (entry, n) in outcome.ledger.lines() {
        *sent.entry(entry.destination).or_default() += n;
    }
    assert_eq!((sent[&one.into()], sent[&three.into()]), (40, 40));
    // Asked in turn, all three would be at the same count; progress is told a few questions late.
    assert!(sent[&two.into()] < 25, "{sent:?}");
    assert_eq!(outcome.counters.refused, 0, "an address that is no longer ours is no bug");
    release(&mut outcome, &leases.ended(clock.now()), 40);
    let left: Vec<(u32, &str)> = outcome.not_scanned.iter().map(|n| (n.target, &*n.reason)).collect();
    let victim = plan.targets.iter().position(|t| t.addr() == IpAddr::from(two)).unwrap() as u32;
    assert_eq!(left, [(victim, "lease lost: the address belongs to eni-stranger")]);
    assert_eq!(outcome.unattributed.keys().copied().collect::<Vec<_>>(), [victim]);
}
