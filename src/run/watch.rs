//! Looks at a run's control file while its scan goes on: other processes ask it to pause, to cancel, or to leave
//! addresses alone.

use std::sync::{Condvar, Mutex};
use std::time::Duration;

use crate::base::progress::{Stop, StopWish};
use crate::scan::LiveExclusions;
use crate::store::run_folder::{Request, RunFolder};

/// How often the file is looked at: with the scan's own pace this keeps an exclusion's delay below 250 ms.
const EVERY: Duration = Duration::from_millis(50);

/// What was seen of the file.
#[derive(Default)]
struct Seen {
    bytes: u64,
    requests: usize,
    asked: Option<Request>,
    fault: Option<String>,
}

/// The watch over one run.
pub struct Watch<'a> {
    folder: &'a RunFolder,
    stop: &'a Stop,
    exclusions: &'a LiveExclusions,
    seen: Mutex<Seen>,
    ended: (Mutex<bool>, Condvar),
}

impl<'a> Watch<'a> {
    /// Looks once, so that exclusions of an earlier part of the run hold from the first packet on.
    pub fn new(folder: &'a RunFolder, stop: &'a Stop, exclusions: &'a LiveExclusions) -> Self {
        let watch =
            Self { folder, stop, exclusions, seen: Mutex::default(), ended: (Mutex::new(false), Condvar::new()) };
        watch.look();
        watch
    }

    /// Takes in what is new.
    fn look(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(|e| e.into_inner());
        let len = self.folder.control_len();
        if len == seen.bytes {
            return;
        }
        match self.folder.requests() {
            Ok(requests) => {
                for request in requests.iter().skip(seen.requests) {
                    match request {
                        Request::Exclude(range) => self.exclusions.add(*range),
                        Request::Pause | Request::Cancel => seen.asked = Some(*request),
                        Request::Resume => seen.asked = None,
                        Request::Shard(_) => {}
                    }
                }
                (seen.bytes, seen.requests, seen.fault) = (len, requests.len(), None);
            }
            // What is to be left alone is not known any more.
            Err(why) => seen.fault = Some(format!("what others ask of this scan cannot be read: {why}")),
        }
        if (seen.asked.is_some() || seen.fault.is_some()) && self.stop.wish() == StopWish::None {
            self.stop.raise();
        }
    }

    /// Looks until [`Watch::end`].
    pub fn run(&self) {
        let mut ended = self.ended.0.lock().unwrap_or_else(|e| e.into_inner());
        while !*ended {
            ended = self.ended.1.wait_timeout(ended, EVERY).unwrap_or_else(|e| e.into_inner()).0;
            self.look();
        }
    }

    /// Ends the watch.
    pub fn end(&self) {
        *self.ended.0.lock().unwrap_or_else(|e| e.into_inner()) = true;
        self.ended.1.notify_all();
    }

    /// What was asked for last that ends a scan, and why what is asked cannot be read.
    pub fn asked(&self) -> (Option<Request>, Option<String>) {
        let seen = self.seen.lock().unwrap_or_else(|e| e.into_inner());
        (seen.asked, seen.fault.clone())
    }
}
