//! What a TLS server accepts, asked with hellos of our own on connections of their own: each hello offers what is not
//! known yet, the server takes one, and the next hello leaves it out. No handshake is finished. Also after STARTTLS.

use super::certificate;
use super::conversation::{Conversation, Event, Learned, Step};
use super::services::{Dialogues, Setup, Start};
use super::tls_hello::{self, GROUPS, Hello, Version};
use super::tls_odd;
use super::tls_reply::{self, Reply, ServerHello};
use super::tls_suites::{self, Exchange};

/// Connections for one version; a server that accepts more suites than this is told so in what stayed untested.
const MOST_HELLOS: usize = 48;
/// Application protocols that are offered. IANA's TLS ALPN Protocol IDs.
const PROTOCOLS: &[&str] = &[
    "h2",
    "http/1.1",
    "http/1.0",
    "spdy/3",
    "imap",
    "pop3",
    "ftp",
    "managesieve",
    "xmpp-client",
    "mqtt",
    "dot",
    "acme-tls/1",
    "postgresql",
    "tds/8.0",
    "nnsp",
    "irc",
    "stun.turn",
    "coap",
];
/// A number that IANA has not given to any suite, and never will: it lies in no block in use. For the negative control.
const UNASSIGNED: u16 = 0x5bad;
/// Signals.
const FALLBACK: u16 = 0x5600;
const RENEGOTIATION: u16 = 0x00ff;
/// Alert numbers. RFC 8446 6, RFC 7507.
const INAPPROPRIATE_FALLBACK: u8 = 86;
const NO_APPLICATION_PROTOCOL: u8 = 120;
const PROTOCOL_VERSION: u8 = 70;
/// How often a hello is tried again whose connection was closed without a word, before that counts as a refusal, or that
/// was not answered at all: busy servers drop clients, or serve one after the other.
const MOST_RETRIES: u8 = 2;

/// Why a version was not learned to its end.
pub(super) const NO_ANSWER: &str = "no answer to a hello";

/// All of them; `lead` brings a connection to the point where TLS begins.
pub(super) fn dialogues(setup: &Setup, lead: Option<Start>) -> Dialogues {
    let mut all: Dialogues = vec![("tls.suites.SSL 2.0".into(), Box::new(Ssl2 { challenge: setup.token_bytes(16) }))];
    for version in Version::ALL {
        all.push((format!("tls.suites.{}", version.name()), Box::new(Probe::new(setup, Suites::new(version)))));
    }
    all.push(("tls.groups".into(), Box::new(Probe::new(setup, Groups::default()))));
    all.push(("tls.extensions".into(), Box::new(Probe::new(setup, Quirks))));
    all.push(("tls.alpn".into(), Box::new(Probe::new(setup, Protocols::default()))));
    all.push(("tls.fallback_scsv".into(), Box::new(Probe::new(setup, Fallback::default()))));
    all.push(("tls.control".into(), Box::new(Probe::new(setup, Control))));
    all.extend(tls_odd::beside(setup));
    match lead {
        None => all,
        Some(lead) => all
            .into_iter()
            .map(|(name, inner)| {
                let before = Some(lead(setup));
                let through = Through { name: name.clone(), failed: 0, lead, setup: setup.clone(), before, inner };
                (name, Box::new(through) as Box<dyn Conversation>)
            })
            .collect(),
    }
}

/// Connections that may end before TLS begins: mail servers refuse clients that come often.
const MOST_LEADS: u8 = 3;

/// Speaks another protocol until TLS is to begin, then hands the connection to a probe.
struct Through {
    name: String,
    /// Connections in a row that did not come to TLS.
    failed: u8,
    lead: Start,
    setup: Setup,
    before: Option<Box<dyn Conversation>>,
    inner: Box<dyn Conversation>,
}

impl Conversation for Through {
    fn step(&mut self, event: Event<'_>, learned: &mut Learned) -> Step {
        let step = match &mut self.before {
            None => self.inner.step(event, learned),
            Some(before) => match before.step(event, &mut Learned::default()) {
                Step::Tls => {
                    self.before = None;
                    self.failed = 0;
                    self.inner.step(Event::Open, learned)
                }
                Step::Done => {
                    self.failed += 1;
                    if self.failed < MOST_LEADS {
                        self.before = Some((self.lead)(&self.setup));
                        return Step::Later;
                    } else {
                        learned.untested(&self.name, "TLS could not be begun again");
                        Step::Done
                    }
                }
                other => return other,
            },
        };
        if step == Step::Reconnect {
            self.before = Some((self.lead)(&self.setup));
        }
        step
    }
}

/// How a dialogue of hellos goes on.
enum Next {
    /// The same connection has more to say.
    Wait,
    /// Another hello on another connection.
    Again,
    Done,
}

/// One line of questions.
trait Line: Send {
    /// What it is called in what stayed untested.
    fn name(&self) -> String;
    /// The next hello; none where all is asked.
    fn hello(&mut self) -> Option<Offer>;
    /// What the answer means. `None` is an end without an answer.
    fn answer(&mut self, reply: Option<Reply>, setup: &Setup, learned: &mut Learned) -> Next;
}

/// What one hello offers.
struct Offer {
    version: Version,
    suites: Vec<u16>,
    groups: Vec<u16>,
    protocols: Vec<&'static str>,
    extras: bool,
}

fn groups() -> Vec<u16> {
    GROUPS.iter().map(|(n, _)| *n).collect()
}

impl Offer {
    fn new(version: Version, suites: Vec<u16>) -> Self {
        Self { version, suites, groups: groups(), protocols: Vec::new(), extras: false }
    }

    /// Modern suites for the modern version, the usual ones for others.
    fn usual(version: Version) -> Self {
        if version == Version::Tls13 {
            return Self::new(version, tls_suites::modern());
        }
        let [mut weak, _, mut suites, _] = tls_suites::older(version < Version::Tls12);
        weak.retain(|s| !tls_suites::name(*s).contains("anon"));
        suites.append(&mut weak);
        // Exchanges that have to be computed by the server come last; static RSA costs it nothing.
        suites.sort_by_key(|s| tls_suites::exchange(*s) != Exchange::Other);
        suites.truncate(100);
        let usual = [0xc013, 0xc014, 0xc02f, 0xc030, 0xc02b, 0xc02c, 0xcca8, 0xcca9];
        suites.retain(|s| !usual.contains(s));
        suites.extend(usual);
        Self::new(version, suites)
    }
}

/// Drives a line of questions.
struct Probe<L> {
    line: L,
    setup: Setup,
    /// The hello that is being asked, for another try.
    hello: Vec<u8>,
    again: bool,
    /// Tries of this hello, and of all.
    retries: u8,
    all_retries: u8,
}

impl<L: Line> Probe<L> {
    fn new(setup: &Setup, line: L) -> Self {
        Self { line, setup: setup.clone(), hello: Vec::new(), again: false, retries: 0, all_retries: 0 }
    }

    fn next(&mut self, reply: Option<Reply>, learned: &mut Learned) -> Step {
        match self.line.answer(reply, &self.setup, learned) {
            Next::Wait => Step::Wait,
            Next::Again => Step::Reconnect,
            Next::Done => Step::Done,
        }
    }
}

impl<L: Line> Conversation for Probe<L> {
    fn step(&mut self, event: Event<'_>, learned: &mut Learned) -> Step {
        match event {
            Event::Open if self.again => {
                self.again = false;
                Step::Send(self.hello.clone())
            }
            Event::Open => {
                let Some(offer) = self.line.hello() else { return Step::Done };
                let hello = Hello {
                    version: offer.version,
                    older: false,
                    suites: &offer.suites,
                    groups: &offer.groups,
                    name: self.setup.name.as_deref(),
                    protocols: &offer.protocols,
                    extras: offer.extras,
                    random: &self.setup.token_bytes(32),
                };
                self.hello = hello.bytes();
                self.retries = 0;
                Step::Send(self.hello.clone())
            }
            Event::Data(bytes) => match tls_reply::read(bytes) {
                Reply::Partial => Step::Wait,
                reply => self.next(Some(reply), learned),
            },
            Event::Closed | Event::Silent if self.retries < MOST_RETRIES && self.all_retries < MOST_RETRIES * 3 => {
                self.retries += 1;
                self.all_retries += 1;
                self.again = true;
                Step::Later
            }
            Event::Closed => self.next(None, learned),
            Event::Silent | Event::NoTls => {
                learned.untested(&self.line.name(), NO_ANSWER);
                Step::Done
            }
        }
    }
}

/// Suites of one version, by elimination.
struct Suites {
    version: Version,
    /// Not accepted yet, of the portion that is offered now.
    now: Vec<u16>,
    /// Portions after it.
    after: Vec<Vec<u16>>,
    accepted: Vec<u16>,
    hellos: usize,
    dh_bits: Option<u32>,
    /// A certificate has been shown; suites without authentication show none.
    shown: bool,
}

impl Suites {
    fn new(version: Version) -> Self {
        let (now, after) = match version {
            Version::Tls13 => (tls_suites::modern(), Vec::new()),
            older => {
                let [first, rest @ ..] = tls_suites::older(older < Version::Tls12);
                (first, rest.to_vec())
            }
        };
        Self { version, now, after, accepted: Vec::new(), hellos: 0, dh_bits: None, shown: false }
    }

    fn finish(&self, learned: &mut Learned) -> Next {
        self.tell(learned);
        Next::Done
    }

    /// What is known so far; told after each suite, so that an end in between loses nothing.
    fn tell(&self, learned: &mut Learned) {
        let mut accepted = self.accepted.clone();
        accepted.sort_unstable();
        let names: Vec<String> = accepted.into_iter().map(tls_suites::name).collect();
        learned.set("tls.versions", if names.is_empty() { Vec::new() } else { vec![self.version.name().to_owned()] });
        if !names.is_empty() {
            learned.set(&format!("tls.suites.{}", self.version.name()), names.clone());
            learned.set("tls.suites", names);
        }
        if let Some(bits) = self.dh_bits {
            learned.set("tls.dh_bits", i64::from(bits));
        }
    }

    /// The portion is through: the next one, or the end.
    fn refused(&mut self, learned: &mut Learned) -> Next {
        if self.after.is_empty() {
            return self.finish(learned);
        }
        self.now = self.after.remove(0);
        Next::Again
    }

    fn accept(&mut self, hello: &ServerHello, setup: &Setup, learned: &mut Learned) -> Next {
        let known = self.now.contains(&hello.suite);
        if hello.version != self.version.number() || !known {
            // Another version than the one offered, or a suite that was not: it does not speak this version.
            return self.refused(learned);
        }
        let finite = tls_suites::exchange(hello.suite) == Exchange::FiniteEphemeral;
        let wanted = !self.shown && self.version < Version::Tls13;
        if !hello.done && ((finite && hello.dh_bits.is_none()) || (wanted && hello.chain.is_empty())) {
            return Next::Wait;
        }
        if wanted && !hello.chain.is_empty() {
            self.shown = true;
            certificate::tell(&hello.chain, setup, learned);
        }
        if let Some(bits) = hello.dh_bits {
            self.dh_bits = Some(self.dh_bits.map_or(bits, |old| old.min(bits)));
        }
        self.accepted.push(hello.suite);
        self.tell(learned);
        self.now.retain(|s| *s != hello.suite);
        if self.hellos >= MOST_HELLOS {
            learned
                .untested(&format!("tls.suites.{}", self.version.name()), "it accepts more suites than are asked for");
            return self.finish(learned);
        }
        if self.now.is_empty() { self.refused(learned) } else { Next::Again }
    }
}

impl Line for Suites {
    fn name(&self) -> String {
        format!("tls.suites.{}", self.version.name())
    }

    fn hello(&mut self) -> Option<Offer> {
        self.hellos += 1;
        let mut offer = Offer::new(self.version, self.now.clone());
        if self.version == Version::Ssl30 {
            // Without extensions there is only the signal to say that renegotiation is understood. RFC 5746 3.3.
            offer.suites.push(RENEGOTIATION);
        }
        Some(offer)
    }

    fn answer(&mut self, reply: Option<Reply>, setup: &Setup, learned: &mut Learned) -> Next {
        match reply {
            Some(Reply::Hello(hello)) => self.accept(&hello, setup, learned),
            // Other suites would not change that.
            Some(Reply::Alert(PROTOCOL_VERSION)) if self.accepted.is_empty() => self.finish(learned),
            None | Some(Reply::Alert(_) | Reply::Foreign | Reply::Partial) => self.refused(learned),
        }
    }
}

/// Groups, by elimination: in TLS 1.3 for nothing, else with a key exchange each.
#[derive(Default)]
struct Groups {
    accepted: Vec<u16>,
    older: bool,
    hellos: usize,
}

impl Groups {
    fn finish(&mut self, learned: &mut Learned) -> Next {
        if self.accepted.is_empty() && !self.older {
            self.older = true;
            return Next::Again;
        }
        let name =
            |g: &u16| GROUPS.iter().find(|(n, _)| n == g).map_or_else(|| format!("0x{g:04x}"), |(_, n)| (*n).into());
        learned.set("tls.groups", self.accepted.iter().map(name).collect::<Vec<String>>());
        Next::Done
    }
}

impl Line for Groups {
    fn name(&self) -> String {
        "tls.groups".into()
    }

    fn hello(&mut self) -> Option<Offer> {
        self.hellos += 1;
        let left: Vec<u16> = groups().into_iter().filter(|g| !self.accepted.contains(g)).collect();
        let mut offer = if self.older {
            let [_, _, rest, _] = tls_suites::older(false);
            let mut elliptic: Vec<u16> =
                rest.into_iter().filter(|s| tls_suites::exchange(*s) == Exchange::EllipticEphemeral).collect();
            elliptic.truncate(60);
            Offer::new(Version::Tls12, elliptic)
        } else {
            Offer::usual(Version::Tls13)
        };
        offer.groups = left;
        Some(offer)
    }

    fn answer(&mut self, reply: Option<Reply>, _: &Setup, learned: &mut Learned) -> Next {
        let Some(Reply::Hello(hello)) = reply else { return self.finish(learned) };
        if !self.older && hello.version != Version::Tls13.number() {
            return self.finish(learned);
        }
        match hello.group {
            None if !hello.done => Next::Wait,
            Some(group) if !self.accepted.contains(&group) && self.hellos < GROUPS.len() + 2 => {
                self.accepted.push(group);
                Next::Again
            }
            _ => self.finish(learned),
        }
    }
}

/// Extensions and compression of the highest old version: heartbeat, tickets, stapling, renegotiation.
struct Quirks;

impl Line for Quirks {
    fn name(&self) -> String {
        "tls.extensions".into()
    }

    fn hello(&mut self) -> Option<Offer> {
        let mut offer = Offer::usual(Version::Tls12);
        offer.extras = true;
        Some(offer)
    }

    fn answer(&mut self, reply: Option<Reply>, _: &Setup, learned: &mut Learned) -> Next {
        match reply {
            // A server of version 1.3 alone has none of these. RFC 8446 4.1.2, 4.2, appendix D.
            Some(Reply::Hello(hello)) if hello.version <= Version::Tls12.number() => {
                if !hello.done {
                    return Next::Wait;
                }
                learned.set("tls.compression", hello.compression != 0);
                learned.set("tls.renegotiation.secure", hello.extension(0xff01).is_some());
                learned.set("tls.heartbeat", hello.extension(15).is_some());
                learned.set("tls.session.tickets", hello.extension(35).is_some());
                if let Some(status) = hello.status.as_deref().and_then(certificate::stapled) {
                    learned.set("tls.ocsp.status", status);
                }
                learned.extract("server hello of TLS 1.2", &hello.suite.to_be_bytes());
            }
            _ => learned.untested("tls.extensions", "it does not answer hellos of TLS 1.2"),
        }
        Next::Done
    }
}

/// Application protocols, by elimination.
#[derive(Default)]
struct Protocols {
    accepted: Vec<&'static str>,
}

impl Line for Protocols {
    fn name(&self) -> String {
        "tls.alpn".into()
    }

    fn hello(&mut self) -> Option<Offer> {
        let mut offer = Offer::usual(Version::Tls12);
        offer.protocols = PROTOCOLS.iter().copied().filter(|p| !self.accepted.contains(p)).collect();
        Some(offer)
    }

    fn answer(&mut self, reply: Option<Reply>, _: &Setup, learned: &mut Learned) -> Next {
        let chosen = match &reply {
            Some(Reply::Hello(hello)) if hello.version <= Version::Tls12.number() => hello.extension(16),
            Some(Reply::Alert(NO_APPLICATION_PROTOCOL)) => None,
            // In TLS 1.3 the choice is encrypted; the handshake beside this says what it saw.
            _ if self.accepted.is_empty() => {
                learned.untested("tls.alpn", "it does not answer hellos of TLS 1.2");
                return Next::Done;
            }
            _ => None,
        };
        // A list with one name: two bytes of length, one of the name's length. RFC 7301 3.1.
        let chosen = chosen.and_then(|list| PROTOCOLS.iter().find(|p| list.get(3..) == Some(p.as_bytes())));
        match chosen {
            Some(chosen) if !self.accepted.contains(chosen) && self.accepted.len() < 8 => {
                self.accepted.push(chosen);
                Next::Again
            }
            _ => {
                learned.set("tls.alpn", self.accepted.iter().map(|p| (*p).to_owned()).collect::<Vec<String>>());
                Next::Done
            }
        }
    }
}

/// The downgrade signal. A hello below the server's highest version that carries it must be refused with an alert of its
/// own. RFC 7507 3.
#[derive(Default)]
struct Fallback {
    stage: u8,
}

impl Line for Fallback {
    fn name(&self) -> String {
        "tls.fallback_scsv".into()
    }

    fn hello(&mut self) -> Option<Offer> {
        let version = match self.stage {
            // The highest version of the server: is there one above 1.2?
            0 => return Some(Offer::usual(Version::Tls13)),
            3 | 4 => return Some(Offer::usual(Version::Tls12)),
            5 => return Some(Offer::usual(Version::Tls11)),
            1 => Version::Tls12,
            _ => Version::Tls11,
        };
        let mut offer = Offer::usual(version);
        offer.suites.push(FALLBACK);
        Some(offer)
    }

    fn answer(&mut self, reply: Option<Reply>, _: &Setup, learned: &mut Learned) -> Next {
        let accepted = |v: Version| matches!(&reply, Some(Reply::Hello(h)) if h.version == v.number());
        let alert = matches!(&reply, Some(Reply::Alert(INAPPROPRIATE_FALLBACK)));
        let (next, verdict) = match self.stage {
            0 => (if accepted(Version::Tls13) { 1 } else { 2 }, None),
            1 | 2 if alert => (0, Some(true)),
            1 if accepted(Version::Tls12) => (0, Some(false)),
            // It speaks 1.1 in spite of the signal; whether it also speaks 1.2 decides what that means.
            2 if accepted(Version::Tls11) => (3, None),
            3 if accepted(Version::Tls12) => (0, Some(false)),
            // Refused without the alert, as servers do that close at once: with the signal, or anyhow?
            1 => (4, None),
            2 => (5, None),
            4 if accepted(Version::Tls12) => (0, Some(true)),
            5 if accepted(Version::Tls11) => (0, Some(true)),
            _ => {
                learned.untested("tls.fallback_scsv", "it has no lower version to fall back to");
                return Next::Done;
            }
        };
        self.stage = next;
        match verdict {
            None => Next::Again,
            Some(honoured) => {
                learned.set("tls.fallback_scsv", honoured);
                Next::Done
            }
        }
    }
}

/// The negative control: what accepts this hello accepts anything.
struct Control;

impl Line for Control {
    fn name(&self) -> String {
        "tls.control".into()
    }

    fn hello(&mut self) -> Option<Offer> {
        Some(Offer::new(Version::Tls12, vec![UNASSIGNED]))
    }

    fn answer(&mut self, reply: Option<Reply>, _: &Setup, learned: &mut Learned) -> Next {
        learned.set("tls.control.refused", !matches!(reply, Some(Reply::Hello(_))));
        Next::Done
    }
}

/// SSL 2.0, which has a hello of its own.
struct Ssl2 {
    challenge: Vec<u8>,
}

impl Conversation for Ssl2 {
    fn step(&mut self, event: Event<'_>, learned: &mut Learned) -> Step {
        match event {
            Event::Open => Step::Send(tls_hello::ssl2(&self.challenge)),
            Event::Data(bytes) => {
                let cut = bytes.first().is_some_and(|b| b & 0x80 != 0) && bytes.len() < 16_384;
                match tls_reply::ssl2(bytes) {
                    None if cut => Step::Wait,
                    // Versions may be spoken without any kind of cipher in common: that is no session. RFC 6176.
                    Some(kinds) if !kinds.is_empty() => {
                        let name = |k: &[u8; 3]| tls_hello::SSL2_KINDS.iter().find(|(n, _)| n == k).map(|(_, n)| *n);
                        let names: Vec<String> = kinds.iter().filter_map(name).map(str::to_owned).collect();
                        learned.set("tls.versions", vec!["SSL 2.0".to_owned()]);
                        learned.set("tls.suites.SSL 2.0", names.clone());
                        learned.set("tls.suites", names);
                        learned.extract("server hello of SSL 2.0", bytes);
                        Step::Done
                    }
                    _ => refused(learned),
                }
            }
            Event::Silent => {
                learned.untested("tls.suites.SSL 2.0", NO_ANSWER);
                Step::Done
            }
            Event::Closed => refused(learned),
            Event::NoTls => Step::Done,
        }
    }
}

fn refused(learned: &mut Learned) -> Step {
    learned.set("tls.versions", Vec::new());
    Step::Done
}
