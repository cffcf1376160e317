//! The small services of old, over datagrams: echo, chargen, daytime and quote of the day. They are known by what they
//! answer. RFC 862, RFC 864, RFC 865, RFC 867.

use super::evidence::Recognised;
use super::octets::{printable, text};
use super::services::{Heard, Likeness, Service, Setup};
use super::turns::{self, Talk, Turn, maybe, sure};

/// The row of echo.
pub const ECHO: Service = Service {
    name: "echo",
    ports: &[7],
    hello: token,
    recognise: |heard: &Heard<'_>| -> Likeness {
        maybe(heard.hello == Some("echo") && heard.bytes.len() == 16 && heard.bytes.starts_with(MARK))
    },
    start: |setup| turns::datagrams("echo", setup, token(setup), echoed),
    ..turns::DATAGRAM
};

/// The row of chargen.
pub const CHARGEN: Service = Service {
    name: "chargen",
    ports: &[19],
    hello: token,
    recognise: |heard: &Heard<'_>| -> Likeness { sure(heard.hello == Some("chargen") && cycle(heard.bytes)) },
    start: |setup| {
        turns::datagrams("chargen", setup, token(setup), |talk| {
            if cycle(talk.bytes) { known(talk, "chargen", "run of characters") } else { Turn::Done }
        })
    },
    ..turns::DATAGRAM
};

/// The row of daytime.
pub const DAYTIME: Service = Service {
    name: "daytime",
    ports: &[13],
    hello: token,
    recognise: |heard: &Heard<'_>| -> Likeness { sure(heard.hello == Some("daytime") && time(heard.bytes)) },
    start: |setup| {
        turns::datagrams("daytime", setup, token(setup), |talk| {
            if time(talk.bytes) { known(talk, "daytime", "date and time") } else { Turn::Done }
        })
    },
    ..turns::DATAGRAM
};

/// The row of quotes.
pub const QUOTE: Service = Service {
    name: "qotd",
    ports: &[17],
    hello: token,
    recognise: |heard: &Heard<'_>| -> Likeness { maybe(heard.hello == Some("qotd") && quote(heard.bytes)) },
    start: |setup| turns::datagrams("qotd", setup, token(setup), first_quote),
    ..turns::DATAGRAM
};

const MARK: &[u8] = b"palisade";
/// Characters in a row that make a run.
const RUN: usize = 40;

fn token(setup: &Setup) -> Vec<u8> {
    [MARK, &setup.token_bytes(8)].concat()
}

fn known(talk: &mut Talk<'_>, name: &str, how: &str) -> Turn {
    talk.learned.service = Some(Recognised::named(name, how));
    talk.learned.extract(how, talk.bytes);
    Turn::Done
}

fn echoed(talk: &mut Talk<'_>) -> Turn {
    if talk.bytes == token(talk.setup) { known(talk, "echo", "echo of random bytes") } else { Turn::Done }
}

/// The printable characters one after another, the first after the last. RFC 864.
fn cycle(bytes: &[u8]) -> bool {
    let follows = |a: u8, b: u8| (b' '..=b'~').contains(&a) && (b == a + 1 || (a == b'~' && (b == b' ' || b == b'!')));
    let mut run = 0;
    bytes.windows(2).any(|pair| {
        run = if matches!(pair, [a, b] if follows(*a, *b)) { run + 1 } else { 0 };
        run >= RUN
    })
}

/// One short line with a time of day and a year.
fn time(bytes: &[u8]) -> bool {
    let line = bytes.trim_ascii();
    let clock = |w: &[u8]| {
        let digit = |i: usize| w.get(i).is_some_and(u8::is_ascii_digit);
        digit(0) && digit(1) && w.get(2) == Some(&b':') && digit(3) && digit(4) && w.get(5) == Some(&b':') && digit(6)
    };
    let year = |w: &[u8]| w.starts_with(b"20") && w.iter().all(u8::is_ascii_digit);
    line.len() <= 80 && printable(line) && line.windows(8).any(clock) && line.windows(4).any(year)
}

/// A printable text within the bounds of RFC 865 that does not give our bytes back.
fn quote(bytes: &[u8]) -> bool {
    let plain = bytes.iter().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace() || *b >= 0xc2);
    let words = text(bytes).split_whitespace().count();
    (8..=512).contains(&bytes.len()) && plain && words >= 2 && !bytes.windows(8).any(|w| w == MARK)
}

/// The same is asked once more in other words: a quote comes whatever is asked.
fn first_quote(talk: &mut Talk<'_>) -> Turn {
    if quote(talk.bytes) && !time(talk.bytes) && !cycle(talk.bytes) {
        let other = [MARK, b"\0\xff\0\xff"].concat();
        return Turn::Ask(other, |talk| {
            if quote(talk.bytes) { known(talk, "qotd", "a text whatever is asked") } else { Turn::Done }
        });
    }
    Turn::Done
}
