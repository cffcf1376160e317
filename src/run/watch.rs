//! Looks at a run's control file while its scan goes on: other processes ask it to pause, to cancel, or to leave
//! addresses alone.

use std::sync::{Condvar, Mutex};
use std::time::Duration;

use crate::base::progress::{Stop, StopWish};
use crate::scan::LiveExclusions;
use crate::store::run_folder::{Request, RunFolder};

/// How often the file is looked at: with the scan's own pace this keeps an exclusion's delay below 250 ms.
const EVERY: Duration = Duration::from_millis(50);

/// The watch over one run.
pub struct Watch<'a> {
    folder: &'a RunFolder,
    stop: &'a Stop,
    exclusions: &'a LiveExclusions,
    seen: Mutex<(u64, usize, Option<Request>)>,
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
        if len == seen.0 {
            return;
        }
        let requests = self.folder.requests();
        for request in requests.iter().skip(seen.1) {
            match request {
                Request::Exclude(range) => self.exclusions.add(*range),
                Request::Pause | Request::Cancel => seen.2 = Some(*request),
                Request::Resume => seen.2 = None,
                Request::Shard(_) => {}
            }
        }
        (seen.0, seen.1) = (len, requests.len());
        if seen.2.is_some() && self.stop.wish() == StopWish::None {
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

    /// Ends the watch; what was asked for last that ends a scan.
    pub fn end(&self) -> Option<Request> {
        *self.ended.0.lock().unwrap_or_else(|e| e.into_inner()) = true;
        self.ended.1.notify_all();
        self.seen.lock().unwrap_or_else(|e| e.into_inner()).2
    }
}
