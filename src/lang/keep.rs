//! How long the history of inventories is kept: `keep_snapshots` of the workspace.

use std::num::NonZeroU32;
use std::time::Duration;

/// Whatever it says, the newest snapshot of a connector stays, and so does every snapshot that a run was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Snapshots learned within this time.
    Age(Duration),
    /// The newest ones of each connector.
    Count(NonZeroU32),
}
