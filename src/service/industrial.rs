//! Protocols of industrial controllers: one question for identity each, and only with consent to touch such devices.
//! Nothing is written. Modbus Application Protocol 1.1b3 6.21; RFC 1006 and S7 communication; CIP volume 2, 2-4.2;
//! IEC 60870-5-104 5.3; IEEE 1815 9.2; ASHRAE 135 15.5 and annex J.

use super::evidence::Recognised;
use super::octets::{Octets, text};
use super::services::{Heard, Likeness, Service, Setup};
use super::turns::{self, Talk, Turn, maybe, sure};
use crate::lang::job::Consent;

/// The row of Modbus.
pub const MODBUS: Service = Service {
    name: "modbus",
    ports: &[502],
    hello: |setup| if_granted(setup, modbus_hello),
    recognise: |heard: &Heard<'_>| -> Likeness {
        maybe(heard.hello == Some("modbus") && modbus(heard.bytes).is_some())
    },
    start: |setup| turns::speak("modbus", setup, if_granted(setup, modbus_hello), modbus_told),
    ..turns::CLIENT
};

/// The row of S7.
pub const S7: Service = Service {
    name: "s7",
    ports: &[102],
    hello: |setup| if_granted(setup, |_| COTP.to_vec()),
    recognise: |heard: &Heard<'_>| -> Likeness {
        // Other protocols are carried in the same way: what is inside must show itself.
        maybe(heard.hello == Some("s7") && confirmed(heard.bytes))
    },
    start: |setup| turns::speak("s7", setup, if_granted(setup, |_| COTP.to_vec()), s7_connected),
    ..turns::CLIENT
};

/// The row of EtherNet/IP.
pub const ENIP: Service = Service {
    name: "enip",
    ports: &[44818],
    hello: |setup| if_granted(setup, enip_hello),
    recognise: |heard: &Heard<'_>| -> Likeness { maybe(enip(heard.bytes).is_some()) },
    start: |setup| turns::speak("enip", setup, if_granted(setup, enip_hello), enip_told),
    ..turns::CLIENT
};

/// The row of IEC 104.
pub const IEC104: Service = Service {
    name: "iec104",
    ports: &[2404],
    hello: |setup| if_granted(setup, |_| TEST.to_vec()),
    recognise: |heard: &Heard<'_>| -> Likeness { sure(heard.hello == Some("iec104") && heard.bytes == TESTED) },
    start: |setup| {
        turns::speak("iec104", setup, if_granted(setup, |_| TEST.to_vec()), |talk| match talk.bytes {
            TESTED => known(talk, "iec104", "confirmation of a test frame", None),
            part if TESTED.starts_with(part) && !talk.ended => Turn::More,
            _ => Turn::Done,
        })
    },
    ..turns::CLIENT
};

/// The row of DNP3.
pub const DNP3: Service = Service {
    name: "dnp3",
    ports: &[20000],
    hello: |setup| if_granted(setup, |_| dnp3_hello()),
    recognise: |heard: &Heard<'_>| -> Likeness { sure(heard.hello == Some("dnp3") && dnp3(heard.bytes)) },
    start: |setup| {
        turns::speak("dnp3", setup, if_granted(setup, |_| dnp3_hello()), |talk| match talk.bytes {
            bytes if dnp3(bytes) => known(talk, "dnp3", "link status", None),
            bytes if bytes.len() < 10 && !talk.ended => Turn::More,
            _ => Turn::Done,
        })
    },
    ..turns::CLIENT
};

/// The row of BACnet.
pub const BACNET: Service = Service {
    name: "bacnet",
    ports: &[47808],
    hello: |setup| if_granted(setup, |_| BACNET_HELLO.to_vec()),
    recognise: |heard: &Heard<'_>| -> Likeness { sure(heard.hello == Some("bacnet") && bacnet(heard.bytes).is_some()) },
    start: |setup| {
        turns::datagrams("bacnet", setup, if_granted(setup, |_| BACNET_HELLO.to_vec()), |talk| {
            match bacnet(talk.bytes) {
                Some(name) => {
                    let name = text(name);
                    known(talk, "bacnet", "answer to a read of the device", Some(name).filter(|n| !n.is_empty()))
                }
                None => Turn::Done,
            }
        })
    },
    ..turns::DATAGRAM
};

/// Nothing is sent where the profile does not say so; an empty hello is never sent.
fn if_granted(setup: &Setup, hello: fn(&Setup) -> Vec<u8>) -> Vec<u8> {
    if setup.may(Consent::Ics) { hello(setup) } else { Vec::new() }
}

fn known(talk: &mut Talk<'_>, name: &str, how: &str, product: Option<String>) -> Turn {
    let mut service = Recognised::named(name, how);
    service.product = product;
    talk.learned.service = Some(service);
    talk.learned.extract(how, talk.bytes);
    Turn::Done
}

/// Read Device Identification, the basic objects, of the unit that stands for the server itself.
fn modbus_hello(setup: &Setup) -> Vec<u8> {
    let [high, low] = (setup.token as u16).to_be_bytes();
    vec![high, low, 0, 0, 0, 5, 0xff, 0x2b, 0x0e, 1, 0]
}

/// Transaction, function and the rest of an answer: the data, or an exception.
fn modbus(bytes: &[u8]) -> Option<(u16, u8, Octets<'_>)> {
    let mut octets = Octets(bytes);
    let (transaction, 0, length) = (octets.be16()?, octets.be16()?, octets.be16()?) else { return None };
    let mut rest = Octets(octets.take(length.into())?);
    let (0xff, function @ (0x2b | 0xab)) = (rest.byte()?, rest.byte()?) else { return None };
    (octets.0.is_empty() && length <= 254).then_some((transaction, function, rest))
}

fn modbus_told(talk: &mut Talk<'_>) -> Turn {
    let Some((transaction, function, mut rest)) = modbus(talk.bytes) else {
        return if talk.ended || talk.bytes.len() > 260 { Turn::Done } else { Turn::More };
    };
    if transaction != talk.setup.token as u16 {
        return Turn::Done;
    }
    let mut words: Vec<String> = Vec::new();
    if function == 0x2b && rest.take(5).is_some() {
        let objects = rest.byte().unwrap_or(0).min(8);
        for _ in 0..objects {
            let (Some(_), Some(length)) = (rest.byte(), rest.byte()) else { break };
            let Some(value) = rest.take(length.into()) else { break };
            words.push(text(value));
        }
    }
    let product = Some(words.join(" ")).filter(|w| !w.is_empty());
    known(talk, "modbus", "device identification", product)
}

/// Connection request to rack 0, slot 2. RFC 1006 6, ISO 8073 13.3.
const COTP: &[u8] = &[3, 0, 0, 22, 17, 0xe0, 0, 0, 0, 1, 0, 0xc0, 1, 10, 0xc1, 2, 1, 0, 0xc2, 2, 1, 2];
/// Setup of communication: one job each way, units of 480 bytes.
const SETUP: &[u8] = &[3, 0, 0, 25, 2, 0xf0, 0x80, 0x32, 1, 0, 0, 0, 0, 0, 8, 0, 0, 0xf0, 0, 0, 1, 0, 1, 1, 0xe0];

fn confirmed(bytes: &[u8]) -> bool {
    matches!(bytes, [3, 0, 0, _, _, 0xd0, ..])
}

fn s7_connected(talk: &mut Talk<'_>) -> Turn {
    match talk.bytes {
        bytes if confirmed(bytes) => Turn::Ask(SETUP.to_vec(), |talk| match talk.bytes {
            // An acknowledgement with data, for our number.
            [3, 0, _, _, 2, 0xf0, _, 0x32, 3, ..] => known(talk, "s7", "setup of communication", None),
            bytes if bytes.len() < 9 && !talk.ended => Turn::More,
            _ => Turn::Done,
        }),
        bytes if bytes.len() < 6 && !talk.ended => Turn::More,
        _ => Turn::Done,
    }
}

/// ListIdentity.
fn enip_hello(setup: &Setup) -> Vec<u8> {
    let mut out = vec![0x63, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    out.extend(setup.token_bytes(8));
    out.extend([0; 4]);
    out
}

/// Our context and the name of the product.
fn enip(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut octets = Octets(bytes);
    let (0x63, length) = (octets.le16()?, octets.le16()?) else { return None };
    octets.take(8)?;
    let context = octets.take(8)?;
    octets.take(4)?;
    let mut items = Octets(octets.take(length.into())?);
    let (1.., 0x0c) = (items.le16()?, items.le16()?) else { return None };
    // Length, version, socket address, vendor, kind, code, revision, status, serial number.
    items.take(34)?;
    let length = items.byte()?;
    Some((context, items.take(length.into())?))
}

fn enip_told(talk: &mut Talk<'_>) -> Turn {
    match enip(talk.bytes) {
        Some((context, name)) if context == talk.setup.token_bytes(8) => {
            let name = text(name);
            known(talk, "enip", "list of identities", Some(name).filter(|n| !n.is_empty()))
        }
        Some(_) => Turn::Done,
        None if talk.ended || talk.bytes.len() > 1_024 => Turn::Done,
        None => Turn::More,
    }
}

/// A test frame, and its confirmation.
const TEST: &[u8] = &[0x68, 4, 0x43, 0, 0, 0];
const TESTED: &[u8] = &[0x68, 4, 0x83, 0, 0, 0];

/// The check sum of a link header. IEEE 1815 9.2.4.1.5.
fn dnp3_sum(bytes: &[u8]) -> u16 {
    let mut sum = 0u16;
    for byte in bytes {
        sum ^= u16::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0xa6bc } else { sum >> 1 };
        }
    }
    !sum
}

/// Questions for the state of the link, to the addresses that devices leave the factory with.
fn dnp3_hello() -> Vec<u8> {
    [0u8, 1, 3, 4, 10]
        .iter()
        .flat_map(|to| {
            let head = [5, 0x64, 5, 0xc9, *to, 0, 1, 0];
            let [low, high] = dnp3_sum(&head).to_le_bytes();
            head.into_iter().chain([low, high])
        })
        .collect()
}

fn dnp3(bytes: &[u8]) -> bool {
    let Some((head, sum)) = bytes.get(..10).and_then(|frame| frame.split_at_checked(8)) else { return false };
    head.starts_with(&[5, 0x64]) && head.get(3).is_some_and(|c| c & 0x40 == 0) && sum == dnp3_sum(head).to_le_bytes()
}

/// Read of the object name of the device that is asked, whatever its number.
const BACNET_HELLO: &[u8] = &[0x81, 10, 0, 17, 1, 4, 0, 5, 0x5a, 12, 12, 2, 0x3f, 0xff, 0xff, 0x19, 77];

/// The name in an answer with our number, empty where the answer is an error.
fn bacnet(bytes: &[u8]) -> Option<&[u8]> {
    let mut octets = Octets(bytes);
    let (0x81, 10, length) = (octets.byte()?, octets.byte()?, octets.be16()?) else { return None };
    let (1, 0) = (octets.byte()?, octets.byte()?) else { return None };
    let (kind @ (0x30 | 0x50 | 0x60), 0x5a) = (octets.byte()?, octets.byte()?) else { return None };
    if usize::from(length) != bytes.len() {
        return None;
    }
    if kind != 0x30 {
        return Some(&[]);
    }
    // Service, object, property, opening mark; then a text: its length and the code of its characters.
    let (12, 12) = (octets.byte()?, octets.byte()?) else { return Some(&[]) };
    octets.take(4)?;
    let (0x19, 77, 0x3e, 0x75) = (octets.byte()?, octets.byte()?, octets.byte()?, octets.byte()?) else {
        return Some(&[]);
    };
    let length = usize::from(octets.byte()?);
    let (_code, value) = octets.take(length)?.split_first()?;
    Some(value)
}
