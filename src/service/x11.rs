//! X11: the setup, without authorization data; nothing is drawn or read. X Window System Protocol, version 11, 8.

use super::evidence::Recognised;
use super::octets::{Octets, text};
use super::services::{Heard, Likeness, Service};
use super::turns::{self, Talk, Turn, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "x11",
    ports: &[6000, 6001, 6002],
    hello: |_| SETUP.to_vec(),
    recognise: |heard: &Heard<'_>| -> Likeness { sure(heard.hello == Some("x11") && read(heard.bytes).is_some()) },
    start: |setup| turns::speak("x11", setup, SETUP.to_vec(), answer),
    ..turns::CLIENT
};

/// Little end first, version 11.0, no authorization.
const SETUP: &[u8] = &[b'l', 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Whether it lets in, and the words beside: the reason, or the vendor.
fn read(bytes: &[u8]) -> Option<(bool, &[u8])> {
    let mut octets = Octets(bytes);
    let (kind, short) = (octets.byte()?, octets.byte()?);
    let (11, 0, units) = (octets.le16()?, octets.le16()?, octets.le16()?) else { return None };
    match kind {
        0 if usize::from(short) <= usize::from(units) * 4 => octets.take(short.into()).map(|words| (false, words)),
        1 if units >= 8 => {
            octets.take(16)?;
            let length = octets.le16()?;
            octets.take(14)?;
            octets.take(length.into()).map(|words| (true, words))
        }
        // It wants more authorization data; what it says fills the rest.
        2 => octets.take(usize::from(units) * 4).map(|words| (false, words)),
        _ => None,
    }
}

fn answer(talk: &mut Talk<'_>) -> Turn {
    let Some((open, words)) = read(talk.bytes) else {
        return if talk.bytes.len() > 4_096 { Turn::Done } else { Turn::More };
    };
    let mut service = Recognised::named("x11", "answer to a setup");
    if open {
        service.product = Some(text(words)).filter(|w| !w.is_empty());
    } else {
        talk.learned.set("x11.refused", text(words));
    }
    talk.learned.service = Some(service);
    talk.learned.set("x11.auth_required", !open);
    talk.learned.extract("answer to a setup", talk.bytes);
    Turn::Done
}
