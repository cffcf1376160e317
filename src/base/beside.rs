//! Work with something running beside it that ends when the work does, also where it panics.

/// Calls its function when it goes out of scope.
pub struct AtEnd<F: Fn()>(pub F);

impl<F: Fn()> Drop for AtEnd<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Does `work` while another thread does `run`, which `end` ends.
pub fn beside<T>(run: impl FnOnce() + Send, end: impl Fn(), work: impl FnOnce() -> T) -> T {
    std::thread::scope(|scope| {
        scope.spawn(run);
        let _end = AtEnd(end);
        work()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn work_that_panics_ends_what_runs_beside_it() {
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let ended = AtomicBool::new(false);
            let run = || {
                while !ended.load(Ordering::Relaxed) {
                    std::thread::yield_now()
                }
            };
            let work = || beside(run, || ended.store(true, Ordering::Relaxed), || panic!("the work"));
            let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err();
            tell.send(panicked)
        });
        assert_eq!(told.recv_timeout(Duration::from_secs(20)), Ok(true));
    }
}
