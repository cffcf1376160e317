//! FTP: greeting, features, TLS. Anonymous login is tried once, with consent, and nothing is listed or transferred.
//! RFC 959, RFC 2389, RFC 4217.

use super::banner;
use super::conversation::{Conversation, Event, Learned, Step};
use super::evidence::Recognised;
use super::reply::{self, Reply};
use super::services::{Dialogues, First, Heard, Likeness, Service, Setup, no_hello};
use crate::lang::job::{Consent, Protocol};

/// The row.
pub const SERVICE: Service = Service {
    name: "ftp",
    transport: Protocol::Tcp,
    ports: &[21, 990, 2121],
    first: First::Server,
    in_tls: true,
    everywhere: false,
    hello: no_hello,
    recognise,
    start,
    beside,
    starttls: Some(start),
};

fn start(setup: &Setup) -> Box<dyn Conversation> {
    Box::new(Ftp { stage: Stage::Greeting, inside: setup.tls, begun: false, listed: false })
}

fn beside(setup: &Setup) -> Dialogues {
    if setup.may(Consent::Auth) { vec![("ftp.anonymous".into(), Box::new(Anonymous { stage: 0 }))] } else { Vec::new() }
}

fn recognise(heard: &Heard<'_>) -> Likeness {
    let head = String::from_utf8_lossy(heard.bytes.get(..heard.bytes.len().min(512)).unwrap_or_default());
    let greets = head.starts_with("220") || head.starts_with("421") || head.starts_with("530");
    if greets && head.lines().next().is_some_and(|l| l.to_ascii_uppercase().contains("FTP")) {
        Likeness::Sure
    } else if head.starts_with("220") {
        Likeness::Maybe
    } else {
        Likeness::No
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Greeting,
    Features,
    AuthTls,
    Quit,
}

struct Ftp {
    stage: Stage,
    inside: bool,
    /// TLS was begun by AUTH TLS.
    begun: bool,
    /// The features name TLS.
    listed: bool,
}

impl Conversation for Ftp {
    fn step(&mut self, event: Event<'_>, learned: &mut Learned) -> Step {
        match event {
            Event::Open if self.begun => {
                learned.set("ftp.starttls_accepted", true);
                self.quit()
            }
            Event::Open => Step::Wait,
            Event::Data(bytes) => match reply::read(bytes) {
                Ok(None) => Step::Wait,
                Ok(Some(reply)) => self.take(&reply, bytes, learned),
                Err(_) => Step::Done,
            },
            Event::NoTls => {
                learned.untested("ftp.starttls_accepted", "TLS could not be begun");
                Step::Done
            }
            Event::Silent | Event::Closed => {
                if learned.service.is_some() && self.stage != Stage::Quit {
                    learned.untested("ftp.features", "no answer");
                }
                Step::Done
            }
        }
    }
}

impl Ftp {
    fn quit(&mut self) -> Step {
        self.stage = Stage::Quit;
        Step::Send(b"QUIT\r\n".to_vec())
    }

    fn take(&mut self, reply: &Reply, bytes: &[u8], learned: &mut Learned) -> Step {
        match (self.stage, reply.code) {
            (Stage::Greeting, code) => {
                learned.set("ftp.banner", reply.text());
                if reply.text().to_ascii_uppercase().contains("FTP") {
                    known("greeting", learned);
                    learned.extract("greeting", bytes);
                }
                if code != 220 {
                    return Step::Done;
                }
                self.stage = Stage::Features;
                Step::Send(b"FEAT\r\n".to_vec())
            }
            (Stage::Features, code) => {
                // An FTP server knows the command, or that it must be somebody first, or that it does not know it.
                let end = reply.lines.len().saturating_sub(1);
                if code == 211 {
                    let features: Vec<String> =
                        reply.lines.iter().take(end).skip(1).map(|l| l.trim().to_owned()).collect();
                    self.listed = features.iter().any(|f| f.to_ascii_uppercase().starts_with("AUTH TLS"));
                    learned.set("ftp.features", features);
                    if learned.service.is_none() {
                        known("answer to FEAT", learned);
                    }
                } else {
                    learned.untested("ftp.features", &format!("answered with {code}"));
                }
                if learned.service.is_none() && code != 530 {
                    return Step::Done;
                }
                if self.inside {
                    return self.quit();
                }
                self.stage = Stage::AuthTls;
                Step::Send(b"AUTH TLS\r\n".to_vec())
            }
            (Stage::AuthTls, code) => {
                learned.set("ftp.starttls", code == 234);
                learned.set("ftp.tls_offered", self.listed || code == 234);
                if learned.service.is_none() && matches!(code, 234 | 530) {
                    known("answers to FEAT and AUTH TLS", learned);
                }
                if code != 234 {
                    return self.quit();
                }
                self.begun = true;
                Step::Tls
            }
            (Stage::Quit, _) => Step::Done,
        }
    }
}

fn known(how: &str, learned: &mut Learned) {
    let mut service = Recognised::named("ftp", how);
    if let Some((product, version)) = learned.facts.text("ftp.banner").and_then(banner::product) {
        service.product = Some(product);
        service.version = version;
    }
    learned.service = Some(service);
}

/// One anonymous login.
struct Anonymous {
    stage: u8,
}

impl Conversation for Anonymous {
    fn step(&mut self, event: Event<'_>, learned: &mut Learned) -> Step {
        let Event::Data(bytes) = event else {
            if event == Event::Open {
                return Step::Wait;
            }
            if self.stage < 3 {
                learned.untested("ftp.anonymous", "no answer");
            }
            return Step::Done;
        };
        let reply = match reply::read(bytes) {
            Ok(None) => return Step::Wait,
            Ok(Some(reply)) => reply,
            Err(why) => {
                learned.untested("ftp.anonymous", why);
                return Step::Done;
            }
        };
        match (self.stage, reply.code) {
            (0, 220) => {
                self.stage = 1;
                Step::Send(b"USER anonymous\r\n".to_vec())
            }
            (1, 331 | 332) => {
                self.stage = 2;
                Step::Send(b"PASS palisade@example.invalid\r\n".to_vec())
            }
            (1 | 2, code) => {
                self.stage = 3;
                learned.set("ftp.anonymous", code == 230);
                Step::Send(b"QUIT\r\n".to_vec())
            }
            (3, _) => Step::Done,
            (_, code) => {
                learned.untested("ftp.anonymous", &format!("greeted with {code}"));
                Step::Done
            }
        }
    }
}
