//! Where frames go and come from, a batch at a time. The scanner knows the trait; the machine's interfaces are behind it.

pub(super) mod datalink;
#[cfg(test)]
pub(super) mod heap;
pub(super) mod limits;
#[cfg(test)]
pub(super) mod memory;
pub(super) mod packet;
pub(super) mod route;
pub(super) mod sockets;

use std::io;
use std::time::Duration;

/// Frames of one batch at most.
pub(super) const BATCH: usize = 64;

/// Whole frames one behind the other, to be sent together. Its memory is used again and again.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Batch {
    /// Forgets all frames.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Number of frames.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Adds a frame of so many zero bytes, to be filled.
    pub(super) fn add(&mut self, len: usize) -> &mut [u8] {
        let start = self.bytes.len();
        self.bytes.resize(start + len, 0);
        self.ends.push(start + len);
        self.bytes.get_mut(start..).unwrap_or_default()
    }

    /// Adds a copy of a frame.
    pub(super) fn push(&mut self, frame: &[u8]) -> &mut [u8] {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(frame);
        self.ends.push(self.bytes.len());
        self.bytes.get_mut(start..).unwrap_or_default()
    }

    /// One frame; empty past the end.
    pub(super) fn frame(&self, index: usize) -> &[u8] {
        let end = self.ends.get(index).copied().unwrap_or_default();
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or_default();
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// Takes one frame out.
    pub(super) fn remove(&mut self, index: usize) {
        let len = self.frame(index).len();
        let Some(end) = self.ends.get(index).copied() else { return };
        self.bytes.drain(end - len..end);
        self.ends.remove(index);
        self.ends.iter_mut().skip(index).for_each(|e| *e -= len);
    }
}

/// What a link is opened for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Purpose {
    /// First and last of the ports that answers come to.
    pub(super) ports: (u16, u16),
    /// Answers to expect at most.
    pub(super) answers: u64,
}

/// A place that takes and gives whole Ethernet frames.
pub(super) trait Link {
    /// Sends the frames of a batch from one on, and says how many were taken. An error is about the first of them.
    fn send(&mut self, batch: &Batch, from: usize) -> io::Result<usize>;

    /// Hands over frames that have arrived, a bounded number of them; waits for the first one at most so long.
    fn receive(&mut self, wait: Duration, take: &mut dyn FnMut(&[u8])) -> io::Result<()>;

    /// Frames for us that the kernel had no room for, since the last call.
    fn dropped(&mut self) -> u64;
}
