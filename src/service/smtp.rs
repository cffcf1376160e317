//! SMTP: greeting, capabilities before and inside TLS. No mail is begun. RFC 5321 4.1.1.1, RFC 3207, RFC 4954.

use super::conversation::{Conversation, Event, Learned, Step};
use super::evidence::Recognised;
use super::reply::{self, Reply};
use super::services::{First, Heard, Likeness, Service, Setup, no_hello};
use super::{banner, starttls_injection};
use crate::lang::job::{Consent, Protocol};

/// The row.
pub const SERVICE: Service = Service {
    name: "smtp",
    transport: Protocol::Tcp,
    ports: &[25, 26, 465, 587, 2525],
    first: First::Server,
    in_tls: true,
    everywhere: false,
    hello: no_hello,
    recognise,
    start,
    beside: |setup| starttls_injection::beside(setup, starttls_injection::SMTP),
    starttls: Some(start),
};

fn start(setup: &Setup) -> Box<dyn Conversation> {
    let vrfy = setup.asked("smtp.vrfy").next().is_some().then(|| format!("VRFY p{:016x}\r\n", setup.token));
    let relay = setup.asked("smtp.relay").next().is_some() && setup.may(Consent::Odd);
    Box::new(Smtp { stage: Stage::Greeting, inside: setup.tls, begun: false, vrfy, relay })
}

/// A name that belongs to nobody. RFC 6761 6.4.
const EHLO: &[u8] = b"EHLO palisade.invalid\r\n";

/// Both are of domains that are reserved and belong to nobody. RFC 2606 2 and 3.
const SENDER: &[u8] = b"MAIL FROM:<palisade@palisade.invalid>\r\n";
const RECIPIENT: &[u8] = b"RCPT TO:<palisade@example.com>\r\n";

fn recognise(heard: &Heard<'_>) -> Likeness {
    let head = String::from_utf8_lossy(heard.bytes.get(..heard.bytes.len().min(512)).unwrap_or_default());
    let greets = head.starts_with("220") || head.starts_with("554") || head.starts_with("421");
    // A greeting that came late stands before the answer to somebody else's hello.
    if greets && head.lines().next().is_some_and(|l| l.to_ascii_uppercase().contains("SMTP")) {
        Likeness::Sure
    } else if head.starts_with("220") || head.starts_with("554") {
        Likeness::Maybe
    } else {
        Likeness::No
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    Vrfy,
    Mail,
    Recipient,
    Quit,
}

struct Smtp {
    stage: Stage,
    inside: bool,
    /// TLS was begun by STARTTLS.
    begun: bool,
    /// A question about a name that does not exist; asked for by checks.
    vrfy: Option<String>,
    /// Whether mail for others is taken; asked for by checks. It is never sent.
    relay: bool,
}

impl Conversation for Smtp {
    fn step(&mut self, event: Event<'_>, learned: &mut Learned) -> Step {
        match event {
            Event::Open if self.begun => {
                self.inside = true;
                self.stage = Stage::Ehlo;
                Step::Send(EHLO.to_vec())
            }
            Event::Open => Step::Wait,
            Event::Data(bytes) => match reply::read(bytes) {
                Ok(None) => Step::Wait,
                Ok(Some(reply)) => self.take(&reply, bytes, learned),
                Err(why) => {
                    if learned.service.is_some() {
                        learned.untested("smtp.capabilities", why);
                    }
                    Step::Done
                }
            },
            Event::NoTls => {
                learned.untested("smtp.capabilities_tls", "TLS could not be begun");
                Step::Done
            }
            Event::Silent | Event::Closed => {
                if learned.service.is_some() && self.stage != Stage::Quit {
                    learned.untested("smtp.capabilities", "no answer");
                }
                Step::Done
            }
        }
    }
}

impl Smtp {
    fn take(&mut self, reply: &Reply, bytes: &[u8], learned: &mut Learned) -> Step {
        match (self.stage, reply.code) {
            (Stage::Greeting, code) => {
                learned.set("smtp.banner", reply.text());
                if reply.text().to_ascii_uppercase().contains("SMTP") {
                    known(&reply.text(), "greeting", learned);
                    learned.extract("greeting", bytes);
                }
                if code != 220 {
                    return Step::Done;
                }
                self.stage = Stage::Ehlo;
                Step::Send(EHLO.to_vec())
            }
            (Stage::Ehlo | Stage::Helo, 250) => {
                let banner = learned.facts.text("smtp.banner").unwrap_or_default().to_owned();
                if learned.service.is_none() {
                    known(&banner, "answer to EHLO", learned);
                }
                self.capabilities(reply, learned)
            }
            (Stage::Ehlo, 500..=599) if !self.begun => {
                self.stage = Stage::Helo;
                Step::Send(b"HELO palisade.invalid\r\n".to_vec())
            }
            (Stage::StartTls, 220) => {
                self.begun = true;
                if self.inside { Step::Done } else { Step::Tls }
            }
            (Stage::StartTls, _) => {
                learned.set("smtp.starttls_accepted", false);
                self.after()
            }
            (Stage::Vrfy, code) => {
                learned.set("smtp.vrfy_status", i64::from(code));
                self.after()
            }
            (Stage::Mail, 250) => {
                self.stage = Stage::Recipient;
                Step::Send(RECIPIENT.to_vec())
            }
            // Senders are refused for reasons of their own: nothing is known of recipients.
            (Stage::Mail, code) => {
                learned.untested("smtp.relay_status", &format!("the sender was refused with {code}"));
                self.after()
            }
            (Stage::Recipient, code) => {
                learned.set("smtp.relay_status", i64::from(code));
                // The transaction is forgotten; QUIT comes next.
                self.quit(b"RSET\r\nQUIT\r\n")
            }
            _ => Step::Done,
        }
    }

    /// The first line greets; each further one is a capability. RFC 5321 4.1.1.1.
    fn capabilities(&mut self, reply: &Reply, learned: &mut Learned) -> Step {
        let all: Vec<String> = reply.lines.iter().skip(1).map(|l| l.trim().to_owned()).collect();
        let keyword = |l: &str| l.split([' ', '=']).next().unwrap_or_default().to_ascii_uppercase();
        let starttls = all.iter().any(|l| keyword(l) == "STARTTLS");
        if self.begun {
            learned.set("smtp.starttls_accepted", true);
            learned.set("smtp.capabilities_tls", all);
            return self.after();
        }
        let mechanisms: Vec<String> = all
            .iter()
            .filter(|l| keyword(l) == "AUTH")
            .flat_map(|l| l.split([' ', '=']).skip(1))
            .map(str::to_ascii_uppercase)
            .collect();
        learned.set("smtp.capabilities", all);
        learned.set("smtp.auth", mechanisms);
        if self.inside {
            return self.after();
        }
        learned.set("smtp.starttls", starttls);
        if starttls {
            self.stage = Stage::StartTls;
            return Step::Send(b"STARTTLS\r\n".to_vec());
        }
        self.after()
    }

    fn after(&mut self) -> Step {
        if let Some(vrfy) = self.vrfy.take() {
            self.stage = Stage::Vrfy;
            return Step::Send(vrfy.into_bytes());
        }
        if std::mem::take(&mut self.relay) {
            self.stage = Stage::Mail;
            return Step::Send(SENDER.to_vec());
        }
        if self.stage == Stage::Quit {
            return Step::Done;
        }
        self.quit(b"QUIT\r\n")
    }

    fn quit(&mut self, words: &[u8]) -> Step {
        self.stage = Stage::Quit;
        Step::Send(words.to_vec())
    }
}

fn known(banner: &str, how: &str, learned: &mut Learned) {
    let mut service = Recognised::named("smtp", how);
    if let Some((product, version)) = banner::product(banner) {
        service.product = Some(product);
        service.version = version;
    }
    learned.service = Some(service);
}
