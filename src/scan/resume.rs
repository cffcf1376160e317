//! Going on where an earlier part of a scan ended. Routes, neighbours and leases may be others by now: each engine of the
//! earlier part goes on with the targets it can still reach, and says why not with the others.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

use super::checkpoint::{Earlier, Kept, plan_key};
use super::hosts::Cut;
use super::link::route::Route;
use super::observation::NotScanned;
use super::outcome::ScanOutcome;
use super::{ScanInput, reason};

/// What one engine goes through.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// Targets that are reached over its interface.
    pub(super) targets: Vec<(u32, Route)>,
    /// The engine that it goes on with; all its targets are among these and `cut`.
    pub(super) earlier: Option<Earlier>,
    /// Targets of that engine that are not reached over this interface any more.
    pub(super) cut: Vec<(u32, Cut)>,
}

/// The checkpoint of an earlier part, and the engines in it.
pub(super) fn resume(input: &ScanInput<'_>, outcome: &mut ScanOutcome) -> (Kept, Vec<Earlier>) {
    let plan = plan_key(&input.plan.hash, input.seed);
    let fresh = Kept::new(plan, outcome.started);
    let found = match input.keep.map_or(Ok(None), |k| k.kept()) {
        Ok(Some(found)) => Kept::from_bytes(&found.state, &found.past, plan)
            .ok_or_else(|| "the checkpoint is of another plan or damaged".to_owned()),
        Ok(None) => return (fresh, Vec::new()),
        Err(why) => Err(format!("the checkpoint cannot be read: {why}")),
    };
    let (kept, ledger, engines) = match found {
        Ok(found) => found,
        Err(why) => {
            outcome.notes.push(format!("{why}; what it covers is scanned anew"));
            return (fresh, Vec::new());
        }
    };
    outcome.notes.push(format!("resumed from the checkpoint of {}", kept.at));
    outcome.whole = true;
    outcome.coverage.planned = outcome.coverage.planned_of(input);
    outcome.started = kept.started;
    outcome.counters.sent = kept.sent;
    outcome.ledger = ledger;
    (kept, engines)
}

/// The parts of a scan by interface: what each earlier engine goes on with, over the interface that most of its targets
/// are reached by now, and what no engine has begun. None stands for engines without any route.
pub(super) fn parts(
    input: &ScanInput<'_>,
    routes: &BTreeMap<IpAddr, Route>,
    engines: Vec<Earlier>,
    outcome: &mut ScanOutcome,
) -> BTreeMap<Option<u32>, Vec<Part>> {
    let mut parts: BTreeMap<Option<u32>, Vec<Part>> = BTreeMap::new();
    let mut known: HashSet<u32> = input.elsewhere.iter().copied().collect();
    for earlier in engines {
        known.extend(earlier.aims.iter().map(|(target, _)| *target));
        let (interface, part) = part(earlier, routes);
        parts.entry(interface).or_default().push(part);
    }
    if !outcome.whole {
        known.extend(input.finished);
    }
    let mut new: BTreeMap<u32, Vec<(u32, Route)>> = BTreeMap::new();
    let now = input.clock.now();
    let ours = |addr: IpAddr| input.leases.as_ref().is_none_or(|l| l.check(addr, now).is_ok());
    for (number, target) in (0..).zip(&input.plan.targets).filter(|(n, _)| !known.contains(n)) {
        match routes.get(&target.addr()) {
            // A part that covers all that was done before has to leave out by itself what is not ours.
            _ if outcome.whole && !ours(target.addr()) => {}
            Some(route) => new.entry(route.interface).or_default().push((number, *route)),
            None => outcome.not_scanned.push(NotScanned { target: number, reason: reason("no route"), gap: true }),
        }
    }
    for (interface, targets) in new {
        parts.entry(Some(interface)).or_default().push(Part { targets, ..Part::default() });
    }
    parts
}

/// What an earlier engine goes on with, and over which interface.
fn part(earlier: Earlier, routes: &BTreeMap<IpAddr, Route>) -> (Option<u32>, Part) {
    let mut by_interface: BTreeMap<u32, usize> = BTreeMap::new();
    for route in earlier.aims.iter().filter_map(|(_, addr)| routes.get(addr)) {
        *by_interface.entry(route.interface).or_default() += 1;
    }
    let interface = by_interface.into_iter().max_by_key(|(_, targets)| *targets).map(|(interface, _)| interface);
    let mut part = Part::default();
    for (target, addr) in &earlier.aims {
        match routes.get(addr) {
            Some(route) if Some(route.interface) == interface => part.targets.push((*target, *route)),
            Some(_) => part.cut.push((*target, Cut::Rerouted)),
            None => part.cut.push((*target, Cut::NoRoute)),
        }
    }
    (interface, Part { earlier: Some(earlier), ..part })
}
