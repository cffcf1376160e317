//! MySQL and MariaDB: the greeting alone; no login is begun. A server counts a connection that ends after the greeting as
//! one error of this client's, so there is only one. MySQL Internals, "Protocol::HandshakeV10".

use super::evidence::Recognised;
use super::octets::{Octets, printable, text};
use super::services::{Heard, Likeness, Service};
use super::turns::{self, Talk, Turn, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "mysql",
    ports: &[3306, 3307],
    recognise,
    start: |setup| turns::listen("mysql", setup, greeting),
    ..turns::SERVER
};

/// `CLIENT_SSL`.
const TLS: u32 = 0x0800;
/// `CLIENT_PLUGIN_AUTH`.
const PLUGIN: u32 = 0x0008_0000;
/// Bytes of a greeting that are read; real ones have about a hundred.
const MOST_BYTES: usize = 1_024;

/// Payload of the first packet: three bytes of length, and the number zero.
fn packet(bytes: &[u8]) -> Option<&[u8]> {
    let mut octets = Octets(bytes);
    let [a, b, c, 0] = octets.take(4)? else { return None };
    let length = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
    octets.take(length).filter(|p| p.len() <= MOST_BYTES)
}

struct Greeting {
    version: String,
    capabilities: u32,
    plugin: Option<String>,
}

fn read(payload: &[u8]) -> Option<Greeting> {
    let mut octets = Octets(payload);
    let (10, version) = (octets.byte()?, octets.until_zero()?) else { return None };
    if !printable(version) || !version.first()?.is_ascii_digit() {
        return None;
    }
    octets.take(4 + 8 + 1)?;
    let low = u32::from(octets.le16()?);
    let mut greeting = Greeting { version: text(version), capabilities: low, plugin: None };
    // Servers before 4.1 end here.
    let more = octets.take(3).and_then(|_| octets.le16());
    greeting.capabilities |= more.map_or(0, |high| u32::from(high) << 16);
    if greeting.capabilities & PLUGIN != 0
        && let Some(salt) = octets.byte()
    {
        let second = usize::from(salt).saturating_sub(8).max(13);
        let name = octets.take(10 + second).map(|_| octets.0.split(|b| *b == 0).next().unwrap_or_default());
        greeting.plugin = name.filter(|n| printable(n)).map(text);
    }
    Some(greeting)
}

/// An error in place of the greeting: code and words. "ERR_Packet".
fn refusal(payload: &[u8]) -> Option<(u16, &[u8])> {
    let mut octets = Octets(payload);
    let (0xff, code) = (octets.byte()?, octets.le16()?) else { return None };
    let words = if octets.0.starts_with(b"#") { octets.0.get(6..)? } else { octets.0 };
    // Host blocked, host not privileged, too many connections.
    (matches!(code, 1129 | 1130 | 1040) && printable(words)).then_some((code, words))
}

fn recognise(heard: &Heard<'_>) -> Likeness {
    let Some(payload) = packet(heard.bytes) else { return Likeness::No };
    sure(read(payload).is_some() || refusal(payload).is_some())
}

fn greeting(talk: &mut Talk<'_>) -> Turn {
    let Some(payload) = packet(talk.bytes) else {
        return if talk.bytes.len() > MOST_BYTES { Turn::Done } else { Turn::More };
    };
    let mut service = Recognised::named("mysql", "greeting");
    if let Some(greeting) = read(payload) {
        // MariaDB stands behind a version that old replicas can read.
        let maria = greeting.version.contains("MariaDB");
        let shown = greeting.version.strip_prefix("5.5.5-").filter(|_| maria).unwrap_or(&greeting.version).to_owned();
        service.product = Some(if maria { "MariaDB" } else { "MySQL" }.to_owned());
        service.version = shown.split('-').next().map(str::to_owned);
        talk.learned.set("mysql.version", shown);
        talk.learned.set("mysql.tls_offered", greeting.capabilities & TLS != 0);
        if let Some(plugin) = greeting.plugin {
            talk.learned.set("mysql.auth_plugin", plugin);
        }
    } else if let Some((_, words)) = refusal(payload) {
        talk.learned.set("mysql.refused", text(words));
        if words.windows(7).any(|w| w == b"MariaDB") {
            service.product = Some("MariaDB".into());
        }
    } else {
        return Turn::Done;
    }
    talk.learned.service = Some(service);
    talk.learned.extract("greeting", talk.bytes);
    Turn::Done
}
