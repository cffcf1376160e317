//! What a remote desktop tells before anybody logs in: names and build, in the challenge of network level authentication.
//! Only the first of its messages is sent. MS-CSSP 2.2.1, MS-NLMP.

use super::ber;
use super::conversation::{Conversation, Event, Learned, Step};
use super::ntlm;
use super::rdp::{NLA, TLS, nla_chosen, request};
use super::services::{Dialogues, Setup};

/// Held beside the conversation.
pub(super) fn beside(_: &Setup) -> Dialogues {
    vec![("rdp.names".into(), Box::new(Names { inside: false }))]
}

struct Names {
    /// TLS is asked for.
    inside: bool,
}

/// Longest challenge that is waited for.
const MOST_BYTES: usize = 8 << 10;

/// TSRequest with the first message.
fn question() -> Vec<u8> {
    let token = ber::write(0xa0, &[&ber::write(4, &[&ntlm::negotiate()])]);
    let tokens = ber::write(0xa1, &[&ber::write(0x30, &[&ber::write(0x30, &[&token])])]);
    ber::write(0x30, &[&[0xa0, 3, 2, 1, 2], &tokens])
}

impl Conversation for Names {
    fn step(&mut self, event: Event<'_>, learned: &mut Learned) -> Step {
        let told = |learned: &mut Learned, why: &str| {
            learned.untested("rdp.names", why);
            Step::Done
        };
        match event {
            Event::Open if self.inside => Step::Send(question()),
            Event::Open => Step::Send(request(TLS | NLA)),
            Event::Data(bytes) if !self.inside => match nla_chosen(bytes) {
                Some(true) => {
                    self.inside = true;
                    Step::Tls
                }
                Some(false) => told(learned, "it does not offer network level authentication"),
                None if bytes.len() < 19 => Step::Wait,
                None => told(learned, "no connection confirm"),
            },
            Event::Data(bytes) => match ntlm::challenge(bytes) {
                Some(challenge) => {
                    challenge.tell("rdp", learned);
                    Step::Done
                }
                None if bytes.len() < MOST_BYTES => Step::Wait,
                None => told(learned, "no challenge"),
            },
            Event::NoTls => told(learned, "TLS could not be begun"),
            Event::Silent | Event::Closed => told(learned, "no challenge"),
        }
    }
}
