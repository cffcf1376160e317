//! Dialogues of questions and answers: what most protocols need is a first question, a function that reads its answer,
//! and perhaps a next question. Ends, silence and the amplification of datagrams are seen to here.

use super::conversation::{Conversation, Event, Learned, Step};
use super::services::{First, Likeness, Service, Setup, no_hello, nothing_beside};
use crate::lang::job::Protocol;

/// What an answer leads to.
pub(super) enum Turn {
    /// It is not whole.
    More,
    /// Nothing more to ask.
    Done,
    /// The next question, and who reads its answer.
    Ask(Vec<u8>, Ear),
    /// The same on a new connection.
    Again(Vec<u8>, Ear),
    /// TLS may begin.
    Tls,
}

/// Reads an answer.
pub(super) type Ear = fn(&mut Talk<'_>) -> Turn;

/// What a reader of answers is given.
pub(super) struct Talk<'a> {
    /// All that came since the last question; empty at the end.
    pub(super) bytes: &'a [u8],
    /// The peer closed or is silent; asked only where the service is known.
    pub(super) ended: bool,
    /// It closed.
    pub(super) closed: bool,
    /// Questions asked before the present one.
    pub(super) round: usize,
    pub(super) setup: &'a Setup,
    pub(super) learned: &'a mut Learned,
}

/// Questions of one dialogue.
const MOST_ROUNDS: usize = 32;

struct Turns {
    name: &'static str,
    setup: Setup,
    next: Option<Vec<u8>>,
    sent: usize,
    ear: Ear,
    round: usize,
    datagrams: bool,
    begun: bool,
}

/// A dialogue that the client begins.
pub(super) fn speak(name: &'static str, setup: &Setup, hello: Vec<u8>, ear: Ear) -> Box<dyn Conversation> {
    Box::new(turns(name, setup, Some(hello), ear, false))
}

/// The same with datagrams.
pub(super) fn datagrams(name: &'static str, setup: &Setup, hello: Vec<u8>, ear: Ear) -> Box<dyn Conversation> {
    Box::new(turns(name, setup, Some(hello), ear, true))
}

/// A dialogue that the server begins.
pub(super) fn listen(name: &'static str, setup: &Setup, ear: Ear) -> Box<dyn Conversation> {
    Box::new(turns(name, setup, None, ear, false))
}

fn turns(name: &'static str, setup: &Setup, next: Option<Vec<u8>>, ear: Ear, datagrams: bool) -> Turns {
    Turns { name, setup: setup.clone(), next, sent: 0, ear, round: 0, datagrams, begun: false }
}

impl Conversation for Turns {
    fn step(&mut self, event: Event<'_>, learned: &mut Learned) -> Step {
        let (bytes, ended) = match event {
            Event::Open if self.begun => return Step::Done,
            Event::Open => {
                return self.next.take().map_or(Step::Wait, |bytes| {
                    self.sent = bytes.len();
                    Step::Send(bytes)
                });
            }
            Event::Data(bytes) => (bytes, false),
            Event::Silent | Event::Closed if learned.service.is_some() => (&[][..], true),
            Event::Silent | Event::Closed | Event::NoTls => return Step::Done,
        };
        let closed = event == Event::Closed;
        let turn = (self.ear)(&mut Talk { bytes, ended, closed, round: self.round, setup: &self.setup, learned });
        if self.datagrams && !ended && learned.service.is_some() {
            learned.facts.amplified(self.sent as i64, bytes.len() as i64);
        }
        match turn {
            Turn::More if ended => {
                learned.untested(self.name, "no answer");
                Step::Done
            }
            Turn::More => Step::Wait,
            Turn::Ask(bytes, ear) if !closed && self.round < MOST_ROUNDS => {
                (self.ear, self.sent, self.round) = (ear, bytes.len(), self.round + 1);
                Step::Send(bytes)
            }
            Turn::Again(bytes, ear) if self.round < MOST_ROUNDS => {
                (self.ear, self.next, self.round) = (ear, Some(bytes), self.round + 1);
                Step::Reconnect
            }
            Turn::Tls if !closed => {
                self.begun = true;
                Step::Tls
            }
            Turn::Ask(..) | Turn::Again(..) | Turn::Tls | Turn::Done => Step::Done,
        }
    }
}

/// A row to begin others with: the client speaks first, over TCP, in clear.
pub(super) const CLIENT: Service = Service {
    name: "",
    transport: Protocol::Tcp,
    ports: &[],
    first: First::Client,
    in_tls: false,
    everywhere: false,
    hello: no_hello,
    recognise: |_| Likeness::No,
    start: |setup| listen("", setup, |_| Turn::Done),
    beside: nothing_beside,
    starttls: None,
};

/// The same where the server speaks first.
pub(super) const SERVER: Service = Service { first: First::Server, ..CLIENT };

/// The same with datagrams.
pub(super) const DATAGRAM: Service = Service { transport: Protocol::Udp, ..CLIENT };

/// `Maybe` or `No`: the conversation looks for our token.
pub(super) fn maybe(is: bool) -> Likeness {
    if is { Likeness::Maybe } else { Likeness::No }
}

/// `Sure` or `No`.
pub(super) fn sure(is: bool) -> Likeness {
    if is { Likeness::Sure } else { Likeness::No }
}
