//! Android debug bridge: the connection message, which a device answers by itself or asks for a key. AOSP,
//! `packages/modules/adb/protocol.txt`.

use super::evidence::Recognised;
use super::octets::{Octets, text};
use super::services::{Heard, Likeness, Service};
use super::turns::{self, Talk, Turn, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "adb",
    ports: &[5555],
    hello: |_| hello(),
    recognise: |heard: &Heard<'_>| -> Likeness { sure(message(heard.bytes).is_some()) },
    start: |setup| turns::speak("adb", setup, hello(), connected),
    ..turns::CLIENT
};

const CONNECT: u32 = u32::from_le_bytes(*b"CNXN");
const AUTH: u32 = u32::from_le_bytes(*b"AUTH");
const START_TLS: u32 = u32::from_le_bytes(*b"STLS");
const BANNER: &[u8] = b"host::\0";

fn hello() -> Vec<u8> {
    let sum: u32 = BANNER.iter().map(|b| u32::from(*b)).sum();
    let head = [CONNECT, 0x0100_0000, 4_096, BANNER.len() as u32, sum, !CONNECT];
    head.iter().flat_map(|n| n.to_le_bytes()).chain(BANNER.iter().copied()).collect()
}

/// Command and as much of its data as has come.
fn message(bytes: &[u8]) -> Option<(u32, usize, &[u8])> {
    let mut octets = Octets(bytes);
    let command = octets.le32()?;
    octets.take(8)?;
    let (length, _sum, magic) = (octets.le32()? as usize, octets.le32()?, octets.le32()?);
    let known = matches!(command, CONNECT | AUTH | START_TLS);
    (known && magic == !command && length <= 4_096).then_some((command, length, octets.0))
}

fn connected(talk: &mut Talk<'_>) -> Turn {
    let Some((command, length, data)) = message(talk.bytes) else {
        return if talk.ended || talk.bytes.len() >= 24 { Turn::Done } else { Turn::More };
    };
    let mut service = Recognised::named("adb", "answer to a connection");
    if command == CONNECT {
        if data.len() < length && !talk.ended {
            return Turn::More;
        }
        let banner = text(data.get(..length).unwrap_or(data));
        let model = banner.split([':', ';']).find_map(|p| p.strip_prefix("ro.product.model="));
        service.product = model.map(str::to_owned);
        talk.learned.set("adb.banner", banner);
    }
    talk.learned.service = Some(service);
    talk.learned.set("adb.auth_required", command != CONNECT);
    // A challenge for a key is of no use to anybody, and is not kept.
    talk.learned.extract("answer to a connection", talk.bytes.get(..24).unwrap_or_default());
    Turn::Done
}
