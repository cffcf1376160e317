//! RDP: which security the server agrees to, one connection for each; nothing is sent after that. MS-RDPBCGR 2.2.1.1 and
//! 2.2.1.2.

use super::evidence::Recognised;
use super::octets::Octets;
use super::rdp_names;
use super::services::{Heard, Likeness, Service, Setup};
use super::turns::{self, Talk, Turn, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "rdp",
    ports: &[3389, 3388],
    hello: |_| request(TLS | NLA),
    recognise: |heard: &Heard<'_>| -> Likeness { sure(confirm(heard.bytes).is_some()) },
    start: |setup| turns::speak("rdp", setup, request(TLS | NLA), best),
    beside: rdp_names::beside,
    starttls: Some(|setup: &Setup| turns::speak("rdp", setup, request(TLS | NLA), lead)),
    ..turns::CLIENT
};

const CLEAR: u8 = 0;
pub(super) const TLS: u8 = 1;
pub(super) const NLA: u8 = 2;
/// `HYBRID_REQUIRED_BY_SERVER`.
const NLA_REQUIRED: u32 = 5;

pub(super) fn request(protocols: u8) -> Vec<u8> {
    vec![3, 0, 0, 19, 14, 0xe0, 0, 0, 0, 0, 0, 1, 0, 8, 0, protocols, 0, 0, 0]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// Servers older than the negotiation say nothing of it.
    Old,
    Chosen(u32),
    Refused(u32),
}

/// A connection confirm, and what was chosen.
fn confirm(bytes: &[u8]) -> Option<Choice> {
    let mut octets = Octets(bytes);
    let (3, 0) = (octets.byte()?, octets.byte()?) else { return None };
    let length = usize::from(octets.be16()?);
    let (indicator, code) = (usize::from(octets.byte()?), octets.byte()?);
    if code != 0xd0 || indicator + 5 != length || !matches!(length, 11 | 19) {
        return None;
    }
    octets.take(5)?;
    if length == 11 {
        return Some(Choice::Old);
    }
    let (kind, _flags, 8) = (octets.byte()?, octets.byte()?, octets.le16()?) else { return None };
    let value = octets.le32()?;
    match kind {
        2 => Some(Choice::Chosen(value)),
        3 => Some(Choice::Refused(value)),
        _ => None,
    }
}

/// Whether network level authentication was chosen; none where that cannot be told yet, or at all.
pub(super) fn nla_chosen(bytes: &[u8]) -> Option<bool> {
    confirm(bytes).map(|choice| matches!(choice, Choice::Chosen(2 | 8)))
}

fn lead(talk: &mut Talk<'_>) -> Turn {
    match confirm(talk.bytes) {
        Some(Choice::Chosen(1..)) => Turn::Tls,
        Some(_) => Turn::Done,
        None => Turn::More,
    }
}

fn add(talk: &mut Talk<'_>, what: &str) {
    let mut all = talk.learned.facts.list("rdp.protocols").unwrap_or_default().to_vec();
    if !all.iter().any(|p| p == what) {
        all.push(what.to_owned());
    }
    all.sort_by_key(|p| ["rdp", "tls", "nla"].iter().position(|q| q == p));
    talk.learned.set("rdp.protocols", all);
}

fn best(talk: &mut Talk<'_>) -> Turn {
    let Some(choice) = confirm(talk.bytes) else {
        return if talk.bytes.len() < 19 { Turn::More } else { Turn::Done };
    };
    talk.learned.service = Some(Recognised::named("rdp", "connection confirm"));
    talk.learned.extract("connection confirm", talk.bytes);
    match choice {
        Choice::Old => {
            add(talk, "rdp");
            talk.learned.set("rdp.nla_required", false);
            return Turn::Done;
        }
        Choice::Chosen(2 | 8) => {
            add(talk, "nla");
            talk.learned.set("rdp.starttls", true);
        }
        Choice::Chosen(1) => {
            add(talk, "tls");
            talk.learned.set("rdp.starttls", true);
        }
        Choice::Chosen(_) | Choice::Refused(_) => {}
    }
    Turn::Again(request(TLS), only_tls)
}

fn only_tls(talk: &mut Talk<'_>) -> Turn {
    match confirm(talk.bytes) {
        Some(Choice::Chosen(1)) => {
            add(talk, "tls");
            talk.learned.set("rdp.nla_required", false);
        }
        Some(Choice::Refused(NLA_REQUIRED)) => talk.learned.set("rdp.nla_required", true),
        Some(_) => {}
        None if !talk.ended && talk.bytes.len() < 19 => return Turn::More,
        None => talk.learned.untested("rdp.protocols tls", "no answer"),
    }
    Turn::Again(request(CLEAR), only_clear)
}

fn only_clear(talk: &mut Talk<'_>) -> Turn {
    match confirm(talk.bytes) {
        Some(Choice::Chosen(0) | Choice::Old) => {
            add(talk, "rdp");
            talk.learned.set("rdp.nla_required", false);
        }
        Some(_) => {}
        None if !talk.ended && talk.bytes.len() < 19 => return Turn::More,
        None => talk.learned.untested("rdp.protocols rdp", "no answer"),
    }
    Turn::Done
}
