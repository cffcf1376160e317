//! Two flaws of TLS servers that show themselves only to what a strict server takes for an attack, so each needs consent
//! for what is odd: heartbeats that answer with more than they were sent (CVE-2014-0160; of the answer its length alone is
//! kept), and a change of cipher before there is a key (CVE-2014-0224). RFC 6520 4, RFC 5246 7.1.

use super::conversation::{Conversation, Event, Learned, Step};
use super::services::{Dialogues, Setup};
use super::tls_hello::{GROUPS, Hello, Version};
use super::tls_reply::{self, Reply};
use super::tls_suites::{self, Exchange};
use crate::lang::job::Consent;

/// Both.
pub(super) fn beside(setup: &Setup) -> Dialogues {
    if !setup.may(Consent::Odd) {
        return Vec::new();
    }
    let odd = |flaw| Box::new(Odd { setup: setup.clone(), flaw, stage: Stage::Hello, version: 0x0303 });
    vec![("tls.heartbeat".into(), odd(Flaw::Heartbeat)), ("tls.early_cipher_change".into(), odd(Flaw::EarlyChange))]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    Heartbeat,
    EarlyChange,
}

impl Flaw {
    const fn fact(self) -> &'static str {
        match self {
            Self::Heartbeat => "tls.heartbeat_overread",
            Self::EarlyChange => "tls.early_cipher_change",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Hello,
    Asked,
    /// The second record after an early change of cipher.
    Again,
}

struct Odd {
    setup: Setup,
    flaw: Flaw,
    stage: Stage,
    version: u16,
}

/// Bytes that a heartbeat claims, and does not have.
const CLAIMED: u16 = 16;
/// Padding that goes with every heartbeat. RFC 6520 4.
const PADDING: u16 = 16;
const ALERT: u8 = 21;
const HEARTBEAT: u8 = 24;
/// `decryption_failed`, `bad_record_mac`: it tried to decrypt, with keys that it cannot have. RFC 5246 7.2.
const UNDECIPHERED: [u8; 2] = [21, 20];

impl Odd {
    fn hello(&self) -> Vec<u8> {
        let [weak, _, mut suites, _] = tls_suites::older(false);
        suites.extend(weak.into_iter().filter(|s| !tls_suites::name(*s).contains("anon")));
        suites.sort_by_key(|s| tls_suites::exchange(*s) != Exchange::Other);
        suites.truncate(100);
        let usual = [0xc013, 0xc014, 0xc02f, 0xc030, 0xc02b, 0xc02c];
        suites.retain(|s| !usual.contains(s));
        suites.extend(usual);
        let groups: Vec<u16> = GROUPS.iter().map(|(n, _)| *n).collect();
        Hello {
            version: Version::Tls12,
            older: false,
            suites: &suites,
            groups: &groups,
            name: self.setup.name.as_deref(),
            protocols: &[],
            extras: true,
            random: &self.setup.token_bytes(32),
        }
        .bytes()
    }

    fn record(&self, kind: u8, body: &[u8]) -> Vec<u8> {
        let [high, low] = self.version.to_be_bytes();
        let [long, short] = (body.len() as u16).to_be_bytes();
        [&[kind, high, low, long, short][..], body].concat()
    }

    /// The server has said its hello to the end: the question itself.
    fn ask(&mut self, bytes: &[u8], learned: &mut Learned) -> Step {
        let hello = match tls_reply::read(bytes) {
            Reply::Partial => return Step::Wait,
            Reply::Hello(hello) if hello.version > 0x0303 => return self.spared(learned),
            Reply::Hello(hello) if !hello.done => return Step::Wait,
            Reply::Hello(hello) => hello,
            // What refuses TLS 1.2 and older has neither flaw.
            Reply::Alert(_) | Reply::Foreign => return self.spared(learned),
        };
        if self.flaw == Flaw::Heartbeat && hello.extension(15).is_none() {
            return self.spared(learned);
        }
        self.version = hello.version;
        self.stage = Stage::Asked;
        Step::Send(match self.flaw {
            Flaw::Heartbeat => self.record(HEARTBEAT, &[1, 0, CLAIMED as u8]),
            Flaw::EarlyChange => self.record(20, &[1]),
        })
    }

    fn spared(&self, learned: &mut Learned) -> Step {
        learned.set(self.flaw.fact(), false);
        Step::Done
    }

    fn answered(&mut self, bytes: &[u8], learned: &mut Learned) -> Step {
        let (kind, length) = match bytes {
            [kind, 3, _, high, low, ..] => (*kind, u16::from_be_bytes([*high, *low])),
            _ if bytes.len() < 5 => return Step::Wait,
            _ => return self.spared(learned),
        };
        match (self.flaw, self.stage, kind) {
            // Kind, length, what was claimed, padding: more than the three bytes that were sent.
            (Flaw::Heartbeat, _, HEARTBEAT) => {
                let over = length >= 3 + CLAIMED;
                learned.set(self.flaw.fact(), over);
                learned.set("tls.heartbeat_bytes", i64::from(length.saturating_sub(3 + PADDING).max(u16::from(over))));
                Step::Done
            }
            (Flaw::EarlyChange, Stage::Again, ALERT) => {
                let number = bytes.get(6).copied().unwrap_or(0);
                learned.set(self.flaw.fact(), UNDECIPHERED.contains(&number));
                Step::Done
            }
            _ => self.spared(learned),
        }
    }
}

impl Conversation for Odd {
    fn step(&mut self, event: Event<'_>, learned: &mut Learned) -> Step {
        match (event, self.stage) {
            (Event::Open, _) => {
                self.stage = Stage::Hello;
                Step::Send(self.hello())
            }
            (Event::Data(bytes), Stage::Hello) => self.ask(bytes, learned),
            (Event::Data(bytes), Stage::Asked | Stage::Again) => self.answered(bytes, learned),
            // An early change that is not refused at once: a record that nobody can have encrypted tells what it did.
            (Event::Silent, Stage::Asked) if self.flaw == Flaw::EarlyChange => {
                self.stage = Stage::Again;
                Step::Send(self.record(20, &[1]))
            }
            // A heartbeat that says more than it has must be dropped in silence. RFC 6520 4.
            (Event::Silent, Stage::Asked) => self.spared(learned),
            (Event::Closed, Stage::Asked | Stage::Again) => self.spared(learned),
            (Event::Silent | Event::Closed | Event::NoTls, _) => {
                learned.untested(self.flaw.fact(), "no answer");
                Step::Done
            }
        }
    }
}
