//! ZeroMQ: the greeting, and the kind of socket that the peer names by itself afterwards. No message is sent. RFC 23/ZMTP
//! 3.0 of the ZeroMQ project.

use super::evidence::Recognised;
use super::octets::{Octets, text};
use super::services::{Heard, Likeness, Service};
use super::turns::{self, Talk, Turn, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "zmtp",
    ports: &[4505, 4506, 5556, 5557],
    recognise: |heard: &Heard<'_>| -> Likeness { sure(heard.bytes.starts_with(SIGNATURE)) },
    start: |setup| turns::listen("zmtp", setup, greeting),
    ..turns::SERVER
};

const SIGNATURE: &[u8] = &[0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f];
/// Version 3.0, no security, as a client.
fn hello() -> Vec<u8> {
    let mut out = [SIGNATURE, &[3, 0], b"NULL"].concat();
    out.resize(64, 0);
    out
}

fn greeting(talk: &mut Talk<'_>) -> Turn {
    if !talk.bytes.starts_with(SIGNATURE) {
        return if SIGNATURE.starts_with(talk.bytes) { Turn::More } else { Turn::Done };
    }
    let service = Recognised::named("zmtp", "greeting");
    talk.learned.service = Some(service);
    talk.learned.extract("greeting", talk.bytes);
    // A peer may have sent more than its signature; what follows it is then not awaited again.
    if talk.bytes.len() > SIGNATURE.len() { Turn::Ask(hello(), whole) } else { Turn::Ask(hello(), rest) }
}

fn whole(talk: &mut Talk<'_>) -> Turn {
    ready(talk, talk.bytes)
}

fn rest(talk: &mut Talk<'_>) -> Turn {
    let mut octets = Octets(talk.bytes);
    let (Some(major), Some(minor), Some(mechanism), Some(_)) =
        (octets.byte(), octets.byte(), octets.take(20), octets.take(32))
    else {
        return Turn::More;
    };
    let version = format!("{major}.{minor}");
    talk.learned.set("zmtp.version", version.as_str());
    let mechanism = text(mechanism.split(|b| *b == 0).next().unwrap_or_default());
    talk.learned.set("zmtp.auth_required", mechanism != "NULL");
    talk.learned.set("zmtp.mechanism", mechanism);
    if let Some(service) = &mut talk.learned.service {
        service.version = Some(version);
    }
    ready(talk, octets.0)
}

/// The command READY with the kind of the socket.
fn ready(talk: &mut Talk<'_>, bytes: &[u8]) -> Turn {
    const NAME: &[u8] = b"\x0bSocket-Type";
    let at = bytes.windows(NAME.len()).position(|w| w == NAME);
    let value = at.and_then(|at| bytes.get(at + NAME.len()..)).and_then(|rest| {
        let mut octets = Octets(rest);
        let length = octets.be32()? as usize;
        (length <= 16).then(|| octets.take(length))?
    });
    match value {
        Some(kind) => {
            talk.learned.set("zmtp.socket_type", text(kind));
            Turn::Done
        }
        None if talk.ended || bytes.len() > 512 => Turn::Done,
        None => Turn::More,
    }
}
