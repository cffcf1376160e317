//! What connect mode does when this machine lacks something, over loopback, and when its clock is set.

use std::net::TcpListener;

use jiff::Timestamp;

use super::*;
use crate::base::addr_set::AddrSet;
use crate::base::clock::{Clock, ManualClock};
use crate::base::limits::Limits;
use crate::base::progress::{Silent, Stop};
use crate::base::quantity::Rate;
use crate::lang::job::Profile;
use crate::plan::plan::ProbeSet;
use crate::plan::sample;
use crate::scan::LiveExclusions;
use crate::scan::observation::Mode;

const EPERM: i32 = 1;
const EINVAL: i32 = 22;
const EMFILE: i32 = 24;
const ENETUNREACH: i32 = 101;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// Runs a test's steps on a scanner of one open port of loopback, under a warrant that ends at second 2000; the clock
/// begins at second 1000.
fn with_scanner(steps: impl FnOnce(&mut Scanner<'_, '_>, &ManualClock, Question)) -> ScanOutcome {
    let profile = Profile { ping: Vec::new(), rate: None, per_host: None, retries: 0, ..Profile::initial_options() };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    with_ports(&[port], profile, steps)
}

fn with_ports(
    ports: &[u16],
    profile: Profile,
    steps: impl FnOnce(&mut Scanner<'_, '_>, &ManualClock, Question),
) -> ScanOutcome {
    let probes = ProbeSet { tcp: ports.iter().copied().collect(), udp: Default::default() };
    let plan = sample::plan(&[IpAddr::from([127, 0, 0, 1])], probes, profile, AddrSet::default(), at(2_000));
    let clock = ManualClock::at(at(1_000));
    let input = ScanInput {
        plan: &plan,
        mode: Some(Mode::Connect),
        clock: &clock,
        seed: 7,
        limits: &Limits::default(),
        progress: &Silent,
        stop: &Stop::default(),
        finished: &[],
        elsewhere: &[],
        exclusions: &LiveExclusions::default(),
        keep: None,
        leases: None,
    };
    let mut outcome = ScanOutcome::new(&input, Mode::Connect);
    let mut scanner = Scanner::new(&input, &mut outcome, Sockets::new().unwrap());
    steps(&mut scanner, &clock, Question { target: 0, protocol: Protocol::Tcp, port: ports[0], tries: 0 });
    scanner.notes();
    outcome
}

/// Asks until the round is over or so much time has passed, in steps of 10 ms.
fn go_on(scanner: &mut Scanner<'_, '_>, clock: &ManualClock, most: Duration) {
    let ports: Vec<(Protocol, u16)> = scanner.input.plan.probes.tcp.iter().map(|p| (Protocol::Tcp, p)).collect();
    let mut questions = Questions::new(&[0], &ports, 7);
    let end = clock.elapsed() + most;
    while clock.elapsed() < end {
        if scanner.ask_some(&mut questions) == Asked::All && scanner.sockets.busy() == 0 {
            break;
        }
        scanner.gather(Duration::ZERO, &mut questions).unwrap();
        clock.advance(Duration::from_millis(10));
    }
}

#[test]
fn a_shortage_of_sockets_is_waited_out_and_books_nothing() {
    let outcome = with_scanner(|scanner, clock, _| {
        scanner.sockets.lacks = vec![EMFILE; 1_000];
        go_on(scanner, clock, Duration::from_secs(8));
        assert_eq!((scanner.outcome.counters.sent, scanner.outcome.ledger.total()), (0, 0), "nothing has left");
        assert_eq!(scanner.hosts[0].cut, None);
        go_on(scanner, clock, Duration::from_secs(30));
        assert_eq!(scanner.hosts[0].count(PortState::Open), 1);
    });
    assert_eq!((outcome.counters.sent, outcome.ledger.total()), (1, 1));
    assert_eq!(outcome.counters.send_errors, 1_000);
    let note = "this machine ran out of sockets or ports 1000 times; what could not be asked was asked again later";
    assert!(outcome.notes.iter().any(|n| n == note), "{:?}", outcome.notes);
}

#[test]
fn a_route_that_comes_back_loses_no_result() {
    let outcome = with_scanner(|scanner, clock, _| {
        scanner.sockets.lacks = vec![ENETUNREACH; 100];
        go_on(scanner, clock, Duration::from_secs(20));
        assert_eq!((scanner.hosts[0].cut, scanner.hosts[0].count(PortState::Open)), (None, 1));
    });
    assert_eq!((outcome.counters.sent, outcome.ledger.total()), (1, 1));
    assert!(outcome.notes.iter().any(|n| n == "targets without a route were asked again for up to 10 s"));
}

#[test]
fn a_route_that_stays_away_is_given_up_after_ten_seconds() {
    let outcome = with_scanner(|scanner, clock, _| {
        scanner.sockets.lacks = vec![ENETUNREACH; 1_000];
        go_on(scanner, clock, Duration::from_millis(9_900));
        assert_eq!(scanner.hosts[0].cut, None);
        go_on(scanner, clock, Duration::from_secs(1));
        assert_eq!(scanner.hosts[0].cut, Some("no route"));
    });
    assert_eq!((outcome.counters.sent, outcome.ledger.total()), (0, 0));
}

#[test]
fn a_clock_that_is_set_back_gives_a_warrant_no_time() {
    let outcome = with_scanner(|scanner, clock, question| {
        assert!(scanner.admit(&question, clock.elapsed()).is_some());
        clock.advance(Duration::from_secs(999));
        clock.set(at(900));
        assert!(scanner.admit(&question, clock.elapsed()).is_some());
        clock.advance(Duration::from_secs(1));
        assert!(scanner.admit(&question, clock.elapsed()).is_none());
        assert_eq!(scanner.hosts[0].cut, Some("its warrant has expired"));
    });
    assert_eq!(outcome.counters.refused, 0, "no bug of ours");
    let told: Vec<_> = outcome.notes.iter().filter(|n| n.contains("clock")).collect();
    assert_eq!(told, ["the clock was set by about 1099 s while the scan ran"]);
}

#[test]
fn a_host_that_answers_on_every_port_is_told_once_and_spared() {
    let listeners: Vec<TcpListener> = (0..120).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let ports: Vec<u16> = listeners.iter().map(|l| l.local_addr().unwrap().port()).collect();
    let per_host = Some(Rate { per_second: 100 });
    let profile = Profile { ping: Vec::new(), rate: None, per_host, retries: 0, ..Profile::initial_options() };
    let outcome = with_ports(&ports, profile, |scanner, clock, _| {
        go_on(scanner, clock, Duration::from_secs(60));
        let hosts = std::mem::take(&mut scanner.hosts);
        hosts::collect(hosts, scanner.input, scanner.outcome, true);
    });
    let saved = 120 - outcome.counters.sent;
    assert!((60..88).contains(&saved), "{saved}");
    assert_eq!(outcome.every.get(&0), Some(&saved));
    assert_eq!(outcome.coverage.done, 120);
    let told = outcome.notes.iter().filter(|n| n.starts_with("127.0.0.1 answers on every port")).count();
    assert_eq!(told, 1, "{:?}", outcome.notes);
    assert!(outcome.notes.contains(&format!("{saved} probes saved on hosts that answer on every port")));
}

fn listeners(count: usize) -> (Vec<TcpListener>, Vec<u16>) {
    let listeners: Vec<TcpListener> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let ports = listeners.iter().map(|l| l.local_addr().unwrap().port()).collect();
    (listeners, ports)
}

fn plain() -> Profile {
    Profile { ping: Vec::new(), rate: None, per_host: None, retries: 0, ..Profile::initial_options() }
}

#[test]
fn a_forbidden_question_costs_no_other_question() {
    let (_listeners, ports) = listeners(6);
    let outcome = with_ports(&ports, plain(), |scanner, clock, _| {
        // The first three questions of all.
        scanner.sockets.lacks = vec![EINVAL, EPERM, EPERM];
        go_on(scanner, clock, Duration::from_secs(2));
        assert_eq!(scanner.hosts[0].count(PortState::Open), 3);
        let hosts = std::mem::take(&mut scanner.hosts);
        hosts::collect(hosts, scanner.input, scanner.outcome, true);
    });
    assert_eq!((outcome.coverage.planned, outcome.coverage.done), (6, 3));
    assert_eq!((outcome.counters.sent, outcome.ledger.total()), (3, 3));
    assert!(outcome.not_scanned.is_empty(), "{:?}", outcome.not_scanned);
    for note in [
        "2 questions were not asked: forbidden by this machine",
        "1 questions were not asked: this machine cannot connect",
    ] {
        assert!(outcome.notes.iter().any(|n| n == note), "{:?}", outcome.notes);
    }
}

#[test]
fn a_host_of_which_every_question_is_forbidden_was_not_scanned() {
    let (_listeners, ports) = listeners(3);
    let outcome = with_ports(&ports, plain(), |scanner, clock, _| {
        scanner.sockets.lacks = vec![EPERM; 3];
        go_on(scanner, clock, Duration::from_secs(2));
        let hosts = std::mem::take(&mut scanner.hosts);
        hosts::collect(hosts, scanner.input, scanner.outcome, true);
    });
    let why: Vec<&str> = outcome.not_scanned.iter().map(|n| &*n.reason).collect();
    assert_eq!((why, outcome.hosts.len()), (vec!["forbidden by this machine"], 0));
    assert_eq!((outcome.coverage.done, outcome.counters.send_errors), (0, 3));
}

#[test]
fn two_short_outages_are_not_one_long_one() {
    with_scanner(|scanner, _, _| {
        let second = Duration::from_secs;
        let step = Duration::from_millis(50);
        assert!(scanner.route_may_return(0, false, second(0)));
        let mut now = second(60);
        while scanner.route_may_return(0, false, now) {
            now += step;
        }
        assert_eq!(now, second(70));
    });
}

#[test]
fn a_lasting_shortage_of_sockets_is_an_error_and_ends() {
    let outcome = with_scanner(|scanner, clock, _| {
        scanner.sockets.lacks = vec![EMFILE; 10_000];
        go_on(scanner, clock, Duration::from_secs(59));
        assert_eq!(scanner.outcome.errors.len(), 0);
        go_on(scanner, clock, Duration::from_secs(100));
        assert!(clock.elapsed() < Duration::from_secs(62), "{:?}", clock.elapsed());
    });
    assert_eq!(outcome.errors, ["this machine had no socket or port to spare for 60 s; the rest was not asked"]);
    assert_eq!((outcome.counters.sent, outcome.coverage.done), (0, 0));
}
