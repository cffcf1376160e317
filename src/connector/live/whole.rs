//! What a live connector fetched, as one connector's inventory: the records read, and what is known about places wider
//! than one partition applied to all in them.

use std::sync::Arc;

use super::assemble::assemble;
use super::intake::Intake;
use super::{Fetched, Live, Recording};
use crate::base::clock::Clock;
use crate::base::limits::Limits;
use crate::base::progress::{Progress, Stop};
use crate::connector::file::{FileConnector, Notice};
use crate::inventory::load_balancer::LoadBalancer;
use crate::inventory::partition::{Kind, Partition, PartitionId, PartitionState};
use crate::inventory::snapshot::SnapshotInput;
use jiff::Timestamp;

/// Reads a provider: pages become records as they arrive. Nothing fails as a whole: a provider that did not answer at
/// all is a gap over everything.
pub fn read(
    spec: &FileConnector,
    live: &dyn Live,
    clock: &dyn Clock,
    limits: &Limits,
    (progress, stop): (&dyn Progress, &Stop),
) -> (Fetched, SnapshotInput, Vec<Notice>) {
    let intake = Intake::new(spec, limits);
    let fetched = live.read(&intake, progress, stop);
    let (mut input, notices) = intake.finish(&fetched.recordings, clock.now());
    complete(spec, &fetched.recordings, &fetched.errors, &mut input);
    (fetched, input, notices)
}

/// The same of pages that were kept, which it takes.
pub fn inventory(
    spec: &FileConnector,
    fetched: &mut Fetched,
    now: Timestamp,
    limits: &Limits,
) -> (SnapshotInput, Vec<Notice>) {
    let recordings = std::mem::take(&mut fetched.recordings);
    let asked: Vec<Recording> = recordings.iter().map(|r| Recording { pages: Vec::new(), ..r.clone() }).collect();
    let (mut input, notices) = assemble(spec, recordings, now, limits);
    complete(spec, &asked, &fetched.errors, &mut input);
    (input, notices)
}

fn complete(spec: &FileConnector, asked: &[Recording], errors: &[String], input: &mut SnapshotInput) {
    for p in input.partitions.iter_mut().filter(|p| p.state == PartitionState::NotAsked) {
        widen(p, asked);
    }
    if !errors.is_empty() && !asked.iter().any(|r| r.kind == Kind::Instances) {
        let cause = errors.join("; ");
        let state = PartitionState::Denied { cause: cause.as_str().into() };
        let all = |p: &Partition| p.account.is_empty() && p.region.is_empty() && p.kind == Kind::Instances;
        match input.partitions.iter_mut().find(|p| all(p)) {
            Some(p) => p.state = state,
            None => input.partitions.push(Partition {
                connector: spec.name.clone(),
                account: "".into(),
                region: "".into(),
                kind: Kind::Instances,
                state,
            }),
        }
    }
    put_in_order(input);
}

/// A partition that only the reader made is as well read as the wider ones that were asked in its place.
fn widen(p: &mut Partition, asked: &[Recording]) {
    let covers = |r: &&Recording| {
        let wider = r.account.is_empty() || r.region.is_empty();
        wider
            && r.kind == p.kind
            && (r.account.is_empty() || r.account == p.account)
            && (r.region.is_empty() || r.region == p.region)
    };
    let mut covering = asked.iter().filter(covers).peekable();
    if covering.peek().is_some() && covering.all(|r| r.state == PartitionState::Complete) {
        p.state = PartitionState::Complete;
    }
}

/// Pages arrive in any order; the same cloud makes the same inventory all the same.
fn put_in_order(input: &mut SnapshotInput) {
    let mut order: Vec<usize> = (0..input.partitions.len()).collect();
    let key = |p: &Partition| (Arc::clone(&p.account), Arc::clone(&p.region), p.kind);
    order.sort_by_cached_key(|n| input.partitions.get(*n).map(key));
    let mut places = vec![PartitionId(u32::MAX); order.len()];
    for (new, old) in order.iter().enumerate() {
        if let Some(place) = places.get_mut(*old) {
            *place = PartitionId(u32::try_from(new).unwrap_or(u32::MAX));
        }
    }
    let moved = |id: PartitionId| places.get(id.0 as usize).copied().unwrap_or(id);
    input.partitions = order.iter().filter_map(|n| input.partitions.get(*n).cloned()).collect();
    input.assets.iter_mut().for_each(|a| a.partition = moved(a.partition));
    input.load_balancers.iter_mut().for_each(|l| l.partition = moved(l.partition));
    let key = |l: &LoadBalancer| (l.partition, Arc::clone(&l.id), Arc::clone(&l.name));
    input.load_balancers.sort_by_cached_key(key);
}
