//! Exit codes, the same for every command. interfaces.md.

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Clean.
    Clean = 0,
    /// Violations, or findings at or over the threshold.
    Violations = 1,
    /// Usage, job file or configuration error.
    Usage = 2,
    /// Gaps, unread inventory, targets not scanned, recall not reached, interrupted.
    Incomplete = 3,
    /// Not launched: there was nothing to scan.
    NotLaunched = 4,
    /// Our own bug.
    Bug = 70,
}

impl Exit {
    /// The number the process ends with.
    pub const fn code(self) -> u8 {
        self as u8
    }
}
