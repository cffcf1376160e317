//! A run's folder: its checkpoint, written whole by a thread of its own so that the scan never waits for the disk, the
//! past that it builds on, which is only added to, and a control file through which other processes ask the running one to
//! pause, to cancel, or to leave addresses alone.

use std::fs::{self, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;

use super::{Store, atomic};
use crate::base::addr_set::AddrRange;
use crate::plan::shard::Shard;
use crate::scan::{Checkpoint, Keep};

/// Largest control file to which exclusions are added, and largest that is read: other requests always find room.
const CONTROL_BYTES: u64 = 1 << 20;
const MOST_CONTROL_BYTES: u64 = 1 << 21;
/// Bytes of a past that wait in memory for a disk that takes them.
const WAITING_BYTES: usize = if cfg!(test) { 8 } else { 64 << 20 };
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

    /// Lets its bytes go: what comes next follows them.
    fn forget(&mut self) {
        *self = Self { from: self.from + self.bytes.len() as u64, bytes: Vec::new() };
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

    /// Adds a request to the control file; one too many is refused.
    pub fn request(&self, request: Request) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let mut file = OpenOptions::new().create(true).append(true).open(self.control())?;
        let (line, len) = (request.line(), file.metadata()?.len());
        let most = if matches!(request, Request::Exclude(_)) { CONTROL_BYTES } else { MOST_CONTROL_BYTES };
        if len + line.len() as u64 > most {
            let told = format!("it is full: {len} of {most} bytes; cancel the scan and exclude in the job instead");
            return Err(io::Error::other(told));
        }
        file.write_all(line.as_bytes())?;
        file.sync_data()
    }

    /// All requests so far, oldest first; cheap where there is no file. A last line without an end is still being
    /// written. The error says why there is a file that cannot be read.
    pub fn requests(&self) -> Result<Vec<Request>, String> {
        let path = self.control();
        let bytes = read(&path, MOST_CONTROL_BYTES)?.unwrap_or_default();
        let text = String::from_utf8(bytes).map_err(|_| format!("`{}` is no text", path.display()))?;
        Ok(text.split_inclusive('\n').filter_map(|l| l.strip_suffix('\n')).filter_map(Request::read).collect())
    }

    /// The shard that the run is; none where it is the whole.
    pub fn shard(&self) -> Result<Option<Shard>, String> {
        let shard = |r| if let Request::Shard(shard) = r { Some(shard) } else { None };
        Ok(self.requests()?.into_iter().find_map(shard))
    }

    /// Length of the control file, to see whether there is anything new.
    pub fn control_len(&self) -> u64 {
        fs::metadata(self.control()).map_or(0, |m| m.len())
    }

    /// Waits until the last checkpoint is written, and says why one could not be.
    pub fn settle(&self) -> Option<String> {
        let mut writer = self.writer.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(writer) = writer.take() {
            lock(&self.shared).ended = true;
            self.shared.1.notify_all();
            // A writer that panicked has written what it could.
            let _ = writer.join();
        }
        let mut desk = lock(&self.shared);
        desk.ended = false;
        desk.failed.take()
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

/// Writes the newest checkpoint whenever there is one. A past that could not be written waits for the next; where too
/// much waits it is let go, and the checkpoint that is on the disk stays the last.
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
            Ok(()) => {
                tail.forget();
                lock(shared).failed = None;
            }
            Err(error) => {
                lock(shared).failed = Some(format!("cannot keep a checkpoint in `{}`: {error}", state.display()));
                if tail.bytes.len() > WAITING_BYTES {
                    tail.forget();
                }
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
    fn what_fails_once_and_then_succeeds_is_no_failure() {
        let path = std::env::temp_dir().join(format!("palisade-run-folder-again-{}", std::process::id()));
        fs::write(&path, "no folder").unwrap();
        let folder = folder(&path);
        folder.keep(b"one".to_vec(), 0, b"ab".to_vec());
        assert!(folder.settle().unwrap().contains("cannot keep a checkpoint"));
        let failed = || lock(&folder.shared).failed.is_some();
        let wait = |until: &dyn Fn() -> bool| {
            let mut looks = (0..20_000).map(|_| std::thread::sleep(std::time::Duration::from_millis(1)));
            assert!(looks.any(|()| until()), "it takes too long");
        };
        // Of a settled folder too, each checkpoint is written.
        folder.keep(b"two".to_vec(), 0, b"ab".to_vec());
        wait(&failed);
        fs::remove_file(&path).unwrap();
        folder.keep(b"three".to_vec(), 2, b"cd".to_vec());
        wait(&|| !failed());
        folder.keep(b"four".to_vec(), 4, b"e".to_vec());
        assert_eq!(folder.settle(), None);
        let kept = Checkpoint { state: b"four".to_vec(), past: b"abcde".to_vec() };
        assert_eq!(folder.kept(), Ok(Some(kept)));
        folder.clear();
        // What waits for the disk does not grow without end: it is let go, and that is told.
        fs::write(&path, "no folder").unwrap();
        folder.keep(b"five".to_vec(), 0, b"nine bytes".to_vec());
        wait(&failed);
        fs::remove_file(&path).unwrap();
        folder.keep(b"six".to_vec(), 10, b"x".to_vec());
        assert!(folder.settle().unwrap().contains("what came before is missing"));
        folder.clear();
    }

    #[test]
    fn a_full_control_file_takes_no_exclusion_and_one_that_is_too_long_is_no_empty_one() {
        let path = std::env::temp_dir().join(format!("palisade-run-folder-full-{}", std::process::id()));
        let folder = folder(&path);
        let exclude = Request::Exclude("192.0.2.1".parse().unwrap());
        let shard = Request::Shard("1/2".parse().unwrap());
        folder.request(shard).unwrap();
        folder.request(exclude).unwrap();
        let lines = "exclude 192.0.2.7\n".repeat(CONTROL_BYTES as usize / 18);
        OpenOptions::new().append(true).open(folder.control()).unwrap().write_all(lines.as_bytes()).unwrap();
        let refused = folder.request(exclude).unwrap_err().to_string();
        assert!(refused.contains("full") && refused.contains("cancel the scan"), "{refused}");
        folder.request(Request::Resume).unwrap();
        let all = folder.requests().unwrap();
        assert_eq!(
            (all.len(), all[1], folder.shard()),
            (CONTROL_BYTES as usize / 18 + 3, exclude, Ok(Some("1/2".parse().unwrap())))
        );
        fs::OpenOptions::new().write(true).open(folder.control()).unwrap().set_len(MOST_CONTROL_BYTES + 1).unwrap();
        assert!(folder.request(Request::Pause).is_err());
        assert!(folder.requests().unwrap_err().contains("has more than") && folder.shard().is_err());
        fs::remove_dir_all(&path).unwrap();
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
