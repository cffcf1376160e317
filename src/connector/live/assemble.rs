//! From what a live connector fetched to an inventory: the pages go through the readers of recorded answers, and the
//! partitions take the states that the fetching left.

use std::io::{Cursor, Read};
use std::sync::Arc;

use jiff::Timestamp;

use super::{Fetched, Recording};
use crate::base::limits::Limits;
use crate::base::progress::Silent;
use crate::connector::file::{self, FileConnector, InputFile, Notice};
use crate::inventory::partition::{Kind, Partition, PartitionState};
use crate::inventory::snapshot::SnapshotInput;

/// Reads what was fetched. Nothing fails as a whole: a provider that did not answer at all is a gap over everything.
pub fn assemble(
    spec: &FileConnector,
    fetched: &mut Fetched,
    now: Timestamp,
    limits: &Limits,
) -> (SnapshotInput, Vec<Notice>) {
    let files = fetched.recordings.iter_mut().filter(|r| !r.pages.is_empty()).map(|r| input_file(spec, r)).collect();
    let (mut input, notices) = file::read(spec, files, now, limits, &Silent);
    let asked: Vec<&Recording> = fetched.recordings.iter().collect();
    // The reader's own mark of an inventory without instances; the recordings know better.
    if asked.iter().any(|r| r.kind == Kind::Instances) && input.assets.is_empty() {
        let unknown = |p: &Partition| p.account.is_empty() && p.region.is_empty() && p.kind == Kind::Instances;
        if input.load_balancers.is_empty() {
            input.partitions.retain(|p| !(unknown(p) && p.state == PartitionState::NotAsked));
        }
    }
    for recording in &asked {
        settle(spec, &mut input, recording);
    }
    // A partition that only the reader made is as well read as the wider one that was asked.
    for p in input.partitions.iter_mut().filter(|p| p.state == PartitionState::NotAsked) {
        let covers = |r: &&&Recording| {
            r.kind == p.kind
                && (r.account.is_empty() || r.account == p.account)
                && (r.region.is_empty() || r.region == p.region)
        };
        let mut covering = asked.iter().filter(covers).peekable();
        if covering.peek().is_some() && covering.all(|r| r.state == PartitionState::Complete) {
            p.state = PartitionState::Complete;
        }
    }
    let whole = fetched.errors.join("; ");
    if !whole.is_empty() && !asked.iter().any(|r| r.kind == Kind::Instances) {
        let all = part(spec, &"".into(), &"".into(), Kind::Instances);
        set(&mut input, all, PartitionState::Denied { cause: whole.as_str().into() });
    }
    input.taken_at = fetched.recordings.iter().map(|r| r.taken_at).min().unwrap_or(now);
    input.learned_at = now;
    (input, notices)
}

/// The pages of one partition as the documents of one file, each in an envelope that says whose they are.
fn input_file(spec: &FileConnector, recording: &mut Recording) -> InputFile {
    let mut members = vec![("schema", "palisade/recording/1".to_owned())];
    let named = [("account", recording.account.to_string()), ("region", recording.region.to_string())];
    members.extend(named.into_iter().filter(|(_, v)| !v.is_empty()));
    members.push(("kind", recording.kind.as_str().to_owned()));
    members.push(("taken_at", recording.taken_at.to_string()));
    let head: Vec<String> =
        members.into_iter().map(|(k, v)| format!("\"{k}\":{}", serde_json::Value::String(v))).collect();
    let head = format!("{{{},\"body\":", head.join(","));
    let mut bytes: Box<dyn Read> = Box::new(std::io::empty());
    for page in std::mem::take(&mut recording.pages) {
        let page = Cursor::new(head.clone()).chain(Cursor::new(page)).chain(&b"}\n"[..]);
        bytes = Box::new(bytes.chain(page));
    }
    let name = part(spec, &recording.account, &recording.region, recording.kind).name();
    InputFile { name, modified: Some(recording.taken_at), bytes }
}

fn part(spec: &FileConnector, account: &Arc<str>, region: &Arc<str>, kind: Kind) -> Partition {
    Partition {
        connector: Arc::clone(&spec.name),
        account: Arc::clone(account),
        region: Arc::clone(region),
        kind,
        state: PartitionState::NotAsked,
    }
}

/// The worse of what fetching and what reading say: a page that came whole may still hold a record that cannot be read.
fn settle(spec: &FileConnector, input: &mut SnapshotInput, recording: &Recording) {
    let own = part(spec, &recording.account, &recording.region, recording.kind);
    let read = input.partitions.iter().find(|p| same(p, &own)).map(|p| p.state.clone());
    let state = match (&recording.state, read) {
        (PartitionState::Complete, Some(lost @ PartitionState::Partial { .. })) => lost,
        (PartitionState::Partial { cause }, Some(PartitionState::Partial { cause: lost })) if *cause != lost => {
            PartitionState::Partial { cause: format!("{cause}; {lost}").into() }
        }
        (state, _) => state.clone(),
    };
    set(input, own, state);
}

fn same(a: &Partition, b: &Partition) -> bool {
    a.kind == b.kind && a.account == b.account && a.region == b.region
}

fn set(input: &mut SnapshotInput, own: Partition, state: PartitionState) {
    match input.partitions.iter_mut().find(|p| same(p, &own)) {
        Some(p) => p.state = state,
        None => input.partitions.push(Partition { state, ..own }),
    }
}
