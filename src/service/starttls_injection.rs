//! Commands that come before TLS and are carried out inside it (CVE-2011-0411): one harmless command is sent in the same
//! write as the one that begins TLS. If its answer comes inside, the server kept it. With consent for what is odd.
//! RFC 3207 4.2, RFC 2595 3.1 and 4.

use super::conversation::{Conversation, Event, Learned, Step};
use super::services::{Dialogues, Setup};
use crate::lang::job::Consent;

/// What is said to a mail service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    name: &'static str,
    /// Said first; empty where nothing must be.
    hello: &'static str,
    /// The command that begins TLS and one that changes nothing.
    both: &'static str,
    /// How the answer to the first begins where it is granted.
    granted: &'static str,
    /// How the answer to the second begins.
    answer: &'static str,
}

pub(super) const SMTP: Words = Words {
    name: "smtp",
    hello: "EHLO palisade.invalid\r\n",
    both: "STARTTLS\r\nNOOP\r\n",
    granted: "220",
    answer: "250",
};
pub(super) const IMAP: Words =
    Words { name: "imap", hello: "", both: "p1 STARTTLS\r\np2 NOOP\r\n", granted: "p1 OK", answer: "p2 OK" };
pub(super) const POP3: Words =
    Words { name: "pop3", hello: "", both: "STLS\r\nCAPA\r\n", granted: "+OK", answer: "+OK" };

/// Held beside the conversation of a mail service that is not inside TLS already.
pub(super) fn beside(setup: &Setup, words: Words) -> Dialogues {
    if setup.tls || !setup.may(Consent::Odd) {
        return Vec::new();
    }
    vec![(format!("{}.starttls_injection", words.name), Box::new(Injection { words, stage: Stage::Greeting }))]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Greeting,
    Hello,
    Both,
    Inside,
}

struct Injection {
    words: Words,
    stage: Stage,
}

/// Longest answer that is waited for.
const MOST_BYTES: usize = 16 << 10;

/// The last line has come: for SMTP one without a dash after its number.
fn whole(bytes: &[u8], smtp: bool) -> bool {
    let last = bytes.strip_suffix(b"\n").map(|b| b.rsplit(|c| *c == b'\n').next().unwrap_or_default());
    last.is_some_and(|line| !smtp || line.get(3) != Some(&b'-'))
}

impl Injection {
    fn fact(&self) -> String {
        format!("{}.starttls_injection", self.words.name)
    }

    fn tell(&self, found: bool, learned: &mut Learned) -> Step {
        learned.set(&self.fact(), found);
        Step::Done
    }

    fn take(&mut self, bytes: &[u8], learned: &mut Learned) -> Step {
        let starts = |with: &str| bytes.starts_with(with.as_bytes());
        match self.stage {
            Stage::Inside if starts(self.words.answer) => self.tell(true, learned),
            Stage::Inside => self.tell(false, learned),
            _ if !whole(bytes, self.words.name == "smtp") && bytes.len() < MOST_BYTES => Step::Wait,
            Stage::Greeting if !self.words.hello.is_empty() => {
                self.stage = Stage::Hello;
                Step::Send(self.words.hello.into())
            }
            Stage::Greeting | Stage::Hello => {
                self.stage = Stage::Both;
                Step::Send(self.words.both.into())
            }
            Stage::Both if starts(self.words.granted) => {
                // Both answers in clear: the second was carried out before TLS, where it does no harm.
                if bytes.iter().filter(|b| **b == b'\n').count() > 1 {
                    return self.tell(false, learned);
                }
                self.stage = Stage::Inside;
                Step::Tls
            }
            // It was refused.
            Stage::Both => self.tell(false, learned),
        }
    }
}

impl Conversation for Injection {
    fn step(&mut self, event: Event<'_>, learned: &mut Learned) -> Step {
        match (event, self.stage) {
            (Event::Open, _) => Step::Wait,
            (Event::Data(bytes), _) => self.take(bytes, learned),
            // Nobody spoke inside: what was sent before is forgotten, as it must be. A server that takes it for a piece of
            // the handshake, or closes, does not carry it out either.
            (Event::Silent | Event::Closed | Event::NoTls, Stage::Inside) => self.tell(false, learned),
            (Event::Closed, Stage::Both) => self.tell(false, learned),
            (Event::Silent | Event::Closed | Event::NoTls, _) => {
                learned.untested(&self.fact(), "the dialogue ended early");
                Step::Done
            }
        }
    }
}
