//! HTTP/1.1 as a polite client asks: the front page, its icon, a path that cannot exist, and the paths that checks want.
//! Redirects are followed on the same host and port only; all others are written down. RFC 9110, RFC 9112.

use std::collections::VecDeque;

use sha2::{Digest, Sha256};

use super::conversation::{Conversation, Event, Learned, Step};
use super::encoding::hex;
use super::evidence::Recognised;
use super::http_message::{self, Answer, Reading};
use super::services::{First, Heard, Likeness, Service, Setup};
use super::{http_host, http_page, http_proxy, redact};
use crate::lang::job::{Consent, Protocol};

/// The row.
pub const SERVICE: Service = Service {
    name: "http",
    transport: Protocol::Tcp,
    ports: &[
        80, 81, 443, 591, 2082, 3000, 5000, 5601, 5985, 7001, 8000, 8008, 8080, 8081, 8088, 8443, 8888, 9000, 9090,
        9443,
    ],
    first: First::Client,
    in_tls: true,
    everywhere: true,
    hello,
    recognise,
    start,
    beside: |setup| [http_host::beside(setup), http_proxy::beside(setup)].into_iter().flatten().collect(),
    starttls: None,
};

/// Begins the whole conversation; services that speak through HTTP hold it beside their own.
pub fn start(setup: &Setup) -> Box<dyn Conversation> {
    Box::new(Http {
        setup: setup.clone(),
        stage: Stage::Front(0),
        paths: paths(setup),
        path: "/".into(),
        heard: Vec::new(),
        kept: false,
    })
}

/// Redirects on the same host that are followed.
const MOST_REDIRECTS: u8 = 3;
/// Paths that are asked for, all checks together.
const MOST_PATHS: usize = 256;
/// Characters of a body that are kept.
const START_CHARS: usize = 256;

fn request(method: &str, path: &str, setup: &Setup, more: &str) -> Vec<u8> {
    let usual = if setup.tls { 443 } else { 80 };
    let port = if setup.port == usual { String::new() } else { format!(":{}", setup.port) };
    let agent = concat!("palisade/", env!("CARGO_PKG_VERSION"));
    let host = setup.host();
    format!("{method} {path} HTTP/1.1\r\nHost: {host}{port}\r\nUser-Agent: {agent}\r\nAccept: */*\r\n{more}\r\n")
        .into_bytes()
}

fn hello(setup: &Setup) -> Vec<u8> {
    request("GET", "/", setup, "")
}

/// Servers that are told in clear what they expect inside TLS: nginx, Apache, Go.
const WANTS_TLS: &[&str] = &[
    "plain HTTP request was sent to HTTPS port",
    "speaking plain HTTP to an SSL-enabled server port",
    "Client sent an HTTP request to an HTTPS server",
    "requires TLS",
];

fn recognise(heard: &Heard<'_>) -> Likeness {
    let head = heard.bytes.get(..heard.bytes.len().min(2_048)).unwrap_or_default();
    let wants_tls = |text: &str| WANTS_TLS.iter().any(|w| text.contains(w));
    if !head.starts_with(b"HTTP/1.") || (heard.hello.is_some() && wants_tls(&String::from_utf8_lossy(head))) {
        Likeness::No
    } else {
        Likeness::Sure
    }
}

/// Paths that checks want, each once.
fn paths(setup: &Setup) -> VecDeque<String> {
    let mut all: Vec<&str> = setup.asked("http.get").filter(|p| sound(p)).collect();
    all.sort_unstable();
    all.dedup();
    all.into_iter().take(MOST_PATHS).map(str::to_owned).collect()
}

/// A path that fits into a request line and adds nothing to it.
fn sound(path: &str) -> bool {
    path.starts_with('/') && path.len() <= 1_024 && path.bytes().all(|b| b.is_ascii_graphic())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The front page, after so many redirects.
    Front(u8),
    Icon,
    Control,
    Path,
    Trace,
}

struct Http {
    setup: Setup,
    stage: Stage,
    paths: VecDeque<String>,
    /// Path of the present request.
    path: String,
    /// What has come in answer to it.
    heard: Vec<u8>,
    /// The connection has had an answer before.
    kept: bool,
}

impl Conversation for Http {
    fn step(&mut self, event: Event<'_>, learned: &mut Learned) -> Step {
        let ended = match event {
            Event::Open => {
                self.heard.clear();
                return Step::Send(self.ask());
            }
            Event::Data(bytes) => {
                bytes.clone_into(&mut self.heard);
                false
            }
            // A connection that was kept may have been closed before our request came.
            Event::Closed if self.heard.is_empty() && self.kept => {
                self.kept = false;
                return Step::Reconnect;
            }
            Event::Silent | Event::Closed => true,
            Event::NoTls => return Step::Done,
        };
        match http_message::read(&self.heard, ended) {
            Reading::Partial if !ended => Step::Wait,
            Reading::Partial => self.unanswered("no answer", learned),
            Reading::Foreign(why) if self.heard.is_empty() => {
                self.unanswered(if ended { "no answer" } else { why }, learned)
            }
            Reading::Foreign(why) => self.unanswered(why, learned),
            Reading::Whole(answer) => self.take(*answer, learned),
        }
    }
}

impl Http {
    fn name(&self) -> String {
        match self.stage {
            Stage::Trace => "http.trace".into(),
            Stage::Control => "http.control".into(),
            _ => format!("http.get {}", self.path),
        }
    }

    fn ask(&self) -> Vec<u8> {
        match self.stage {
            Stage::Trace => request("TRACE", "/", &self.setup, &format!("X-Palisade: {:016x}\r\n", self.setup.token)),
            _ => request("GET", &self.path, &self.setup, ""),
        }
    }

    /// A request without an answer says nothing about the next one, except where nothing was ever answered.
    fn unanswered(&mut self, why: &str, learned: &mut Learned) -> Step {
        learned.untested(&self.name(), why);
        if self.stage == Stage::Front(0) { Step::Done } else { self.next(false) }
    }

    fn take(&mut self, answer: Answer, learned: &mut Learned) -> Step {
        match self.stage {
            Stage::Front(redirects) => {
                if redirects == 0 {
                    front(&answer, &self.setup, learned);
                }
                if let Some(path) = self.redirect(&answer, redirects, learned) {
                    self.path = path;
                    self.stage = Stage::Front(redirects + 1);
                    return self.go(answer.reusable);
                }
                page(&answer, learned);
                let icon = http_page::icon(&answer.body).and_then(|href| self.local(&href));
                self.path = icon.unwrap_or_else(|| "/favicon.ico".into());
                self.stage = Stage::Icon;
                return self.go(answer.reusable);
            }
            Stage::Icon if answer.status == 200 && !answer.body.is_empty() => {
                learned.set("http.icon_hash", hex(&Sha256::digest(&answer.body)));
                learned.set("http.icon_number", i64::from(http_page::icon_number(&answer.body)));
            }
            Stage::Icon => {}
            Stage::Control => describe("http.control", &answer, learned),
            Stage::Path => describe(&format!("http.path.{}", self.path), &answer, learned),
            Stage::Trace => {
                let token = format!("{:016x}", self.setup.token);
                let echo = answer.status == 200 && String::from_utf8_lossy(&answer.body).contains(&token);
                learned.set("http.trace", echo);
            }
        }
        self.next(answer.reusable)
    }

    /// The next request.
    fn next(&mut self, reusable: bool) -> Step {
        match self.stage {
            Stage::Front(_) | Stage::Icon => {
                self.stage = Stage::Control;
                self.path = format!("/{:016x}.html", self.setup.token);
            }
            Stage::Control | Stage::Path => match self.paths.pop_front() {
                Some(path) => {
                    self.stage = Stage::Path;
                    self.path = path;
                }
                None if self.setup.may(Consent::Odd) => self.stage = Stage::Trace,
                None => return Step::Done,
            },
            Stage::Trace => return Step::Done,
        }
        self.go(reusable)
    }

    /// The next request goes over this connection, or another.
    fn go(&mut self, reusable: bool) -> Step {
        self.kept = reusable;
        self.heard.clear();
        if reusable { Step::Send(self.ask()) } else { Step::Reconnect }
    }

    /// Writes a redirect down; the path where it stays on this host and port.
    fn redirect(&self, answer: &Answer, before: u8, learned: &mut Learned) -> Option<String> {
        if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
            return None;
        }
        let location = answer.field("location")?;
        let mut all = learned.facts.list("http.redirects").unwrap_or_default().to_vec();
        all.push(location.chars().take(1_024).collect());
        learned.set("http.redirects", all);
        (before < MOST_REDIRECTS).then(|| self.local(location)).flatten().filter(|p| *p != self.path)
    }

    /// The path of a reference that stays on this host, port and scheme.
    fn local(&self, reference: &str) -> Option<String> {
        let reference = reference.split('#').next().unwrap_or_default();
        if reference.starts_with('/') && !reference.starts_with("//") {
            return sound(reference).then(|| reference.to_owned());
        }
        if let Some((scheme, rest)) = reference.split_once("://") {
            if scheme != if self.setup.tls { "https" } else { "http" } {
                return None;
            }
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = self.setup.host();
            let usual = if self.setup.tls { 443 } else { 80 };
            let own = authority.eq_ignore_ascii_case(&format!("{host}:{}", self.setup.port))
                || (self.setup.port == usual && authority.eq_ignore_ascii_case(&host));
            let path = if path.is_empty() { "/" } else { path };
            return (own && sound(path)).then(|| path.to_owned());
        }
        let folder = self.path.rsplit_once('/').map_or("", |(f, _)| f);
        let joined = format!("{folder}/{reference}");
        (!reference.is_empty() && !reference.contains(':') && !reference.starts_with("//") && sound(&joined))
            .then_some(joined)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(START_CHARS).collect()
}

/// Facts of the answer to `/`.
fn front(answer: &Answer, setup: &Setup, learned: &mut Learned) {
    let mut service = Recognised::named("http", "answer to GET");
    learned.set("http.status", i64::from(answer.status));
    learned.set("http.version", answer.version.as_str());
    let mut names: Vec<&str> = answer.fields.iter().map(|(n, _)| n.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let values = answer.fields.iter().filter(|(n, _)| n == name);
        let shown = |v: &str| if name == "set-cookie" { redact::cookie(v) } else { v.chars().take(1_024).collect() };
        let joined: Vec<String> = values.map(|(_, v)| shown(v)).collect();
        learned.set(&format!("http.header.{name}"), joined.join("\n"));
    }
    if let Some(server) = answer.field("server") {
        let first = server.split_whitespace().next().unwrap_or_default();
        let (product, version) = first.split_once('/').map_or((first, None), |(p, v)| (p, Some(v)));
        service.product = (!product.is_empty()).then(|| product.to_owned());
        service.version = version.map(str::to_owned);
    }
    let challenges = answer.fields.iter().filter(|(n, _)| n == "www-authenticate");
    let basic = challenges.filter_map(|(_, v)| v.get(..5)).any(|v| v.eq_ignore_ascii_case("basic"));
    if !setup.tls {
        learned.set("http.basic_clear", basic && answer.status == 401);
    }
    learned.service = Some(service);
    learned.extract("front page", &answer.body);
}

/// Facts of the page that the redirects ended at.
fn page(answer: &Answer, learned: &mut Learned) {
    if let Some(title) = http_page::title(&answer.body) {
        learned.set("http.title", title);
    }
    learned.set("http.login_form", http_page::login_form(&answer.body));
    learned.set("http.body_start", text(&answer.body));
}

fn describe(path: &str, answer: &Answer, learned: &mut Learned) {
    learned.set(&format!("{path}.status"), i64::from(answer.status));
    learned.set(&format!("{path}.type"), answer.field("content-type").unwrap_or_default());
    learned.set(&format!("{path}.length"), answer.body.len() as i64);
    learned.set(&format!("{path}.start"), text(&answer.body));
}
