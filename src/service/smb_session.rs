//! SMB beyond the negotiation: compression, the names and the build that a challenge tells, and with consent for logins one
//! session without a name, which is left at once. No share is opened. MS-SMB2 2.2.3 to 2.2.8, MS-NLMP.

use super::conversation::{Conversation, Event, Learned, Step};
use super::ntlm;
use super::octets::Octets;
use super::services::{Dialogues, Setup};
use crate::lang::job::Consent;

/// Held beside the conversation.
pub(super) fn beside(setup: &Setup) -> Dialogues {
    let session = Session { setup: setup.clone(), stage: Stage::Negotiate, id: 0, number: 0 };
    vec![("smb.session".into(), Box::new(session))]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Negotiate,
    Challenge,
    Login,
    Logoff,
}

struct Session {
    setup: Setup,
    stage: Stage,
    /// The server's number of the session, and ours of the next message.
    id: u64,
    number: u64,
}

const NEGOTIATE: u16 = 0;
const SESSION_SETUP: u16 = 1;
const LOGOFF: u16 = 2;
const MORE_PROCESSING: u32 = 0xc000_0016;
/// Kinds of negotiate contexts.
const COMPRESSION: u16 = 3;
/// Longest answer that is waited for.
const MOST_BYTES: usize = 16 << 10;

/// One answer: status, number of the session, body, and the whole message.
struct Answer<'a> {
    command: u16,
    status: u32,
    session: u64,
    body: Octets<'a>,
    message: &'a [u8],
}

fn answer(bytes: &[u8]) -> Option<Answer<'_>> {
    let mut octets = Octets(bytes);
    let length = octets.be32()? as usize;
    let message = (length <= MOST_BYTES).then(|| octets.take(length))??;
    let mut octets = Octets(message.strip_prefix(b"\xfeSMB")?);
    octets.take(4)?;
    let (status, command) = (octets.le32()?, octets.le16()?);
    octets.take(26)?;
    let session = u64::from(octets.le32()?) | u64::from(octets.le32()?) << 32;
    octets.take(16)?;
    Some(Answer { command, status, session, body: octets, message })
}

/// Whether a compression is agreed on; none before dialect 3.1.1, which is none. MS-SMB2 2.2.4.1.3.
fn compression(answer: &Answer<'_>) -> Option<bool> {
    let mut body = answer.body;
    let (65, _mode, dialect, count) = (body.le16()?, body.le16()?, body.le16()?, body.le16()?) else { return None };
    if dialect != 0x0311 {
        return Some(false);
    }
    body.take(52)?;
    let mut at = body.le32()? as usize;
    for _ in 0..count.min(16) {
        let mut context = Octets(answer.message.get(at..)?);
        let (kind, length) = (context.le16()?, context.le16()?);
        context.take(4)?;
        let mut data = Octets(context.take(length.into())?);
        if kind == COMPRESSION {
            let algorithms = data.le16()?;
            data.take(6)?;
            return Some((0..algorithms.min(8)).any(|_| data.le16().is_some_and(|a| a != 0)));
        }
        at = at.checked_add(8 + usize::from(length))?.checked_next_multiple_of(8)?;
    }
    Some(false)
}

impl Session {
    fn message(&mut self, command: u16, body: &[u8]) -> Step {
        let mut out = b"\xfeSMB\x40\0\0\0\0\0\0\0".to_vec();
        out.extend(command.to_le_bytes());
        out.extend([0x1f, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        out.extend(self.number.to_le_bytes());
        out.extend([0; 8]);
        out.extend(self.id.to_le_bytes());
        out.extend([0; 16]);
        out.extend(body);
        self.number += 1;
        Step::Send([&(out.len() as u32).to_be_bytes()[..], &out].concat())
    }

    /// All dialects, with the context that must be there and one for compression.
    fn negotiate(&mut self) -> Step {
        let mut body = vec![36, 0, 5, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        body.extend(self.setup.token_bytes(16));
        body.extend([112, 0, 0, 0, 2, 0, 0, 0]);
        body.extend([0x02, 0x02, 0x10, 0x02, 0x00, 0x03, 0x02, 0x03, 0x11, 0x03, 0, 0]);
        body.extend([1, 0, 38, 0, 0, 0, 0, 0, 1, 0, 32, 0, 1, 0]);
        body.extend(self.setup.token_bytes(32));
        body.extend([0, 0]);
        // LZNT1, which all that compress know.
        body.extend([3, 0, 10, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
        self.message(NEGOTIATE, &body)
    }

    fn login(&mut self, token: &[u8]) -> Step {
        let mut body = vec![25, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 88, 0];
        body.extend((token.len() as u16).to_le_bytes());
        body.extend([0; 8]);
        body.extend(token);
        self.message(SESSION_SETUP, &body)
    }

    fn take(&mut self, answer: &Answer<'_>, learned: &mut Learned) -> Step {
        match (self.stage, answer.command) {
            (Stage::Negotiate, NEGOTIATE) if answer.status == 0 => {
                if let Some(agreed) = compression(answer) {
                    learned.set("smb.compression", agreed);
                }
                self.stage = Stage::Challenge;
                let token = ntlm::first_token(&ntlm::negotiate());
                self.login(&token)
            }
            (Stage::Challenge, SESSION_SETUP) if answer.status == MORE_PROCESSING => {
                if let Some(challenge) = ntlm::challenge(answer.message) {
                    challenge.tell("smb", learned);
                }
                if !self.setup.may(Consent::Auth) {
                    learned.untested("smb.null_session", "the profile gives no consent to `auth`");
                    return Step::Done;
                }
                self.id = answer.session;
                self.stage = Stage::Login;
                let token = ntlm::next_token(&ntlm::anonymous());
                self.login(&token)
            }
            (Stage::Login, SESSION_SETUP) => {
                learned.set("smb.null_session", answer.status == 0);
                if answer.status != 0 {
                    return Step::Done;
                }
                let mut body = answer.body;
                // Bit 0: it was made a guest's. MS-SMB2 2.2.6.
                let flags = body.le16().and_then(|_| body.le16());
                learned.set("smb.guest", flags.is_some_and(|f| f & 1 != 0));
                self.stage = Stage::Logoff;
                self.message(LOGOFF, &[4, 0, 0, 0])
            }
            (Stage::Logoff, _) => Step::Done,
            _ => {
                learned.untested("smb.session", "it was answered with something else");
                Step::Done
            }
        }
    }
}

impl Conversation for Session {
    fn step(&mut self, event: Event<'_>, learned: &mut Learned) -> Step {
        match event {
            Event::Open => self.negotiate(),
            Event::Data(bytes) => match answer(bytes) {
                Some(answer) => self.take(&answer, learned),
                None if bytes.len() < MOST_BYTES => Step::Wait,
                None => Step::Done,
            },
            Event::Silent | Event::Closed | Event::NoTls => {
                match self.stage {
                    // A server of version 1 alone.
                    Stage::Negotiate | Stage::Challenge => learned.untested("smb.session", "no answer"),
                    Stage::Login => learned.untested("smb.null_session", "no answer"),
                    Stage::Logoff => {}
                }
                Step::Done
            }
        }
    }
}
