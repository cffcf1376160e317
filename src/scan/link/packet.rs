//! The Linux fast path: frames leave 64 at a time past the queueing discipline, replies come through a ring that the
//! kernel shares with this process, behind a filter that lets nothing but answers in. The scanner looks at the ring
//! between two batches, so nothing is woken for a frame. packet(7), Documentation/networking/packet_mmap.rst.
//!
//! Measured against a transmit ring, io_uring and one frame a call: this is the fastest without a driver's help.

#![expect(
    unsafe_code,
    reason = "packet sockets and their ring exist only behind the C interface; each block is argued"
)]

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use libc::{c_int, c_void, sock_filter};

use super::{BATCH, Batch, Link, Purpose};

/// One block of the ring.
const BLOCK_BYTES: usize = 256 << 10;
/// A block that is not full is handed over after this long.
const RETIRE_MS: u32 = 1;
/// What one answer takes in the ring, about.
const ANSWER_BYTES: u64 = 128;
/// So few answers come one call each.
const FEW_ANSWERS: u64 = 256;
/// Longest frame taken by a call; longer ones are cut.
const FRAME_BYTES: usize = 2_048;
/// Bounds of the ring: mapping 64 MiB costs 50 ms, which a small job does not have.
const RING_BYTES: (u64, u64) = (1 << 20, 32 << 20);
/// Room for frames on their way out.
const SEND_BUFFER: c_int = 16 << 20;
/// `PACKET_IGNORE_OUTGOING`, linux/if_packet.h.
const IGNORE_OUTGOING: c_int = 23;

/// One interface, both ways.
pub(in crate::scan) struct PacketLink {
    socket: OwnedFd,
    incoming: Incoming,
    messages: Box<[libc::mmsghdr; BATCH]>,
    parts: Box<[libc::iovec; BATCH]>,
}

/// How answers come in: a ring takes tens of milliseconds to set up and take down, which few answers do not repay.
enum Incoming {
    Ring(Ring),
    Calls(Box<[u8; FRAME_BYTES]>),
}

/// The shared ring.
struct Ring {
    start: *mut u8,
    blocks: usize,
    next: usize,
}

fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn socket() -> io::Result<OwnedFd> {
    // SAFETY: no pointers; the descriptor is new, and owned by nobody else.
    unsafe { Ok(OwnedFd::from_raw_fd(check(libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0))?)) }
}

fn set<T>(socket: &OwnedFd, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    let len = size_of::<T>() as libc::socklen_t;
    // SAFETY: the pointer and the length are those of `value`, which lives across the call and is only read.
    check(unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, std::ptr::from_ref(value).cast(), len) }).map(drop)
}

/// Binds to an interface; `protocol` 0 receives nothing.
fn bind(socket: &OwnedFd, interface: u32, protocol: u16) -> io::Result<()> {
    // SAFETY: all zeros is a valid address structure.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = interface as c_int;
    let len = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: the pointer and the length are those of `address`, which lives across the call.
    check(unsafe { libc::bind(socket.as_raw_fd(), std::ptr::from_ref(&address).cast(), len) }).map(drop)
}

/// A socket that receives answers to these ports and nothing else, and nothing at all before it is bound; needs
/// CAP_NET_RAW.
pub(super) fn filtered(ports: (u16, u16)) -> io::Result<OwnedFd> {
    let socket = socket()?;
    let filter = filter(ports);
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    set(&socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)?;
    // An older kernel than 4.20 does not know it; the filter keeps our own probes out all the same.
    let _ = set(&socket, libc::SOL_PACKET, IGNORE_OUTGOING, &1i32);
    Ok(socket)
}

/// Frames for a socket that the kernel had no room for, since the last call.
pub(super) fn dropped(socket: &OwnedFd) -> u64 {
    // SAFETY: all zeros is valid for three counters.
    let mut counts: libc::tpacket_stats_v3 = unsafe { std::mem::zeroed() };
    let mut len = size_of::<libc::tpacket_stats_v3>() as libc::socklen_t;
    let place = std::ptr::from_mut(&mut counts).cast::<c_void>();
    // SAFETY: pointer and length are those of `counts`. The kernel resets its counters with each reading.
    let read =
        unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_PACKET, libc::PACKET_STATISTICS, place, &mut len) };
    if read == 0 { u64::from(counts.tp_drops) } else { 0 }
}

/// Reads and clears what went wrong on a receiving socket, such as the interface going down.
pub(super) fn error(socket: &OwnedFd) -> io::Result<()> {
    let (mut code, mut len): (c_int, _) = (0, size_of::<c_int>() as libc::socklen_t);
    let place = std::ptr::from_mut(&mut code).cast::<c_void>();
    // SAFETY: pointer and length are those of `code`.
    let read = unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_ERROR, place, &mut len) };
    check(read)?;
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code)) }
}

/// Makes room for so many bytes of received frames; without the right to it there is less.
pub(super) fn room(socket: &OwnedFd, bytes: c_int) {
    let _ = set(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &bytes);
}

impl PacketLink {
    /// Opens an interface; needs CAP_NET_RAW.
    pub(in crate::scan) fn open(interface: u32, purpose: &Purpose) -> io::Result<Self> {
        let socket = filtered(purpose.ports)?;
        let incoming = if purpose.answers <= FEW_ANSWERS {
            Incoming::Calls(Box::new([0; FRAME_BYTES]))
        } else {
            Incoming::Ring(Ring::map(&socket, purpose.answers)?)
        };
        // Without these two it is slower and as right.
        let _ = set(&socket, libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, &1i32);
        let _ = set(&socket, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, &SEND_BUFFER);
        bind(&socket, interface, libc::ETH_P_ALL as u16)?;
        // SAFETY: all zeros is valid for both: null pointers and lengths of zero. They are filled before each use.
        let (messages, parts) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        Ok(Self { socket, incoming, messages: Box::new(messages), parts: Box::new(parts) })
    }
}

impl Link for PacketLink {
    fn send(&mut self, batch: &Batch, from: usize) -> io::Result<usize> {
        let count = batch.len().saturating_sub(from).min(BATCH);
        if count == 0 {
            return Ok(0);
        }
        for (i, (message, part)) in self.messages.iter_mut().zip(self.parts.iter_mut()).take(count).enumerate() {
            let frame = batch.frame(from + i);
            *part = libc::iovec { iov_base: frame.as_ptr().cast_mut().cast(), iov_len: frame.len() };
            message.msg_hdr.msg_iov = part;
            message.msg_hdr.msg_iovlen = 1;
        }
        // SAFETY: the first `count` messages each point to one part, and each part to a frame of `batch`; all of them
        // live across the call, and the kernel only reads the frames.
        let sent = unsafe {
            libc::sendmmsg(self.socket.as_raw_fd(), self.messages.as_mut_ptr(), count as u32, libc::MSG_DONTWAIT as _)
        };
        check(sent).map(|n| n as usize)
    }

    fn receive(&mut self, wait: Duration, take: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        if self.drain(take) || wait.is_zero() {
            return Ok(());
        }
        let mut ready = libc::pollfd { fd: self.socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let time = libc::timespec { tv_sec: wait.as_secs() as _, tv_nsec: wait.subsec_nanos() as _ };
        // SAFETY: one descriptor record, a time and no signal mask, all of which live across the call.
        let woken = unsafe { libc::ppoll(&mut ready, 1, &time, std::ptr::null()) };
        match check(woken) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        if ready.revents & libc::POLLERR != 0 {
            error(&self.socket)?;
        }
        self.drain(take);
        Ok(())
    }

    fn dropped(&mut self) -> u64 {
        dropped(&self.socket)
    }
}

impl PacketLink {
    /// Hands over what is there; false where nothing is.
    fn drain(&mut self, take: &mut dyn FnMut(&[u8])) -> bool {
        let frame = match &mut self.incoming {
            Incoming::Ring(ring) => return ring.drain(take),
            Incoming::Calls(frame) => frame,
        };
        let mut any = false;
        // A bounded number, so that a flood cannot keep the scanner here.
        for _ in 0..1_024 {
            let (place, len) = (frame.as_mut_ptr().cast::<c_void>(), frame.len());
            // SAFETY: the buffer is ours and as long as said; the call writes no more than that.
            let read = unsafe { libc::recv(self.socket.as_raw_fd(), place, len, libc::MSG_DONTWAIT) };
            let Some(bytes) = usize::try_from(read).ok().and_then(|n| frame.get(..n)) else { return any };
            any = true;
            take(bytes);
        }
        any
    }
}

// SAFETY: the ring is one mapping that only its owner touches, and the pointers of messages and parts are written anew
// before each use; which thread the owner is makes no difference.
unsafe impl Send for PacketLink {}

impl Ring {
    fn map(socket: &OwnedFd, answers: u64) -> io::Result<Self> {
        set(socket, libc::SOL_PACKET, libc::PACKET_VERSION, &(libc::tpacket_versions::TPACKET_V3 as c_int))?;
        let bytes = answers.saturating_mul(ANSWER_BYTES).clamp(RING_BYTES.0, RING_BYTES.1) as usize;
        let blocks = bytes.div_ceil(BLOCK_BYTES);
        let request = libc::tpacket_req3 {
            tp_block_size: BLOCK_BYTES as u32,
            tp_block_nr: blocks as u32,
            tp_frame_size: 2_048,
            tp_frame_nr: (blocks * BLOCK_BYTES / 2_048) as u32,
            tp_retire_blk_tov: RETIRE_MS,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        set(socket, libc::SOL_PACKET, libc::PACKET_RX_RING, &request)?;
        let (len, access) = (blocks * BLOCK_BYTES, libc::PROT_READ | libc::PROT_WRITE);
        // SAFETY: a new mapping at an address of the kernel's choice, as long as the ring just asked for.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), len, access, libc::MAP_SHARED, socket.as_raw_fd(), 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { start: start.cast(), blocks, next: 0 })
    }

    /// Hands over the frames of every block that is ours, and gives the blocks back; false where there was none.
    fn drain(&mut self, take: &mut dyn FnMut(&[u8])) -> bool {
        let mut any = false;
        // Each block once at most, so that a flood cannot keep the scanner here.
        for _ in 0..self.blocks {
            // SAFETY: `next` is below `blocks`, so the block lies inside the mapping.
            let block = unsafe { self.start.add(self.next * BLOCK_BYTES) };
            // SAFETY: the block's status stands at byte 8, aligned (blocks are pages); the kernel shares it as a word
            // that both sides read and write whole.
            let status = unsafe { AtomicU32::from_ptr(block.add(8).cast()) };
            if status.load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
                return any;
            }
            any = true;
            // SAFETY: the block is inside the mapping and ours until its status says otherwise; the kernel does not
            // write to it meanwhile.
            let bytes = unsafe { std::slice::from_raw_parts(block, BLOCK_BYTES) };
            frames(bytes, take);
            status.store(libc::TP_STATUS_KERNEL, Ordering::Release);
            self.next = (self.next + 1) % self.blocks;
        }
        any
    }
}

/// The frames of one block: `tpacket_block_desc` and `tpacket3_hdr` of linux/if_packet.h, read with bounds.
fn frames(block: &[u8], take: &mut dyn FnMut(&[u8])) {
    let word = |at: usize| block.get(at..)?.first_chunk::<4>().map(|b| u32::from_ne_bytes(*b) as usize);
    let (Some(count), Some(mut at)) = (word(12), word(16)) else { return };
    for _ in 0..count {
        let (Some(next), Some(len)) = (word(at), word(at + 12)) else { return };
        let Some(mac) = block.get(at + 24..).and_then(|b| b.first_chunk::<2>()).map(|b| u16::from_ne_bytes(*b)) else {
            return;
        };
        let start = at + usize::from(mac);
        if let Some(frame) = block.get(start..start + len) {
            take(frame);
        }
        if next == 0 {
            return;
        }
        at += next;
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `map` with this length, and nothing points into it any more.
        unsafe { libc::munmap(self.start.cast(), self.blocks * BLOCK_BYTES) };
    }
}

/// Where a jump of the filter goes.
const ACCEPT: usize = usize::MAX;
const REJECT: usize = usize::MAX - 1;

/// One step of the filter: operation, operand, where to go when true and when false.
type Step = (u16, u32, usize, usize);

/// A classic BPF program that accepts what can be an answer: ARP, TCP and UDP to our ports, ICMP errors and echo,
/// ICMPv6 errors, echo and neighbour advertisements.
fn filter((low, high): (u16, u16)) -> Vec<sock_filter> {
    const LDH: u16 = 0x28;
    const LDB: u16 = 0x30;
    const LDH_X: u16 = 0x48;
    const LDB_X: u16 = 0x50;
    const HEADER_X: u16 = 0xb1;
    const JEQ: u16 = 0x15;
    const JGT: u16 = 0x25;
    const JGE: u16 = 0x35;
    const JSET: u16 = 0x45;
    let (low, high) = (u32::from(low), u32::from(high));
    let steps: [Step; 31] = [
        (LDH, 12, 0, 0),
        (JEQ, 0x0806, ACCEPT, 2),
        (JEQ, 0x0800, 4, 3),
        (JEQ, 0x86dd, 19, REJECT),
        // IPv4: the protocol, no later fragment, the header's length.
        (LDB, 23, 0, 0),
        (JEQ, 6, 8, 6),
        (JEQ, 17, 8, 7),
        (JEQ, 1, 14, REJECT),
        (LDH, 20, 0, 0),
        (JSET, 0x1fff, REJECT, 10),
        (HEADER_X, 14, 0, 0),
        (LDH_X, 16, 0, 0),
        (JGE, low, 13, REJECT),
        (JGT, high, REJECT, ACCEPT),
        (HEADER_X, 14, 0, 0),
        (LDB_X, 14, 0, 0),
        (JEQ, 0, ACCEPT, 17),
        (JEQ, 3, ACCEPT, 18),
        (JEQ, 14, ACCEPT, 30),
        // IPv6 without extension headers.
        (LDB, 20, 0, 0),
        (JEQ, 6, 23, 21),
        (JEQ, 17, 23, 22),
        (JEQ, 58, 26, REJECT),
        (LDH, 56, 0, 0),
        (JGE, low, 25, REJECT),
        (JGT, high, REJECT, ACCEPT),
        (LDB, 54, 0, 0),
        (JEQ, 1, ACCEPT, 28),
        (JGE, 129, 29, 30),
        (JGT, 129, 30, ACCEPT),
        // What is left: time exceeded is 11 in ICMP and 3 in ICMPv6, a neighbour advertisement 136.
        (JEQ, 11, ACCEPT, 31),
    ];
    let end = steps.len() + 2;
    let offset = |from: usize, to: usize| match to {
        ACCEPT => end - from - 1,
        REJECT => end - from,
        _ => to - from - 1,
    } as u8;
    let jumps = |code: u16| code & 0x07 == 0x05;
    let mut program: Vec<sock_filter> = steps
        .iter()
        .enumerate()
        .map(|(i, (code, k, yes, no))| {
            let (jt, jf) = if jumps(*code) { (offset(i, *yes), offset(i, *no)) } else { (0, 0) };
            sock_filter { code: *code, jt, jf, k: *k }
        })
        .collect();
    for (i, kind) in [(31, 3), (32, 136)] {
        let miss = if i == 31 { 32 } else { REJECT };
        program.push(sock_filter { code: JEQ, jt: offset(i, ACCEPT), jf: offset(i, miss), k: kind });
    }
    program.push(sock_filter { code: 0x06, jt: 0, jf: 0, k: u32::MAX });
    program.push(sock_filter { code: 0x06, jt: 0, jf: 0, k: 0 });
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a filter as the kernel would; only the operations above.
    fn accepts(program: &[sock_filter], frame: &[u8]) -> bool {
        let (mut at, mut a, mut x) = (0usize, 0u32, 0u32);
        loop {
            let step = program[at];
            let half = |i: u32| frame.get(i as usize..i as usize + 2).map(|b| u32::from(b[0]) << 8 | u32::from(b[1]));
            let byte = |i: u32| frame.get(i as usize).map(|b| u32::from(*b));
            let loaded = match step.code {
                0x28 => half(step.k),
                0x30 => byte(step.k),
                0x48 => half(x + step.k),
                0x50 => byte(x + step.k),
                0xb1 => {
                    let Some(b) = byte(step.k) else { return false };
                    x = (b & 15) * 4;
                    Some(a)
                }
                0x06 => return step.k > 0,
                _ => {
                    let yes = match step.code {
                        0x15 => a == step.k,
                        0x25 => a > step.k,
                        0x35 => a >= step.k,
                        _ => a & step.k != 0,
                    };
                    at += usize::from(if yes { step.jt } else { step.jf });
                    Some(a)
                }
            };
            // A load past the end rejects.
            let Some(value) = loaded else { return false };
            a = value;
            at += 1;
        }
    }

    fn v4(protocol: u8, options: usize, fragment: u8, body: &[u8]) -> Vec<u8> {
        let mut frame = vec![0u8; 14 + 20 + options];
        frame[12] = 8;
        frame[14] = 0x45 + (options / 4) as u8;
        frame[21] = fragment;
        frame[23] = protocol;
        frame.extend(body);
        frame
    }

    fn v6(next: u8, body: &[u8]) -> Vec<u8> {
        let mut frame = vec![0u8; 54];
        frame[12..14].copy_from_slice(&[0x86, 0xdd]);
        frame[20] = next;
        frame.extend(body);
        frame
    }

    #[test]
    fn the_filter_lets_answers_in_and_nothing_else() {
        let program = filter((61_000, 65_000));
        let port = |p: u16| [&[0, 80][..], &p.to_be_bytes(), &[0; 16]].concat();
        for (p, inside) in [(60_999, false), (61_000, true), (65_000, true), (65_001, false)] {
            for protocol in [6, 17] {
                assert_eq!(accepts(&program, &v4(protocol, 0, 0, &port(p))), inside, "{p}");
                assert_eq!(accepts(&program, &v4(protocol, 8, 0, &port(p))), inside, "{p} behind options");
                assert_eq!(accepts(&program, &v6(protocol, &port(p))), inside, "{p}");
            }
        }
        assert!(!accepts(&program, &v4(6, 0, 1, &port(61_000))), "a later fragment has no ports");
        let icmp: Vec<u8> = (0..=255).filter(|t| accepts(&program, &v4(1, 0, 0, &[*t, 0, 0, 0]))).collect();
        assert_eq!(icmp, [0, 3, 11, 14, 136], "136 is ICMPv6's, and no harm");
        let icmpv6: Vec<u8> = (0..=255).filter(|t| accepts(&program, &v6(58, &[*t, 0, 0, 0]))).collect();
        assert_eq!(icmpv6, [1, 3, 11, 129, 136], "11 is ICMP's, and no harm");
        let mut arp = vec![0u8; 42];
        arp[12..14].copy_from_slice(&[8, 6]);
        assert!(accepts(&program, &arp));
        arp[13] = 0xcc;
        assert!(!accepts(&program, &arp) && !accepts(&program, &v4(47, 0, 0, &port(61_000))));
        for cut in 0..60 {
            let _ = accepts(&program, &v4(6, 0, 0, &port(61_000))[..cut.min(54)]);
        }
    }

    #[test]
    fn a_damaged_block_panics_nowhere() {
        let mut block = vec![0u8; 256];
        let mut taken = 0;
        for at in 0..64 {
            for value in [0u8, 1, 48, 0x7f, 0xff] {
                block[12] = 3;
                block[16] = 48;
                block[at] = value;
                frames(&block, &mut |f| taken += f.len());
                block[at] = 0;
            }
        }
        block[12..20].copy_from_slice(&[1, 0, 0, 0, 48, 0, 0, 0]);
        block[60] = 5;
        block[72] = 32;
        block[80..85].copy_from_slice(b"frame");
        let mut seen: Vec<u8> = Vec::new();
        frames(&block, &mut |f| seen.extend(f));
        assert_eq!(seen, b"frame");
    }
}
