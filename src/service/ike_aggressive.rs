//! IKE version 1 in aggressive mode: whether a gateway hands the hash of a shared key to whoever asks (CVE-2002-1623). The
//! hash itself is not kept. RFC 2409 5.4, RFC 2408 3.

use super::conversation::{Conversation, Event, Learned, Step};
use super::ike::{associations, header, message};
use super::octets::Octets;
use super::services::{Dialogues, Setup};

/// Held beside the conversation.
pub(super) fn beside(setup: &Setup) -> Dialogues {
    vec![("ike.aggressive".into(), Box::new(Aggressive { setup: setup.clone(), again: false }))]
}

struct Aggressive {
    setup: Setup,
    again: bool,
}

const AGGRESSIVE: u8 = 4;
const NOTICE: u8 = 5;
const HASH: u8 = 8;
/// Payloads of one message that are walked.
const MOST_PAYLOADS: usize = 16;

fn payload(next: u8, body: &[u8]) -> Vec<u8> {
    let [high, low] = (body.len() as u16 + 4).to_be_bytes();
    [&[next, 0, high, low][..], body].concat()
}

/// Proposal, public number of group 2, nonce, and a name that belongs to nobody.
fn question(setup: &Setup) -> Vec<u8> {
    let key = [&[0][..], &setup.token_bytes(127)].concat();
    let name = [&[2, 0, 0, 0][..], b"palisade.invalid"].concat();
    let body = [payload(4, &associations()), payload(10, &key), payload(5, &setup.token_bytes(20)), payload(0, &name)];
    message(setup, 1, 0x10, AGGRESSIVE, 0, &body.concat())
}

/// Kinds of the payloads of a message.
fn payloads(bytes: &[u8], first: u8) -> Vec<u8> {
    let mut found = Vec::new();
    let (mut octets, mut kind) = (Octets(bytes.get(28..).unwrap_or_default()), first);
    while kind != 0 && found.len() < MOST_PAYLOADS {
        found.push(kind);
        let (Some(next), Some(_), Some(length)) = (octets.byte(), octets.byte(), octets.be16()) else { break };
        let Some(rest) = usize::from(length).checked_sub(4) else { break };
        if octets.take(rest).is_none() {
            break;
        }
        kind = next;
    }
    found
}

impl Conversation for Aggressive {
    fn step(&mut self, event: Event<'_>, learned: &mut Learned) -> Step {
        match event {
            Event::Open => Step::Send(question(&self.setup)),
            Event::Data(bytes) => {
                let Some(header) = header(bytes).filter(|h| h.initiator == self.setup.token) else {
                    return Step::Wait;
                };
                match header.exchange {
                    AGGRESSIVE => {
                        learned.set("ike.aggressive", payloads(bytes, header.payload).contains(&HASH));
                        Step::Done
                    }
                    NOTICE => {
                        learned.set("ike.aggressive", false);
                        Step::Done
                    }
                    _ => Step::Wait,
                }
            }
            Event::Silent if !self.again => {
                self.again = true;
                Step::Send(question(&self.setup))
            }
            Event::Silent | Event::Closed | Event::NoTls => {
                learned.untested("ike.aggressive", "no answer");
                Step::Done
            }
        }
    }
}
