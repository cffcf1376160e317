//! Every kind of reply, genuine, repeated, and with one field wrong: what counts, what is a duplicate, and what is a
//! stranger's and changes nothing.

use std::net::IpAddr;
use std::time::Duration;

use super::answer::{BLOCK, Ports};
use super::engine::{Engine, Next, Setup};
use super::hosts::Aim;
use super::link::Batch;
use super::observation::Reason;
use super::wire::Reply;
use crate::lang::job::{Ping, Profile};

const NOW: Duration = Duration::from_millis(5);
const FIRST: u16 = 61_000;

fn addr(v6: bool, n: u8) -> IpAddr {
    if v6 { std::net::Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, n.into()).into() } else { [198, 18, 0, n].into() }
}

/// An engine that has asked hosts 1 and 2 once, for life or for their ports, and the frames to the first of them.
fn asked(v6: bool, pings: bool) -> (Engine, Vec<Vec<u8>>) {
    let set = |port: u16| [port].into_iter().collect();
    let ping = vec![Ping::Icmp, Ping::Timestamp, Ping::Tcp(set(443)), Ping::TcpAck(set(80)), Ping::Udp(set(161))];
    let profile = Profile { ping: if pings { ping } else { Vec::new() }, retries: 2, ..Profile::initial_options() };
    let aim = |n: u8| Aim { target: n.into(), destination: addr(v6, n), next_hop: [3; 6], source: 0, rate: None };
    let mut engine = Engine::new(Setup {
        aims: vec![aim(1), aim(2)],
        sources: vec![(addr(v6, 9), [2; 6])],
        tcp: &[80, 443],
        udp: &[161],
        profile: &profile,
        seed: 7,
        ports: Ports(FIRST),
        canaries: Vec::new(),
    });
    let (mut batch, mut frames) = (Batch::default(), Vec::new());
    while engine.fill(NOW, &mut batch) == Next::Send {
        frames.extend((0..batch.len()).map(|i| batch.frame(i).to_vec()));
    }
    let to_first = |f: &Vec<u8>| f[if v6 { 53 } else { 33 }] == 1;
    (engine, frames.into_iter().filter(to_first).collect())
}

/// The genuine replies to a probe.
fn replies(v6: bool, frame: &[u8]) -> Vec<(&'static str, Reply)> {
    let (from, to, ttl) = (addr(v6, 1), addr(v6, 9), 60);
    let body = &frame[if v6 { 54 } else { 34 }..];
    let half = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
    let word = |at: usize| u32::from(half(at)) << 16 | u32::from(half(at + 2));
    let (our_port, port) = (half(0), half(2));
    let error = |from, tcp, (kind, code)| {
        let sequence = (tcp == 6).then(|| word(4));
        Reply::Error {
            from,
            to,
            source: to,
            about: addr(v6, 1),
            tcp: tcp == 6,
            port,
            our_port,
            sequence,
            kind,
            code,
            ttl,
        }
    };
    let segment = |sequence, acknowledgement, syn_ack| Reply::Tcp {
        from,
        to,
        port,
        our_port,
        sequence,
        acknowledgement,
        syn_ack,
        ttl,
    };
    let (prohibited, unreachable, router) =
        if v6 { ((1, 1), (1, 4), addr(v6, 8)) } else { ((3, 13), (3, 3), addr(v6, 8)) };
    match (if v6 { frame[20] } else { frame[23] }, body[0], body.get(13)) {
        (6, _, Some(0x10)) => {
            vec![("reset of an ack", segment(word(8), 0, false)), ("ack prohibited", error(router, 6, prohibited))]
        }
        (6, ..) => vec![
            ("syn-ack", segment(77, word(4).wrapping_add(1), true)),
            ("reset", segment(0, word(4).wrapping_add(1), false)),
            ("syn prohibited", error(router, 6, prohibited)),
        ],
        (17, ..) => vec![
            ("datagram", Reply::Udp { from, to, port, our_port, ttl }),
            ("port unreachable", error(from, 17, unreachable)),
            ("port unreachable by a router", error(router, 17, unreachable)),
            ("datagram prohibited", error(router, 17, prohibited)),
        ],
        (1, 13, _) => vec![("timestamp", Reply::Timestamp { from, to, id: half(4), originate: word(8), ttl })],
        _ => {
            let cookie = u64::from(word(8)) << 32 | u64::from(word(12));
            vec![("echo", Reply::Echo { from, to, id: half(4), cookie, ttl })]
        }
    }
}

/// A reply with one field wrong; none where its kind has no such field.
fn wrong(genuine: Reply, field: &str, v6: bool) -> Option<Reply> {
    use Reply::{Echo, Error, Tcp, Timestamp, Udp};
    let mut reply = genuine;
    match (&mut reply, field) {
        // The other host was asked too: only the cookie tells them apart.
        (
            Tcp { from, .. }
            | Udp { from, .. }
            | Echo { from, .. }
            | Timestamp { from, .. }
            | Error { about: from, .. },
            "host",
        ) => *from = addr(v6, 2),
        (Tcp { to, .. } | Udp { to, .. } | Echo { to, .. } | Timestamp { to, .. } | Error { to, .. }, "us") => {
            *to = addr(v6, 10)
        }
        (Error { source, .. }, "quoted source") => *source = addr(v6, 10),
        (Tcp { port, .. } | Udp { port, .. } | Error { port, .. }, "port") => *port ^= 1,
        (Tcp { our_port, .. } | Udp { our_port, .. } | Error { our_port, .. }, "our port") => *our_port ^= 1,
        (Tcp { sequence, acknowledgement, .. }, "cookie") => {
            (*sequence, *acknowledgement) = (*sequence ^ 1, *acknowledgement ^ 1)
        }
        (Error { sequence: Some(sequence), .. }, "cookie") => *sequence ^= 1,
        (Echo { cookie, .. }, "cookie") => *cookie ^= 1 << 40,
        (Timestamp { originate, .. }, "cookie") => *originate ^= 1,
        (Echo { id, .. } | Timestamp { id, .. }, "id") => *id ^= 1,
        (Error { tcp, .. }, "protocol") => *tcp = !*tcp,
        _ => return None,
    }
    Some(reply)
}

const FIELDS: [&str; 8] = ["host", "us", "quoted source", "port", "our port", "cookie", "id", "protocol"];

/// What one engine knows of the first host, and what it counted.
fn told(engine: &Engine) -> String {
    let (host, c) = (&engine.hosts[0], &engine.counters);
    let alive = match host.alive {
        Some(Reason::Unreachable(..)) => "Unreachable".into(),
        alive => alive.map_or("silent".into(), |r| format!("{r:?}")),
    };
    let ports = |n: super::hosts::Counts| format!("{}/{}/{}", n.open, n.closed, n.filtered);
    format!(
        "{alive}, tcp {}, udp {}, {} replies, {} duplicates",
        ports(host.tcp),
        ports(host.udp),
        c.replies,
        c.duplicates
    )
}

#[test]
fn one_wrong_field_makes_a_reply_a_strangers() {
    let mut lines = Vec::new();
    for (v6, pings) in [(false, true), (false, false), (true, true), (true, false)] {
        let (_, frames) = asked(v6, pings);
        assert_eq!(frames.len(), if pings { 5 } else { 3 });
        for (name, genuine) in frames.iter().flat_map(|f| replies(v6, f)) {
            let (mut engine, _) = asked(v6, pings);
            engine.reply(&genuine, NOW);
            let once = told(&engine);
            engine.reply(&genuine, NOW);
            assert_eq!(engine.counters.strangers, 0, "{name}");
            let again = told(&engine);
            let again = again.rsplit_once("udp ").unwrap().1.split_once(", ").unwrap().1;
            let fields: Vec<&str> = FIELDS
                .into_iter()
                .filter(|field| {
                    let Some(forged) = wrong(genuine, field, v6) else { return false };
                    let (mut engine, _) = asked(v6, pings);
                    let before = (engine.save(NOW), engine.open.clone());
                    engine.reply(&forged, NOW);
                    assert_eq!(
                        std::mem::take(&mut engine.counters.strangers),
                        1,
                        "{name}: wrong {field}, {v6} {pings}"
                    );
                    assert_eq!((engine.save(NOW), engine.open.clone()), before, "{name}: wrong {field}, {v6} {pings}");
                    true
                })
                .collect();
            lines.push(format!("{name}: {once}; again {again}; {} forged", fields.len()));
        }
    }
    assert_eq!(lines.len(), 2 * (11 + 10));
    // In both families, and of pings as of ports, the same.
    lines.sort();
    lines.dedup();
    assert_eq!(lines, WANTED);
}

/// Ports by state are open/closed/filtered.
const WANTED: [&str; 11] = [
    "ack prohibited: silent, tcp 0/0/0, udp 0/0/0, 1 replies, 0 duplicates; again 2 replies, 0 duplicates; 7 forged",
    "datagram prohibited: silent, tcp 0/0/0, udp 0/0/1, 1 replies, 0 duplicates; again 1 replies, 1 duplicates; 6 forged",
    "datagram: UdpReply, tcp 0/0/0, udp 1/0/0, 1 replies, 0 duplicates; again 1 replies, 1 duplicates; 4 forged",
    "echo: EchoReply, tcp 0/0/0, udp 0/0/0, 1 replies, 0 duplicates; again 1 replies, 1 duplicates; 4 forged",
    "port unreachable by a router: silent, tcp 0/0/0, udp 0/0/1, 1 replies, 0 duplicates; again 1 replies, 1 duplicates; 6 forged",
    "port unreachable: Unreachable, tcp 0/0/0, udp 0/1/0, 1 replies, 0 duplicates; again 1 replies, 1 duplicates; 6 forged",
    "reset of an ack: Reset, tcp 0/0/0, udp 0/0/0, 1 replies, 0 duplicates; again 1 replies, 1 duplicates; 5 forged",
    "reset: Reset, tcp 0/1/0, udp 0/0/0, 1 replies, 0 duplicates; again 1 replies, 1 duplicates; 5 forged",
    "syn prohibited: silent, tcp 0/0/1, udp 0/0/0, 1 replies, 0 duplicates; again 1 replies, 1 duplicates; 7 forged",
    "syn-ack: SynAck, tcp 1/0/0, udp 0/0/0, 1 replies, 0 duplicates; again 1 replies, 1 duplicates; 5 forged",
    "timestamp: TimestampReply, tcp 0/0/0, udp 0/0/0, 1 replies, 0 duplicates; again 1 replies, 1 duplicates; 4 forged",
];

/// A datagram is known by its source port alone: whoever forges one needs the right one of 4,032.
#[test]
fn a_datagram_to_any_other_port_is_a_strangers() {
    let (mut engine, frames) = asked(false, false);
    let datagram = frames.iter().find_map(|f| replies(false, f).into_iter().find(|(name, _)| *name == "datagram"));
    let Some((_, Reply::Udp { from, to, port, our_port, ttl })) = datagram else { panic!("{datagram:?}") };
    let before = (engine.save(NOW), engine.open.clone());
    for other in (FIRST..FIRST + BLOCK).filter(|p| *p != our_port) {
        engine.reply(&Reply::Udp { from, to, port, our_port: other, ttl }, NOW);
    }
    assert_eq!(std::mem::take(&mut engine.counters.strangers), u64::from(BLOCK) - 1);
    assert_eq!((engine.save(NOW), engine.open.clone()), before);
    let (mut early, _) = asked(false, true);
    let our_port = early.cookies.udp_port(from, 53);
    early.reply(&Reply::Udp { from, to, port: 53, our_port, ttl }, NOW);
    assert_eq!((early.counters.strangers, early.hosts[0].alive), (1, None), "nobody was asked on port 53");
}

/// The first ping met a filter, a later one is answered: the port is open.
#[test]
fn an_open_port_is_open_whatever_a_filter_said_of_a_ping() {
    for (name, udp) in [("syn-ack", false), ("datagram", true)] {
        let (mut engine, frames) = asked(false, true);
        let all: Vec<_> = frames.iter().flat_map(|f| replies(false, f)).collect();
        let get = |wanted: &str| all.iter().find(|(name, _)| *name == wanted).unwrap().1;
        engine.reply(&get(if udp { "datagram prohibited" } else { "syn prohibited" }), NOW);
        engine.reply(&get(name), NOW);
        engine.reply(&get(name), NOW);
        let (tcp, udp) = if udp { ("0/0/0", "1/0/0") } else { ("1/0/0", "0/0/0") };
        let (open, early) = (engine.open.len(), engine.early.len());
        assert_eq!((open, early), (1, 1));
        let known = told(&engine);
        assert!(known.ends_with(&format!(", tcp {tcp}, udp {udp}, 2 replies, 1 duplicates")), "{known}");
    }
}
