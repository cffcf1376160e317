//! What the kernel's word about a connection means.

use std::io;
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
    let error = match verdict {
        Verdict::Pending => return None,
        Verdict::Open => {
            let reason = if protocol == Protocol::Tcp { Reason::Connected } else { Reason::UdpReply };
            return Some(Answer { state: PortState::Open, reason, from_host: true });
        }
        Verdict::Failed(error) => error,
    };
    let (state, reason, from_host) = match error.raw_os_error() {
        // ECONNREFUSED 111.
        Some(111) if protocol == Protocol::Tcp => (PortState::Closed, Reason::Refused, true),
        // Port unreachable: RFC 792, RFC 4443 3.1.
        Some(111) => (PortState::Closed, if v6 { Reason::Unreachable(1, 4) } else { Reason::Unreachable(3, 3) }, true),
        // ENETUNREACH 101 is one code of ICMPv6.
        Some(101) if v6 => (PortState::Filtered, Reason::Unreachable(1, 0), false),
        // EACCES 13 and EHOSTUNREACH 113 are several codes each, as are most of these of ICMP: ENONET 64,
        // ENOPROTOOPT 92, EOPNOTSUPP 95, ENETUNREACH 101, EHOSTDOWN 112, EHOSTUNREACH 113.
        Some(13 | 113) if v6 => (PortState::Filtered, Reason::SomeUnreachable, false),
        Some(64 | 92 | 95 | 101 | 112 | 113) if !v6 => (PortState::Filtered, Reason::SomeUnreachable, false),
        _ => return None,
    };
    Some(Answer { state, reason, from_host })
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
        // Of IPv4 the kernel tells a group of codes at most.
        assert_eq!([64, 92, 95, 101, 112, 113].map(tcp), ["filtered icmp false"; 6]);
        assert_eq!([13, 103, 110].map(tcp), ["silence"; 3]);
        let v6 = |code| told(code, Protocol::Tcp, true);
        assert_eq!([13, 101, 113].map(v6), ["filtered icmp false", "filtered icmp 1/0 false", "filtered icmp false"]);
        assert_eq!(told(111, Protocol::Udp, false), "closed icmp 3/3 true");
        assert_eq!(told(111, Protocol::Udp, true), "closed icmp 1/4 true");
        let here = SocketAddr::from(([127, 0, 0, 1], 9));
        let short = |code| shortage(&io::Error::from_raw_os_error(code), here);
        assert_eq!(
            [24, 99, 101, 1, 22].map(short),
            [Shortage::Passing, Shortage::Passing, Shortage::NoRoute, Shortage::Forbidden, Shortage::Other]
        );
    }
}
