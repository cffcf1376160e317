//! One open port: finding out what speaks there, then holding its conversations.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::sync::SemaphorePermit;
use tokio::time::timeout;

use super::channel::{Channel, Failed, Read};
use super::conversation::{Conversation, Event, Learned, Step};
use super::driver::{Shared, allowed, span, token};
use super::evidence::{Extract, Recognised, ServiceEvidence};
use super::services::{Dialogues, Heard, Service, Setup, candidates, hellos};
use super::{redact, session};
use crate::base::progress::StopWish;
use crate::lang::job::Protocol;

/// Bytes of an extract that are kept.
const EXTRACT_BYTES: usize = 256;
/// Silence that ends a greeting or answer nobody has recognised yet.
const QUIET: Duration = Duration::from_millis(60);
/// Time given to a slow first line once it has begun.
const SLOW: Duration = Duration::from_secs(2);
/// Silences in a row after which a conversation is over.
const SILENCES: usize = 3;

/// What is open, and what must stay held while it is.
struct Line<'a> {
    channel: Channel,
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

/// One port while it is talked to.
pub(super) struct Port<'a, 'i> {
    shared: &'a Shared<'i>,
    target: u32,
    protocol: Protocol,
    setup: Setup,
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
        Self { shared, target, protocol, setup }
    }

    /// The whole conversation with the port, in bounded time.
    pub(super) async fn talk(mut self) -> ServiceEvidence {
        let clock = self.shared.input.clock;
        let first = clock.now();
        let mut learned = Learned::default();
        let wall = self.shared.input.limits.service_port_wall;
        if timeout(wall, self.identify(&mut learned)).await.is_err() {
            learned.untested("conversation", "the port's time was over");
        }
        self.evidence(learned, first, clock.now())
    }

    async fn identify(&mut self, learned: &mut Learned) {
        let Some(service) = self.find(learned).await else { return };
        let setup = &self.setup;
        self.beside((service.beside)(setup), learned).await;
        if service.name == "tls" {
            let outer = learned.service.take();
            self.setup.tls = true;
            let inner = self.find(learned).await;
            match (&mut learned.service, inner) {
                (Some(found), _) => found.tls = true,
                (none, _) => *none = outer,
            }
            if let Some(inner) = inner {
                self.beside((inner.beside)(&self.setup), learned).await;
            }
        }
    }

    /// Dialogues on connections of their own, all at once.
    async fn beside(&self, dialogues: Dialogues, learned: &mut Learned) {
        let all = dialogues.into_iter().map(|(name, mut conversation)| async move {
            let mut own = Learned::default();
            self.hold(conversation.as_mut(), None, &name, &mut own).await;
            own
        });
        for own in join_all(all).await {
            learned.merge(own);
        }
    }

    /// Listens, speaks, and lets the services that fit try, until one of them is sure.
    async fn find(&self, learned: &mut Learned) -> Option<&'static Service> {
        let limits = self.shared.input.limits;
        let mut line = None;
        if self.protocol == Protocol::Tcp {
            let mut opened = match self.open().await {
                Ok(opened) => opened,
                Err(why) => {
                    learned.untested("connection", &why.words());
                    return None;
                }
            };
            let (heard, ended) = self.listen(&mut opened, limits.service_greeting_wait, None).await;
            if heard.is_empty() && !ended {
                line = Some(opened);
            } else if !heard.is_empty() {
                learned.extract("greeting", &heard);
                let begun = Begun { line: opened, sent: None, heard, ended };
                if let Some(found) = self.fit(begun, learned).await {
                    return Some(found);
                }
            }
        }
        let mut silent = 0;
        for service in hellos(self.protocol, self.setup.port, self.setup.tls).into_iter().take(limits.service_hellos) {
            let mut opened = match line.take() {
                Some(line) => line,
                None => match self.open().await {
                    Ok(opened) => opened,
                    Err(why) => {
                        learned.untested("connection", &why.words());
                        return None;
                    }
                },
            };
            let hello = (service.hello)(&self.setup);
            if !self.say(&mut opened, &hello).await {
                continue;
            }
            let (heard, ended) = self.listen(&mut opened, limits.service_answer_wait, Some(service.name)).await;
            if heard.is_empty() {
                silent += 1;
                continue;
            }
            learned.extract(&format!("answer to {} hello", service.name), &heard);
            let begun = Begun { line: opened, sent: Some((service.name, hello)), heard, ended };
            if let Some(found) = self.fit(begun, learned).await {
                return Some(found);
            }
        }
        let why = if silent > 0 { "no answer to any hello" } else { "what it says is not known" };
        learned.untested("service", why);
        None
    }

    /// Lets the services that fit what was heard hold their conversations; the first that shows itself counts.
    async fn fit(&self, begun: Begun<'a>, learned: &mut Learned) -> Option<&'static Service> {
        let hello = begun.sent.as_ref().map(|(name, _)| *name);
        let heard = Heard { hello, bytes: &begun.heard };
        let fitting = candidates(&heard, self.protocol, self.setup.port, self.setup.tls);
        let sure: Vec<bool> =
            fitting.iter().map(|s| (s.recognise)(&heard) == super::services::Likeness::Sure).collect();
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
    async fn listen(&self, line: &mut Line<'_>, first: Duration, hello: Option<&'static str>) -> (Vec<u8>, bool) {
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
                        let known =
                            candidates(&Heard { hello, bytes: &heard }, self.protocol, self.setup.port, self.setup.tls);
                        if !known.is_empty() || self.protocol == Protocol::Udp {
                            return false;
                        }
                        wait = if heard.ends_with(b"\n") { QUIET } else { QUIET * 5 };
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
        if self.begin_tls(&mut line, true).await.is_err() {
            // Some servers refuse to speak with a client that offers an application protocol which they do not know.
            drop(line);
            line = self.plain().await?;
            let begun = self.begin_tls(&mut line, false).await;
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
                    Channel::connect(at, wait).await
                }
                Protocol::Udp => Channel::datagrams((self.setup.addr, self.setup.port).into()).await,
            };
            match opened {
                Ok(channel) => return Ok(Line { channel, _permits: permits }),
                // Others will close theirs.
                Err(Failed::Shortage) if self.shared.input.stop.wish() == StopWish::None => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(why) => return Err(why),
            }
        }
    }

    async fn begin_tls(&self, line: &mut Line<'_>, offer_http: bool) -> Result<(), String> {
        let config = if offer_http { &self.shared.with_http } else { &self.shared.without };
        let name = session::server_name(self.setup.name.as_deref(), self.setup.addr);
        let wait = self.shared.input.limits.service_answer_wait * 2;
        line.channel.tls(config.clone(), name, wait).await.map(drop)
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
            if step == Step::Reconnect {
                // Closed before the next is opened: each connection holds a place.
                line = None;
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
                Step::Reconnect => {
                    input.clear();
                    line = Some(current);
                    step = conversation.step(Event::Open, learned);
                    continue;
                }
                Step::Tls => {
                    input.clear();
                    let begun = self.begin_tls(&mut current, false).await;
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
                    Step::Reconnect => Step::Reconnect,
                    _ => Step::Done,
                },
            };
        }
        learned.untested(name, "it took more steps than are allowed");
    }

    /// Cuts and redacts.
    fn evidence(&self, mut learned: Learned, first: Timestamp, last: Timestamp) -> ServiceEvidence {
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
