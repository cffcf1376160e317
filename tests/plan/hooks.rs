//! A hook can take away, slow down, order and annotate; nothing it says adds a target or raises a rate.

use std::collections::BTreeSet;
use std::sync::Mutex;

use palisade::inventory::asset::{Module, Provider};
use palisade::inventory::snapshot::Snapshot;
use palisade::plan::hook::{AssetHook, HookError, Provides};
use palisade::plan::planner::{Outcome, PlanError};

use super::world::{Make, World, addresses, inventory, removals};

type Function<T> = fn(&str) -> Result<T, String>;

/// A hook out of plain functions over asset ids; it remembers whom it was asked about.
#[derive(Default)]
struct Plain {
    filter: Option<Function<bool>>,
    order: Option<Function<i64>>,
    rate: Option<Function<i64>>,
    annotate: Option<Function<Vec<(String, String)>>>,
    asked: Mutex<BTreeSet<String>>,
}

impl Plain {
    fn call<T>(&self, function: Option<Function<T>>, snapshot: &Snapshot, row: u32) -> Result<T, HookError> {
        let id = snapshot.asset(row).unwrap().id().to_owned();
        self.asked.lock().unwrap().insert(id.clone());
        function.unwrap()(&id).map_err(HookError)
    }
}

impl AssetHook for Plain {
    fn provides(&self) -> Provides {
        Provides {
            filter: self.filter.is_some(),
            order: self.order.is_some(),
            rate: self.rate.is_some(),
            annotate: self.annotate.is_some(),
        }
    }

    fn filter(&self, snapshot: &Snapshot, row: u32) -> Result<bool, HookError> {
        self.call(self.filter, snapshot, row)
    }

    fn order(&self, snapshot: &Snapshot, row: u32) -> Result<i64, HookError> {
        self.call(self.order, snapshot, row)
    }

    fn rate(&self, snapshot: &Snapshot, row: u32) -> Result<i64, HookError> {
        self.call(self.rate, snapshot, row)
    }

    fn annotate(&self, snapshot: &Snapshot, row: u32) -> Result<Vec<(String, String)>, HookError> {
        self.call(self.annotate, snapshot, row)
    }
}

fn world(targets: &str) -> World {
    let aws = |id| Make::new(Provider::Aws, id);
    let clauses = format!("filter = \"owner.rhai\"\nexclude_addresses = [192.0.2.4]\n{targets}");
    World::of(
        Provider::Aws,
        &clauses,
        inventory([
            aws("a1").public("192.0.2.1"),
            aws("a2").public("192.0.2.2"),
            aws("a3").public("192.0.2.1").public("192.0.2.3"),
            aws("a4").public("192.0.2.4"),
            aws("a5").modules(&[Module::Pc]).public("192.0.2.5"),
            aws("a6").private("10.0.0.6"),
            aws("a7").connector("other").public("192.0.2.7"),
        ]),
    )
}

#[test]
fn a_hook_that_says_yes_to_everything_changes_nothing() {
    let world = world("");
    let plain = world.plan();
    let hook = Plain {
        filter: Some(|_| Ok(true)),
        rate: Some(|_| Ok(i64::MAX)),
        order: Some(|_| Ok(0)),
        annotate: Some(|_| Ok(vec![("target".into(), "198.51.100.1".into())])),
        ..Plain::default()
    };
    let hooked = world.try_plan(Some(&hook), None).unwrap();
    assert_eq!((&hooked.targets, &hooked.hash, &hooked.removed), (&plain.targets, &plain.hash, &plain.removed));
    assert_eq!((hooked.rates.len(), hooked.cost), (0, plain.cost));
    // It never hears of assets that are out already.
    let asked: Vec<String> = hook.asked.into_inner().unwrap().into_iter().collect();
    assert_eq!(asked, ["a1", "a2", "a3", "a4", "a6"]);
}

#[test]
fn it_takes_away_orders_and_slows() {
    let hook = Plain {
        filter: Some(|id| Ok(id != "a2")),
        order: Some(|id| Ok(if id == "a3" { -5 } else { 5 })),
        rate: Some(|id| {
            Ok(match id {
                "a1" => 50,
                "a3" => -9,
                _ => 7_000,
            })
        }),
        annotate: Some(|id| Ok(vec![("owner".into(), format!("team of {id}"))])),
        ..Plain::default()
    };
    let plan = world("").try_plan(Some(&hook), None).unwrap();
    plan.check_sums().unwrap();
    assert_eq!(addresses(&plan), ["192.0.2.3", "192.0.2.1"]);
    // a3 shares the address of a1 and asks for less; below one packet a second there would be no scan.
    assert_eq!(plan.rates.into_iter().collect::<Vec<_>>(), [(0, 1), (1, 1)]);
    assert_eq!(plan.cost.seconds, plan.cost.per_host_max);
    let owners: Vec<&str> = plan.annotations.iter().map(|(_, _, v)| &**v).collect();
    assert_eq!(owners, ["team of a1", "team of a3", "team of a4", "team of a6"]);
    insta::assert_snapshot!(plan.removed.iter().find(|r| &*r.asset == "a2").unwrap().reason, @"hook returned false");
}

#[test]
fn where_any_function_fails_the_asset_is_out() {
    fn broken<T>(id: &str) -> Result<T, String> {
        Err(format!("too many operations on {id}"))
    }
    let hooks = [
        Plain { filter: Some(broken), ..Plain::default() },
        Plain { order: Some(broken), ..Plain::default() },
        Plain { rate: Some(broken), ..Plain::default() },
        Plain { annotate: Some(broken), ..Plain::default() },
    ];
    for hook in &hooks {
        let plan = world("").try_plan(Some(hook), None).unwrap();
        assert_eq!((plan.submitted, plan.targets.len()), (0, 0));
        assert!(removals(&plan).contains("submit a1: hook failed: too many operations on a1 (edge.pal:"));
        let error = world("on_hook_error = fail").try_plan(Some(hook), None).unwrap_err();
        assert_eq!(error, PlanError::Hook { asset: "a1".into(), error: HookError("too many operations on a1".into()) });
        assert_eq!((error.outcome(), error.code()), (Outcome::Usage, "P0404"));
    }
}
