//! The ledger: packets per warrant, destination, port and probe. Architecture, decision 1.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::observation::ProbeKind;

/// What one line counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// Number of the warrant within its plan.
    pub warrant: u32,
    /// Where the packets went.
    pub destination: IpAddr,
    /// Destination port; 0 for probes without one.
    pub port: u16,
    /// What was sent.
    pub probe: ProbeKind,
}

/// Packets by entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ledger {
    lines: BTreeMap<Entry, u32>,
    /// Requests for the hardware address of a gateway: the link's upkeep, under no warrant, never leaving the link.
    pub upkeep: u64,
}

impl Ledger {
    /// Counts one packet.
    pub fn count(&mut self, entry: Entry) {
        *self.lines.entry(entry).or_default() += 1;
    }

    /// Takes over the lines of another part of the run.
    pub fn extend(&mut self, other: &Self) {
        for (entry, n) in other.lines() {
            *self.lines.entry(*entry).or_default() += n;
        }
        self.upkeep += other.upkeep;
    }

    /// All lines, sorted.
    pub fn lines(&self) -> impl Iterator<Item = (&Entry, u32)> {
        self.lines.iter().map(|(e, n)| (e, *n))
    }

    /// All packets under warrants.
    pub fn total(&self) -> u64 {
        self.lines.values().map(|n| u64::from(*n)).sum()
    }

    /// Packets by kind of probe.
    pub fn by_probe(&self) -> BTreeMap<ProbeKind, u64> {
        let mut totals = BTreeMap::new();
        for (entry, n) in self.lines() {
            *totals.entry(entry.probe).or_default() += u64::from(n);
        }
        totals
    }
}
