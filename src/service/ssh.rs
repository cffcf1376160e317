//! SSH: identification string, algorithm lists, and the host key of every type that is offered, each read from a key
//! exchange that is begun and not finished. RFC 4253 4.2, 7.1, 8; RFC 5656 4; RFC 8731. The server speaks first.

use std::collections::VecDeque;

use super::conversation::{Conversation, Event, Learned, Step};
use super::evidence::Recognised;
use super::services::{Dialogues, First, Heard, Likeness, Service, Setup, no_hello};
use super::ssh_auth::Methods;
use super::ssh_wire::{self, HostKey, Lists};
use crate::lang::job::{Consent, Protocol};

/// The row.
pub const SERVICE: Service = Service {
    name: "ssh",
    transport: Protocol::Tcp,
    ports: &[22, 2222],
    first: First::Server,
    in_tls: true,
    everywhere: false,
    hello: no_hello,
    recognise,
    start: |setup: &Setup| {
        Box::new(Ssh {
            stage: Stage::Greeting,
            lists: None,
            left: VecDeque::new(),
            kind: String::new(),
            exchange: "",
            random: setup.token_bytes(160),
        })
    },
    beside,
    starttls: None,
};

/// The ways to log in are asked for with consent only.
fn beside(setup: &Setup) -> Dialogues {
    if !setup.may(Consent::Auth) {
        return Vec::new();
    }
    vec![("ssh.auth_methods".into(), Box::new(Methods::new(setup.token_bytes(16))))]
}

/// What we call ourselves.
pub(super) const IDENTIFICATION: &[u8] = b"SSH-2.0-palisade\r\n";

/// Messages. RFC 4250 4.1.2; 30 and 31 belong to the exchange method.
pub(super) const EXCHANGE_INIT: u8 = 30;
pub(super) const EXCHANGE_REPLY: u8 = 31;

fn recognise(heard: &Heard<'_>) -> Likeness {
    if identification(heard.bytes).is_some() { Likeness::Sure } else { Likeness::No }
}

/// The identification line and where it ends. Other lines may stand before it. RFC 4253 4.2.
pub(super) fn identification(bytes: &[u8]) -> Option<(String, usize)> {
    let mut from = 0;
    for (number, line) in bytes.split_inclusive(|b| *b == b'\n').enumerate() {
        from += line.len();
        if line.starts_with(b"SSH-") && line.ends_with(b"\n") {
            let text: String = String::from_utf8_lossy(line).trim_end_matches(['\r', '\n']).chars().take(255).collect();
            return Some((text, from));
        }
        if number >= 32 {
            return None;
        }
    }
    None
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Waiting for the identification.
    Greeting,
    /// Waiting for the lists.
    Lists,
    /// Waiting for the answer to a key exchange.
    Reply,
}

struct Ssh {
    stage: Stage,
    /// As the first connection showed them.
    lists: Option<Lists>,
    /// Host key algorithms to ask for, one a type.
    left: VecDeque<String>,
    /// The one that is asked for now.
    kind: String,
    /// The exchange method both know.
    exchange: &'static str,
    random: Vec<u8>,
}

impl Conversation for Ssh {
    fn step(&mut self, event: Event<'_>, learned: &mut Learned) -> Step {
        match (event, self.stage) {
            (Event::Open, _) => {
                self.stage = Stage::Greeting;
                Step::Wait
            }
            (Event::Data(bytes), Stage::Greeting) => self.greeted(bytes, learned),
            (Event::Data(bytes), Stage::Lists) => self.read_lists(bytes, learned),
            (Event::Data(bytes), Stage::Reply) => self.reply(bytes, learned),
            (Event::Silent | Event::Closed | Event::NoTls, _) => self.ended(learned),
        }
    }
}

impl Ssh {
    fn ended(&mut self, learned: &mut Learned) -> Step {
        if learned.service.is_some() && self.lists.is_none() {
            learned.untested("ssh.kex", "the server sent no algorithm lists");
            return Step::Done;
        }
        // A later connection that ends before its exchange has used up its turn.
        if self.kind.is_empty()
            && let Some(turn) = self.left.pop_front()
        {
            self.kind = turn;
        }
        if !self.kind.is_empty() {
            learned.untested(&format!("ssh.fingerprint.{}", kind(&self.kind)), "the key exchange was not answered");
        }
        self.next()
    }

    fn greeted(&mut self, bytes: &[u8], learned: &mut Learned) -> Step {
        let Some((line, end)) = identification(bytes) else { return Step::Wait };
        if learned.service.is_none() {
            learned.extract("identification", bytes.get(..end).unwrap_or_default());
            describe(&line, learned);
            // Protocol 1 has no lists of names.
            if learned.facts.text("ssh.protocol").is_some_and(|p| p.starts_with("1.") && p != "1.99") {
                return Step::Done;
            }
        }
        self.stage = Stage::Lists;
        // The lists often come with the line; they are read from the same bytes.
        let after = bytes.get(end..).unwrap_or_default();
        match ssh_wire::packet(after) {
            Ok(Some(_)) => {
                let step = self.read_lists(after, learned);
                match step {
                    Step::Send(exchange) => Step::Send([IDENTIFICATION, &exchange].concat()),
                    other => other,
                }
            }
            _ => Step::Send(IDENTIFICATION.to_vec()),
        }
    }

    fn read_lists(&mut self, bytes: &[u8], learned: &mut Learned) -> Step {
        // Where the line came alone, the packet may come after more of the same.
        let after = identification(bytes).map_or(bytes, |(_, end)| bytes.get(end..).unwrap_or_default());
        match ssh_wire::packet(after).and_then(|p| p.map(|(payload, _)| Lists::read(payload)).transpose()) {
            Err(why) => {
                learned.untested("ssh.kex", why);
                Step::Done
            }
            Ok(None) => Step::Wait,
            Ok(Some(lists)) => {
                if self.lists.is_none() {
                    tell(&lists, learned);
                    self.plan(&lists, learned);
                    self.lists = Some(lists);
                }
                self.exchange(learned)
            }
        }
    }

    /// One algorithm of each key type that is offered, and the exchange method.
    fn plan(&mut self, lists: &Lists, learned: &mut Learned) {
        let mut kinds: Vec<&str> = Vec::new();
        for algorithm in &lists.host_keys {
            let of = kind(algorithm);
            if !of.is_empty() && !kinds.contains(&of) {
                kinds.push(of);
                self.left.push_back(algorithm.clone());
            }
        }
        match ssh_wire::EXCHANGES.iter().find(|e| lists.kex.iter().any(|k| k == *e)) {
            Some(exchange) => self.exchange = exchange,
            None => {
                learned.untested("ssh.fingerprint", "it offers no key exchange that is known here");
                self.left.clear();
            }
        }
    }

    /// Begins a key exchange for the next host key, on this connection.
    fn exchange(&mut self, learned: &mut Learned) -> Step {
        let Some(kind) = self.left.pop_front() else { return Step::Done };
        let Some(lists) = &self.lists else { return Step::Done };
        let Some(ours) = ssh_wire::begin(lists, self.exchange, &kind, &self.random) else {
            learned.untested("ssh.fingerprint", "no key exchange can be begun");
            return Step::Done;
        };
        self.kind = kind;
        self.stage = Stage::Reply;
        Step::Send(ours)
    }

    fn reply(&mut self, bytes: &[u8], learned: &mut Learned) -> Step {
        let mut rest = bytes;
        loop {
            match ssh_wire::packet(rest) {
                Ok(None) => return Step::Wait,
                Err(_) => return self.ended(learned),
                Ok(Some((payload, length))) => {
                    if payload.first() == Some(&EXCHANGE_REPLY) {
                        let blob = payload.get(1..).and_then(|mut p| ssh_wire::take(&mut p));
                        return self.key(blob.unwrap_or_default(), learned);
                    }
                    // Ignored, debug and extension messages may come between; a disconnect ends it.
                    if payload.first() == Some(&1) {
                        return self.ended(learned);
                    }
                    rest = rest.get(length..).unwrap_or_default();
                }
            }
        }
    }

    fn key(&mut self, blob: &[u8], learned: &mut Learned) -> Step {
        match HostKey::read(blob) {
            None => learned.untested(&format!("ssh.fingerprint.{}", kind(&self.kind)), "the host key cannot be read"),
            Some(key) => {
                learned.set(&format!("ssh.fingerprint.{}", key.kind), key.fingerprint);
                if let Some(bits) = key.bits {
                    learned.set(&format!("ssh.key_bits.{}", key.kind), i64::from(bits));
                }
            }
        }
        self.next()
    }

    fn next(&mut self) -> Step {
        self.kind.clear();
        if self.left.is_empty() { Step::Done } else { Step::Reconnect }
    }
}

/// The key type of a host key algorithm; empty for certificates and for what is not known.
fn kind(algorithm: &str) -> &str {
    match algorithm {
        "rsa-sha2-256" | "rsa-sha2-512" | "ssh-rsa" => "ssh-rsa",
        "ssh-ed25519" | "ssh-ed448" | "ssh-dss" => algorithm,
        other if other.starts_with("ecdsa-sha2-nistp") && !other.contains("-cert-") => other,
        _ => "",
    }
}

/// `SSH-protoversion-softwareversion SP comments`.
fn describe(line: &str, learned: &mut Learned) {
    let mut service = Recognised::named("ssh", "identification string");
    learned.set("ssh.identification", line);
    let mut parts = line.splitn(3, '-').skip(1);
    if let Some(protocol) = parts.next() {
        learned.set("ssh.protocol", protocol);
    }
    if let Some(software) = parts.next() {
        learned.set("ssh.software", software);
        let name = software.split([' ', '\t']).next().unwrap_or_default();
        let at = name.find(['_', '-', '/']).filter(|at| *at > 0);
        let (product, version) = at.map_or((name, None), |at| (name.get(..at).unwrap_or(name), name.get(at + 1..)));
        service.product = (!product.is_empty()).then(|| product.to_owned());
        service.version = version.filter(|v| !v.is_empty()).map(str::to_owned);
    }
    learned.service = Some(service);
}

/// Facts of the algorithm lists.
fn tell(lists: &Lists, learned: &mut Learned) {
    learned.set("ssh.kex", lists.kex.clone());
    learned.set("ssh.host_keys", lists.host_keys.clone());
    learned.set("ssh.ciphers", lists.ciphers_in.clone());
    learned.set("ssh.macs", lists.macs_in.clone());
    learned.set("ssh.compression", lists.compression_in.clone());
    for (path, own, other) in [
        ("ssh.ciphers.to_client", &lists.ciphers_out, &lists.ciphers_in),
        ("ssh.macs.to_client", &lists.macs_out, &lists.macs_in),
        ("ssh.compression.to_client", &lists.compression_out, &lists.compression_in),
    ] {
        if own != other {
            learned.set(path, own.clone());
        }
    }
    // The marker of strict key exchange, which closes CVE-2023-48795. OpenSSH's PROTOCOL 1.10.
    learned.set("ssh.strict_kex", lists.kex.iter().any(|k| k == "kex-strict-s-v00@openssh.com"));
}
