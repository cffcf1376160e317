//! Whether a web server connects strangers onwards. It is only ever asked to connect to itself, and, as a negative control,
//! to a name that cannot exist, so no packet leaves the target. RFC 9110 9.3.6, RFC 6761 6.4.

use super::conversation::{Conversation, Event, Learned, Step};
use super::services::{Dialogues, Setup};
use crate::lang::job::Consent;

/// Held beside the conversation with a web server, with consent for what is odd.
pub(super) fn beside(setup: &Setup) -> Dialogues {
    if !setup.may(Consent::Odd) || setup.tls {
        return Vec::new();
    }
    vec![("http.proxy".into(), Box::new(Proxy { setup: setup.clone(), stage: Stage::Control }))]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// A name that cannot exist: whoever connects to it connects to anything.
    Control,
    /// Itself.
    Own,
    /// A request through the tunnel.
    Inside,
}

struct Proxy {
    setup: Setup,
    stage: Stage,
}

/// Status of a whole head.
fn status(bytes: &[u8]) -> Option<u16> {
    let whole = bytes.windows(4).any(|w| w == b"\r\n\r\n");
    let digits = bytes.strip_prefix(b"HTTP/1.").filter(|_| whole)?.get(2..5)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// A connection that was made has no body: with one it is a page like any other. RFC 9110 9.3.6.
fn has_body(bytes: &[u8]) -> bool {
    let head = String::from_utf8_lossy(bytes.get(..bytes.len().min(16 << 10)).unwrap_or_default()).to_ascii_lowercase();
    let head = head.split("\r\n\r\n").next().unwrap_or_default();
    let mut fields = head.lines().skip(1).filter_map(|l| l.split_once(':'));
    fields.any(|(name, value)| name == "transfer-encoding" || (name == "content-length" && value.trim() != "0"))
}

impl Proxy {
    fn connect(&self) -> Vec<u8> {
        let to = match (self.stage, self.setup.addr) {
            (Stage::Control, _) => format!("p{:016x}.invalid:80", self.setup.token),
            (_, std::net::IpAddr::V4(addr)) => format!("{addr}:{}", self.setup.port),
            (_, std::net::IpAddr::V6(addr)) => format!("[{addr}]:{}", self.setup.port),
        };
        let agent = concat!("palisade/", env!("CARGO_PKG_VERSION"));
        format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\nUser-Agent: {agent}\r\n\r\n").into_bytes()
    }

    fn told(&mut self, status: u16, page: bool, learned: &mut Learned) -> Step {
        match (self.stage, status) {
            (Stage::Control, 200..=299) => {
                learned.untested("http.proxy", "it says to connect to a name that cannot exist");
                Step::Done
            }
            (Stage::Control, _) => {
                self.stage = Stage::Own;
                Step::Reconnect
            }
            (Stage::Own, 200..=299) if !page => {
                self.stage = Stage::Inside;
                let host = self.setup.host();
                let path = format!("/{:016x}.html", self.setup.token);
                Step::Send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").into_bytes())
            }
            (Stage::Own, _) => {
                learned.set("http.proxy", false);
                Step::Done
            }
            // A second head, for a path that was asked for inside only.
            (Stage::Inside, _) => {
                learned.set("http.proxy", true);
                Step::Done
            }
        }
    }
}

impl Conversation for Proxy {
    fn step(&mut self, event: Event<'_>, learned: &mut Learned) -> Step {
        match event {
            Event::Open => Step::Send(self.connect()),
            Event::Data(bytes) => match status(bytes) {
                Some(status) => self.told(status, has_body(bytes), learned),
                None if bytes.len() > 16 << 10
                    || !b"HTTP/1.".starts_with(bytes.get(..bytes.len().min(7)).unwrap_or_default()) =>
                {
                    self.end(learned)
                }
                None => Step::Wait,
            },
            Event::Silent | Event::Closed | Event::NoTls => self.end(learned),
        }
    }
}

impl Proxy {
    /// An end without an answer is a refusal, except inside, where it says nothing.
    fn end(&mut self, learned: &mut Learned) -> Step {
        match self.stage {
            Stage::Control => {
                self.stage = Stage::Own;
                Step::Reconnect
            }
            Stage::Own => {
                learned.set("http.proxy", false);
                Step::Done
            }
            Stage::Inside => {
                learned.untested("http.proxy", "CONNECT was granted, and nothing answered inside");
                Step::Done
            }
        }
    }
}
