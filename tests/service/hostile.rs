//! Peers that mean harm, in-process on loopback, all at once: the driver comes back in bounded time and memory, keeps what
//! it learned, says what it could not, and still recognises the honest service beside them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use jiff::Timestamp;
use palisade::base::clock::{Clock, SystemClock};
use palisade::base::progress::{Silent, Stop};
use palisade::inventory::asset::Provider;
use palisade::lang::job::Protocol;
use palisade::plan::plan::Plan;
use palisade::scan::LiveExclusions;
use palisade::scan::admission::{Admission, Admitted};
use palisade::scan::observation::{HostObservation, HostState, PortObservation, PortState, ProbeKind, Reason};
use palisade::service::driver::{TalkInput, TalkOutcome, talk};
use palisade::service::evidence::ServiceEvidence;

use crate::plan::world::{Make, World, inventory, now};

/// The moment of the plan, and time that goes on.
struct PlanClock(SystemClock);

impl Clock for PlanClock {
    fn now(&self) -> Timestamp {
        now()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A listener on loopback that handles each connection on a thread of its own, for as long as the test lives.
fn serve(handle: fn(TcpStream, &mpsc::Receiver<()>)) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                // Nobody sends: the wait on it is the pause between two drops.
                let (_keep, pause) = mpsc::channel();
                handle(stream, &pause);
            });
        }
    });
    port
}

fn tarpit(mut stream: TcpStream, pause: &mpsc::Receiver<()>) {
    for byte in b"SSH-2.0-".iter().cycle() {
        if stream.write_all(&[*byte]).is_err() {
            return;
        }
        let _ = pause.recv_timeout(Duration::from_millis(100));
    }
}

fn flood(mut stream: TcpStream, _: &mpsc::Receiver<()>) {
    while stream.write_all(&[b'A'; 65_536]).is_ok() {}
}

fn endless_headers(mut stream: TcpStream, _: &mpsc::Receiver<()>) {
    let mut request = [0; 1_024];
    let _ = stream.read(&mut request);
    if stream.write_all(b"HTTP/1.1 200 OK\r\n").is_ok() {
        while stream.write_all(b"X-More: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n").is_ok() {}
    }
}

fn half_open(mut stream: TcpStream, _: &mpsc::Receiver<()>) {
    let mut sink = [0; 4_096];
    while stream.read(&mut sink).is_ok_and(|n| n > 0) {}
}

fn reset(stream: TcpStream, _: &mpsc::Receiver<()>) {
    // Closing with unread input makes the kernel send a reset.
    let mut peek = [0; 1];
    let _ = stream.peek(&mut peek);
}

fn lying_lengths(mut stream: TcpStream, _: &mpsc::Receiver<()>) {
    let mut request = [0; 4_096];
    while stream.read(&mut request).is_ok_and(|n| n > 0) {
        // A record of 16 KiB of which a few bytes come, then a chunk that never ends.
        let lie = if request[0] == 22 {
            &b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc\x03\x03"[..]
        } else {
            b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n"
        };
        if stream.write_all(lie).is_err() {
            return;
        }
    }
}

fn garbage(mut stream: TcpStream, _: &mpsc::Receiver<()>) {
    let mut request = [0; 4_096];
    let _ = stream.read(&mut request);
    let noise: Vec<u8> = (0..20_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let _ = stream.write_all(&[&b"\x16\x03\x03\x3f\xff\x02"[..], &noise].concat());
}

fn honest(mut stream: TcpStream, _: &mpsc::Receiver<()>) {
    let mut request = [0; 4_096];
    while let Ok(n) = stream.read(&mut request) {
        let answer: &[u8] = match &request[..n] {
            [] => return,
            r if r.starts_with(b"*1\r\n$4\r\nPING") => b"+PONG\r\n",
            r if r.starts_with(b"*2") => b"$20\r\nredis_version:7.0.15\r\n",
            r if r.starts_with(b"GET ") => b"-ERR wrong number of arguments for 'get' command\r\n",
            _ => continue,
        };
        if stream.write_all(answer).is_err() {
            return;
        }
    }
}

fn plan(addr: &str) -> Plan {
    World::of(Provider::Aws, "", inventory([Make::new(Provider::Aws, "a1").public(addr).env("prod")])).plan()
}

fn seen(addr: &str, protocol: Protocol, ports: &[u16]) -> Vec<HostObservation> {
    let open = |port: &u16| PortObservation {
        port: *port,
        protocol,
        state: PortState::Open,
        reason: Reason::Connected,
        rtt: None,
        ttl: None,
    };
    vec![HostObservation {
        target: 0,
        addr: addr.parse().unwrap(),
        state: HostState::Up(Reason::Connected),
        ports: ports.iter().map(open).collect(),
        counts: [(PortState::Open, ports.len() as u32)].into(),
        reasons: Vec::new(),
        span: None,
    }]
}

fn held(ports: &[u16], stop: &Stop) -> TalkOutcome {
    held_at("127.0.0.1", Protocol::Tcp, ports, stop)
}

/// What the conversations with open ports leave behind.
pub fn held_at(addr: &str, protocol: Protocol, ports: &[u16], stop: &Stop) -> TalkOutcome {
    let plan = plan(addr);
    assert_eq!(plan.targets.len(), 1);
    let clock = PlanClock(SystemClock::default());
    let limits = palisade::base::limits::Limits {
        service_answer_wait: Duration::from_millis(400),
        service_conversation_wall: Duration::from_secs(3),
        service_port_wall: Duration::from_secs(8),
        service_connections_per_host: 64,
        ..Default::default()
    };
    let hosts = seen(addr, protocol, ports);
    talk(&TalkInput {
        plan: &plan,
        leases: None,
        exclusions: &LiveExclusions::default(),
        pace: None,
        hosts: &hosts,
        asks: &[],
        clock: &clock,
        seed: 7,
        limits: &limits,
        progress: &Silent,
        stop,
    })
    .unwrap()
}

#[test]
fn hostile_peers_are_survived() {
    let handlers: [fn(TcpStream, &mpsc::Receiver<()>); 8] =
        [tarpit, flood, endless_headers, half_open, reset, lying_lengths, garbage, honest];
    let ports: Vec<u16> = handlers.iter().map(|h| serve(*h)).collect();
    let clock = SystemClock::default();
    let outcome = held(&ports, &Stop::default());
    assert!(clock.elapsed() < Duration::from_secs(30), "took {:?}", clock.elapsed());
    assert_eq!(outcome.refused, 0);
    assert!(outcome.unfinished.is_empty());
    let services = &outcome.hosts[0].services;
    assert_eq!(services.len(), ports.len());
    let of = |i: usize| -> &ServiceEvidence { services.iter().find(|s| s.port == ports[i]).unwrap() };
    for (i, name) in ["tarpit", "flood", "endless headers", "half-open", "reset"].iter().enumerate() {
        let evidence = of(i);
        assert!(!evidence.untested.is_empty(), "{name} says what could not be asked");
        assert!(evidence.extracts.iter().all(|e| e.bytes.len() <= 256), "{name}");
    }
    assert_eq!(of(3).service, None, "silence is no service");
    assert_eq!(of(4).service, None, "a reset is no service");
    let redis = of(7).service.as_ref().unwrap();
    assert_eq!((&*redis.name, redis.version.as_deref()), ("redis", Some("7.0.15")));
    // Every connection stands in the ledger, under the one warrant, to the ports that were open.
    for (entry, _) in outcome.ledger.lines() {
        assert_eq!((entry.warrant, entry.probe), (0, ProbeKind::Talk));
        assert!(ports.contains(&entry.port));
    }
}

#[test]
fn the_gate_holds_for_conversations_too() {
    let plan = plan("127.0.0.1");
    let excluded = {
        let mut plan = plan.clone();
        plan.exclusions = ["127.0.0.0/8".parse().unwrap()].into_iter().collect();
        plan
    };
    let none = LiveExclusions::default();
    let mut door = Admission::new(&excluded, None, &none);
    assert_eq!(door.ask(0, 22, Duration::ZERO, now()), Admitted::Refused("excluded"));
    assert_eq!(door.ask(7, 22, Duration::ZERO, now()), Admitted::Refused("no warrant"));
    let mut door = Admission::new(&plan, None, &none);
    let later = plan.targets[0].warrant().expires;
    assert_eq!(door.ask(0, 22, Duration::ZERO, now()), Admitted::Go("127.0.0.1:22".parse().unwrap()));
    assert_eq!(door.ask(0, 22, Duration::ZERO, later), Admitted::Refused("its warrant has expired"));
    // The end of a warrant is no bug of ours, a target that the plan does not hold is one.
    assert_eq!(door.ask(7, 22, Duration::ZERO, now()), Admitted::Refused("no warrant"));
    let (ledger, refused) = door.into_ledger();
    assert_eq!((ledger.total(), refused), (1, 1));
    // A clock that is set back gives no more time.
    let mut door = Admission::new(&plan, None, &none);
    for wall in [later, now()] {
        assert_eq!(door.ask(0, 22, Duration::ZERO, wall), Admitted::Refused("its warrant has expired"));
    }
}

#[test]
fn a_stopped_run_says_what_is_left() {
    let stop = Stop::default();
    stop.raise();
    let port = serve(half_open);
    let outcome = held(&[port], &stop);
    assert_eq!(outcome.unfinished, [0]);
    assert_eq!(outcome.ledger.total(), 0);
    assert!(outcome.hosts[0].services.is_empty());
}
