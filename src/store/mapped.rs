//! Snapshot files as memory maps: opening a large one reads nothing that is not asked for.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::inventory::snapshot::SnapshotBytes;

/// Maps a file.
pub(super) fn map(path: &Path) -> io::Result<SnapshotBytes> {
    let file = File::open(path)?;
    #[expect(unsafe_code, reason = "mapping a file is unsafe because another process could change it under us")]
    // SAFETY: snapshot files are written once under a name made of their content, by rename, and never changed; a
    // reader that meets changed bytes all the same is caught by the checksum and by bounds checks.
    let map = unsafe { memmap2::Mmap::map(&file)? };
    Ok(Arc::new(map))
}
