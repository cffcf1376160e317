//! What IMAP and POP3 have in common: the server greets, lists what it can, begins TLS where it offers that, and lists
//! again inside. Each protocol brings its words.

use super::banner;
use super::conversation::{Conversation, Event, Learned, Step};
use super::evidence::Recognised;
use super::services::Setup;

/// Characters of a greeting that are kept.
const GREETING_CHARS: usize = 512;

/// The words of one protocol.
pub(super) struct Words {
    /// Name of the service.
    pub(super) name: &'static str,
    /// Asks what the server can.
    pub(super) list: &'static [u8],
    /// Asks for TLS.
    pub(super) begin: &'static [u8],
    /// Takes leave.
    pub(super) leave: &'static [u8],
    /// The capability that offers TLS.
    pub(super) offer: &'static str,
    /// The text of the greeting's first line; nothing where it is not the protocol's.
    pub(super) greeting: fn(&str) -> Option<&str>,
    /// What the greeting says beyond its text, and whether the server goes on.
    pub(super) greeted: fn(&str, &mut Learned) -> bool,
    /// The answer to the question for capabilities.
    pub(super) listed: fn(&str) -> Listed,
    /// Whether TLS may begin; nothing where the answer is not whole.
    pub(super) begins: fn(&str) -> Option<bool>,
}

/// An answer to the question for capabilities.
pub(super) enum Listed {
    /// It is not whole.
    More,
    /// The server does not know the question.
    Unknown,
    /// Its capabilities.
    All(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Greeting,
    Capabilities,
    StartTls,
    Leave,
}

struct Mailbox {
    words: &'static Words,
    stage: Stage,
    /// Inside TLS from the start.
    inside: bool,
    /// TLS was begun on the way.
    begun: bool,
    /// TLS is asked for although no list offers it.
    blind: bool,
}

/// The whole conversation.
pub(super) fn start(words: &'static Words, setup: &Setup) -> Box<dyn Conversation> {
    Box::new(Mailbox { words, stage: Stage::Greeting, inside: setup.tls, begun: false, blind: false })
}

impl Conversation for Mailbox {
    fn step(&mut self, event: Event<'_>, learned: &mut Learned) -> Step {
        match event {
            Event::Open if self.begun => self.say(Stage::Capabilities),
            Event::Open => Step::Wait,
            Event::Data(bytes) => self.take(bytes, learned),
            Event::NoTls => {
                learned.untested(&self.path("capabilities_tls"), "TLS could not be begun");
                Step::Done
            }
            Event::Silent | Event::Closed => {
                if learned.service.is_some() && self.stage != Stage::Leave {
                    learned.untested(&self.path("capabilities"), "no answer");
                }
                Step::Done
            }
        }
    }
}

impl Mailbox {
    fn path(&self, fact: &str) -> String {
        format!("{}.{fact}", self.words.name)
    }

    fn say(&mut self, stage: Stage) -> Step {
        self.stage = stage;
        let bytes = match stage {
            Stage::StartTls => self.words.begin,
            Stage::Leave => self.words.leave,
            Stage::Greeting | Stage::Capabilities => self.words.list,
        };
        Step::Send(bytes.to_vec())
    }

    fn take(&mut self, bytes: &[u8], learned: &mut Learned) -> Step {
        let text = String::from_utf8_lossy(bytes);
        match self.stage {
            Stage::Greeting => self.greeting(&text, bytes, learned),
            Stage::Capabilities => match (self.words.listed)(&text) {
                Listed::More => Step::Wait,
                Listed::All(all) => self.capabilities(all, learned),
                Listed::Unknown => {
                    learned.untested(&self.path("capabilities"), "the command is not known");
                    self.blind = !(self.begun || self.inside);
                    self.say(if self.blind { Stage::StartTls } else { Stage::Leave })
                }
            },
            Stage::StartTls => {
                let Some(begins) = (self.words.begins)(&text) else { return Step::Wait };
                if self.blind {
                    learned.set(&self.path("starttls"), begins);
                }
                self.begun = begins;
                if begins {
                    return Step::Tls;
                }
                if !self.blind {
                    learned.set(&self.path("starttls_accepted"), false);
                }
                self.say(Stage::Leave)
            }
            Stage::Leave => Step::Done,
        }
    }

    fn greeting(&mut self, text: &str, bytes: &[u8], learned: &mut Learned) -> Step {
        let Some((line, _)) = text.split_once('\n') else { return Step::Wait };
        let Some(line) = (self.words.greeting)(line.trim()) else { return Step::Done };
        let line: String = line.chars().take(GREETING_CHARS).collect();
        let mut service = Recognised::named(self.words.name, "greeting");
        if let Some((product, version)) = banner::product(&line) {
            service.product = Some(product);
            service.version = version;
        }
        learned.service = Some(service);
        learned.extract("greeting", bytes);
        let goes_on = (self.words.greeted)(&line, learned);
        learned.set(&self.path("banner"), line);
        if goes_on { self.say(Stage::Capabilities) } else { Step::Done }
    }

    fn capabilities(&mut self, all: Vec<String>, learned: &mut Learned) -> Step {
        let offered = all.iter().any(|l| l.eq_ignore_ascii_case(self.words.offer));
        if self.begun {
            learned.set(&self.path("starttls_accepted"), true);
            learned.set(&self.path("capabilities_tls"), all);
            return self.say(Stage::Leave);
        }
        learned.set(&self.path("capabilities"), all);
        if self.inside {
            return self.say(Stage::Leave);
        }
        learned.set(&self.path("starttls"), offered);
        self.say(if offered { Stage::StartTls } else { Stage::Leave })
    }
}
