//! Golden dialogues, text in and text out. A file of `tests/service/dialogues/` holds several; each begins with
//! `== title`, then settings (`service`, `udp`, `beside NAME`, `starttls`, `port`, `name`, `tls`, `consent`, `ask`), then what the
//! peer does, one event a line:
//!
//! ```text
//! < "bytes\r\n\x00"     the peer sends
//! . silent | closed | tls | no-tls
//! ```
//!
//! Everything else is written by the test (`UPDATE=1 cargo test dialogues`): `>` lines are what we send, `* ` lines other
//! steps, and below `--` stand the service, facts and what stayed untested. Each dialogue is then cut at every byte and
//! damaged in many ways; whatever comes out, the conversation must end and must not panic.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use palisade::lang::job::{Consent, Protocol};
use palisade::service::catalogue::{self, Type};
use palisade::service::conversation::{Conversation, Event, Learned, Step};
use palisade::service::evidence::{Ask, Fact};
use palisade::service::services::{Heard, Likeness, SERVICES, Service, Setup};

/// What the peer does.
#[derive(Debug, Clone, PartialEq)]
enum Peer {
    Says(Vec<u8>),
    Silent,
    Closed,
    Tls,
    NoTls,
}

struct Case {
    title: String,
    settings: Vec<(String, String)>,
    events: Vec<Peer>,
}

/// Longest run of steps of any dialogue; a conversation that goes on beyond it does not end.
const MOST_STEPS: usize = 2_000;

fn unquote(text: &str) -> Vec<u8> {
    let inner = text.trim().strip_prefix('"').and_then(|t| t.strip_suffix('"'));
    let mut rest = inner.unwrap_or_else(|| panic!("not quoted: {text}")).as_bytes();
    let mut out = Vec::new();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'\\' {
            out.push(*first);
            continue;
        }
        let (kind, after) = (rest[0], &rest[1..]);
        rest = after;
        match kind {
            b'r' => out.push(b'\r'),
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'x' => {
                out.push(u8::from_str_radix(std::str::from_utf8(&rest[..2]).unwrap(), 16).unwrap());
                rest = &rest[2..];
            }
            // `\*1000` repeats the byte before it, a thousand times in all.
            b'*' => {
                let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
                let n: usize = std::str::from_utf8(&rest[..digits]).unwrap().parse().unwrap();
                let last = *out.last().unwrap();
                out.resize(out.len() + n - 1, last);
                rest = &rest[digits..];
            }
            other => out.push(other),
        }
    }
    out
}

fn quote(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for b in bytes {
        match b {
            b'\r' => out.push_str("\\r"),
            b'\n' => out.push_str("\\n"),
            b'\t' => out.push_str("\\t"),
            b'"' | b'\\' => {
                out.push('\\');
                out.push(*b as char);
            }
            0x20..=0x7e => out.push(*b as char),
            _ => {
                let _ = write!(out, "\\x{b:02x}");
            }
        }
    }
    out.push('"');
    out
}

fn parse(text: &str) -> (String, Vec<Case>) {
    let mut head = String::new();
    let mut cases: Vec<Case> = Vec::new();
    let mut outcome = false;
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("== ") {
            outcome = false;
            cases.push(Case { title: title.into(), settings: Vec::new(), events: Vec::new() });
            continue;
        }
        let Some(case) = cases.last_mut() else {
            head.push_str(line);
            head.push('\n');
            continue;
        };
        outcome |= line == "--";
        if outcome || line.is_empty() || line.starts_with("> ") || line.starts_with("* ") {
            continue;
        }
        match line.split_once(' ').unwrap_or((line, "")) {
            ("<", bytes) => case.events.push(Peer::Says(unquote(bytes))),
            (".", "silent") => case.events.push(Peer::Silent),
            (".", "closed") => case.events.push(Peer::Closed),
            (".", "tls") => case.events.push(Peer::Tls),
            (".", "no-tls") => case.events.push(Peer::NoTls),
            (key, value) => case.settings.push((key.into(), value.into())),
        }
    }
    (head, cases)
}

impl Case {
    fn setting(&self, key: &str) -> Option<&str> {
        self.settings.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    fn setup(&self) -> Setup {
        let class = |word: &str| match word {
            "auth" => Consent::Auth,
            "odd" => Consent::Odd,
            "ics" => Consent::Ics,
            _ => Consent::Safe,
        };
        Setup {
            addr: "192.0.2.7".parse().unwrap(),
            name: self.setting("name").map(Into::into),
            port: self.setting("port").map_or(1, |p| p.parse().unwrap()),
            tls: self.setting("tls").is_some(),
            asks: self
                .settings
                .iter()
                .filter(|(k, _)| k == "ask")
                .map(|(_, v)| v.split_once(' ').unwrap_or((v, "")))
                .map(|(what, argument)| Ask { what: what.into(), argument: argument.into(), consent: Consent::Safe })
                .collect(),
            consent: self.setting("consent").unwrap_or("safe").split(", ").map(class).collect(),
            token: 0x0123_4567_89ab_cdef,
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
        }
    }

    /// The row of the service; that of datagrams where the case says `udp`.
    fn row(&self) -> &'static Service {
        let name = self.setting("service").unwrap_or_else(|| panic!("{}: no `service`", self.title));
        let transport = if self.setting("udp").is_some() { Protocol::Udp } else { Protocol::Tcp };
        let row = SERVICES.iter().find(|s| s.name == name && s.transport == transport);
        row.unwrap_or_else(|| panic!("{}: no service `{name}`", self.title))
    }

    fn conversation(&self) -> Box<dyn Conversation> {
        let name = self.setting("service").unwrap_or_else(|| panic!("{}: no `service`", self.title));
        let row = self.row();
        let setup = self.setup();
        if let Some(wanted) = self.setting("beside") {
            let found = (row.beside)(&setup).into_iter().find(|(n, _)| n == wanted);
            return found.unwrap_or_else(|| panic!("{name} has nothing beside it called `{wanted}`")).1;
        }
        if self.setting("starttls").is_some() {
            return (row.starttls.unwrap())(&setup);
        }
        (row.start)(&setup)
    }

    /// What the table says of the first bytes, where they are the first that are heard.
    fn recognised(&self) -> String {
        let row = self.row();
        if self.setting("beside").is_some() || self.setting("starttls").is_some() {
            return String::new();
        }
        let Some(Peer::Says(bytes)) = self.events.first() else { return String::new() };
        let hello = (row.first == palisade::service::services::First::Client).then_some(row.name);
        let sent = (row.hello)(&self.setup());
        let heard = Heard { hello, sent: &sent, bytes };
        let mut all: Vec<String> = SERVICES
            .iter()
            .filter(|s| s.transport == row.transport)
            .filter_map(|s| match (s.recognise)(&heard) {
                Likeness::No => None,
                Likeness::Maybe => Some(format!("{}?", s.name)),
                Likeness::Sure => Some(s.name.to_owned()),
                Likeness::Inner => Some(format!("{}!", s.name)),
            })
            .collect();
        all.sort();
        format!("{}\n", format!("recognised: {}", all.join(" ")).trim_end())
    }
}

/// Plays the peer's events; returns the transcript and what was learned.
fn play(conversation: &mut dyn Conversation, events: &[Peer]) -> (String, Learned) {
    let mut log = String::new();
    let mut learned = Learned::default();
    let mut input: Vec<u8> = Vec::new();
    let mut events = events.iter();
    let mut step = conversation.step(Event::Open, &mut learned);
    let mut closed = false;
    for _ in 0..MOST_STEPS {
        match &step {
            Step::Send(bytes) => {
                let _ = writeln!(log, "> {}", quote(bytes));
                input.clear();
            }
            Step::Wait => {}
            Step::Tls => log.push_str("* tls\n"),
            Step::Alpn(protocol) => {
                let _ = writeln!(log, "* tls with {protocol}");
            }
            Step::Reconnect | Step::Later => {
                log.push_str(if step == Step::Later { "* later\n" } else { "* reconnect\n" });
                input.clear();
                closed = false;
                step = conversation.step(Event::Open, &mut learned);
                continue;
            }
            Step::Done => {
                log.push_str("* done\n");
                return (log, learned);
            }
        }
        // After an end the driver calls no more, unless it may connect again.
        if closed {
            log.push_str("* given up\n");
            return (log, learned);
        }
        step = match events.next().unwrap_or(&Peer::Closed) {
            Peer::Says(bytes) => {
                input.extend_from_slice(bytes);
                let _ = writeln!(log, "< {}", quote(bytes));
                conversation.step(Event::Data(&input), &mut learned)
            }
            Peer::Silent => {
                log.push_str(". silent\n");
                conversation.step(Event::Silent, &mut learned)
            }
            Peer::Closed => {
                log.push_str(". closed\n");
                closed = true;
                conversation.step(Event::Closed, &mut learned)
            }
            Peer::Tls => {
                log.push_str(". tls\n");
                input.clear();
                conversation.step(Event::Open, &mut learned)
            }
            Peer::NoTls => {
                log.push_str(". no-tls\n");
                conversation.step(Event::NoTls, &mut learned)
            }
        };
    }
    panic!("the conversation does not end:\n{}", &log[..log.len().min(2_000)]);
}

fn outcome(learned: &Learned) -> String {
    let mut out = String::new();
    if let Some(s) = &learned.service {
        let more: Vec<&str> = [s.product.as_deref(), s.version.as_deref()].into_iter().flatten().collect();
        let _ = writeln!(out, "service: {} ({}) {}", s.name, s.how, more.join(" "));
    }
    for (path, fact) in learned.facts.iter() {
        let shown = match fact {
            Fact::Bool(v) => v.to_string(),
            Fact::Int(v) => v.to_string(),
            Fact::Text(v) => quote(v.as_bytes()),
            Fact::Date(v) => v.to_string(),
            Fact::List(v) => format!("[{}]", v.join(", ")),
        };
        let _ = writeln!(out, "{path} = {shown}");
    }
    for (what, why) in &learned.untested {
        let _ = writeln!(out, "untested {what}: {why}");
    }
    out.lines().map(str::trim_end).fold(String::new(), |all, line| all + line + "\n")
}

fn files() -> Vec<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/service/dialogues");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn dialogues_are_as_written() {
    let mut faults = Vec::new();
    for path in files() {
        let text = fs::read_to_string(&path).unwrap();
        let (head, cases) = parse(&text);
        let mut written = head;
        for case in &cases {
            let _ = writeln!(written, "== {}", case.title);
            for (key, value) in &case.settings {
                let _ = writeln!(written, "{}", format!("{key} {value}").trim_end());
            }
            let (log, learned) = play(case.conversation().as_mut(), &case.events);
            known(&learned);
            let _ = write!(written, "{log}--\n{}{}\n", case.recognised(), outcome(&learned));
        }
        if written != text {
            if std::env::var_os("UPDATE").is_some() {
                fs::write(&path, &written).unwrap();
                continue;
            }
            let place = text.lines().zip(written.lines()).position(|(a, b)| a != b).unwrap_or(0);
            let (had, has) = (text.lines().nth(place), written.lines().nth(place));
            faults.push(format!("{}:{}: written {had:?}, came out {has:?}", path.display(), place + 1));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Facts that dialogues set are in the catalogue, with their type.
fn known(learned: &Learned) {
    for (path, fact) in learned.facts.iter() {
        let row = catalogue::find(path).unwrap_or_else(|| panic!("the fact `{path}` is not in the catalogue"));
        let kind = match fact {
            Fact::Bool(_) => Type::Bool,
            Fact::Int(_) => Type::Int,
            Fact::Text(_) => Type::Text,
            Fact::Date(_) => Type::Date,
            Fact::List(_) => Type::List,
        };
        assert_eq!(row.kind, kind, "type of `{path}`");
    }
}

#[test]
fn every_service_has_dialogues() {
    let mut cases: Vec<Case> = Vec::new();
    for path in files() {
        cases.extend(parse(&fs::read_to_string(path).unwrap()).1);
    }
    for row in SERVICES {
        let udp = row.transport == Protocol::Udp;
        let of_row = |c: &&Case| c.setting("service") == Some(row.name) && c.setting("udp").is_some() == udp;
        let own = cases.iter().filter(of_row).count();
        assert!(own > 0, "no dialogue of {}", row.name);
        let first = (row.start)(&cases[0].setup()).step(Event::Open, &mut Learned::default());
        let hello = (row.hello)(&cases[0].setup());
        match row.first {
            palisade::service::services::First::Client => {
                assert_eq!(first, Step::Send(hello), "{}: the conversation does not begin with its hello", row.name);
            }
            palisade::service::services::First::Server => {
                assert_eq!(first, Step::Wait, "{}: the server speaks first", row.name);
                assert!(hello.is_empty());
            }
        }
    }
}

/// Peers that cut, drip, repeat and damage what they say.
fn damaged(events: &[Peer]) -> Vec<Vec<Peer>> {
    let mut all = Vec::new();
    for (i, event) in events.iter().enumerate() {
        let Peer::Says(bytes) = event else { continue };
        let before = &events[..i];
        let after = &events[i + 1..];
        let stride = (bytes.len() / 24).max(1);
        for cut in (0..bytes.len()).step_by(stride) {
            let with = |middle: Vec<Peer>, rest: &[Peer]| [before, &middle, rest].concat();
            all.push(with(vec![Peer::Says(bytes[..cut].to_vec()), Peer::Closed], &[]));
            all.push(with(vec![Peer::Says(bytes[..cut].to_vec()), Peer::Silent, Peer::Silent], &[]));
            all.push(with(vec![Peer::Says(bytes[..cut].to_vec()), Peer::Says(bytes[cut..].to_vec())], after));
            for (xor, and) in [(0xff, 0xff), (0x80, 0xff), (0, 0), (1, 0xff)] {
                let mut bad = bytes.clone();
                bad[cut] = (bad[cut] ^ xor) & and;
                all.push(with(vec![Peer::Says(bad)], after));
            }
        }
        let drip: Vec<Peer> = bytes.iter().take(200).map(|b| Peer::Says(vec![*b])).collect();
        all.push([before, &drip, after].concat());
        let flood = Peer::Says(bytes.iter().copied().cycle().take(70_000.min(bytes.len() * 2_000)).collect());
        all.push([before, &[flood]].concat());
        all.push([before, &vec![event.clone(); 40]].concat());
    }
    for byte in [0u8, 0xff, b'\n', b' ', b'0'] {
        all.push(vec![Peer::Says(vec![byte; 5_000])]);
    }
    all
}

#[test]
fn damaged_dialogues_end() {
    for path in files() {
        for case in parse(&fs::read_to_string(&path).unwrap()).1 {
            for events in damaged(&case.events) {
                let _ = play(case.conversation().as_mut(), &events);
                for event in events.iter().take(1) {
                    if let Peer::Says(bytes) = event {
                        let bytes = &bytes[..bytes.len().min(4_096)];
                        for row in SERVICES {
                            let sent = (row.hello)(&case.setup());
                            let _ = (row.recognise)(&Heard { hello: Some(row.name), sent: &sent, bytes });
                            let _ = (row.recognise)(&Heard { hello: None, sent: &[], bytes });
                        }
                    }
                }
            }
        }
    }
}
