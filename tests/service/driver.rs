//! What the driver does with honest peers that are easily wronged: printers, answers in pieces, datagrams that are not for
//! us. In-process, on loopback.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use palisade::base::progress::Stop;
use palisade::lang::job::Protocol;
use palisade::scan::observation::ProbeKind;
use palisade::service::evidence::{Facts, ServiceEvidence};

use super::hostile::held_at;

/// An address that carries the process's number, so that several test runs do not meet.
fn own(number: u8) -> String {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    format!("127.{}.{low}.{number}", 128 | high)
}

fn one(addr: &str, protocol: Protocol, port: u16) -> ServiceEvidence {
    let mut outcome = held_at(addr, protocol, &[port], &Stop::default());
    assert_eq!(outcome.hosts.len(), 1);
    outcome.hosts.remove(0).services.remove(0)
}

/// Counts the bytes it is sent, as paper would.
fn printer(addr: &str, port: u16) -> Arc<AtomicUsize> {
    let listener = TcpListener::bind((addr, port)).unwrap();
    let printed = Arc::new(AtomicUsize::new(0));
    let paper = Arc::clone(&printed);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let paper = Arc::clone(&paper);
            std::thread::spawn(move || {
                let mut sheet = [0; 4_096];
                while let Ok(n @ 1..) = stream.read(&mut sheet) {
                    paper.fetch_add(n, Ordering::SeqCst);
                }
            });
        }
    });
    printed
}

#[test]
fn nothing_is_sent_to_printers() {
    let addr = own(71);
    let ports: Vec<u16> = (9_099..=9_108).collect();
    let papers: Vec<Arc<AtomicUsize>> = ports.iter().map(|port| printer(&addr, *port)).collect();
    let outcome = held_at(&addr, Protocol::Tcp, &ports, &Stop::default());
    let printed: Vec<bool> = papers.iter().map(|p| p.load(Ordering::SeqCst) > 0).collect();
    let wanted: Vec<bool> = ports.iter().map(|p| !(9_100..=9_107).contains(p)).collect();
    assert_eq!(printed, wanted, "only the ports beside are spoken to");
    for service in outcome.hosts[0].services.iter().filter(|s| (9_100..=9_107).contains(&s.port)) {
        assert_eq!(service.service, None);
        let why = "nothing is sent to a port of printers, which print what they are sent";
        assert_eq!(service.untested, [("service".to_owned(), why.to_owned())]);
    }
}

/// A printer that greets, as some do, is still recognised by its greeting.
#[test]
fn what_greets_on_a_printer_s_port_is_heard() {
    let addr = own(72);
    let listener = TcpListener::bind((addr.as_str(), 9_100)).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"220 mail.example ESMTP Postfix\r\n");
        }
    });
    let found = one(&addr, Protocol::Tcp, 9_100);
    assert_eq!(&*found.service.unwrap().name, "smtp");
}

/// The head of an answer in one segment, its body in the next, as OpenSearch sends them.
#[test]
fn an_answer_in_two_pieces_is_read_whole() {
    let addr = own(73);
    let listener = TcpListener::bind((addr.as_str(), 19_200)).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let _ = stream.set_nodelay(true);
                let body = "{\"version\":{\"distribution\":\"opensearch\",\"number\":\"2.11.1\"},\
                            \"tagline\":\"The OpenSearch Project: https://opensearch.org/\"}";
                let mut request = [0; 4_096];
                while let Ok(n @ 1..) = stream.read(&mut request) {
                    if !request[..n].starts_with(b"GET ") {
                        return;
                    }
                    let head = format!(
                        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                        body.len()
                    );
                    let _ = stream.write_all(head.as_bytes());
                    // The other side has read the head before the body leaves.
                    std::thread::park_timeout(std::time::Duration::from_millis(40));
                    let _ = stream.write_all(body.as_bytes());
                }
            });
        }
    });
    let service = one(&addr, Protocol::Tcp, 19_200).service.unwrap();
    let told = (&*service.name, service.product.as_deref(), service.version.as_deref());
    assert_eq!(told, ("elasticsearch", Some("OpenSearch"), Some("2.11.1")));
}

/// A peer that sends every datagram back, changed or not.
fn mirror(change: fn(&mut Vec<u8>)) -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut datagram = [0; 2_048];
        while let Ok((n, from)) = socket.recv_from(&mut datagram) {
            let mut answer = datagram[..n].to_vec();
            change(&mut answer);
            let _ = socket.send_to(&answer, from);
        }
    });
    port
}

#[test]
fn our_own_words_are_no_answer() {
    assert_eq!(&*one("127.0.0.1", Protocol::Udp, mirror(|_| ())).service.unwrap().name, "echo");
    for change in [|d: &mut Vec<u8>| d.push(0), |d: &mut Vec<u8>| d.truncate(8)] {
        let port = mirror(change);
        let found = one("127.0.0.1", Protocol::Udp, port);
        assert_eq!(found.service, None, "{:?}", found.facts);
        assert_eq!(found.untested, [("service".to_owned(), "what it says is not known".to_owned())]);
    }
}

/// Answers that are right in every bit but the token: to DNS, NTP, STUN, SNMP, mDNS.
#[test]
fn an_answer_without_our_token_is_nobody_s() {
    let forge = |answer: &mut Vec<u8>| match answer.as_slice() {
        // A question about a name: answered, with another number.
        [_, _, 1, 0, 0, 1, ..] => {
            answer[0] ^= 0xff;
            answer[2] = 0x81;
            answer[3] = 0x80;
        }
        [0x23, ..] if answer.len() == 48 => {
            let token: Vec<u8> = answer[40..48].iter().map(|b| !b).collect();
            answer.splice(24..32, token);
            answer[0] = 0x24;
            answer[1] = 2;
        }
        [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, ..] => {
            answer[0] = 1;
            answer[19] ^= 1;
        }
        _ => answer.clear(),
    };
    let found = one("127.0.0.1", Protocol::Udp, mirror(forge));
    assert_eq!(found.service, None, "{:?}", found.facts);
}

/// The same peer with our token is what it says.
#[test]
fn an_answer_with_our_token_is_known_and_counted() {
    let answer = |datagram: &mut Vec<u8>| match datagram.as_slice() {
        [0x23, ..] if datagram.len() == 48 => {
            let token = datagram[40..48].to_vec();
            datagram.splice(24..32, token);
            datagram[0] = 0x24;
            datagram[1] = 2;
        }
        // Control queries get an answer eleven times as long.
        [0x16, 2, ..] => {
            datagram[1] = 0x82;
            datagram.splice(10..12, [0, 120]);
            datagram.resize(132, b'x');
        }
        _ => datagram.clear(),
    };
    let port = mirror(answer);
    let outcome = held_at("127.0.0.1", Protocol::Udp, &[port], &Stop::default());
    let found = &outcome.hosts[0].services[0];
    assert_eq!(&*found.service.as_ref().unwrap().name, "ntp");
    let pair = |facts: &Facts| (facts.int("udp.request_bytes"), facts.int("udp.reply_bytes"));
    assert_eq!(pair(&found.facts), (Some(12), Some(132)), "the larger of two amplifications stays");
    assert!(outcome.ledger.lines().all(|(entry, _)| entry.probe == ProbeKind::Talk && entry.port == port));
}

/// Two dialogues with one service: neither order loses the larger answer.
#[test]
fn the_larger_amplification_stays() {
    let pair = |request: i64, reply: i64| {
        let mut facts = Facts::default();
        facts.amplified(request, reply);
        facts
    };
    for (first, second) in [((48, 48), (12, 132)), ((12, 132), (48, 48))] {
        let mut facts = pair(first.0, first.1);
        facts.extend(pair(second.0, second.1));
        assert_eq!((facts.int("udp.request_bytes"), facts.int("udp.reply_bytes")), (Some(12), Some(132)));
    }
    let mut facts = Facts::default();
    facts.extend(pair(48, 0));
    assert_eq!((facts.int("udp.request_bytes"), facts.int("udp.reply_bytes")), (Some(48), Some(0)));
}

/// A server that serves one client at a time leaves hellos of ours unanswered while others of ours are open: they are
/// asked once more at the end.
#[test]
fn a_hello_that_met_silence_is_asked_again_at_the_end() {
    const SILENT: usize = 3;
    let addr = own(74);
    let listener = TcpListener::bind((addr.as_str(), 18_443)).unwrap();
    std::thread::spawn(move || {
        let (mut first, mut of_it) = (None, 0);
        let mut kept = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let mut hello = [0; 11];
            if stream.read_exact(&mut hello).is_err() || hello[0] != 22 {
                continue;
            }
            // The version of the hello within the record is TLS 1.1; lengths tell its suites from other questions.
            if hello[9..11] == [3, 2] && of_it < SILENT && *first.get_or_insert(hello) == hello {
                of_it += 1;
                kept.push(stream);
                continue;
            }
            // A fatal alert, `handshake_failure`. RFC 5246 7.2.
            let _ = stream.write_all(&[21, 3, 3, 0, 2, 2, 40]);
        }
    });
    let found = one(&addr, Protocol::Tcp, 18_443);
    assert_eq!(&*found.service.unwrap().name, "tls");
    let silent: Vec<_> = found.untested.iter().filter(|(what, _)| what == "tls.suites.TLS 1.1").collect();
    assert!(silent.is_empty(), "{silent:?}");
}
