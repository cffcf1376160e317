//! Control probes: ports that have answered are asked again now and then, to tell a path's loss, or a host that answers
//! only so often, from silence.

use std::time::Duration;

use super::engine::{Control, Engine, Phase, Shot};
use super::grid::Ask;
use super::hosts::Host;
use super::link::Batch;

/// Control probes at once and their pause.
pub(super) const CONTROLS: usize = 16;
pub(super) const CONTROL_PAUSE: Duration = Duration::from_millis(50);
/// Packets a second to a host that answers only so often, where its own rate is not known any more.
const POLICED: u32 = 20;
/// Chance, over a whole scan, that a host is taken for one that answers only so often because its path lost that many.
const MISTAKEN: f64 = 0.01;
/// At least so many lost in a row, and the most that a path's loss may ask for.
const IN_A_ROW: f64 = 3.0;
const MOST_IN_A_ROW: f64 = 12.0;
/// Answered pairs kept for control probes.
const POOL: usize = 4_096;

impl Engine {
    /// Hosts of which a part answered and many ports did not: a filter, or something that answers only so often. A
    /// control probe tells which; until then they are not asked again.
    pub(super) fn question_silent(&mut self, now: Duration) {
        let hold = now + self.patience() * 2 + CONTROL_PAUSE * 2;
        for host in self.hosts.iter_mut().filter(|h| h.cut.is_none() && !h.policed) {
            let silent = host.tcp.asked.saturating_sub(host.tcp.answered());
            let doubtful = host.tcp.answered() >= 5 && silent >= 20 && silent >= host.tcp.answered();
            if let Some(place) = host.sample.filter(|_| doubtful) {
                self.pool.push_front(place);
                host.held = hold;
            }
        }
    }

    /// Hosts whose later tries were answered far more often than others': something answers only so many a second.
    /// They are asked at the rate they showed.
    pub(super) fn slow_policed(&mut self, now: Duration) {
        if self.round == 0 || self.phase != Phase::Ports {
            return;
        }
        let share = |h: &Host| f64::from(h.late) / f64::from(h.prompt + h.late);
        let mut shares: Vec<f64> = self.hosts.iter().filter(|h| h.prompt + h.late >= 10).map(share).collect();
        shares.sort_by(f64::total_cmp);
        let Some(usual) = shares.get(shares.len() / 2).copied() else { return };
        let seconds = now.saturating_sub(self.round_began).as_secs_f64().max(0.1);
        let all = self.hosts.len();
        for (i, host) in self.hosts.iter_mut().enumerate() {
            if host.late >= 8 && share(host) > usual * 2.0 + 0.2 {
                host.policed = true;
                let rate = (f64::from(host.lately) / seconds * 0.8).max(1.0);
                self.rates.slow(i as u32, rate as u32, all);
            }
        }
    }

    /// Hosts that were found to answer only so often are asked slowly again after a restart.
    pub(super) fn slow_again(&mut self) {
        let all = self.hosts.len();
        for (i, _) in self.hosts.iter().enumerate().filter(|(_, h)| h.policed) {
            self.rates.slow(i as u32, POLICED, all);
        }
    }

    /// A pair that has just answered may serve as a control.
    pub(super) fn remember(&mut self, place: u32) {
        if self.pool.len() < POOL {
            self.pool.push_back(place);
        }
    }

    /// Control probes tell the loss, which silence does not.
    pub(super) fn wants_controls(&self, now: Duration) -> bool {
        self.phase == Phase::Ports && !self.pool.is_empty() && now.saturating_sub(self.controlled) >= CONTROL_PAUSE
    }

    /// Adds so many, `among` other probes or by themselves.
    pub(super) fn add_controls(&mut self, now: Duration, batch: &mut Batch, most: usize, among: bool) {
        for _ in 0..most.min(self.pool.len()) {
            let Some(place) = self.pool.pop_front() else { break };
            let pair = self.grid.pair(self.window.start + u64::from(place));
            let Some((host, ask @ Ask::Tcp(_))) = pair.filter(|_| self.window.tries(place) < self.tries) else {
                continue;
            };
            let gone = self.hosts.get(host as usize).is_none_or(|h| h.cut.is_some() || h.policed || h.every);
            if gone || self.rates.host_ready_at(host).0 > now {
                continue;
            }
            let source_port = self.cookies.ports.control(self.window.tries(place));
            if !self.build(host, ask, source_port, batch) {
                continue;
            }
            self.window.ask(place, now);
            self.rates.take(host, now);
            self.auto.took(1, now);
            self.canaries.others += 1;
            self.controls.push(Control { place, source_port, sent: now, among });
            self.shots.push(Shot { host, place, control: true, last_try: false, canary: None });
            if let Some(h) = self.hosts.get_mut(host as usize) {
                h.last = now;
            }
            self.controlled = now;
        }
    }

    /// Control probes that had their time are lost.
    pub(super) fn end_controls(&mut self, now: Duration) {
        if self.controls.is_empty() {
            return;
        }
        let patience = self.patience() * 2;
        let (kept, lost) = self.controls.iter().partition(|c| now.saturating_sub(c.sent) < patience);
        self.controls = kept;
        let lost: Vec<Control> = lost;
        for control in lost {
            self.auto.control(false, control.sent);
            // What is lost among others tells of the path and its rate; by itself, of the host.
            if control.among {
                self.tally.control(false);
            } else {
                self.control_lost(&control, now);
            }
        }
    }

    /// Lost controls of one host, one after the other, that are no chance any more: the path's own loss, as far as it is
    /// known, would do that to none of the controls. A host slowed down by mistake holds up the whole scan.
    fn no_chance(&self) -> f64 {
        let path = self.tally.loss_bound(self.round + 1).unwrap_or(1.0).clamp(0.000_1, 0.99);
        let all = self.tally.controls as f64 + CONTROLS as f64;
        ((MISTAKEN / all).ln() / path.ln()).ceil().max(IN_A_ROW)
    }

    /// One lost control may be the path's loss; several, one after the other, are the host's.
    fn control_lost(&mut self, control: &Control, now: Duration) {
        let Some((number, _)) = self.grid.pair(self.window.start + u64::from(control.place)) else { return };
        let all = self.hosts.len();
        let needed = self.no_chance();
        let hold = now + self.patience() * 2 + CONTROL_PAUSE * 2;
        let Some(host) = self.hosts.get_mut(number as usize) else { return };
        host.controls_lost = host.controls_lost.saturating_add(1);
        if f64::from(host.controls_lost) < needed.min(MOST_IN_A_ROW) {
            host.held = hold;
            self.pool.push_front(control.place);
        } else if needed <= MOST_IN_A_ROW && !host.policed {
            host.policed = true;
            let seconds = host.first.map_or(1.0, |f| now.saturating_sub(f).as_secs_f64()).max(1.0);
            let rate = (f64::from(host.tcp.answered()) / seconds * 0.5).max(5.0);
            self.rates.slow(number, rate as u32, all);
        }
        if !host.policed {
            self.tally.control(false);
        }
    }
}
