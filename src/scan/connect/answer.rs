//! What the kernel's word about a connection means.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use crate::lang::job::Protocol;
use crate::scan::link::sockets::{Sockets, Verdict};
use crate::scan::observation::{PortState, Reason};

/// An answer, or the lack of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) state: PortState,
    pub(super) reason: Reason,
    /// True where the host itself said it, not a router on the way.
    pub(super) from_host: bool,
}

impl Answer {
    pub(super) fn silence(protocol: Protocol) -> Self {
        let state = if protocol == Protocol::Tcp { PortState::Filtered } else { PortState::OpenOrFiltered };
        Self { state, reason: Reason::NoAnswer, from_host: false }
    }
}

/// Why the kernel did not even begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shortage {
    /// Descriptors, buffers or local ports ran out; they come back.
    Passing,
    /// No route leads there; one may come back.
    NoRoute,
    /// A rule of this machine's.
    Forbidden,
    Other,
}

/// The meaning of a verdict; none for silence.
pub(super) fn meaning(verdict: &Verdict, protocol: Protocol, v6: bool) -> Option<Answer> {
    let forbidden = |v4: (u8, u8), v6_form: (u8, u8)| {
        let (kind, code) = if v6 { v6_form } else { v4 };
        Some(Answer { state: PortState::Filtered, reason: Reason::Unreachable(kind, code), from_host: false })
    };
    let error = match verdict {
        Verdict::Pending => return None,
        Verdict::Open => {
            let reason = if protocol == Protocol::Tcp { Reason::Connected } else { Reason::UdpReply };
            return Some(Answer { state: PortState::Open, reason, from_host: true });
        }
        Verdict::Failed(error) => error,
    };
    // ICMP: RFC 792 (type 3), RFC 1812 5.2.7.1 (code 13); ICMPv6: RFC 4443 3.1 (type 1).
    match error.kind() {
        ErrorKind::ConnectionRefused if protocol == Protocol::Tcp => {
            Some(Answer { state: PortState::Closed, reason: Reason::Refused, from_host: true })
        }
        ErrorKind::ConnectionRefused => {
            let (kind, code) = if v6 { (1, 4) } else { (3, 3) };
            Some(Answer { state: PortState::Closed, reason: Reason::Unreachable(kind, code), from_host: true })
        }
        ErrorKind::HostUnreachable => forbidden((3, 1), (1, 3)),
        ErrorKind::NetworkUnreachable => forbidden((3, 0), (1, 0)),
        ErrorKind::PermissionDenied => forbidden((3, 13), (1, 1)),
        _ => None,
    }
}

/// What a call that failed at once lacked, on the way to an address.
pub(super) fn shortage(error: &io::Error, at: SocketAddr) -> Shortage {
    match error.raw_os_error() {
        // EADDRNOTAVAIL 99 also where this machine has no address that could be the source.
        Some(99) if !Sockets::has_source(at) => Shortage::NoRoute,
        // Linux: ENOMEM 12, EAGAIN 11 (local ports, of old), ENFILE 23, EMFILE 24, EADDRINUSE 98, EADDRNOTAVAIL 99,
        // ENOBUFS 105.
        Some(11 | 12 | 23 | 24 | 98 | 99 | 105) => Shortage::Passing,
        // ENETDOWN 100, ENETUNREACH 101, EHOSTUNREACH 113.
        Some(100 | 101 | 113) => Shortage::NoRoute,
        // EPERM 1, EACCES 13: a packet filter or a prohibiting route.
        Some(1 | 13) => Shortage::Forbidden,
        _ => Shortage::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(code: i32, protocol: Protocol, v6: bool) -> String {
        match meaning(&Verdict::Failed(io::Error::from_raw_os_error(code)), protocol, v6) {
            None => "silence".into(),
            Some(a) => format!("{} {} {}", a.state.as_str(), a.reason.describe(), a.from_host),
        }
    }

    #[test]
    fn errors_of_the_path_are_no_answers_of_the_host() {
        let tcp = |code| told(code, Protocol::Tcp, false);
        assert_eq!(tcp(111), "closed refused true");
        assert_eq!(tcp(113), "filtered icmp 3/1 false");
        assert_eq!(tcp(101), "filtered icmp 3/0 false");
        assert_eq!(tcp(13), "filtered icmp 3/13 false");
        assert_eq!((tcp(110), tcp(103)), ("silence".into(), "silence".into()));
        assert_eq!(told(111, Protocol::Udp, false), "closed icmp 3/3 true");
        assert_eq!(told(111, Protocol::Udp, true), "closed icmp 1/4 true");
        assert_eq!(told(113, Protocol::Tcp, true), "filtered icmp 1/3 false");
        let here = SocketAddr::from(([127, 0, 0, 1], 9));
        let short = |code| shortage(&io::Error::from_raw_os_error(code), here);
        assert_eq!(
            [24, 99, 101, 1, 22].map(short),
            [Shortage::Passing, Shortage::Passing, Shortage::NoRoute, Shortage::Forbidden, Shortage::Other]
        );
    }
}
