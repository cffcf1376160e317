//! TLS by its hello. The first conversation only makes sure that it is TLS; what versions, suites, groups and quirks there
//! are is asked beside it (`tls_probe.rs`), and certificates are read by a real handshake in the driver (`session.rs`).

use super::conversation::{Conversation, Event, Learned, Step};
use super::evidence::Recognised;
use super::services::{First, Heard, Likeness, Service, Setup};
use super::tls_hello::{GROUPS, Hello, Version};
use super::tls_reply::{self, Reply};
use super::{tls_probe, tls_suites};
use crate::lang::job::Protocol;

/// The row.
pub const SERVICE: Service = Service {
    name: "tls",
    transport: Protocol::Tcp,
    ports: &[
        443, 465, 563, 636, 853, 989, 990, 992, 993, 995, 2376, 3269, 4443, 5061, 5671, 5986, 6443, 8443, 8883, 9443,
    ],
    first: First::Client,
    in_tls: false,
    everywhere: true,
    hello: first_hello,
    recognise,
    start: |setup| Box::new(Tls { hello: first_hello(setup) }),
    beside: |setup| {
        let mut all = tls_probe::dialogues(setup, None);
        all.push(("http.h2".into(), Box::new(super::http2::Http2::default())));
        all
    },
    starttls: None,
};

/// A hello that every server since 1999 can answer.
fn first_hello(setup: &Setup) -> Vec<u8> {
    let [weak, _, rest, _] = tls_suites::older(false);
    let mut suites = vec![0x1301, 0x1302, 0x1303];
    suites.extend(rest.iter().chain(&weak).filter(|s| tls_suites::name(**s).starts_with("TLS_ECDHE_")).take(24));
    suites.extend([0x009c, 0x009d, 0x002f, 0x0035, 0x003c, 0x000a, 0x0005, 0x0004, 0x009e, 0x0033]);
    let groups: Vec<u16> = GROUPS.iter().map(|(n, _)| *n).collect();
    Hello {
        version: Version::Tls13,
        older: true,
        suites: &suites,
        groups: &groups,
        name: setup.name.as_deref(),
        protocols: &[],
        extras: false,
        random: &setup.token_bytes(32),
    }
    .bytes()
}

fn recognise(heard: &Heard<'_>) -> Likeness {
    match tls_reply::read(heard.bytes) {
        Reply::Hello(_) => Likeness::Sure,
        Reply::Alert(_) if heard.hello.is_some() => Likeness::Sure,
        Reply::Alert(_) | Reply::Partial | Reply::Foreign => Likeness::No,
    }
}

struct Tls {
    hello: Vec<u8>,
}

impl Conversation for Tls {
    fn step(&mut self, event: Event<'_>, learned: &mut Learned) -> Step {
        match event {
            Event::Open => Step::Send(self.hello.clone()),
            Event::Data(bytes) => match tls_reply::read(bytes) {
                Reply::Partial => Step::Wait,
                Reply::Foreign => Step::Done,
                Reply::Alert(_) => {
                    learned.service = Some(Recognised::named("tls", "alert in answer to a hello"));
                    learned.extract("alert", bytes);
                    Step::Done
                }
                Reply::Hello(_) => {
                    learned.service = Some(Recognised::named("tls", "answer to a hello"));
                    learned.extract("server hello", bytes);
                    Step::Done
                }
            },
            Event::Silent | Event::Closed | Event::NoTls => Step::Done,
        }
    }
}
