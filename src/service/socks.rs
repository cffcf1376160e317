//! SOCKS 5: whether a login is asked for; with consent for what is odd, whether it connects strangers onwards. It is only
//! ever asked to connect to itself, so no packet leaves the target. RFC 1928 3 to 6.

use std::net::IpAddr;

use super::evidence::Recognised;
use super::services::{Heard, Likeness, Service, Setup};
use super::turns::{self, Talk, Turn, sure};
use crate::lang::job::Consent;

/// The row.
pub const SERVICE: Service = Service {
    name: "socks",
    ports: &[1080, 1081, 10808],
    hello: |_| HELLO.to_vec(),
    recognise: |heard: &Heard<'_>| -> Likeness {
        sure(heard.hello == Some("socks") && matches!(heard.bytes, [5, 0 | 0xff]))
    },
    start: |setup| turns::speak("socks", setup, HELLO.to_vec(), chosen),
    ..turns::CLIENT
};

/// Version 5 with one method: none.
const HELLO: &[u8] = &[5, 1, 0];

fn chosen(talk: &mut Talk<'_>) -> Turn {
    let refused = match talk.bytes {
        [5, 0] => false,
        [5, 0xff] => true,
        [] | [5] if !talk.ended => return Turn::More,
        _ => return Turn::Done,
    };
    talk.learned.service = Some(Recognised::named("socks", "choice of a method"));
    talk.learned.set("socks.auth_required", refused);
    talk.learned.extract("choice of a method", talk.bytes);
    if refused {
        return Turn::Done;
    }
    if !talk.setup.may(Consent::Odd) {
        talk.learned.untested("socks.relay", "the profile gives no consent to `odd`");
        return Turn::Done;
    }
    Turn::Ask(onwards(talk.setup), relayed)
}

/// CONNECT to the address and port that are talked to.
fn onwards(setup: &Setup) -> Vec<u8> {
    let mut out = vec![5, 1, 0];
    match setup.addr {
        IpAddr::V4(addr) => {
            out.push(1);
            out.extend(addr.octets());
        }
        IpAddr::V6(addr) => {
            out.push(4);
            out.extend(addr.octets());
        }
    }
    out.extend(setup.port.to_be_bytes());
    out
}

/// Length of an answer, from the kind of its address. RFC 1928 6.
fn length(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [5, _, 0, 1, ..] => Some(10),
        [5, _, 0, 4, ..] => Some(22),
        [5, _, 0, 3, n, ..] => Some(7 + usize::from(*n)),
        _ => None,
    }
}

fn relayed(talk: &mut Talk<'_>) -> Turn {
    match (length(talk.bytes), talk.bytes.get(1)) {
        (Some(n), _) if talk.bytes.len() < n && !talk.ended => Turn::More,
        (None, _) if talk.bytes.len() < 5 && !talk.ended => Turn::More,
        // What answers inside must be the same service again: words alone are no relay.
        (Some(n), Some(0)) if talk.bytes.len() == n => Turn::Ask(HELLO.to_vec(), inside),
        (Some(_), Some(1..)) => {
            talk.learned.set("socks.relay", false);
            Turn::Done
        }
        _ => {
            talk.learned.untested("socks.relay", "the answer to CONNECT is not one");
            Turn::Done
        }
    }
}

fn inside(talk: &mut Talk<'_>) -> Turn {
    match talk.bytes {
        [5, 0] => talk.learned.set("socks.relay", true),
        [] | [5] if !talk.ended => return Turn::More,
        _ => talk.learned.untested("socks.relay", "CONNECT was granted, and nothing answered inside"),
    }
    Turn::Done
}
