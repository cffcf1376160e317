//! Java RMI: the transport's header; no call is made. Java Remote Method Invocation Specification, 10.2.

use super::evidence::Recognised;
use super::octets::{Octets, printable, text};
use super::services::{Heard, Likeness, Service};
use super::turns::{self, Talk, Turn, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "rmi",
    ports: &[1099, 1098],
    hello: |_| HELLO.to_vec(),
    recognise: |heard: &Heard<'_>| -> Likeness { sure(heard.hello == Some("rmi") && peer(heard.bytes).is_some()) },
    start: |setup| turns::speak("rmi", setup, HELLO.to_vec(), acknowledged),
    ..turns::CLIENT
};

/// Version 2, stream protocol.
const HELLO: &[u8] = b"JRMI\0\x02K";

/// The acknowledgement: our address as it sees it, and our port.
fn peer(bytes: &[u8]) -> Option<String> {
    let mut octets = Octets(bytes);
    let (0x4e, length) = (octets.byte()?, octets.be16()?) else { return None };
    let host = octets.take(length.into()).filter(|h| printable(h) && h.len() <= 255)?;
    let port = octets.be32().filter(|p| *p <= 65_535)?;
    octets.0.is_empty().then(|| format!("{} {port}", text(host)))
}

fn acknowledged(talk: &mut Talk<'_>) -> Turn {
    if peer(talk.bytes).is_none() {
        return if talk.bytes.len() > 512 { Turn::Done } else { Turn::More };
    }
    talk.learned.service = Some(Recognised::named("rmi", "acknowledgement"));
    talk.learned.extract("acknowledgement", talk.bytes);
    Turn::Done
}
