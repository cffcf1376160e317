//! DNS: a name that is not the server's own, and the version it tells. Over TCP the same. `example.com` is reserved for
//! such use. RFC 1035 4, RFC 4892, RFC 2606 3, RFC 5358.

use super::evidence::Recognised;
use super::octets::{Octets, text};
use super::services::{Heard, Likeness, Service, Setup};
use super::turns::{self, Talk, Turn, sure};

/// The row of datagrams.
pub const DATAGRAMS: Service = Service {
    name: "dns",
    ports: &[53, 5353, 5355],
    hello: recursion,
    recognise: |heard| like(heard, heard.sent, heard.bytes),
    start: |setup| turns::datagrams("dns", setup, recursion(setup), |t| foreign(t, t.bytes, false)),
    ..turns::DATAGRAM
};

/// The row.
pub const SERVICE: Service = Service {
    name: "dns",
    ports: &[53],
    hello: |setup| framed(&recursion(setup)),
    recognise: |heard| like(heard, inner(heard.sent).unwrap_or_default(), inner(heard.bytes).unwrap_or_default()),
    start: |setup| turns::speak("dns", setup, framed(&recursion(setup)), |t| stream(t, foreign)),
    beside: super::dns_transfer::beside,
    ..turns::CLIENT
};

const A: u16 = 1;
const TXT: u16 = 16;
const IN: u16 = 1;
const CHAOS: u16 = 3;

/// Two bytes of length before each message. RFC 1035 4.2.2.
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}

pub(super) fn inner(bytes: &[u8]) -> Option<&[u8]> {
    let mut octets = Octets(bytes);
    let length = octets.be16()?;
    octets.take(length.into())
}

pub(super) fn question(id: u16, labels: &[&str], kind: u16, class: u16) -> Vec<u8> {
    let mut out = id.to_be_bytes().to_vec();
    // Recursion is wished for; one question.
    out.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in labels {
        out.push(label.len() as u8);
        out.extend(label.as_bytes());
    }
    out.push(0);
    out.extend([kind.to_be_bytes(), class.to_be_bytes()].concat());
    out
}

fn recursion(setup: &Setup) -> Vec<u8> {
    question(setup.token as u16, &["example", "com"], A, IN)
}

fn version(setup: &Setup) -> Vec<u8> {
    question((setup.token >> 16) as u16, &["version", "bind"], TXT, CHAOS)
}

pub(super) struct Reply<'a> {
    pub(super) id: u16,
    pub(super) flags: u16,
    questions: u16,
    pub(super) answers: u16,
    rest: Octets<'a>,
}

/// The head of an answer to a plain question. RFC 1035 4.1.1.
pub(super) fn reply(bytes: &[u8]) -> Option<Reply<'_>> {
    let mut octets = Octets(bytes);
    let (id, flags, questions, answers) = (octets.be16()?, octets.be16()?, octets.be16()?, octets.be16()?);
    octets.take(4)?;
    (flags & 0xf800 == 0x8000 && questions <= 1).then_some(Reply { id, flags, questions, answers, rest: octets })
}

fn like(heard: &Heard<'_>, sent: &[u8], bytes: &[u8]) -> Likeness {
    if heard.hello != Some("dns") || sent.get(..2) != bytes.get(..2) {
        return Likeness::No;
    }
    // The question comes back, except with some refusals.
    let echoed = bytes.get(12..).is_some_and(|q| q.starts_with(b"\x07example\x03com\0"));
    let bare = bytes.len() == 12;
    sure(reply(bytes).is_some() && (echoed || bare))
}

fn stream(talk: &mut Talk<'_>, ear: fn(&mut Talk<'_>, &[u8], bool) -> Turn) -> Turn {
    match inner(talk.bytes) {
        Some(message) => ear(talk, message, true),
        None => Turn::More,
    }
}

fn foreign(talk: &mut Talk<'_>, bytes: &[u8], tcp: bool) -> Turn {
    if talk.ended {
        return Turn::Done;
    }
    let Some(reply) = reply(bytes) else { return Turn::Done };
    if reply.id != talk.setup.token as u16 {
        return Turn::More;
    }
    talk.learned.service = Some(Recognised::named("dns", "answer to a question"));
    let available = reply.flags & 0x0080 != 0;
    match (reply.flags & 0x000f, available, reply.answers) {
        (0, true, 1..) => talk.learned.set("dns.recursion", true),
        // It would, and could not: its own way out may be closed at this moment.
        (2, true, _) => talk.learned.untested("dns.recursion", "it tried and failed"),
        (0 | 3, true, _) => talk.learned.set("dns.recursion", true),
        _ => talk.learned.set("dns.recursion", false),
    }
    talk.learned.extract("answer to a question", bytes);
    if tcp {
        Turn::Ask(framed(&version(talk.setup)), |t| stream(t, told))
    } else {
        Turn::Ask(version(talk.setup), |t| told(t, t.bytes, false))
    }
}

/// Passes over a name. RFC 1035 4.1.4.
fn name(octets: &mut Octets<'_>) -> Option<()> {
    for _ in 0..128 {
        match octets.byte()? {
            0 => return Some(()),
            0xc0.. => return octets.byte().map(|_| ()),
            n @ 1..=63 => octets.take(n.into())?,
            _ => return None,
        };
    }
    None
}

/// The type of the first answer.
pub(super) fn first_kind(reply: &Reply<'_>) -> Option<u16> {
    let mut octets = reply.rest;
    for _ in 0..reply.questions {
        name(&mut octets)?;
        octets.take(4)?;
    }
    name(&mut octets)?;
    octets.be16()
}

/// The first text of the first answer.
fn first_text(mut octets: Octets<'_>) -> Option<String> {
    name(&mut octets)?;
    octets.take(4)?;
    name(&mut octets)?;
    let (TXT, _class) = (octets.be16()?, octets.be16()?) else { return None };
    octets.take(4)?;
    let length = octets.be16()?;
    let mut data = Octets(octets.take(length.into())?);
    let length = data.byte()?;
    data.take(length.into()).map(text)
}

fn told(talk: &mut Talk<'_>, bytes: &[u8], _: bool) -> Turn {
    if talk.ended {
        talk.learned.untested("dns.version", "no answer");
        return Turn::Done;
    }
    let Some(reply) = reply(bytes) else { return Turn::Done };
    if reply.id != (talk.setup.token >> 16) as u16 {
        return Turn::More;
    }
    if reply.flags & 0x000f == 0
        && reply.answers > 0
        && let Some(version) = first_text(reply.rest).filter(|v| !v.is_empty())
    {
        if let Some(service) = &mut talk.learned.service {
            // Products that put their name there; BIND tells the number alone.
            let named = ["dnsmasq-", "unbound ", "PowerDNS ", "NSD "].iter().find(|n| version.starts_with(**n));
            service.product = named.map(|n| n.trim_end_matches([' ', '-']).to_owned());
        }
        talk.learned.set("dns.version", version);
    }
    Turn::Done
}
