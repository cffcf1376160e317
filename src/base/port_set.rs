//! Sets of ports as sorted, merged ranges.

use std::fmt;
use std::str::FromStr;

/// A set of port numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct PortSet {
    ranges: Vec<(u16, u16)>,
}

/// Why a text is not a port list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a port or a range of ports (1 to 65535)")]
pub struct PortError(pub String);

impl PortSet {
    /// A set of inclusive ranges, in any order, overlapping or not.
    pub fn from_ranges(ranges: impl IntoIterator<Item = (u16, u16)>) -> Self {
        let mut ranges: Vec<(u16, u16)> = ranges.into_iter().filter(|(a, b)| a <= b).collect();
        ranges.sort_unstable();
        let mut merged: Vec<(u16, u16)> = Vec::with_capacity(ranges.len());
        for (start, end) in ranges {
            match merged.last_mut() {
                Some(last) if u32::from(start) <= u32::from(last.1) + 1 => last.1 = last.1.max(end),
                _ => merged.push((start, end)),
            }
        }
        Self { ranges: merged }
    }

    /// True for no ports.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Number of ports.
    pub fn len(&self) -> u32 {
        self.ranges.iter().map(|(a, b)| u32::from(b - a) + 1).sum()
    }

    /// True where the port is in the set.
    pub fn contains(&self, port: u16) -> bool {
        let after = self.ranges.partition_point(|(start, _)| *start <= port);
        after.checked_sub(1).and_then(|i| self.ranges.get(i)).is_some_and(|(_, end)| port <= *end)
    }

    /// The ports in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.ranges.iter().flat_map(|(a, b)| *a..=*b)
    }

    /// The inclusive ranges in ascending order.
    pub fn ranges(&self) -> &[(u16, u16)] {
        &self.ranges
    }

    /// The `n`-th port in ascending order.
    pub fn nth(&self, mut n: u32) -> Option<u16> {
        for (a, b) in &self.ranges {
            let len = u32::from(b - a) + 1;
            if n < len {
                return Some(a + n as u16);
            }
            n -= len;
        }
        None
    }
}

impl FromIterator<u16> for PortSet {
    fn from_iter<I: IntoIterator<Item = u16>>(ports: I) -> Self {
        Self::from_ranges(ports.into_iter().map(|p| (p, p)))
    }
}

impl FromStr for PortSet {
    type Err = PortError;

    /// `22,80,8000-8100`; port 0 is refused.
    fn from_str(text: &str) -> Result<Self, PortError> {
        let bad = |t: &str| PortError(t.trim().to_owned());
        let mut ranges = Vec::new();
        for part in text.split(',') {
            let (a, b) = part.split_once('-').unwrap_or((part, part));
            let a: u16 = a.trim().parse().map_err(|_| bad(part))?;
            let b: u16 = b.trim().parse().map_err(|_| bad(part))?;
            if a == 0 || a > b {
                return Err(bad(part));
            }
            ranges.push((a, b));
        }
        Ok(Self::from_ranges(ranges))
    }
}

impl fmt::Display for PortSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (a, b)) in self.ranges.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            if a == b { write!(f, "{comma}{a}")? } else { write!(f, "{comma}{a}-{b}")? }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_merge_print() {
        let p: PortSet = "80,22,8000-8100,8050-8200,81".parse().unwrap();
        assert_eq!(p.to_string(), "22,80-81,8000-8200");
        assert_eq!(
            (p.len(), p.nth(0), p.nth(3), p.nth(203), p.nth(204)),
            (204, Some(22), Some(8000), Some(8200), None)
        );
        assert!(p.contains(8200) && !p.contains(8201));
        assert_eq!(PortSet::from_ranges([(1, 65535)]).len(), 65535);
        assert_eq!(
            "0".parse::<PortSet>().unwrap_err().to_string(),
            "`0` is not a port or a range of ports (1 to 65535)"
        );
        assert_eq!("9-3".parse::<PortSet>().unwrap_err().0, "9-3");
    }
}
