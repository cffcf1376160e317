//! Microsoft SQL Server: the first message, which tells version and encryption; no login is begun. MS-TDS 2.2.6.5.

use super::evidence::Recognised;
use super::octets::Octets;
use super::services::{Heard, Likeness, Service};
use super::turns::{self, Talk, Turn, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "mssql",
    ports: &[1433],
    hello: |_| HELLO.to_vec(),
    recognise: |heard: &Heard<'_>| -> Likeness { sure(read(heard.bytes).is_some()) },
    start: |setup| turns::speak("mssql", setup, HELLO.to_vec(), answer),
    ..turns::CLIENT
};

/// Options version and encryption (off), and their end.
const HELLO: &[u8] = &[0x12, 1, 0, 26, 0, 0, 0, 0, 0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 0, 0, 0, 0, 0, 0, 0];

struct Prelogin {
    version: Option<(u8, u8, u16)>,
    encryption: u8,
}

/// Options stand first: kind, offset and length; then their data.
fn read(bytes: &[u8]) -> Option<Prelogin> {
    let mut octets = Octets(bytes);
    let (4, 1) = (octets.byte()?, octets.byte()?) else { return None };
    let length = usize::from(octets.be16()?).checked_sub(8).filter(|n| *n <= 4_096)?;
    octets.take(4)?;
    let data = octets.take(length)?;
    let mut options = Octets(data);
    let (mut version, mut encryption) = (None, None);
    for _ in 0..16 {
        let kind = options.byte()?;
        if kind == 0xff {
            return encryption.map(|encryption| Prelogin { version, encryption });
        }
        let (offset, size) = (usize::from(options.be16()?), usize::from(options.be16()?));
        let mut value = Octets(data.get(offset..offset.checked_add(size)?)?);
        match kind {
            0 => version = Some((value.byte()?, value.byte()?, value.be16()?)),
            1 => encryption = Some(value.byte().filter(|e| *e <= 3)?),
            _ => {}
        }
    }
    None
}

fn answer(talk: &mut Talk<'_>) -> Turn {
    let Some(found) = read(talk.bytes) else {
        return if talk.bytes.first() == Some(&4) && talk.bytes.len() < 4_096 { Turn::More } else { Turn::Done };
    };
    let mut service = Recognised::named("mssql", "answer to a pre-login");
    if let Some((major, minor, build)) = found.version {
        let version = format!("{major}.{minor}.{build}");
        talk.learned.set("mssql.version", version.as_str());
        service.product = Some("Microsoft SQL Server".into());
        service.version = Some(version);
    }
    talk.learned.service = Some(service);
    let encryption = match found.encryption {
        0 => "login only",
        1 => "on",
        2 => "not supported",
        _ => "required",
    };
    talk.learned.set("mssql.encryption", encryption);
    talk.learned.set("mssql.tls_offered", found.encryption != 2);
    talk.learned.extract("answer to a pre-login", talk.bytes);
    Turn::Done
}
