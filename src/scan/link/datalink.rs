//! The portable backend: pnet's data link channel. A thread of its own receives, so that sending never waits for it.

use std::io;
use std::os::fd::{IntoRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use pnet::datalink::{self, Channel, Config, DataLinkSender, NetworkInterface};

use super::packet::{dropped, error, filtered, room};
use super::{Batch, Link, Purpose};

/// Frames that wait between receiver and scanner.
const QUEUE: usize = 65_536;
/// How often an idle receiver looks whether it should end.
const IDLE: Duration = Duration::from_millis(50);
/// Room for received frames in the kernel, and for one of them here.
const ROOM: i32 = 4 << 20;
const READ_BUFFER: usize = 65_536;

/// Frames handed over at once at most, so that a flood cannot keep the scanner here.
const AT_ONCE: usize = 1_024;

/// One interface.
pub(in crate::scan) struct DataLink {
    sender: Box<dyn DataLinkSender>,
    frames: Receiver<io::Result<Vec<u8>>>,
    ended: Arc<AtomicBool>,
    receiver: Option<JoinHandle<()>>,
    /// The channel's socket once more, for what pnet does not tell.
    socket: OwnedFd,
}

/// What the scanner needs to know of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scan) struct Facts {
    /// Its hardware address; none on links without one.
    pub(in crate::scan) hardware: Option<[u8; 6]>,
    /// Whether it is a loopback interface.
    pub(in crate::scan) loopback: bool,
    /// Its name.
    pub(in crate::scan) name: String,
}

fn interface(index: u32) -> Option<NetworkInterface> {
    datalink::interfaces().into_iter().find(|i| i.index == index)
}

/// Facts about an interface by its index.
pub(in crate::scan) fn facts(index: u32) -> Option<Facts> {
    interface(index).map(|i| Facts {
        hardware: i.mac.map(|m| [m.0, m.1, m.2, m.3, m.4, m.5]).filter(|m| *m != [0; 6]),
        loopback: i.is_loopback(),
        name: i.name,
    })
}

impl DataLink {
    /// Opens an interface for whole frames; needs CAP_NET_RAW.
    pub(in crate::scan) fn open(index: u32, purpose: &Purpose) -> io::Result<Self> {
        let interface = interface(index).ok_or_else(|| io::Error::other(format!("interface {index} is gone")))?;
        let socket = filtered(purpose.ports)?;
        room(&socket, ROOM);
        let (own, watched) = (socket.try_clone()?, socket.try_clone()?);
        let config = Config {
            read_timeout: Some(IDLE),
            read_buffer_size: READ_BUFFER,
            promiscuous: false,
            // The channel closes it.
            socket_fd: Some(socket.into_raw_fd()),
            ..Config::default()
        };
        let (sender, mut receiver) = match datalink::channel(&interface, config)? {
            Channel::Ethernet(sender, receiver) => (sender, receiver),
            _ => return Err(io::Error::other(format!("{} carries no Ethernet frames", interface.name))),
        };
        let (queue, frames) = sync_channel(QUEUE);
        let ended = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&ended);
        let receiver = std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let next = match receiver.next() {
                    Ok(frame) => Ok(frame.to_vec()),
                    Err(error) if passing(&error) => continue,
                    Err(_) => {
                        // What went wrong has to be read, or it is met for ever. It may pass: the scanner decides.
                        std::thread::sleep(IDLE);
                        Err(error(&watched).err().unwrap_or(io::Error::from_raw_os_error(libc::ENETDOWN)))
                    }
                };
                if queue.send(next).is_err() {
                    return;
                }
            }
        });
        Ok(Self { sender, frames, ended, receiver: Some(receiver), socket: own })
    }
}

impl Link for DataLink {
    fn send(&mut self, batch: &Batch, from: usize) -> io::Result<usize> {
        for sent in from..batch.len() {
            let taken = self.sender.send_to(batch.frame(sent), None);
            match taken.unwrap_or_else(|| Err(io::Error::other("the link takes no frames"))) {
                Ok(()) => {}
                Err(error) if sent == from => return Err(error),
                Err(_) => return Ok(sent - from),
            }
        }
        Ok(batch.len().saturating_sub(from))
    }

    fn receive(&mut self, wait: Duration, take: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        hand_over(&self.frames, wait, take)
    }

    fn dropped(&mut self) -> u64 {
        dropped(&self.socket)
    }
}

fn passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Hands over what is there, but no more than [`AT_ONCE`]; waits for the first frame at most so long.
fn hand_over(frames: &Receiver<io::Result<Vec<u8>>>, wait: Duration, take: &mut dyn FnMut(&[u8])) -> io::Result<()> {
    match frames.recv_timeout(wait) {
        Ok(frame) => take(&frame?),
        Err(RecvTimeoutError::Timeout) => return Ok(()),
        Err(RecvTimeoutError::Disconnected) => return Err(io::Error::other("the receiver has ended")),
    }
    for frame in frames.try_iter().take(AT_ONCE - 1) {
        take(&frame?);
    }
    Ok(())
}

impl Drop for DataLink {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Frames still queued would block the receiver's last send.
        while self.frames.try_recv().is_ok() {}
        if let Some(receiver) = self.receiver.take() {
            let _ = receiver.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::{IpAddr, TcpListener, UdpSocket};
    use std::os::fd::AsRawFd;
    use std::process::Command;

    use super::*;
    use crate::base::addr_set::AddrSet;
    use crate::base::clock::{Clock, SystemClock};
    use crate::base::limits::Limits;
    use crate::base::progress::{Silent, Stop};
    use crate::lang::job::Profile;
    use crate::plan::plan::ProbeSet;
    use crate::plan::sample;
    use crate::scan::answer::Ports;
    use crate::scan::link::route::routes;
    use crate::scan::observation::Mode;
    use crate::scan::raw::{Ways, scan_over};
    use crate::scan::wire::{Hardware, Reply, ask_neighbour, read};
    use crate::scan::{LiveExclusions, ScanInput, ScanOutcome};

    #[test]
    fn a_flood_is_taken_in_parts() {
        let (queue, frames) = sync_channel(QUEUE);
        for n in 0..2_500u16 {
            queue.send(Ok(n.to_be_bytes().to_vec())).unwrap();
        }
        let mut parts = Vec::new();
        for _ in 0..4 {
            let mut part = Vec::new();
            hand_over(&frames, Duration::ZERO, &mut |f| part.push(u16::from_be_bytes([f[0], f[1]]))).unwrap();
            parts.push((part.first().copied(), part.len()));
        }
        assert_eq!(parts, [(Some(0), 1_024), (Some(1_024), 1_024), (Some(2_048), 452), (None, 0)]);
        drop(queue);
        assert!(hand_over(&frames, Duration::ZERO, &mut |_| {}).is_err(), "the receiver has ended");
    }

    fn ip(args: &str) -> bool {
        Command::new("ip").args(args.split(' ')).output().is_ok_and(|o| o.status.success())
    }

    /// Two network namespaces joined by a pair of interfaces, with no way out.
    struct Pair(String, String);

    impl Drop for Pair {
        fn drop(&mut self) {
            ip(&format!("netns del {}", self.0));
            ip(&format!("netns del {}", self.1));
        }
    }

    impl Pair {
        fn build(tag: &str) -> Option<Self> {
            let pair = Self(format!("pal-{tag}n{}", std::process::id()), format!("pal-{tag}f{}", std::process::id()));
            let (near, far) = (&pair.0, &pair.1);
            if !ip(&format!("netns add {near}")) || !ip(&format!("netns add {far}")) {
                println!("skipped: the portable backend needs root and ip");
                return None;
            }
            for step in [
                format!("-n {near} link add d0 type veth peer name e0 netns {far}"),
                format!("-n {far} link set lo up"),
                format!("-n {near} addr add 192.0.2.2/24 dev d0"),
                format!("-n {far} addr add 192.0.2.1/24 dev e0"),
                format!("-n {near} link set d0 up"),
                format!("-n {far} link set e0 up"),
                format!("-n {near} route add 198.18.0.0/15 via 192.0.2.1"),
                format!("-n {far} route add local 198.18.0.0/15 dev lo"),
            ] {
                assert!(ip(&step), "ip {step}");
            }
            Some(pair)
        }
    }

    fn inside<T: Send>(name: &str, act: impl FnOnce() -> T + Send) -> T {
        let namespace = std::fs::File::open(format!("/run/netns/{name}")).unwrap();
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                #[expect(unsafe_code, reason = "the standard library cannot enter a network namespace")]
                // SAFETY: setns takes a descriptor that lives across the call, and changes this short-lived thread only.
                let entered = unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) };
                assert_eq!(entered, 0, "setns: {}", io::Error::last_os_error());
                act()
            });
            thread.join().unwrap()
        })
    }

    /// Frames leave and answers come in on a real interface; what is for others stays in the kernel.
    #[test]
    fn the_portable_backend_asks_and_hears_answers_only() {
        let Some(pair) = Pair::build("d") else { return };
        let (near, far) = (&pair.0, &pair.1);
        let (own, asked): (IpAddr, IpAddr) = ([192, 0, 2, 2].into(), [192, 0, 2, 1].into());
        let purpose = Purpose { ports: (61_000, 65_095), answers: 1 };
        let (hardware, mut link) = inside(near, || {
            let index = datalink::interfaces().into_iter().find(|i| i.name == "d0").unwrap().index;
            (facts(index).unwrap().hardware.unwrap(), DataLink::open(index, &purpose).unwrap())
        });
        let mut batch = Batch::default();
        batch.push(&ask_neighbour(own, hardware, asked).unwrap());
        assert_eq!(link.send(&batch, 0).unwrap(), 1);
        inside(far, || {
            let socket = UdpSocket::bind("192.0.2.1:53").unwrap();
            (0..200).for_each(|_| drop(socket.send_to(b"for others", "192.0.2.2:9")));
            socket.send_to(b"for us", "192.0.2.2:61064").unwrap();
        });
        let (mut neighbour, mut datagrams) = (None, Vec::new());
        for _ in 0..100 {
            link.receive(Duration::from_millis(50), &mut |frame| match read(frame) {
                Ok(Reply::Neighbour { addr, to, .. }) => neighbour = Some((addr, to)),
                Ok(Reply::Udp { our_port, .. }) => datagrams.push(our_port),
                _ => {}
            })
            .unwrap();
            if neighbour.is_some() && !datagrams.is_empty() {
                break;
            }
        }
        assert_eq!((neighbour, datagrams), (Some((asked, (own, hardware))), vec![61_064]));

        // The interface goes down, which is told, and comes back, and with it the answers.
        assert!(ip(&format!("-n {near} link set d0 down")));
        let down = (0..100).find_map(|_| link.receive(Duration::from_millis(50), &mut |_| {}).err()).unwrap();
        assert_eq!(down.raw_os_error(), Some(libc::ENETDOWN));
        assert!(ip(&format!("-n {near} link set d0 up")));
        let heard = (0..100).any(|_| {
            let mut heard = false;
            let _ = link.send(&batch, 0);
            let _ = link
                .receive(Duration::from_millis(50), &mut |f| heard |= matches!(read(f), Ok(Reply::Neighbour { .. })));
            heard
        });
        assert!(heard);
    }

    /// A whole scan over the portable backend finds what is there and books what it sends.
    #[test]
    fn a_scan_over_the_portable_backend_is_as_right() {
        let Some(pair) = Pair::build("p") else { return };
        let hosts: Vec<IpAddr> = (1..=20u8).map(|n| [198, 18, 3, n].into()).collect();
        let open: BTreeSet<(IpAddr, u16)> =
            hosts.iter().zip(0u16..).map(|(host, n)| (*host, 2_001 + n * 7 % 50)).collect();
        let listeners: Vec<TcpListener> =
            inside(&pair.1, || open.iter().map(|at| TcpListener::bind(*at).unwrap()).collect());
        let probes = ProbeSet { tcp: (2_001..=2_050).collect(), udp: Default::default() };
        let profile =
            Profile { ping: Vec::new(), rate: None, per_host: None, retries: 2, ..Profile::initial_options() };
        let clock = SystemClock::default();
        let end = clock.now() + jiff::SignedDuration::from_hours(1);
        let plan = sample::plan(&hosts, probes, profile, AddrSet::default(), end);
        let input = ScanInput {
            plan: &plan,
            mode: Some(Mode::Raw),
            clock: &clock,
            seed: 7,
            limits: &Limits::default(),
            progress: &Silent,
            stop: &Stop::default(),
            finished: &[],
            elsewhere: &[],
            exclusions: &LiveExclusions::default(),
            keep: None,
            leases: None,
        };
        let mut outcome = ScanOutcome::new(&input, Mode::Raw);
        inside(&pair.0, || {
            let routes = routes(&hosts).unwrap();
            let ports = Ports(61_000);
            let purpose = Purpose { ports: ports.range(), answers: 1_000 };
            let mut open = |interface: u32, _: &mut ScanOutcome| -> io::Result<(Hardware, Box<dyn Link + Send>)> {
                Ok((facts(interface).unwrap().hardware.unwrap(), Box::new(DataLink::open(interface, &purpose)?)))
            };
            scan_over(&input, &Ways { routes: &routes, ports, watch: true }, &mut open, &mut outcome, None);
        });
        drop(listeners);
        outcome.finish(&input);
        let found: BTreeSet<(IpAddr, u16)> =
            outcome.hosts.iter().flat_map(|h| h.ports.iter().map(|p| (h.addr, p.port))).collect();
        assert_eq!(found, open, "{:?} {:?}", outcome.notes, outcome.errors);
        assert_eq!((outcome.counters.refused, outcome.coverage.done), (0, 1_000));
        assert_eq!(outcome.ledger.total() + outcome.ledger.upkeep, outcome.counters.sent);
    }
}
