//! L2TP: the start of a control connection, which is stopped again at once. RFC 2661 3.1, 4.4 and 6.

use super::evidence::Recognised;
use super::octets::{Octets, text};
use super::services::{Heard, Likeness, Service, Setup};
use super::turns::{self, Talk, Turn, maybe};

/// The row.
pub const SERVICE: Service = Service {
    name: "l2tp",
    ports: &[1701],
    hello,
    recognise: |heard: &Heard<'_>| -> Likeness { maybe(heard.hello == Some("l2tp") && control(heard.bytes).is_some()) },
    start: |setup| turns::datagrams("l2tp", setup, hello(setup), started),
    ..turns::DATAGRAM
};

/// Kinds of messages. RFC 2661 3.2.
const SCCRQ: u16 = 1;
const SCCRP: u16 = 2;
const STOP: u16 = 4;

/// Our number of the tunnel; never zero.
fn tunnel(setup: &Setup) -> u16 {
    setup.token as u16 | 1
}

fn pair(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut out = (0x8000 | (value.len() as u16 + 6)).to_be_bytes().to_vec();
    out.extend([0, 0]);
    out.extend(kind.to_be_bytes());
    out.extend(value);
    out
}

/// A control message: flags, length, tunnel, session, numbers sent and awaited.
fn message(to: u16, numbers: [u16; 2], pairs: &[Vec<u8>]) -> Vec<u8> {
    let body = pairs.concat();
    let [sent, awaited] = numbers;
    let head = [0xc802, body.len() as u16 + 12, to, 0, sent, awaited];
    head.iter().flat_map(|n| n.to_be_bytes()).chain(body).collect()
}

fn hello(setup: &Setup) -> Vec<u8> {
    let id = tunnel(setup).to_be_bytes();
    let pairs = [
        pair(0, &SCCRQ.to_be_bytes()),
        pair(2, &[1, 0]),
        pair(7, b"palisade.invalid"),
        pair(3, &[0, 0, 0, 3]),
        pair(9, &id),
    ];
    message(0, [0, 0], &pairs)
}

struct Control<'a> {
    tunnel: u16,
    kind: u16,
    pairs: Vec<(u16, &'a [u8])>,
}

fn control(bytes: &[u8]) -> Option<Control<'_>> {
    let mut octets = Octets(bytes);
    let (0xc802, length) = (octets.be16()?, usize::from(octets.be16()?)) else { return None };
    let (tunnel, _session) = (octets.be16()?, octets.be16()?);
    octets.take(4)?;
    let mut body = Octets(octets.take(length.checked_sub(12)?)?);
    let mut pairs = Vec::new();
    while let Some(mark) = body.be16() {
        let (vendor, kind) = (body.be16()?, body.be16()?);
        let value = body.take(usize::from(mark & 0x3ff).checked_sub(6)?)?;
        if vendor == 0 && pairs.len() < 32 {
            pairs.push((kind, value));
        }
    }
    let kind = match pairs.first() {
        Some((0, [high, low])) => u16::from_be_bytes([*high, *low]),
        _ => return None,
    };
    matches!(kind, SCCRP | STOP).then_some(Control { tunnel, kind, pairs })
}

fn started(talk: &mut Talk<'_>) -> Turn {
    let Some(answer) = control(talk.bytes) else { return Turn::Done };
    if answer.tunnel != tunnel(talk.setup) {
        return Turn::More;
    }
    let value = |kind: u16| answer.pairs.iter().find(|(k, _)| *k == kind).map(|(_, v)| *v);
    let mut service = Recognised::named("l2tp", "start of a control connection");
    service.product = value(8).map(text).filter(|v| !v.is_empty());
    talk.learned.service = Some(service);
    if let Some(host) = value(7).map(text).filter(|h| !h.is_empty()) {
        talk.learned.set("l2tp.host_name", host);
    }
    talk.learned.extract("start of a control connection", talk.bytes);
    match (answer.kind, value(9)) {
        (SCCRP, Some([high, low])) => {
            let to = u16::from_be_bytes([*high, *low]);
            let id = tunnel(talk.setup).to_be_bytes();
            let pairs = [pair(0, &STOP.to_be_bytes()), pair(9, &id), pair(1, &[0, 1])];
            Turn::Ask(message(to, [1, 1], &pairs), |_| Turn::Done)
        }
        _ => Turn::Done,
    }
}
