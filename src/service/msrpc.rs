//! Microsoft RPC: a binding to the endpoint mapper; nothing is called. MS-RPCE 2.2.2, C706 12.6.

use super::evidence::Recognised;
use super::octets::{Octets, text};
use super::services::{Heard, Likeness, Service};
use super::turns::{self, Talk, Turn, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "msrpc",
    ports: &[135],
    hello: |_| hello(),
    recognise: |heard: &Heard<'_>| -> Likeness { sure(answer(heard.bytes).is_some()) },
    start: |setup| turns::speak("msrpc", setup, hello(), bound),
    ..turns::CLIENT
};

const BIND_ACK: u8 = 12;
const BIND_NAK: u8 = 13;
/// The endpoint mapper, version 3.0, and the transfer syntax NDR, version 2.0. C706 appendices I and O.
const MAPPER: [u8; 20] =
    [0x08, 0x83, 0xaf, 0xe1, 0x1f, 0x5d, 0xc9, 0x11, 0x91, 0xa4, 0x08, 0x00, 0x2b, 0x14, 0xa0, 0xfa, 3, 0, 0, 0];
const NDR: [u8; 20] =
    [0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60, 2, 0, 0, 0];

fn hello() -> Vec<u8> {
    // Version 5.0, bind, first and last fragment, little-endian, 72 bytes, call 1; fragments of 4280 bytes; one context.
    let mut out = vec![5, 0, 11, 3, 0x10, 0, 0, 0, 72, 0, 0, 0, 1, 0, 0, 0];
    out.extend([0xb8, 0x10, 0xb8, 0x10, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0]);
    out.extend(MAPPER);
    out.extend(NDR);
    out
}

/// Whether the binding was taken, and the address that the server names; the fragment must be whole.
fn answer(bytes: &[u8]) -> Option<(bool, &[u8])> {
    let mut octets = Octets(bytes);
    let (5, 0 | 1, kind) = (octets.byte()?, octets.byte()?, octets.byte()?) else { return None };
    let (_flags, 0x10) = (octets.byte()?, octets.byte()?) else { return None };
    octets.take(3)?;
    let length = usize::from(octets.le16()?);
    let (_auth, 1) = (octets.le16()?, octets.le32()?) else { return None };
    let mut body = Octets(octets.take(length.checked_sub(16)?)?);
    if kind == BIND_NAK {
        return Some((false, &[]));
    }
    if kind != BIND_ACK {
        return None;
    }
    body.take(8)?;
    let named = body.le16()?;
    let address = body.take(named.into())?;
    // The list of results begins at a multiple of four.
    body.take((4 - (usize::from(named) + 2) % 4) % 4)?;
    body.take(4)?;
    Some((body.le16()? == 0, address))
}

fn bound(talk: &mut Talk<'_>) -> Turn {
    let Some((taken, address)) = answer(talk.bytes) else {
        return if talk.ended || talk.bytes.len() > 4_280 { Turn::Done } else { Turn::More };
    };
    talk.learned.service = Some(Recognised::named("msrpc", "answer to a binding"));
    talk.learned.set("msrpc.endpoint_mapper", taken);
    let address = text(address.split(|b| *b == 0).next().unwrap_or_default());
    if !address.is_empty() {
        talk.learned.set("msrpc.address", address);
    }
    talk.learned.extract("answer to a binding", talk.bytes);
    Turn::Done
}
