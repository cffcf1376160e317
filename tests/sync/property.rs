//! Random clouds with random failures, held against a plain model of what may be known.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use palisade::base::limits::Limits;
use palisade::base::progress::{Silent, Stop};
use palisade::base::source::SourceMap;
use palisade::connector::file::FileConnector;
use palisade::connector::live::Live;
use palisade::connector::live::whole::inventory;
use palisade::inventory::asset::Module;
use palisade::inventory::partition::Kind;
use palisade::inventory::reconcile::{What, reconcile};
use palisade::inventory::snapshot::{Snapshot, SnapshotInput};
use palisade::lang::query::check::{Dialect, Scope, check};
use palisade::lang::query::predicate::{Moment, Predicate, Truth};
use palisade::lang::syntax::parse_query;
use proptest::prelude::*;

use super::cloud::{Answer, PLACES, Scripted, start};

/// What happens between two syncs: machines come (true) and go, and how each place answers.
#[derive(Debug, Clone)]
struct Step {
    moves: Vec<(u8, usize, bool)>,
    answers: Vec<(usize, Option<Answer>)>,
    broken: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let answer = prop_oneof![
        3 => Just(None),
        1 => Just(Some(Answer::Denied)),
        1 => Just(Some(Answer::Throttled)),
        1 => Just(Some(Answer::NotAsked)),
        1 => Just(Some(Answer::Partial)),
    ];
    let moves = proptest::collection::vec((0u8..12, 0..PLACES.len(), any::<bool>()), 0..6);
    let answers = proptest::collection::vec((0..PLACES.len(), answer), 0..4);
    (moves, answers, proptest::bool::weighted(0.1)).prop_map(|(moves, answers, broken)| Step { moves, answers, broken })
}

fn spec() -> FileConnector {
    FileConnector {
        name: "c".into(),
        activate: vec![Module::Vm],
        include_micro_nano: false,
        project_number: None,
        regions: None,
    }
}

fn query(text: &str) -> Predicate {
    let limits = Limits::default();
    let mut sources = SourceMap::new();
    let (tree, _) = parse_query(text, sources.add("q", text), 0, &limits);
    let scope = Scope {
        lets: &|_| None,
        values: &|_| None,
        let_names: Vec::new(),
        known_tags: None,
        provider: None,
        free_text: false,
        dialect: Dialect::Default,
        portable: false,
    };
    check(&tree.unwrap(), &scope).0.unwrap()
}

/// Machines by id: place, and whether they were seen in the newest sync.
type Known = BTreeMap<String, (usize, bool)>;

/// One step of the cloud, of the reading, and of the model.
fn advance(cloud: &Scripted, step: &Step, known: &mut Known, last: Option<SnapshotInput>, n: usize) -> SnapshotInput {
    {
        let mut c = cloud.cloud();
        for (id, place, comes) in &step.moves {
            let id = format!("i-{id:02}");
            match comes {
                // An id stays where it was made: a provider never moves one.
                true if !c.machines.contains_key(&id) => {
                    let place = known.get(&id).map_or(*place, |k| k.0);
                    c.vm(&id, PLACES[place], &format!("203.0.113.{}", n + 1));
                }
                true => {}
                false => drop(c.machines.remove(&id)),
            }
        }
        c.answers.clear();
        for (place, answer) in &step.answers {
            if let Some(answer) = answer {
                c.answers.insert((PLACES[*place].0, PLACES[*place].1, Kind::Instances), *answer);
            }
        }
        c.broken = step.broken.then_some("no credentials");
    }
    let before: BTreeSet<String> = known.keys().cloned().collect();
    let mut fetched = cloud.fetch(&Silent, &Stop::default());
    let (input, notices) = inventory(&spec(), &mut fetched, start(), &Limits::default());
    assert!(notices.iter().all(|n| n.code == "P0358"), "{notices:?}");
    let found = reconcile(last, input, &|_, _| true);

    let c = cloud.cloud();
    let mut gone = BTreeSet::new();
    for (at, (account, region)) in PLACES.iter().enumerate() {
        let answer = c.answers.get(&(account, region, Kind::Instances)).copied();
        let there: Vec<&String> = c
            .machines
            .iter()
            .filter(|(_, vm)| (vm.account, vm.region) == (*account, *region))
            .map(|(id, _)| id)
            .collect();
        let seen: Vec<&String> = match answer {
            _ if step.broken => Vec::new(),
            None => there,
            Some(Answer::Partial) => there.into_iter().step_by(2).collect(),
            Some(_) => Vec::new(),
        };
        let complete = !step.broken && answer.is_none();
        for (id, entry) in known.iter_mut().filter(|(_, k)| k.0 == at) {
            entry.1 = false;
            if complete && !seen.contains(&id) {
                gone.insert(id.clone());
            }
        }
        known.extend(seen.into_iter().map(|id| (id.clone(), (at, true))));
    }
    known.retain(|id, _| !gone.contains(id));

    let told: BTreeSet<String> =
        found.changes.iter().filter(|c| c.what == What::Went).map(|c| c.id.to_string()).collect();
    assert_eq!(told, gone, "gone");
    let came: BTreeSet<String> =
        found.changes.iter().filter(|c| c.what == What::Came).map(|c| c.id.to_string()).collect();
    let new: BTreeSet<String> = known.keys().filter(|id| !before.contains(*id)).cloned().collect();
    assert_eq!(came, new, "came");
    found.input
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// An asset is only gone by a complete reading of its own partition; one that was not seen is never certainly in.
    #[test]
    fn no_failure_loses_an_asset(steps in proptest::collection::vec(step(), 1..8)) {
        let cloud = Scripted::at_start();
        let running = query("aws.ec2.instanceState: RUNNING");
        let anywhere = query("provider: AWS");
        let elsewhere = query("not aws.ec2.region.code: us-east-1");
        let mut known = Known::new();
        let mut last = None;
        for (n, step) in steps.iter().enumerate() {
            let input = advance(&cloud, step, &mut known, last, n);
            let ids: BTreeSet<String> = input.assets.iter().map(|a| a.id.to_string()).collect();
            prop_assert_eq!(&ids, &known.keys().cloned().collect::<BTreeSet<_>>());
            // Through the file and back: what is stale stays stale.
            let built = Snapshot::build(input, &Limits::default()).unwrap().0;
            let opened = Snapshot::from_bytes(Arc::new(built.to_bytes())).unwrap();
            let moment = Moment { now: start(), tags: None };
            for (id, (place, seen)) in &known {
                let row = opened.row_of(id).unwrap();
                let want = if *seen { Truth::In } else { Truth::CannotTell };
                for q in [&running, &anywhere] {
                    prop_assert_eq!(q.holds(&opened, row, &moment), want);
                    prop_assert_eq!(q.evaluate(&opened, &moment).of(row), want);
                    prop_assert_eq!(q.gaps(&opened, row, &moment).is_empty(), *seen);
                }
                // A region never changes, so that the answer no is certain for an asset that may be gone.
                let there = PLACES[*place].1 != "us-east-1";
                let want = if there { want } else { Truth::Out };
                prop_assert_eq!(elsewhere.holds(&opened, row, &moment), want);
                let in_gap_rows = running.gap_rows(&opened, &moment).iter().any(|(_, rows)| rows.contains(row));
                prop_assert_eq!(in_gap_rows, !seen);
            }
            last = Some(opened.to_input());
        }
    }
}
