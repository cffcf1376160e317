//! PostgreSQL: whether it begins TLS, and a request of a version that does not exist, which it refuses in its own words.
//! With consent for logins, whether the user `postgres` is let in without a password; nothing is asked of the database.
//! PostgreSQL documentation, "Frontend/Backend Protocol": "Message Flow", "Message Formats".

use super::evidence::Recognised;
use super::octets::{Octets, text};
use super::services::{Heard, Likeness, Service, Setup};
use super::turns::{self, Talk, Turn};
use crate::lang::job::Consent;

/// The row.
pub const SERVICE: Service = Service {
    name: "postgresql",
    ports: &[5432, 5433, 6432],
    hello: |_| SSL_REQUEST.to_vec(),
    recognise,
    start: |setup| turns::speak("postgresql", setup, SSL_REQUEST.to_vec(), offer),
    starttls: Some(|setup: &Setup| turns::speak("postgresql", setup, SSL_REQUEST.to_vec(), lead)),
    ..turns::CLIENT
};

/// Length 8 and the number 80877103.
const SSL_REQUEST: &[u8] = &[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
/// A startup of version 255.255 without parameters.
const NO_VERSION: &[u8] = &[0, 0, 0, 9, 0, 255, 0, 255, 0];
/// Bytes of one message that are read.
const MOST_BYTES: usize = 8 << 10;

fn recognise(heard: &Heard<'_>) -> Likeness {
    let own = heard.hello == Some("postgresql");
    match heard.bytes {
        b"S" | b"N" if own => Likeness::Maybe,
        [b'E', ..] if own && message(heard.bytes).is_some_and(|(_, body)| field(body, b'C').is_some()) => {
            Likeness::Sure
        }
        _ => Likeness::No,
    }
}

/// Kind and body of the first message.
fn message(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let mut octets = Octets(bytes);
    let kind = octets.byte()?;
    let length = (octets.be32()? as usize).checked_sub(4).filter(|n| *n <= MOST_BYTES)?;
    Some((kind, octets.take(length)?))
}

/// A field of an error: severity `S`, SQLSTATE `C`, message `M`. "Error and Notice Message Fields".
fn field(body: &[u8], kind: u8) -> Option<String> {
    let mut octets = Octets(body);
    let mut found = None;
    loop {
        let this = octets.byte()?;
        if this == 0 {
            return found;
        }
        let value = octets.until_zero()?;
        if this == kind {
            found = Some(text(value));
        }
    }
}

fn lead(talk: &mut Talk<'_>) -> Turn {
    if talk.bytes == b"S" { Turn::Tls } else { Turn::Done }
}

fn offer(talk: &mut Talk<'_>) -> Turn {
    match talk.bytes {
        [answer @ (b'S' | b'N')] => {
            // One letter proves nothing; both facts are dropped below if what follows is not PostgreSQL's.
            let tls = *answer == b'S';
            Turn::Again(NO_VERSION.to_vec(), if tls { refused_tls } else { refused_clear })
        }
        [b'E', ..] => refused(talk, None),
        [] => Turn::More,
        _ => Turn::Done,
    }
}

fn refused_tls(talk: &mut Talk<'_>) -> Turn {
    refused(talk, Some(true))
}

fn refused_clear(talk: &mut Talk<'_>) -> Turn {
    refused(talk, Some(false))
}

fn refused(talk: &mut Talk<'_>, tls: Option<bool>) -> Turn {
    let Some((b'E', body)) = message(talk.bytes) else {
        return if talk.bytes.first() == Some(&b'E') && talk.bytes.len() < MOST_BYTES {
            Turn::More
        } else {
            Turn::Done
        };
    };
    let (Some(_), Some(_), Some(words)) = (field(body, b'S'), field(body, b'C'), field(body, b'M')) else {
        return Turn::Done;
    };
    let mut service = Recognised::named("postgresql", "answer to a version that does not exist");
    service.product = words.contains("unsupported frontend protocol").then(|| "PostgreSQL".to_owned());
    talk.learned.service = Some(service);
    talk.learned.set("postgresql.banner", words);
    talk.learned.extract("refusal", talk.bytes);
    if let Some(tls) = tls {
        talk.learned.set("postgresql.tls_offered", tls);
        talk.learned.set("postgresql.starttls", tls);
    }
    if talk.setup.may(Consent::Auth) { Turn::Again(startup(), login) } else { Turn::Done }
}

/// Version 3.0, user and database `postgres`.
fn startup() -> Vec<u8> {
    let body = b"\x00\x03\x00\x00user\0postgres\0database\0postgres\0\0";
    [&(body.len() as u32 + 4).to_be_bytes()[..], body].concat()
}

/// What is asked for before anything is said. "Start-up".
fn login(talk: &mut Talk<'_>) -> Turn {
    let Some((kind, body)) = message(talk.bytes) else { return Turn::More };
    match (kind, Octets(body).be32()) {
        (b'R', Some(code)) => {
            let method = match code {
                0 => "none",
                2 => "kerberos",
                3 => "password in clear",
                5 => "md5",
                7 | 8 => "gss",
                10..=12 => "sasl",
                _ => "other",
            };
            talk.learned.set("postgresql.auth_method", method);
            talk.learned.set("postgresql.auth_required", code != 0);
        }
        (b'E', _) => {
            // 28000: no entry for this client; it has shown that a stranger does not get in this way.
            if field(body, b'C').as_deref() == Some("28000") {
                talk.learned.set("postgresql.auth_required", true);
                talk.learned.set("postgresql.auth_method", "refused");
            } else {
                talk.learned.untested("postgresql.auth_required", "the login was refused for another reason");
            }
        }
        _ => {}
    }
    Turn::Done
}
