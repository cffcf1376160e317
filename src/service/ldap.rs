//! LDAP: the root entry, which every server shows, and over UDP the same question. RFC 4511, RFC 4512 5.1; for datagrams
//! MS-ADTS 3.1.1.3 and 6.3.3.

use super::ber;
use super::evidence::Recognised;
use super::octets::{Octets, text};
use super::services::{Heard, Likeness, Service, Setup};
use super::turns::{self, Talk, Turn, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "ldap",
    ports: &[389, 636, 3268, 3269],
    in_tls: true,
    hello: |_| search(&[1]),
    recognise: |heard| like(heard, &[1]),
    start: |setup| turns::speak("ldap", setup, search(&[1]), |talk| root(talk, &[1])),
    starttls: Some(|setup: &Setup| turns::speak("ldap", setup, start_tls(), lead)),
    ..turns::CLIENT
};

/// The row of datagrams.
pub const DATAGRAMS: Service = Service {
    name: "ldap",
    ports: &[389],
    hello: |setup| search(&id(setup)),
    recognise: |heard| match number(heard.sent) {
        Some(number) => like(heard, number),
        None => Likeness::No,
    },
    start: |setup| turns::datagrams("ldap", setup, search(&id(setup)), |talk| root(talk, &id(talk.setup))),
    ..turns::DATAGRAM
};

/// Bytes of an answer that are read.
const MOST_BYTES: usize = 64 << 10;
/// Values of one attribute that are kept.
const MOST_VALUES: usize = 64;
/// RFC 4511 4.14.
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";
const ATTRIBUTES: &[&str] = &[
    "namingContexts",
    "supportedLDAPVersion",
    "supportedSASLMechanisms",
    "supportedExtension",
    "vendorName",
    "vendorVersion",
    "dnsHostName",
];

/// The number of a datagram: positive, of four bytes, and a token.
fn id(setup: &Setup) -> [u8; 4] {
    ((setup.token as u32) & 0x3fff_ffff | 0x4000_0000).to_be_bytes()
}

/// The number of a message. RFC 4511 4.1.1.1.
fn number(bytes: &[u8]) -> Option<&[u8]> {
    ber::of(&mut Octets(ber::of(&mut Octets(bytes), 0x30)?), 0x02)
}

/// Base scope, no limits, `(objectClass=*)`. RFC 4511 4.5.1.
fn search(number: &[u8]) -> Vec<u8> {
    let names: Vec<u8> = ATTRIBUTES.iter().flat_map(|a| ber::write(0x04, &[a.as_bytes()])).collect();
    let fixed: &[u8] = &[4, 0, 10, 1, 0, 10, 1, 0, 2, 1, 0, 2, 1, 0, 1, 1, 0];
    let filter = ber::write(0x87, &[b"objectClass"]);
    let request = ber::write(0x63, &[fixed, &filter, &ber::write(0x30, &[&names])]);
    ber::write(0x30, &[&ber::write(0x02, &[number]), &request])
}

fn start_tls() -> Vec<u8> {
    ber::write(0x30, &[&[2, 1, 1], &ber::write(0x77, &[&ber::write(0x80, &[START_TLS])])])
}

/// Operation and contents of the next message, which must answer this number.
fn message<'a>(octets: &mut Octets<'a>, number: &[u8]) -> Option<(u8, &'a [u8])> {
    let mut inner = Octets(ber::of(octets, 0x30)?);
    (ber::of(&mut inner, 0x02)? == number).then(|| ber::element(&mut inner))?
}

/// Result code of a result. RFC 4511 4.1.9.
fn code(contents: &[u8]) -> Option<i64> {
    ber::of(&mut Octets(contents), 0x0a).and_then(ber::integer)
}

fn like(heard: &Heard<'_>, number: &[u8]) -> Likeness {
    let first = message(&mut Octets(heard.bytes), number);
    sure(first.is_some_and(|(op, contents)| op == 0x64 || (op == 0x65 && code(contents).is_some())))
}

fn lead(talk: &mut Talk<'_>) -> Turn {
    match message(&mut Octets(talk.bytes), &[1]) {
        Some((0x78, contents)) if code(contents) == Some(0) => Turn::Tls,
        Some(_) => Turn::Done,
        None => Turn::More,
    }
}

fn root(talk: &mut Talk<'_>, number: &[u8]) -> Turn {
    let mut octets = Octets(talk.bytes);
    while let Some((operation, contents)) = message(&mut octets, number) {
        if !matches!(operation, 0x64 | 0x65 | 0x73) {
            return Turn::Done;
        }
        if talk.learned.service.is_none() {
            talk.learned.service = Some(Recognised::named("ldap", "answer to a search of the root entry"));
            talk.learned.extract("root entry", talk.bytes);
        }
        match operation {
            0x64 => entry(contents, talk),
            0x65 => {
                // Success without an entry means that this client may not see it.
                if talk.learned.facts.bool("ldap.anonymous").is_none() {
                    talk.learned.set("ldap.anonymous", false);
                }
                return Turn::Done;
            }
            _ => {}
        }
    }
    if talk.bytes.len() > MOST_BYTES { Turn::Done } else { Turn::More }
}

fn entry(contents: &[u8], talk: &mut Talk<'_>) {
    let mut octets = Octets(contents);
    let Some(attributes) = ber::of(&mut octets, 0x04).and_then(|_| ber::of(&mut octets, 0x30)) else { return };
    talk.learned.set("ldap.anonymous", true);
    let mut all = Octets(attributes);
    let mut extensions = false;
    while let Some(attribute) = ber::of(&mut all, 0x30) {
        let mut one = Octets(attribute);
        let (Some(name), Some(set)) = (ber::of(&mut one, 0x04), ber::of(&mut one, 0x31)) else { return };
        let mut set = Octets(set);
        let values: Vec<String> = std::iter::from_fn(|| ber::of(&mut set, 0x04)).take(MOST_VALUES).map(text).collect();
        match name.to_ascii_lowercase().as_slice() {
            b"namingcontexts" => talk.learned.set("ldap.naming_contexts", values),
            b"supportedldapversion" => talk.learned.set("ldap.versions", values),
            b"supportedsaslmechanisms" => talk.learned.set("ldap.sasl", values),
            b"supportedextension" => {
                extensions = true;
                let tls = values.iter().any(|v| v.as_bytes() == START_TLS);
                talk.learned.set("ldap.starttls", tls && !talk.setup.tls);
            }
            b"vendorname" => product(values, talk, true),
            b"vendorversion" => product(values, talk, false),
            b"dnshostname" => {
                values.into_iter().next().into_iter().for_each(|v| talk.learned.set("ldap.host_name", v));
            }
            _ => {}
        }
    }
    if !extensions && !talk.setup.tls {
        talk.learned.untested("ldap.starttls", "it does not list its extensions");
    }
}

fn product(values: Vec<String>, talk: &mut Talk<'_>, name: bool) {
    let (Some(service), Some(value)) = (&mut talk.learned.service, values.into_iter().next()) else { return };
    if name {
        service.product = Some(value);
    } else {
        talk.learned.facts.set("ldap.version", value.as_str());
        service.version = Some(value);
    }
}
