//! The rsync daemon: its greeting and the list of modules that it shows to everybody. `rsyncd.conf(5)`, `list`;
//! `csprotocol.txt` of rsync.

use super::evidence::Recognised;
use super::octets::text;
use super::services::{Heard, Likeness, Service};
use super::turns::{self, Talk, Turn, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "rsync",
    ports: &[873],
    recognise: |heard: &Heard<'_>| -> Likeness { sure(version(heard.bytes).is_some()) },
    start: |setup| turns::listen("rsync", setup, greeting),
    ..turns::SERVER
};

/// Modules that are kept.
const MOST_MODULES: usize = 256;
const MOST_BYTES: usize = 64 << 10;

fn version(bytes: &[u8]) -> Option<String> {
    let rest = bytes.strip_prefix(b"@RSYNCD: ")?;
    rest.first().filter(|b| b.is_ascii_digit())?;
    let end = rest.iter().position(|b| *b == b'\n')?;
    let line = text(rest.get(..end)?);
    line.split(' ').next().map(str::to_owned)
}

fn greeting(talk: &mut Talk<'_>) -> Turn {
    let Some(version) = version(talk.bytes) else {
        return if talk.bytes.len() > 256 { Turn::Done } else { Turn::More };
    };
    talk.learned.service = Some(Recognised::named("rsync", "greeting"));
    talk.learned.set("rsync.version", version);
    talk.learned.extract("greeting", talk.bytes);
    Turn::Ask(b"@RSYNCD: 30.0\n#list\n".to_vec(), modules)
}

/// Name, blanks, a tab, comment; then the end. A message of the day has no tab.
fn modules(talk: &mut Talk<'_>) -> Turn {
    let all = String::from_utf8_lossy(talk.bytes);
    let whole = all.lines().any(|l| l == "@RSYNCD: EXIT");
    if !whole {
        let refused = all.lines().find(|l| l.starts_with("@ERROR"));
        if let Some(refused) = refused {
            talk.learned.untested("rsync.modules", &text(refused.as_bytes()));
            return Turn::Done;
        }
        return if talk.bytes.len() > MOST_BYTES { Turn::Done } else { Turn::More };
    }
    let name = |l: &str| l.split_once('\t').map(|(n, _)| n.trim_end().to_owned());
    let found: Vec<String> = all.lines().filter_map(name).filter(|n| !n.is_empty()).take(MOST_MODULES).collect();
    talk.learned.set("rsync.modules", found);
    Turn::Done
}
