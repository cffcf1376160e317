//! Redis and its kin (Valkey, KeyDB): RESP, the client speaks first. `redis.io/docs/reference/protocol-spec`.

use super::conversation::{Conversation, Event, Learned, Step};
use super::evidence::Recognised;
use super::services::{First, Heard, Likeness, Service, nothing_beside};
use crate::lang::job::Protocol;

/// The row.
pub const SERVICE: Service = Service {
    name: "redis",
    transport: Protocol::Tcp,
    ports: &[6379, 6380, 26379],
    first: First::Client,
    in_tls: true,
    everywhere: false,
    hello: |_| PING.to_vec(),
    recognise,
    start: |_| Box::new(Redis { stage: Stage::Ping }),
    beside: nothing_beside,
    starttls: None,
};

const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";
const INFO: &[u8] = b"*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n";

/// Answers that no other service gives to a hello of ours: to PING, or to a request that it takes for a command.
fn recognise(heard: &Heard<'_>) -> Likeness {
    let own = heard.hello == Some("redis");
    let starts = |with: &[u8]| heard.bytes.starts_with(with);
    if (own && (starts(b"+PONG\r\n") || starts(b"-NOPERM ")))
        || starts(b"-NOAUTH ")
        || starts(b"-DENIED Redis")
        || starts(b"-ERR wrong number of arguments for 'get' command")
        || starts(b"-ERR unknown command")
    {
        Likeness::Sure
    } else if own && (starts(b"-ERR ") || starts(b"-LOADING ") || starts(b"-MISCONF ")) {
        Likeness::Maybe
    } else {
        Likeness::No
    }
}

enum Stage {
    Ping,
    Info,
}

struct Redis {
    stage: Stage,
}

impl Conversation for Redis {
    fn step(&mut self, event: Event<'_>, learned: &mut Learned) -> Step {
        match (event, &self.stage) {
            (Event::Open, _) => Step::Send(PING.to_vec()),
            (Event::Data(bytes), Stage::Ping) if bytes.ends_with(b"\r\n") => self.pong(bytes, learned),
            (Event::Data(bytes), Stage::Info) => info(bytes, learned),
            (Event::Data(_), Stage::Ping) => Step::Wait,
            (Event::Silent | Event::Closed | Event::NoTls, _) => Step::Done,
        }
    }
}

impl Redis {
    fn pong(&mut self, bytes: &[u8], learned: &mut Learned) -> Step {
        let how = "answer to PING";
        let open = bytes.starts_with(b"+PONG");
        let asks_password = bytes.starts_with(b"-NOAUTH");
        let protected = bytes.starts_with(b"-DENIED");
        if !open && !asks_password && !protected && !bytes.starts_with(b"-LOADING") && !bytes.starts_with(b"-NOPERM") {
            return Step::Done;
        }
        learned.service = Some(Recognised::named("redis", how));
        learned.extract("answer to PING", bytes);
        if protected {
            learned.set("redis.protected_mode", true);
            return Step::Done;
        }
        if asks_password {
            learned.set("redis.auth_required", true);
            return Step::Done;
        }
        if open {
            // PING needs no rights in some versions; INFO says whether commands are open to us.
            self.stage = Stage::Info;
            return Step::Send(INFO.to_vec());
        }
        Step::Done
    }
}

/// The section `server` as a bulk string: version and mode, nothing else is kept.
fn info(bytes: &[u8], learned: &mut Learned) -> Step {
    if bytes.starts_with(b"-") {
        if !bytes.ends_with(b"\r\n") {
            return Step::Wait;
        }
        if bytes.starts_with(b"-NOAUTH") {
            learned.set("redis.auth_required", true);
        }
        return Step::Done;
    }
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n") else { return Step::Wait };
    let length: Option<usize> = head.strip_prefix('$').and_then(|n| n.parse().ok());
    let Some(length) = length.filter(|n| *n <= 65_536) else { return Step::Done };
    if body.len() < length {
        return Step::Wait;
    }
    learned.set("redis.auth_required", false);
    let value = |key: &str| body.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':')).map(str::to_owned);
    let named = [("valkey_version", "Valkey"), ("redis_version", "Redis")];
    if let Some((product, version)) = named.iter().find_map(|(k, p)| Some((*p, value(k)?)))
        && let Some(service) = &mut learned.service
    {
        learned.facts.set("redis.version", version.as_str());
        service.product = Some(product.to_owned());
        service.version = Some(version);
    }
    if let Some(mode) = value("redis_mode") {
        learned.set("redis.mode", mode);
    }
    Step::Done
}
