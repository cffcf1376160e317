//! Cassandra: options, and what a session begins with; no query is sent. CQL binary protocol version 4, 2 and 4.

use super::evidence::Recognised;
use super::octets::{Octets, text};
use super::services::{Heard, Likeness, Service};
use super::turns::{self, Talk, Turn, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "cassandra",
    ports: &[9042, 9142],
    in_tls: true,
    hello: |_| OPTIONS.to_vec(),
    recognise: |heard: &Heard<'_>| -> Likeness {
        sure(heard.hello == Some("cassandra") && frame(heard.bytes).is_some_and(|(op, _)| matches!(op, 0 | 6)))
    },
    start: |setup| turns::speak("cassandra", setup, OPTIONS.to_vec(), options),
    ..turns::CLIENT
};

/// Version 4, stream 0x5061.
const OPTIONS: &[u8] = &[4, 0, 0x50, 0x61, 5, 0, 0, 0, 0];
const STARTUP: &[u8] = b"\x04\0\x50\x61\x01\0\0\0\x16\0\x01\0\x0bCQL_VERSION\0\x053.0.0";
const MOST_BYTES: usize = 64 << 10;

/// Opcode and body of a response on our stream.
fn frame(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let mut octets = Octets(bytes);
    let (0x83..=0x85, _flags, 0x5061) = (octets.byte()?, octets.byte()?, octets.be16()?) else { return None };
    let (opcode, length) = (octets.byte()?, octets.be32()? as usize);
    octets.take(length).filter(|b| b.len() <= MOST_BYTES).map(|b| (opcode, b))
}

fn options(talk: &mut Talk<'_>) -> Turn {
    let Some((opcode @ (0 | 6), body)) = frame(talk.bytes) else {
        return if talk.bytes.len() > MOST_BYTES { Turn::Done } else { Turn::More };
    };
    talk.learned.service = Some(Recognised::named("cassandra", "answer to OPTIONS"));
    talk.learned.extract("answer to OPTIONS", talk.bytes);
    if opcode == 0 {
        return Turn::Done;
    }
    if let Some(versions) = supported(body, b"CQL_VERSION") {
        talk.learned.set("cassandra.cql_versions", versions);
    }
    Turn::Ask(STARTUP.to_vec(), ready)
}

/// Values of a key in a multimap of strings. 3, `[string multimap]`.
fn supported(body: &[u8], wanted: &[u8]) -> Option<Vec<String>> {
    let mut octets = Octets(body);
    for _ in 0..octets.be16()?.min(64) {
        let n = octets.be16()?;
        let key = octets.take(n.into())?;
        let mut values = Vec::new();
        for _ in 0..octets.be16()?.min(64) {
            let n = octets.be16()?;
            values.push(text(octets.take(n.into())?));
        }
        if key == wanted {
            return Some(values);
        }
    }
    None
}

fn ready(talk: &mut Talk<'_>) -> Turn {
    let Some((opcode, _)) = frame(talk.bytes) else {
        return if talk.bytes.len() > MOST_BYTES { Turn::Done } else { Turn::More };
    };
    match opcode {
        2 => talk.learned.set("cassandra.auth_required", false),
        3 => talk.learned.set("cassandra.auth_required", true),
        _ => talk.learned.untested("cassandra.auth_required", "STARTUP was refused for another reason"),
    }
    Turn::Done
}
