//! What a scan saw. Silence is a state: filtered is not closed, and not tested has a reason.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::lang::job::Protocol;

/// State of one port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PortState {
    /// Something accepts connections or answered a datagram.
    Open,
    /// The host says that nothing is there.
    Closed,
    /// No answer, or an answer that forbids.
    Filtered,
    /// UDP without an answer.
    OpenOrFiltered,
}

impl PortState {
    /// `open`, `closed`, `filtered`, `open|filtered`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Filtered => "filtered",
            Self::OpenOrFiltered => "open|filtered",
        }
    }
}

/// Why a port or host has its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// SYN-ACK that carries our cookie.
    SynAck,
    /// RST that carries our cookie.
    Reset,
    /// A connection was accepted (connect mode).
    Connected,
    /// The kernel reported a refused connection (connect mode): a reset, or ICMP port unreachable, which it reports alike.
    Refused,
    /// An ICMP error, as destination unreachable or time exceeded; type and code.
    Unreachable(u8, u8),
    /// ICMP errors of several types and codes, or one whose code the kernel does not tell (connect mode).
    SomeUnreachable,
    /// Echo reply.
    EchoReply,
    /// ICMP timestamp reply.
    TimestampReply,
    /// A UDP answer.
    UdpReply,
    /// No answer after all tries.
    NoAnswer,
}

impl Reason {
    /// `syn-ack`, `reset`, `icmp 3/13`, `no-answer`, …
    pub fn describe(self) -> String {
        match self {
            Self::SynAck => "syn-ack".into(),
            Self::Reset => "reset".into(),
            Self::Connected => "connected".into(),
            Self::Refused => "refused".into(),
            Self::Unreachable(ty, code) => format!("icmp {ty}/{code}"),
            Self::SomeUnreachable => "icmp".into(),
            Self::EchoReply => "echo-reply".into(),
            Self::TimestampReply => "timestamp-reply".into(),
            Self::UdpReply => "udp-reply".into(),
            Self::NoAnswer => "no-answer".into(),
        }
    }
}

/// One port as seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortObservation {
    /// Port number.
    pub port: u16,
    /// Transport.
    pub protocol: Protocol,
    /// State.
    pub state: PortState,
    /// Why.
    pub reason: Reason,
    /// Round-trip time of the deciding answer.
    pub rtt: Option<Duration>,
    /// IP time-to-live of the deciding answer (raw mode).
    pub ttl: Option<u8>,
}

/// Whether a host is alive, and how we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HostState {
    /// Something answered.
    Up(Reason),
    /// No ping and no port answered.
    Down,
    /// It was not asked (no ping in the profile and no port answered yet).
    Unknown,
}

/// One target as seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostObservation {
    /// Index of the target in the plan.
    pub target: u32,
    /// Address.
    pub addr: IpAddr,
    /// Alive or not.
    pub state: HostState,
    /// Ports that are open or open|filtered, and closed ports where the run keeps them, ascending.
    pub ports: Vec<PortObservation>,
    /// Number of probed ports by state, all ports.
    pub counts: BTreeMap<PortState, u32>,
    /// Why those that are not open are in their state: number of ports by state and reason, in that order. The counts of
    /// a state add up to its own.
    pub reasons: Vec<(PortState, Reason, u32)>,
    /// First and last packet.
    pub span: Option<(Timestamp, Timestamp)>,
}

/// How packets were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Own frames.
    Raw,
    /// The kernel's connections.
    Connect,
}

impl Mode {
    /// `raw` or `connect`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Connect => "connect",
        }
    }
}

/// A target that was left out while scanning, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotScanned {
    /// Index of the target in the plan.
    pub target: u32,
    /// `not alive`, `no route`, `interrupted`, `warrant expired`, `excluded`, …
    pub reason: Arc<str>,
    /// Something that was to be learned was not: it is neither dead nor absent, nor did the user leave it out.
    pub gap: bool,
}

/// What a packet asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProbeKind {
    /// ICMP or ICMPv6 echo request.
    Echo,
    /// ICMP timestamp request.
    Timestamp,
    /// TCP SYN.
    Syn,
    /// TCP ACK, as a ping.
    Ack,
    /// UDP datagram.
    Udp,
    /// A kernel connection (connect mode).
    Connect,
    /// ARP request or neighbour solicitation for a target on the link.
    Neighbour,
    /// One connection of a conversation, or one of its datagrams.
    Talk,
}

impl ProbeKind {
    const ALL: [Self; 8] =
        [Self::Echo, Self::Syn, Self::Udp, Self::Connect, Self::Neighbour, Self::Ack, Self::Timestamp, Self::Talk];

    /// Its number in stored ledgers; never given to another kind.
    pub(super) fn number(self) -> u8 {
        Self::ALL.iter().position(|k| *k == self).unwrap_or_default() as u8
    }

    pub(super) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The word used in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Timestamp => "timestamp",
            Self::Syn => "syn",
            Self::Ack => "ack",
            Self::Udp => "udp",
            Self::Connect => "connect",
            Self::Neighbour => "neighbour",
            Self::Talk => "talk",
        }
    }
}
