//! What was seen on a host and its ports, typed and redacted, so that checks can be run over it again at any time
//! without a packet. Architecture, decision 5: what was not tested says so.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;

use crate::lang::job::{Consent, Protocol};

/// A value of a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
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
/// A copy shares them until one side changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts(Arc<BTreeMap<String, Fact>>);

impl Facts {
    /// Sets a fact.
    pub fn set(&mut self, path: &str, fact: impl Into<Fact>) {
        Arc::make_mut(&mut self.0).insert(path.to_owned(), fact.into());
    }

    /// A fact.
    pub fn get(&self, path: &str) -> Option<&Fact> {
        self.0.get(path)
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
        self.0.range::<str, _>(from).next().is_some_and(|(path, _)| path.starts_with(prefix))
    }

    /// All of them, sorted by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Fact)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v))
    }

    /// True for none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
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
