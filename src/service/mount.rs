//! The mount daemon of NFS: its list of exports, which it gives to everybody. Nothing is mounted. RFC 1813 appendix I,
//! 5.0.3 and 5.2.5.

use super::evidence::Recognised;
use super::octets::{Octets, text};
use super::rpc::{call, id, marked, reply, unmarked};
use super::services::{Heard, Likeness, Service, Setup};
use super::turns::{self, Talk, Turn};

/// The row.
pub const SERVICE: Service = Service {
    name: "mount",
    ports: &[20048, 635],
    hello: |setup| marked(&question(setup)),
    recognise: |heard: &Heard<'_>| -> Likeness {
        let Some(reply) = unmarked(heard.bytes).and_then(reply) else { return Likeness::No };
        match (heard.hello, reply.status) {
            (Some("mount"), 0) if list(reply.rest).is_some() => Likeness::Maybe,
            // It knows nothing of what was asked: another program of the same kind.
            (Some("rpc" | "nfs"), 1) => Likeness::Maybe,
            _ => Likeness::No,
        }
    },
    start: |setup| turns::speak("mount", setup, marked(&question(setup)), exports),
    ..turns::CLIENT
};

/// The program, its third version, and EXPORT.
fn question(setup: &Setup) -> Vec<u8> {
    call(id(setup), 100_005, 3, 5)
}

const MOST_BYTES: usize = 32 << 10;
/// Exports, and groups of each, that are kept.
const MOST_EXPORTS: usize = 128;
const MOST_GROUPS: usize = 32;

/// A text of XDR: its length, and padding to four bytes. RFC 4506 4.11.
fn string<'a>(octets: &mut Octets<'a>) -> Option<&'a [u8]> {
    let length = octets.be32()? as usize;
    let value = (length <= 1_024).then(|| octets.take(length))??;
    octets.take(length.next_multiple_of(4) - length)?;
    Some(value)
}

/// Paths, each with the clients it is for; none for everybody.
fn list(mut octets: Octets<'_>) -> Option<Vec<String>> {
    let mut all = Vec::new();
    while octets.be32()? == 1 {
        let path = text(string(&mut octets)?);
        let mut groups = Vec::new();
        while octets.be32()? == 1 {
            let group = text(string(&mut octets)?);
            if groups.len() < MOST_GROUPS {
                groups.push(group);
            }
        }
        let to = if groups.is_empty() { "everybody".to_owned() } else { groups.join(" ") };
        if all.len() < MOST_EXPORTS {
            all.push(format!("{path} to {to}"));
        }
    }
    Some(all)
}

fn exports(talk: &mut Talk<'_>) -> Turn {
    let Some(reply) = unmarked(talk.bytes).and_then(reply) else {
        return if talk.ended || talk.bytes.len() > MOST_BYTES { Turn::Done } else { Turn::More };
    };
    if reply.id != id(talk.setup) || reply.status != 0 {
        return Turn::Done;
    }
    let Some(all) = list(reply.rest) else { return Turn::Done };
    talk.learned.service = Some(Recognised::named("mount", "list of exports"));
    talk.learned.set("nfs.exports", all);
    talk.learned.extract("list of exports", talk.bytes);
    Turn::Done
}
