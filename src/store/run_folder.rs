//! A run's folder: its checkpoint, written whole by a thread of its own so that the scan never waits for the disk, the
//! past that it builds on, which is only added to, and a control file through which other processes ask the running one to pause, to cancel, or to leave addresses alone.

use std::fs::{self, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;

use super::{Store, atomic};
use crate::base::addr_set::AddrRange;
use crate::plan::shard::Shard;
use crate::scan::{Checkpoint, Keep};

/// Largest control file that is read.
const CONTROL_BYTES: u64 = 1 << 20;
/// Largest checkpoint that is read.
const CHECKPOINT_BYTES: u64 = 1 << 30;
/// Largest past that is read: that of some hundred thousand million pairs that all behave alike.
const PAST_BYTES: u64 = 1 << 33;

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

/// The checkpoint to be written next with what the past ends with before it, and whether to end.
#[derive(Default)]
struct Desk {
    next: Option<Vec<u8>>,
    past: Tail,
    ended: bool,
    failed: Option<String>,
}

/// The end of a file from a byte on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Tail {
    from: u64,
    bytes: Vec<u8>,
}

impl Tail {
    /// Takes in a later end: what both hold is the later one's.
    fn add(&mut self, from: u64, more: &[u8]) {
        let kept = from.checked_sub(self.from).and_then(|n| usize::try_from(n).ok());
        match kept.filter(|n| *n <= self.bytes.len()) {
            Some(kept) => self.bytes.truncate(kept),
            None => *self = Self { from, bytes: Vec::new() },
        }
        self.bytes.extend(more);
    }

    /// Makes a file end with it.
    fn write(&self, path: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        let len = file.metadata()?.len();
        if len < self.from {
            return Err(io::Error::other("what came before is missing"));
        }
        if self.bytes.is_empty() && len == self.from {
            return Ok(());
        }
        file.set_len(self.from)?;
        file.seek(SeekFrom::Start(self.from))?;
        file.write_all(&self.bytes)?;
        file.sync_data()
    }
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

    fn past(&self) -> PathBuf {
        self.folder.join("past")
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
        let _ = fs::remove_file(self.past());
        // Only where nothing else stands in it.
        let _ = fs::remove_dir(&self.folder);
    }
}

impl Keep for RunFolder {
    fn keep(&self, state: Vec<u8>, from: u64, more: Vec<u8>) {
        let mut desk = lock(&self.shared);
        desk.next = Some(state);
        desk.past.add(from, &more);
        drop(desk);
        self.shared.1.notify_all();
        let mut writer = self.writer.lock().unwrap_or_else(|e| e.into_inner());
        if writer.is_none() {
            let (state, past, shared) = (self.checkpoint(), self.past(), Arc::clone(&self.shared));
            *writer = Some(std::thread::spawn(move || write(&state, &past, &shared)));
        }
    }

    fn kept(&self) -> Result<Option<Checkpoint>, String> {
        let Some(state) = read(&self.checkpoint(), CHECKPOINT_BYTES)? else { return Ok(None) };
        Ok(Some(Checkpoint { state, past: read(&self.past(), PAST_BYTES)?.unwrap_or_default() }))
    }
}

/// A whole file; none where there is none.
fn read(path: &Path, most: u64) -> Result<Option<Vec<u8>>, String> {
    let fault = |error: io::Error| format!("`{}`: {error}", path.display());
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Ok(facts) if facts.len() > most => Err(format!("`{}` has more than {most} bytes", path.display())),
        Ok(_) => fs::read(path).map(Some).map_err(fault),
        Err(error) => Err(fault(error)),
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        self.settle();
    }
}

/// Writes the newest checkpoint whenever there is one. Of a past that could not be written nothing is let go.
fn write(state: &Path, past: &Path, shared: &Shared) {
    let mut tail = Tail::default();
    loop {
        let mut desk = lock(shared);
        while desk.next.is_none() && !desk.ended {
            desk = shared.1.wait(desk).unwrap_or_else(|e| e.into_inner());
        }
        let Some(bytes) = desk.next.take() else { return };
        let more = std::mem::take(&mut desk.past);
        desk.past.from = more.from + more.bytes.len() as u64;
        drop(desk);
        tail.add(more.from, &more.bytes);
        let folder = state.parent().map_or(Ok(()), fs::create_dir_all);
        match folder.and_then(|()| tail.write(past)).and_then(|()| atomic::write(state, &bytes)) {
            Ok(()) => tail = Tail { from: tail.from + tail.bytes.len() as u64, bytes: Vec::new() },
            Err(error) => {
                lock(shared).failed = Some(format!("cannot keep a checkpoint in `{}`: {error}", state.display()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(path: &Path) -> RunFolder {
        RunFolder { folder: path.to_owned(), shared: Shared::default(), writer: Mutex::new(None) }
    }

    #[test]
    fn a_checkpoint_comes_back_with_its_past() {
        let path = std::env::temp_dir().join(format!("palisade-run-folder-{}", std::process::id()));
        let kept = |state: &[u8], past: &[u8]| Ok(Some(Checkpoint { state: state.to_vec(), past: past.to_vec() }));
        assert_eq!(folder(&path).kept(), Ok(None));
        let first = folder(&path);
        first.keep(b"one".to_vec(), 0, b"ab".to_vec());
        first.keep(b"two".to_vec(), 2, b"cd".to_vec());
        assert_eq!((first.settle(), first.kept()), (None, kept(b"two", b"abcd")));
        // Whoever goes on from the state that knew three bytes.
        let second = folder(&path);
        second.keep(b"three".to_vec(), 3, Vec::new());
        assert_eq!((second.settle(), second.kept()), (None, kept(b"three", b"abc")));
        let third = folder(&path);
        third.keep(b"four".to_vec(), 9, b"x".to_vec());
        assert!(third.settle().unwrap().contains("what came before is missing"));
        assert_eq!(third.kept(), kept(b"three", b"abc"));
        fs::File::create(third.checkpoint()).unwrap().set_len(CHECKPOINT_BYTES + 1).unwrap();
        assert!(third.kept().unwrap_err().ends_with("checkpoint` has more than 1073741824 bytes"));
        third.clear();
        assert!(!path.exists());
    }

    #[test]
    fn a_tail_that_waits_takes_in_later_ones() {
        let mut tail = Tail::default();
        tail.add(0, b"abc");
        tail.add(3, b"de");
        assert_eq!(tail, Tail { from: 0, bytes: b"abcde".to_vec() });
        tail.add(4, b"xyz");
        assert_eq!(tail, Tail { from: 0, bytes: b"abcdxyz".to_vec() });
        tail.add(9, b"q");
        assert_eq!(tail, Tail { from: 9, bytes: b"q".to_vec() });
        tail.add(0, b"new");
        assert_eq!(tail, Tail { from: 0, bytes: b"new".to_vec() });
    }
}
