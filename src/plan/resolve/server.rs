//! One name server as it has behaved: how long it takes, and how many questions it bears at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A question is not repeated sooner, however quick a server is: a resolver that has to ask around is slow once.
const SHORTEST_WAIT: Duration = Duration::from_millis(800);
const LONGEST_WAIT: Duration = Duration::from_secs(3);
const FIRST_WINDOW: f64 = 64.0;
/// A server that changes the case so often is asked in small letters.
const OTHER_CASE: u8 = 3;
const LEAST_WINDOW: f64 = 4.0;

/// A server and its pace.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) at: SocketAddr,
    pub(super) label: Arc<str>,
    /// Questions in flight.
    pub(super) busy: usize,
    window: f64,
    most: f64,
    doubling: bool,
    smoothed: Duration,
    spread: Duration,
    /// It does not shrink again before this moment.
    held_until: Duration,
    /// Answers whose question came back in another case.
    other_case: u8,
    /// It knows extended DNS, as far as is known.
    pub(super) extended: bool,
}

impl Server {
    pub(super) fn new(at: SocketAddr, most: usize) -> Self {
        let most = (most as f64).max(1.0);
        Self {
            at,
            label: at.to_string().into(),
            busy: 0,
            window: FIRST_WINDOW.min(most),
            most,
            doubling: true,
            smoothed: Duration::ZERO,
            spread: Duration::ZERO,
            held_until: Duration::ZERO,
            other_case: 0,
            extended: true,
        }
    }

    /// Whether it may be asked one more.
    pub(super) fn has_room(&self) -> bool {
        (self.busy as f64) < self.window
    }

    /// Whether it repeats a question with the case of its letters, as far as is known.
    pub(super) fn keeps_case(&self) -> bool {
        self.other_case < OTHER_CASE
    }

    /// It did not.
    pub(super) fn lost_case(&mut self) {
        self.other_case = self.other_case.saturating_add(1);
    }

    /// How long to wait for an answer, longer with each try of the same question. RFC 6298 2.
    pub(super) fn wait(&self, tries: u8, at_most: Duration) -> Duration {
        let learnt = if self.smoothed.is_zero() { Duration::from_secs(1) } else { self.smoothed + self.spread * 4 };
        let wait = learnt.max(SHORTEST_WAIT).saturating_mul(1 << tries.min(4)).min(LONGEST_WAIT);
        // A name's whole time holds several tries.
        wait.min(at_most / 3)
    }

    /// An answer, of whatever kind.
    pub(super) fn answered(&mut self, took: Duration) {
        if self.smoothed.is_zero() {
            (self.smoothed, self.spread) = (took, took / 2);
        } else {
            self.spread = self.spread * 3 / 4 + self.smoothed.abs_diff(took) / 4;
            self.smoothed = self.smoothed * 7 / 8 + took / 8;
        }
        let by = if self.doubling { 1.0 } else { 1.0 / self.window };
        self.window = (self.window + by).min(self.most);
    }

    /// Silence: half as many at once, at most once in the time that it takes to show.
    pub(super) fn silent(&mut self, waited: Duration, now: Duration) {
        if now < self.held_until {
            return;
        }
        self.doubling = false;
        self.window = (self.window / 2.0).max(LEAST_WINDOW.min(self.most));
        self.held_until = now + waited;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_server_that_falls_silent_is_asked_less() {
        let mut server = Server::new("127.0.0.1:53".parse().unwrap(), 500);
        let room = |server: &Server| server.window as usize;
        assert_eq!((room(&server), server.wait(0, MS * 5_000)), (64, MS * 1_000));
        (0..600).for_each(|_| server.answered(MS * 20));
        assert_eq!(room(&server), 500);
        server.busy = 499;
        assert!(server.has_room());
        server.busy = 500;
        assert!(!server.has_room());
        assert_eq!([0, 1, 2, 9].map(|t| server.wait(t, MS * 30_000)), [MS * 800, MS * 1_600, MS * 3_000, MS * 3_000]);
        assert_eq!(server.wait(0, MS * 900), MS * 300);
        server.silent(MS * 800, MS * 100);
        server.silent(MS * 800, MS * 101);
        assert_eq!(room(&server), 250);
        for i in 1..20 {
            server.silent(MS * 800, MS * (900 * i));
        }
        assert_eq!(room(&server), 4);
        // It grows again, slowly.
        (0..40).for_each(|_| server.answered(MS * 20));
        assert!((8..12).contains(&room(&server)), "{}", room(&server));
    }
}
