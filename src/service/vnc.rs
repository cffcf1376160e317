//! VNC: version and security types; no type is chosen. RFC 6143 7.1.1 and 7.1.2.

use super::evidence::Recognised;
use super::octets::{Octets, text};
use super::services::{Heard, Likeness, Service};
use super::turns::{self, Talk, Turn, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "vnc",
    ports: &[5900, 5901, 5902, 5903],
    recognise: |heard: &Heard<'_>| -> Likeness { sure(version(heard.bytes).is_some()) },
    start: |setup| turns::listen("vnc", setup, greeting),
    ..turns::SERVER
};

/// `RFB 003.008` and a line feed.
fn version(bytes: &[u8]) -> Option<(u16, u16)> {
    let line = bytes.strip_prefix(b"RFB ")?.get(..8)?.strip_suffix(b"\n")?;
    let (major, minor) = std::str::from_utf8(line).ok()?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn greeting(talk: &mut Talk<'_>) -> Turn {
    let Some((major, minor)) = version(talk.bytes) else {
        return if talk.bytes.len() < 12 { Turn::More } else { Turn::Done };
    };
    talk.learned.service = Some(Recognised::named("vnc", "greeting"));
    talk.learned.set("vnc.version", format!("{major}.{minor}"));
    talk.learned.extract("greeting", talk.bytes);
    // What we say must not be above what the server said.
    match (major, minor) {
        (3, ..7) => Turn::Ask(b"RFB 003.003\n".to_vec(), one),
        (3, 7) => Turn::Ask(b"RFB 003.007\n".to_vec(), several),
        _ => Turn::Ask(b"RFB 003.008\n".to_vec(), several),
    }
}

fn name(kind: u8) -> String {
    let known = match kind {
        1 => "None",
        2 => "VNC Authentication",
        5 => "RA2",
        6 => "RA2ne",
        16 => "Tight",
        17 => "Ultra",
        18 => "TLS",
        19 => "VeNCrypt",
        20 => "SASL",
        21 => "MD5",
        22 => "xvp",
        other => return format!("type {other}"),
    };
    known.to_owned()
}

fn set(kinds: &[u8], talk: &mut Talk<'_>) {
    talk.learned.set("vnc.security", kinds.iter().map(|k| name(*k)).collect::<Vec<_>>());
    talk.learned.set("vnc.auth_required", !kinds.contains(&1));
}

fn refused(mut octets: Octets<'_>, talk: &mut Talk<'_>) -> Turn {
    let reason = octets.be32().and_then(|n| octets.take((n as usize).min(octets.0.len())));
    talk.learned.untested("vnc.security", &reason.map(text).unwrap_or_else(|| "it refuses".into()));
    Turn::Done
}

fn several(talk: &mut Talk<'_>) -> Turn {
    let mut octets = Octets(talk.bytes);
    match octets.byte() {
        None => return Turn::More,
        Some(0) => return refused(octets, talk),
        Some(n) => {
            let Some(kinds) = octets.take(n.into()) else { return Turn::More };
            set(kinds, talk);
        }
    }
    Turn::Done
}

/// Version 3.3: the server decides. RFC 6143 7.1.2 and appendix A.
fn one(talk: &mut Talk<'_>) -> Turn {
    let mut octets = Octets(talk.bytes);
    match octets.be32() {
        None => return Turn::More,
        Some(0) => return refused(octets, talk),
        Some(kind) => {
            if let Ok(kind) = u8::try_from(kind) {
                set(&[kind], talk);
            }
        }
    }
    Turn::Done
}
