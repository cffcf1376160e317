//! ActiveMQ: the description of the wire format that greets, with the broker's version. OpenWire Version 2 specification,
//! `WireFormatInfo`.

use super::evidence::Recognised;
use super::octets::{Octets, text};
use super::services::{Heard, Likeness, Service};
use super::turns::{self, Talk, Turn, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "activemq",
    ports: &[61616, 61617],
    in_tls: true,
    recognise: |heard: &Heard<'_>| -> Likeness { sure(format(heard.bytes).is_some()) },
    start: |setup| turns::listen("activemq", setup, greeting),
    ..turns::SERVER
};

const MOST_BYTES: usize = 4 << 10;
/// Mark of a text in a map of properties.
const TEXT: u8 = 9;

/// Length of the message, and what follows its magic word.
fn format(bytes: &[u8]) -> Option<(usize, Octets<'_>)> {
    let mut octets = Octets(bytes);
    let (length, 1) = (octets.be32()? as usize, octets.byte()?) else { return None };
    (octets.take(8)? == b"ActiveMQ" && length <= MOST_BYTES).then_some((length, octets))
}

/// A text among the properties: name, mark, length, text.
fn property(bytes: &[u8], name: &[u8]) -> Option<String> {
    let at = bytes.windows(name.len()).position(|w| w == name)?;
    let mut octets = Octets(bytes.get(at + name.len()..)?);
    let (TEXT, length) = (octets.byte()?, octets.be16()?) else { return None };
    octets.take(length.into()).map(text)
}

fn greeting(talk: &mut Talk<'_>) -> Turn {
    let Some((length, mut rest)) = format(talk.bytes) else {
        return if talk.ended || talk.bytes.len() >= 13 { Turn::Done } else { Turn::More };
    };
    if talk.bytes.len() < length + 4 && !talk.ended {
        return Turn::More;
    }
    let mut service = Recognised::named("activemq", "greeting");
    let all = rest.0;
    service.product = Some(property(all, b"ProviderName").unwrap_or_else(|| "ActiveMQ".into()));
    if let Some(version) = property(all, b"ProviderVersion").filter(|v| !v.is_empty()) {
        talk.learned.set("activemq.version", version.as_str());
        service.version = Some(version);
    }
    if let Some(number) = rest.be32() {
        talk.learned.set("activemq.wire_format", i64::from(number));
    }
    talk.learned.service = Some(service);
    talk.learned.extract("greeting", talk.bytes);
    Turn::Done
}
