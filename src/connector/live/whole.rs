//! What a live connector fetched, as one connector's inventory: the recordings read, and what is known about places wider
//! than one partition applied to all in them.

use jiff::Timestamp;

use super::assemble::assemble;
use super::{Fetched, Recording};
use crate::base::limits::Limits;
use crate::connector::file::{FileConnector, Notice};
use crate::inventory::partition::{Kind, Partition, PartitionState};
use crate::inventory::snapshot::SnapshotInput;

/// Makes the inventory, and takes the recordings for it. Nothing fails as a whole: a provider that did not answer at all
/// is a gap over everything.
pub fn inventory(
    spec: &FileConnector,
    fetched: &mut Fetched,
    now: Timestamp,
    limits: &Limits,
) -> (SnapshotInput, Vec<Notice>) {
    let recordings = std::mem::take(&mut fetched.recordings);
    let asked: Vec<Recording> = recordings.iter().map(without_pages).collect();
    let (mut input, notices) = assemble(spec, recordings, now, limits);
    for p in input.partitions.iter_mut().filter(|p| p.state == PartitionState::NotAsked) {
        widen(p, &asked);
    }
    if !fetched.errors.is_empty() && !asked.iter().any(|r| r.kind == Kind::Instances) {
        let cause = fetched.errors.join("; ");
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
    (input, notices)
}

fn without_pages(r: &Recording) -> Recording {
    Recording {
        account: r.account.clone(),
        region: r.region.clone(),
        kind: r.kind,
        state: r.state.clone(),
        pages: Vec::new(),
        taken_at: r.taken_at,
    }
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
