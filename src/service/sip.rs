//! SIP: the capabilities of a server. RFC 3261 11, 7.2 and 20.

use super::banner;
use super::evidence::Recognised;
use super::octets::text;
use super::services::{Heard, Likeness, Service, Setup};
use super::turns::{self, Talk, Turn, sure};

/// The row of datagrams.
pub const DATAGRAMS: Service = Service {
    name: "sip",
    ports: &[5060],
    hello: |setup| options(setup, "UDP"),
    recognise: returned,
    start: |setup| turns::datagrams("sip", setup, options(setup, "UDP"), ours),
    ..turns::DATAGRAM
};

/// The row.
pub const SERVICE: Service = Service {
    name: "sip",
    ports: &[5060, 5061],
    in_tls: true,
    hello: |setup| options(setup, "TCP"),
    recognise,
    start: |setup| turns::speak("sip", setup, options(setup, "TCP"), capabilities),
    ..turns::CLIENT
};

const MOST_BYTES: usize = 16 << 10;

/// The answer comes back to where the request came from. RFC 3581.
fn options(setup: &Setup, transport: &str) -> Vec<u8> {
    let (host, token) = (setup.host(), setup.token);
    format!(
        "OPTIONS sip:{host} SIP/2.0\r\nVia: SIP/2.0/{transport} palisade.invalid;rport;branch=z9hG4bK{token:016x}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:palisade.invalid>;tag={token:016x}\r\nTo: <sip:{host}>\r\n\
         Call-ID: {token:016x}\r\nCSeq: 1 OPTIONS\r\nAccept: application/sdp\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

/// An answer, whoever asked.
fn answers(bytes: &[u8]) -> bool {
    bytes.starts_with(b"SIP/2.0 ") && bytes.get(8..11).is_some_and(|c| c.iter().all(u8::is_ascii_digit))
}

/// The first field of a name, or of its short form.
fn field<'a>(head: &'a str, names: &[&str]) -> Option<&'a str> {
    let mut lines = head.lines().skip(1).filter_map(|l| l.split_once(':'));
    lines.find(|(n, _)| names.iter().any(|name| n.trim().eq_ignore_ascii_case(name))).map(|(_, v)| v.trim())
}

/// The call that a message belongs to. RFC 3261 20.8, and 7.3.3 for the short form.
fn call(bytes: &[u8]) -> Option<String> {
    let all = String::from_utf8_lossy(bytes.get(..bytes.len().min(MOST_BYTES)).unwrap_or_default());
    field(all.split("\r\n\r\n").next().unwrap_or_default(), &["Call-ID", "i"]).map(str::to_owned)
}

/// A datagram is an answer to us where it belongs to our call; a connection is ours alone.
fn recognise(heard: &Heard<'_>) -> Likeness {
    sure(answers(heard.bytes))
}

fn returned(heard: &Heard<'_>) -> Likeness {
    sure(answers(heard.bytes) && call(heard.bytes).is_some_and(|c| call(heard.sent) == Some(c)))
}

fn ours(talk: &mut Talk<'_>) -> Turn {
    if call(talk.bytes).is_some_and(|c| c == format!("{:016x}", talk.setup.token)) {
        return capabilities(talk);
    }
    if talk.ended || !answers(talk.bytes) { Turn::Done } else { Turn::More }
}

fn capabilities(talk: &mut Talk<'_>) -> Turn {
    if !answers(talk.bytes) {
        return if talk.bytes.len() < 11 { Turn::More } else { Turn::Done };
    }
    let mut service = Recognised::named("sip", "answer to OPTIONS");
    let all =
        String::from_utf8_lossy(talk.bytes.get(..talk.bytes.len().min(MOST_BYTES)).unwrap_or_default()).into_owned();
    let head = all.split("\r\n\r\n").next().unwrap_or_default();
    let value = |name: &str| field(head, &[name]).map(|v| text(v.as_bytes()));
    if let Some(status) = head.get(8..11).and_then(|s| s.parse::<i64>().ok()) {
        talk.learned.set("sip.status", status);
    }
    if let Some(product) = value("Server").or_else(|| value("User-Agent")) {
        talk.learned.set("sip.banner", product.as_str());
        let (name, version) = banner::named(&product);
        (service.product, service.version) = (Some(name), version);
    }
    if let Some(methods) = value("Allow") {
        let methods = methods.split(',').map(|m| m.trim().to_owned()).filter(|m| !m.is_empty());
        talk.learned.set("sip.methods", methods.collect::<Vec<_>>());
    }
    talk.learned.service = Some(service);
    talk.learned.extract("answer to OPTIONS", talk.bytes);
    // The final answer ends it.
    if talk.bytes.get(8) == Some(&b'1') || !all.contains("\r\n\r\n") { Turn::More } else { Turn::Done }
}
