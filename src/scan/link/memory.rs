//! A network in memory: hosts with ports, and paths that lose, delay, reorder, repeat, police and flood. Time moves only
//! as frames are sent and waited for, so a scan of an hour takes a moment and comes out the same each time.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Batch, Link};
use crate::base::clock::{Clock, ManualClock};

/// What one host does.
#[derive(Debug, Clone, Default)]
pub(in crate::scan) struct Machine {
    pub(in crate::scan) open: BTreeSet<u16>,
    /// It stays silent on ports that are not open, instead of resetting.
    pub(in crate::scan) silent: bool,
    /// It takes every connection: a tarpit.
    pub(in crate::scan) every: bool,
    /// Each answer comes so many times more.
    pub(in crate::scan) storm: u32,
    /// It answers so many a second at most.
    pub(in crate::scan) per_second: Option<u32>,
    /// It answers nothing from this moment on.
    pub(in crate::scan) dies: Option<Duration>,
    /// It answers echo requests.
    pub(in crate::scan) echo: bool,
    /// It answers no request for its hardware address.
    pub(in crate::scan) absent: bool,
    /// It answers datagrams to its open ports.
    pub(in crate::scan) udp: bool,
    /// It lies so much further away than the path's delay says, there and back.
    pub(in crate::scan) distance: Duration,
}

/// What the path does to each frame, each way.
#[derive(Debug, Clone, Default)]
pub(in crate::scan) struct Faults {
    /// Share lost.
    pub(in crate::scan) loss: f64,
    /// One way.
    pub(in crate::scan) delay: Duration,
    /// Up to so much more, so that frames overtake each other.
    pub(in crate::scan) jitter: Duration,
    /// Share repeated.
    pub(in crate::scan) repeated: f64,
    /// Frames a second that the path carries towards the hosts; more queue up.
    pub(in crate::scan) capacity: Option<f64>,
    /// How long a frame may stand in that queue before it is dropped; any time where none is set.
    pub(in crate::scan) queue: Option<Duration>,
    /// Share of probes that somebody who has not seen them answers too, with the opposite of the truth.
    pub(in crate::scan) forged: f64,
    /// Every so many sends the system's queue is full.
    pub(in crate::scan) full_every: Option<u64>,
    /// From one moment to another it is always full, as where there is no carrier.
    pub(in crate::scan) full: Option<(Duration, Duration)>,
    /// The system takes only some frames of a batch at a time.
    pub(in crate::scan) partial: bool,
    /// From this moment on the interface is down; what is on its way still comes.
    pub(in crate::scan) down: Option<Duration>,
    /// Every so many sends this process does not run for so long.
    pub(in crate::scan) stall: Option<(u64, Duration)>,
    /// Frames a second that somebody forges into our ports, once there is an answer to imitate.
    pub(in crate::scan) flood: f64,
    /// Frames that can wait to be read; the system drops more.
    pub(in crate::scan) ring: Option<usize>,
}

/// Frames, each with the moment it left.
pub(in crate::scan) type Frames = Vec<(Duration, Vec<u8>)>;

/// The link to it.
pub(in crate::scan) struct MemoryLink {
    clock: Arc<ManualClock>,
    machines: HashMap<IpAddr, Machine>,
    faults: Faults,
    arriving: BinaryHeap<Reverse<(Duration, u64, Vec<u8>)>>,
    answered: HashMap<IpAddr, (u64, u32)>,
    path_free: Duration,
    dice: u64,
    count: u64,
    calls: u64,
    /// What a flood consists of, and the last read.
    junk: Option<Vec<u8>>,
    read_at: Duration,
    dropped: u64,
    /// All frames that left, with the moment.
    pub(in crate::scan) sent: Arc<Mutex<Frames>>,
    /// Whether they are kept; a scan to measure memory with keeps none.
    pub(in crate::scan) keep: bool,
}

impl MemoryLink {
    pub(in crate::scan) fn new(
        clock: Arc<ManualClock>,
        machines: HashMap<IpAddr, Machine>,
        faults: Faults,
        seed: u64,
    ) -> Self {
        Self {
            clock,
            machines,
            faults,
            arriving: BinaryHeap::new(),
            answered: HashMap::new(),
            path_free: Duration::ZERO,
            dice: seed | 1,
            count: 0,
            calls: 0,
            sent: Arc::default(),
            junk: None,
            read_at: Duration::ZERO,
            dropped: 0,
            keep: true,
        }
    }

    /// True with this chance. (Marsaglia, "Xorshift RNGs", 2003.)
    fn happens(&mut self, share: f64) -> bool {
        share > 0.0 && self.uniform() < share
    }

    fn uniform(&mut self) -> f64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice >> 11) as f64 / (1u64 << 53) as f64
    }

    fn deliver(&mut self, frame: Vec<u8>, at: Duration) {
        if self.happens(self.faults.loss) {
            return;
        }
        let copies = 1 + usize::from(self.happens(self.faults.repeated));
        for _ in 0..copies {
            let late = self.faults.jitter.mul_f64(self.uniform());
            self.count += 1;
            self.arriving.push(Reverse((at + self.faults.delay + late, self.count, frame.clone())));
        }
    }

    /// One probe on its way to its host.
    fn carry(&mut self, frame: &[u8], now: Duration) {
        if let Some((asked, answer)) = neighbour(frame) {
            if self.machines.get(&asked).is_none_or(|m| !m.absent) {
                self.deliver(answer, now);
            }
            return;
        }
        if self.happens(self.faults.forged)
            && let Some(forged) = self.forge(frame)
        {
            self.deliver(forged, now);
        }
        if self.happens(self.faults.loss) {
            return;
        }
        let mut at = now + self.faults.delay;
        if let Some(capacity) = self.faults.capacity {
            if self.faults.queue.is_some_and(|most| self.path_free.saturating_sub(now) > most) {
                return;
            }
            self.path_free = self.path_free.max(now) + Duration::from_secs_f64(1.0 / capacity);
            at = self.path_free + self.faults.delay;
        }
        let Some((destination, answer)) = self.answer(frame) else { return };
        let Some(machine) = self.machines.get(&destination) else { return };
        at += machine.distance;
        let (storm, per_second) = (machine.storm, machine.per_second);
        if machine.dies.is_some_and(|dies| at >= dies) {
            return;
        }
        if let Some(most) = per_second {
            let second = at.as_secs();
            let (known, n) = self.answered.entry(destination).or_default();
            if *known != second {
                (*known, *n) = (second, 0);
            }
            *n += 1;
            if *n > most {
                return;
            }
        }
        if self.faults.flood > 0.0 && self.junk.is_none() {
            // Whoever floods does not know the cookie.
            let mut forged = answer.clone();
            let last = forged.len() - 12;
            forged[last] ^= 0x5a;
            self.junk = Some(forged);
        }
        for _ in 0..=storm {
            self.deliver(answer.clone(), at);
        }
    }

    /// The opposite of what a probe's destination would answer, to a probe with another cookie: a forger does not know it.
    fn forge(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let (destination, at) = ends(frame)?;
        let mut machine = self.machines.get(&destination).cloned().unwrap_or_default();
        let port = u16::from_be_bytes([frame[at + 2], frame[at + 3]]);
        if machine.every || machine.open.contains(&port) {
            machine.open.clear();
        } else {
            machine.open.insert(port);
        }
        let liar = Machine { silent: false, every: false, echo: true, udp: true, ..machine };
        let mut other = frame.to_vec();
        match if at == 34 { frame[23] } else { frame[20] } {
            6 => (other[at + 7], other[at + 11]) = (frame[at + 7] ^ 0x5a, frame[at + 11] ^ 0x5a),
            17 => other[at + 1] ^= 1,
            _ => other[at + 9] ^= 0x5a,
        }
        liar.answer(&other).map(|(_, answer)| answer)
    }

    fn answer(&self, frame: &[u8]) -> Option<(IpAddr, Vec<u8>)> {
        self.machines.get(&ends(frame)?.0)?.answer(frame)
    }
}

/// Where a probe goes, and where its transport header begins.
fn ends(frame: &[u8]) -> Option<(IpAddr, usize)> {
    Some(if frame[12..14] == [8, 0] {
        (<[u8; 4]>::try_from(&frame[30..34]).ok()?.into(), 34)
    } else {
        (<[u8; 16]>::try_from(&frame[38..54]).ok()?.into(), 54)
    })
}

impl Machine {
    /// What it answers to a probe, and who it is.
    fn answer(&self, frame: &[u8]) -> Option<(IpAddr, Vec<u8>)> {
        let (destination, at) = ends(frame)?;
        let v4 = at == 34;
        let protocol = if v4 { frame[23] } else { frame[20] };
        let port = u16::from_be_bytes([frame[at + 2], frame[at + 3]]);
        let mut back = frame[..at].to_vec();
        back[0..6].copy_from_slice(&frame[6..12]);
        back[6..12].copy_from_slice(&frame[0..6]);
        let width = if v4 { 4 } else { 16 };
        let source_at = at - 2 * width;
        back[source_at..source_at + width].copy_from_slice(&frame[source_at + width..at]);
        back[source_at + width..at].copy_from_slice(&frame[source_at..source_at + width]);
        let body = match protocol {
            6 => {
                let open = self.every || self.open.contains(&port);
                if !open && self.silent {
                    return None;
                }
                let ack = frame[at + 13] & 0x10 > 0;
                let mut tcp = [&frame[at + 2..at + 4], &frame[at..at + 2], &[0; 16]].concat();
                let sequence = u32::from_be_bytes(frame[at + 4..at + 8].try_into().ok()?).wrapping_add(1);
                if ack {
                    tcp[4..8].copy_from_slice(&frame[at + 8..at + 12]);
                } else {
                    tcp[8..12].copy_from_slice(&sequence.to_be_bytes());
                }
                tcp[12] = 0x50;
                tcp[13] = if open && !ack { 0x12 } else { 0x14 };
                tcp
            }
            17 if self.udp && self.open.contains(&port) => {
                [&frame[at + 2..at + 4], &frame[at..at + 2], &[0, 12, 0, 0], &[1, 2, 3, 4]].concat()
            }
            17 if !self.silent && self.udp => {
                // Port unreachable, with the datagram quoted. RFC 792.
                back[23] = if v4 { 1 } else { return None };
                [&[3, 3, 0, 0, 0, 0, 0, 0], &frame[14..at + 8]].concat()
            }
            1 if self.echo && frame[at] == 8 => [&[0], &frame[at + 1..]].concat(),
            58 if self.echo && frame[at] == 128 => [&[129], &frame[at + 1..]].concat(),
            _ => return None,
        };
        if v4 {
            back[16..18].copy_from_slice(&(20 + body.len() as u16).to_be_bytes());
        } else {
            back[18..20].copy_from_slice(&(body.len() as u16).to_be_bytes());
        }
        back.extend(body);
        Some((destination, back))
    }
}

/// Who is asked by an ARP request, and the answer.
fn neighbour(frame: &[u8]) -> Option<(IpAddr, Vec<u8>)> {
    if frame[12..14] != [8, 6] {
        return None;
    }
    let mut answer = frame.to_vec();
    answer[..6].copy_from_slice(&frame[6..12]);
    answer[21] = 2;
    answer[22..28].copy_from_slice(&[2, 0, 0, 0, 0, 9]);
    answer[28..32].copy_from_slice(&frame[38..42]);
    answer[32..42].copy_from_slice(&frame[22..32]);
    Some((<[u8; 4]>::try_from(&frame[38..42]).ok()?.into(), answer))
}

impl Link for MemoryLink {
    fn send(&mut self, batch: &Batch, from: usize) -> io::Result<usize> {
        self.calls += 1;
        if self.faults.full_every.is_some_and(|n| self.calls.is_multiple_of(n)) {
            return Err(io::Error::from_raw_os_error(105));
        }
        let now = self.clock.elapsed();
        if self.faults.full.is_some_and(|(from, to)| (from..to).contains(&now)) {
            return Err(io::Error::from_raw_os_error(105));
        }
        if self.faults.down.is_some_and(|down| now >= down) {
            return Err(io::Error::from_raw_os_error(100));
        }
        let left = batch.len() - from;
        let count = if self.faults.partial { 1 + (self.uniform() * left as f64) as usize } else { left };
        for i in from..from + count {
            let frame = batch.frame(i).to_vec();
            self.carry(&frame, now);
            if self.keep {
                self.sent.lock().unwrap().push((now, frame));
            }
        }
        // A million frames a second.
        self.clock.advance(Duration::from_micros(count as u64));
        if let Some((every, stall)) = self.faults.stall
            && self.calls.is_multiple_of(every)
        {
            self.clock.advance(stall);
        }
        Ok(count)
    }

    fn receive(&mut self, wait: Duration, take: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        let now = self.clock.elapsed();
        let flooded = self.junk.is_some();
        let wait = if flooded { wait.min(Duration::from_millis(1)) } else { wait };
        let first = self.arriving.peek().map(|Reverse((at, ..))| *at);
        let until = first.unwrap_or(Duration::MAX).clamp(now, now + wait);
        self.clock.advance(until - now);
        let mut came = Vec::new();
        while let Some(Reverse((at, _, frame))) = self.arriving.pop() {
            if at > until {
                self.arriving.push(Reverse((at, 0, frame)));
                break;
            }
            came.push(frame);
        }
        let since = until.saturating_sub(std::mem::replace(&mut self.read_at, until));
        if let Some(junk) = self.junk.clone() {
            came.resize((came.len() as f64 + self.faults.flood * since.as_secs_f64()) as usize, junk);
        }
        let room = self.faults.ring.map_or(1.0, |ring| ring as f64 / came.len() as f64);
        for frame in came {
            if room >= 1.0 || self.happens(room) {
                take(&frame);
            } else {
                self.dropped += 1;
            }
        }
        Ok(())
    }

    fn dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}
