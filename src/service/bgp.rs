//! BGP: what a router says of itself to whoever connects. It is only listened to; no session is opened. RFC 4271 4.1, 4.2
//! and 4.5, RFC 6793.

use super::evidence::Recognised;
use super::octets::Octets;
use super::services::{Heard, Likeness, Service};
use super::turns::{self, Talk, Turn, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "bgp",
    ports: &[179],
    recognise: |heard: &Heard<'_>| -> Likeness { sure(heard.hello.is_none() && message(heard.bytes).is_some()) },
    start: |setup| turns::listen("bgp", setup, greeting),
    ..turns::SERVER
};

const OPEN: u8 = 1;
const NOTIFICATION: u8 = 3;
/// The number that stands where the true one takes four bytes. RFC 6793 9.
const AS_TRANS: u16 = 23_456;

/// Kind and body of the first message, which must be whole.
fn message(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let mut octets = Octets(bytes.strip_prefix(&[0xff; 16])?);
    let (length, kind) = (usize::from(octets.be16()?), octets.byte()?);
    let least = match kind {
        OPEN => 29,
        NOTIFICATION => 21,
        _ => return None,
    };
    if !(least..=4_096).contains(&length) {
        return None;
    }
    octets.take(length - 19).map(|body| (kind, body))
}

/// The number of four bytes among the capabilities. RFC 5492 4, RFC 6793 3.
fn wide(mut parameters: Octets<'_>) -> Option<u32> {
    loop {
        let (kind, length) = (parameters.byte()?, parameters.byte()?);
        let mut capabilities = Octets(parameters.take(length.into())?);
        while kind == 2
            && let Some(code) = capabilities.byte()
        {
            let length = capabilities.byte()?;
            let mut value = Octets(capabilities.take(length.into())?);
            if code == 65 {
                return value.be32();
            }
        }
    }
}

fn greeting(talk: &mut Talk<'_>) -> Turn {
    let Some((kind, body)) = message(talk.bytes) else {
        return if talk.bytes.len() > 4_096 || !talk.bytes.iter().take(16).all(|b| *b == 0xff) {
            Turn::Done
        } else {
            Turn::More
        };
    };
    let mut octets = Octets(body);
    if kind == NOTIFICATION {
        talk.learned.service = Some(Recognised::named("bgp", "NOTIFICATION"));
        if let (Some(code), Some(more)) = (octets.byte(), octets.byte()) {
            talk.learned.set("bgp.refused", format!("error {code}, {more}"));
        }
    } else {
        let mut service = Recognised::named("bgp", "OPEN");
        service.version = octets.byte().map(|v| v.to_string());
        talk.learned.service = Some(service);
        let short = octets.be16();
        octets.take(2);
        if let Some([a, b, c, d]) = octets.take(4) {
            talk.learned.set("bgp.id", format!("{a}.{b}.{c}.{d}"));
        }
        octets.byte();
        let long = (short == Some(AS_TRANS)).then(|| wide(octets)).flatten();
        if let Some(number) = long.map(i64::from).or(short.map(i64::from)) {
            talk.learned.set("bgp.as", number);
        }
    }
    talk.learned.extract("greeting", talk.bytes);
    Turn::Done
}
