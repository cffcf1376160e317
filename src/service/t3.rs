//! T3 of WebLogic: the text that opens a connection, and the version in its answer. Nothing is sent after it. Oracle,
//! "Configuring Network Resources", T3 protocol.

use super::evidence::Recognised;
use super::octets::text;
use super::services::{Heard, Likeness, Service};
use super::turns::{self, Talk, Turn, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "t3",
    ports: &[7001, 7002],
    in_tls: true,
    hello: |_| HELLO.to_vec(),
    recognise: |heard: &Heard<'_>| -> Likeness { sure(heard.hello == Some("t3") && heard.bytes.starts_with(b"HELO:")) },
    start: |setup| turns::speak("t3", setup, HELLO.to_vec(), greeted),
    ..turns::CLIENT
};

const HELLO: &[u8] = b"t3 12.2.1\nAS:255\nHL:19\nMS:10000000\n\n";

fn greeted(talk: &mut Talk<'_>) -> Turn {
    if !talk.bytes.starts_with(b"HELO:") {
        return if b"HELO:".starts_with(talk.bytes) && !talk.ended { Turn::More } else { Turn::Done };
    }
    let Some(line) = talk.bytes.split(|b| *b == b'\n').next().filter(|l| l.len() < talk.bytes.len()) else {
        return if talk.ended || talk.bytes.len() > 1_024 { Turn::Done } else { Turn::More };
    };
    // The version, and whether the server speaks an old dialect: `HELO:12.2.1.3.0.false`.
    let line = text(line.get(5..).unwrap_or_default());
    let version = line.trim_end_matches(".false").trim_end_matches(".true").to_owned();
    let mut service = Recognised::named("t3", "answer to a hello");
    service.product = Some("WebLogic".into());
    if version.starts_with(|c: char| c.is_ascii_digit()) {
        talk.learned.set("t3.version", version.as_str());
        service.version = Some(version);
    }
    talk.learned.service = Some(service);
    talk.learned.extract("answer to a hello", talk.bytes);
    Turn::Done
}
