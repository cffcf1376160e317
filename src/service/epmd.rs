//! The Erlang port mapper: names and ports of nodes. Erlang/OTP, "Distribution Protocol", `NAMES_REQ`.

use super::evidence::Recognised;
use super::octets::{Octets, text};
use super::services::{Heard, Likeness, Service};
use super::turns::{self, Talk, Turn};

/// The row.
pub const SERVICE: Service = Service {
    name: "epmd",
    ports: &[4369],
    hello: |_| NAMES.to_vec(),
    recognise: |heard: &Heard<'_>| -> Likeness {
        match nodes(heard.bytes).filter(|_| heard.hello == Some("epmd")) {
            None => Likeness::No,
            // Without a node there is nothing but the port, which the conversation compares.
            Some((_, nodes)) => {
                if nodes.is_empty() {
                    Likeness::Maybe
                } else {
                    Likeness::Sure
                }
            }
        }
    },
    start: |setup| turns::speak("epmd", setup, NAMES.to_vec(), named),
    ..turns::CLIENT
};

const NAMES: &[u8] = &[0, 1, b'n'];
/// Nodes that are kept.
const MOST_NODES: usize = 128;

/// Its own port, and a line for each node.
fn nodes(bytes: &[u8]) -> Option<(u32, Vec<String>)> {
    let mut octets = Octets(bytes);
    let port = octets.be32().filter(|p| (1..=65_535).contains(p))?;
    let line = |l: &[u8]| text(l).strip_prefix("name ").map(|l| l.replace(" at port ", " "));
    let lines = octets.0.split(|b| *b == b'\n').filter(|l| !l.is_empty()).take(MOST_NODES);
    lines.map(line).collect::<Option<Vec<String>>>().map(|all| (port, all))
}

fn named(talk: &mut Talk<'_>) -> Turn {
    if talk.ended {
        return Turn::Done;
    }
    let Some((port, nodes)) = nodes(talk.bytes) else {
        return if talk.bytes.len() > 16 << 10 { Turn::Done } else { Turn::More };
    };
    if nodes.is_empty() && port != u32::from(talk.setup.port) {
        return Turn::More;
    }
    talk.learned.service = Some(Recognised::named("epmd", "list of names"));
    talk.learned.set("epmd.nodes", nodes);
    talk.learned.extract("list of names", talk.bytes);
    Turn::More
}
