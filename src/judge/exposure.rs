//! What a scan knows of a host's ports, from its evidence alone: open, not open, or unknown with the reason. Silence of
//! a host is not a closed port, and a port that nobody asked is not closed either. Architecture, decision 5.

use crate::base::port_set::PortSet;
use crate::lang::job::Protocol;
use crate::service::evidence::{HostEvidence, ServiceEvidence};

/// What is known of one port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// Something answers there.
    Open,
    /// It was asked and nothing answers there.
    NotOpen,
    /// It cannot be told, and why.
    Unknown(&'static str),
}

/// Why nothing can be told of a host's ports that are not open; none where it can.
pub fn doubt(host: &HostEvidence) -> Option<&'static str> {
    if host.unattributed {
        Some("the ownership of the address could not be confirmed")
    } else if host.facts.text("host.state").is_some_and(|s| s != "up") {
        Some("the host did not answer")
    } else if host.facts.bool("ports.complete") == Some(false) {
        Some("the scan of the host did not come to its end")
    } else {
        None
    }
}

/// One host's ports.
pub struct Exposure<'a> {
    /// The evidence.
    pub host: &'a HostEvidence,
    tcp: Side,
    udp: Side,
    /// Why nothing can be told of ports that are not open.
    doubt: Option<&'static str>,
}

#[derive(Default)]
struct Side {
    asked: PortSet,
    open: PortSet,
    silent: PortSet,
}

impl<'a> Exposure<'a> {
    /// Reads the host's facts: `ports.<transport>.asked`, `.open`, `.silent`, `ports.complete`, `host.state`.
    pub fn of(host: &'a HostEvidence) -> Self {
        let [tcp, udp] = [Protocol::Tcp, Protocol::Udp].map(|protocol| Side::of(host, protocol));
        Self { host, tcp, udp, doubt: doubt(host) }
    }

    const fn side(&self, protocol: Protocol) -> &Side {
        match protocol {
            Protocol::Tcp => &self.tcp,
            Protocol::Udp => &self.udp,
        }
    }

    /// What is known of a port.
    pub fn port(&self, port: u16, protocol: Protocol) -> Known {
        let side = self.side(protocol);
        match self.doubt {
            Some(why) if self.host.unattributed => Known::Unknown(why),
            _ if side.open.contains(port) => Known::Open,
            _ if !side.asked.contains(port) => Known::Unknown("the port was not probed"),
            Some(why) => Known::Unknown(why),
            None if side.silent.contains(port) => Known::Unknown("no answer: open or filtered"),
            None => Known::NotOpen,
        }
    }

    /// Open ports of both transports, TCP first.
    pub fn open(&self) -> impl Iterator<Item = (u16, Protocol)> + '_ {
        let known = !self.host.unattributed;
        let tcp = self.tcp.open.iter().map(|p| (p, Protocol::Tcp));
        let udp = self.udp.open.iter().map(|p| (p, Protocol::Udp));
        tcp.chain(udp).filter(move |_| known)
    }

    /// Number of ports that were asked.
    pub fn asked(&self) -> u32 {
        self.tcp.asked.len() + self.udp.asked.len()
    }

    /// Number of UDP ports that were asked.
    pub fn asked_udp(&self) -> u32 {
        self.udp.asked.len()
    }

    /// Why nothing can be told of ports that are not open; none where it can.
    pub const fn doubt(&self) -> Option<&'static str> {
        self.doubt
    }

    /// Open ports on which nothing was recognised.
    pub fn unrecognised(&self) -> usize {
        let known = |(port, protocol)| self.service(port, protocol).is_some_and(|s| s.service.is_some());
        self.open().filter(|at| !known(*at)).count()
    }

    /// What was said on a port.
    pub fn service(&self, port: u16, protocol: Protocol) -> Option<&'a ServiceEvidence> {
        self.host.services.iter().find(|s| s.port == port && s.protocol == protocol)
    }
}

impl Side {
    fn of(host: &HostEvidence, protocol: Protocol) -> Self {
        let [asked, open, silent] = match protocol {
            Protocol::Tcp => ["ports.tcp.asked", "ports.tcp.open", "ports.tcp.silent"],
            Protocol::Udp => ["ports.udp.asked", "ports.udp.open", "ports.udp.silent"],
        };
        let listed = |path: &str| {
            let list = host.facts.list(path).unwrap_or_default();
            list.iter().filter_map(|p| p.parse::<u16>().ok()).collect::<Vec<_>>()
        };
        let talked = host.services.iter().filter(|s| s.protocol == protocol).map(|s| s.port);
        let open: PortSet = listed(open).into_iter().chain(talked).collect();
        let asked = host.facts.text(asked).and_then(|t| t.parse().ok()).unwrap_or_default();
        let silent = listed(silent).into_iter().filter(|p| !open.contains(*p)).collect();
        Self { asked, open, silent }
    }
}

/// Services that hold data. PCI DSS 4.0.1 1.4.4 keeps them off networks that are not trusted.
pub const DATA_STORES: &[&str] = &[
    "mysql",
    "postgresql",
    "mssql",
    "oracle",
    "mongodb",
    "redis",
    "memcached",
    "elasticsearch",
    "cassandra",
    "couchdb",
    "clickhouse",
    "influxdb",
    "etcd",
    "zookeeper",
];

/// Services whose passwords and data travel in clear text, unless they speak TLS.
pub const CLEAR_TEXT: &[&str] =
    &["telnet", "ftp", "rsh", "rlogin", "rexec", "vnc", "snmp", "http", "pop3", "imap", "smtp", "ldap", "tftp"];

/// What an intruder gains from a service that nobody expects. product.md EX-01.
pub fn severity_of(service: Option<&ServiceEvidence>) -> u8 {
    match service.and_then(|s| s.service.as_ref()) {
        Some(known) if DATA_STORES.contains(&&*known.name) => 5,
        Some(known) if super::check::REMOTE.contains(&&*known.name) => 4,
        _ => 3,
    }
}
