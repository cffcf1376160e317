//! SMB: dialects, one connection for each, signing, and whether version 1 is still spoken; no session is begun. MS-SMB2
//! 2.2.3 and 2.2.4, MS-CIFS 2.2.4.52.

use super::evidence::Recognised;
use super::octets::Octets;
use super::services::{Heard, Likeness, Service, Setup};
use super::turns::{self, Talk, Turn};

/// The row.
pub const SERVICE: Service = Service {
    name: "smb",
    ports: &[445],
    hello: |_| version1(&["NT LM 0.12", "SMB 2.002", "SMB 2.???"]),
    recognise,
    start: |setup| turns::speak("smb", setup, version1(&["NT LM 0.12", "SMB 2.002", "SMB 2.???"]), first),
    beside: super::smb_session::beside,
    ..turns::CLIENT
};

const DIALECTS: &[(u16, &str)] =
    &[(0x0202, "SMB 2.0.2"), (0x0210, "SMB 2.1"), (0x0300, "SMB 3.0"), (0x0302, "SMB 3.0.2"), (0x0311, "SMB 3.1.1")];
const OLD: &str = "NT LM 0.12";
/// Longest answer that is waited for.
const MOST_BYTES: usize = 4 << 10;

/// Direct TCP transport. MS-SMB2 2.1.
fn framed(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32).to_be_bytes()[..], body].concat()
}

/// A negotiation of version 1; with `SMB 2.???` in it a newer server answers in its own version. MS-SMB2 3.3.5.3.
fn version1(dialects: &[&str]) -> Vec<u8> {
    let list: Vec<u8> = dialects.iter().flat_map(|d| [&[2], d.as_bytes(), &[0]].concat()).collect();
    let mut body = b"\xffSMB\x72\0\0\0\0\x18\x53\xc8".to_vec();
    body.extend([0; 12]);
    body.extend([0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 0, 0]);
    body.extend((list.len() as u16).to_le_bytes());
    body.extend(list);
    framed(&body)
}

/// A negotiation of one dialect. MS-SMB2 2.2.1.2 and 2.2.3.
fn version2(dialect: u16, setup: &Setup) -> Vec<u8> {
    let mut body = b"\xfeSMB\x40\0\0\0\0\0\0\0\0\0\x1f\0".to_vec();
    body.extend([0; 48]);
    body.extend([36, 0, 1, 0, 1, 0, 0, 0]);
    body.extend([0; 4]);
    body.extend(setup.token_bytes(16));
    let newest = dialect == 0x0311;
    // Where contexts follow: one, at the first multiple of eight behind the dialect, which is byte 104. Samba takes no other.
    body.extend(if newest { [104, 0, 0, 0, 1, 0, 0, 0] } else { [0; 8] });
    body.extend(dialect.to_le_bytes());
    if newest {
        body.extend([0; 2]);
        // SHA-512 with a salt, the one context that must be there. 2.2.3.1.1.
        body.extend([1, 0, 38, 0, 0, 0, 0, 0, 1, 0, 32, 0, 1, 0]);
        body.extend(setup.token_bytes(32));
    }
    framed(&body)
}

enum Answer {
    /// Version 1, and whether a dialect was taken, and whether signing must be.
    Old { taken: bool, signing: bool },
    /// Version 2 or 3: dialect and signing.
    New { dialect: u16, signing: bool },
    /// Version 2 or 3 says no.
    Refused,
}

fn answer(bytes: &[u8]) -> Option<Answer> {
    let mut octets = Octets(bytes);
    let length = octets.be32()? as usize;
    let body = octets.take(length).filter(|b| b.len() <= MOST_BYTES)?;
    let mut octets = Octets(body);
    match octets.take(4)? {
        b"\xfeSMB" => {
            octets.take(4)?;
            let (status, command) = (octets.le32()?, octets.le16()?);
            if command != 0 {
                return None;
            }
            if status != 0 {
                return Some(Answer::Refused);
            }
            octets.take(50)?;
            let (65, mode, dialect) = (octets.le16()?, octets.le16()?, octets.le16()?) else { return None };
            Some(Answer::New { dialect, signing: mode & 2 != 0 })
        }
        b"\xffSMB" => {
            let 0x72 = octets.byte()? else { return None };
            octets.take(27)?;
            let words = octets.byte()?;
            let taken = words > 0 && octets.le16()? != 0xffff;
            let signing = words == 17 && octets.byte()? & 8 != 0;
            Some(Answer::Old { taken, signing })
        }
        _ => None,
    }
}

fn recognise(heard: &Heard<'_>) -> Likeness {
    if answer(heard.bytes).is_some() { Likeness::Sure } else { Likeness::No }
}

fn add(talk: &mut Talk<'_>, dialect: &str) {
    let mut all = talk.learned.facts.list("smb.dialects").unwrap_or_default().to_vec();
    if !all.iter().any(|d| d == dialect) {
        all.push(dialect.to_owned());
    }
    talk.learned.set("smb.dialects", all);
}

fn first(talk: &mut Talk<'_>) -> Turn {
    let Some(answer) = answer(talk.bytes) else {
        return if talk.bytes.len() > MOST_BYTES { Turn::Done } else { Turn::More };
    };
    talk.learned.service = Some(Recognised::named("smb", "answer to a negotiation"));
    talk.learned.extract("answer to a negotiation", talk.bytes);
    match answer {
        Answer::New { signing, .. } => talk.learned.set("smb.signing_required", signing),
        Answer::Old { taken: true, signing } => {
            talk.learned.set("smb.signing_required", signing);
        }
        Answer::Old { .. } | Answer::Refused => {}
    }
    Turn::Again(version1(&[OLD]), old)
}

/// Version 1 alone: a server without it closes, or says that no dialect fits.
fn old(talk: &mut Talk<'_>) -> Turn {
    match answer(talk.bytes) {
        Some(Answer::Old { taken, .. }) => {
            talk.learned.set("smb.v1", taken);
            if taken {
                add(talk, OLD);
            }
        }
        Some(_) => talk.learned.set("smb.v1", false),
        None if !talk.ended && talk.bytes.len() <= MOST_BYTES => return Turn::More,
        None if talk.closed => talk.learned.set("smb.v1", false),
        None => talk.learned.untested("smb.v1", "no answer"),
    }
    newer(talk, 0)
}

fn newer(talk: &mut Talk<'_>, at: usize) -> Turn {
    match DIALECTS.get(at) {
        Some((dialect, _)) => Turn::Again(version2(*dialect, talk.setup), new),
        None => Turn::Done,
    }
}

/// The first round was the hello, the second version 1.
fn new(talk: &mut Talk<'_>) -> Turn {
    let at = talk.round.saturating_sub(2);
    let Some((asked, name)) = DIALECTS.get(at).copied() else { return Turn::Done };
    match answer(talk.bytes) {
        Some(Answer::New { dialect, .. }) if dialect == asked => add(talk, name),
        Some(_) => {}
        None if !talk.ended && talk.bytes.len() <= MOST_BYTES => return Turn::More,
        // A server without the dialect may close; silence is said.
        None => talk.learned.untested(&format!("smb.dialects {name}"), "no answer"),
    }
    newer(talk, at + 1)
}
