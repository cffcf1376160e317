//! The kernel's sockets, thousands at once, for connect mode.
//!
//! A TCP socket is used for one connection after the other: connecting to the unspecified address ends a connection
//! with a reset and leaves the socket as new, so that neither descriptors nor local ports are worn out by waiting for
//! old connections to die. A refused connection costs two calls into the kernel: one that asks, one that fetches the
//! refusal. Waiting is one call for all sockets (epoll), edge by edge.

use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Edges taken from the kernel at once.
const EDGES: usize = 1_024;
/// After so many first looks in vain, only every so-many-th socket is looked at before waiting.
const VAIN_LOOKS: u32 = 64;
const LOOK_EACH: u32 = 16;

/// What has become of one socket's question.
#[derive(Debug)]
pub(in crate::scan) enum Verdict {
    /// Nothing yet.
    Pending,
    /// A connection stands, or stood; a datagram came back.
    Open,
    /// The kernel's error.
    Failed(io::Error),
}

/// One socket in use or resting.
#[derive(Debug)]
struct Slot {
    socket: Socket,
    at: SockAddr,
    v6: bool,
    datagram: bool,
    busy: bool,
    watched: bool,
    /// True while a connection stands or is being made.
    alive: bool,
}

/// All sockets of a scan. A socket is named by a small number.
#[derive(Debug)]
pub(in crate::scan) struct Sockets {
    poll: Poll,
    events: Events,
    slots: Vec<Option<Slot>>,
    /// Resting TCP sockets: IPv4, IPv6.
    resting: [Vec<u32>; 2],
    empty: Vec<u32>,
    busy: usize,
    vain: u32,
    /// Errors of the next calls, the last one first, for tests.
    #[cfg(test)]
    pub(in crate::scan) lacks: Vec<i32>,
}

impl Sockets {
    pub(in crate::scan) fn new() -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(EDGES),
            slots: Vec::new(),
            resting: [Vec::new(), Vec::new()],
            empty: Vec::new(),
            busy: 0,
            vain: 0,
            #[cfg(test)]
            lacks: Vec::new(),
        })
    }

    /// Questions in flight.
    pub(in crate::scan) fn busy(&self) -> usize {
        self.busy
    }

    /// Begins a connection. An error means that no packet left.
    pub(in crate::scan) fn connect(&mut self, at: SocketAddr) -> io::Result<(u32, Verdict)> {
        let v6 = at.is_ipv6();
        let id = match self.resting.get_mut(usize::from(v6)).and_then(Vec::pop) {
            Some(id) => id,
            None => self.open(at, false)?,
        };
        let Some(slot) = self.slots.get_mut(id as usize).and_then(Option::as_mut) else {
            return Err(ErrorKind::NotFound.into());
        };
        slot.at = at.into();
        match slot.socket.connect(&slot.at) {
            Ok(()) => {}
            Err(error) if in_progress(&error) => {}
            Err(error) => {
                self.drop_socket(id);
                return Err(error);
            }
        }
        slot.busy = true;
        slot.alive = true;
        self.busy += 1;
        // On this machine and on fast links the answer is there before the call returns.
        let look = self.vain < VAIN_LOOKS || self.vain.is_multiple_of(LOOK_EACH);
        let verdict = if look { self.verdict(id) } else { Verdict::Pending };
        self.vain = if look && !matches!(verdict, Verdict::Pending) { 0 } else { self.vain.wrapping_add(1) };
        if matches!(verdict, Verdict::Pending) {
            self.watch(id);
        }
        Ok((id, verdict))
    }

    /// Sends a datagram from a socket of its own, so that each question has its own source port. An error means that
    /// no packet left.
    pub(in crate::scan) fn send(&mut self, at: SocketAddr, payload: &[u8]) -> io::Result<u32> {
        let id = self.open(at, true)?;
        let Some(slot) = self.slots.get_mut(id as usize).and_then(Option::as_mut) else {
            return Err(ErrorKind::NotFound.into());
        };
        // Connected, so that the kernel hands up only what comes from this address and port, and its refusals.
        let sent = slot.socket.connect(&slot.at).and_then(|()| slot.socket.send(payload));
        slot.busy = true;
        self.busy += 1;
        if let Err(error) = sent {
            self.release(id);
            return Err(error);
        }
        self.watch(id);
        Ok(id)
    }

    fn open(&mut self, at: SocketAddr, datagram: bool) -> io::Result<u32> {
        #[cfg(test)]
        if let Some(code) = self.lacks.pop() {
            return Err(io::Error::from_raw_os_error(code));
        }
        let (kind, protocol) = if datagram { (Type::DGRAM, Protocol::UDP) } else { (Type::STREAM, Protocol::TCP) };
        let socket = Socket::new(Domain::for_address(at), kind, Some(protocol))?;
        socket.set_nonblocking(true)?;
        let v6 = at.is_ipv6();
        let slot = Some(Slot { socket, at: at.into(), v6, datagram, busy: false, watched: false, alive: false });
        let id = match self.empty.pop() {
            Some(id) => id,
            None => {
                self.slots.push(None);
                (self.slots.len() - 1) as u32
            }
        };
        if let Some(place) = self.slots.get_mut(id as usize) {
            *place = slot;
        }
        Ok(id)
    }

    /// Asks for edges. Where the kernel refuses (epoll_ctl(2), ENOSPC), the answer is found by the last look.
    fn watch(&mut self, id: u32) {
        let Some(slot) = self.slots.get_mut(id as usize).and_then(Option::as_mut) else { return };
        if slot.watched {
            return;
        }
        let interest = if slot.datagram { Interest::READABLE } else { Interest::WRITABLE };
        let descriptor = slot.socket.as_raw_fd();
        slot.watched = self.poll.registry().register(&mut SourceFd(&descriptor), Token(id as usize), interest).is_ok();
    }

    /// What has become of a question whose time is up, where no edge would have told it.
    pub(in crate::scan) fn last_look(&mut self, id: u32) -> Verdict {
        let unwatched = self.slots.get(id as usize).and_then(Option::as_ref).is_some_and(|s| !s.watched);
        if unwatched { self.verdict(id) } else { Verdict::Pending }
    }

    /// True unless this machine has no address to reach another from: where a connection lacks one
    /// (EADDRNOTAVAIL), local ports have run out. Nothing is sent.
    pub(in crate::scan) fn has_source(at: SocketAddr) -> bool {
        let asked = Socket::new(Domain::for_address(at), Type::DGRAM, Some(Protocol::UDP))
            .and_then(|socket| socket.connect(&at.into()));
        !asked.is_err_and(|error| error.raw_os_error() == Some(libc::EADDRNOTAVAIL))
    }

    /// Waits for edges and appends the sockets in flight that have one. True where there may be more to take at once.
    pub(in crate::scan) fn wait(&mut self, at_most: Duration, ready: &mut Vec<u32>) -> io::Result<bool> {
        match self.poll.poll(&mut self.events, Some(at_most)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(false),
            other => other?,
        }
        let mut taken = 0;
        for event in &self.events {
            taken += 1;
            let id = event.token().0;
            if self.slots.get(id).is_some_and(|s| s.as_ref().is_some_and(|s| s.busy)) {
                ready.push(id as u32);
            }
        }
        Ok(taken == EDGES)
    }

    /// What has become of a socket's question.
    pub(in crate::scan) fn verdict(&mut self, id: u32) -> Verdict {
        let Some(slot) = self.slots.get_mut(id as usize).and_then(Option::as_mut) else { return Verdict::Pending };
        let asked = if slot.datagram {
            slot.socket.recv(&mut [MaybeUninit::uninit(); 64]).map(|_| ())
        } else {
            slot.socket.connect(&slot.at)
        };
        match asked {
            Ok(()) => Verdict::Open,
            Err(error) if in_progress(&error) => Verdict::Pending,
            Err(error) if error.raw_os_error() == Some(libc::EISCONN) => Verdict::Open,
            Err(error) => {
                // Fetching the error has ended the connection.
                slot.alive = slot.datagram;
                // A reset after the handshake, or a broken pipe, needs a connection that stood; during the handshake
                // the kernel says "refused".
                match error.raw_os_error() {
                    Some(libc::ECONNRESET | libc::EPIPE) if !slot.datagram => Verdict::Open,
                    _ => Verdict::Failed(error),
                }
            }
        }
    }

    /// Ends a question: a connection is reset, and its socket rests until the next one.
    pub(in crate::scan) fn release(&mut self, id: u32) {
        let Some(slot) = self.slots.get_mut(id as usize).and_then(Option::as_mut) else { return };
        if std::mem::take(&mut slot.busy) {
            self.busy -= 1;
        }
        let rested = !slot.datagram && (!slot.alive || disconnect(&slot.socket).is_ok());
        slot.alive = false;
        let v6 = slot.v6;
        match self.resting.get_mut(usize::from(v6)) {
            Some(resting) if rested => resting.push(id),
            _ => self.drop_socket(id),
        }
    }

    /// Closes the sockets that rest, to make room for other descriptors; returns how many.
    pub(in crate::scan) fn close_resting(&mut self) -> usize {
        let ids: Vec<u32> = self.resting.iter_mut().flat_map(std::mem::take).collect();
        for id in &ids {
            self.drop_socket(*id);
        }
        ids.len()
    }

    fn drop_socket(&mut self, id: u32) {
        if let Some(place) = self.slots.get_mut(id as usize) {
            *place = None;
            self.empty.push(id);
        }
    }
}

fn in_progress(error: &io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock
        || matches!(error.raw_os_error(), Some(libc::EINPROGRESS | libc::EALREADY | libc::EINTR))
}

/// Ends a connection with a reset and makes the socket as new: connect(2), "dissolve the association".
fn disconnect(socket: &Socket) -> io::Result<()> {
    #[expect(unsafe_code, reason = "socket2 has no address of the unspecified family")]
    // SAFETY: all zeros, as `try_init` hands the storage out, are a valid address of the family AF_UNSPEC (0), and the
    // length it has set is that of the storage.
    let ((), nowhere) = unsafe { SockAddr::try_init(|_, _| Ok(())) }?;
    socket.connect(&nowhere)?;
    // The kernel notes the end as an error, which must not meet the next connection.
    socket.take_error()?;
    Ok(())
}
