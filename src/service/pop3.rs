//! POP3: greeting, capabilities before and inside TLS. Nobody logs in. RFC 1939, RFC 2449, RFC 2595.

use super::conversation::{Conversation, Event, Learned, Step};
use super::evidence::Recognised;
use super::services::{First, Heard, Likeness, Service, Setup, no_hello};
use super::{banner, starttls_injection};
use crate::lang::job::Protocol;

/// The row.
pub const SERVICE: Service = Service {
    name: "pop3",
    transport: Protocol::Tcp,
    ports: &[110, 995],
    first: First::Server,
    in_tls: true,
    everywhere: false,
    hello: no_hello,
    recognise,
    start,
    beside: |setup| starttls_injection::beside(setup, starttls_injection::POP3),
    starttls: Some(start),
};

fn start(setup: &Setup) -> Box<dyn Conversation> {
    Box::new(Pop3 { stage: Stage::Greeting, inside: setup.tls, begun: false })
}

fn recognise(heard: &Heard<'_>) -> Likeness {
    if heard.bytes.starts_with(b"+OK") { Likeness::Sure } else { Likeness::No }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Greeting,
    Capabilities,
    StartTls,
    Quit,
}

struct Pop3 {
    stage: Stage,
    inside: bool,
    begun: bool,
}

impl Conversation for Pop3 {
    fn step(&mut self, event: Event<'_>, learned: &mut Learned) -> Step {
        match event {
            Event::Open if self.begun => {
                self.stage = Stage::Capabilities;
                Step::Send(b"CAPA\r\n".to_vec())
            }
            Event::Open => Step::Wait,
            Event::Data(bytes) => self.take(bytes, learned),
            Event::NoTls => {
                learned.untested("pop3.capabilities_tls", "TLS could not be begun");
                Step::Done
            }
            Event::Silent | Event::Closed => {
                if learned.service.is_some() && self.stage != Stage::Quit {
                    learned.untested("pop3.capabilities", "no answer");
                }
                Step::Done
            }
        }
    }
}

impl Pop3 {
    fn quit(&mut self) -> Step {
        self.stage = Stage::Quit;
        Step::Send(b"QUIT\r\n".to_vec())
    }

    fn take(&mut self, bytes: &[u8], learned: &mut Learned) -> Step {
        let Some(end) = bytes.iter().position(|b| *b == b'\n') else { return Step::Wait };
        let first: String =
            String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).trim().chars().take(512).collect();
        let ok = first.starts_with("+OK");
        match self.stage {
            Stage::Greeting if ok => {
                let text = first.get(3..).unwrap_or_default().trim().to_owned();
                let mut service = Recognised::named("pop3", "greeting");
                if let Some((product, version)) = banner::product(&text) {
                    service.product = Some(product);
                    service.version = version;
                }
                learned.service = Some(service);
                learned.set("pop3.banner", text);
                learned.extract("greeting", bytes);
                self.stage = Stage::Capabilities;
                Step::Send(b"CAPA\r\n".to_vec())
            }
            Stage::Greeting => Step::Done,
            Stage::Capabilities if ok => {
                // The list ends with a line of one dot. RFC 2449 5.
                let text = String::from_utf8_lossy(bytes);
                let Some((list, _)) = text.split_once("\n.") else { return Step::Wait };
                let all: Vec<String> = list.lines().skip(1).take(100).map(|l| l.trim().to_owned()).collect();
                self.capabilities(all, learned)
            }
            Stage::Capabilities => {
                learned.untested("pop3.capabilities", "the command is not known");
                if self.begun || self.inside { self.quit() } else { self.begin() }
            }
            Stage::StartTls => {
                learned.set("pop3.starttls", ok);
                if !ok {
                    return self.quit();
                }
                self.begun = true;
                Step::Tls
            }
            Stage::Quit => Step::Done,
        }
    }

    fn begin(&mut self) -> Step {
        self.stage = Stage::StartTls;
        Step::Send(b"STLS\r\n".to_vec())
    }

    fn capabilities(&mut self, all: Vec<String>, learned: &mut Learned) -> Step {
        let starttls = all.iter().any(|l| l.eq_ignore_ascii_case("STLS"));
        if self.begun {
            learned.set("pop3.starttls_accepted", true);
            learned.set("pop3.capabilities_tls", all);
            return self.quit();
        }
        learned.set("pop3.capabilities", all);
        if self.inside {
            return self.quit();
        }
        learned.set("pop3.starttls", starttls);
        if starttls { self.begin() } else { self.quit() }
    }
}
