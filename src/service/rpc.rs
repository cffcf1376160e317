//! ONC RPC: the port mapper's list of programs, over TCP and UDP, and the empty procedure of NFS. RFC 5531 9, RFC 1833 3,
//! RFC 1813 3.3.

use super::evidence::Recognised;
use super::octets::Octets;
use super::services::{Heard, Likeness, Service, Setup};
use super::turns::{self, Talk, Turn, sure};

/// The row of the port mapper.
pub const SERVICE: Service = Service {
    name: "rpc",
    ports: &[111],
    hello: |setup| marked(&dump(setup)),
    recognise: |heard| sure(heard.hello == Some("rpc") && listed(unmarked(heard.bytes)) && heard.returns(4..8, 4..8)),
    start: |setup| turns::speak("rpc", setup, marked(&dump(setup)), |talk| programs(talk, unmarked(talk.bytes))),
    ..turns::CLIENT
};

/// The same in datagrams.
pub const DATAGRAMS: Service = Service {
    name: "rpc",
    ports: &[111],
    hello: dump,
    recognise: |heard| sure(heard.hello == Some("rpc") && listed(Some(heard.bytes)) && heard.returns(0..4, 0..4)),
    start: |setup| turns::datagrams("rpc", setup, dump(setup), |talk| programs(talk, Some(talk.bytes))),
    ..turns::DATAGRAM
};

/// The row of NFS.
pub const NFS: Service = Service {
    name: "nfs",
    ports: &[2049],
    hello: |setup| marked(&null(setup)),
    recognise: |heard: &Heard<'_>| -> Likeness {
        let reply = unmarked(heard.bytes).and_then(reply);
        sure(heard.hello == Some("nfs") && reply.is_some_and(|r| matches!(r.status, 0 | 2) && r.rest.0.len() <= 8))
    },
    start: |setup| turns::speak("nfs", setup, marked(&null(setup)), versions),
    ..turns::CLIENT
};

/// Programs that are kept.
const MOST_PROGRAMS: usize = 256;
const MOST_BYTES: usize = 32 << 10;

pub(super) fn id(setup: &Setup) -> u32 {
    setup.token as u32
}

/// A call without credentials. RFC 5531 9.
pub(super) fn call(id: u32, program: u32, version: u32, procedure: u32) -> Vec<u8> {
    [id, 0, 2, program, version, procedure, 0, 0, 0, 0].iter().flat_map(|n| n.to_be_bytes()).collect()
}

fn dump(setup: &Setup) -> Vec<u8> {
    call(id(setup), 100_000, 2, 4)
}

fn null(setup: &Setup) -> Vec<u8> {
    call(id(setup), 100_003, 3, 0)
}

/// One fragment, the last. RFC 5531 11.
pub(super) fn marked(message: &[u8]) -> Vec<u8> {
    [&(0x8000_0000 | message.len() as u32).to_be_bytes()[..], message].concat()
}

pub(super) fn unmarked(bytes: &[u8]) -> Option<&[u8]> {
    let mut octets = Octets(bytes);
    let mark = octets.be32()?;
    let length = (mark & 0x7fff_ffff) as usize;
    (mark >> 31 == 1 && length <= MOST_BYTES).then(|| octets.take(length))?
}

pub(super) struct Reply<'a> {
    pub(super) id: u32,
    /// 0 success, 1 no such program, 2 no such version.
    pub(super) status: u32,
    pub(super) rest: Octets<'a>,
}

/// An accepted reply.
pub(super) fn reply(bytes: &[u8]) -> Option<Reply<'_>> {
    let mut octets = Octets(bytes);
    let (id, 1, 0) = (octets.be32()?, octets.be32()?, octets.be32()?) else { return None };
    let (_flavour, length @ ..=400) = (octets.be32()?, octets.be32()?) else { return None };
    octets.take((length as usize).next_multiple_of(4))?;
    let status = octets.be32().filter(|s| *s <= 5)?;
    Some(Reply { id, status, rest: octets })
}

/// Program, version, protocol, port; each behind a one, a zero at the end. RFC 1833 3.1.
fn list(mut octets: Octets<'_>) -> Option<Vec<[u32; 4]>> {
    let mut all = Vec::new();
    while octets.be32()? == 1 {
        all.push([octets.be32()?, octets.be32()?, octets.be32()?, octets.be32()?]);
        if all.len() == MOST_PROGRAMS {
            break;
        }
    }
    Some(all)
}

/// The port mapper lists itself.
fn listed(bytes: Option<&[u8]>) -> bool {
    let mapped = bytes.and_then(reply).filter(|r| r.status == 0).and_then(|r| list(r.rest));
    mapped.is_some_and(|all| all.iter().any(|[program, ..]| *program == 100_000))
}

/// Numbers of RFC 5531's registry that are met on open networks.
fn name(program: u32) -> String {
    let known = match program {
        100_000 => "portmapper",
        100_003 => "nfs",
        100_004 => "ypserv",
        100_005 => "mountd",
        100_007 => "ypbind",
        100_011 => "rquotad",
        100_021 => "nlockmgr",
        100_024 => "status",
        100_227 => "nfs_acl",
        other => return other.to_string(),
    };
    known.to_owned()
}

fn programs(talk: &mut Talk<'_>, bytes: Option<&[u8]>) -> Turn {
    let found = bytes.and_then(reply).filter(|r| r.id == id(talk.setup)).and_then(|r| list(r.rest));
    let Some(all) = found.filter(|_| listed(bytes)) else {
        return if talk.bytes.len() > MOST_BYTES || talk.ended { Turn::Done } else { Turn::More };
    };
    let mut shown: Vec<String> = all
        .iter()
        .map(|[program, version, protocol, port]| {
            let protocol = match protocol {
                6 => "tcp".to_owned(),
                17 => "udp".to_owned(),
                other => other.to_string(),
            };
            format!("{} {version} {protocol}/{port}", name(*program))
        })
        .collect();
    shown.dedup();
    talk.learned.service = Some(Recognised::named("rpc", "list of programs"));
    talk.learned.set("rpc.programs", shown);
    talk.learned.extract("list of programs", talk.bytes);
    Turn::Done
}

fn versions(talk: &mut Talk<'_>) -> Turn {
    let Some(mut reply) = unmarked(talk.bytes).and_then(reply) else {
        return if talk.bytes.len() > MOST_BYTES { Turn::Done } else { Turn::More };
    };
    if reply.id != id(talk.setup) || !matches!(reply.status, 0 | 2) {
        return Turn::Done;
    }
    talk.learned.service = Some(Recognised::named("nfs", "answer to the empty procedure"));
    talk.learned.extract("answer to the empty procedure", talk.bytes);
    if reply.status == 0 {
        talk.learned.set("nfs.versions", vec!["3".to_owned()]);
    } else if let (Some(low), Some(high @ ..=9)) = (reply.rest.be32(), reply.rest.be32()) {
        talk.learned.set("nfs.versions", (low..=high).map(|v| v.to_string()).collect::<Vec<_>>());
    }
    Turn::Done
}
