//! NetBIOS: the names that a host has. RFC 1002 4.2.17 and 4.2.18.

use super::evidence::Recognised;
use super::octets::{Octets, printable, text};
use super::services::{Heard, Likeness, Service, Setup};
use super::turns::{self, Talk, Turn, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "netbios",
    ports: &[137],
    hello,
    recognise: |heard: &Heard<'_>| -> Likeness {
        sure(heard.hello == Some("netbios") && names(heard.bytes).is_some() && heard.returns(0..2, 0..2))
    },
    start: |setup| turns::datagrams("netbios", setup, hello(setup), listed),
    ..turns::DATAGRAM
};

/// Node status of the name `*`, half a byte a letter. RFC 1001 14.1.
fn hello(setup: &Setup) -> Vec<u8> {
    let mut out = (setup.token as u16).to_be_bytes().to_vec();
    out.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 32]);
    out.extend(b"CK");
    out.extend([b'A'; 30]);
    out.extend([0, 0, 0x21, 0, 1]);
    out
}

/// Number and names with their kinds: `HOST<00>`.
fn names(bytes: &[u8]) -> Option<(u16, Vec<String>)> {
    let mut octets = Octets(bytes);
    let (id, flags, 0) = (octets.be16()?, octets.be16()?, octets.be16()?) else { return None };
    let (1, _, 32) = (octets.be16()?, octets.be32()?, octets.byte()?) else { return None };
    octets.take(32)?;
    let (0, 0x21, 1) = (octets.byte()?, octets.be16()?, octets.be16()?) else { return None };
    octets.take(6)?;
    let mut all = Vec::new();
    for _ in 0..octets.byte()?.min(64) {
        let (name, kind) = (octets.take(15)?, octets.byte()?);
        octets.take(2)?;
        let name = name.trim_ascii_end();
        if printable(name) {
            all.push(format!("{}<{kind:02x}>", text(name)));
        }
    }
    (flags & 0x8000 != 0).then_some((id, all))
}

fn listed(talk: &mut Talk<'_>) -> Turn {
    let Some((id, all)) = names(talk.bytes) else { return Turn::Done };
    if id != talk.setup.token as u16 {
        return Turn::More;
    }
    talk.learned.service = Some(Recognised::named("netbios", "node status"));
    talk.learned.set("netbios.names", all);
    talk.learned.extract("node status", talk.bytes);
    Turn::Done
}
