//! NATS: the line `INFO` that greets. `docs.nats.io`, "NATS Protocol".

use super::evidence::Recognised;
use super::octets::{json, text};
use super::services::{Heard, Likeness, Service};
use super::turns::{self, Talk, Turn, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "nats",
    ports: &[4222],
    recognise: |heard: &Heard<'_>| -> Likeness {
        sure(heard.bytes.starts_with(b"INFO {") && heard.bytes.windows(11).any(|w| w == b"\"server_id\""))
    },
    start: |setup| turns::listen("nats", setup, greeting),
    ..turns::SERVER
};

/// Longest line that is waited for.
const MOST_BYTES: usize = 16 << 10;

fn greeting(talk: &mut Talk<'_>) -> Turn {
    let Some(end) = talk.bytes.iter().position(|b| *b == b'\n') else {
        return if talk.bytes.len() > MOST_BYTES { Turn::Done } else { Turn::More };
    };
    let line = String::from_utf8_lossy(talk.bytes.get(..end).unwrap_or_default()).into_owned();
    if !line.starts_with("INFO {") || json(&line, "server_id").is_none() {
        return Turn::Done;
    }
    let mut service = Recognised::named("nats", "greeting");
    service.product = Some("NATS".into());
    if let Some(version) = json(&line, "version").map(|v| text(v.as_bytes())) {
        talk.learned.set("nats.version", version.as_str());
        service.version = Some(version);
    }
    talk.learned.service = Some(service);
    // A flag that is off is left out.
    let on = |name: &str| json(&line, name) == Some("true");
    talk.learned.set("nats.auth_required", on("auth_required"));
    talk.learned.set("nats.tls_offered", on("tls_available") || on("tls_required"));
    talk.learned.set("nats.tls_required", on("tls_required"));
    talk.learned.extract("greeting", talk.bytes);
    Turn::Done
}
