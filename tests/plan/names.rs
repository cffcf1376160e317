//! Names: first the name, but only addresses that are ours; and the resolver against servers that misbehave.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use palisade::base::progress::{Silent, Stop};
use palisade::inventory::asset::Provider;
use palisade::inventory::catalogue::ids;
use palisade::plan::resolve::{Answer, Hickory, Resolver};

use super::world::{Make, Recorded, World, addresses, inventory, load_balancer};

/// Each target's name or `-`, with its address.
fn targets(plan: &palisade::plan::plan::Plan) -> Vec<String> {
    plan.targets.iter().map(|t| format!("{} {}", t.name().map_or("-", |n| n), t.addr())).collect()
}

/// Trap T3: inside AWS the public name leads to the private address; it may have moved to somebody else.
#[test]
fn an_asset_s_name_keeps_only_the_asset_s_addresses() {
    let aws = |id, addr: &str| Make::new(Provider::Aws, id).named(addr, &format!("{id}.example.com"));
    let world = World::of(
        Provider::Aws,
        "",
        inventory([
            aws("a1", "192.0.2.1").public("2001:db8::1"),
            aws("a2", "192.0.2.2").private("10.0.0.2"),
            aws("a3", "192.0.2.3"),
            aws("a4", "192.0.2.4"),
            Make::new(Provider::Aws, "a5").public("192.0.2.5").with(ids::AWS_PUBLIC_DNS, "a5.example.com"),
            Make::new(Provider::Aws, "a6").with(ids::AWS_PUBLIC_DNS, "a6.example.com"),
        ]),
    );
    let names = Recorded::new(&[
        ("a1.example.com", &["192.0.2.1", "2001:db8::1", "192.0.2.2"]),
        ("a2.example.com", &["10.0.0.2"]),
        ("a3.example.com", &["198.51.100.66", "::ffff:192.0.2.3"]),
        ("a5.example.com", &["192.0.2.5"]),
        ("a6.example.com", &["192.0.2.6"]),
    ]);
    let plan = world.try_plan(None, Some(&names)).unwrap();
    plan.check_sums().unwrap();
    assert_eq!(
        targets(&plan),
        [
            "a1.example.com 192.0.2.1",
            "a1.example.com 2001:db8::1",
            "- 192.0.2.2",
            "a3.example.com 192.0.2.3",
            "- 192.0.2.4",
            "a5.example.com 192.0.2.5",
        ]
    );
    let told: Vec<String> = plan
        .resolutions
        .iter()
        .map(|r| format!("{} by {}: kept {:?} refused {:?} {:?}", r.name, r.resolver, r.kept, r.refused, r.error))
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    a1.example.com by recorded: kept [192.0.2.1, 2001:db8::1] refused [192.0.2.2] None
    a2.example.com by recorded: kept [] refused [10.0.0.2] None
    a3.example.com by recorded: kept [192.0.2.3] refused [198.51.100.66] None
    a4.example.com by recorded: kept [] refused [] Some("no such name")
    a5.example.com by recorded: kept [192.0.2.5] refused [] None
    a6.example.com by recorded: kept [] refused [192.0.2.6] None
    "#);
    assert_eq!(&*plan.removed[0].reason, "the inventory has no address for its public name a6.example.com");
}

#[test]
fn a_load_balancer_s_name_leads_to_no_inside_and_to_no_exclusion() {
    let mut fleet = inventory([Make::new(Provider::Aws, "a1").public("192.0.2.1")]);
    fleet.load_balancers = vec![load_balancer("known.example.com", &["192.0.2.20", "10.0.0.20"])];
    let clauses = "load_balancers = [\"lb.example.com\", \"known.example.com\", \"inside.example.com\", \
                   \"gone.example.com\", \"ours.example.com\", \"shut.example.com\", \"LB.example.com.\"]\n\
                   exclude_addresses = [192.0.2.11]";
    let names = Recorded::new(&[
        (
            "lb.example.com",
            &["192.0.2.10", "192.0.2.10", "192.0.2.11", "127.0.0.1", "::ffff:10.9.9.9", "::ffff:192.0.2.12"],
        ),
        ("known.example.com", &["192.0.2.20", "192.0.2.99", "10.0.0.20"]),
        ("inside.example.com", &["169.254.169.254", "::1"]),
        ("ours.example.com", &["192.0.2.1"]),
        ("shut.example.com", &["192.0.2.11"]),
    ]);
    let world = World::of(Provider::Aws, clauses, fleet);
    let plan = world.try_plan(None, Some(&names)).unwrap();
    plan.check_sums().unwrap();
    assert_eq!(
        targets(&plan),
        [
            "- 192.0.2.1",
            "lb.example.com 192.0.2.10",
            "lb.example.com 192.0.2.12",
            "known.example.com 10.0.0.20",
            "known.example.com 192.0.2.20",
        ]
    );
    assert_eq!((plan.load_balancers.len(), plan.not_targetable), (6, 3));
    insta::assert_snapshot!(super::world::removals(&plan), @r#"
    target inside.example.com: its name resolves to no public address of it (edge.pal:8:58) ["169.254.169.254 is no public address of it", "::1 is no public address of it"]
    target gone.example.com: its name did not resolve: no such name (edge.pal:8:80) []
    target shut.example.com: every address is excluded (edge.pal:9:22) ["192.0.2.11"]
    "#);
    // Without a resolver, only what the provider publishes is known.
    assert_eq!(addresses(&world.plan()), ["192.0.2.1", "10.0.0.20", "192.0.2.20"]);
}

/// A DNS server on loopback that answers as told, until dropped.
pub(super) struct Stub {
    pub(super) at: SocketAddr,
    done: Arc<AtomicBool>,
}

impl Stub {
    /// Starts one; the behaviour gets the name in lower case, the type and the whole question.
    pub(super) fn start(mut behaviour: impl FnMut(&str, u16, &[u8]) -> Vec<Vec<u8>> + Send + 'static) -> Self {
        // An address of its own: no client's port on 127.0.0.1 can be in the way of a listener beside it.
        static STARTED: AtomicU8 = AtomicU8::new(0);
        let own = Ipv4Addr::new(127, 53, 0, STARTED.fetch_add(1, Ordering::Relaxed) | 1);
        let socket = UdpSocket::bind((own, 0)).unwrap();
        let at = socket.local_addr().unwrap();
        let done = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&done);
        std::thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((n, from)) = socket.recv_from(&mut buffer) {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let (name, kind) = question(&buffer[..n]);
                for reply in behaviour(&name, kind, &buffer[..n]) {
                    let _ = socket.send_to(&reply, from);
                }
            }
        });
        Self { at, done }
    }

    fn resolver(&self) -> Hickory {
        Hickory {
            servers: vec![self.at],
            in_flight: 8,
            timeout: Duration::from_millis(900),
            addresses_per_name: 4,
            ipv6: true,
        }
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.done.store(true, Ordering::SeqCst);
        let wake = UdpSocket::bind("127.0.0.1:0").unwrap();
        let _ = wake.send_to(&[0; 17], self.at);
    }
}

/// The name in lower case and the type of a question.
pub(super) fn question(query: &[u8]) -> (String, u16) {
    let mut labels = Vec::new();
    let mut at = 12;
    while at < query.len() && query[at] != 0 {
        let end = at + 1 + query[at] as usize;
        labels.push(String::from_utf8_lossy(&query[at + 1..end]).to_lowercase());
        at = end;
    }
    (labels.join("."), query.get(at + 2).copied().unwrap_or(0).into())
}

pub(super) const A: u16 = 1;
pub(super) const AAAA: u16 = 28;

/// A reply to a query: its question, a response code, and records (type, data) for the name asked.
pub(super) fn reply(query: &[u8], code: u8, records: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let end = 12 + query[12..].iter().position(|b| *b == 0).unwrap() + 5;
    let mut out = query[..end].to_vec();
    out[2] = 0x81;
    out[3] = 0x80 | code;
    out[6..12].copy_from_slice(&[0, records.len() as u8, 0, 0, 0, 0]);
    for (kind, data) in records {
        out.extend([0xc0, 12]);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1, 0, 0, 0, 60]);
        out.extend((data.len() as u16).to_be_bytes());
        out.extend(data);
    }
    out
}

fn resolve(stub: &Stub, names: &[&str]) -> Vec<Answer> {
    let names: Vec<Arc<str>> = names.iter().map(|n| Arc::from(*n)).collect();
    stub.resolver().resolve(&names, &Silent, &Stop::default())
}

pub(super) fn told(answers: &[Answer]) -> Vec<String> {
    let text = |a: &Answer| match &a.error {
        Some(error) => format!("{}: {error}", a.name),
        None => format!("{}: {}", a.name, a.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
    };
    answers.iter().map(text).collect()
}

#[test]
fn both_families_are_asked_for_and_order_is_kept() {
    let stub = Stub::start(|name, kind, query| {
        let last = name.as_bytes()[0] - b'a' + 1;
        match kind {
            A => vec![reply(query, 0, &[(A, vec![192, 0, 2, last])])],
            _ => {
                vec![reply(query, 0, &[(AAAA, "2001:db8::1".parse::<std::net::Ipv6Addr>().unwrap().octets().to_vec())])]
            }
        }
    });
    let names: Vec<String> = ('a'..='z').map(|c| format!("{c}.example.com")).collect();
    let answers = resolve(&stub, &names.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(answers.iter().map(|a| a.name.to_string()).collect::<Vec<_>>(), names);
    for (i, answer) in answers.iter().enumerate() {
        let wanted: [IpAddr; 2] = [IpAddr::from([192, 0, 2, i as u8 + 1]), "2001:db8::1".parse().unwrap()];
        assert_eq!(answer.addresses, wanted, "{answer:?}");
        assert_eq!(*answer.resolver, stub.at.to_string());
    }
}

#[test]
fn errors_are_told_apart() {
    let stub = Stub::start(|name, kind, query| match name {
        "nx.example.com" => vec![reply(query, 3, &[])],
        "empty.example.com" => vec![reply(query, 0, &[])],
        "broken.example.com" => vec![reply(query, 2, &[])],
        "refused.example.com" => vec![reply(query, 5, &[])],
        "silent.example.com" => vec![],
        "many.example.com" if kind == A => {
            vec![reply(query, 0, &(1..=9).map(|i| (A, vec![192, 0, 2, i])).collect::<Vec<_>>())]
        }
        "alias.example.com" => {
            let mut target = b"\x06target".to_vec();
            target.extend([0xc0, 18]);
            vec![reply(query, 0, &[(5, target)])]
        }
        "target.example.com" if kind == A => vec![reply(query, 0, &[(A, vec![192, 0, 2, 77])])],
        _ => vec![reply(query, 0, &[])],
    });
    let names = ["nx", "empty", "broken", "refused", "silent", "many", "alias"].map(|n| format!("{n}.example.com"));
    let answers = resolve(&stub, &names.iter().map(String::as_str).collect::<Vec<_>>());
    insta::assert_snapshot!(told(&answers).join("\n"), @r#"
    nx.example.com: no such name
    empty.example.com: no addresses
    broken.example.com: server failure
    refused.example.com: refused
    silent.example.com: timed out
    many.example.com: 192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4
    alias.example.com: 192.0.2.77
    "#);
}

/// Forged and mangled replies come first, the true one after them: only the true one counts.
#[test]
fn forged_and_mangled_replies_are_not_believed() {
    let stub = Stub::start(|name, kind, query| {
        if kind != A {
            return vec![reply(query, 0, &[])];
        }
        let forged = || reply(query, 0, &[(A, vec![198, 51, 100, 66])]);
        let good = reply(query, 0, &[(A, vec![192, 0, 2, 1])]);
        let bad = match name {
            "id.example.com" => {
                let mut bad = forged();
                bad[0] ^= 0xff;
                bad
            }
            "question.example.com" => {
                let mut bad = forged();
                bad[13] ^= 3;
                bad
            }
            "short.example.com" => forged()[..20].to_vec(),
            "noise.example.com" => vec![0xff; 400],
            "loop.example.com" => {
                let mut bad = query[..12].to_vec();
                bad[2] = 0x81;
                bad.extend([0xc0, 12, 0, 1, 0, 1]);
                bad
            }
            _ => Vec::new(),
        };
        vec![bad, good]
    });
    let names = ["id", "question", "short", "noise", "loop", "zero"].map(|n| format!("{n}.example.com"));
    let answers = resolve(&stub, &names.iter().map(String::as_str).collect::<Vec<_>>());
    for answer in &answers {
        assert!(answer.addresses.iter().all(|a| *a == IpAddr::from([192, 0, 2, 1])), "{answer:?}");
        assert!(answer.error.is_some() != answer.addresses.len().eq(&1), "{answer:?}");
    }
    assert_eq!(told(&answers[..1]), ["id.example.com: 192.0.2.1"]);
}

/// A reply that did not fit comes again over TCP; where nobody answers there, the name is not resolved by half.
#[test]
fn truncated_replies_are_asked_again_over_tcp() {
    let stub = Stub::start(|_, kind, query| {
        let half = [(AAAA, vec![0x20; 16])];
        let mut cut = reply(query, 0, if kind == A { &[] } else { &half });
        cut[2] |= 2;
        vec![cut]
    });
    let alone = resolve(&stub, &["alone.example.com"]);
    assert!(alone[0].addresses.is_empty() && alone[0].error.is_some(), "{alone:?}");
    let listener = TcpListener::bind(stub.at).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut length = [0; 2];
        while stream.read_exact(&mut length).is_ok() {
            let mut query = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut query).unwrap();
            let records: Vec<(u16, Vec<u8>)> = match question(&query).1 {
                A => (0..60).map(|i| (A, vec![192, 0, 2, 100 + i])).collect(),
                _ => Vec::new(),
            };
            let answer = reply(&query, 0, &records);
            stream.write_all(&(answer.len() as u16).to_be_bytes()).unwrap();
            stream.write_all(&answer).unwrap();
        }
    });
    let answers = resolve(&stub, &["big.example.com"]);
    server.join().unwrap();
    assert_eq!(told(&answers), ["big.example.com: 192.0.2.100 192.0.2.101 192.0.2.102 192.0.2.103"]);
}

#[test]
fn a_wish_to_stop_ends_resolution() {
    let stub = Stub::start(|_, _, _| vec![]);
    let stop = Stop::default();
    stop.raise();
    let names: Vec<Arc<str>> = (0..50_000).map(|i| format!("n{i}.example.com").into()).collect();
    let answers = stub.resolver().resolve(&names, &Silent, &stop);
    assert!(answers.len() == names.len() && answers.iter().all(|a| a.error.as_deref() == Some("interrupted")));
}
