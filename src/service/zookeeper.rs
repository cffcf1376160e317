//! ZooKeeper: the four letters `srvr`. ZooKeeper Administrator's Guide, "The Four Letter Words".

use super::evidence::Recognised;
use super::octets::text;
use super::services::{Heard, Likeness, Service};
use super::turns::{self, Talk, Turn, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "zookeeper",
    ports: &[2181, 2182],
    hello: |_| b"srvr".to_vec(),
    recognise: |heard: &Heard<'_>| -> Likeness {
        sure(heard.bytes.starts_with(VERSION) || heard.bytes.starts_with(CLOSED))
    },
    start: |setup| turns::speak("zookeeper", setup, b"srvr".to_vec(), told),
    ..turns::CLIENT
};

const VERSION: &[u8] = b"Zookeeper version: ";
const CLOSED: &[u8] = b"srvr is not executed because it is not in the whitelist";

fn told(talk: &mut Talk<'_>) -> Turn {
    // The server closes behind its answer.
    if talk.ended {
        return Turn::Done;
    }
    let mut service = Recognised::named("zookeeper", "answer to srvr");
    if let Some(rest) = talk.bytes.strip_prefix(VERSION) {
        let Some(end) = rest.iter().position(|b| *b == b'\n') else {
            return if rest.len() > 1_024 { Turn::Done } else { Turn::More };
        };
        let line = text(rest.get(..end).unwrap_or_default());
        let version = line.split([',', '-']).next().unwrap_or_default().to_owned();
        service.product = Some("ZooKeeper".into());
        service.version = Some(version.clone());
        talk.learned.set("zookeeper.version", version);
        talk.learned.set("zookeeper.commands", true);
    } else if talk.bytes.starts_with(CLOSED) {
        talk.learned.set("zookeeper.commands", false);
    } else {
        return if talk.bytes.len() < CLOSED.len() { Turn::More } else { Turn::Done };
    }
    talk.learned.service = Some(service);
    talk.learned.extract("answer to srvr", talk.bytes);
    Turn::Done
}
