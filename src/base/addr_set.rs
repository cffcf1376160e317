//! Sets of addresses as sorted, merged ranges: exclusions, and the allowed set of the send gate.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An inclusive range of addresses of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddrRange {
    /// First address.
    pub first: IpAddr,
    /// Last address, of the same family, not below `first`.
    pub last: IpAddr,
}

/// Why a text is not an address, network or range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddrError {
    /// Not an address.
    #[error("`{0}` is not an address, network or range")]
    Syntax(String),
    /// The prefix is longer than the family allows.
    #[error("prefix length {prefix} is out of range for {family}")]
    Prefix {
        /// The length as written.
        prefix: u32,
        /// `IPv4` or `IPv6`.
        family: &'static str,
    },
    /// Ends reversed, or of two families.
    #[error("the range `{0}` is reversed or mixes address families")]
    Range(String),
}

fn bits(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(a) => u128::from(u32::from(a)),
        IpAddr::V6(a) => u128::from(a),
    }
}

fn from_bits(v6: bool, bits: u128) -> IpAddr {
    if v6 { IpAddr::V6(Ipv6Addr::from(bits)) } else { IpAddr::V4(Ipv4Addr::from(bits as u32)) }
}

/// An IPv4-mapped IPv6 address as the IPv4 address that it is; everything else unchanged.
pub fn canonical(addr: IpAddr) -> IpAddr {
    addr.to_canonical()
}

impl AddrRange {
    /// One address.
    pub fn single(addr: IpAddr) -> Self {
        Self { first: canonical(addr), last: canonical(addr) }
    }

    /// A network; bits below the prefix are masked off. A network of IPv4-mapped addresses is the IPv4 network.
    pub fn network(addr: IpAddr, prefix: u32) -> Result<Self, AddrError> {
        if let (IpAddr::V4(inner), IpAddr::V6(_), 96..=128) = (canonical(addr), addr, prefix) {
            return Self::network(IpAddr::V4(inner), prefix - 96);
        }
        let (width, family) = if addr.is_ipv6() { (128, "IPv6") } else { (32, "IPv4") };
        if prefix > width {
            return Err(AddrError::Prefix { prefix, family });
        }
        let host_bits = width - prefix;
        let host_mask = if host_bits == 128 { u128::MAX } else { (1u128 << host_bits) - 1 };
        let base = bits(addr) & !host_mask;
        Ok(Self { first: from_bits(addr.is_ipv6(), base), last: from_bits(addr.is_ipv6(), base | host_mask) })
    }

    /// True where the address lies inside.
    pub fn contains(&self, addr: IpAddr) -> bool {
        let addr = canonical(addr);
        addr.is_ipv6() == self.first.is_ipv6() && bits(self.first) <= bits(addr) && bits(addr) <= bits(self.last)
    }

    /// Number of addresses, saturating.
    pub fn count(&self) -> u128 {
        (bits(self.last) - bits(self.first)).saturating_add(1)
    }
}

impl FromStr for AddrRange {
    type Err = AddrError;

    /// `192.0.2.1`, `192.0.2.0/24`, `192.0.2.1-192.0.2.9`, and the same for IPv6.
    fn from_str(text: &str) -> Result<Self, AddrError> {
        let syntax = || AddrError::Syntax(text.to_owned());
        if let Some((addr, prefix)) = text.split_once('/') {
            let addr: IpAddr = addr.parse().map_err(|_| syntax())?;
            let prefix: u32 = prefix.parse().map_err(|_| syntax())?;
            return Self::network(addr, prefix);
        }
        if let Some((first, last)) = text.split_once('-') {
            let first = canonical(first.trim().parse().map_err(|_| syntax())?);
            let last = canonical(last.trim().parse().map_err(|_| syntax())?);
            if first.is_ipv6() != last.is_ipv6() || bits(first) > bits(last) {
                return Err(AddrError::Range(text.to_owned()));
            }
            return Ok(Self { first, last });
        }
        text.parse().map(Self::single).map_err(|_| syntax())
    }
}

impl fmt::Display for AddrRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return write!(f, "{}", self.first);
        }
        let span = bits(self.first) ^ bits(self.last);
        let width = if self.first.is_ipv6() { 128 } else { 32 };
        let host_bits = 128 - span.leading_zeros();
        if Self::network(self.first, width - host_bits) == Ok(*self) {
            return write!(f, "{}/{}", self.first, width - host_bits);
        }
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// A set of addresses. Look-up is a binary search.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddrSet {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl AddrSet {
    /// True for the empty set.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// True where the address is in the set; IPv4-mapped IPv6 counts as IPv4.
    pub fn contains(&self, addr: IpAddr) -> bool {
        match canonical(addr) {
            IpAddr::V4(a) => covers(&self.v4, u32::from(a)),
            IpAddr::V6(a) => covers(&self.v6, u128::from(a)),
        }
    }

    /// The ranges, sorted, IPv4 first.
    pub fn ranges(&self) -> impl Iterator<Item = AddrRange> + '_ {
        let v4 = self.v4.iter().map(|(a, b)| AddrRange {
            first: from_bits(false, u128::from(*a)),
            last: from_bits(false, u128::from(*b)),
        });
        let v6 = self.v6.iter().map(|(a, b)| AddrRange { first: from_bits(true, *a), last: from_bits(true, *b) });
        v4.chain(v6)
    }
}

impl FromIterator<AddrRange> for AddrSet {
    fn from_iter<I: IntoIterator<Item = AddrRange>>(ranges: I) -> Self {
        let mut set = Self::default();
        for r in ranges {
            match (r.first, r.last) {
                (IpAddr::V4(a), IpAddr::V4(b)) => set.v4.push((u32::from(a), u32::from(b))),
                (IpAddr::V6(a), IpAddr::V6(b)) => set.v6.push((u128::from(a), u128::from(b))),
                // INVARIANT: a range has one family; `AddrRange` is only made so.
                _ => {}
            }
        }
        merge(&mut set.v4, |end, start| start.checked_sub(1).is_none_or(|before| before <= end));
        merge(&mut set.v6, |end, start| start.checked_sub(1).is_none_or(|before| before <= end));
        set
    }
}

fn covers<T: Ord + Copy>(ranges: &[(T, T)], addr: T) -> bool {
    let after = ranges.partition_point(|(start, _)| *start <= addr);
    after.checked_sub(1).and_then(|i| ranges.get(i)).is_some_and(|(_, end)| addr <= *end)
}

fn merge<T: Ord + Copy>(ranges: &mut Vec<(T, T)>, touches: impl Fn(T, T) -> bool) {
    ranges.sort_unstable();
    let mut merged: Vec<(T, T)> = Vec::with_capacity(ranges.len());
    for (start, end) in ranges.drain(..) {
        match merged.last_mut() {
            Some(last) if touches(last.1, start) => last.1 = last.1.max(end),
            _ => merged.push((start, end)),
        }
    }
    *ranges = merged;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(parts: &[&str]) -> AddrSet {
        parts.iter().map(|p| p.parse::<AddrRange>().unwrap()).collect()
    }

    #[test]
    fn ranges_merge_and_print_short() {
        let s = set(&["192.0.2.128/25", "192.0.2.0/25", "198.51.100.7", "2001:db8::1-2001:db8::3", "0.0.0.0"]);
        let shown: Vec<String> = s.ranges().map(|r| r.to_string()).collect();
        assert_eq!(shown, ["0.0.0.0", "192.0.2.0/24", "198.51.100.7", "2001:db8::1-2001:db8::3"]);
    }

    #[test]
    fn look_up_knows_families() {
        let s = set(&["192.0.2.0/24", "::/0"]);
        assert!(s.contains("192.0.2.255".parse().unwrap()));
        assert!(!s.contains("192.0.3.0".parse().unwrap()));
        assert!(s.contains("::ffff:192.0.2.1".parse().unwrap()));
        assert!(!s.contains("::ffff:192.0.3.1".parse().unwrap()));
        assert!(s.contains("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap()));
    }

    #[test]
    fn mapped_networks_are_ipv4_networks() {
        assert_eq!("::ffff:192.0.2.0/120".parse::<AddrRange>().unwrap().to_string(), "192.0.2.0/24");
        assert!(set(&["::ffff:192.0.2.0/120"]).contains("192.0.2.7".parse().unwrap()));
        assert!("::ffff:192.0.2.0/129".parse::<AddrRange>().is_err());
    }

    #[test]
    fn bad_ranges_say_why() {
        assert_eq!(
            "192.0.2.9-192.0.2.1".parse::<AddrRange>().unwrap_err().to_string(),
            "the range `192.0.2.9-192.0.2.1` is reversed or mixes address families"
        );
        assert_eq!(
            "192.0.2.9/33".parse::<AddrRange>().unwrap_err().to_string(),
            "prefix length 33 is out of range for IPv4"
        );
        assert_eq!("x".parse::<AddrRange>().unwrap_err().to_string(), "`x` is not an address, network or range");
    }
}
