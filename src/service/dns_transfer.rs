//! DNS zone transfers: asked for the zones that the target's name can lie in, and left at the first records. RFC 5936 2.2.

use super::conversation::{Conversation, Event, Learned, Step};
use super::dns::{first_kind, framed, inner, question, reply};
use super::services::{Dialogues, Setup};

const AXFR: u16 = 252;
const SOA: u16 = 6;
const IN: u16 = 1;
/// Zones that are tried.
const MOST_ZONES: usize = 3;
/// Bytes of one transfer after which it has shown itself one way or the other.
const MOST_BYTES: usize = 64 << 10;

/// Held beside the conversation with a server over TCP.
pub(super) fn beside(setup: &Setup) -> Dialogues {
    let id = (setup.token >> 32) as u16;
    vec![("dns.transfer".into(), Box::new(Transfer { id, zones: zones(setup), at: 0, refused: 0 }))]
}

/// The zone that holds the name, those above it, and the name itself; each of at least two labels.
fn zones(setup: &Setup) -> Vec<String> {
    let Some(name) = setup.name.as_deref().map(|n| n.trim_end_matches('.').to_ascii_lowercase()) else {
        return Vec::new();
    };
    let labels: Vec<&str> = name.split('.').collect();
    let letters = |l: &str| l.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    let sound = |l: &&str| (1..=63).contains(&l.len()) && letters(l);
    if name.len() > 253 || !labels.iter().all(sound) || name.parse::<std::net::IpAddr>().is_ok() {
        return Vec::new();
    }
    let from = |n: usize| labels.get(n..).filter(|l| l.len() >= 2).map(|l| l.join("."));
    let mut all: Vec<String> = (1..labels.len()).filter_map(from).chain(from(0)).collect();
    all.truncate(MOST_ZONES);
    all
}

struct Transfer {
    id: u16,
    zones: Vec<String>,
    /// The zone that is asked for.
    at: usize,
    refused: usize,
}

/// What has come of an answer.
enum Found {
    Zone,
    Refusal,
    Part,
    Foreign,
}

impl Transfer {
    /// The SOA comes first, and again at the end: more than one record is the zone.
    fn read(&self, bytes: &[u8]) -> Found {
        let mut rest = bytes;
        let mut records = 0;
        while let Some(message) = inner(rest) {
            rest = rest.get(message.len() + 2..).unwrap_or_default();
            let Some(reply) = reply(message).filter(|r| r.id == self.id) else { return Found::Foreign };
            let soa = reply.answers > 0 && first_kind(&reply) == Some(SOA);
            if reply.flags & 0x000f != 0 || (records == 0 && !soa) {
                return Found::Refusal;
            }
            records += u32::from(reply.answers);
        }
        if records >= 2 { Found::Zone } else { Found::Part }
    }

    fn next(&mut self, learned: &mut Learned) -> Step {
        self.at += 1;
        if self.at < self.zones.len() {
            return Step::Reconnect;
        }
        // Refusals of all zones count as one; of fewer nothing is known.
        if self.refused == self.zones.len() {
            learned.set("dns.transfer", false);
        } else {
            learned.untested("dns.transfer", "not every question was answered");
        }
        Step::Done
    }
}

impl Conversation for Transfer {
    fn step(&mut self, event: Event<'_>, learned: &mut Learned) -> Step {
        let Some(zone) = self.zones.get(self.at) else {
            learned.untested("dns.transfer", "the target has no name that a zone could be told from");
            return Step::Done;
        };
        let bytes = match event {
            Event::Open => {
                let labels: Vec<&str> = zone.split('.').collect();
                return Step::Send(framed(&question(self.id, &labels, AXFR, IN)));
            }
            Event::Data(bytes) => bytes,
            // Many servers close instead of refusing.
            Event::Closed => {
                self.refused += 1;
                return self.next(learned);
            }
            Event::Silent | Event::NoTls => return self.next(learned),
        };
        match self.read(bytes) {
            Found::Zone => {
                learned.set("dns.transfer", true);
                learned.set("dns.transfer_zone", zone.as_str());
                learned.extract("zone transfer", bytes.get(..bytes.len().min(64)).unwrap_or_default());
                Step::Done
            }
            Found::Part if bytes.len() < MOST_BYTES => Step::Wait,
            Found::Refusal => {
                self.refused += 1;
                self.next(learned)
            }
            Found::Part | Found::Foreign => self.next(learned),
        }
    }
}
