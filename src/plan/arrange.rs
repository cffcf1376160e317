//! The hook's order, rates and annotations on the targets. Without a hook the order is the snapshot's, load balancers
//! last.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::address::Addressed;
use super::funnel::Work;
use super::hook::Narrowed;
use super::plan::{Canaries, Plan};
use crate::lang::query::predicate::Truth;

/// Canaries used at most: more of them tell nothing more.
const CANARIES: usize = 64;

/// Moves the targets into the plan, and collects what the hook said about their assets.
pub(super) fn arrange(work: &Work<'_>, narrowed: &BTreeMap<u32, Narrowed>, addressed: &Addressed, plan: &mut Plan) {
    for (row, said) in narrowed {
        let asset: Arc<str> = work.input.snapshot.asset(*row).map_or("", |a| a.id()).into();
        let notes = said.notes.iter();
        plan.annotations.extend(notes.map(|(k, v)| (Arc::clone(&asset), k.as_str().into(), v.as_str().into())));
    }
    let place = |row: &Option<u32>| row.and_then(|r| narrowed.get(&r)?.place).unwrap_or(i64::MAX);
    let mut arranged: Vec<(i64, usize)> = addressed.rows.iter().enumerate().map(|(i, row)| (place(row), i)).collect();
    arranged.sort_unstable();
    let rates = rates(narrowed, addressed, plan);
    plan.canaries = canaries(work, &arranged, addressed);
    for (new, (_, old)) in arranged.into_iter().enumerate() {
        plan.targets.extend(addressed.targets.get(old).cloned());
        plan.rates.extend(rates.get(&old).map(|rate| (new as u32, *rate)));
    }
}

/// The canary's ports on those of the targets that match it. Where that cannot be told, a target is none.
fn canaries(work: &Work<'_>, arranged: &[(i64, usize)], addressed: &Addressed) -> Option<Canaries> {
    let canary = work.input.job.targets.canary.as_ref()?;
    let members = canary.query.evaluate(work.input.snapshot, &work.moment());
    let rows = arranged.iter().map(|(_, old)| addressed.rows.get(*old).copied().flatten());
    let matching = rows.zip(0u32..).filter(|(row, _)| row.is_some_and(|r| members.of(r) == Truth::In));
    let pairs = matching.flat_map(|(_, target)| canary.tcp.iter().map(move |port| (target, port)));
    let mut pairs: Vec<(u32, u16)> = pairs.collect();
    let more = pairs.len().saturating_sub(CANARIES);
    pairs.truncate(CANARIES);
    Some(Canaries { pairs, more, clause: work.locate(canary.span) })
}

/// The lowest rate that any asset behind a target asks for, where it is below what the profile allows one address.
fn rates(narrowed: &BTreeMap<u32, Narrowed>, addressed: &Addressed, plan: &Plan) -> BTreeMap<usize, u32> {
    let profile = &plan.profile;
    let allowed = [profile.per_host, profile.rate].into_iter().flatten().map(|r| r.per_second).min();
    let own = addressed.rows.iter().enumerate().filter_map(|(target, row)| row.map(|row| (target, row)));
    let shared = addressed.sharers.iter().map(|(target, row)| (*target as usize, *row));
    let mut rates: BTreeMap<usize, u32> = BTreeMap::new();
    for (target, row) in own.chain(shared) {
        let Some(rate) = narrowed.get(&row).and_then(|said| said.rate) else { continue };
        if allowed.is_none_or(|allowed| rate < allowed) {
            rates.entry(target).and_modify(|r| *r = rate.min(*r)).or_insert(rate);
        }
    }
    rates
}
