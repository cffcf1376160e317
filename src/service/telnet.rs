//! Telnet: the server's option negotiation, every wish refused, and the text that follows. RFC 854, RFC 855, RFC 1143.

use super::conversation::{Conversation, Event, Learned, Step};
use super::evidence::Recognised;
use super::services::{First, Heard, Likeness, Service, no_hello, nothing_beside};
use crate::lang::job::Protocol;

/// The row.
pub const SERVICE: Service = Service {
    name: "telnet",
    transport: Protocol::Tcp,
    ports: &[23, 992, 2323],
    first: First::Server,
    in_tls: true,
    everywhere: false,
    hello: no_hello,
    recognise,
    start: |_| Box::new(Telnet { rounds: 0, negotiates: false, text: Vec::new(), options: Vec::new() }),
    beside: nothing_beside,
    starttls: None,
};

const IAC: u8 = 255;
const WILL: u8 = 251;
const WONT: u8 = 252;
const DO: u8 = 253;
const DONT: u8 = 254;
const SB: u8 = 250;
const SE: u8 = 240;
/// Rounds of refusals; a server that still wants something then is left alone.
const MOST_ROUNDS: u8 = 4;
/// Bytes of text that are kept.
const TEXT_BYTES: usize = 1_024;
/// Options that are kept.
const MOST_OPTIONS: usize = 64;

fn recognise(heard: &Heard<'_>) -> Likeness {
    match heard.bytes {
        [IAC, WILL..=DONT, ..] => Likeness::Sure,
        bytes if heard.hello.is_none() && prompts(bytes) => Likeness::Maybe,
        _ => Likeness::No,
    }
}

/// A prompt for a name or a password at the end.
fn prompts(text: &[u8]) -> bool {
    let low = String::from_utf8_lossy(text).to_ascii_lowercase();
    let end = low.trim_end();
    ["login:", "username:", "user name:", "password:"].iter().any(|p| end.ends_with(p))
}

struct Telnet {
    rounds: u8,
    negotiates: bool,
    text: Vec<u8>,
    options: Vec<String>,
}

impl Conversation for Telnet {
    fn step(&mut self, event: Event<'_>, learned: &mut Learned) -> Step {
        match event {
            Event::Open => Step::Wait,
            Event::Data(bytes) => {
                let (text, answer) = self.read(bytes);
                if answer.is_empty() {
                    self.tell(&text, learned);
                    return if prompts(&text) { Step::Done } else { Step::Wait };
                }
                self.text.extend_from_slice(&text);
                self.text.truncate(TEXT_BYTES);
                self.rounds += 1;
                if self.rounds > MOST_ROUNDS {
                    self.tell(&[], learned);
                    return Step::Done;
                }
                Step::Send(answer)
            }
            Event::Silent | Event::Closed | Event::NoTls => {
                self.tell(&[], learned);
                Step::Done
            }
        }
    }
}

impl Telnet {
    /// Text without commands, and the refusal of everything that is wished for.
    fn read(&mut self, bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let (mut text, mut answer) = (Vec::new(), Vec::new());
        let mut rest = bytes;
        loop {
            rest = match rest {
                [] => break,
                [IAC, SB, after @ ..] => {
                    let end = after.windows(2).position(|w| w == [IAC, SE]);
                    after.get(end.map_or(after.len(), |e| e + 2)..).unwrap_or_default()
                }
                [IAC, verb @ WILL..=DONT, option, after @ ..] => {
                    self.negotiates = true;
                    let shown = format!("{} {}", verb_name(*verb), option_name(*option));
                    if !self.options.contains(&shown) && self.options.len() < MOST_OPTIONS {
                        self.options.push(shown);
                    }
                    match *verb {
                        WILL => answer.extend_from_slice(&[IAC, DONT, *option]),
                        DO => answer.extend_from_slice(&[IAC, WONT, *option]),
                        _ => {}
                    }
                    after
                }
                [IAC, IAC, after @ ..] => {
                    text.push(IAC);
                    after
                }
                [IAC, _, after @ ..] => after,
                [IAC] => break,
                [byte, after @ ..] => {
                    text.push(*byte);
                    after
                }
            };
        }
        answer.truncate(1_024);
        (text, answer)
    }

    fn tell(&self, text: &[u8], learned: &mut Learned) {
        let all = [self.text.as_slice(), text].concat();
        if !self.negotiates && !prompts(&all) {
            return;
        }
        let how = if self.negotiates { "option negotiation" } else { "login prompt" };
        learned.service = Some(Recognised::named("telnet", how));
        if !self.options.is_empty() {
            learned.set("telnet.options", self.options.clone());
        }
        let shown: String = String::from_utf8_lossy(&all).trim().chars().take(256).collect();
        if !shown.is_empty() {
            learned.set("telnet.banner", shown);
            learned.extract("text", &all);
        }
    }
}

fn verb_name(verb: u8) -> &'static str {
    match verb {
        WILL => "WILL",
        WONT => "WONT",
        DO => "DO",
        _ => "DONT",
    }
}

/// Names of IANA's Telnet Options.
fn option_name(option: u8) -> String {
    match option {
        0 => "BINARY",
        1 => "ECHO",
        3 => "SUPPRESS GO AHEAD",
        5 => "STATUS",
        6 => "TIMING MARK",
        24 => "TERMINAL TYPE",
        31 => "WINDOW SIZE",
        32 => "TERMINAL SPEED",
        33 => "REMOTE FLOW CONTROL",
        34 => "LINEMODE",
        35 => "X DISPLAY LOCATION",
        36 => "ENVIRON",
        37 => "AUTHENTICATION",
        38 => "ENCRYPT",
        39 => "NEW ENVIRON",
        46 => "START TLS",
        other => return other.to_string(),
    }
    .into()
}
