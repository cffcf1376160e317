//! Kafka: the versions of its requests, and whether brokers are told to a stranger. Kafka protocol guide, `ApiVersions`
//! (key 18) version 0 and `Metadata` (key 3) version 1.

use super::evidence::Recognised;
use super::octets::Octets;
use super::services::{Heard, Likeness, Service};
use super::turns::{self, Talk, Turn, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "kafka",
    ports: &[9092, 9093, 9094],
    in_tls: true,
    hello: |_| request(18, 0, VERSIONS, &[]),
    recognise: |heard: &Heard<'_>| -> Likeness { sure(versions(heard.bytes).is_some()) },
    start: |setup| turns::speak("kafka", setup, request(18, 0, VERSIONS, &[]), asked),
    ..turns::CLIENT
};

const VERSIONS: u32 = 0x7061_6c31;
const METADATA: u32 = 0x7061_6c32;
const MOST_BYTES: usize = 64 << 10;

fn request(key: u16, version: u16, id: u32, body: &[u8]) -> Vec<u8> {
    let client = b"palisade";
    let mut inner = [key.to_be_bytes(), version.to_be_bytes()].concat();
    inner.extend(id.to_be_bytes());
    inner.extend((client.len() as u16).to_be_bytes());
    inner.extend(client);
    inner.extend(body);
    [&(inner.len() as u32).to_be_bytes()[..], &inner].concat()
}

fn body(bytes: &[u8], id: u32) -> Option<Octets<'_>> {
    let mut octets = Octets(bytes);
    let length = octets.be32()? as usize;
    let mut inner = Octets(octets.take(length).filter(|b| b.len() <= MOST_BYTES)?);
    (inner.be32()? == id).then_some(inner)
}

/// Requests that it knows.
fn versions(bytes: &[u8]) -> Option<u32> {
    let mut octets = body(bytes, VERSIONS)?;
    let (error, count) = (octets.be16()?, octets.be32()?);
    (matches!(error, 0 | 35) && octets.0.len() == (count as usize).checked_mul(6)?).then_some(count)
}

fn partial(talk: &Talk<'_>) -> Turn {
    let length = Octets(talk.bytes).be32().unwrap_or_default() as usize;
    let more = talk.ended || (length <= MOST_BYTES && talk.bytes.len() < length + 4);
    if more { Turn::More } else { Turn::Done }
}

fn asked(talk: &mut Talk<'_>) -> Turn {
    let Some(count) = versions(talk.bytes) else { return partial(talk) };
    let mut service = Recognised::named("kafka", "answer to ApiVersions");
    service.product = Some("Kafka".into());
    talk.learned.service = Some(service);
    talk.learned.set("kafka.requests", i64::from(count));
    talk.learned.extract("answer to ApiVersions", talk.bytes);
    // No topics.
    Turn::Ask(request(3, 1, METADATA, &[0; 4]), brokers)
}

fn brokers(talk: &mut Talk<'_>) -> Turn {
    if talk.closed {
        // A listener that wants a login closes on every other request; other faults do the same, so it stays unknown.
        talk.learned.untested("kafka.auth_required", "it closed instead of answering");
        return Turn::Done;
    }
    let Some(mut octets) = body(talk.bytes, METADATA) else { return partial(talk) };
    if let Some(count) = octets.be32().filter(|n| *n <= 10_000) {
        talk.learned.set("kafka.auth_required", false);
        talk.learned.set("kafka.brokers", i64::from(count));
    }
    Turn::Done
}
