//! IPMI: whether a session without any protection is opened (cipher suite 0, CVE-2013-4782). It is left at that: nobody is
//! named, and the session ends by itself. With consent for what is odd. IPMI 2.0, 13.17, 13.18 and 22.15.2.

use super::conversation::{Conversation, Event, Learned, Step};
use super::octets::Octets;
use super::services::{Dialogues, Setup};
use crate::lang::job::Consent;

/// Held beside the conversation.
pub(super) fn beside(setup: &Setup) -> Dialogues {
    if !setup.may(Consent::Odd) {
        return Vec::new();
    }
    vec![("ipmi.cipher_zero".into(), Box::new(CipherZero { id: setup.token as u32 | 1 }))]
}

struct CipherZero {
    /// Our number of the session.
    id: u32,
}

/// Open Session Request: no authentication, no integrity, no confidentiality.
fn question(id: u32) -> Vec<u8> {
    let mut out = vec![6, 0, 0xff, 7, 6, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0, 0, 0, 0];
    out.extend(id.to_le_bytes());
    for kind in 0..3 {
        out.extend([kind, 0, 0, 8, 0, 0, 0, 0]);
    }
    out
}

/// Status of an Open Session Response for our number.
fn status(bytes: &[u8], id: u32) -> Option<u8> {
    let mut octets = Octets(bytes.strip_prefix(&[6, 0, 0xff, 7, 6, 0x11])?);
    octets.take(8)?;
    let length = octets.le16()?;
    let mut payload = Octets(octets.take(length.into())?);
    let (0, status) = (payload.byte()?, payload.byte()?) else { return None };
    payload.take(2)?;
    (payload.le32()? == id).then_some(status)
}

impl Conversation for CipherZero {
    fn step(&mut self, event: Event<'_>, learned: &mut Learned) -> Step {
        match event {
            Event::Open => Step::Send(question(self.id)),
            Event::Data(bytes) => match status(bytes, self.id) {
                Some(status) => {
                    learned.set("ipmi.cipher_zero", status == 0);
                    Step::Done
                }
                None => Step::Wait,
            },
            Event::Silent | Event::Closed | Event::NoTls => {
                learned.untested("ipmi.cipher_zero", "no answer");
                Step::Done
            }
        }
    }
}
