//! Many names at once, against servers that answer well, badly, falsely or not at all.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use palisade::base::progress::{Silent, Stop};
use palisade::plan::resolve::{Answer, Hickory, Resolver};

use super::names::{A, AAAA, Stub, question, reply, told};

fn names(count: usize) -> Vec<Arc<str>> {
    (0..count).map(|i| format!("n{i}.example.com").into()).collect()
}

fn resolver(servers: &[SocketAddr], timeout_ms: u64, ipv6: bool) -> Hickory {
    let timeout = Duration::from_millis(timeout_ms);
    Hickory { servers: servers.to_vec(), in_flight: 200, timeout, addresses_per_name: 4, ipv6 }
}

fn resolve(resolver: &Hickory, names: &[Arc<str>]) -> Vec<Answer> {
    let answers = resolver.resolve(names, &Silent, &Stop::default());
    assert!(answers.iter().map(|a| &a.name).eq(names), "one answer a name, in order");
    answers
}

fn number(name: &str) -> usize {
    name[1..].split('.').next().unwrap().parse().unwrap()
}

fn v4(i: usize) -> Vec<u8> {
    vec![198, 18, (i >> 8) as u8, i as u8]
}

fn wire(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

/// Answers over TCP for a server, as many connections as come.
fn over_tcp(at: SocketAddr, answer: impl Fn(&str, u16, &[u8]) -> Vec<u8> + Send + 'static) {
    let listener = TcpListener::bind(at).unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut length = [0; 2];
            while stream.read_exact(&mut length).is_ok() {
                let mut query = vec![0; u16::from_be_bytes(length).into()];
                stream.read_exact(&mut query).unwrap();
                let (name, kind) = question(&query);
                let bytes = answer(&name, kind, &query);
                let _ = stream.write_all(&(bytes.len() as u16).to_be_bytes());
                let _ = stream.write_all(&bytes);
            }
        }
    });
}

const CASES: [&str; 10] = [
    "good",
    "both families",
    "no such name",
    "no addresses",
    "server failure",
    "refused",
    "aliases",
    "open alias",
    "circle",
    "too big",
];

/// Ten kinds of answers, mixed; each datagram that asks for the first time is lost once in seven.
#[test]
fn every_name_gets_its_own_answer() {
    let (mut lost, mut seen) = (HashSet::new(), 0);
    let stub = Stub::start(move |name, kind, query| {
        seen += 1;
        if seen % 7 == 0 && lost.insert((name.to_owned(), kind)) {
            return vec![];
        }
        if let Some(rest) = name.strip_prefix("end-of-") {
            let records = if kind == A { vec![(A, v4(number(rest)))] } else { vec![] };
            return vec![reply(query, 0, &records)];
        }
        let i = number(name);
        let only_v4 = |data: Vec<u8>| if kind == A { vec![(A, data)] } else { vec![] };
        vec![match CASES[i % CASES.len()] {
            "both families" if kind == AAAA => {
                reply(query, 0, &[(AAAA, Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1).octets().to_vec())])
            }
            "good" | "both families" => reply(query, 0, &only_v4(v4(i))),
            "no such name" => reply(query, 3, &[]),
            "no addresses" => reply(query, 0, &[]),
            "server failure" => reply(query, 2, &[]),
            "refused" => reply(query, 5, &[]),
            // The alias leads to a name whose record comes along; the stub's records all belong to the name asked, so
            // the second one is written by hand.
            "aliases" => {
                let mut bytes = reply(query, 0, &[(5, wire("other.example.com"))]);
                if kind == A {
                    bytes[7] = 2;
                    bytes.extend(wire("other.example.com"));
                    bytes.extend([0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
                    bytes.extend(v4(i));
                } else {
                    bytes = reply(query, 0, &[]);
                }
                bytes
            }
            "open alias" => reply(query, 0, &[(5, wire(&format!("end-of-{name}")))]),
            "circle" => reply(query, 0, &[(5, wire(name))]),
            _ => {
                let mut cut = reply(query, 0, &[]);
                cut[2] |= 2;
                cut
            }
        }]
    });
    over_tcp(stub.at, |name, kind, query| {
        let i = number(name);
        // Far more than is kept of one answer.
        let records: Vec<(u16, Vec<u8>)> = match kind {
            A => (0..200).map(|n| (A, vec![198, 19, i as u8, n])).collect(),
            _ => vec![],
        };
        reply(query, 0, &records)
    });
    let names = names(1_000);
    let answers = resolve(&resolver(&[stub.at], 20_000, true), &names);
    let mut wrong = Vec::new();
    for (i, answer) in answers.iter().enumerate() {
        let own = IpAddr::from([198, 18, (i >> 8) as u8, i as u8]);
        let (addresses, error): (Vec<IpAddr>, Option<&str>) = match CASES[i % CASES.len()] {
            "good" | "aliases" | "open alias" => (vec![own], None),
            "both families" => (vec![own, "fd00::1".parse().unwrap()], None),
            "circle" => (vec![], Some("its aliases lead in a circle")),
            "too big" => ((0..4).map(|n| IpAddr::from([198, 19, i as u8, n])).collect(), None),
            other => (vec![], Some(other)),
        };
        if answer.addresses != addresses || answer.error.as_deref() != error || *answer.resolver != stub.at.to_string()
        {
            wrong.push(format!("{} {answer:?}", CASES[i % CASES.len()]));
        }
    }
    assert!(wrong.is_empty(), "{} wrong, first:\n{}", wrong.len(), wrong[..wrong.len().min(8)].join("\n"));
}

/// Forged replies come before the true one: another id, another question, another case, mangled.
#[test]
fn forgeries_are_not_believed() {
    let stub = Stub::start(|name, kind, query| {
        let i = number(name);
        let forged = || reply(query, 0, &[(A, vec![203, 0, 113, 66])]);
        let mut bad = forged();
        match i % 4 {
            0 => bad[1] ^= 1,
            1 => bad[14] = if bad[14] == b'9' { b'8' } else { bad[14] + 1 },
            2 => bad.truncate(30 + i % 9),
            _ => bad[5] = 0,
        }
        let records = if kind == A { vec![(A, v4(i))] } else { vec![] };
        vec![bad, reply(query, 0, &records)]
    });
    let answers = resolve(&resolver(&[stub.at], 5_000, false), &names(400));
    for (i, answer) in answers.iter().enumerate() {
        assert_eq!(answer.addresses, [IpAddr::from([198, 18, (i >> 8) as u8, i as u8])], "{answer:?}");
    }
}

/// Questions differ in id, port and the case of their letters.
#[test]
fn questions_cannot_be_guessed() {
    let (sender, seen) = std::sync::mpsc::channel();
    let stub = Stub::start(move |name, _, query| {
        let id = u16::from_be_bytes([query[0], query[1]]);
        let mixed = query[12..].iter().any(u8::is_ascii_uppercase) && query[12..].iter().any(u8::is_ascii_lowercase);
        sender.send((id, mixed)).unwrap();
        vec![reply(query, 0, &[(A, v4(number(name)))])]
    });
    resolve(&resolver(&[stub.at], 5_000, false), &names(2_000));
    let seen: Vec<(u16, bool)> = seen.try_iter().collect();
    let ids: BTreeSet<u16> = seen.iter().map(|(id, _)| *id).collect();
    // 2,000 draws out of 65,536 meet about 30 times.
    assert!(ids.len() > 1_900 && ids.len() < 2_000, "{}", ids.len());
    assert!(ids.last().unwrap() - ids.first().unwrap() > 60_000);
    assert!(seen.iter().filter(|(_, mixed)| *mixed).count() > 1_950);
}

/// A server that does not keep the case, with and without TCP.
#[test]
fn a_server_that_forgets_the_case_is_still_read() {
    for tcp in [true, false] {
        let stub = Stub::start(|name, _, query| {
            let mut bytes = reply(query, 0, &[(A, v4(number(name)))]);
            let question = 12..query.len().min(12 + name.len() + 2);
            bytes[question].make_ascii_lowercase();
            vec![bytes]
        });
        if tcp {
            over_tcp(stub.at, |name, _, query| reply(query, 0, &[(A, v4(number(name)))]));
        }
        let answers = resolve(&resolver(&[stub.at], 5_000, false), &names(500));
        let failed: Vec<&Answer> = answers.iter().filter(|a| a.error.is_some()).collect();
        assert!(failed.is_empty(), "tcp {tcp}: {} {:?}", failed.len(), failed.first());
    }
}

/// An old server that refuses extended DNS is asked without it.
#[test]
fn extended_dns_is_given_up_where_it_is_not_known() {
    let stub = Stub::start(|name, _, query| {
        if query[11] > 0 {
            return vec![reply(query, 1, &[])];
        }
        vec![reply(query, 0, &[(A, v4(number(name)))])]
    });
    let answers = resolve(&resolver(&[stub.at], 5_000, false), &names(400));
    assert!(answers.iter().all(|a| a.error.is_none()), "{:?}", told(&answers[..3]));
}

/// Of three servers one is dead, one broken: every name is answered by the third, soon, and the dead one is spared.
#[test]
fn bad_servers_are_left_for_good_ones() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let dead = Stub::start(move |_, _, _| {
        counter.fetch_add(1, Ordering::SeqCst);
        vec![]
    });
    let broken = Stub::start(|_, _, query| vec![reply(query, 2, &[])]);
    let good = Stub::start(|name, _, query| vec![reply(query, 0, &[(A, v4(number(name)))])]);
    let answers = resolve(&resolver(&[dead.at, broken.at, good.at], 6_000, false), &names(3_000));
    let by: BTreeMap<&str, usize> = answers.iter().fold(BTreeMap::new(), |mut by, a| {
        assert!(a.error.is_none(), "{a:?}");
        *by.entry(&*a.resolver).or_default() += 1;
        by
    });
    assert_eq!(by, BTreeMap::from([(&*good.at.to_string(), 3_000)]));
    assert!(asked.load(Ordering::SeqCst) < 300, "the dead one was asked {asked:?} times");
}

/// Nobody answers: it is told for each name, and does not take each name's time in turn.
#[test]
fn nobody_there_ends_soon() {
    let stub = Stub::start(|_, _, _| vec![]);
    let answers = resolve(&resolver(&[stub.at], 300, false), &names(20_000));
    assert!(answers.iter().all(|a| a.error.as_deref() == Some("timed out") && *a.resolver == stub.at.to_string()));
    // A port at which nobody listens.
    let closed = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let answers = resolve(&resolver(&[closed], 2_000, false), &names(500));
    assert!(answers.iter().all(|a| a.error.is_some() && a.addresses.is_empty()));
}

#[test]
fn names_that_are_none_and_a_wish_to_stop() {
    let stop = Arc::new(Stop::default());
    let raise = Arc::clone(&stop);
    let mut count = 0;
    let stub = Stub::start(move |name, _, query| {
        count += 1;
        if count == 200 {
            raise.raise();
        }
        vec![reply(query, 0, &[(A, v4(number(name)))])]
    });
    let long = "x".repeat(64);
    let mut all = names(50_000);
    all[0] = format!("{long}.example.com").into();
    all[1] = ".".into();
    all[2] = "a..b".into();
    let answers = resolver(&[stub.at], 5_000, false).resolve(&all, &Silent, &stop);
    assert_eq!(answers.len(), all.len());
    for odd in &answers[..3] {
        assert_eq!(odd.error.as_deref(), Some("not a name of the DNS"), "{odd:?}");
    }
    let interrupted = answers.iter().filter(|a| a.error.as_deref() == Some("interrupted")).count();
    let resolved = answers.iter().filter(|a| a.error.is_none()).count();
    assert!(
        (190..5_000).contains(&resolved) && interrupted + resolved + 3 == answers.len(),
        "{resolved} {interrupted}"
    );
}
