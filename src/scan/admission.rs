//! The door for what is sent after the scan: conversations. Same targets, same gate, same pace and the same ledger as the
//! probes, so that exclusions, expiry and rates hold for every connection. A destination is named by its number in the
//! plan, and its address comes from the plan's target alone.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;

use super::LiveExclusions;
use super::gate::{Gate, WarrantTime};
use super::ledger::{Entry, Ledger};
use super::observation::ProbeKind;
use super::pace::Pace;
use crate::base::quantity::Rate;
use crate::plan::lease::Leases;
use crate::plan::plan::Plan;

/// The answer to the wish to connect or send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admitted {
    /// Go: it has been counted.
    Go(SocketAddr),
    /// Not before this reading of the clock's elapsed time.
    NotBefore(Duration),
    /// Never, and why.
    Refused(&'static str),
}

/// The rates of a plan, for everybody who sends under it, one after the other or at the same time.
#[derive(Debug, Clone)]
pub struct SharedPace(Arc<Mutex<Pace>>);

impl SharedPace {
    /// Fresh buckets for the rates of a plan.
    pub fn of(plan: &Plan) -> Self {
        let rate = |r: &Option<Rate>| r.map(|r| r.per_second);
        let profile = &plan.profile;
        let pace = Pace::new(rate(&profile.rate), rate(&profile.per_network), rate(&profile.per_host));
        Self(Arc::new(Mutex::new(pace)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Pace> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Takes one packet out of every bucket, or says when that will be possible, and whether all addresses have to wait
    /// until then. `own` is a lower rate of the address.
    pub(super) fn take(&self, addr: IpAddr, own: Option<u32>, now: Duration) -> Result<(), (Duration, bool)> {
        let mut pace = self.lock();
        let (run, host) = (pace.run_ready_at(), pace.host_ready_at(addr, own));
        if run.max(host) > now {
            return Err((run.max(host), run > now));
        }
        pace.take(addr, own, now);
        Ok(())
    }
}

/// Gate, pace and ledger of the conversations of one run.
pub struct Admission<'a> {
    plan: &'a Plan,
    exclusions: &'a LiveExclusions,
    /// Exclusions taken in so far.
    excluded: usize,
    gate: Gate,
    /// Starts with the first question.
    time: Option<WarrantTime>,
    pace: SharedPace,
    ledger: Ledger,
    refused: u64,
}

impl<'a> Admission<'a> {
    /// For the targets of a plan.
    pub fn new(plan: &'a Plan, leases: Option<Arc<Leases>>, exclusions: &'a LiveExclusions) -> Self {
        Self {
            plan,
            exclusions,
            excluded: 0,
            gate: Gate::new(plan.targets.iter(), plan.exclusions.clone(), Vec::new()).with_leases(leases),
            time: None,
            pace: SharedPace::of(plan),
            ledger: Ledger::default(),
            refused: 0,
        }
    }

    /// Keeps the rates together with somebody else who sends.
    pub fn sharing(self, pace: SharedPace) -> Self {
        Self { pace, ..self }
    }

    /// Where a port of a target is, for a socket that sends nothing yet; each datagram is still asked for.
    pub fn address(
        &mut self,
        target: u32,
        port: u16,
        elapsed: Duration,
        now: Timestamp,
    ) -> Result<SocketAddr, &'static str> {
        let (now, _) = self.time.get_or_insert_with(|| WarrantTime::new(now, elapsed)).at(now, elapsed);
        let Some(addr) = self.plan.targets.get(target as usize).map(|t| t.addr()) else {
            self.refused += 1;
            return Err("no warrant");
        };
        let new = self.exclusions.after(self.excluded);
        self.excluded += new.len();
        self.gate.exclude(new);
        match self.gate.address(addr, now) {
            Ok(_) => Ok(SocketAddr::new(addr, port)),
            Err(refusal) => {
                self.refused += u64::from(refusal.is_bug());
                Err(refusal.describe())
            }
        }
    }

    /// Asks for one connection or one datagram to a port of a target, and counts it where it may go.
    pub fn ask(&mut self, target: u32, port: u16, elapsed: Duration, now: Timestamp) -> Admitted {
        let at = match self.address(target, port, elapsed, now) {
            Ok(at) => at,
            Err(why) => return Admitted::Refused(why),
        };
        if let Err((ready, _)) = self.pace.take(at.ip(), self.plan.rates.get(&target).copied(), elapsed) {
            return Admitted::NotBefore(ready);
        }
        self.ledger.count(talk(target, at));
        Admitted::Go(at)
    }

    /// What was admitted has not left: it is counted no more. Its place in the pace is not given back.
    pub fn not_sent(&mut self, target: u32, at: SocketAddr) {
        self.ledger.uncount(talk(target, at));
    }

    /// Connections and datagrams so far, and how many were refused.
    pub fn into_ledger(self) -> (Ledger, u64) {
        (self.ledger, self.refused)
    }
}

fn talk(target: u32, at: SocketAddr) -> Entry {
    Entry { warrant: target, destination: at.ip(), port: at.port(), probe: ProbeKind::Talk }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::addr_set::AddrSet;
    use crate::base::clock::{Clock, ManualClock};
    use crate::lang::job::Profile;
    use crate::plan::plan::ProbeSet;
    use crate::plan::sample;

    #[test]
    fn what_did_not_leave_is_not_in_the_ledger() {
        let profile = Profile { rate: None, per_host: None, ..Profile::initial_options() };
        let probes = ProbeSet { tcp: [80].into_iter().collect(), udp: Default::default() };
        let end = Timestamp::from_second(1_060).unwrap();
        let plan = sample::plan(&[IpAddr::from([127, 0, 0, 1])], probes, profile, AddrSet::default(), end);
        let (clock, none) = (ManualClock::at(Timestamp::from_second(1_000).unwrap()), LiveExclusions::default());
        let mut door = Admission::new(&plan, None, &none);
        let at = SocketAddr::from(([127, 0, 0, 1], 80));
        for _ in 0..2 {
            assert_eq!(door.ask(0, 80, clock.elapsed(), clock.now()), Admitted::Go(at));
        }
        door.not_sent(0, at);
        assert_eq!((door.ledger.total(), door.ledger.lines().map(|(_, n)| n).sum::<u32>()), (1, 1));
        door.not_sent(0, at);
        door.not_sent(0, at);
        assert_eq!(door.into_ledger().0, Ledger::default());
    }

    #[test]
    fn a_clock_that_is_set_back_gives_conversations_no_time() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let profile = Profile { rate: None, per_host: None, ..Profile::initial_options() };
        let probes = ProbeSet { tcp: [80].into_iter().collect(), udp: Default::default() };
        let plan = sample::plan(&[IpAddr::from([127, 0, 0, 1])], probes, profile, AddrSet::default(), at(1_060));
        let (clock, none) = (ManualClock::at(at(1_000)), LiveExclusions::default());
        let mut door = Admission::new(&plan, None, &none);
        let go = Admitted::Go(SocketAddr::from(([127, 0, 0, 1], 80)));
        assert_eq!(door.ask(0, 80, clock.elapsed(), clock.now()), go);
        clock.advance(Duration::from_secs(59));
        clock.set(at(500));
        assert_eq!(door.ask(0, 80, clock.elapsed(), clock.now()), go);
        clock.advance(Duration::from_secs(1));
        let expired = Admitted::Refused("its warrant has expired");
        assert_eq!(door.ask(0, 80, clock.elapsed(), clock.now()), expired);
        assert_eq!(door.address(0, 80, clock.elapsed(), clock.now()), Err("its warrant has expired"));
        assert_eq!(door.into_ledger().1, 0, "no bug of ours");
    }
}
