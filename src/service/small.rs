//! The small services of old, in datagrams: echo, characters and the time of day. Each answers whatever comes, so each is
//! told by what it answers, and echo by two tokens of which both come back. RFC 862, RFC 864, RFC 865, RFC 867.

use super::evidence::Recognised;
use super::octets::{printable, text};
use super::services::{Heard, Likeness, Service, Setup};
use super::turns::{self, Talk, Turn, maybe, sure};

/// The row of echo.
pub const ECHO: Service = Service {
    name: "echo",
    ports: &[7],
    hello: |setup| token(setup, 0),
    // One token may come back from much else; the second makes sure.
    recognise: |heard: &Heard<'_>| -> Likeness {
        if heard.hello == Some("echo") && heard.bytes == heard.sent { Likeness::Maybe } else { Likeness::No }
    },
    start: |setup| turns::datagrams("echo", setup, token(setup, 0), first),
    ..turns::DATAGRAM
};

/// The row of the character generator.
pub const CHARGEN: Service = Service {
    name: "chargen",
    ports: &[19],
    hello: |_| LINE.to_vec(),
    recognise: |heard: &Heard<'_>| -> Likeness { sure(heard.hello == Some("chargen") && turning(heard.bytes)) },
    start: |setup| {
        turns::datagrams("chargen", setup, LINE.to_vec(), |talk| {
            if turning(talk.bytes) {
                talk.learned.service = Some(Recognised::named("chargen", "characters in turn"));
                talk.learned.extract("characters", talk.bytes);
            }
            Turn::Done
        })
    },
    ..turns::DATAGRAM
};

/// The row of the time of day.
pub const DAYTIME: Service = Service {
    name: "daytime",
    ports: &[13],
    hello: |_| LINE.to_vec(),
    recognise: |heard: &Heard<'_>| -> Likeness { sure(heard.hello == Some("daytime") && moment(heard.bytes)) },
    start: |setup| {
        turns::datagrams("daytime", setup, LINE.to_vec(), |talk| {
            if moment(talk.bytes) {
                talk.learned.service = Some(Recognised::named("daytime", "date and time"));
                talk.learned.set("daytime.banner", text(talk.bytes));
                talk.learned.extract("date and time", talk.bytes);
            }
            Turn::Done
        })
    },
    ..turns::DATAGRAM
};

/// The row of quotes.
pub const QUOTE: Service = Service {
    name: "qotd",
    ports: &[17],
    hello: marked,
    recognise: |heard: &Heard<'_>| -> Likeness { maybe(heard.hello == Some("qotd") && quote(heard.bytes)) },
    start: |setup| turns::datagrams("qotd", setup, marked(setup), first_quote),
    ..turns::DATAGRAM
};

/// Any datagram is answered.
const LINE: &[u8] = b"\r\n";
/// Bytes of a token.
const TOKEN: usize = 16;
/// Characters in turn that are no accident.
const TURNS: usize = 24;

fn token(setup: &Setup, number: usize) -> Vec<u8> {
    setup.token_bytes(TOKEN * (number + 1)).split_off(TOKEN * number)
}

fn first(talk: &mut Talk<'_>) -> Turn {
    if talk.bytes != token(talk.setup, 0) {
        return Turn::Done;
    }
    Turn::Ask(token(talk.setup, 1), |talk| {
        if talk.bytes == token(talk.setup, 1) {
            talk.learned.service = Some(Recognised::named("echo", "two tokens came back"));
            talk.learned.extract("token", talk.bytes);
        }
        Turn::Done
    })
}

/// Printable characters, each after the one before it, the first after the last; lines are shifted by one. RFC 864.
fn turning(bytes: &[u8]) -> bool {
    let next =
        |pair: &[u8]| matches!(pair, [a, b] if *b == a.wrapping_add(1) || (*a == b'~' && matches!(b, b' ' | b'!')));
    let line = bytes.split(|b| matches!(b, b'\r' | b'\n')).find(|l| !l.is_empty()).unwrap_or_default();
    line.len() >= TURNS && printable(line) && line.windows(2).all(next)
}

/// A short line with a time of day, and a year beside it. RFC 867 leaves the form open.
fn moment(bytes: &[u8]) -> bool {
    let line = bytes.trim_ascii();
    if line.len() > 64 || !printable(line) {
        return false;
    }
    let digits = |w: &[u8]| w.iter().all(u8::is_ascii_digit);
    let clock = |w: &[u8]| matches!(w, [a, b, b':', c, d, b':', e, f] if digits(&[*a, *b, *c, *d, *e, *f]));
    let year = |w: &[u8]| matches!(w, [b'1', b'9', c, d] | [b'2', b'0', c, d] if digits(&[*c, *d]));
    line.windows(8).any(clock) && line.windows(4).any(year)
}

/// What no quote has in it.
const MARK: &[u8] = b"palisade";

fn marked(setup: &Setup) -> Vec<u8> {
    [MARK, &setup.token_bytes(8)].concat()
}

/// A printable text within the bounds of RFC 865 that does not give our bytes back.
fn quote(bytes: &[u8]) -> bool {
    let plain = bytes.iter().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace() || *b >= 0xc2);
    let words = text(bytes).split_whitespace().count();
    (8..=512).contains(&bytes.len()) && plain && words >= 2 && !bytes.windows(8).any(|w| w == MARK)
}

/// The same is asked once more in other words: a quote comes whatever is asked.
fn first_quote(talk: &mut Talk<'_>) -> Turn {
    if quote(talk.bytes) && !moment(talk.bytes) && !turning(talk.bytes) {
        let other = [MARK, b"\0\xff\0\xff"].concat();
        return Turn::Ask(other, |talk| if quote(talk.bytes) { quoted(talk) } else { Turn::Done });
    }
    Turn::Done
}

fn quoted(talk: &mut Talk<'_>) -> Turn {
    talk.learned.service = Some(Recognised::named("qotd", "a text whatever is asked"));
    talk.learned.extract("a text whatever is asked", talk.bytes);
    Turn::Done
}
