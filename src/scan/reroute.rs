//! Routes that change while a scan runs. A thread of its own asks the kernel again and again; the scan takes over what is
//! new between two batches: another gateway is asked for its hardware address, and whoever is reached over another
//! interface or from another address of ours now is given up, for frames to it would be built wrong.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use super::drive::Sender;
use super::engine::Engine;
use super::hosts::Cut;
use super::link::Link;
use super::link::route::{Route, routes};
use super::neighbour::{Wanted, neighbours};
use super::wire::Hardware;
use crate::base::clock::Clock;
use crate::base::progress::StopWish;

/// Between two looks, at least.
const EVERY: Duration = Duration::from_secs(1);
/// A look at the routes of many targets takes time: so many times as long it is not repeated.
const SHARE: u32 = 50;
/// A route that is gone may come back, as when an interface goes down and up: after this long it counts as gone.
const GONE: Duration = Duration::from_secs(10);

/// What the watching thread has seen.
#[derive(Debug, Default)]
struct Seen {
    /// Targets with another route than before; none for one whose route is gone for good.
    changed: BTreeMap<IpAddr, Option<Route>>,
    /// Targets that have no route now, whether they get it back or not.
    without: usize,
    ended: bool,
}

/// The watch over the routes of one link's targets.
#[derive(Debug)]
pub(super) struct RouteWatch {
    /// Our hardware address on the link, and the link's number.
    own: Hardware,
    interface: u32,
    seen: Mutex<Seen>,
    end: Condvar,
}

impl RouteWatch {
    pub(super) fn new(own: Hardware, interface: u32) -> Self {
        Self { own, interface, seen: Mutex::default(), end: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Looks again and again until [`RouteWatch::end`]. Most scans end before the first look.
    pub(super) fn run(&self, known: impl Iterator<Item = (IpAddr, Route)>, clock: &dyn Clock) {
        if self.ended_within(EVERY) {
            return;
        }
        let mut known: BTreeMap<IpAddr, Route> = known.collect();
        let destinations: Vec<IpAddr> = known.keys().copied().collect();
        let mut missing: HashMap<IpAddr, Duration> = HashMap::new();
        loop {
            let began = clock.elapsed();
            // Where the kernel cannot be asked, what was known holds.
            if let Ok(now) = routes(&destinations) {
                let changed = differences(&mut known, &now, &mut missing, clock.elapsed());
                let mut seen = self.lock();
                seen.changed.extend(changed);
                seen.without = missing.len();
            }
            if self.ended_within(EVERY.max(clock.elapsed().saturating_sub(began) * SHARE)) {
                return;
            }
        }
    }

    fn ended_within(&self, pause: Duration) -> bool {
        let waited = self.end.wait_timeout_while(self.lock(), pause, |seen| !seen.ended);
        waited.unwrap_or_else(|e| e.into_inner()).0.ended
    }

    /// Ends the watch.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.end.notify_all();
    }

    fn take(&self) -> (BTreeMap<IpAddr, Option<Route>>, usize) {
        let mut seen = self.lock();
        (std::mem::take(&mut seen.changed), seen.without)
    }
}

/// What differs from what was known, which becomes what is known.
fn differences(
    known: &mut BTreeMap<IpAddr, Route>,
    now: &BTreeMap<IpAddr, Route>,
    missing: &mut HashMap<IpAddr, Duration>,
    at: Duration,
) -> BTreeMap<IpAddr, Option<Route>> {
    let mut changed = BTreeMap::new();
    known.retain(|destination, before| match now.get(destination) {
        Some(route) => {
            missing.remove(destination);
            if route != before {
                changed.insert(*destination, Some(*route));
                *before = *route;
            }
            true
        }
        None => {
            let gone = at.saturating_sub(*missing.entry(*destination).or_insert(at)) >= GONE;
            if gone {
                missing.remove(destination);
                changed.insert(*destination, None);
            }
            !gone
        }
    });
    changed
}

/// What the scan has done about changed routes.
#[derive(Debug, Default)]
pub(super) struct Rerouted {
    by_other_gateways: usize,
    without: usize,
    otherwise: usize,
    silent: usize,
    /// Most targets that had no route at one time, for a while.
    missing: usize,
}

impl Rerouted {
    /// Takes in what the watch has seen.
    pub(super) fn look(
        &mut self,
        watch: &RouteWatch,
        link: &mut dyn Link,
        engine: &mut Engine,
        sender: &mut Sender<'_, '_>,
    ) {
        let (changed, without) = watch.take();
        self.missing = self.missing.max(without);
        let mut wanted = Wanted::new();
        let mut moved: Vec<(u32, IpAddr, Cut)> = Vec::new();
        for (destination, route) in changed {
            let Some(host) = engine.by_address.get(destination).copied() else { continue };
            let aim = engine.aims.get(host as usize);
            let Some((aim, source)) = aim.and_then(|a| Some((a, engine.sources.get(usize::from(a.source))?.0))) else {
                continue;
            };
            match route {
                None => {
                    self.without += 1;
                    engine.give_up(host, Cut::NoRoute);
                }
                Some(r) if r.interface == watch.interface && r.source == source && !r.local => {
                    let warrant = r.gateway.is_none().then_some(aim.target);
                    wanted.insert(r.next_hop(destination), (source, warrant));
                    let silent = if r.gateway.is_some() { Cut::NoGateway } else { Cut::NoNeighbour };
                    moved.push((host, r.next_hop(destination), silent));
                    sender.gate.gateway(r.gateway);
                }
                Some(_) => {
                    self.otherwise += 1;
                    engine.give_up(host, Cut::Rerouted);
                }
            }
        }
        if moved.is_empty() {
            return;
        }
        let (shared, ahead) = (RefCell::new(&mut *engine), sender.ahead);
        let mut turn = |addr, _, now| shared.borrow_mut().neighbour_turn(addr, now, ahead);
        let mut others = |sender: &mut Sender<'_, '_>, frame: &[u8]| sender.late(&mut shared.borrow_mut(), frame);
        let hardware = neighbours(wanted, watch.own, link, sender, (&mut turn, &mut others));
        // Whoever had no time to answer is not given up for it.
        let stopped = sender.input.stop.wish() != StopWish::None;
        for (host, next_hop, silent) in moved {
            match hardware.get(&next_hop) {
                Some(found) => {
                    self.by_other_gateways += 1;
                    engine.aim_by(host, *found);
                }
                None if stopped => {}
                None => {
                    self.silent += 1;
                    engine.give_up(host, silent);
                }
            }
        }
    }

    /// Says what happened: notes where the scan went on, errors where targets were given up.
    pub(super) fn tell(&self, sender: &mut Sender<'_, '_>) {
        let (notes, errors) = (&mut sender.outcome.notes, &mut sender.outcome.errors);
        if self.by_other_gateways > 0 {
            let n = self.by_other_gateways;
            notes.push(format!("the route to {n} targets changed while the scan ran; they were asked by the new one"));
        }
        if self.missing > 0 {
            let text = format!("{} targets had no route for a while; they were asked by the old one", self.missing);
            notes.push(text);
        }
        let given_up = [
            (self.without, "have no route any more"),
            (self.otherwise, "are reached over another interface or from another address now"),
            (self.silent, "have a new gateway that does not answer"),
        ];
        for (n, what) in given_up.into_iter().filter(|(n, _)| *n > 0) {
            errors.push(format!("{n} targets {what}; they were given up"));
        }
    }
}

impl Engine {
    /// Gives a host up: nothing more is sent to it.
    pub(super) fn give_up(&mut self, host: u32, why: Cut) {
        if let Some(host) = self.hosts.get_mut(host as usize) {
            host.cut.get_or_insert(why);
        }
    }

    /// Takes a request for a neighbour's address from the rates, or says when it may leave and whether all have to wait
    /// until then, by a clock that the engine's time is `ahead` of.
    fn neighbour_turn(&mut self, addr: IpAddr, now: Duration, ahead: Duration) -> Result<(), (Duration, bool)> {
        let turn = self.rates.turn(addr, self.by_address.get(addr).copied(), now + ahead);
        turn.map_err(|(at, all)| (at.saturating_sub(ahead), all))
    }

    /// Frames to a host go by another next hop from now on.
    pub(super) fn aim_by(&mut self, host: u32, next_hop: Hardware) {
        if let Some(aim) = self.aims.get_mut(host as usize) {
            aim.next_hop = next_hop;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_told_once_and_what_is_gone_after_a_while() {
        let route = |gateway: u8| Route {
            interface: 1,
            source: IpAddr::from([192, 0, 2, 2]),
            gateway: Some(IpAddr::from([192, 0, 2, gateway])),
            local: false,
        };
        let [a, b] = [1u8, 2].map(|n| IpAddr::from([198, 18, 0, n]));
        let mut known = BTreeMap::from([(a, route(1)), (b, route(1))]);
        let mut missing = HashMap::new();
        let mut look = |now: &[(IpAddr, Route)], second: u64| {
            let now = now.iter().copied().collect();
            differences(&mut known, &now, &mut missing, Duration::from_secs(second)).into_iter().collect::<Vec<_>>()
        };
        assert_eq!(look(&[(a, route(1)), (b, route(1))], 1), []);
        assert_eq!(look(&[(a, route(1)), (b, route(9))], 2), [(b, Some(route(9)))]);
        assert_eq!(look(&[(a, route(1)), (b, route(9))], 3), []);
        assert_eq!(look(&[(a, route(1))], 4), [], "it may come back");
        assert_eq!(look(&[(a, route(1)), (b, route(9))], 9), [], "and does");
        assert_eq!(look(&[(b, route(9))], 20), []);
        assert_eq!(look(&[(b, route(9))], 30), [(a, None)]);
        assert_eq!(look(&[(b, route(9))], 50), [], "once");
    }
}
