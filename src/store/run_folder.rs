//! A run's folder: its checkpoint, written whole by a thread of its own so that the scan never waits for the disk, and a
//! control file through which other processes ask the running one to pause, to cancel, or to leave addresses alone.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;

use super::{Store, atomic};
use crate::base::addr_set::AddrRange;
use crate::plan::shard::Shard;
use crate::scan::Keep;

/// Largest control file that is read.
const CONTROL_BYTES: u64 = 1 << 20;
/// Largest checkpoint that is read.
const CHECKPOINT_BYTES: u64 = 1 << 30;

/// What another process asks of a running scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Keep everything and end; it can be resumed.
    Pause,
    /// Keep everything and end for good.
    Cancel,
    /// It goes on: earlier wishes to pause are fulfilled.
    Resume,
    /// Send nothing there any more.
    Exclude(AddrRange),
    /// It is this shard of its plan, in every part of the run.
    Shard(Shard),
}

impl Request {
    fn line(self) -> String {
        match self {
            Self::Pause => "pause\n".into(),
            Self::Cancel => "cancel\n".into(),
            Self::Resume => "resume\n".into(),
            Self::Exclude(range) => format!("exclude {range}\n"),
            Self::Shard(shard) => format!("shard {shard}\n"),
        }
    }

    fn read(line: &str) -> Option<Self> {
        match line.split_once(' ').unwrap_or((line, "")) {
            ("pause", "") => Some(Self::Pause),
            ("cancel", "") => Some(Self::Cancel),
            ("resume", "") => Some(Self::Resume),
            ("exclude", range) => range.parse().ok().map(Self::Exclude),
            ("shard", shard) => shard.parse().ok().map(Self::Shard),
            _ => None,
        }
    }
}

/// The checkpoint to be written next, and whether to end.
#[derive(Default)]
struct Desk {
    next: Option<Vec<u8>>,
    ended: bool,
    failed: Option<String>,
}

type Shared = Arc<(Mutex<Desk>, Condvar)>;

fn lock(shared: &Shared) -> MutexGuard<'_, Desk> {
    shared.0.lock().unwrap_or_else(|e| e.into_inner())
}

/// The folder.
pub struct RunFolder {
    folder: PathBuf,
    shared: Shared,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// The folder of a run; made when something is first put into it.
    pub fn run_folder(&self, reference: &str) -> RunFolder {
        let name: String = reference.chars().map(|c| if c.is_ascii_digit() || c == '.' { c } else { '-' }).collect();
        RunFolder {
            folder: self.folder.join("runs").join(name.trim_matches('-')),
            shared: Shared::default(),
            writer: Mutex::new(None),
        }
    }
}

impl RunFolder {
    fn control(&self) -> PathBuf {
        self.folder.join("control")
    }

    fn checkpoint(&self) -> PathBuf {
        self.folder.join("checkpoint")
    }

    /// Adds a request to the control file.
    pub fn request(&self, request: Request) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let mut file = OpenOptions::new().create(true).append(true).open(self.control())?;
        file.write_all(request.line().as_bytes())?;
        file.sync_data()
    }

    /// All requests so far, oldest first; cheap where there is no file. A last line without an end is still being written.
    pub fn requests(&self) -> Vec<Request> {
        let path = self.control();
        if fs::metadata(&path).is_ok_and(|m| m.len() > CONTROL_BYTES) {
            return Vec::new();
        }
        let text = fs::read_to_string(path).unwrap_or_default();
        text.split_inclusive('\n').filter_map(|l| l.strip_suffix('\n')).filter_map(Request::read).collect()
    }

    /// The shard that the run is; none where it is the whole.
    pub fn shard(&self) -> Option<Shard> {
        self.requests().into_iter().find_map(|r| if let Request::Shard(shard) = r { Some(shard) } else { None })
    }

    /// Length of the control file, to see whether there is anything new.
    pub fn control_len(&self) -> u64 {
        fs::metadata(self.control()).map_or(0, |m| m.len())
    }

    /// Waits until the last checkpoint is written, and says why one could not be.
    pub fn settle(&self) -> Option<String> {
        let writer = self.writer.lock().unwrap_or_else(|e| e.into_inner()).take();
        if let Some(writer) = writer {
            lock(&self.shared).ended = true;
            self.shared.1.notify_all();
            // A writer that panicked has written what it could.
            let _ = writer.join();
        }
        lock(&self.shared).failed.take()
    }

    /// Removes the checkpoint of a run that is over.
    pub fn clear(&self) {
        self.settle();
        let _ = fs::remove_file(self.checkpoint());
        // Only where nothing else stands in it.
        let _ = fs::remove_dir(&self.folder);
    }
}

impl Keep for RunFolder {
    fn keep(&self, checkpoint: Vec<u8>) {
        lock(&self.shared).next = Some(checkpoint);
        self.shared.1.notify_all();
        let mut writer = self.writer.lock().unwrap_or_else(|e| e.into_inner());
        if writer.is_none() {
            let (path, shared) = (self.checkpoint(), Arc::clone(&self.shared));
            *writer = Some(std::thread::spawn(move || write(&path, &shared)));
        }
    }

    fn kept(&self) -> Option<Vec<u8>> {
        let path = self.checkpoint();
        fs::metadata(&path).ok().filter(|m| m.len() <= CHECKPOINT_BYTES)?;
        fs::read(path).ok()
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        self.settle();
    }
}

/// Writes the newest checkpoint whenever there is one.
fn write(path: &Path, shared: &Shared) {
    loop {
        let mut desk = lock(shared);
        while desk.next.is_none() && !desk.ended {
            desk = shared.1.wait(desk).unwrap_or_else(|e| e.into_inner());
        }
        let Some(bytes) = desk.next.take() else { return };
        drop(desk);
        let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
        if let Err(error) = folder.and_then(|()| atomic::write(path, &bytes)) {
            lock(shared).failed = Some(format!("cannot keep a checkpoint in `{}`: {error}", path.display()));
        }
    }
}
