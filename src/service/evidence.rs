//! What was seen on a host and its ports, typed and redacted, so that checks can be run over it again at any time
//! without a packet. Architecture, decision 5: what was not tested says so.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;

use crate::lang::job::{Consent, Protocol};

/// A value of a fact.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Fact {
    /// Yes or no.
    Bool(bool),
    /// A number; its unit is in the catalogue.
    Int(i64),
    /// Text.
    Text(String),
    /// A moment.
    Date(Timestamp),
    /// Several texts, in the order seen.
    List(Vec<String>),
}

impl From<bool> for Fact {
    fn from(v: bool) -> Self {
        Self::Bool(v)
    }
}

impl From<i64> for Fact {
    fn from(v: i64) -> Self {
        Self::Int(v)
    }
}

impl From<&str> for Fact {
    fn from(v: &str) -> Self {
        Self::Text(v.to_owned())
    }
}

impl From<String> for Fact {
    fn from(v: String) -> Self {
        Self::Text(v)
    }
}

impl From<Timestamp> for Fact {
    fn from(v: Timestamp) -> Self {
        Self::Date(v)
    }
}

impl From<Vec<String>> for Fact {
    fn from(v: Vec<String>) -> Self {
        Self::List(v)
    }
}

/// Facts by dotted path, such as `ssh.kex` or `tls.certificate.not_after`. A path that is missing was not learned.
///
/// A copy shares the facts it was made from; what is set on it later is its own and comes first. Of ten thousand hosts
/// that look alike, each holds the few facts in which it differs.
#[derive(Clone, Default)]
pub struct Facts {
    shared: Arc<BTreeMap<String, Fact>>,
    /// Sorted by path.
    own: Vec<(Box<str>, Fact)>,
}

impl std::fmt::Debug for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl PartialEq for Facts {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Facts {}

impl Facts {
    /// Sets a fact.
    pub fn set(&mut self, path: &str, fact: impl Into<Fact>) {
        let fact = fact.into();
        if self.own.is_empty()
            && let Some(unshared) = Arc::get_mut(&mut self.shared)
        {
            unshared.insert(path.to_owned(), fact);
            return;
        }
        match self.own.binary_search_by(|(own, _)| (**own).cmp(path)) {
            Ok(at) => {
                if let Some(own) = self.own.get_mut(at) {
                    own.1 = fact;
                }
            }
            Err(at) => self.own.insert(at, (path.into(), fact)),
        }
    }

    /// A fact.
    pub fn get(&self, path: &str) -> Option<&Fact> {
        let own = self.own.binary_search_by(|(own, _)| (**own).cmp(path)).ok();
        own.and_then(|at| self.own.get(at)).map(|(_, fact)| fact).or_else(|| self.shared.get(path))
    }

    /// All of them in one map that nobody shares.
    fn unshare(&mut self) -> &mut BTreeMap<String, Fact> {
        let own = std::mem::take(&mut self.own);
        let all = Arc::make_mut(&mut self.shared);
        all.extend(own.into_iter().map(|(path, fact)| (path.into_string(), fact)));
        all
    }

    /// A yes-or-no fact.
    pub fn bool(&self, path: &str) -> Option<bool> {
        match self.get(path)? {
            Fact::Bool(v) => Some(*v),
            _ => None,
        }
    }

    /// A number.
    pub fn int(&self, path: &str) -> Option<i64> {
        match self.get(path)? {
            Fact::Int(v) => Some(*v),
            _ => None,
        }
    }

    /// A text.
    pub fn text(&self, path: &str) -> Option<&str> {
        match self.get(path)? {
            Fact::Text(v) => Some(v),
            _ => None,
        }
    }

    /// A moment.
    pub fn date(&self, path: &str) -> Option<Timestamp> {
        match self.get(path)? {
            Fact::Date(v) => Some(*v),
            _ => None,
        }
    }

    /// Several texts.
    pub fn list(&self, path: &str) -> Option<&[String]> {
        match self.get(path)? {
            Fact::List(v) => Some(v),
            _ => None,
        }
    }

    /// True where any path begins with this text, such as `tls.`.
    pub fn any_under(&self, prefix: &str) -> bool {
        let from = (std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded);
        self.shared.range::<str, _>(from).next().is_some_and(|(path, _)| path.starts_with(prefix))
            || self.own.iter().any(|(path, _)| path.starts_with(prefix))
    }

    /// All of them, sorted by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Fact)> {
        let mut shared = self.shared.iter().map(|(path, fact)| (path.as_str(), fact)).peekable();
        let mut own = self.own.iter().map(|(path, fact)| (&**path, fact)).peekable();
        std::iter::from_fn(move || match (shared.peek(), own.peek()) {
            (Some((theirs, _)), Some((ours, _))) => match theirs.cmp(ours) {
                Ordering::Less => shared.next(),
                Ordering::Equal => {
                    shared.next();
                    own.next()
                }
                Ordering::Greater => own.next(),
            },
            (Some(_), None) => shared.next(),
            (None, _) => own.next(),
        })
    }

    /// Keeps a question in a datagram and its answer, in bytes; of several the one whose answer is longest beside it
    /// stays: the amplification that somebody could misuse.
    pub fn amplified(&mut self, request: i64, reply: i64) {
        let before = self.int("udp.reply_bytes").zip(self.int("udp.request_bytes"));
        if before.is_none_or(|(r, s)| reply.saturating_mul(s) > r.saturating_mul(request)) {
            self.set("udp.request_bytes", request);
            self.set("udp.reply_bytes", reply);
        }
    }

    /// Takes over the facts of another dialogue with the same service. Lists that several dialogues fill are joined;
    /// of two certificates the first stays, whole; of two amplifications the larger.
    pub fn extend(&mut self, mut other: Self) {
        const JOINED: &[&str] = &["tls.versions", "tls.suites", "tls.groups", "tls.alpn"];
        if let Some((reply, request)) = other.int("udp.reply_bytes").zip(other.int("udp.request_bytes")) {
            self.amplified(request, reply);
            let pair = other.unshare();
            pair.remove("udp.reply_bytes");
            pair.remove("udp.request_bytes");
        }
        let own = self.unshare();
        let certificate = own.contains_key("tls.certificate.fingerprint");
        for (path, fact) in std::mem::take(other.unshare()) {
            if certificate && path.starts_with("tls.certificate.") {
                continue;
            }
            match (own.get_mut(&path), fact) {
                (Some(Fact::List(all)), Fact::List(more)) if JOINED.contains(&path.as_str()) => {
                    let new: Vec<String> = more.into_iter().filter(|m| !all.contains(m)).collect();
                    all.extend(new);
                }
                (_, fact) => {
                    own.insert(path, fact);
                }
            }
        }
    }

    /// Changes every text in place.
    pub fn texts_mut(&mut self) -> impl Iterator<Item = &mut String> {
        self.unshare().values_mut().flat_map(|fact| match fact {
            Fact::Text(text) => std::slice::from_mut(text).iter_mut(),
            Fact::List(texts) => texts.iter_mut(),
            Fact::Bool(_) | Fact::Int(_) | Fact::Date(_) => [].iter_mut(),
        })
    }

    /// True for none.
    pub fn is_empty(&self) -> bool {
        self.shared.is_empty() && self.own.is_empty()
    }
}

/// A service that has shown itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recognised {
    /// `ssh`, `http`, `smtp`, `redis`, …; the names are those of the services' files.
    pub name: Arc<str>,
    /// Spoken inside TLS.
    pub tls: bool,
    /// How it was learned: `identification string`, `answer to a hello`; never a port number.
    pub how: Arc<str>,
    /// Product, where it names itself.
    pub product: Option<String>,
    /// Version, as it names it.
    pub version: Option<String>,
}

impl Recognised {
    /// Recognised in this way; product and version are filled in where they are told.
    pub fn named(name: &str, how: &str) -> Self {
        Self { name: name.into(), tls: false, how: how.into(), product: None, version: None }
    }

    /// As results show it: `ssh`, `https`, `redis over tls`.
    pub fn shown(&self) -> String {
        match (&*self.name, self.tls) {
            ("http", true) => "https".into(),
            (name, true) if name != "tls" => format!("{name} over tls"),
            (name, _) => name.into(),
        }
    }
}

/// A piece of what was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extract {
    /// What it is: `banner`, `server hello`, …
    pub what: String,
    /// At most 256 bytes, secrets replaced.
    pub bytes: Vec<u8>,
    /// Length before it was cut.
    pub total: u64,
}

/// Something that a check wants asked beyond what every conversation asks: `http.get` of `/.git/HEAD`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ask {
    /// `http.get`, `tls.hello`, `ftp.login`, …; the services' files list theirs.
    pub what: String,
    /// Its argument; empty where it has none.
    pub argument: String,
    /// The consent class it needs.
    pub consent: Consent,
}

/// Evidence of one open port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceEvidence {
    /// Port.
    pub port: u16,
    /// Transport.
    pub protocol: Protocol,
    /// The service; none where nothing showed itself.
    pub service: Option<Recognised>,
    /// What was learned.
    pub facts: Facts,
    /// Raw extracts.
    pub extracts: Vec<Extract>,
    /// What could not be asked or was not answered, and why. Checks that need it are not tested.
    pub untested: Vec<(String, String)>,
    /// First and last byte.
    pub span: (Timestamp, Timestamp),
}

/// Why a list under this topic may be longer than what was learned: a dialogue that fills it was not held to its end.
pub fn cut(untested: &[(String, String)], topic: &str) -> Option<String> {
    let ended = |what: &str| what == "conversation" || what.starts_with(topic);
    let (what, why) = untested.iter().find(|(what, _)| ended(what))?;
    Some(format!("`{topic}` was not learned in full ({what}: {why})"))
}

/// Evidence of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostEvidence {
    /// Provider resource id of the asset: what findings are tied to. Architecture, decision 6.
    pub asset: Arc<str>,
    /// Address it was seen at.
    pub addr: IpAddr,
    /// Public name it was chosen by.
    pub name: Option<Arc<str>>,
    /// Facts of the host itself: `icmp.echo`, `tcp.isn`, `ports.open.tcp`, `scan.packets`, `names`.
    pub facts: Facts,
    /// Its open ports, ascending.
    pub services: Vec<ServiceEvidence>,
    /// Ownership could not be confirmed to the end: nothing here becomes a finding. product.md F2.
    pub unattributed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a copy is given changes neither its origin nor what one map of all of it would say.
    #[test]
    fn copies_share_what_they_have_in_common() {
        let mut origin = Facts::default();
        origin.set("b", true);
        origin.set("d", 4i64);
        let mut copy = origin.clone();
        for (path, n) in [("c", 3i64), ("d", 5), ("a", 1), ("c", 33)] {
            copy.set(path, n);
        }
        assert_eq!(format!("{origin:?}"), r#"{"b": Bool(true), "d": Int(4)}"#);
        assert_eq!(format!("{copy:?}"), r#"{"a": Int(1), "b": Bool(true), "c": Int(33), "d": Int(5)}"#);
        assert_eq!((copy.int("d"), copy.bool("b"), copy.get("e")), (Some(5), Some(true), None));
        assert!(copy.any_under("c") && copy.any_under("b") && !copy.any_under("bb"));
        let mut flat = Facts::default();
        flat.extend(copy.clone());
        assert!(flat == copy && flat != origin);
        copy.set("t", "text");
        copy.texts_mut().for_each(|t| t.push('!'));
        assert_eq!(copy.text("t"), Some("text!"));
        assert!(Facts::default().is_empty() && !copy.is_empty());
    }
}
