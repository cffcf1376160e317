//! The ledger: packets per warrant, destination, port and probe. Architecture, decision 1.
//!
//! Single lines for the few packets that belong to no grid (connections, neighbours), and for grids of targets times
//! ports one byte a pair, in the order they were asked, packed: exact, and small where a million pairs were asked alike.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::bytes::{In, Out, pack, unpack};
use super::observation::ProbeKind;
use crate::base::fast::FastMap;
use crate::plan::order::Order;

/// First bytes of a stored ledger.
const MAGIC: u32 = u32::from_le_bytes(*b"PLG1");

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

/// Packets to the pairs of one grid.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Grid {
    targets: Arc<[(u32, IpAddr)]>,
    asks: Arc<[(ProbeKind, u16)]>,
    seed: u64,
    blocks: Vec<Block>,
}

/// A run of positions in the grid's order: packets by position, packed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Block {
    start: u64,
    len: u32,
    packed: Vec<u8>,
}

/// How much of a ledger's grids is written elsewhere: so many of them, and so many blocks of the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark {
    grids: usize,
    blocks: usize,
}

/// Packets by entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ledger {
    lines: BTreeMap<Entry, u32>,
    grids: Vec<Grid>,
    totals: BTreeMap<ProbeKind, u64>,
    /// Requests for the hardware address of a gateway: the link's upkeep, under no warrant, never leaving the link.
    pub upkeep: u64,
}

impl Ledger {
    /// Counts one packet.
    pub fn count(&mut self, entry: Entry) {
        *self.lines.entry(entry).or_default() += 1;
        *self.totals.entry(entry.probe).or_default() += 1;
    }

    /// Takes back one packet that was counted and did not leave.
    pub(super) fn uncount(&mut self, entry: Entry) {
        let Some(line) = self.lines.get_mut(&entry).filter(|n| **n > 0) else { return };
        *line -= 1;
        if *line == 0 {
            self.lines.remove(&entry);
        }
        if let Some(total) = self.totals.get_mut(&entry.probe) {
            *total -= 1;
            if *total == 0 {
                self.totals.remove(&entry.probe);
            }
        }
    }

    /// Takes over the single lines of another part of the run.
    pub fn extend(&mut self, other: &Self) {
        for (entry, n) in other.lines() {
            *self.lines.entry(entry).or_default() += n;
            *self.totals.entry(entry.probe).or_default() += u64::from(n);
        }
        self.upkeep += other.upkeep;
    }

    /// Begins a grid of `targets` (warrant and address) times `asks` (probe and port), in the order of a seed.
    pub(super) fn grid(&mut self, targets: Arc<[(u32, IpAddr)]>, asks: Arc<[(ProbeKind, u16)]>, seed: u64) {
        self.grids.push(Grid { targets, asks, seed, blocks: Vec::new() });
    }

    /// Adds packets by position to the newest grid, from a position on.
    pub(super) fn block(&mut self, start: u64, packets: &[u8]) {
        let Some(grid) = self.grids.last_mut() else { return };
        for (entry, n) in grid.entries(start, packets) {
            *self.totals.entry(entry.probe).or_default() += u64::from(n);
        }
        grid.blocks.push(Block { start, len: packets.len() as u32, packed: pack(packets) });
    }

    /// Every line, in no particular order. An entry that was sent to in two parts of a run comes twice; its counts add up.
    pub fn lines(&self) -> impl Iterator<Item = (Entry, u32)> + '_ {
        let single = self.lines.iter().map(|(e, n)| (*e, *n));
        single.chain(self.grids.iter().flat_map(|grid| {
            grid.blocks.iter().flat_map(|block| {
                let packets = unpack(&block.packed, block.len as usize).unwrap_or_default();
                grid.entries(block.start, &packets).collect::<Vec<_>>()
            })
        }))
    }

    /// Packets by entry, sorted; costs memory for each line.
    pub fn sorted(&self) -> BTreeMap<Entry, u32> {
        let mut sorted = BTreeMap::new();
        for (entry, n) in self.lines() {
            *sorted.entry(entry).or_default() += n;
        }
        sorted
    }

    /// Packets by destination.
    pub fn by_destination(&self) -> FastMap<IpAddr, u64> {
        let mut packets: FastMap<IpAddr, u64> = FastMap::default();
        for (entry, n) in &self.lines {
            *packets.entry(entry.destination).or_default() += u64::from(*n);
        }
        for grid in &self.grids {
            let mut by_target = vec![0u64; grid.targets.len()];
            for block in &grid.blocks {
                grid.add_up(block, &mut by_target);
            }
            for ((_, destination), n) in grid.targets.iter().zip(by_target).filter(|(_, n)| *n > 0) {
                *packets.entry(*destination).or_default() += n;
            }
        }
        packets
    }

    /// All packets under warrants.
    pub fn total(&self) -> u64 {
        self.totals.values().sum()
    }

    /// Packets by kind of probe.
    pub fn by_probe(&self) -> BTreeMap<ProbeKind, u64> {
        self.totals.clone()
    }

    /// Packets of single lines.
    pub(super) fn single(&self) -> u64 {
        self.lines.values().map(|n| u64::from(*n)).sum()
    }

    /// Takes in what another part of the same run has sent.
    pub fn merge(&mut self, other: Self) {
        for (entry, n) in other.lines {
            *self.lines.entry(entry).or_default() += n;
        }
        self.grids.extend(other.grids);
        for (probe, n) in other.totals {
            *self.totals.entry(probe).or_default() += n;
        }
        self.upkeep += other.upkeep;
    }

    /// As bytes for the store.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Out::default();
        out.u32(MAGIC);
        out.u64(self.upkeep);
        out.u64(self.lines.len() as u64);
        for (entry, n) in &self.lines {
            out.u32(entry.warrant);
            out.addr(entry.destination);
            out.u16(entry.port);
            out.u8(entry.probe.number());
            out.u32(*n);
        }
        out.u64(self.grids.len() as u64);
        for grid in &self.grids {
            grid.write(&mut out);
            write_blocks(&grid.blocks, &mut out);
        }
        out.0
    }

    /// How much there is.
    pub(super) fn mark(&self) -> Mark {
        Mark { grids: self.grids.len(), blocks: self.grids.last().map_or(0, |g| g.blocks.len()) }
    }

    /// Writes the grids and blocks that came after a mark; [`Ledger::read_news`] takes them in.
    pub(super) fn write_news(&self, since: Mark, out: &mut Out) {
        let known = since.grids.saturating_sub(1);
        let grids = self.grids.get(known..).unwrap_or_default();
        out.u64(grids.len() as u64);
        for (number, grid) in (known..).zip(grids) {
            let new = number >= since.grids;
            out.u8(u8::from(new));
            if new {
                grid.write(out);
            }
            let blocks = grid.blocks.get(if new { 0 } else { since.blocks }..);
            write_blocks(blocks.unwrap_or_default(), out);
        }
    }

    /// Takes in what [`Ledger::write_news`] wrote; none where it is damaged.
    pub(super) fn read_news(&mut self, read: &mut In<'_>) -> Option<()> {
        for _ in 0..read.count(9)? {
            if read.u8()? > 0 {
                self.read_grid(read)?;
            }
            self.read_blocks(read)?;
        }
        Some(())
    }

    /// The single lines alone.
    pub(super) fn singles(&self) -> Self {
        let mut singles = Self { lines: self.lines.clone(), upkeep: self.upkeep, ..Self::default() };
        for (entry, n) in &self.lines {
            *singles.totals.entry(entry.probe).or_default() += u64::from(*n);
        }
        singles
    }

    /// From bytes of the store; none where they are damaged.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut read = In(bytes);
        if read.u32()? != MAGIC {
            return None;
        }
        let mut ledger = Self { upkeep: read.u64()?, ..Self::default() };
        for _ in 0..read.count(12)? {
            let (warrant, destination, port) = (read.u32()?, read.addr()?, read.u16()?);
            let entry = Entry { warrant, destination, port, probe: ProbeKind::from_number(read.u8()?)? };
            let n = read.u32()?;
            *ledger.lines.entry(entry).or_default() += n;
            *ledger.totals.entry(entry.probe).or_default() += u64::from(n);
        }
        for _ in 0..read.count(32)? {
            ledger.read_grid(&mut read)?;
            ledger.read_blocks(&mut read)?;
        }
        read.0.is_empty().then_some(ledger)
    }

    fn read_grid(&mut self, read: &mut In<'_>) -> Option<()> {
        let seed = read.u64()?;
        let targets: Option<Arc<[_]>> = (0..read.count(9)?).map(|_| Some((read.u32()?, read.addr()?))).collect();
        let asks: Option<Arc<[_]>> =
            (0..read.count(3)?).map(|_| Some((ProbeKind::from_number(read.u8()?)?, read.u16()?))).collect();
        self.grid(targets?, asks?, seed);
        Some(())
    }

    fn read_blocks(&mut self, read: &mut In<'_>) -> Option<()> {
        for _ in 0..read.count(20)? {
            let (start, len) = (read.u64()?, read.u32()?);
            let packets = unpack(read.bytes()?, len as usize)?;
            self.block(start, &packets);
        }
        Some(())
    }
}

fn write_blocks(blocks: &[Block], out: &mut Out) {
    out.u64(blocks.len() as u64);
    for block in blocks {
        out.u64(block.start);
        out.u32(block.len);
        out.bytes(&block.packed);
    }
}

impl Grid {
    /// Everything but the blocks.
    fn write(&self, out: &mut Out) {
        out.u64(self.seed);
        out.u64(self.targets.len() as u64);
        for (warrant, addr) in self.targets.iter() {
            out.u32(*warrant);
            out.addr(*addr);
        }
        out.u64(self.asks.len() as u64);
        for (probe, port) in self.asks.iter() {
            out.u8(probe.number());
            out.u16(*port);
        }
    }

    /// Adds a block's packets to the sums of the targets.
    fn add_up(&self, block: &Block, by_target: &mut [u64]) {
        let targets = self.targets.len().max(1) as u64;
        let order = Order::new(self.targets.len() as u64 * self.asks.len() as u64, self.seed);
        let packets = unpack(&block.packed, block.len as usize).unwrap_or_default();
        for (i, n) in (block.start..).zip(packets).filter(|(_, n)| *n > 0) {
            let target = order.at(i).and_then(|number| by_target.get_mut((number % targets) as usize));
            if let Some(sum) = target {
                *sum += u64::from(n);
            }
        }
    }

    fn entries<'a>(&'a self, start: u64, packets: &'a [u8]) -> impl Iterator<Item = (Entry, u32)> + 'a {
        let targets = self.targets.len().max(1) as u64;
        let order = Order::new(self.targets.len() as u64 * self.asks.len() as u64, self.seed);
        packets.iter().enumerate().filter(|(_, n)| **n > 0).filter_map(move |(i, n)| {
            let number = order.at(start + i as u64)?;
            let (warrant, destination) = *self.targets.get((number % targets) as usize)?;
            let (probe, port) = *self.asks.get((number / targets) as usize)?;
            Some((Entry { warrant, destination, port, probe }, u32::from(*n)))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn grids_count_as_single_lines_do(
            packets in proptest::collection::vec(0u8..5, 35),
            cut in 0usize..36,
            seed in any::<u64>(),
        ) {
            let targets: Arc<[(u32, IpAddr)]> = (0..7u8).map(|i| (u32::from(i), IpAddr::from([192, 0, 2, i]))).collect();
            let asks: Arc<[(ProbeKind, u16)]> = (0..5u16).map(|i| (if i == 4 { ProbeKind::Udp } else { ProbeKind::Syn }, i)).collect();
            let mut grid = Ledger::default();
            grid.grid(Arc::clone(&targets), Arc::clone(&asks), seed);
            grid.block(0, &packets[..cut]);
            grid.block(cut as u64, &packets[cut..]);
            let mut single = Ledger::default();
            let order = Order::new(35, seed);
            for (i, n) in packets.iter().enumerate() {
                let number = order.at(i as u64).unwrap() as usize;
                let ((warrant, destination), (probe, port)) = (targets[number % 7], asks[number / 7]);
                (0..*n).for_each(|_| single.count(Entry { warrant, destination, port, probe }));
            }
            prop_assert_eq!(grid.sorted(), single.sorted());
            prop_assert_eq!(grid.by_probe(), single.by_probe());
            prop_assert_eq!(grid.by_destination(), single.by_destination());
            grid.merge(single.clone());
            let read = Ledger::from_bytes(&grid.to_bytes()).unwrap();
            prop_assert_eq!(&read, &grid);
            prop_assert_eq!(grid.singles(), single);
            // Piece by piece it is the same.
            let (mut whole, mut news, mut pieces) = (Ledger::default(), Ledger::default(), Out::default());
            for (number, grid) in grid.grids.iter().enumerate() {
                for blocks in 0..=grid.blocks.len() {
                    let since = whole.mark();
                    whole.grids.truncate(number);
                    whole.grids.push(Grid { blocks: grid.blocks[..blocks].to_vec(), ..grid.clone() });
                    whole.write_news(since, &mut pieces);
                }
            }
            let mut read = In(&pieces.0);
            while !read.0.is_empty() {
                news.read_news(&mut read).unwrap();
            }
            prop_assert_eq!(&news.grids, &whole.grids);
            prop_assert_eq!(&news.grids, &grid.grids);
        }

        #[test]
        fn damaged_bytes_are_refused(at in 0usize..60, value in any::<u8>(), cut in 0usize..60) {
            let mut ledger = Ledger::default();
            ledger.grid(Arc::from([(1, IpAddr::from([192, 0, 2, 1]))]), Arc::from([(ProbeKind::Syn, 80)]), 3);
            ledger.block(0, &[2]);
            let mut bytes = ledger.to_bytes();
            prop_assert!(Ledger::from_bytes(&bytes[..cut.min(bytes.len() - 1)]).is_none());
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
            let _ = Ledger::from_bytes(&bytes);
        }
    }
}
