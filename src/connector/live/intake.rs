//! Pages to records as they arrive: a page is read and let go of before the next one is asked for, so that a sync holds
//! the records of an inventory and the pages in flight, never all pages.
//!
//! INVARIANT: a partition counts as completely read only once its recording says so. Pages whose reading never ended
//! leave a gap.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::Cursor;
use std::sync::Arc;

use jiff::Timestamp;

use super::assemble::{envelope, name};
use super::{Origin, Pages, Partitioned, Recording};
use crate::base::limits::Limits;
use crate::connector::file::{self, FileConnector, InputFile, Notice};
use crate::connector::shape::Reading;
use crate::inventory::partition::PartitionState;
use crate::inventory::snapshot::SnapshotInput;

/// One connector's reading of what comes in.
pub struct Intake<'a> {
    reading: RefCell<Reading<'a>>,
    /// Partitions of which pages came, and no word yet on how it ended.
    open: RefCell<BTreeSet<Partitioned>>,
}

impl<'a> Intake<'a> {
    /// Nothing has come yet.
    pub fn new(spec: &'a FileConnector, limits: &'a Limits) -> Self {
        Self { reading: RefCell::new(Reading::new(spec, limits, "".into())), open: RefCell::default() }
    }

    fn take(&self, from: &Origin, state: &PartitionState, body: &str) {
        let text = envelope(from, state, body);
        let file = InputFile { name: name(from), modified: Some(from.at), bytes: Box::new(Cursor::new(text)) };
        file::one_file(&mut self.reading.borrow_mut(), file);
    }

    /// Everything that came, joined; `recordings` say how each partition went.
    pub fn finish(self, recordings: &[Recording], now: Timestamp) -> (SnapshotInput, Vec<Notice>) {
        for r in recordings {
            let (account, region) = (Arc::clone(&r.account), Arc::clone(&r.region));
            let open = self.open.borrow_mut().remove(&(Arc::clone(&account), Arc::clone(&region), r.kind));
            let from = Origin { account, region, kind: r.kind, at: r.taken_at };
            r.pages.iter().for_each(|page| self.take(&from, &r.state, page));
            // The pages themselves came with the good word.
            if !(open && r.state == PartitionState::Complete) && r.pages.is_empty() {
                self.take(&from, &r.state, "[]");
            }
        }
        for (account, region, kind) in self.open.take() {
            let state = PartitionState::Partial { cause: "its reading did not end".into() };
            self.take(&Origin { account, region, kind, at: now }, &state, "[]");
        }
        file::finish(self.reading.into_inner(), now)
    }
}

impl Pages for Intake<'_> {
    fn page(&self, from: &Origin, text: String) {
        self.open.borrow_mut().insert((Arc::clone(&from.account), Arc::clone(&from.region), from.kind));
        self.take(from, &PartitionState::Complete, &text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::asset::Module;
    use crate::inventory::partition::Kind;

    #[test]
    fn pages_without_a_word_are_a_gap() {
        let spec = FileConnector {
            name: "lab".into(),
            activate: vec![Module::Vm],
            include_micro_nano: false,
            project_number: None,
            regions: None,
        };
        let limits = Limits::default();
        let at: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let from =
            |region: &str| Origin { account: "111122223333".into(), region: region.into(), kind: Kind::Instances, at };
        let page = |id: &str| {
            format!(r#"{{"Reservations":[{{"OwnerId":"111122223333","Instances":[{{"InstanceId":"{id}"}}]}}]}}"#)
        };
        let intake = Intake::new(&spec, &limits);
        for (region, id) in [("a", "i-1"), ("b", "i-2"), ("a", "i-3"), ("c", "i-4")] {
            intake.page(&from(region), page(id));
        }
        let recording = |region: &str, state| Recording {
            account: "111122223333".into(),
            region: region.into(),
            kind: Kind::Instances,
            state,
            pages: Vec::new(),
            taken_at: at,
        };
        let told = [
            recording("a", PartitionState::Complete),
            recording("c", PartitionState::Partial { cause: "page 2: throttled".into() }),
        ];
        let (input, notices) = intake.finish(&told, at);
        assert_eq!(input.assets.iter().map(|a| &*a.id).collect::<Vec<_>>(), ["i-1", "i-2", "i-3", "i-4"]);
        let own = input.partitions.iter().filter(|p| p.kind == Kind::Instances);
        let states: Vec<String> = own.map(|p| format!("{} {:?}", p.region, p.gap().map(|g| g.cause))).collect();
        assert_eq!(
            states,
            [
                "a None",
                "b Some(\"partly read: its reading did not end\")",
                "c Some(\"partly read: page 2: throttled\")"
            ]
        );
        assert!(notices.iter().all(|n| n.code == "P0358"), "{notices:?}");
    }
}
