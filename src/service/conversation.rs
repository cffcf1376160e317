//! What a protocol says and hears, apart from any socket: bytes in, next step out. A driver holds the connection, its
//! limits and its clock; a test plays recorded, truncated and hostile dialogues through the same code.

use super::evidence::{Fact, Facts, Recognised};

/// What a conversation wants next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send these bytes, then hand over what comes back (input starts empty again).
    Send(Vec<u8>),
    /// More bytes are needed; the driver decides how long it waits.
    Wait,
    /// Begin TLS on this connection, then go on inside it.
    Tls,
    /// Begin TLS and offer this application protocol alone; a server that does not take it counts as one without TLS.
    /// RFC 7301.
    Alpn(&'static str),
    /// Close, connect again to the same port, and go on; the input starts empty.
    Reconnect,
    /// The same after a pause: the peer is busy, or counts its clients.
    Later,
    /// Nothing more to ask.
    Done,
}

/// Why the driver calls a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// The connection (or the TLS inside it) is open; nothing has been received.
    Open,
    /// All bytes received since the last send; for UDP one datagram.
    Data(&'a [u8]),
    /// The peer is silent for as long as it may be; what it sent so far was handed over by `Data`.
    Silent,
    /// The peer closed or reset.
    Closed,
    /// TLS could not be begun.
    NoTls,
}

/// What a conversation has learned.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Learned {
    /// The service, once it has shown itself.
    pub service: Option<Recognised>,
    /// Facts by path; the paths are listed in the catalogue of facts.
    pub facts: Facts,
    /// Conversations that could not be held to the end, and why: `tls:1.0` - `reset`.
    pub untested: Vec<(String, String)>,
    /// Smallest raw extracts that convince: name and bytes, cut and redacted by the driver.
    pub extracts: Vec<(String, Vec<u8>)>,
}

impl Learned {
    /// Sets a fact.
    pub fn set(&mut self, path: &str, fact: impl Into<Fact>) {
        self.facts.set(path, fact);
    }

    /// Keeps raw bytes that convince; the first of a name stays.
    pub fn extract(&mut self, what: &str, bytes: &[u8]) {
        if !self.extracts.iter().any(|(w, _)| w == what) {
            self.extracts.push((what.to_owned(), bytes.to_vec()));
        }
    }

    /// Says what could not be asked or was not answered, and why.
    pub fn untested(&mut self, what: &str, why: &str) {
        let entry = (what.to_owned(), why.to_owned());
        if !self.untested.contains(&entry) {
            self.untested.push(entry);
        }
    }

    /// Takes over what another dialogue with the same service learned. A service that is known stays.
    pub fn merge(&mut self, other: Self) {
        self.service = self.service.take().or(other.service);
        self.facts.extend(other.facts);
        self.untested.extend(other.untested);
        for (what, bytes) in other.extracts {
            self.extract(&what, &bytes);
        }
    }
}

/// One protocol's side of a dialogue. `step` must end: the driver gives up after a bound on calls, bytes and time.
pub trait Conversation: Send {
    /// Takes what happened, says what to do.
    fn step(&mut self, event: Event<'_>, learned: &mut Learned) -> Step;
}
