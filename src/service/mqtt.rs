//! MQTT: a request of a level that does not exist, which every broker refuses in its own way; with consent for logins,
//! whether a client without a name is taken. Nothing is subscribed to or published. MQTT 3.1.1, 3.1.2.2 and 3.2; MQTT 5.0,
//! 3.2.2.2.

use super::evidence::Recognised;
use super::services::{Heard, Likeness, Service};
use super::turns::{self, Talk, Turn, sure};
use crate::lang::job::Consent;

/// The row.
pub const SERVICE: Service = Service {
    name: "mqtt",
    ports: &[1883, 8883],
    in_tls: true,
    hello: |_| connect(NO_LEVEL),
    recognise: |heard: &Heard<'_>| -> Likeness { sure(heard.hello == Some("mqtt") && code(heard.bytes).is_some()) },
    start: |setup| turns::speak("mqtt", setup, connect(NO_LEVEL), refused),
    ..turns::CLIENT
};

const NO_LEVEL: u8 = 0x3f;

/// Clean session, 30 seconds, an empty client name.
fn connect(level: u8) -> Vec<u8> {
    vec![0x10, 12, 0, 4, b'M', b'Q', b'T', b'T', level, 2, 0, 30, 0, 0]
}

/// The code of a CONNACK in either version's form.
fn code(bytes: &[u8]) -> Option<u8> {
    match bytes {
        [0x20, 2, 0 | 1, code @ 0..=5] => Some(*code),
        [0x20, length @ 3..=127, 0 | 1, code @ (0 | 0x80..=0x9f), ..] if bytes.len() == usize::from(*length) + 2 => {
            Some(*code)
        }
        _ => None,
    }
}

fn refused(talk: &mut Talk<'_>) -> Turn {
    if code(talk.bytes).is_none() {
        return if talk.bytes.len() < 4 { Turn::More } else { Turn::Done };
    }
    talk.learned.service = Some(Recognised::named("mqtt", "answer to a level that does not exist"));
    talk.learned.extract("answer to CONNECT", talk.bytes);
    if talk.setup.may(Consent::Auth) { Turn::Again(connect(4), taken) } else { Turn::Done }
}

fn taken(talk: &mut Talk<'_>) -> Turn {
    match code(talk.bytes) {
        Some(0) => talk.learned.set("mqtt.anonymous", true),
        // Bad user name or password, not authorized; their numbers in version 5.
        Some(4 | 5 | 0x86 | 0x87) => talk.learned.set("mqtt.anonymous", false),
        Some(_) => talk.learned.untested("mqtt.anonymous", "refused for another reason"),
        None if talk.closed || talk.bytes.len() >= 4 => {
            talk.learned.untested("mqtt.anonymous", "it closed without an answer");
        }
        None => return Turn::More,
    }
    Turn::Done
}
