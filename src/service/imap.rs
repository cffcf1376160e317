//! IMAP: greeting, capabilities before and inside TLS. Nobody logs in. RFC 9051 6.1.1, 6.2.1, 7.1.

use super::conversation::{Conversation, Event, Learned, Step};
use super::evidence::Recognised;
use super::services::{First, Heard, Likeness, Service, Setup, no_hello};
use super::{banner, starttls_injection};
use crate::lang::job::Protocol;

/// The row.
pub const SERVICE: Service = Service {
    name: "imap",
    transport: Protocol::Tcp,
    ports: &[143, 993],
    first: First::Server,
    in_tls: true,
    everywhere: false,
    hello: no_hello,
    recognise,
    start,
    beside: |setup| starttls_injection::beside(setup, starttls_injection::IMAP),
    starttls: Some(start),
};

fn start(setup: &Setup) -> Box<dyn Conversation> {
    Box::new(Imap { stage: Stage::Greeting, inside: setup.tls, begun: false })
}

fn recognise(heard: &Heard<'_>) -> Likeness {
    let starts = |with: &[u8]| heard.bytes.starts_with(with);
    let greets = starts(b"* OK") || starts(b"* PREAUTH") || starts(b"* BYE");
    if greets { Likeness::Sure } else { Likeness::No }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Greeting,
    Capabilities,
    StartTls,
    Logout,
}

struct Imap {
    stage: Stage,
    inside: bool,
    begun: bool,
}

/// The line that answers a tagged command, and the lines before it; none where it has not come.
fn tagged<'a>(text: &'a str, tag: &str) -> Option<(&'a str, &'a str)> {
    let mut from = 0;
    for line in text.split_inclusive('\n') {
        if line.starts_with(tag) && line.ends_with('\n') {
            return Some((text.get(..from)?, line.get(tag.len()..)?.trim()));
        }
        from += line.len();
    }
    None
}

impl Conversation for Imap {
    fn step(&mut self, event: Event<'_>, learned: &mut Learned) -> Step {
        match event {
            Event::Open if self.begun => self.ask(),
            Event::Open => Step::Wait,
            Event::Data(bytes) => self.take(bytes, learned),
            Event::NoTls => {
                learned.untested("imap.capabilities_tls", "TLS could not be begun");
                Step::Done
            }
            Event::Silent | Event::Closed => {
                if learned.service.is_some() && self.stage != Stage::Logout {
                    learned.untested("imap.capabilities", "no answer");
                }
                Step::Done
            }
        }
    }
}

impl Imap {
    fn ask(&mut self) -> Step {
        self.stage = Stage::Capabilities;
        Step::Send(b"p1 CAPABILITY\r\n".to_vec())
    }

    fn logout(&mut self) -> Step {
        self.stage = Stage::Logout;
        Step::Send(b"p3 LOGOUT\r\n".to_vec())
    }

    fn take(&mut self, bytes: &[u8], learned: &mut Learned) -> Step {
        let text = String::from_utf8_lossy(bytes);
        match self.stage {
            Stage::Greeting => {
                let Some((line, _)) = text.split_once('\n') else { return Step::Wait };
                if !line.starts_with("* ") {
                    return Step::Done;
                }
                let line: String = line.trim().chars().skip(2).take(512).collect();
                let mut service = Recognised::named("imap", "greeting");
                if let Some((product, version)) = banner::product(&line) {
                    service.product = Some(product);
                    service.version = version;
                }
                learned.service = Some(service);
                learned.set("imap.preauth", line.starts_with("PREAUTH"));
                learned.extract("greeting", bytes);
                let bye = line.starts_with("BYE");
                learned.set("imap.banner", line);
                if bye { Step::Done } else { self.ask() }
            }
            Stage::Capabilities => {
                let Some((before, _)) = tagged(&text, "p1 ") else { return Step::Wait };
                let list = before.lines().find_map(|l| l.strip_prefix("* CAPABILITY "));
                let all: Vec<String> =
                    list.unwrap_or_default().split_whitespace().take(200).map(str::to_owned).collect();
                self.capabilities(all, learned)
            }
            Stage::StartTls => {
                let Some((_, answer)) = tagged(&text, "p2 ") else { return Step::Wait };
                if !answer.starts_with("OK") {
                    learned.set("imap.starttls_accepted", false);
                    return self.logout();
                }
                self.begun = true;
                Step::Tls
            }
            Stage::Logout => Step::Done,
        }
    }

    fn capabilities(&mut self, all: Vec<String>, learned: &mut Learned) -> Step {
        let starttls = all.iter().any(|l| l.eq_ignore_ascii_case("STARTTLS"));
        if self.begun {
            learned.set("imap.starttls_accepted", true);
            learned.set("imap.capabilities_tls", all);
            return self.logout();
        }
        learned.set("imap.capabilities", all);
        if self.inside {
            return self.logout();
        }
        learned.set("imap.starttls", starttls);
        if starttls {
            self.stage = Stage::StartTls;
            return Step::Send(b"p2 STARTTLS\r\n".to_vec());
        }
        self.logout()
    }
}
