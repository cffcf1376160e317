//! SSH: identification string and algorithm lists. RFC 4253 4.2 and 7.1. The server speaks first.

use super::conversation::{Conversation, Event, Learned, Step};
use super::evidence::Recognised;
use super::services::{First, Heard, Likeness, Service, Setup, no_hello, nothing_beside};
use super::ssh_wire::{self, Lists};
use crate::lang::job::Protocol;

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
    start: |_: &Setup| Box::new(Ssh { sent: false }),
    beside: nothing_beside,
    starttls: None,
};

/// What we call ourselves.
pub(super) const IDENTIFICATION: &[u8] = b"SSH-2.0-palisade\r\n";

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

struct Ssh {
    sent: bool,
}

impl Conversation for Ssh {
    fn step(&mut self, event: Event<'_>, learned: &mut Learned) -> Step {
        match event {
            Event::Open => Step::Wait,
            Event::Data(bytes) if !self.sent => self.greeted(bytes, learned),
            Event::Data(bytes) => lists(bytes, learned),
            Event::Silent | Event::Closed | Event::NoTls => {
                if learned.service.is_some() && learned.facts.list("ssh.kex").is_none() {
                    learned.untested("ssh.kex", "the server sent no algorithm lists");
                }
                Step::Done
            }
        }
    }
}

impl Ssh {
    fn greeted(&mut self, bytes: &[u8], learned: &mut Learned) -> Step {
        let Some((line, end)) = identification(bytes) else { return Step::Wait };
        learned.extract("identification", bytes.get(..end).unwrap_or_default());
        describe(&line, learned);
        // The lists often come with the line; they are read from the same bytes.
        if bytes.len() > end && lists(bytes, learned) == Step::Done {
            return Step::Done;
        }
        self.sent = true;
        // Protocol 1 has no lists of names.
        if learned.facts.text("ssh.protocol").is_some_and(|p| p.starts_with("1.") && p != "1.99") {
            return Step::Done;
        }
        Step::Send(IDENTIFICATION.to_vec())
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

fn lists(bytes: &[u8], learned: &mut Learned) -> Step {
    let after = identification(bytes).map_or(bytes, |(_, end)| bytes.get(end..).unwrap_or_default());
    match ssh_wire::packet(after).and_then(|p| p.map(|(payload, _)| Lists::read(payload)).transpose()) {
        Err(why) => {
            learned.untested("ssh.kex", why);
            Step::Done
        }
        Ok(None) => Step::Wait,
        Ok(Some(lists)) => {
            tell(&lists, learned);
            Step::Done
        }
    }
}

/// Facts of the algorithm lists.
pub(super) fn tell(lists: &Lists, learned: &mut Learned) {
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
