//! A scan's state as bytes, so that whoever goes on after a crash or a pause asks nothing twice that was asked before
//! the last checkpoint, and finds what an uninterrupted scan finds. The ledger is in it: it stays exact.

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::time::Duration;

use jiff::Timestamp;
use siphasher::sip::SipHasher13;

use super::bytes::{In, Out, pack, unpack};
use super::engine::{Engine, Found, Phase};
use super::grid::{Ask, Grid};
use super::hosts::{Counts, Cut, Host};
use super::ledger::Ledger;
use super::observation::Reason;
use super::window::{Answer, Window};

/// First bytes of a checkpoint.
const MAGIC: u32 = u32::from_le_bytes(*b"PCK1");
/// Times that never were.
const NEVER: u64 = u64::MAX;
/// A resumed scan sends nothing for this long: what left before the crash counts for the rates too.
const REST: Duration = Duration::from_secs(1);

/// A checkpoint of the whole scan: one record for each link, finished or not, and what was sent outside of them.
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
    /// The ledger outside of the links' grids.
    pub(super) ledger: Ledger,
    /// Engines of links, in order.
    pub(super) engines: Vec<Vec<u8>>,
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
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Out::default();
        out.u32(MAGIC);
        out.u64(self.plan);
        out.u64(self.at.as_millisecond() as u64);
        out.u64(self.started.as_millisecond() as u64);
        out.u64(self.sent);
        out.bytes(&self.ledger.to_bytes());
        out.u64(self.engines.len() as u64);
        self.engines.iter().for_each(|e| out.bytes(e));
        let check = sum(&out.0);
        out.u64(check);
        out.0
    }

    /// None where the bytes are damaged or of another plan.
    pub(super) fn from_bytes(bytes: &[u8], plan: u64) -> Option<Self> {
        let (body, check) = bytes.split_at_checked(bytes.len().checked_sub(8)?)?;
        if In(check).u64()? != sum(body) {
            return None;
        }
        let mut read = In(body);
        if read.u32()? != MAGIC || read.u64()? != plan {
            return None;
        }
        let mut moment = || Timestamp::from_millisecond(i64::try_from(read.u64()?).ok()?).ok();
        let (at, started) = (moment()?, moment()?);
        let sent = read.u64()?;
        let ledger = Ledger::from_bytes(read.bytes()?)?;
        let engines: Option<_> = (0..read.count(8)?).map(|_| read.bytes().map(<[u8]>::to_vec)).collect();
        Some(Self { plan, at, started, sent, ledger, engines: engines? })
    }
}

impl Engine {
    /// Which targets this is, in which order.
    fn digest(&self) -> u64 {
        let mut hash = SipHasher13::new_with_keys(u64::from(self.tries), self.asks.len() as u64);
        for aim in &self.aims {
            hash.write_u32(aim.target);
            hash.write(aim.destination.to_string().as_bytes());
        }
        hash.finish()
    }

    /// Everything that a later engine over the same targets needs.
    pub(super) fn save(&self, now: Duration) -> Vec<u8> {
        let mut out = Out::default();
        out.u64(self.digest());
        out.u64(nanos(now));
        out.u8(match self.phase {
            Phase::Discover => 0,
            Phase::Ports => 1,
            Phase::End => 2,
        });
        out.u8(self.round);
        let numbers = [
            self.done_before,
            self.lost_pairs,
            self.saved,
            self.policed_pairs,
            self.tally.tries,
            self.tally.lost,
            self.tally.first,
            self.tally.later,
            self.tally.controls,
            self.tally.controls_lost,
            self.counters.replies,
            self.counters.duplicates,
            self.counters.strangers,
            self.counters.dropped,
        ];
        numbers.iter().for_each(|n| out.u64(*n));
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
        out.u64(self.open.len() as u64);
        for f in &self.open {
            out.u32(f.host);
            out.u8(u8::from(f.tcp));
            out.u16(f.port);
            out.u8(f.ttl);
            out.u32(f.rtt_us);
        }
        out.u64(self.early.len() as u64);
        for ((host, tcp, port), answer) in &self.early {
            out.u32(*host);
            out.u8(u8::from(*tcp));
            out.u16(*port);
            out.u8(*answer as u8);
        }
        out.bytes(&self.ledger.to_bytes());
        out.0
    }

    /// Puts a fresh engine where another of the same targets stood; false, and unchanged, where the bytes are of other
    /// targets or damaged.
    pub(super) fn restore(&mut self, bytes: &[u8], at: Timestamp) -> bool {
        self.read(bytes, at).is_some()
    }

    fn read(&mut self, bytes: &[u8], at: Timestamp) -> Option<()> {
        let mut read = In(bytes);
        if read.u64()? != self.digest() {
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
        let open: Option<Vec<Found>> = (0..read.count(12)?).map(|_| found(&mut read)).collect();
        let early: Option<BTreeMap<_, _>> = (0..read.count(8)?).map(|_| early(&mut read)).collect();
        let ledger = Ledger::from_bytes(read.bytes()?)?;
        (self.hosts, self.open, self.early) = (hosts?, open?, early?);
        (self.ledger, self.given_back) = (ledger, again?);
        let [
            done,
            lost,
            saved_pairs,
            policed,
            tries,
            lost_tries,
            first,
            later,
            controls,
            controls_lost,
            replies,
            duplicates,
            strangers,
            dropped,
        ] = numbers;
        (self.done_before, self.lost_pairs, self.saved, self.policed_pairs) = (done, lost, saved_pairs, policed);
        self.tally = super::recall::Tally { tries, lost: lost_tries, first, later, controls, controls_lost };
        self.counters.replies = replies;
        self.counters.duplicates = duplicates;
        self.counters.strangers = strangers;
        self.counters.dropped = dropped;
        // Single lines of an engine's ledger are its canaries'.
        self.canaries.sent = self.ledger.single();
        self.canaries.others = self.ledger.total() - self.canaries.sent;
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
        self.given_back.extend(older?);
        self.base = saved;
        self.before = Some((at, saved));
        self.start_round(round, saved);
        self.not_before = saved + REST;
        self.slow_again();
        Some(())
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(NEVER)
}

/// Bytes of one host's record.
const HOST_BYTES: usize = 3 + 8 + 8 + 1 + 32 + 4 + 1 + 12 + 8;

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
        Some(Reason::Connected | Reason::Refused | Reason::NoAnswer) => (7, 0, 0),
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
    out.u8(u8::from(host.every) | u8::from(host.policed) << 1 | u8::from(host.suspect.is_some()) << 2);
    [host.prompt, host.late, host.suspect.map_or(0, |s| s.0)].into_iter().for_each(|n| out.u32(n));
    out.u64(host.suspect.map_or(0, |s| nanos(s.1)));
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
    let (prompt, late, asked) = (read.u32()?, read.u32()?, read.u32()?);
    let since = Duration::from_nanos(read.u64()?);
    Some(Host {
        alive,
        first,
        last,
        cut,
        tcp,
        udp,
        high,
        every: flags & 1 > 0,
        policed: flags & 2 > 0,
        suspect: (flags & 4 > 0).then_some((asked, since)),
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
