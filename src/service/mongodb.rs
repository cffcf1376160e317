//! MongoDB: who it is, its version, and whether the names of databases are told to a stranger; of those the count is
//! kept. MongoDB manual, "MongoDB Wire Protocol"; bsonspec.org, version 1.1.

use super::evidence::Recognised;
use super::octets::{Octets, printable, text};
use super::services::{Heard, Likeness, Service};
use super::turns::{self, Talk, Turn, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "mongodb",
    ports: &[27017, 27018, 27019],
    in_tls: true,
    hello: |_| hello(),
    recognise,
    start: |setup| turns::speak("mongodb", setup, hello(), first),
    ..turns::CLIENT
};

/// Bytes of an answer that are read.
const MOST_BYTES: usize = 64 << 10;
/// Fields of one document that are looked at.
const MOST_FIELDS: usize = 512;
const REPLY: u32 = 1;
const QUERY: u32 = 2004;
const MSG: u32 = 2013;

fn message(id: u32, code: u32, body: &[u8]) -> Vec<u8> {
    let mut out = (body.len() as u32 + 16).to_le_bytes().to_vec();
    out.extend([id.to_le_bytes(), [0; 4], code.to_le_bytes()].concat());
    out.extend_from_slice(body);
    out
}

/// A document of numbers, flags and one text, each written out by its caller.
fn document(fields: &[&[u8]]) -> Vec<u8> {
    let body = fields.concat();
    [&(body.len() as u32 + 5).to_le_bytes()[..], &body, &[0]].concat()
}

/// `isMaster` in the form that servers of every version take for a first question.
fn hello() -> Vec<u8> {
    let asked = document(&[b"\x10isMaster\0\x01\0\0\0"]);
    message(1, QUERY, &[&[0; 4][..], b"admin.$cmd\0", &[0; 4], &[0xff; 4], &asked].concat())
}

fn command(id: u32, fields: &[&[u8]]) -> Vec<u8> {
    let admin: &[u8] = b"\x02$db\0\x06\0\0\0admin\0";
    message(id, MSG, &[&[0; 5][..], &document(&[fields, &[admin]].concat())].concat())
}

enum Value<'a> {
    Number(i64),
    Text(&'a [u8]),
    Inner(&'a [u8]),
    Other,
}

/// The document in an answer to the question `id`; none where it is no such answer or not whole.
fn answer(bytes: &[u8], id: u32) -> Option<&[u8]> {
    let mut octets = Octets(bytes);
    let length = octets.le32()? as usize;
    octets.le32()?;
    let (to, code) = (octets.le32()?, octets.le32()?);
    if to != id || length > MOST_BYTES || bytes.len() < length {
        return None;
    }
    match code {
        REPLY => octets.take(20)?,
        MSG => octets.take(5)?,
        _ => return None,
    };
    let size = Octets(octets.0).le32()? as usize;
    octets.take(size)
}

fn fields(document: &[u8]) -> Vec<(&[u8], Value<'_>)> {
    let mut octets = Octets(document.get(4..).unwrap_or_default());
    let mut all = Vec::new();
    while all.len() < MOST_FIELDS {
        let Some(found) = element(&mut octets) else { break };
        all.push(found);
    }
    all
}

fn element<'a>(octets: &mut Octets<'a>) -> Option<(&'a [u8], Value<'a>)> {
    let kind = octets.byte().filter(|k| *k != 0)?;
    let name = octets.until_zero()?;
    let value = match kind {
        0x01 => Value::Number(f64::from_bits(u64::from(octets.le32()?) | u64::from(octets.le32()?) << 32) as i64),
        0x02 => {
            let n = octets.le32()? as usize;
            Value::Text(octets.take(n)?.strip_suffix(&[0])?)
        }
        0x03 | 0x04 => {
            let n = Octets(octets.0).le32()? as usize;
            Value::Inner(octets.take(n)?)
        }
        0x05 => {
            let n = octets.le32()? as usize;
            octets.take(n.checked_add(1)?)?;
            Value::Other
        }
        0x07 => octets.take(12).map(|_| Value::Other)?,
        0x08 => Value::Number(octets.byte()?.into()),
        0x09 | 0x11 => octets.take(8).map(|_| Value::Other)?,
        0x0a => Value::Other,
        0x10 => Value::Number(i64::from(octets.le32()? as i32)),
        0x12 => Value::Number((u64::from(octets.le32()?) | u64::from(octets.le32()?) << 32) as i64),
        0x13 => octets.take(16).map(|_| Value::Other)?,
        _ => return None,
    };
    Some((name, value))
}

fn number(document: &[u8], name: &[u8]) -> Option<i64> {
    fields(document).into_iter().find_map(|(n, v)| match v {
        Value::Number(v) if n == name => Some(v),
        _ => None,
    })
}

fn recognise(heard: &Heard<'_>) -> Likeness {
    let told = answer(heard.bytes, 1).is_some_and(|d| {
        fields(d).iter().any(|(n, _)| [&b"ismaster"[..], b"isWritablePrimary", b"errmsg"].contains(n))
    });
    sure(heard.hello == Some("mongodb") && told)
}

fn partial(talk: &Talk<'_>) -> Turn {
    let length = Octets(talk.bytes).le32().unwrap_or(16) as usize;
    if talk.bytes.len() < length && length <= MOST_BYTES { Turn::More } else { Turn::Done }
}

fn first(talk: &mut Talk<'_>) -> Turn {
    let heard = Heard { hello: Some("mongodb"), sent: &[], bytes: talk.bytes };
    if recognise(&heard) == Likeness::No {
        return partial(talk);
    }
    let Some(document) = answer(talk.bytes, 1) else { return Turn::Done };
    talk.learned.service = Some(Recognised::named("mongodb", "answer to isMaster"));
    talk.learned.extract("answer to isMaster", talk.bytes);
    // Wire version 6 is 3.6, the first that takes the newer messages.
    match number(document, b"maxWireVersion") {
        Some(6..) => Turn::Ask(command(2, &[b"\x10buildInfo\0\x01\0\0\0"]), build),
        _ => Turn::Done,
    }
}

fn build(talk: &mut Talk<'_>) -> Turn {
    let Some(document) = answer(talk.bytes, 2) else { return partial(talk) };
    let version = fields(document).into_iter().find_map(|(n, v)| match v {
        Value::Text(v) if n == b"version" && printable(v) => Some(text(v)),
        _ => None,
    });
    if let Some(version) = version {
        talk.learned.set("mongodb.version", version.as_str());
        if let Some(service) = &mut talk.learned.service {
            service.product = Some("MongoDB".into());
            service.version = Some(version);
        }
    }
    Turn::Ask(command(3, &[b"\x10listDatabases\0\x01\0\0\0", b"\x08nameOnly\0\x01"]), databases)
}

fn databases(talk: &mut Talk<'_>) -> Turn {
    let Some(document) = answer(talk.bytes, 3) else { return partial(talk) };
    match (number(document, b"ok"), number(document, b"code")) {
        (Some(1), _) => {
            talk.learned.set("mongodb.auth_required", false);
            let count = fields(document).into_iter().find_map(|(n, v)| match v {
                Value::Inner(v) if n == b"databases" => Some(fields(v).len()),
                _ => None,
            });
            if let Some(count) = count {
                talk.learned.set("mongodb.databases", count as i64);
            }
        }
        // Unauthorized, AuthenticationFailed, and the newer code for requests that need a login.
        (_, Some(13 | 18)) => talk.learned.set("mongodb.auth_required", true),
        _ => talk.learned.untested("mongodb.auth_required", "listDatabases failed for another reason"),
    }
    Turn::Done
}
