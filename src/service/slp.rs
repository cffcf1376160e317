//! SLP: the kinds of services that an agent knows. RFC 2608 8.1, 10.1 and 10.2.

use super::evidence::Recognised;
use super::octets::{Octets, text};
use super::services::{Heard, Likeness, Service, Setup};
use super::turns::{self, Talk, Turn, maybe};

/// The row of datagrams.
pub const DATAGRAMS: Service = Service {
    name: "slp",
    ports: &[427],
    hello,
    recognise: |heard: &Heard<'_>| -> Likeness { maybe(heard.hello == Some("slp") && reply(heard.bytes).is_some()) },
    start: |setup| turns::datagrams("slp", setup, hello(setup), types),
    ..turns::DATAGRAM
};

/// The row.
pub const SERVICE: Service = Service {
    name: "slp",
    ports: &[427],
    hello,
    recognise: |heard: &Heard<'_>| -> Likeness { maybe(heard.hello == Some("slp") && reply(heard.bytes).is_some()) },
    start: |setup| turns::speak("slp", setup, hello(setup), types),
    ..turns::CLIENT
};

const MOST_BYTES: usize = 16 << 10;
/// Kinds that are kept.
const MOST_TYPES: usize = 64;
/// Service Type Reply.
const REPLY: u8 = 10;

/// Service Type Request of version 2: no previous responders, all naming authorities, the default scope.
fn hello(setup: &Setup) -> Vec<u8> {
    let mut out = vec![2, 9, 0, 0, 29, 0, 0, 0, 0, 0];
    out.extend((setup.token as u16).to_be_bytes());
    out.extend(b"\0\x02en\0\0\xff\xff\0\x07DEFAULT");
    out
}

/// Number of the question, error, and the list.
fn reply(bytes: &[u8]) -> Option<(u16, u16, &[u8])> {
    let mut octets = Octets(bytes);
    let (2, REPLY) = (octets.byte()?, octets.byte()?) else { return None };
    let length = usize::from(octets.byte()?) << 16 | usize::from(octets.be16()?);
    octets.take(5)?;
    let number = octets.be16()?;
    let language = octets.be16()?;
    octets.take(language.into())?;
    let error = octets.be16()?;
    let list = if error == 0 { octets.be16().and_then(|n| octets.take(n.into()))? } else { &[] };
    (length <= MOST_BYTES && length <= bytes.len()).then_some((number, error, list))
}

fn types(talk: &mut Talk<'_>) -> Turn {
    let Some((number, error, list)) = reply(talk.bytes) else {
        return if talk.ended || talk.bytes.len() > MOST_BYTES { Turn::Done } else { Turn::More };
    };
    if number != talk.setup.token as u16 {
        return Turn::More;
    }
    talk.learned.service = Some(Recognised::named("slp", "answer to a question for kinds of services"));
    if error == 0 {
        let kinds = list.split(|b| *b == b',').map(text).filter(|k| !k.is_empty()).take(MOST_TYPES);
        talk.learned.set("slp.services", kinds.collect::<Vec<_>>());
    }
    talk.learned.extract("answer to a question for kinds of services", talk.bytes);
    Turn::Done
}
