//! NTP: the time, as every client asks; what control queries tell; with consent for odd questions one request for the list
//! of clients, of whose answers the first is read. RFC 5905 7.3, RFC 9327; mode 7: `ntp_request.h` of ntpd 4.2.

use super::evidence::Recognised;
use super::octets::{Octets, printable, text};
use super::services::{Heard, Likeness, Service};
use super::turns::{self, Talk, Turn, sure};
use crate::lang::job::Consent;

/// The row.
pub const SERVICE: Service = Service {
    name: "ntp",
    ports: &[123],
    hello: |setup| client(setup.token),
    recognise: |heard: &Heard<'_>| -> Likeness {
        sure(heard.hello == Some("ntp") && stratum(heard.bytes).is_some() && heard.returns(40..48, 24..32))
    },
    start: |setup| turns::datagrams("ntp", setup, client(setup.token), time),
    beside: |setup| {
        let mut all: super::services::Dialogues = Vec::new();
        all.push(("ntp.control".into(), turns::datagrams("ntp.control", setup, query(setup.token), control)));
        if setup.may(Consent::Odd) {
            let mut monlist = MONLIST.to_vec();
            monlist.resize(48, 0);
            all.push(("ntp.monlist".into(), turns::datagrams("ntp.monlist", setup, monlist, list)));
        }
        all
    },
    ..turns::DATAGRAM
};

/// Version 4, mode 3; the transmit time is a token that comes back as origin. RFC 5905 7.3.
fn client(token: u64) -> Vec<u8> {
    let mut out = vec![0; 48];
    out.splice(0..1, [0x23]);
    out.splice(40..48, token.to_be_bytes());
    out
}

/// Mode 6, version 2, read variables of the system; the sequence number is a token. RFC 9327 2 and 4.
fn query(token: u64) -> Vec<u8> {
    let mut out = vec![0x16, 2];
    out.extend((token as u16).to_be_bytes());
    out.extend([0; 8]);
    out
}

/// Mode 7, version 2, implementation 3, request 42.
const MONLIST: &[u8] = &[0x17, 0, 3, 42, 0, 0, 0, 0];

/// Stratum of a server's answer.
fn stratum(bytes: &[u8]) -> Option<u8> {
    let [first, stratum, ..] = bytes else { return None };
    (bytes.len() >= 48 && first & 7 == 4 && *stratum <= 16).then_some(*stratum)
}

fn time(talk: &mut Talk<'_>) -> Turn {
    let Some(stratum) = stratum(talk.bytes) else { return Turn::Done };
    if talk.bytes.get(24..32) != Some(&talk.setup.token.to_be_bytes()[..]) {
        return Turn::More;
    }
    talk.learned.service = Some(Recognised::named("ntp", "answer to a client"));
    talk.learned.set("ntp.stratum", i64::from(stratum));
    talk.learned.extract("answer to a client", talk.bytes);
    Turn::Done
}

/// An answer to a control query: the response bit, our operation and number. RFC 9327 2.
fn control(talk: &mut Talk<'_>) -> Turn {
    if talk.ended {
        return Turn::Done;
    }
    let mut octets = Octets(talk.bytes);
    let (Some(first), Some(operation), Some(number)) = (octets.byte(), octets.byte(), octets.be16()) else {
        return Turn::Done;
    };
    if first & 7 != 6 || operation & 0x9f != 0x82 {
        return Turn::Done;
    }
    if number != talk.setup.token as u16 {
        return Turn::More;
    }
    talk.learned.service = Some(Recognised::named("ntp", "answer to a control query"));
    // An error is an answer too, but tells nothing.
    talk.learned.set("ntp.control", operation & 0x40 == 0);
    let count = octets.take(6).and_then(|_| octets.be16()).unwrap_or_default();
    let told = octets.take(count.into()).unwrap_or(octets.0);
    let words = String::from_utf8_lossy(told).into_owned();
    let version = words
        .split(',')
        .find_map(|p| p.trim().strip_prefix("version=\""))
        .and_then(|v| v.split('"').next())
        .filter(|v| printable(v.as_bytes()));
    if let Some(version) = version {
        talk.learned.set("ntp.version", text(version.as_bytes()));
    }
    talk.learned.extract("answer to a control query", talk.bytes);
    Turn::Done
}

/// An answer to the request for clients: mode 7, response bit, our request, no error, and items.
fn list(talk: &mut Talk<'_>) -> Turn {
    if talk.ended {
        return Turn::Done;
    }
    let mut octets = Octets(talk.bytes);
    let (Some(first), Some(_), Some(3), Some(42)) = (octets.byte(), octets.byte(), octets.byte(), octets.byte()) else {
        return Turn::Done;
    };
    if first & 0x87 != 0x87 {
        return Turn::Done;
    }
    let items = octets.be16().unwrap_or_default();
    talk.learned.service = Some(Recognised::named("ntp", "answer to a request for clients"));
    talk.learned.set("ntp.monlist", items >> 12 == 0 && items & 0x0fff > 0);
    talk.learned.extract("answer to a request for clients", talk.bytes.get(..16).unwrap_or(talk.bytes));
    Turn::Done
}
