//! Oracle listener: the question that `tnsping` asks, and the version in what answers it. Packets as in Oracle Net:
//! a head of eight bytes, then text in parentheses.

use super::evidence::Recognised;
use super::octets::{Octets, text};
use super::services::{Heard, Likeness, Service};
use super::turns::{self, Talk, Turn, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "oracle",
    ports: &[1521, 1522, 1526],
    hello: |_| hello(),
    recognise: |heard: &Heard<'_>| -> Likeness {
        let own = heard.hello == Some("oracle");
        sure(packet(heard.bytes).is_some_and(|(kind, body)| (own && kind == RESEND) || described(body).is_some()))
    },
    start: |setup| turns::speak("oracle", setup, hello(), answered),
    ..turns::CLIENT
};

const CONNECT: u8 = 1;
const ACCEPT: u8 = 2;
const REFUSE: u8 = 4;
const REDIRECT: u8 = 5;
const RESEND: u8 = 11;
const QUESTION: &[u8] = b"(CONNECT_DATA=(COMMAND=ping))";
/// Bytes before the question.
const OFFSET: u16 = 58;
const MOST_BYTES: usize = 8 << 10;

fn hello() -> Vec<u8> {
    let mut out = Vec::new();
    // Length, sum, kind, flags, sum; version 314, compatible with 300; options; data units; characteristics; a one in
    // the byte order used; length and place of the question.
    let words =
        [QUESTION.len() as u16 + OFFSET, 0, u16::from(CONNECT) << 8, 0, 314, 300, 0, 2_048, 0x7fff, 0x7f08, 0, 1];
    words.iter().for_each(|w| out.extend(w.to_be_bytes()));
    out.extend((QUESTION.len() as u16).to_be_bytes());
    out.extend(OFFSET.to_be_bytes());
    out.resize(usize::from(OFFSET), 0);
    out.extend(QUESTION);
    out
}

/// Kind and rest of a whole packet.
fn packet(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let mut octets = Octets(bytes);
    let (length, 0) = (usize::from(octets.be16()?), octets.be16()?) else { return None };
    let kind = octets.byte()?;
    octets.take(3)?;
    let body = octets.take(length.checked_sub(8)?)?;
    matches!(kind, ACCEPT | REFUSE | REDIRECT | RESEND).then_some((kind, body))
}

/// The text in parentheses.
fn described(body: &[u8]) -> Option<String> {
    let at = body.windows(13).position(|w| w == b"(DESCRIPTION=")?;
    body.get(at..).map(text)
}

/// A version from its number: five parts before release 18, and other widths since.
fn version(number: u32) -> String {
    let part = |shift: u32, mask: u32| number >> shift & mask;
    let major = part(24, 0xff);
    if major >= 18 {
        format!("{major}.{}.{}.{}.{}", part(16, 0xff), part(12, 0xf), part(4, 0xff), part(0, 0xf))
    } else {
        format!("{major}.{}.{}.{}.{}", part(20, 0xf), part(12, 0xff), part(8, 0xf), part(0, 0xff))
    }
}

fn answered(talk: &mut Talk<'_>) -> Turn {
    let Some((kind, body)) = packet(talk.bytes) else {
        return if talk.ended || talk.bytes.len() > MOST_BYTES { Turn::Done } else { Turn::More };
    };
    if kind == RESEND && talk.round == 0 {
        return Turn::Ask(hello(), answered);
    }
    let Some(told) = described(body) else { return Turn::Done };
    let mut service = Recognised::named("oracle", "answer to a ping");
    service.product = Some("Oracle Net listener".into());
    let value = |name: &str| told.split_once(name).and_then(|(_, rest)| rest.split(')').next());
    if let Some(number) = value("(VSNNUM=").and_then(|n| n.parse().ok()).filter(|n| *n > 0) {
        let version = version(number);
        talk.learned.set("oracle.version", version.as_str());
        service.version = Some(version);
    }
    talk.learned.service = Some(service);
    talk.learned.extract("answer to a ping", talk.bytes);
    Turn::Done
}
