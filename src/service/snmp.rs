//! SNMP: the engine id that version 3 tells everybody, and with consent for logins the description under the community
//! `public`. RFC 3412, RFC 3414 4, RFC 3411 5, RFC 1901, RFC 3418.

use super::ber;
use super::encoding::hex;
use super::evidence::Recognised;
use super::octets::{Octets, text};
use super::services::{Heard, Likeness, Service, Setup};
use super::turns::{self, Talk, Turn, sure};
use crate::lang::job::Consent;

/// The row.
pub const SERVICE: Service = Service {
    name: "snmp",
    ports: &[161],
    hello,
    recognise: |heard: &Heard<'_>| -> Likeness {
        let asked = number(heard.sent);
        sure(asked.is_some() && asked == report(heard.bytes).map(|r| r.number))
    },
    start,
    beside: |setup| {
        if setup.may(Consent::Auth) {
            vec![("snmp.public".into(), turns::datagrams("snmp.public", setup, public(setup), described))]
        } else {
            Vec::new()
        }
    },
    ..turns::DATAGRAM
};

fn start(setup: &Setup) -> Box<dyn super::conversation::Conversation> {
    turns::datagrams("snmp", setup, hello(setup), engine)
}

/// A request without engine and user: the question for the engine id. RFC 3414 4.
fn hello(setup: &Setup) -> Vec<u8> {
    let id = id(setup);
    let number = ber::write(2, &[&id]);
    let global = ber::write(0x30, &[&number, &[2, 3, 0, 0xff, 0xe3], &[4, 1, 4], &[2, 1, 3]]);
    let empty = ber::write(0x30, &[&[4, 0, 2, 1, 0, 2, 1, 0, 4, 0, 4, 0, 4, 0]]);
    let request = ber::write(0xa0, &[&number, &[2, 1, 0, 2, 1, 0, 0x30, 0]]);
    let scoped = ber::write(0x30, &[&[4, 0, 4, 0], &request]);
    ber::write(0x30, &[&[2, 1, 3], &global, &ber::write(4, &[&empty]), &scoped])
}

/// Positive and of four bytes.
fn id(setup: &Setup) -> [u8; 4] {
    ((setup.token as u32) & 0x3fff_ffff | 0x4000_0000).to_be_bytes()
}

/// Get of `sysDescr.0`, version 2c. RFC 3416 4.2.1, RFC 3418.
fn public(setup: &Setup) -> Vec<u8> {
    let name: &[u8] = &[6, 8, 0x2b, 6, 1, 2, 1, 1, 1, 0, 5, 0];
    let list = ber::write(0x30, &[&ber::write(0x30, &[name])]);
    let number = ber::write(2, &[&id(setup)]);
    let request = ber::write(0xa0, &[&number, &[2, 1, 0, 2, 1, 0], &list]);
    ber::write(0x30, &[&[2, 1, 1], b"\x04\x06public", &request])
}

/// The number of a message of version 3. RFC 3412 6.
fn number(bytes: &[u8]) -> Option<&[u8]> {
    let mut message = Octets(ber::of(&mut Octets(bytes), 0x30)?);
    (ber::of(&mut message, 2)? == [3]).then_some(())?;
    ber::of(&mut Octets(ber::of(&mut message, 0x30)?), 2)
}

struct Engine<'a> {
    number: &'a [u8],
    id: &'a [u8],
    boots: i64,
    time: i64,
}

/// A message of version 3 with a report in clear. RFC 3412 6, RFC 3414 2.4.
fn report(bytes: &[u8]) -> Option<Engine<'_>> {
    let mut message = Octets(ber::of(&mut Octets(bytes), 0x30)?);
    (ber::of(&mut message, 2)? == [3]).then_some(())?;
    let number = ber::of(&mut Octets(ber::of(&mut message, 0x30)?), 2)?;
    let security = ber::of(&mut message, 4)?;
    let mut user = Octets(ber::of(&mut Octets(security), 0x30)?);
    let id = ber::of(&mut user, 4).filter(|i| (5..=32).contains(&i.len()))?;
    let (boots, time) = (ber::integer(ber::of(&mut user, 2)?)?, ber::integer(ber::of(&mut user, 2)?)?);
    Some(Engine { number, id, boots, time })
}

fn engine(talk: &mut Talk<'_>) -> Turn {
    let Some(engine) = report(talk.bytes) else { return Turn::Done };
    if engine.number != id(talk.setup) {
        return Turn::More;
    }
    talk.learned.service = Some(Recognised::named("snmp", "report of the engine id"));
    talk.learned.set("snmp.engine", hex(engine.id));
    talk.learned.set("snmp.boots", engine.boots);
    talk.learned.set("snmp.uptime_seconds", engine.time);
    // The first bit tells the newer form, whose first four bytes are the maker's number. RFC 3411 5.
    let mut octets = Octets(engine.id);
    if let Some(maker) = octets.be32().filter(|n| n & 0x8000_0000 != 0) {
        talk.learned.set("snmp.enterprise", i64::from(maker & 0x7fff_ffff));
    }
    talk.learned.extract("report", talk.bytes);
    Turn::Done
}

/// Error status and value of the answer with this number. RFC 1901, RFC 3416 3.
fn response(bytes: &[u8], number: [u8; 4]) -> Option<(i64, (u8, &[u8]))> {
    let mut message = Octets(ber::of(&mut Octets(bytes), 0x30)?);
    matches!(ber::of(&mut message, 2)?, [0 | 1]).then_some(())?;
    ber::of(&mut message, 4)?;
    let mut answer = Octets(ber::of(&mut message, 0xa2)?);
    (ber::of(&mut answer, 2)? == number).then_some(())?;
    let status = ber::integer(ber::of(&mut answer, 2)?)?;
    ber::of(&mut answer, 2)?;
    let mut one = Octets(ber::of(&mut Octets(ber::of(&mut answer, 0x30)?), 0x30)?);
    ber::of(&mut one, 6)?;
    Some((status, ber::element(&mut one)?))
}

fn described(talk: &mut Talk<'_>) -> Turn {
    if talk.ended {
        return Turn::Done;
    }
    let Some((status, (tag, value))) = response(talk.bytes, id(talk.setup)) else { return Turn::More };
    talk.learned.service = Some(Recognised::named("snmp", "answer to a get"));
    talk.learned.set("snmp.public", true);
    if status == 0 && tag == 4 {
        talk.learned.set("snmp.description", text(value));
    }
    talk.learned.extract("answer to a get", talk.bytes);
    Turn::Done
}
