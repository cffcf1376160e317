//! What a web server answers to a name that is not its own: a default rule may lead to another application. One request.
//! RFC 9110 7.2.

use super::conversation::{Conversation, Event, Learned, Step};
use super::http_message::{self, Reading};
use super::http_page;
use super::services::{Dialogues, Setup};

/// Held beside the conversation with a web server that was chosen by name; else there is nothing to compare with.
pub(super) fn beside(setup: &Setup) -> Dialogues {
    if setup.name.is_none() {
        return Vec::new();
    }
    let host = format!("p{:016x}.invalid", setup.token);
    vec![("http.other_host".into(), Box::new(OtherHost { host, heard: Vec::new() }))]
}

struct OtherHost {
    host: String,
    heard: Vec<u8>,
}

/// Characters of a body that are kept.
const START_CHARS: usize = 256;

impl Conversation for OtherHost {
    fn step(&mut self, event: Event<'_>, learned: &mut Learned) -> Step {
        let ended = match event {
            Event::Open => {
                let agent = concat!("palisade/", env!("CARGO_PKG_VERSION"));
                let host = &self.host;
                return Step::Send(
                    format!("GET / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\nAccept: */*\r\n\r\n")
                        .into_bytes(),
                );
            }
            Event::Data(bytes) => {
                bytes.clone_into(&mut self.heard);
                false
            }
            Event::Silent | Event::Closed | Event::NoTls => true,
        };
        match http_message::read(&self.heard, ended) {
            Reading::Partial if !ended => Step::Wait,
            Reading::Whole(answer) => {
                learned.set("http.other_host.status", i64::from(answer.status));
                if let Some(title) = http_page::title(&answer.body) {
                    learned.set("http.other_host.title", title);
                }
                let start: String = String::from_utf8_lossy(&answer.body).chars().take(START_CHARS).collect();
                learned.set("http.other_host.start", start);
                Step::Done
            }
            Reading::Partial | Reading::Foreign(_) => {
                learned.untested("http.other_host", "no answer");
                Step::Done
            }
        }
    }
}
