//! Memcached: the command `version`, over TCP and as a datagram. `doc/protocol.txt` of memcached.

use super::evidence::Recognised;
use super::octets::text;
use super::services::{Heard, Likeness, Service, Setup};
use super::turns::{self, Talk, Turn, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "memcached",
    ports: &[11211],
    in_tls: true,
    hello: |_| VERSION.to_vec(),
    recognise: |heard| like(heard, heard.bytes),
    start: |setup| turns::speak("memcached", setup, VERSION.to_vec(), |talk| version(talk, talk.bytes)),
    ..turns::CLIENT
};

/// The row of datagrams.
pub const DATAGRAMS: Service = Service {
    name: "memcached",
    ports: &[11211],
    hello: framed,
    recognise: |heard| like(heard, inner(heard.bytes, heard.sent.get(..2))),
    start: |setup| turns::datagrams("memcached", setup, framed(setup), datagram),
    ..turns::DATAGRAM
};

const VERSION: &[u8] = b"version\r\n";
/// Behind the number of the request, which is a token: datagram 0 of 1, reserved. "UDP protocol".
const FRAME: &[u8] = &[0, 0, 0, 1, 0, 0];

fn framed(setup: &Setup) -> Vec<u8> {
    [&(setup.token as u16).to_be_bytes(), FRAME, VERSION].concat()
}

/// What answers the request of this number; nothing where another is answered.
fn inner<'a>(bytes: &'a [u8], number: Option<&[u8]>) -> &'a [u8] {
    let rest = number.and_then(|number| bytes.strip_prefix(number));
    rest.and_then(|rest| rest.strip_prefix(FRAME)).unwrap_or_default()
}

fn datagram(talk: &mut Talk<'_>) -> Turn {
    version(talk, inner(talk.bytes, Some(&(talk.setup.token as u16).to_be_bytes())))
}

fn like(heard: &Heard<'_>, bytes: &[u8]) -> Likeness {
    let number = bytes.strip_prefix(b"VERSION ").and_then(|v| v.first()).is_some_and(u8::is_ascii_digit);
    let locked = heard.hello == Some("memcached") && bytes.starts_with(b"CLIENT_ERROR unauthenticated");
    sure(number || locked)
}

fn version(talk: &mut Talk<'_>, bytes: &[u8]) -> Turn {
    let Some(line) = bytes.strip_suffix(b"\r\n") else {
        return if bytes.len() > 256 { Turn::Done } else { Turn::More };
    };
    let mut service = Recognised::named("memcached", "answer to version");
    if let Some(number) =
        line.strip_prefix(b"VERSION ").map(text).filter(|v| v.starts_with(|c: char| c.is_ascii_digit()))
    {
        service.product = Some("Memcached".into());
        service.version = Some(number.clone());
        talk.learned.set("memcached.version", number);
        talk.learned.set("memcached.auth_required", false);
    } else if line.starts_with(b"CLIENT_ERROR unauthenticated") {
        talk.learned.set("memcached.auth_required", true);
    } else {
        return Turn::Done;
    }
    talk.learned.service = Some(service);
    talk.learned.extract("answer to version", bytes);
    Turn::Done
}
