//! JDWP: the handshake of Java debuggers, and the version, which asks nothing of the program. Java Debug Wire Protocol,
//! "Communication", `VirtualMachine` command 1.

use super::evidence::Recognised;
use super::octets::{Octets, text};
use super::services::{Heard, Likeness, Service};
use super::turns::{self, Talk, Turn};

/// The row.
pub const SERVICE: Service = Service {
    name: "jdwp",
    ports: &[5005, 8787],
    hello: |_| HANDSHAKE.to_vec(),
    // An echo says the same; the answer to a command tells them apart.
    recognise: |heard: &Heard<'_>| -> Likeness {
        if heard.hello == Some("jdwp") && heard.bytes == HANDSHAKE { Likeness::Maybe } else { Likeness::No }
    },
    start: |setup| turns::speak("jdwp", setup, HANDSHAKE.to_vec(), shaken),
    ..turns::CLIENT
};

const HANDSHAKE: &[u8] = b"JDWP-Handshake";
const VERSION: &[u8] = &[0, 0, 0, 11, 0, 0, 0, 1, 0, 1, 1];

fn shaken(talk: &mut Talk<'_>) -> Turn {
    if talk.bytes == HANDSHAKE {
        Turn::Ask(VERSION.to_vec(), version)
    } else if HANDSHAKE.starts_with(talk.bytes) {
        Turn::More
    } else {
        Turn::Done
    }
}

fn version(talk: &mut Talk<'_>) -> Turn {
    let mut octets = Octets(talk.bytes);
    let head = (octets.be32(), octets.be32(), octets.byte(), octets.be16());
    let (Some(length @ 11..=4_096), Some(1), Some(0x80), Some(_)) = head else {
        return if talk.bytes.len() < 11 { Turn::More } else { Turn::Done };
    };
    if talk.bytes.len() < length as usize {
        return Turn::More;
    }
    let mut service = Recognised::named("jdwp", "answer to a command");
    let mut words = || -> Option<(String, String)> {
        let n = octets.be32()? as usize;
        octets.take(n)?;
        octets.take(8)?;
        let n = octets.be32()? as usize;
        let version = text(octets.take(n)?);
        let n = octets.be32()? as usize;
        Some((version, text(octets.take(n)?)))
    };
    if let Some((version, product)) = words() {
        talk.learned.set("jdwp.version", version.as_str());
        (service.product, service.version) = (Some(product), Some(version));
    }
    talk.learned.service = Some(service);
    talk.learned.set("jdwp.auth_required", false);
    talk.learned.extract("answer to a command", talk.bytes);
    Turn::Done
}
