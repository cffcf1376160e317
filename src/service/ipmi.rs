//! IPMI: what kinds of logins the controller offers; none is begun. IPMI 2.0, 13.1.3, 13.8 and 22.13.

use super::evidence::Recognised;
use super::octets::Octets;
use super::services::{Heard, Likeness, Service};
use super::turns::{self, Talk, Turn, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "ipmi",
    ports: &[623],
    hello: |_| HELLO.to_vec(),
    recognise: |heard: &Heard<'_>| -> Likeness { sure(capabilities(heard.bytes).is_some()) },
    start: |setup| turns::datagrams("ipmi", setup, HELLO.to_vec(), told),
    beside: super::ipmi_cipher::beside,
    ..turns::DATAGRAM
};

/// Get Channel Authentication Capabilities of the present channel, for an administrator, newer data wanted.
const HELLO: &[u8] = &[6, 0, 0xff, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0x20, 0x18, 0xc8, 0x81, 0, 0x38, 0x8e, 4, 0xb5];

/// Authentication types, status bits and extended bits.
fn capabilities(bytes: &[u8]) -> Option<(u8, u8, u8)> {
    let mut octets = Octets(bytes.strip_prefix(&[6, 0, 0xff, 7])?);
    octets.take(9)?;
    let length = octets.byte()?;
    let mut message = Octets(octets.take(length.into())?);
    let (0x81, 0x1c) = (message.byte()?, message.byte()?) else { return None };
    message.take(3)?;
    let (0x38, 0) = (message.byte()?, message.byte()?) else { return None };
    message.byte()?;
    Some((message.byte()?, message.byte()?, message.byte()?))
}

fn told(talk: &mut Talk<'_>) -> Turn {
    let Some((types, status, extended)) = capabilities(talk.bytes) else { return Turn::Done };
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
