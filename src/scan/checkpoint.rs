//! A scan's state as bytes, so that whoever goes on after a crash or a pause asks nothing twice that was asked before
//! the last checkpoint, and finds what an uninterrupted scan finds. The ledger is in it: it stays exact.
//!
//! What is over (packets of windows gone through, open ports) is written once, into the past that all checkpoints share;
//! a checkpoint itself holds what still changes, and costs the same however much is done.

use std::collections::{BTreeMap, HashSet};
use std::hash::Hasher;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use siphasher::sip::SipHasher13;

use super::ScanInput;
use super::bytes::{In, Out, pack, unpack};
use super::engine::{Engine, Found, Phase};
use super::grid::{Ask, Grid};
use super::hosts::{Counts, Cut, Host};
use super::ledger::{Ledger, Mark};
use super::observation::Reason;
use super::outcome::ScanOutcome;
use super::window::{Answer, Window};

/// First bytes of a checkpoint.
const MAGIC: u32 = u32::from_le_bytes(*b"PCK4");
/// Times that never were.
const NEVER: u64 = u64::MAX;
/// A resumed scan sends nothing for this long: what left before the crash counts for the rates too.
pub(super) const REST: Duration = Duration::from_secs(1);

/// What is over, as bytes that are kept already and bytes that are to be.
#[derive(Debug, Clone)]
struct Past {
    from: u64,
    more: Vec<u8>,
    sum: SipHasher13,
}

impl Default for Past {
    fn default() -> Self {
        Self { from: 0, more: Vec::new(), sum: SipHasher13::new_with_keys(0x7061, 0x7374) }
    }
}

impl Past {
    fn len(&self) -> u64 {
        self.from + self.more.len() as u64
    }

    fn add(&mut self, bytes: &[u8]) {
        self.sum.write(bytes);
        self.more.extend(bytes);
    }

    /// The bytes that are not kept yet, and where they begin.
    fn news(&mut self) -> (u64, Vec<u8>) {
        let (from, more) = (self.from, std::mem::take(&mut self.more));
        self.from += more.len() as u64;
        (from, more)
    }
}

/// A checkpoint of the whole scan: what was sent outside of the engines, and each engine, finished or not.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Plan and seed it belongs to.
    pub(super) plan: u64,
    /// When it was made.
    pub(super) at: Timestamp,
    /// When the scan began.
    pub(super) started: Timestamp,
    /// Packets sent.
    pub(super) sent: u64,
    /// What the engines' states build on.
    past: Past,
    /// States of engines by their number, each with the moment it is of.
    states: BTreeMap<u32, (Timestamp, Vec<u8>)>,
    engines: u32,
}

/// Where an engine stood.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    pub(super) number: u32,
    /// Targets and destinations, in the engine's order.
    pub(super) aims: Vec<(u32, IpAddr)>,
    /// What the windows sent that are over, and the canaries.
    pub(super) ledger: Ledger,
    open: Vec<Found>,
    state: Vec<u8>,
    at: Timestamp,
}

/// How much of an engine the past holds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Told {
    number: Option<u32>,
    ledger: Mark,
    pub(super) open: usize,
}

fn sum(bytes: &[u8]) -> u64 {
    let mut hash = SipHasher13::new_with_keys(0x636b, 0x7074);
    hash.write(bytes);
    hash.finish()
}

/// What a plan and a seed are known by.
pub(super) fn plan_key(hash: &str, seed: u64) -> u64 {
    let mut sip = SipHasher13::new_with_keys(seed, 0x706c_616e);
    sip.write(hash.as_bytes());
    sip.finish()
}

impl Kept {
    /// Of a scan that begins.
    pub(super) fn new(plan: u64, started: Timestamp) -> Self {
        Self { plan, started, ..Self::default() }
    }

    /// Puts it where the scan's checkpoints are kept.
    pub(super) fn keep(&mut self, input: &ScanInput<'_>, outcome: &ScanOutcome) {
        if let Some(keep) = input.keep {
            self.at = input.clock.now();
            self.sent = outcome.counters.sent;
            let (from, more) = self.past.news();
            keep.keep(self.to_bytes(&outcome.ledger), from, more);
        }
    }

    /// Takes in where an engine stands at a moment, which is `now` by its own time.
    pub(super) fn note(&mut self, engine: &mut Engine, now: Duration, at: Timestamp) {
        let news = engine.tell(self.engines);
        if let Some(number) = engine.told.number {
            self.engines = self.engines.max(number + 1);
            self.past.add(&news);
            self.states.insert(number, (at, engine.save(now)));
        }
    }

    /// Forgets an engine whose state cannot be read.
    pub(super) fn forget(&mut self, number: u32) {
        self.states.remove(&number);
    }

    /// With the ledger of what was sent outside of the engines.
    fn to_bytes(&self, ledger: &Ledger) -> Vec<u8> {
        let mut out = Out::default();
        out.u32(MAGIC);
        out.u64(self.plan);
        out.u64(self.at.as_millisecond() as u64);
        out.u64(self.started.as_millisecond() as u64);
        out.u64(self.sent);
        out.bytes(&ledger.to_bytes());
        out.u64(self.past.len());
        out.u64(self.past.sum.finish());
        out.u64(self.states.len() as u64);
        for (number, (at, state)) in &self.states {
            out.u32(*number);
            out.u64(at.as_millisecond() as u64);
            out.bytes(state);
        }
        let check = sum(&out.0);
        out.u64(check);
        out.0
    }

    /// With the ledger outside of the engines, and the engines. None where the bytes are damaged or of another plan.
    pub(super) fn from_bytes(bytes: &[u8], past: &[u8], plan: u64) -> Option<(Self, Ledger, Vec<Earlier>)> {
        let (body, check) = bytes.split_at_checked(bytes.len().checked_sub(8)?)?;
        if In(check).u64()? != sum(body) {
            return None;
        }
        let mut read = In(body);
        if read.u32()? != MAGIC || read.u64()? != plan {
            return None;
        }
        let (at, started) = (moment(&mut read)?, moment(&mut read)?);
        let sent = read.u64()?;
        let ledger = Ledger::from_bytes(read.bytes()?)?;
        let mut kept = Self { at, sent, ..Self::new(plan, started) };
        let past = past.get(..usize::try_from(read.u64()?).ok()?)?;
        kept.past.sum.write(past);
        kept.past.from = past.len() as u64;
        if kept.past.sum.finish() != read.u64()? {
            return None;
        }
        let mut engines = BTreeMap::new();
        let mut news = In(past);
        while !news.0.is_empty() {
            read_told(&mut engines, &mut news)?;
        }
        for _ in 0..read.count(20)? {
            let (number, at, state) = (read.u32()?, moment(&mut read)?, read.bytes()?.to_vec());
            let engine = engines.get_mut(&number)?;
            engine.at = at;
            engine.state.clone_from(&state);
            kept.states.insert(number, (at, state));
        }
        kept.engines = engines.keys().next_back().map_or(0, |last| last + 1);
        engines.retain(|number, _| kept.states.contains_key(number));
        Some((kept, ledger, engines.into_values().collect()))
    }
}

fn moment(read: &mut In<'_>) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(read.u64()?).ok()?).ok()
}

fn read_told(engines: &mut BTreeMap<u32, Earlier>, read: &mut In<'_>) -> Option<()> {
    let number = read.u32()?;
    let engine = engines.entry(number).or_insert_with(|| Earlier { number, ..Earlier::default() });
    for _ in 0..read.count(9)? {
        engine.aims.push((read.u32()?, read.addr()?));
    }
    engine.ledger.read_news(read)?;
    for _ in 0..read.count(12)? {
        engine.open.push(found(read)?);
    }
    Some(())
}

impl Engine {
    /// Hosts that are still to be asked something.
    pub(super) fn unfinished(&self) -> HashSet<u32> {
        match self.phase {
            Phase::End => HashSet::new(),
            Phase::Ports if self.window.end() >= self.grid.len() => {
                let last = self.tries.saturating_sub(1);
                let places = (0..self.window.len()).filter(|p| self.window.wanted(*p, last));
                places.filter_map(|p| self.grid.pair(self.window.start + u64::from(p))).map(|(host, _)| host).collect()
            }
            Phase::Discover | Phase::Ports => (0..self.aims.len() as u32).collect(),
        }
    }

    /// What is over since this was last asked; `number` becomes the engine's where it has none.
    fn tell(&mut self, number: u32) -> Vec<u8> {
        let known = self.told;
        let number = known.number.unwrap_or(number);
        self.told = Told { number: Some(number), ledger: self.ledger.mark(), open: self.open.len() };
        if known.number.is_some() && known.ledger == self.told.ledger && known.open == self.told.open {
            return Vec::new();
        }
        let mut out = Out::default();
        out.u32(number);
        let aims = if known.number.is_none() { self.aims.as_slice() } else { &[] };
        out.u64(aims.len() as u64);
        for aim in aims {
            out.u32(aim.target);
            out.addr(aim.destination);
        }
        self.ledger.write_news(known.ledger, &mut out);
        let open = self.open.get(known.open..).unwrap_or_default();
        out.u64(open.len() as u64);
        for f in open {
            out.u32(f.host);
            out.u8(u8::from(f.tcp));
            out.u16(f.port);
            out.u8(f.ttl);
            out.u32(f.rtt_us);
        }
        out.0
    }

    /// Everything that a later engine over the same targets needs beside the past.
    pub(super) fn save(&mut self, now: Duration) -> Vec<u8> {
        let mut out = Out::default();
        out.u8(self.tries);
        out.u64(self.asks.len() as u64);
        out.u64(nanos(now));
        out.u8(match self.phase {
            Phase::Discover => 0,
            Phase::Ports => 1,
            Phase::End => 2,
        });
        out.u8(self.round);
        self.numbers().into_iter().for_each(|n| out.u64(*n));
        let slots: Vec<u8> = self.grid.hosts().iter().flat_map(|h| h.to_le_bytes()).collect();
        out.u64(slots.len() as u64);
        out.bytes(&pack(&slots));
        out.u64(self.window.start);
        let (state, again) = self.window.checkpoint(now, self.patience(), self.tries);
        out.u64(state.len() as u64);
        out.bytes(&pack(&state));
        for places in [&again, &self.given_back] {
            out.u64(places.len() as u64);
            places.iter().for_each(|p| out.u32(*p));
        }
        let mut hosts = Out::default();
        self.hosts.iter().for_each(|h| save_host(&mut hosts, h));
        out.u64(hosts.0.len() as u64);
        out.bytes(&pack(&hosts.0));
        out.u64(self.early.len() as u64);
        for ((host, tcp, port), answer) in &self.early {
            out.u32(*host);
            out.u8(u8::from(*tcp));
            out.u16(*port);
            out.u8(*answer as u8);
        }
        out.bytes(&self.ledger.singles().to_bytes());
        out.0
    }

    /// What is only counted.
    fn numbers(&mut self) -> [&mut u64; 14] {
        let (tally, counters) = (&mut self.tally, &mut self.counters);
        [
            &mut self.done_before,
            &mut self.lost_pairs,
            &mut self.saved,
            &mut self.policed_pairs,
            &mut tally.tries,
            &mut tally.lost,
            &mut tally.first,
            &mut tally.later,
            &mut tally.controls,
            &mut tally.controls_lost,
            &mut counters.replies,
            &mut counters.duplicates,
            &mut counters.strangers,
            &mut counters.dropped,
        ]
    }

    /// Puts a fresh engine where another of the same targets stood; false, and both unchanged, where its state cannot be
    /// read.
    pub(super) fn restore(&mut self, earlier: &mut Earlier) -> bool {
        self.read(earlier).is_some()
    }

    fn read(&mut self, earlier: &mut Earlier) -> Option<()> {
        let mut read = In(&earlier.state);
        if read.u8()? != self.tries || read.u64()? != self.asks.len() as u64 {
            return None;
        }
        let saved = Duration::from_nanos(read.u64()?);
        let phase = match read.u8()? {
            0 => Phase::Discover,
            1 => Phase::Ports,
            2 => Phase::End,
            _ => return None,
        };
        let round = read.u8()?;
        let mut numbers = [0u64; 14];
        for number in &mut numbers {
            *number = read.u64()?;
        }
        let len = usize::try_from(read.u64()?).ok().filter(|n| *n <= self.aims.len() * 4)?;
        let slots = unpack(read.bytes()?, len)?;
        let (words, _) = slots.as_chunks::<4>();
        let slots: Vec<u32> = words.iter().map(|w| u32::from_le_bytes(*w)).collect();
        let start = read.u64()?;
        let len = usize::try_from(read.u64()?).ok().filter(|n| *n as u64 <= super::window::WINDOW)?;
        let state = unpack(read.bytes()?, len)?;
        let again: Option<Vec<u32>> = (0..read.count(4)?).map(|_| read.u32()).collect();
        let older: Option<Vec<u32>> = (0..read.count(4)?).map(|_| read.u32()).collect();
        let len = usize::try_from(read.u64()?).ok().filter(|n| *n <= self.hosts.len() * HOST_BYTES)?;
        let hosts = unpack(read.bytes()?, len)?;
        let mut records = In(&hosts);
        let hosts: Option<Vec<Host>> = (0..self.hosts.len()).map(|_| read_host(&mut records)).collect();
        let early: Option<BTreeMap<_, _>> = (0..read.count(8)?).map(|_| early(&mut read)).collect();
        let singles = Ledger::from_bytes(read.bytes()?)?;
        let older = older?;
        (self.hosts, self.early, self.given_back) = (hosts?, early?, again?);
        (self.open, self.ledger) = (std::mem::take(&mut earlier.open), std::mem::take(&mut earlier.ledger));
        self.ledger.extend(&singles);
        for (number, saved) in self.numbers().into_iter().zip(numbers) {
            *number = saved;
        }
        self.canaries.carry(&self.ledger);
        self.asleep = self.hosts.iter().filter(|h| h.alive.is_none()).count() as u32;
        self.phase = phase;
        let (fresh, seed) = self.grid_of(phase);
        self.grid = Grid::new(slots, fresh.asks().to_vec(), self.aims.len(), seed);
        self.window = Window::restore(start, state);
        self.exhausted = (0..self.window.len())
            .filter(|p| self.window.tries(*p) >= self.tries && self.window.wanted(*p, self.tries))
            .count() as u32;
        for place in &self.given_back {
            // It will be asked for the first time again, and counted then.
            if let Some((host, ask)) = self
                .grid
                .pair(start + u64::from(*place))
                .filter(|_| phase == Phase::Ports && self.window.tries(*place) == 0)
                && let Some(host) = self.hosts.get_mut(host as usize)
            {
                let counts = if matches!(ask, Ask::Tcp(_)) { &mut host.tcp } else { &mut host.udp };
                counts.asked = counts.asked.saturating_sub(1);
            }
        }
        self.given_back.extend(older);
        self.base = saved;
        self.before = Some((earlier.at, saved));
        self.told = Told { number: Some(earlier.number), ledger: self.ledger.mark(), open: self.open.len() };
        self.start_round(round, saved);
        self.slow_again();
        Some(())
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(NEVER)
}

/// Bytes of one host's record.
const HOST_BYTES: usize = 3 + 8 + 8 + 1 + 32 + 4 + 1 + 8 + 3;

fn save_host(out: &mut Out, host: &Host) {
    let (kind, a, b) = match host.alive {
        None => (0, 0, 0),
        Some(Reason::SynAck) => (1, 0, 0),
        Some(Reason::Reset) => (2, 0, 0),
        Some(Reason::Unreachable(a, b)) => (3, a, b),
        Some(Reason::EchoReply) => (4, 0, 0),
        Some(Reason::UdpReply) => (5, 0, 0),
        Some(Reason::TimestampReply) => (6, 0, 0),
        // Of connect mode; the raw engine has none of them.
        Some(Reason::SomeUnreachable | Reason::Connected | Reason::Refused | Reason::NoAnswer) => (7, 0, 0),
    };
    [kind, a, b].into_iter().for_each(|byte| out.u8(byte));
    out.u64(host.first.map_or(NEVER, nanos));
    out.u64(nanos(host.last));
    let cut = host.cut.and_then(|c| Cut::ALL.iter().position(|a| *a == c));
    out.u8(cut.map_or(0, |i| i as u8 + 1));
    for counts in [host.tcp, host.udp] {
        [counts.asked, counts.open, counts.closed, counts.filtered].into_iter().for_each(|n| out.u32(n));
    }
    out.u32(host.high);
    out.u8(u8::from(host.every) | u8::from(host.policed) << 1);
    [host.prompt, host.late].into_iter().for_each(|n| out.u32(n));
    let (kind, code) = host.told.flatten().unwrap_or_default();
    [host.told.map_or(0, |told| 1 + u8::from(told.is_some())), kind, code].into_iter().for_each(|byte| out.u8(byte));
}

fn read_host(read: &mut In<'_>) -> Option<Host> {
    let alive = match (read.u8()?, read.u8()?, read.u8()?) {
        (0, ..) => None,
        (1, ..) => Some(Reason::SynAck),
        (2, ..) => Some(Reason::Reset),
        (3, a, b) => Some(Reason::Unreachable(a, b)),
        (4, ..) => Some(Reason::EchoReply),
        (5, ..) => Some(Reason::UdpReply),
        (6, ..) => Some(Reason::TimestampReply),
        (7, ..) => Some(Reason::Connected),
        _ => return None,
    };
    let first = Some(read.u64()?).filter(|n| *n != NEVER).map(Duration::from_nanos);
    let last = Duration::from_nanos(read.u64()?);
    let cut = read.u8()?.checked_sub(1).and_then(|i| Cut::ALL.get(usize::from(i))).copied();
    let mut counts =
        || Some(Counts { asked: read.u32()?, open: read.u32()?, closed: read.u32()?, filtered: read.u32()? });
    let (tcp, udp) = (counts()?, counts()?);
    let high = read.u32()?;
    let flags = read.u8()?;
    let (prompt, late) = (read.u32()?, read.u32()?);
    let told = match (read.u8()?, read.u8()?, read.u8()?) {
        (0, ..) => None,
        (1, ..) => Some(None),
        (2, kind, code) => Some(Some((kind, code))),
        _ => return None,
    };
    Some(Host {
        told,
        alive,
        first,
        last,
        cut,
        tcp,
        udp,
        high,
        every: flags & 1 > 0,
        policed: flags & 2 > 0,
        prompt,
        late,
        ..Host::default()
    })
}

fn found(read: &mut In<'_>) -> Option<Found> {
    Some(Found { host: read.u32()?, tcp: read.u8()? > 0, port: read.u16()?, ttl: read.u8()?, rtt_us: read.u32()? })
}

fn early(read: &mut In<'_>) -> Option<((u32, bool, u16), Answer)> {
    let pair = (read.u32()?, read.u8()? > 0, read.u16()?);
    let answer = match read.u8()? {
        0 => Answer::Open,
        1 => Answer::Closed,
        2 => Answer::Filtered,
        _ => return None,
    };
    Some((pair, answer))
}
