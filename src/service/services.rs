//! The table of services, one row each; a row lies in the service's own file.
//!
//! To add a service:
//! 1. `src/service/<name>.rs`: `pub const SERVICE: Service = Service { … }`, a `recognise` function over what was heard,
//!    and a [`Conversation`] that asks what a polite client would ask. No socket, no clock, no randomness of its own:
//!    [`Setup`] has what it needs. `redis.rs` (the client speaks first) and `ssh.rs` (the server does) are models.
//!    Where questions and answers take turns, `turns.rs` holds the dialogue and `memcached.rs` is the model.
//! 2. A `pub mod` line in `service/mod.rs` and a line in [`SERVICES`] below.
//! 3. The facts it sets, in `service/catalogue.rs`.
//! 4. `tests/service/dialogues/<name>.txt`: recorded dialogues, text in and text out. Write the `service`, `<` and `.`
//!    lines; `UPDATE=1 cargo test dialogues` writes the rest; read it before you commit it. Each `<` is also cut at every
//!    byte and damaged by the test, so truncated and hostile peers come for free; add those that are special.
//!
//! Rules: recognition is by what was said, never by the port; `Likeness::Sure` only for what no other service says, and
//! for a datagram only where it carries the token of [`Heard::sent`] back;
//! nothing is sent that changes anything on the other side; what needs consent looks into [`Setup::consent`].

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;

use super::conversation::Conversation;
use super::evidence::Ask;
use super::{
    activemq, adb, ajp, amqp, bgp, cassandra, discovery, dns, epmd, ftp, http, http_inner, http_managers, ike, imap,
    industrial, ipmi, jdwp, kafka, kerberos, l2tp, ldap, memcached, mongodb, mount, mqtt, msrpc, mssql, mysql, nats,
    netbios, ntp, oracle, pop3, postgresql, pptp, rdp, redis, rmi, rpc, rsync, rtsp, sip, slp, small, smart_install,
    smb, smtp, snmp, socks, ssh, stun, t3, telnet, tls, vnc, wsd, x11, zmtp, zookeeper,
};
use crate::lang::job::{Consent, Protocol};

/// All services.
pub const SERVICES: &[&Service] = &[
    &activemq::SERVICE,
    &adb::SERVICE,
    &ajp::SERVICE,
    &amqp::SERVICE,
    &bgp::SERVICE,
    &cassandra::SERVICE,
    &discovery::SSDP,
    &discovery::MDNS,
    &discovery::COAP,
    &dns::SERVICE,
    &dns::DATAGRAMS,
    &epmd::SERVICE,
    &ftp::SERVICE,
    &http::SERVICE,
    &http_inner::ELASTICSEARCH,
    &http_inner::COUCHDB,
    &http_inner::CLICKHOUSE,
    &http_inner::INFLUXDB,
    &http_inner::ETCD,
    &http_inner::DOCKER,
    &http_inner::KUBERNETES,
    &http_inner::KUBELET,
    &http_inner::CONSUL,
    &http_managers::NOMAD,
    &http_managers::WINRM,
    &ike::SERVICE,
    &imap::SERVICE,
    &industrial::MODBUS,
    &industrial::S7,
    &industrial::ENIP,
    &industrial::IEC104,
    &industrial::DNP3,
    &industrial::BACNET,
    &ipmi::SERVICE,
    &jdwp::SERVICE,
    &kafka::SERVICE,
    &kerberos::SERVICE,
    &kerberos::DATAGRAMS,
    &l2tp::SERVICE,
    &ldap::SERVICE,
    &ldap::DATAGRAMS,
    &memcached::SERVICE,
    &memcached::DATAGRAMS,
    &mongodb::SERVICE,
    &mount::SERVICE,
    &mqtt::SERVICE,
    &msrpc::SERVICE,
    &mssql::SERVICE,
    &mysql::SERVICE,
    &nats::SERVICE,
    &netbios::SERVICE,
    &ntp::SERVICE,
    &oracle::SERVICE,
    &pop3::SERVICE,
    &postgresql::SERVICE,
    &pptp::SERVICE,
    &rdp::SERVICE,
    &redis::SERVICE,
    &rmi::SERVICE,
    &rpc::SERVICE,
    &rpc::DATAGRAMS,
    &rpc::NFS,
    &rsync::SERVICE,
    &rtsp::SERVICE,
    &sip::SERVICE,
    &sip::DATAGRAMS,
    &slp::SERVICE,
    &slp::DATAGRAMS,
    &small::ECHO,
    &small::CHARGEN,
    &small::DAYTIME,
    &small::QUOTE,
    &smart_install::SERVICE,
    &smb::SERVICE,
    &smtp::SERVICE,
    &snmp::SERVICE,
    &socks::SERVICE,
    &ssh::SERVICE,
    &stun::SERVICE,
    &t3::SERVICE,
    &telnet::SERVICE,
    &tls::SERVICE,
    &vnc::SERVICE,
    &wsd::SERVICE,
    &x11::SERVICE,
    &zmtp::SERVICE,
    &zookeeper::SERVICE,
];

/// Who speaks first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// The server greets.
    Server,
    /// The server waits for the client's hello.
    Client,
}

/// How much what was heard looks like a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Likeness {
    /// It is something else.
    No,
    /// It may be; the conversation will tell by setting the service, or not.
    Maybe,
    /// Nothing else says this.
    Sure,
    /// Nothing else says this, and what carries it (HTTP) is sure as well. Such a service holds the carrier's
    /// conversation beside its own: `beside: |setup| vec![("http".into(), http::start(setup))]`.
    Inner,
}

/// What came over a connection before anybody knew what it is.
#[derive(Debug, Clone, Copy)]
pub struct Heard<'a> {
    /// The service whose hello was sent; none for a greeting.
    pub hello: Option<&'static str>,
    /// That hello; empty for a greeting. A datagram answers it only where it brings its token back.
    pub sent: &'a [u8],
    /// All that was received.
    pub bytes: &'a [u8],
}

/// What a conversation is told about the port it is held with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Address.
    pub addr: IpAddr,
    /// Public name the target was chosen by; the name to put into a Host header or server name.
    pub name: Option<Arc<str>>,
    /// Port.
    pub port: u16,
    /// It is held inside TLS.
    pub tls: bool,
    /// What checks want asked, consent already applied.
    pub asks: Vec<Ask>,
    /// Consent classes granted.
    pub consent: Vec<Consent>,
    /// Unpredictable, different for each port and run: tokens, random paths, cookies.
    pub token: u64,
    /// The moment that counts as now.
    pub now: Timestamp,
}

impl Heard<'_> {
    /// True where these bytes of the answer are those of the hello: the token came back.
    pub fn returns(&self, sent: std::ops::Range<usize>, answer: std::ops::Range<usize>) -> bool {
        let token = self.sent.get(sent);
        token.is_some_and(|token| !token.is_empty()) && token == self.bytes.get(answer)
    }
}

impl Setup {
    /// Whether a class of consent is granted.
    pub fn may(&self, class: Consent) -> bool {
        class == Consent::Safe || self.consent.contains(&class)
    }

    /// Arguments of the asks of one kind.
    pub fn asked(&self, what: &str) -> impl Iterator<Item = &str> {
        self.asks.iter().filter(move |a| a.what == what).map(|a| a.argument.as_str())
    }

    /// Name, or the address where there is none.
    pub fn host(&self) -> String {
        match &self.name {
            Some(name) => name.trim_end_matches('.').to_owned(),
            None if self.addr.is_ipv6() => format!("[{}]", self.addr),
            None => self.addr.to_string(),
        }
    }

    /// `n` bytes made of the token, for tokens and cookies that an answer must carry back.
    pub fn token_bytes(&self, n: usize) -> Vec<u8> {
        let mut state = self.token;
        let next = || {
            // SplitMix64, Steele, Lea and Flood 2014: one number becomes many.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) as u8
        };
        std::iter::repeat_with(next).take(n).collect()
    }
}

/// Begins a conversation.
pub type Start = fn(&Setup) -> Box<dyn Conversation>;

/// Conversations by name.
pub type Dialogues = Vec<(String, Box<dyn Conversation>)>;

/// One service.
pub struct Service {
    /// Its name, as in evidence and results.
    pub name: &'static str,
    /// Transport.
    pub transport: Protocol,
    /// Where it often is: a hint of the order in which hellos are tried, and nothing else.
    pub ports: &'static [u16],
    /// Who speaks first.
    pub first: First,
    /// May be found inside TLS.
    pub in_tls: bool,
    /// Tried early on every silent port, whatever its number: for the few services that are everywhere.
    pub everywhere: bool,
    /// The client's first bytes; empty where the server speaks first, or where consent is wanting and nothing may be sent.
    /// They must be what the conversation sends first.
    pub hello: fn(&Setup) -> Vec<u8>,
    /// Looks at what was heard: a greeting, or the answer to any service's hello.
    pub recognise: fn(&Heard<'_>) -> Likeness,
    /// Begins the conversation.
    pub start: Start,
    /// Further dialogues on connections of their own, held beside the first once the service is known: name and dialogue.
    pub beside: fn(&Setup) -> Dialogues,
    /// A dialogue that leads to `Step::Tls`, for services that can begin TLS on an open connection.
    pub starttls: Option<Start>,
}

/// For services without dialogues beside the first.
pub fn nothing_beside(_: &Setup) -> Dialogues {
    Vec::new()
}

/// For services whose server speaks first.
pub fn no_hello(_: &Setup) -> Vec<u8> {
    Vec::new()
}

/// The row of a name.
pub fn service(name: &str) -> Option<&'static Service> {
    SERVICES.iter().copied().find(|s| s.name == name)
}

/// Services by how well they fit what was heard, the hinted ones first among equals.
pub fn candidates(heard: &Heard<'_>, transport: Protocol, port: u16, tls: bool) -> Vec<&'static Service> {
    let mut found: Vec<(Likeness, bool, &'static Service)> = SERVICES
        .iter()
        .filter(|s| s.transport == transport && (!tls || s.in_tls))
        .map(|s| ((s.recognise)(heard), s.ports.contains(&port), *s))
        .filter(|(likeness, ..)| *likeness != Likeness::No)
        .collect();
    found.sort_by_key(|(likeness, hinted, _)| std::cmp::Reverse((*likeness, *hinted)));
    found.into_iter().map(|(.., s)| s).collect()
}

/// True where a service whose server speaks first is often found: a hint of how long to listen, and nothing else.
pub fn greets(transport: Protocol, port: u16) -> bool {
    SERVICES.iter().any(|s| s.transport == transport && s.first == First::Server && s.ports.contains(&port))
}

/// Services that are asked for only where they are hinted, so that other ports do not get a hello of each: rare ones, and
/// those that must not be taken for an attack. Where they are elsewhere, `recognise` may still know them by another answer.
const ONLY_HINTED: &[&str] = &[
    "adb",
    "bacnet",
    "chargen",
    "daytime",
    "dnp3",
    "enip",
    "iec104",
    "kerberos",
    "l2tp",
    "modbus",
    "mount",
    "msrpc",
    "oracle",
    "pptp",
    "qotd",
    "rtsp",
    "s7",
    "slp",
    "smart-install",
    "socks",
    "t3",
    "wsd",
];

/// Services whose hello can be sent, in the order to try them: hinted, everywhere, the rest. What HTTP carries, and what is
/// rare, is among them only where it is hinted.
pub fn hellos(transport: Protocol, port: u16, tls: bool) -> Vec<&'static Service> {
    let mut found: Vec<&'static Service> = SERVICES
        .iter()
        .copied()
        .filter(|s| s.transport == transport && s.first == First::Client && (!tls || s.in_tls))
        .filter(|s| s.ports.contains(&port) || !(http_inner::carries(s.name) || ONLY_HINTED.contains(&s.name)))
        .collect();
    found.sort_by_key(|s| (!s.ports.contains(&port), !s.everywhere));
    found
}
