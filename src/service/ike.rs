//! IKE: a first proposal in version 1 and in version 2; nothing is agreed. RFC 2408 3, RFC 2409 appendix A, RFC 7296 3.

use super::evidence::Recognised;
use super::octets::Octets;
use super::services::{Heard, Likeness, Service, Setup};
use super::turns::{self, Talk, Turn, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "ike",
    ports: &[500],
    hello: old,
    recognise: |heard: &Heard<'_>| -> Likeness {
        sure(heard.hello == Some("ike") && header(heard.bytes).is_some() && heard.returns(0..8, 0..8))
    },
    start: |setup| turns::datagrams("ike", setup, old(setup), one),
    beside: |setup| vec![("ike.version2".into(), turns::datagrams("ike.version2", setup, new(setup), two))],
    ..turns::DATAGRAM
};

fn message(setup: &Setup, payload: u8, version: u8, exchange: u8, flags: u8, body: &[u8]) -> Vec<u8> {
    let mut out = setup.token.to_be_bytes().to_vec();
    out.extend([0; 8]);
    out.extend([payload, version, exchange, flags, 0, 0, 0, 0]);
    out.extend((body.len() as u32 + 28).to_be_bytes());
    out.extend(body);
    out
}

/// Main mode with two transforms: AES-256 or 3DES, SHA-1, shared key, group 2. RFC 2408 3.4 to 3.6, RFC 2409 appendix A.
fn old(setup: &Setup) -> Vec<u8> {
    let aes: &[u8] = &[3, 0, 0, 36, 1, 1, 0, 0, 0x80, 1, 0, 7, 0x80, 14, 1, 0];
    let tdes: &[u8] = &[0, 0, 0, 32, 2, 1, 0, 0, 0x80, 1, 0, 5];
    let rest: &[u8] = &[0x80, 2, 0, 2, 0x80, 3, 0, 1, 0x80, 4, 0, 2, 0x80, 11, 0, 1, 0x80, 12, 0x70, 0x80];
    let transforms = [aes, rest, tdes, rest].concat();
    let proposal = [&[0, 0, 0, transforms.len() as u8 + 8, 1, 1, 0, 2][..], &transforms].concat();
    let body = [&[0, 0, 0, proposal.len() as u8 + 12, 0, 0, 0, 1, 0, 0, 0, 1][..], &proposal].concat();
    message(setup, 1, 0x10, 2, 0, &body)
}

/// IKE_SA_INIT: AES-CBC-256, HMAC-SHA2-256, group 14 with a public number, and a nonce. RFC 7296 1.2 and 3.3 to 3.9.
fn new(setup: &Setup) -> Vec<u8> {
    let transforms: &[u8] = &[
        3, 0, 0, 12, 1, 0, 0, 12, 0x80, 14, 1, 0, 3, 0, 0, 8, 2, 0, 0, 5, 3, 0, 0, 8, 3, 0, 0, 12, 0, 0, 0, 8, 4, 0, 0,
        14,
    ];
    let proposal = [&[0, 0, 0, transforms.len() as u8 + 8, 1, 1, 0, 4][..], transforms].concat();
    let mut body = [&[34, 0, 0, proposal.len() as u8 + 4][..], &proposal].concat();
    body.extend([40, 0, 1, 8, 0, 14, 0, 0]);
    // A number below the group's, which it is whatever its bytes are when the first is zero.
    body.push(0);
    body.extend(setup.token_bytes(255));
    body.extend([0, 0, 0, 36]);
    body.extend(setup.token_bytes(32));
    message(setup, 33, 0x20, 34, 8, &body)
}

struct Header {
    initiator: u64,
    payload: u8,
    version: u8,
    exchange: u8,
}

/// The header of an answer. A responder of version 1 has a cookie of its own; one of version 2 sets the response flag, and
/// may leave its own number out where it refuses. RFC 2408 3.1, RFC 7296 2.6 and 3.1.
fn header(bytes: &[u8]) -> Option<Header> {
    let mut octets = Octets(bytes);
    let initiator = u64::from(octets.be32()?) << 32 | u64::from(octets.be32()?);
    let named = octets.take(8)?.iter().any(|b| *b != 0);
    let (payload, version, exchange, flags) = (octets.byte()?, octets.byte()?, octets.byte()?, octets.byte()?);
    octets.take(4)?;
    let length = octets.be32()? as usize;
    let known = match (version >> 4, exchange) {
        (1, 2 | 4 | 5) => named,
        (2, 34..=37) => flags & 0x20 != 0,
        _ => false,
    };
    (known && length == bytes.len() && initiator != 0).then_some(Header { initiator, payload, version, exchange })
}

fn add(talk: &mut Talk<'_>, version: &str, chosen: bool) {
    talk.learned.service = Some(Recognised::named("ike", "answer to a proposal"));
    talk.learned.set(&format!("ike.version{version}"), true);
    talk.learned.set(&format!("ike.version{version}.accepted"), chosen);
    talk.learned.extract(&format!("answer to a proposal of version {version}"), talk.bytes);
}

fn one(talk: &mut Talk<'_>) -> Turn {
    let Some(header) = header(talk.bytes).filter(|h| h.initiator == talk.setup.token) else {
        return Turn::More;
    };
    // A server of version 2 alone answers in its own version.
    if header.version >> 4 == 1 {
        add(talk, "1", header.payload == 1);
    } else {
        add(talk, "2", false);
    }
    Turn::Done
}

fn two(talk: &mut Talk<'_>) -> Turn {
    if talk.ended {
        return Turn::Done;
    }
    let Some(header) = header(talk.bytes).filter(|h| h.initiator == talk.setup.token) else {
        return Turn::More;
    };
    // A first payload that is an association means that it was taken. RFC 7296 1.2.
    if header.version >> 4 == 2 && header.exchange == 34 {
        add(talk, "2", header.payload == 33);
    }
    Turn::Done
}
