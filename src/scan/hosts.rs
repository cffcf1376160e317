//! What is known of each target while it is scanned.

use std::net::IpAddr;
use std::time::Duration;

use super::observation::{NotScanned, PortState, Reason};
use super::reason;
use super::window::Answer;
use super::wire::Hardware;

/// One target of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Aim {
    /// Index in the plan, which is the number of its warrant.
    pub(super) target: u32,
    pub(super) destination: IpAddr,
    /// Hardware address of the first hop.
    pub(super) next_hop: Hardware,
    /// Index of our address among the engine's sources.
    pub(super) source: u16,
    /// A lower rate for this target.
    pub(super) rate: Option<u32>,
}

impl Aim {
    /// A target to which nothing can be sent.
    pub(super) fn nowhere(target: u32, destination: IpAddr) -> Self {
        Self { target, destination, next_hop: Hardware::default(), source: 0, rate: None }
    }

    /// False for one that nothing can be sent to.
    pub(super) fn reached(&self) -> bool {
        self.next_hop != Hardware::default()
    }
}

/// Why a host was given up before all probes were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    TimeLimit,
    Excluded,
    Expired,
    Refused,
    NoLease,
    NoRoute,
    Rerouted,
    NoNeighbour,
    NoGateway,
    NoLink,
}

impl Cut {
    /// In the order of checkpoints: new ones come last.
    pub(super) const ALL: [Self; 10] = [
        Self::TimeLimit,
        Self::Excluded,
        Self::Expired,
        Self::Refused,
        Self::NoLease,
        Self::NoRoute,
        Self::Rerouted,
        Self::NoNeighbour,
        Self::NoGateway,
        Self::NoLink,
    ];

    /// What is said of a target that was given up for it.
    pub(super) fn not_scanned(self, target: u32) -> NotScanned {
        let gap = !matches!(self, Self::Excluded | Self::NoNeighbour);
        NotScanned { target, reason: reason(self.describe()), gap }
    }

    /// The words of the report.
    const fn describe(self) -> &'static str {
        match self {
            Self::TimeLimit => "its time limit was reached",
            Self::Excluded => "excluded while the scan ran",
            Self::Expired => "its warrant has expired",
            Self::Refused => "the gate refused it",
            Self::NoLease => "lease lost",
            Self::NoRoute => "its route was lost while the scan ran",
            Self::Rerouted => "its route changed while the scan ran",
            Self::NoNeighbour => "no such neighbour",
            Self::NoGateway => "its gateway does not answer",
            Self::NoLink => "its interface could not be opened",
        }
    }
}

/// Counts of one protocol's ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub(super) asked: u32,
    pub(super) open: u32,
    pub(super) closed: u32,
    pub(super) filtered: u32,
}

impl Counts {
    pub(super) fn of(&mut self, answer: Answer) -> &mut u32 {
        match answer {
            Answer::Open => &mut self.open,
            Answer::Closed => &mut self.closed,
            Answer::Filtered => &mut self.filtered,
        }
    }

    pub(super) fn answered(&self) -> u32 {
        self.open + self.closed + self.filtered
    }
}

/// What is known of one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Host {
    pub(super) alive: Option<Reason>,
    pub(super) first: Option<Duration>,
    pub(super) last: Duration,
    pub(super) cut: Option<Cut>,
    pub(super) tcp: Counts,
    pub(super) udp: Counts,
    /// Open TCP ports from 1024 up.
    pub(super) high: u32,
    /// It answers on every port: no more of them are asked.
    pub(super) every: bool,
    /// It begins to look so.
    pub(super) suspect: Option<Suspicion>,
    /// Type and code of the ICMP errors that told of filtered ports, none where they differ.
    pub(super) told: Option<Option<(u8, u8)>>,
    /// It answers only so often.
    pub(super) policed: bool,
    /// Pairs answered by their first try and by later ones.
    pub(super) prompt: u32,
    pub(super) late: u32,
    /// Answers since the round began.
    pub(super) lately: u32,
    /// A pair of the present window that has answered, for a control probe.
    pub(super) sample: Option<u32>,
    /// Control probes lost, one after the other.
    pub(super) controls_lost: u8,
    /// Its shortest round trip in microseconds; zero before the first.
    pub(super) shortest_us: u32,
    /// Not asked before this moment: whether it still answers is being found out.
    pub(super) held: Duration,
}

/// Open ports before a host is suspected of answering on all.
const MANY: u32 = 32;
/// Of them, ports from 1024 up: a server with many services is no tarpit.
const HIGH: u32 = 16;
/// Open ports that no server has: from there on a few that are not open clear no host.
const COUNTLESS: u32 = 1_024;
/// Open TCP ports kept of a host that answers on every port, the lowest: they are no services until one talks.
pub(super) const KEPT: usize = 1_024;

/// A suspicion that a host answers on every port: since when, how many ports had been asked by then, and how many of
/// these have turned out open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Suspicion {
    since: Duration,
    asked: u32,
    open: u32,
}

impl Suspicion {
    /// Begins where many ports are open, `high` of them from 1024 up, and no other answer has come.
    pub(super) fn new(tcp: Counts, high: u32, now: Duration) -> Option<Self> {
        let suspicious = tcp.open >= MANY && high >= HIGH && all_open(tcp, tcp.open, tcp.answered());
        suspicious.then_some(Self { since: now, asked: tcp.asked, open: tcp.open })
    }

    /// A port that was asked at a moment is open.
    pub(super) fn opened(&mut self, sent: Duration) {
        self.open += u32::from(sent <= self.since);
    }

    /// Decides, once everything asked by then has had its time to answer. None while that is not known.
    pub(super) fn decide(self, tcp: Counts, now: Duration, patience: Duration) -> Option<bool> {
        if !all_open(tcp, tcp.open, tcp.answered()) {
            return Some(false);
        }
        (now.saturating_sub(self.since) >= patience).then(|| all_open(tcp, self.open, self.asked))
    }
}

/// True where a host of which no more answers are to come has answered on every port.
pub(super) fn answered_on_every(tcp: Counts, high: u32) -> bool {
    tcp.open >= MANY && high >= HIGH && all_open(tcp, tcp.open, tcp.asked)
}

/// True where `open` of so many ports are nearly all: of few, not one may be closed or filtered; of very many, one in
/// twenty.
fn all_open(tcp: Counts, open: u32, of: u32) -> bool {
    let others = tcp.closed + tcp.filtered;
    let share = u64::from(open) * 20 >= u64::from(of) * 19;
    share && (others == 0 || tcp.open >= COUNTLESS)
}

/// The words about a host that answers on every port.
pub(super) fn every_note(addr: IpAddr, open: u32, answered: u32) -> String {
    format!(
        "{addr} answers on every port ({open} of {answered} answers): a proxy, a filter or a tarpit stands there; its open ports are no services until one talks"
    )
}

/// The words about the probes that such hosts have saved.
pub(super) fn saved_note(saved: u64) -> String {
    format!("{saved} probes saved on hosts that answer on every port")
}

impl Host {
    /// Takes in the reason of an answer.
    pub(super) fn tell(&mut self, answer: Answer, reason: Reason) {
        if let (Answer::Filtered, Reason::Unreachable(kind, code)) = (answer, reason) {
            let same = self.told.is_none_or(|told| told == Some((kind, code)));
            self.told = Some(same.then_some((kind, code)));
        }
    }

    /// Ports that are not open by state and reason.
    pub(super) fn reasons(&self, v4: bool) -> Vec<(PortState, Reason, u32)> {
        let silent = |counts: Counts| counts.asked.saturating_sub(counts.answered());
        // Port unreachable. RFC 792, RFC 4443 3.1.
        let unreachable = if v4 { Reason::Unreachable(3, 3) } else { Reason::Unreachable(1, 4) };
        let told = self.told.flatten().map_or(Reason::SomeUnreachable, |(k, c)| Reason::Unreachable(k, c));
        let all = [
            (PortState::Closed, Reason::Reset, self.tcp.closed),
            (PortState::Closed, unreachable, self.udp.closed),
            (PortState::Filtered, told, self.tcp.filtered + self.udp.filtered),
            (PortState::Filtered, Reason::NoAnswer, silent(self.tcp)),
            (PortState::OpenOrFiltered, Reason::NoAnswer, silent(self.udp)),
        ];
        all.into_iter().filter(|(.., n)| *n > 0).collect()
    }

    /// Takes in a round trip; returns the shortest before it.
    pub(super) fn trip(&mut self, rtt: Duration) -> Option<Duration> {
        let before = (self.shortest_us > 0).then(|| Duration::from_micros(u64::from(self.shortest_us)));
        let shortest = before.map_or(rtt, |before| before.min(rtt));
        self.shortest_us = u32::try_from(shortest.as_micros()).unwrap_or(u32::MAX).max(1);
        before
    }

    /// A port that was asked at a moment is open: begins or feeds the suspicion that all are.
    pub(super) fn opened(&mut self, sent: Duration, now: Duration) {
        match &mut self.suspect {
            Some(suspicion) => suspicion.opened(sent),
            None if !self.every => self.suspect = Suspicion::new(self.tcp, self.high, now),
            None => {}
        }
    }

    /// Decides on the suspicion; true where it has just become certain.
    pub(super) fn judge(&mut self, now: Duration, patience: Duration) -> bool {
        let decided = self.suspect.and_then(|suspicion| suspicion.decide(self.tcp, now, patience));
        if let Some(every) = decided {
            self.every = every;
            self.suspect = None;
        }
        decided == Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_that_are_not_open_have_reasons() {
        let counts = |asked, closed, filtered| Counts { asked, open: 0, closed, filtered };
        let mut host = Host { tcp: counts(10, 6, 2), udp: counts(5, 1, 1), ..Host::default() };
        host.tell(Answer::Filtered, Reason::Unreachable(3, 13));
        host.tell(Answer::Closed, Reason::Unreachable(3, 3));
        host.tell(Answer::Filtered, Reason::Unreachable(3, 13));
        let words = |host: &Host, v4| {
            let word =
                |(state, why, n): &(PortState, Reason, u32)| format!("{} {} {n}", state.as_str(), why.describe());
            host.reasons(v4).iter().map(word).collect::<Vec<_>>().join(", ")
        };
        insta::assert_snapshot!(words(&host, true), @"closed reset 6, closed icmp 3/3 1, filtered icmp 3/13 3, filtered no-answer 2, open|filtered no-answer 3");
        host.tell(Answer::Filtered, Reason::Unreachable(3, 10));
        host.tell(Answer::Filtered, Reason::Unreachable(3, 13));
        insta::assert_snapshot!(words(&host, false), @"closed reset 6, closed icmp 1/4 1, filtered icmp 3, filtered no-answer 2, open|filtered no-answer 3");
        assert_eq!(Host::default().reasons(true), []);
    }

    #[test]
    fn a_host_that_answers_on_every_port() {
        let ms = Duration::from_millis;
        let tcp = Counts { asked: 60, open: 32, closed: 0, filtered: 0 };
        let mut host = Host { tcp, high: 20, ..Host::default() };
        host.opened(ms(9), ms(10));
        host.judge(ms(20), ms(100));
        assert!(!host.every, "answers may be on their way");
        let mut slow = host;
        slow.judge(ms(110), ms(100));
        assert!(!slow.every && slow.suspect.is_none(), "28 of 60 stayed silent: a filter with many open ports");
        let mut fast = host;
        for _ in 32..58 {
            fast.tcp.open += 1;
            fast.opened(ms(11), ms(50));
        }
        fast.tcp.asked += 100;
        fast.judge(ms(110), ms(100));
        assert!(!fast.every, "what was asked later tells nothing of what stayed silent");
        for _ in 32..58 {
            host.tcp.open += 1;
            host.opened(ms(10), ms(50));
        }
        host.judge(ms(110), ms(100));
        assert!(host.every);
        let mut server = Host { high: 3, tcp: Counts { asked: 40, open: 40, ..Counts::default() }, ..Host::default() };
        server.opened(ms(0), ms(1));
        assert_eq!(server.suspect, None, "well-known ports alone prove nothing");
        server.high = 20;
        server.opened(ms(0), ms(1));
        assert!(server.suspect.is_some());
        server.tcp.closed = 1;
        server.judge(ms(500), ms(100));
        assert!(!server.every, "one closed port is enough");
    }

    #[test]
    fn of_very_many_open_ports_a_few_that_are_not_clear_nobody() {
        let ms = Duration::from_millis;
        let judged = |asked, open, closed, filtered| {
            let tcp = Counts { asked, open, closed, filtered };
            let mut host = Host { high: open, tcp, ..Host::default() };
            host.opened(ms(0), ms(1));
            host.judge(ms(500), ms(100))
        };
        assert!(judged(65_535, 65_534, 1, 0), "one reset is no alibi");
        assert!(judged(1_077, 1_024, 30, 23), "nineteen of twenty");
        assert!(!judged(1_078, 1_024, 30, 24), "not quite");
        assert!(!judged(1_100, 1_024, 1, 0), "too many are silent");
        assert!(!judged(1_024, 1_023, 1, 0) && judged(1_023, 1_023, 0, 0), "fewer may all be services");
    }
}
