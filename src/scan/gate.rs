//! The frame gate: the last look at a finished frame before it is sent. It is written apart from the code that builds
//! frames, reads the bytes by itself, and lets nothing pass that has no warrant. Architecture, decision 1.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::quick::ByAddress;
use crate::base::addr_set::{AddrRange, AddrSet};
use crate::plan::lease::Leases;
use crate::plan::target::Target;

/// The word for what somebody excluded: no gap.
pub(super) const EXCLUDED: &str = "excluded";

/// Why a frame may not leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is no frame that the gate can read.
    Unreadable,
    /// Its destination has no warrant.
    NoWarrant(IpAddr),
    /// Its destination is excluded.
    Excluded(IpAddr),
    /// The warrant has run out.
    Expired(IpAddr),
    /// The address is no longer ours, or nobody has confirmed that it is.
    NoLease(IpAddr),
}

impl Refusal {
    /// True where a bug of ours brought it this far: exclusions, the end of a warrant and the loss of a lease come while a
    /// run goes on.
    pub(super) const fn is_bug(self) -> bool {
        matches!(self, Self::Unreadable | Self::NoWarrant(_))
    }

    /// The words of the report.
    pub(super) const fn describe(self) -> &'static str {
        match self {
            Self::Expired(_) => "its warrant has expired",
            Self::Excluded(_) => EXCLUDED,
            Self::NoLease(_) => "lease lost",
            Self::NoWarrant(_) | Self::Unreadable => "no warrant",
        }
    }
}

/// What a frame that may leave is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// A warranted destination.
    Warrant(IpAddr),
    /// A request for a gateway's hardware address.
    Upkeep,
}

/// The wall clock was set where it differs by more from what has passed since the start.
const STEP: Duration = Duration::from_secs(2);

/// The time by which warrants run out: the wall clock's, but never less than the start and what has passed since. A
/// clock that is set back gives no warrant more time.
#[derive(Debug, Clone, Copy)]
pub(super) struct WarrantTime {
    start: (Timestamp, Duration),
    stepped: bool,
}

impl WarrantTime {
    /// Starts with both readings of a clock.
    pub(super) fn new(wall: Timestamp, elapsed: Duration) -> Self {
        Self { start: (wall, elapsed), stepped: false }
    }

    /// The time at both readings of the same clock; once, the words to tell where it was set.
    pub(super) fn at(&mut self, wall: Timestamp, elapsed: Duration) -> (Timestamp, Option<String>) {
        let steady = self.start.0.checked_add(elapsed.saturating_sub(self.start.1)).unwrap_or(wall);
        let apart = wall.duration_since(steady).unsigned_abs();
        let news = apart > STEP && !self.stepped;
        self.stepped |= news;
        let note = news.then(|| format!("the clock was set by about {} s while the scan ran", apart.as_secs()));
        (wall.max(steady), note)
    }
}

/// Warranted addresses with the end of their warrants.
#[derive(Debug, Default)]
pub(super) struct Gate {
    allowed: ByAddress<Timestamp>,
    excluded: AddrSet,
    /// Exclusions that came while the scan ran.
    added: Vec<AddrRange>,
    gateways: Vec<IpAddr>,
    leases: Option<Arc<Leases>>,
}

impl Gate {
    pub(super) fn new<'a>(targets: impl Iterator<Item = &'a Target>, excluded: AddrSet, gateways: Vec<IpAddr>) -> Self {
        let allowed = targets.map(|t| (t.addr().to_canonical(), t.warrant().expires)).collect();
        Self { allowed, excluded, added: Vec::new(), gateways, leases: None }
    }

    /// Asks for a lease too, for every destination.
    pub(super) fn with_leases(self, leases: Option<Arc<Leases>>) -> Self {
        Self { leases, ..self }
    }

    /// Excludes from now on.
    pub(super) fn exclude(&mut self, ranges: impl IntoIterator<Item = AddrRange>) {
        self.added.extend(ranges);
    }

    /// A gateway that came while the scan runs: it may be asked for its hardware address.
    pub(super) fn gateway(&mut self, new: Option<IpAddr>) {
        self.gateways.extend(new.filter(|g| !self.gateways.contains(g)));
    }

    /// Checks an address before a connection.
    pub(super) fn address(&self, addr: IpAddr, now: Timestamp) -> Result<Pass, Refusal> {
        let addr = addr.to_canonical();
        if self.excluded.contains(addr) || self.added.iter().any(|r| r.contains(addr)) {
            return Err(Refusal::Excluded(addr));
        }
        match self.allowed.get(addr) {
            None => Err(Refusal::NoWarrant(addr)),
            Some(expires) if now >= *expires => Err(Refusal::Expired(addr)),
            Some(_) if self.leases.as_ref().is_some_and(|l| l.check(addr, now).is_err()) => Err(Refusal::NoLease(addr)),
            Some(_) => Ok(Pass::Warrant(addr)),
        }
    }

    /// Checks a whole Ethernet frame.
    pub(super) fn frame(&self, frame: &[u8], now: Timestamp) -> Result<Pass, Refusal> {
        let field = |from: usize, len: usize| frame.get(from..from + len).ok_or(Refusal::Unreadable);
        let v4 = |at: usize| -> Result<IpAddr, Refusal> {
            let octets: [u8; 4] = field(at, 4)?.try_into().map_err(|_| Refusal::Unreadable)?;
            Ok(Ipv4Addr::from(octets).into())
        };
        let v6 = |at: usize| -> Result<IpAddr, Refusal> {
            let octets: [u8; 16] = field(at, 16)?.try_into().map_err(|_| Refusal::Unreadable)?;
            Ok(Ipv6Addr::from(octets).into())
        };
        match field(12, 2)? {
            // A request for an IPv4 address. RFC 826.
            [0x08, 0x06] if field(14, 8)? == [0, 1, 8, 0, 6, 4, 0, 1] => self.neighbour(v4(38)?, now),
            [0x08, 0x00] => self.address(v4(30)?, now),
            [0x86, 0xdd] => {
                let solicitation = field(20, 1)? == [58] && field(54, 1)? == [135];
                if !solicitation {
                    return self.address(v6(38)?, now);
                }
                // A neighbour solicitation goes to the address asked for, or to the group of all that end like it. RFC
                // 4861 4.3, RFC 4291 2.7.1.
                let (asked, to) = (field(62, 16)?, field(38, 16)?);
                let group = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff];
                let to_group = to.strip_prefix(&group).is_some_and(|end| asked.ends_with(end));
                if to == asked || to_group { self.neighbour(v6(62)?, now) } else { Err(Refusal::Unreadable) }
            }
            _ => Err(Refusal::Unreadable),
        }
    }

    fn neighbour(&self, asked: IpAddr, now: Timestamp) -> Result<Pass, Refusal> {
        if self.gateways.contains(&asked) { Ok(Pass::Upkeep) } else { self.address(asked, now) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::ask_neighbour;
    use super::*;

    #[test]
    fn neighbours_are_asked_for_and_nobody_else() {
        let gateways: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "fd00::1".parse().unwrap()];
        let gate = Gate::new([].into_iter(), AddrSet::default(), gateways.to_vec());
        let check = |frame: &[u8]| gate.frame(frame, Timestamp::UNIX_EPOCH);
        let ask = |own: &str, asked: IpAddr| ask_neighbour(own.parse().unwrap(), [2; 6], asked).unwrap();
        let (arp, mut solicitation) = (ask("192.0.2.2", gateways[0]), ask("fd00::2", gateways[1]));
        assert_eq!((check(&arp), check(&solicitation)), (Ok(Pass::Upkeep), Ok(Pass::Upkeep)));
        for (at, byte) in [(15, 6), (16, 9), (19, 16), (21, 2)] {
            let mut wrong = arp.clone();
            wrong[at] = byte;
            assert_eq!(check(&wrong), Err(Refusal::Unreadable), "byte {at} of an ARP request");
        }
        for at in [38, 39, 50, 51, 53] {
            let mut wrong = solicitation.clone();
            wrong[at] ^= 1;
            assert_eq!(check(&wrong), Err(Refusal::Unreadable), "byte {at} of a solicitation");
        }
        solicitation.copy_within(62..78, 38);
        assert_eq!(check(&solicitation), Ok(Pass::Upkeep), "to the neighbour itself");
        let stranger = "fd00::9".parse().unwrap();
        assert_eq!(check(&ask("fd00::2", stranger)), Err(Refusal::NoWarrant(stranger)));
    }
}
