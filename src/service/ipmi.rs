//! IPMI: what kinds of logins the controller offers; none is begun. IPMI 2.0, 13.1.3, 13.8 and 22.13.

use super::evidence::Recognised;
use super::octets::Octets;
use super::services::{Heard, Likeness, Service, Setup};
use super::turns::{self, Talk, Turn, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "ipmi",
    ports: &[623],
    hello,
    recognise: |heard: &Heard<'_>| -> Likeness {
        sure(heard.hello == Some("ipmi") && capabilities(heard.bytes).is_some() && heard.returns(18..19, 18..19))
    },
    start: |setup| turns::datagrams("ipmi", setup, hello(setup), told),
    beside: super::ipmi_cipher::beside,
    ..turns::DATAGRAM
};

/// Get Channel Authentication Capabilities of the present channel, for an administrator, newer data wanted. The sequence
/// number, six bits, is a token; a sum over what follows the first sum ends the message. IPMI 2.0, 13.8 and 22.13.
fn hello(setup: &Setup) -> Vec<u8> {
    let mut out = vec![6, 0, 0xff, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0x20, 0x18, 0xc8];
    let body = [0x81, number(setup), 0x38, 0x8e, 4];
    out.extend(body);
    out.push(body.iter().fold(0u8, |sum, b| sum.wrapping_sub(*b)));
    out
}

/// Sequence number, above the two bits of the unit.
fn number(setup: &Setup) -> u8 {
    (setup.token as u8) << 2
}

struct Capabilities {
    number: u8,
    types: u8,
    status: u8,
    extended: u8,
}

/// Authentication types, status bits and extended bits.
fn capabilities(bytes: &[u8]) -> Option<Capabilities> {
    let mut octets = Octets(bytes.strip_prefix(&[6, 0, 0xff, 7])?);
    octets.take(9)?;
    let length = octets.byte()?;
    let mut message = Octets(octets.take(length.into())?);
    let (0x81, 0x1c) = (message.byte()?, message.byte()?) else { return None };
    message.take(2)?;
    let number = message.byte()?;
    let (0x38, 0) = (message.byte()?, message.byte()?) else { return None };
    message.byte()?;
    Some(Capabilities { number, types: message.byte()?, status: message.byte()?, extended: message.byte()? })
}

fn told(talk: &mut Talk<'_>) -> Turn {
    let Some(Capabilities { number: returned, types, status, extended }) = capabilities(talk.bytes) else {
        return Turn::Done;
    };
    if returned != number(talk.setup) {
        return Turn::More;
    }
    talk.learned.service = Some(Recognised::named("ipmi", "authentication capabilities"));
    let names = [(0, "none"), (1, "md2"), (2, "md5"), (4, "password"), (5, "oem")];
    let offered = names.iter().filter(|(bit, _)| types >> bit & 1 == 1).map(|(_, n)| (*n).to_owned());
    talk.learned.set("ipmi.auth_types", offered.collect::<Vec<_>>());
    talk.learned.set("ipmi.anonymous_login", status & 1 != 0);
    talk.learned.set("ipmi.null_users", status & 2 != 0);
    // The newer data are there where the first bit of the types says so.
    let newer = types & 0x80 != 0 && extended & 2 != 0;
    talk.learned.set("ipmi.version", if newer { "2.0" } else { "1.5" });
    talk.learned.extract("authentication capabilities", talk.bytes);
    Turn::Done
}
