//! STUN: a binding request. RFC 8489 5 and 14.

use super::banner;
use super::evidence::Recognised;
use super::octets::{Octets, text};
use super::services::{Heard, Likeness, Service, Setup};
use super::turns::{self, Talk, Turn, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "stun",
    ports: &[3478, 19302],
    hello,
    recognise: |heard: &Heard<'_>| -> Likeness {
        sure(heard.hello == Some("stun") && answer(heard.bytes).is_some() && heard.returns(8..20, 8..20))
    },
    start: |setup| turns::datagrams("stun", setup, hello(setup), bound),
    ..turns::DATAGRAM
};

const COOKIE: u32 = 0x2112_a442;

fn hello(setup: &Setup) -> Vec<u8> {
    let mut out = vec![0, 1, 0, 0];
    out.extend(COOKIE.to_be_bytes());
    out.extend(setup.token_bytes(12));
    out
}

/// Transaction and attributes of a success or an error.
fn answer(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut octets = Octets(bytes);
    let (0x0101 | 0x0111, length, COOKIE) = (octets.be16()?, octets.be16()?, octets.be32()?) else { return None };
    let id = octets.take(12)?;
    let attributes = octets.take(length.into())?;
    octets.0.is_empty().then_some((id, attributes))
}

fn bound(talk: &mut Talk<'_>) -> Turn {
    let Some((id, attributes)) = answer(talk.bytes) else { return Turn::Done };
    if id != talk.setup.token_bytes(12) {
        return Turn::More;
    }
    let mut service = Recognised::named("stun", "answer to a binding request");
    let mut octets = Octets(attributes);
    while let (Some(kind), Some(length)) = (octets.be16(), octets.be16()) {
        let Some(value) = octets.take(usize::from(length)) else { break };
        let _ = octets.take(usize::from(length).next_multiple_of(4) - usize::from(length));
        // SOFTWARE. RFC 8489 14.14.
        if kind == 0x8022 {
            let software = text(value);
            talk.learned.set("stun.software", software.as_str());
            let (product, version) = banner::named(&software);
            (service.product, service.version) = (Some(product), version);
        }
    }
    talk.learned.service = Some(service);
    talk.learned.extract("answer to a binding request", talk.bytes);
    Turn::Done
}
