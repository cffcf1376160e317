//! What devices announce to their neighbours, asked from outside: SSDP, mDNS and CoAP. UPnP Device Architecture 1.1, 1.3;
//! RFC 6762 5.5 and RFC 6763 9; RFC 7252 3 and RFC 6690 4.

use super::evidence::Recognised;
use super::octets::{Octets, text};
use super::services::{Heard, Likeness, Service, Setup};
use super::turns::{self, Talk, Turn, sure};

/// The row of SSDP.
pub const SSDP: Service = Service {
    name: "ssdp",
    ports: &[1900],
    hello: |_| SEARCH.to_vec(),
    // A search has no token: that the answer comes from where it was sent is all there is. UPnP Device Architecture 1.1, 1.3.3.
    recognise: |heard: &Heard<'_>| -> Likeness { sure(heard.hello == Some("ssdp") && device(heard.bytes)) },
    start: |setup| turns::datagrams("ssdp", setup, SEARCH.to_vec(), found),
    ..turns::DATAGRAM
};

/// The row of mDNS.
pub const MDNS: Service = Service {
    name: "mdns",
    ports: &[5353],
    hello: services,
    recognise: |heard: &Heard<'_>| -> Likeness {
        let listed = pointers(heard.bytes).is_some_and(|all| !all.is_empty());
        sure(heard.hello == Some("mdns") && listed && heard.returns(0..2, 0..2))
    },
    start: |setup| turns::datagrams("mdns", setup, services(setup), listed),
    ..turns::DATAGRAM
};

/// The row of CoAP.
pub const COAP: Service = Service {
    name: "coap",
    ports: &[5683],
    hello: core,
    recognise: |heard: &Heard<'_>| -> Likeness {
        sure(heard.hello == Some("coap") && content(heard.bytes).is_some() && heard.returns(4..8, 4..8))
    },
    start: |setup| turns::datagrams("coap", setup, core(setup), resources),
    ..turns::DATAGRAM
};

/// Names that are kept.
const MOST_NAMES: usize = 64;
const SEARCH: &[u8] =
    b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: upnp:rootdevice\r\n\r\n";

fn fields(bytes: &[u8]) -> Vec<(String, String)> {
    let all = String::from_utf8_lossy(bytes.get(..bytes.len().min(4 << 10)).unwrap_or_default()).into_owned();
    let fields = all.lines().skip(1).filter_map(|l| l.split_once(':'));
    fields.map(|(n, v)| (n.trim().to_ascii_lowercase(), text(v.as_bytes()))).take(64).collect()
}

fn device(bytes: &[u8]) -> bool {
    let has = |name: &str| fields(bytes).iter().any(|(n, _)| n == name);
    bytes.starts_with(b"HTTP/1.1 200") && has("st") && has("usn")
}

fn found(talk: &mut Talk<'_>) -> Turn {
    if !device(talk.bytes) {
        return Turn::Done;
    }
    let mut service = Recognised::named("ssdp", "answer to a search");
    for (name, value) in fields(talk.bytes) {
        match name.as_str() {
            "server" => {
                talk.learned.set("ssdp.banner", value.as_str());
                service.product = Some(value);
            }
            "location" => talk.learned.set("ssdp.location", value),
            _ => {}
        }
    }
    talk.learned.service = Some(service);
    talk.learned.extract("answer to a search", talk.bytes);
    Turn::Done
}

/// A question for the kinds of services, whose answer may come straight back. RFC 6763 9, RFC 6762 6.7.
fn services(setup: &Setup) -> Vec<u8> {
    let mut out = (setup.token as u16).to_be_bytes().to_vec();
    out.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    out.extend(b"\x09_services\x07_dns-sd\x04_udp\x05local\0\0\x0c\0\x01");
    out
}

/// A name, following its pointers backwards only. RFC 1035 4.1.4.
fn name<'a>(message: &'a [u8], octets: &mut Octets<'a>) -> Option<String> {
    let mut labels: Vec<String> = Vec::new();
    let mut inner = *octets;
    let mut jumped = false;
    let mut before = message.len() - octets.0.len();
    for _ in 0..64 {
        let length = inner.byte()?;
        match length {
            0 => {
                if !jumped {
                    *octets = inner;
                }
                return Some(labels.join("."));
            }
            0xc0.. => {
                let at = usize::from(length & 0x3f) << 8 | usize::from(inner.byte()?);
                if !jumped {
                    *octets = inner;
                }
                jumped = true;
                if at >= before {
                    return None;
                }
                before = at;
                inner = Octets(message.get(at..)?);
            }
            1..=63 => labels.push(text(inner.take(length.into())?)),
            _ => return None,
        }
    }
    None
}

/// Names that pointer records lead to; none for what is no answer.
fn pointers(message: &[u8]) -> Option<Vec<String>> {
    let mut octets = Octets(message);
    octets.take(2)?;
    let (flags, questions, answers) = (octets.be16()?, octets.be16()?, octets.be16()?);
    octets.take(4)?;
    if flags & 0xf80f != 0x8000 || questions > 1 {
        return None;
    }
    for _ in 0..questions {
        name(message, &mut octets)?;
        octets.take(4)?;
    }
    let mut all = Vec::new();
    for _ in 0..answers.min(MOST_NAMES as u16) {
        name(message, &mut octets)?;
        let kind = octets.be16()?;
        octets.take(6)?;
        let length = octets.be16()?;
        let mut data = octets;
        octets.take(length.into())?;
        if kind == 12 {
            all.push(name(message, &mut data)?);
        }
    }
    Some(all)
}

fn listed(talk: &mut Talk<'_>) -> Turn {
    // The number of the question comes back to a client that is no neighbour. RFC 6762 6.7.
    if talk.bytes.get(..2).is_some_and(|id| id != (talk.setup.token as u16).to_be_bytes()) {
        return Turn::More;
    }
    match pointers(talk.bytes) {
        Some(all) if !all.is_empty() => {
            talk.learned.service = Some(Recognised::named("mdns", "list of services"));
            talk.learned.set("mdns.services", all);
            talk.learned.extract("list of services", talk.bytes);
            Turn::Done
        }
        _ => Turn::Done,
    }
}

/// Confirmable GET of `/.well-known/core` with a token. RFC 7252 3, RFC 6690 4.
fn core(setup: &Setup) -> Vec<u8> {
    let mut out = vec![0x44, 1];
    out.extend((setup.token as u16).to_be_bytes());
    out.extend(setup.token_bytes(4));
    out.extend(b"\xbb.well-known\x04core");
    out
}

/// Code, token and payload of an answer with one of the response codes.
fn content(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let mut octets = Octets(bytes);
    let (first, code) = (octets.byte()?, octets.byte()?);
    if first & 0xcf != 0x44 || !matches!(code >> 5, 2 | 4 | 5) {
        return None;
    }
    octets.take(2)?;
    let token = octets.take(4)?;
    let at = octets.0.iter().position(|b| *b == 0xff);
    Some((code, token, at.and_then(|at| octets.0.get(at + 1..)).unwrap_or_default()))
}

fn resources(talk: &mut Talk<'_>) -> Turn {
    let Some((code, token, payload)) = content(talk.bytes) else { return Turn::Done };
    if token != talk.setup.token_bytes(4) {
        return Turn::More;
    }
    talk.learned.service = Some(Recognised::named("coap", "answer to GET"));
    if code == 0x45 {
        let links = String::from_utf8_lossy(payload);
        let link = |l: &str| l.trim().strip_prefix('<').and_then(|l| l.split('>').next()).map(|l| text(l.as_bytes()));
        talk.learned.set("coap.resources", links.split(',').filter_map(link).take(MOST_NAMES).collect::<Vec<_>>());
    }
    talk.learned.extract("answer to GET", talk.bytes);
    Turn::Done
}
