//! One open port: finding out what speaks there, then holding its conversations.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::join;
use futures_util::stream::{FuturesUnordered, StreamExt};
use jiff::Timestamp;
use tokio::sync::SemaphorePermit;
use tokio::time::timeout;

use super::channel::{Channel, Failed, Read};
use super::conversation::{Conversation, Event, Learned, Step};
use super::driver::{Shared, allowed, span, token};
use super::evidence::{Extract, Facts, Recognised, ServiceEvidence};
use super::services::{Dialogues, Heard, Service, Setup, candidates, greets, hellos};
use super::{certificate, http_inner, redact, session, tls_probe};
use crate::base::progress::StopWish;
use crate::lang::job::Protocol;

/// Bytes of an extract that are kept.
const EXTRACT_BYTES: usize = 256;
/// Silence that ends a greeting or answer nobody has recognised yet.
const QUIET: Duration = Duration::from_millis(60);
/// Time given to a slow first line once it has begun.
const SLOW: Duration = Duration::from_secs(2);
/// Hellos that are tried at once where nothing hints at them, and how long each answer is waited for.
const LANES: usize = 6;
const UNLIKELY_WAIT: Duration = Duration::from_millis(1_000);
/// Dialogues beside the first at once.
const MOST_LANES: usize = 64;
/// Silence after which the next likely hello is tried beside the one before.
const STAGGER: Duration = Duration::from_millis(250);
/// Dialogues through STARTTLS at once: mail servers count their clients.
const STARTTLS_LANES: usize = 2;
/// Pause before a busy peer is asked again.
const PAUSE: Duration = Duration::from_millis(300);
/// Silences in a row after which a conversation is over.
const SILENCES: usize = 3;

/// Raw printing: whatever is sent to these ports comes out on paper, so they are listened to and nothing more. The first
/// is registered with IANA as `pdl-datastream`; servers with several printers use those behind it.
const PRINTERS: std::ops::RangeInclusive<u16> = 9_100..=9_107;

/// What is open, and what must stay held while it is.
struct Line<'a> {
    channel: Channel,
    /// HTTP/1.1 was agreed on in the TLS handshake.
    http: bool,
    _permits: (SemaphorePermit<'a>, SemaphorePermit<'a>),
}

/// A connection on which something has been heard already.
struct Begun<'a> {
    line: Line<'a>,
    /// The service whose hello was sent, and the hello.
    sent: Option<(&'static str, Vec<u8>)>,
    heard: Vec<u8>,
    ended: bool,
}

/// What listening brought.
enum Greeting<'a> {
    /// There is no connection.
    Failed,
    /// Nothing was said; the line is still open.
    Silent(Line<'a>),
    /// A service showed itself.
    Known(&'static Service),
    /// Something that nobody knows, or an end.
    Other,
}

/// One port while it is talked to.
pub(super) struct Port<'a, 'i> {
    shared: &'a Shared<'i>,
    target: u32,
    protocol: Protocol,
    setup: Setup,
    /// What finished handshakes showed.
    shown: RefCell<Facts>,
}

impl<'a, 'i> Port<'a, 'i> {
    pub(super) fn new(shared: &'a Shared<'i>, target: u32, addr: IpAddr, port: u16, protocol: Protocol) -> Self {
        let input = shared.input;
        let consent = input.plan.profile.consent.clone();
        let setup = Setup {
            addr,
            name: input.plan.targets.get(target as usize).and_then(|t| t.name().cloned()),
            port,
            tls: false,
            asks: allowed(input.asks, &consent),
            consent,
            token: token(input.seed, addr, port),
            now: input.clock.now(),
        };
        Self { shared, target, protocol, setup, shown: RefCell::default() }
    }

    /// The whole conversation with the port, in bounded time.
    pub(super) async fn talk(self) -> ServiceEvidence {
        let clock = self.shared.input.clock;
        let first = clock.now();
        let mut learned = Learned::default();
        let wall = self.shared.input.limits.service_port_wall;
        let mut inner = Learned::default();
        if timeout(wall, self.identify(&mut learned, &mut inner)).await.is_err() {
            learned.untested("conversation", "the port's time was over");
        }
        if let Some(mut service) = inner.service.take() {
            service.tls = true;
            learned.service = Some(service);
        }
        learned.merge(inner);
        self.evidence(learned, first, clock.now())
    }

    /// `inner` takes what is learned inside TLS, so that nothing is lost where the time is over.
    async fn identify(&self, learned: &mut Learned, inner: &mut Learned) {
        let Some(service) = self.find(learned).await else { return };
        if service.name == "tls" {
            let inside = Port {
                shared: self.shared,
                target: self.target,
                protocol: self.protocol,
                setup: Setup { tls: true, ..self.setup.clone() },
                shown: RefCell::default(),
            };
            let beside = self.held((service.beside)(&self.setup), MOST_LANES);
            let (told, ()) = join(beside, inside.identify_inside(inner)).await;
            self.shown.borrow_mut().extend(inside.shown.take());
            self.silent_again(told, (service.beside)(&self.setup), learned).await;
            return;
        }
        self.beside((service.beside)(&self.setup), MOST_LANES, learned).await;
        let offered = learned.facts.bool(&format!("{}.starttls", service.name)) == Some(true);
        if let Some(lead) = service.starttls.filter(|_| offered) {
            self.beside(tls_probe::dialogues(&self.setup, Some(lead)), STARTTLS_LANES, learned).await;
        }
    }

    async fn identify_inside(&self, learned: &mut Learned) {
        if let Some(service) = self.find(learned).await {
            self.beside((service.beside)(&self.setup), MOST_LANES, learned).await;
        }
    }

    /// Dialogues on connections of their own, so many at once.
    async fn beside(&self, dialogues: Dialogues, at_once: usize, learned: &mut Learned) {
        for (_, own) in self.held(dialogues, at_once).await {
            learned.merge(own);
        }
    }

    /// What each of these dialogues learned, in their order.
    async fn held(&self, dialogues: Dialogues, at_once: usize) -> Vec<(String, Learned)> {
        let all = dialogues.into_iter().map(|(name, mut conversation)| async move {
            let mut own = Learned::default();
            self.hold(conversation.as_mut(), None, &name, &mut own).await;
            (name, own)
        });
        futures_util::stream::iter(all).buffered(at_once.max(1)).collect().await
    }

    /// Takes over what dialogues learned. Those that met silence are held once more, one after the other, now that
    /// nothing else is open on the port: a server that serves one client at a time was busy with our own.
    async fn silent_again(&self, told: Vec<(String, Learned)>, fresh: Dialogues, learned: &mut Learned) {
        let silent = |own: &Learned| own.untested.iter().any(|(_, why)| why == tls_probe::NO_ANSWER);
        let names: Vec<String> = told.iter().filter(|(_, own)| silent(own)).map(|(name, _)| name.clone()).collect();
        let again: Dialogues = fresh.into_iter().filter(|(name, _)| names.contains(name)).collect();
        let mut again = self.held(again, 1).await;
        for (name, own) in told {
            let at = again.iter().position(|(n, _)| *n == name);
            learned.merge(at.map_or(own, |at| again.swap_remove(at).1));
        }
    }

    /// Listens, speaks, and lets the services that fit try, until one of them is sure.
    async fn find(&self, learned: &mut Learned) -> Option<&'static Service> {
        let limits = self.shared.input.limits;
        if self.protocol == Protocol::Udp {
            return self.ask_all(None, learned).await;
        }
        // Where a server that greets is likely, it is given longer: a busy one must not be asked twice.
        let likely = greets(self.protocol, self.setup.port);
        let wait = limits.service_greeting_wait * if likely { 4 } else { 1 };
        let line = match self.greeting(wait, learned).await {
            Greeting::Failed => return None,
            Greeting::Known(service) => return Some(service),
            Greeting::Silent(line) => Some(line),
            Greeting::Other => None,
        };
        if PRINTERS.contains(&self.setup.port) {
            learned.untested("service", "nothing is sent to a port of printers, which print what they are sent");
            return None;
        }
        let silent = line.is_some();
        if let Some(found) = self.ask_all(line, learned).await {
            return Some(found);
        }
        if likely
            && silent
            && let Greeting::Known(service) = self.greeting(limits.service_slow_greeting_wait, learned).await
        {
            learned.untested.retain(|(what, _)| what != "service");
            return Some(service);
        }
        None
    }

    /// Listens on a new connection.
    async fn greeting(&self, wait: Duration, learned: &mut Learned) -> Greeting<'a> {
        let mut opened = match self.open().await {
            Ok(opened) => opened,
            Err(why) => {
                learned.untested(if self.setup.tls { "inside tls" } else { "connection" }, &why.words());
                return Greeting::Failed;
            }
        };
        // Where both agreed on HTTP, the server waits.
        if opened.http {
            return Greeting::Silent(opened);
        }
        let (heard, ended) = self.listen(&mut opened, wait, None).await;
        if heard.is_empty() {
            return if ended { Greeting::Other } else { Greeting::Silent(opened) };
        }
        learned.extract("greeting", &heard);
        let begun = Begun { line: opened, sent: None, heard, ended };
        self.fit(begun, learned).await.map_or(Greeting::Other, Greeting::Known)
    }

    /// Hellos: the likely ones shortly after one another, the rest several at once, until one is answered by something
    /// known.
    async fn ask_all(&self, line: Option<Line<'a>>, learned: &mut Learned) -> Option<&'static Service> {
        let limits = self.shared.input.limits;
        let mut waiting: VecDeque<&'static Service> = hellos(self.protocol, self.setup.port, self.setup.tls).into();
        waiting.truncate(limits.service_hellos);
        if line.as_ref().is_some_and(|l| l.http) {
            waiting.make_contiguous().sort_by_key(|s| s.name != "http");
        }
        let likely = |s: &Service| s.everywhere || s.ports.contains(&self.setup.port);
        let mut line = line;
        let mut answered = false;
        let mut asked: Vec<&'static Service> = Vec::new();
        let mut asking = FuturesUnordered::new();
        // The next likely hello does not wait for the end of the one before, only for a while.
        let mut due = true;
        while !(waiting.is_empty() && asking.is_empty()) {
            while due && asking.len() < LANES {
                let Some(service) = waiting.pop_front() else { break };
                due = !likely(service);
                let wait = if due { UNLIKELY_WAIT } else { limits.service_answer_wait };
                let line = line.take();
                asked.push(service);
                asking.push(async move { (service, self.ask(service, line, wait).await) });
            }
            let next = timeout(STAGGER, asking.next()).await;
            due = true;
            let Ok(Some((service, result))) = next else { continue };
            asked.retain(|s| s.name != service.name);
            let begun = match result {
                Err(why) => return refused(why, learned),
                Ok(None) => continue,
                Ok(Some(begun)) => begun,
            };
            answered = true;
            learned.extract(&format!("answer to {} hello", service.name), &begun.heard);
            let hello = begun.sent.as_ref().map_or(&[][..], |(_, hello)| hello);
            let heard = Heard { hello: Some(service.name), sent: hello, bytes: &begun.heard };
            if candidates(&heard, self.protocol, self.setup.port, self.setup.tls).is_empty() {
                continue;
            }
            // What is held needs a connection of its own; the others give theirs back, and are asked again if need be.
            asking.clear();
            asked.drain(..).rev().for_each(|s| waiting.push_front(s));
            if let Some(found) = self.fit(begun, learned).await {
                return Some(found);
            }
        }
        learned.untested("service", if answered { "what it says is not known" } else { "no answer to any hello" });
        None
    }

    /// Sends one hello and listens; nothing where nothing comes.
    async fn ask(
        &self,
        service: &'static Service,
        line: Option<Line<'a>>,
        wait: Duration,
    ) -> Result<Option<Begun<'a>>, Failed> {
        let hello = (service.hello)(&self.setup);
        if hello.is_empty() {
            return Ok(None);
        }
        let mut line = match line {
            Some(line) => line,
            None => self.open().await?,
        };
        if !self.say(&mut line, &hello).await {
            return Ok(None);
        }
        let (heard, ended) = self.listen(&mut line, wait, Some((service.name, &hello))).await;
        Ok((!heard.is_empty()).then_some(Begun { line, sent: Some((service.name, hello)), heard, ended }))
    }

    /// Lets the services that fit what was heard hold their conversations; the first that shows itself counts.
    async fn fit(&self, begun: Begun<'a>, learned: &mut Learned) -> Option<&'static Service> {
        let hello = begun.sent.as_ref().map(|(name, _)| *name);
        let sent = begun.sent.as_ref().map(|(_, hello)| hello.clone()).unwrap_or_default();
        let heard = Heard { hello, sent: &sent, bytes: &begun.heard };
        let fitting = candidates(&heard, self.protocol, self.setup.port, self.setup.tls);
        let sure: Vec<bool> =
            fitting.iter().map(|s| (s.recognise)(&heard) >= super::services::Likeness::Sure).collect();
        let mut begun = Some(begun);
        for (service, sure) in fitting.into_iter().zip(sure) {
            let mut own = Learned::default();
            let mut conversation = (service.start)(&self.setup);
            self.hold(conversation.as_mut(), begun.take(), service.name, &mut own).await;
            if sure && own.service.is_none() {
                let how = hello.map_or("greeting".to_owned(), |h| format!("answer to a hello of {h}"));
                own.service = Some(Recognised::named(service.name, &how));
            }
            if own.service.is_some() {
                learned.merge(own);
                return Some(service);
            }
        }
        None
    }

    /// Reads until something recognises it, the peer falls silent or closes, or the bound is reached.
    async fn listen(
        &self,
        line: &mut Line<'_>,
        first: Duration,
        hello: Option<(&'static str, &[u8])>,
    ) -> (Vec<u8>, bool) {
        let (hello, sent) = hello.map_or((None, &[][..]), |(name, bytes)| (Some(name), bytes));
        let mut heard = Vec::new();
        let mut wait = first;
        let gather = async {
            loop {
                let room = (16 << 10) - heard.len().min(16 << 10);
                if room == 0 {
                    return false;
                }
                match line.channel.read(&mut heard, room, wait).await {
                    Read::Closed => return true,
                    Read::Silent => return false,
                    Read::Some(_) => {
                        let all = Heard { hello, sent, bytes: &heard };
                        let known = candidates(&all, self.protocol, self.setup.port, self.setup.tls);
                        let unfinished = http_inner::unfinished(&heard);
                        if self.protocol == Protocol::Udp || (!known.is_empty() && !unfinished) {
                            return false;
                        }
                        wait = if heard.ends_with(b"\n") && !unfinished { QUIET } else { QUIET * 5 };
                    }
                }
            }
        };
        let ended = timeout(first + SLOW, gather).await.unwrap_or(false);
        (heard, ended)
    }

    /// Sends; a datagram is admitted and counted like a connection.
    async fn say(&self, line: &mut Line<'_>, bytes: &[u8]) -> bool {
        if self.protocol == Protocol::Udp && self.shared.admit(self.target, self.setup.port).await.is_err() {
            return false;
        }
        line.channel.send(bytes).await
    }

    /// Opens a connection (inside TLS where the port is found to speak it), or a socket for datagrams.
    async fn open(&self) -> Result<Line<'a>, Failed> {
        let mut line = self.plain().await?;
        if !self.setup.tls {
            return Ok(line);
        }
        if self.begin_tls(&mut line, Some("http/1.1")).await.is_err() {
            // Some servers refuse to speak with a client that offers an application protocol which they do not know.
            drop(line);
            line = self.plain().await?;
            let begun = self.begin_tls(&mut line, None).await;
            begun.map_err(|_| Failed::Over("TLS could not be begun"))?;
        }
        Ok(line)
    }

    async fn plain(&self) -> Result<Line<'a>, Failed> {
        let over = |_| Failed::Over("the run is over");
        let lane = self.shared.lane(self.target).ok_or(Failed::Refused("no warrant"))?;
        let permits = (lane.acquire().await.map_err(over)?, self.shared.sockets.acquire().await.map_err(over)?);
        let wait = self.shared.input.limits.service_answer_wait;
        loop {
            let opened = match self.protocol {
                Protocol::Tcp => {
                    let at = self.shared.admit(self.target, self.setup.port).await.map_err(Failed::Refused)?;
                    let opened = Channel::connect(at, wait).await;
                    if matches!(opened, Err(Failed::Shortage)) {
                        self.shared.not_sent(self.target, at);
                    }
                    opened
                }
                Protocol::Udp => {
                    let at = self.shared.address(self.target, self.setup.port).map_err(Failed::Refused)?;
                    Channel::datagrams(at).await
                }
            };
            match opened {
                Ok(channel) => return Ok(Line { channel, http: false, _permits: permits }),
                // Others will close theirs.
                Err(Failed::Shortage) if self.shared.input.stop.wish() == StopWish::None => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(why) => return Err(why),
            }
        }
    }

    /// Begins TLS; the first certificate that is shown becomes the port's.
    async fn begin_tls(&self, line: &mut Line<'_>, offer: Option<&'static str>) -> Result<(), String> {
        let config = match offer {
            None => self.shared.without.clone(),
            Some("http/1.1") => self.shared.with_http.clone(),
            Some(other) => session::config(&[other.as_bytes()]).map_err(|e| e.to_string())?,
        };
        let name = session::server_name(self.setup.name.as_deref(), self.setup.addr);
        let wait = self.shared.input.limits.service_answer_wait * 2;
        let shown = line.channel.tls(config, name, wait).await?;
        let mut facts = self.shown.borrow_mut();
        if facts.is_empty()
            && let Some(found) =
                certificate::facts(&shown.chain, self.setup.name.as_deref(), self.setup.addr, self.setup.now)
        {
            *facts = found;
        }
        let mut seen = Facts::default();
        if let Some(version) = shown.version {
            seen.set("tls.versions", vec![version.to_owned()]);
        }
        if let Some(protocol) = &shown.protocol {
            seen.set("tls.alpn", vec![protocol.clone()]);
        }
        facts.extend(seen);
        match (offer, shown.protocol) {
            (Some(offer), Some(chosen)) if offer != chosen => Err(format!("it chose {chosen}")),
            (Some(offer), None) if offer != "http/1.1" => Err(format!("it does not take {offer}")),
            (_, chosen) => {
                line.http = chosen.is_some_and(|c| c == "http/1.1");
                Ok(())
            }
        }
    }

    /// Holds one conversation within its bounds.
    async fn hold(
        &self,
        conversation: &mut dyn Conversation,
        begun: Option<Begun<'a>>,
        name: &str,
        learned: &mut Learned,
    ) {
        let wall = self.shared.input.limits.service_conversation_wall;
        if timeout(wall, self.dialogue(conversation, begun, name, learned)).await.is_err() {
            learned.untested(name, "its time was over");
        }
    }

    async fn dialogue(
        &self,
        conversation: &mut dyn Conversation,
        begun: Option<Begun<'a>>,
        name: &str,
        learned: &mut Learned,
    ) {
        let limits = self.shared.input.limits;
        let mut step = conversation.step(Event::Open, learned);
        let mut input: Vec<u8> = Vec::new();
        let mut line = None;
        if let Some(begun) = begun {
            let fits = match (&step, &begun.sent) {
                (Step::Send(bytes), Some((_, hello))) => bytes == hello,
                (Step::Wait, None) => true,
                _ => false,
            };
            if fits {
                input = begun.heard;
                line = Some(begun.line);
                step = conversation.step(Event::Data(&input), learned);
                if begun.ended && step == Step::Wait {
                    step = conversation.step(Event::Closed, learned);
                }
            }
        }
        let mut received = input.len();
        let mut silences = 0;
        for _ in 0..limits.service_steps {
            if self.shared.input.stop.wish() == StopWish::Now {
                return learned.untested(name, "the run was stopped");
            }
            if step == Step::Done {
                return;
            }
            if matches!(step, Step::Reconnect | Step::Later) {
                // Closed before the next is opened: each connection holds a place.
                line = None;
            }
            if step == Step::Later {
                tokio::time::sleep(PAUSE).await;
            }
            let mut current = match line.take() {
                Some(line) => line,
                None => match self.open().await {
                    Ok(line) => line,
                    Err(why) => return learned.untested(name, &why.words()),
                },
            };
            let said = match std::mem::replace(&mut step, Step::Wait) {
                Step::Done => return,
                Step::Reconnect | Step::Later => {
                    input.clear();
                    line = Some(current);
                    step = conversation.step(Event::Open, learned);
                    continue;
                }
                wish @ (Step::Tls | Step::Alpn(_)) => {
                    input.clear();
                    let offer = if let Step::Alpn(protocol) = wish { Some(protocol) } else { None };
                    let begun = self.begin_tls(&mut current, offer).await;
                    let event = if begun.is_ok() { Event::Open } else { Event::NoTls };
                    step = conversation.step(event, learned);
                    line = Some(current);
                    continue;
                }
                Step::Send(bytes) => {
                    input.clear();
                    self.say(&mut current, &bytes).await
                }
                Step::Wait => true,
            };
            let room = limits.service_bytes.saturating_sub(received);
            if room == 0 {
                return learned.untested(name, "it sent more bytes than are read");
            }
            if self.protocol == Protocol::Udp {
                input.clear();
            }
            let read = if said {
                current.channel.read(&mut input, room, limits.service_answer_wait).await
            } else {
                Read::Closed
            };
            line = Some(current);
            step = match read {
                Read::Some(n) => {
                    received += n;
                    silences = 0;
                    conversation.step(Event::Data(&input), learned)
                }
                Read::Silent => {
                    silences += 1;
                    let next = conversation.step(Event::Silent, learned);
                    if silences >= SILENCES && next == Step::Wait { Step::Done } else { next }
                }
                Read::Closed => match conversation.step(Event::Closed, learned) {
                    again @ (Step::Reconnect | Step::Later) => again,
                    _ => Step::Done,
                },
            };
        }
        learned.untested(name, "it took more steps than are allowed");
    }

    /// Cuts and redacts.
    fn evidence(&self, mut learned: Learned, first: Timestamp, last: Timestamp) -> ServiceEvidence {
        let mut facts = self.shown.take();
        facts.extend(std::mem::take(&mut learned.facts));
        learned.facts = facts;
        sort_versions(&mut learned.facts);
        for text in learned.facts.texts_mut() {
            *text = redact::redact_text(text);
        }
        let extracts = learned.extracts.into_iter().map(|(what, bytes)| {
            let total = bytes.len() as u64;
            let mut kept = redact::redact(bytes.get(..bytes.len().min(4 * EXTRACT_BYTES)).unwrap_or_default());
            kept.truncate(EXTRACT_BYTES);
            Extract { what, bytes: kept, total }
        });
        ServiceEvidence {
            port: self.setup.port,
            protocol: self.protocol,
            service: learned.service,
            facts: learned.facts,
            extracts: extracts.collect(),
            untested: learned.untested,
            span: span(Some(first), last),
        }
    }
}

/// No further connection: what is known so far is all.
fn refused(why: Failed, learned: &mut Learned) -> Option<&'static Service> {
    learned.untested("connection", &why.words());
    None
}

/// Oldest first; the names sort that way by themselves.
fn sort_versions(facts: &mut Facts) {
    if let Some(versions) = facts.list("tls.versions") {
        let mut versions = versions.to_vec();
        versions.sort();
        versions.dedup();
        facts.set("tls.versions", versions);
    }
}
