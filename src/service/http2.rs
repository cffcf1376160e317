//! HTTP/2 inside TLS: the protocol is offered, the preface and a SETTINGS frame are exchanged, nothing is requested.
//! RFC 9113 3.2, 3.4, 4.1, 6.5.

use super::conversation::{Conversation, Event, Learned, Step};

/// The connection preface and an empty SETTINGS frame.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
/// GOAWAY without an error, with no stream begun. RFC 9113 6.8.
const GOODBYE: &[u8] = b"\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";

/// Asks whether HTTP/2 is spoken.
#[derive(Debug, Default)]
pub(super) struct Http2 {
    inside: bool,
    heard: bool,
}

impl Conversation for Http2 {
    fn step(&mut self, event: Event<'_>, learned: &mut Learned) -> Step {
        match event {
            Event::Open if !self.inside => {
                self.inside = true;
                Step::Alpn("h2")
            }
            Event::Open => Step::Send(PREFACE.to_vec()),
            Event::NoTls => {
                learned.set("http.h2", false);
                Step::Done
            }
            Event::Data(_) if self.heard => Step::Done,
            // Length, type SETTINGS, flags, stream 0: the first frame of a server. RFC 9113 3.4.
            Event::Data(bytes) => match bytes.get(..9) {
                None => Step::Wait,
                Some([0, _, _, 4, 0, 0, 0, 0, 0]) => {
                    self.heard = true;
                    learned.set("http.h2", true);
                    Step::Send(GOODBYE.to_vec())
                }
                Some(_) => {
                    learned.untested("http.h2", "it takes h2 and speaks something else");
                    Step::Done
                }
            },
            Event::Silent | Event::Closed => {
                if !self.heard {
                    learned.untested("http.h2", "no answer to the preface");
                }
                Step::Done
            }
        }
    }
}
