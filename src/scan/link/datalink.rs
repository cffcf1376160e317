//! The portable backend: pnet's data link channel. A thread of its own receives, so that sending never waits for it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use pnet::datalink::{self, Channel, Config, DataLinkSender, NetworkInterface};

use super::{Batch, Link};

/// Frames that wait between receiver and scanner.
const QUEUE: usize = 65_536;
/// How often an idle receiver looks whether it should end.
const IDLE: Duration = Duration::from_millis(50);
/// Kernel buffer for received frames.
const READ_BUFFER: usize = 4 << 20;

/// One interface.
pub(in crate::scan) struct DataLink {
    sender: Box<dyn DataLinkSender>,
    frames: Receiver<io::Result<Vec<u8>>>,
    ended: Arc<AtomicBool>,
    receiver: Option<JoinHandle<()>>,
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
    pub(in crate::scan) fn open(index: u32) -> io::Result<Self> {
        let interface = interface(index).ok_or_else(|| io::Error::other(format!("interface {index} is gone")))?;
        let config = Config { read_timeout: Some(IDLE), read_buffer_size: READ_BUFFER, ..Config::default() };
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
                    Err(error) if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) => {
                        continue;
                    }
                    Err(error) => Err(error),
                };
                let broken = next.is_err();
                if queue.send(next).is_err() || broken {
                    return;
                }
            }
        });
        Ok(Self { sender, frames, ended, receiver: Some(receiver) })
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
        if !wait.is_zero() {
            match self.frames.recv_timeout(wait) {
                Ok(frame) => take(&frame?),
                Err(RecvTimeoutError::Timeout) => return Ok(()),
                Err(RecvTimeoutError::Disconnected) => return Err(io::Error::other("the receiver has ended")),
            }
        }
        while let Ok(frame) = self.frames.try_recv() {
            take(&frame?);
        }
        Ok(())
    }

    /// pnet does not tell.
    fn dropped(&mut self) -> u64 {
        0
    }
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
