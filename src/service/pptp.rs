//! PPTP: the start of a control connection, which is stopped again at once. RFC 2637 2.1 to 2.4.

use super::evidence::Recognised;
use super::octets::{Octets, text};
use super::services::{Heard, Likeness, Service};
use super::turns::{self, Talk, Turn, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "pptp",
    ports: &[1723],
    hello: |_| hello(),
    recognise: |heard: &Heard<'_>| -> Likeness { sure(reply(heard.bytes).is_some()) },
    start: |setup| turns::speak("pptp", setup, hello(), started),
    ..turns::CLIENT
};

const COOKIE: u32 = 0x1a2b_3c4d;
const LENGTH: u16 = 156;
/// Start-Control-Connection-Reply.
const REPLY: u16 = 2;

fn message(length: u16, kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = length.to_be_bytes().to_vec();
    out.extend([0, 1]);
    out.extend(COOKIE.to_be_bytes());
    out.extend([0, kind, 0, 0]);
    out.extend(body);
    out
}

/// Start-Control-Connection-Request of version 1.0; names are left empty.
fn hello() -> Vec<u8> {
    let mut body = vec![1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0];
    body.extend([0; 128]);
    message(LENGTH, 1, &body)
}

/// Result, host name and vendor.
fn reply(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let mut octets = Octets(bytes);
    let (LENGTH, 1, COOKIE, REPLY) = (octets.be16()?, octets.be16()?, octets.be32()?, octets.be16()?) else {
        return None;
    };
    octets.take(4)?;
    let result = octets.byte()?;
    octets.take(13)?;
    Some((result, octets.take(64)?, octets.take(64)?))
}

fn started(talk: &mut Talk<'_>) -> Turn {
    let Some((result, host, vendor)) = reply(talk.bytes) else {
        return if talk.bytes.len() < usize::from(LENGTH) { Turn::More } else { Turn::Done };
    };
    let name = |field: &[u8]| text(field.split(|b| *b == 0).next().unwrap_or_default());
    let mut service = Recognised::named("pptp", "start of a control connection");
    service.product = Some(name(vendor)).filter(|v| !v.is_empty());
    talk.learned.service = Some(service);
    let host = name(host);
    if !host.is_empty() {
        talk.learned.set("pptp.host_name", host);
    }
    talk.learned.set("pptp.result", i64::from(result));
    talk.learned.extract("start of a control connection", talk.bytes);
    // Stop-Control-Connection-Request, reason 1: a general request.
    Turn::Ask(message(16, 3, &[1, 0, 0, 0]), |_| Turn::Done)
}
