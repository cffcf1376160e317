//! Where frames go and come from. The scanner knows the trait; the machine's interfaces are behind it.

pub(super) mod datalink;
pub(super) mod limits;
pub(super) mod route;
pub(super) mod sockets;

use std::io;
use std::time::Duration;

/// A place that takes and gives whole Ethernet frames.
pub(super) trait Link {
    /// Sends one frame.
    fn send(&mut self, frame: &[u8]) -> io::Result<()>;

    /// Frames that have arrived; waits for the first one at most so long.
    fn receive(&mut self, wait: Duration) -> io::Result<Vec<Vec<u8>>>;
}
