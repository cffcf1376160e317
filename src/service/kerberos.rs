//! Kerberos: a request for a user who cannot exist, and the error that answers it. No password takes part. RFC 4120 5.4.1,
//! 5.9.1 and 7.2.

use super::ber;
use super::evidence::Recognised;
use super::octets::{Octets, text};
use super::services::{Heard, Likeness, Service, Setup};
use super::turns::{self, Talk, Turn, sure};

/// The row of datagrams.
pub const DATAGRAMS: Service = Service {
    name: "kerberos",
    ports: &[88],
    hello: request,
    recognise: |heard: &Heard<'_>| -> Likeness { sure(error(heard.bytes).is_some()) },
    start: |setup| turns::datagrams("kerberos", setup, request(setup), |talk| told(talk, talk.bytes)),
    ..turns::DATAGRAM
};

/// The row.
pub const SERVICE: Service = Service {
    name: "kerberos",
    ports: &[88],
    hello: |setup| framed(&request(setup)),
    recognise: |heard: &Heard<'_>| -> Likeness { sure(inner(heard.bytes).and_then(error).is_some()) },
    start: |setup| {
        turns::speak("kerberos", setup, framed(&request(setup)), |talk| match inner(talk.bytes) {
            Some(message) => told(talk, message),
            None if talk.ended || talk.bytes.len() > MOST_BYTES => Turn::Done,
            None => Turn::More,
        })
    },
    ..turns::CLIENT
};

const MOST_BYTES: usize = 8 << 10;
const UNKNOWN: &str = "PALISADE.INVALID";

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u32).to_be_bytes()[..], message].concat()
}

fn inner(bytes: &[u8]) -> Option<&[u8]> {
    let mut octets = Octets(bytes);
    let length = octets.be32()? as usize;
    (length <= MOST_BYTES).then(|| octets.take(length))?
}

/// The realm that the target's name lets expect: its domain in capitals.
fn realm(setup: &Setup) -> String {
    let domain = setup.name.as_deref().and_then(|n| n.trim_end_matches('.').split_once('.')).map(|(_, d)| d);
    let sound = |d: &&str| d.contains('.') && d.len() < 64 && d.bytes().all(|b| b.is_ascii_graphic());
    domain.filter(sound).map_or_else(|| UNKNOWN.to_owned(), str::to_ascii_uppercase)
}

fn number(tag: u8, value: u32) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let from = bytes.iter().take(3).take_while(|b| **b == 0).count();
    let bytes = bytes.get(from..).unwrap_or_default();
    let sign: &[u8] = if bytes.first().is_some_and(|b| b & 0x80 != 0) { &[0] } else { &[] };
    ber::write(tag, &[&ber::write(2, &[sign, bytes])])
}

fn principal(tag: u8, kind: u32, names: &[&str]) -> Vec<u8> {
    let names: Vec<Vec<u8>> = names.iter().map(|n| ber::write(0x1b, &[n.as_bytes()])).collect();
    let names = ber::write(0xa1, &[&ber::write(0x30, &[&names.concat()])]);
    ber::write(tag, &[&ber::write(0x30, &[&number(0xa0, kind), &names])])
}

/// AS-REQ for a random user, without pre-authentication.
fn request(setup: &Setup) -> Vec<u8> {
    let realm = realm(setup);
    let user = format!("p{:016x}", setup.token);
    let body = [
        ber::write(0xa0, &[&[3, 5, 0, 0, 0, 0, 0]]),
        principal(0xa1, 1, &[&user]),
        ber::write(0xa2, &[&ber::write(0x1b, &[realm.as_bytes()])]),
        principal(0xa3, 2, &["krbtgt", &realm]),
        ber::write(0xa5, &[&ber::write(0x18, &[b"20370913024805Z"])]),
        number(0xa7, setup.token as u32 & 0x7fff_ffff),
        ber::write(0xa8, &[&ber::write(0x30, &[&[2, 1, 18, 2, 1, 17, 2, 1, 23]])]),
    ];
    let body = ber::write(0xa4, &[&ber::write(0x30, &[&body.concat()])]);
    ber::write(0x6a, &[&ber::write(0x30, &[&number(0xa1, 5), &number(0xa2, 10), &body])])
}

/// Number and realm of a KRB-ERROR.
fn error(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let mut fields = Octets(ber::of(&mut Octets(ber::of(&mut Octets(bytes), 0x7e)?), 0x30)?);
    let (mut version, mut kind, mut code, mut realm) = (None, None, None, None);
    while let Some((tag, contents)) = ber::element(&mut fields) {
        let whole = || ber::of(&mut Octets(contents), 2).and_then(ber::integer);
        match tag {
            0xa0 => version = whole(),
            0xa1 => kind = whole(),
            0xa6 => code = whole(),
            0xa9 => realm = ber::of(&mut Octets(contents), 0x1b),
            _ => {}
        }
    }
    (version == Some(5) && kind == Some(30)).then_some((code?, realm?))
}

fn told(talk: &mut Talk<'_>, message: &[u8]) -> Turn {
    let Some((code, their)) = error(message) else { return Turn::Done };
    talk.learned.service = Some(Recognised::named("kerberos", "error for a user who does not exist"));
    talk.learned.set("kerberos.error", code);
    let their = text(their);
    // What we asked for comes back; only another realm is news.
    if their != UNKNOWN && !their.is_empty() {
        talk.learned.set("kerberos.realm", their);
    }
    talk.learned.extract("error for a user who does not exist", message);
    Turn::Done
}
