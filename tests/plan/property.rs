//! Random inventories, jobs, exclusions and name servers: whatever they hold, the plan adds up, every target is ours,
//! and none is excluded. Decisions 1 to 3 of the architecture.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use palisade::inventory::asset::{AddressScope, Module, Provider};
use palisade::inventory::catalogue::ids;
use palisade::inventory::partition::PartitionState;
use palisade::inventory::snapshot::{Snapshot, SnapshotInput};
use palisade::plan::hook::{AssetHook, HookError, Provides};
use palisade::plan::plan::{Plan, Stage};
use palisade::plan::target::TargetKind;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::world::{Make, Recorded, World, inventory, load_balancer, partition};

/// Few enough that they meet often.
const ADDRESSES: &[&str] = &[
    "192.0.2.1",
    "192.0.2.2",
    "192.0.2.3",
    "192.0.2.9",
    "198.51.100.1",
    "198.51.100.2",
    "2001:db8::1",
    "2001:db8::2",
    "::ffff:192.0.2.1",
    "10.0.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "fd00::1",
];

const NAMES: &[&str] = &["n0.example.com", "n1.example.com", "n2.example.com", "n3.example.com"];

const CLAUSES: &[&str] = &[
    "include = any [\"Prod\", \"Listed\"]",
    "exclude = all [\"Prod\", \"Listed\"]",
    "where = not name: \"name-a2\"",
    "exclude_addresses = [192.0.2.2, 2001:db8::2, 198.51.100.0/30]",
    "load_balancers = [\"n0.example.com\", \"lb.example.com\"]",
    "load_balancers_from_connector = true",
    "ipv6 = false",
];

const REGIONS: &[&str] = &[
    "platform = vpc_all; regions = [\"us-east-1\"]",
    "platform = ec2_classic; regions = [\"us-east-1\", \"us-east-2\"]",
    "platform = vpc_selected; vpc = [\"vpc-1\"]",
    "regions = [\"us-east-2\"]",
    "",
];

fn scope() -> impl Strategy<Value = AddressScope> {
    select(vec![AddressScope::Public, AddressScope::Public, AddressScope::Private, AddressScope::Unproven])
}

fn asset(provider: Provider, number: usize) -> impl Strategy<Value = Make> {
    let address = (select(ADDRESSES), scope(), proptest::option::of(select(NAMES)));
    (
        proptest::collection::vec(address, 0..4),
        select(vec!["RUNNING", "RUNNING", "STOPPED", "TERMINATED", "DELETED"]),
        (any::<bool>(), any::<bool>(), any::<bool>()),
        subsequence(vec![Module::Vm, Module::Pc], 0..=2),
        (0u32..2, select(vec!["c", "c", "c", "other"])),
    )
        .prop_map(move |(addresses, state, (prod, vpc, elsewhere), modules, (part, connector))| {
            let state_token = match provider {
                Provider::Aws => ids::AWS_STATE,
                Provider::Azure => ids::AZURE_STATE,
                Provider::Gcp => ids::GCP_STATE,
            };
            let mut make = Make::new(provider, &format!("a{number}")).with(state_token, state).modules(&modules);
            for (addr, scope, name) in addresses {
                make = make.address(addr, scope, name);
            }
            if prod {
                make = make.env("prod");
            }
            if vpc && provider == Provider::Aws {
                make = make.with(ids::AWS_VPC, "vpc-1");
            }
            if elsewhere && provider == Provider::Aws {
                make = make.with(ids::AWS_REGION, "us-east-2");
            }
            make.partition(part).connector(connector)
        })
}

#[derive(Debug, Clone)]
struct Case {
    provider: Provider,
    clauses: String,
    input: SnapshotInput,
    answers: BTreeMap<String, Vec<IpAddr>>,
    hook: Option<u8>,
}

fn case() -> impl Strategy<Value = Case> {
    let provider = select(Provider::ALL.to_vec());
    let fleet = provider.prop_flat_map(|p| {
        (Just(p), (0usize..9).prop_flat_map(move |n| (0..n).map(|i| asset(p, i)).collect::<Vec<_>>()))
    });
    let answer = proptest::collection::vec(select(ADDRESSES), 0..4);
    (
        fleet,
        subsequence(CLAUSES, 0..=CLAUSES.len()),
        select(REGIONS),
        proptest::collection::btree_map(select([NAMES, &["lb.example.com"]].concat()), answer, 0..5),
        proptest::collection::vec(select(ADDRESSES), 0..3),
        any::<bool>(),
        proptest::option::of(any::<u8>()),
    )
        .prop_map(|((provider, assets), clauses, regions, answers, published, complete, hook)| {
            let mut input = inventory(assets);
            let denied = PartitionState::Denied { cause: "not authorised".into() };
            input.partitions.push(partition("us-east-2", if complete { PartitionState::Complete } else { denied }));
            input.load_balancers = vec![load_balancer("n3.example.com", &published)];
            let regions = if provider == Provider::Aws { regions } else { "" };
            let parse = |list: Vec<&str>| list.into_iter().map(|a| a.parse().unwrap()).collect();
            let answers = answers.into_iter().map(|(n, list)| (n.to_owned(), parse(list))).collect();
            Case { provider, clauses: format!("{regions}\n{}", clauses.join("\n")), input, answers, hook }
        })
}

/// Answers from a number's bits, sometimes with an error.
struct Wild(u8);

impl Wild {
    fn bits(&self, row: u32) -> u8 {
        self.0.rotate_left(row % 8)
    }
}

impl AssetHook for Wild {
    fn provides(&self) -> Provides {
        Provides { filter: true, order: true, rate: true, annotate: true }
    }
    fn filter(&self, _: &Snapshot, row: u32) -> Result<bool, HookError> {
        if self.bits(row) & 3 == 0 { Err(HookError("odd".into())) } else { Ok(self.bits(row) & 4 == 0) }
    }
    fn order(&self, _: &Snapshot, row: u32) -> Result<i64, HookError> {
        Ok(i64::from(self.bits(row)) - 100)
    }
    fn rate(&self, _: &Snapshot, row: u32) -> Result<i64, HookError> {
        Ok(i64::from(self.bits(row)) * 100 - 50)
    }
    fn annotate(&self, _: &Snapshot, _: u32) -> Result<Vec<(String, String)>, HookError> {
        Ok(Vec::new())
    }
}

/// Addresses that the inventory ties to the job's connector's own assets.
fn own(case: &Case) -> BTreeMap<IpAddr, BTreeSet<String>> {
    let mut own: BTreeMap<IpAddr, BTreeSet<String>> = BTreeMap::new();
    for asset in case.input.assets.iter().filter(|a| &*a.connector == "c") {
        for address in asset.interfaces.iter().flat_map(|i| &i.addresses).filter(|a| a.scope == AddressScope::Public) {
            own.entry(address.addr.to_canonical()).or_default().insert(asset.id.to_string());
        }
    }
    own
}

fn every_target_is_ours(case: &Case, world: &World, plan: &Plan) -> Result<(), TestCaseError> {
    let own = own(case);
    let published: Vec<IpAddr> = case.input.load_balancers[0].addresses.iter().map(|a| a.to_canonical()).collect();
    let mut met = BTreeSet::new();
    for target in &plan.targets {
        let (addr, warrant) = (target.addr(), target.warrant());
        prop_assert!(met.insert(addr), "{} twice", addr);
        prop_assert_eq!(addr, addr.to_canonical());
        prop_assert!(!plan.exclusions.contains(addr), "{} is excluded", addr);
        for excluded in &world.program.scans[0].targets.exclude_addresses {
            prop_assert!(!excluded.value.contains(addr), "{} is excluded", addr);
        }
        prop_assert!(addr.is_ipv4() || world.program.scans[0].targets.ipv6);
        match target.kind() {
            TargetKind::Asset => {
                prop_assert!(
                    own.get(&addr).is_some_and(|ids| ids.contains(&*warrant.asset)),
                    "{} is not {}'s",
                    addr,
                    warrant.asset
                );
                prop_assert!(!plan.removed.iter().any(|r| r.asset == warrant.asset));
            }
            TargetKind::LoadBalancer => {
                let name = warrant.asset.to_string();
                let answered = case.answers.get(&name).is_some_and(|l| l.iter().any(|a| a.to_canonical() == addr));
                let known = name == "n3.example.com" && published.contains(&addr);
                prop_assert!(answered || known);
                let inside = ["10.0.0.1", "127.0.0.1", "169.254.169.254", "fd00::1"].contains(&&*addr.to_string());
                prop_assert!(!inside || known, "{} is inside", addr);
            }
        }
        prop_assert!(warrant.given < warrant.expires);
    }
    Ok(())
}

fn every_asset_is_accounted_for(case: &Case, plan: &Plan) -> Result<(), TestCaseError> {
    let targets: BTreeSet<&str> = plan.targets.iter().map(|t| &*t.warrant().asset).collect();
    let merged: BTreeSet<&str> = plan.merged.iter().map(|m| &*m.asset).collect();
    for asset in &case.input.assets {
        let removals = plan.removed.iter().filter(|r| r.asset == asset.id).count();
        let used = targets.contains(&*asset.id) || merged.contains(&*asset.id);
        let foreign = &*asset.connector != "c";
        prop_assert_eq!(removals + usize::from(used), usize::from(!foreign), "{}", asset.id);
    }
    let identified = plan.removed.iter().filter(|r| r.stage != Stage::Identify).count();
    prop_assert!(identified as u64 <= plan.identified + plan.load_balancers.len() as u64);
    for unsure in &plan.cannot_tell {
        prop_assert!(plan.removed.iter().any(|r| r.asset == *unsure && r.reason.starts_with("cannot tell: ")));
    }
    prop_assert!(plan.cannot_tell.is_empty() || !plan.gaps.is_empty());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn plans_add_up_and_stay_inside_their_warrants(case in case()) {
        let world = World::of(case.provider, &case.clauses, case.input.clone());
        let names = Recorded { answers: case.answers.clone(), ..Recorded::default() };
        let hook = case.hook.map(Wild);
        let hook = hook.as_ref().map(|h| h as &dyn AssetHook);
        let plan = world.try_plan(hook, Some(&names)).unwrap();
        prop_assert_eq!(plan.check_sums(), Ok(()));
        every_target_is_ours(&case, &world, &plan)?;
        every_asset_is_accounted_for(&case, &plan)?;
        for rate in plan.rates.values() {
            prop_assert!((1..1_000).contains(rate), "the profile allows 1,000/s to one address, the hook {}", rate);
        }
        // A hook only narrows.
        let unhooked = world.try_plan(None, Some(&names)).unwrap();
        let free: BTreeSet<IpAddr> = unhooked.targets.iter().map(|t| t.addr()).collect();
        prop_assert!(plan.targets.iter().all(|t| free.contains(&t.addr())));
        // Row order is the snapshot's own, so the order of the records is no part of the plan.
        let mut turned = case.input.clone();
        turned.assets.reverse();
        let turned = World::of(case.provider, &case.clauses, turned);
        prop_assert_eq!(turned.try_plan(None, Some(&names)).unwrap().hash, unhooked.hash);
    }
}
