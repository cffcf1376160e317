//! Which pair is asked next: those whose brake is ready first, then the next of the round.

use std::time::Duration;

use super::engine::{Engine, Phase};
use super::grid::Ask;
use super::hosts::Cut;
use super::waiting::Brake;

/// What there is to ask.
pub(super) enum Picked {
    Pair(u32, u32, Ask),
    Later(Duration),
    Nothing,
}

impl Engine {
    /// The next pair to ask.
    pub(super) fn pick(&mut self, now: Duration) -> Picked {
        while let Some((brake, place)) = self.waiting.pop(now) {
            let picked = self.consider(place, now);
            self.waiting.again(brake, self.brake_ready_at(brake));
            if let Some(picked) = picked {
                return picked;
            }
        }
        loop {
            self.cursor = self.window.next_wanted(self.cursor, self.round);
            if self.cursor >= self.window.len() {
                match self.waiting.next_at() {
                    Some(at) => return Picked::Later(at),
                    None if self.left_behind => {
                        self.left_behind = false;
                        self.cursor = 0;
                        continue;
                    }
                    None => return Picked::Nothing,
                }
            }
            if self.waiting.is_full() {
                return Picked::Later(self.waiting.next_at().unwrap_or(now));
            }
            if self.round > 0 {
                let (age, patience) = (self.window.age(self.cursor, now), self.patience());
                if age < patience {
                    let at = now + (patience - age);
                    return Picked::Later(self.waiting.next_at().map_or(at, |w| w.min(at)));
                }
            }
            let place = self.cursor;
            self.cursor += 1;
            if let Some(picked) = self.consider(place, now) {
                return picked;
            }
        }
    }

    /// A wanted place: asked now, put off, or dropped.
    fn consider(&mut self, place: u32, now: Duration) -> Option<Picked> {
        if !self.window.wanted(place, self.round) {
            return None;
        }
        let (host_number, ask) = self.grid.pair(self.window.start + u64::from(place))?;
        let patience = self.patience();
        let host = self.hosts.get_mut(host_number as usize)?;
        if self.phase == Phase::Discover && host.alive.is_some() {
            self.window.forget(place);
            return None;
        }
        if let (Some(limit), Some(first)) = (self.max_time_per_host, host.first)
            && now.saturating_sub(first) > limit
        {
            host.cut.get_or_insert(Cut::TimeLimit);
        }
        self.untrimmed |= host.judge(now, patience);
        if host.cut.is_some() || (host.every && matches!(ask, Ask::Tcp(_))) {
            if self.phase == Phase::Ports {
                self.lost_pairs += u64::from(host.cut.is_some());
                self.saved += u64::from(host.cut.is_none() && self.window.tries(place) == 0);
            }
            self.window.forget(place);
            return None;
        }
        if host.held > now {
            self.left_behind |= !self.waiting.push(Brake::Host(host_number), host.held, place);
            return None;
        }
        if !self.rates.is_flat() {
            let (at, by_network) = self.rates.host_ready_at(host_number);
            if at > now {
                let brake = match self.rates.network_number(host_number).filter(|_| by_network) {
                    Some(network) => Brake::Network(network),
                    None => Brake::Host(host_number),
                };
                self.left_behind |= !self.waiting.push(brake, at, place);
                return None;
            }
        }
        Some(Picked::Pair(place, host_number, ask))
    }

    fn brake_ready_at(&self, brake: Brake) -> Duration {
        match brake {
            Brake::Host(host) => {
                let held = self.hosts.get(host as usize).map_or(Duration::ZERO, |h| h.held);
                held.max(self.rates.host_ready_at(host).0)
            }
            Brake::Network(network) => self.rates.network_ready_at(network),
        }
    }
}
