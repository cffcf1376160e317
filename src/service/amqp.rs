//! AMQP 0-9-1: the protocol header, and the server's first method with its properties and mechanisms. AMQP 0-9-1, 4.2.2
//! and the class `connection`, method `start`.

use super::evidence::Recognised;
use super::octets::{Octets, text};
use super::services::{Heard, Likeness, Service};
use super::turns::{self, Talk, Turn, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "amqp",
    ports: &[5671, 5672],
    in_tls: true,
    hello: |_| HEADER.to_vec(),
    recognise: |heard: &Heard<'_>| -> Likeness { sure(frame(heard.bytes).is_some() || other(heard.bytes)) },
    start: |setup| turns::speak("amqp", setup, HEADER.to_vec(), started),
    ..turns::CLIENT
};

const HEADER: &[u8] = b"AMQP\0\0\x09\x01";
/// Longest first frame that is read.
const MOST_BYTES: usize = 16 << 10;

/// Arguments of `connection.start` on channel 0.
fn frame(bytes: &[u8]) -> Option<&[u8]> {
    let mut octets = Octets(bytes);
    let (1, 0) = (octets.byte()?, octets.be16()?) else { return None };
    let length = octets.be32()? as usize;
    let body = octets.take(length).filter(|b| b.len() <= MOST_BYTES)?;
    (octets.byte()? == 0xce).then(|| body.strip_prefix(&[0, 10, 0, 10]))?
}

/// A server of another version says which.
fn other(bytes: &[u8]) -> bool {
    bytes.len() == 8 && bytes.starts_with(b"AMQP") && bytes != HEADER
}

fn started(talk: &mut Talk<'_>) -> Turn {
    if other(talk.bytes) {
        talk.learned.service = Some(Recognised::named("amqp", "protocol header"));
        talk.learned.extract("protocol header", talk.bytes);
        return Turn::Done;
    }
    let Some(arguments) = frame(talk.bytes) else {
        return if talk.bytes.len() > MOST_BYTES { Turn::Done } else { Turn::More };
    };
    talk.learned.service = Some(Recognised::named("amqp", "first method"));
    talk.learned.extract("first method", talk.bytes);
    let mut octets = Octets(arguments);
    let mut read = || -> Option<()> {
        octets.take(2)?;
        let n = octets.be32()? as usize;
        properties(octets.take(n)?, talk);
        let n = octets.be32()? as usize;
        let mechanisms = text(octets.take(n)?);
        talk.learned.set("amqp.mechanisms", mechanisms.split(' ').map(str::to_owned).collect::<Vec<_>>());
        Some(())
    };
    if read().is_none() {
        talk.learned.untested("amqp.mechanisms", "the first method cannot be read");
    }
    Turn::Done
}

/// Long strings of the table; the first value of another type that has no known length ends it. 4.2.5.5.
fn properties(table: &[u8], talk: &mut Talk<'_>) {
    let mut octets = Octets(table);
    while let Some((name, kind)) = property(&mut octets) {
        let length = match kind {
            b'S' | b'F' | b'x' | b'A' => octets.be32().map(|n| n as usize),
            b't' | b'b' | b'B' => Some(1),
            b's' | b'u' | b'U' => Some(2),
            b'I' | b'i' | b'f' => Some(4),
            b'l' | b'L' | b'd' | b'T' => Some(8),
            _ => None,
        };
        let Some(value) = length.and_then(|n| octets.take(n)) else { return };
        let Some(service) = &mut talk.learned.service else { return };
        match (name, kind) {
            (b"product", b'S') => service.product = Some(text(value)),
            (b"version", b'S') => {
                service.version = Some(text(value));
                talk.learned.facts.set("amqp.version", text(value));
            }
            _ => {}
        }
    }
}

fn property<'a>(octets: &mut Octets<'a>) -> Option<(&'a [u8], u8)> {
    let n = octets.byte()?;
    Some((octets.take(n.into())?, octets.byte()?))
}
