//! The counts, with the reason of each loss.

use std::collections::BTreeMap;

use palisade::base::limits::Limits;
use palisade::inventory::asset::{Module, Provider, Value};
use palisade::inventory::catalogue::ids;
use palisade::inventory::partition::PartitionState;
use palisade::plan::plan::{Launch, Plan};
use palisade::plan::planner::{Outcome, plan};
use palisade::plan::why::{find, why_load_balancer};

use super::world::{Make, Recorded, World, addresses, inventory, job, load_balancer, now, partition, removals};

fn counts(plan: &Plan) -> [u64; 4] {
    plan.check_sums().unwrap();
    [plan.identified, plan.qualified, plan.submitted, plan.targets.len() as u64]
}

/// How many left for which reason.
fn reasons(plan: &Plan) -> String {
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for r in &plan.removed {
        *counts.entry((r.stage.as_str(), &r.reason)).or_default() += 1;
    }
    counts.into_iter().map(|((stage, reason), n)| format!("{n} {stage}: {reason}\n")).collect()
}

/// The review screen of the guide: 23, 9, 8. Guide rule I7.
#[test]
fn the_worked_example() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/");
    let text = std::fs::read_to_string(format!("{root}3-azure/edge.pal")).unwrap();
    let bytes = std::fs::read(format!("{root}inventory/azure-23.json")).unwrap();
    let mut connector = crate::connector::dump::lab();
    connector.name = "QWEB Azure Connector".into();
    let files: [(&str, &[u8]); 1] = [("azure-23.json", &bytes)];
    let (input, notices) = crate::connector::dump::read_with(&connector, &Limits::default(), &files);
    assert_eq!(notices, []);
    let world = World::new(&text, input);
    let plan = world.plan();
    assert_eq!(counts(&plan), [23, 9, 8, 8]);
    assert_eq!(plan.launch, Launch::Ready);
    insta::assert_snapshot!(reasons(&plan), @r#"
    4 identify: not public-facing
    12 qualify: has not any of the tags "Test-176"
    2 qualify: state is DELETED
    1 submit: not activated for VM
    "#);
}

#[test]
fn each_clause_gives_its_reason() {
    let aws = |id| {
        Make::new(Provider::Aws, id).with(ids::AWS_VPC, "vpc-1").env("prod").public(&format!("192.0.2.{}", &id[1..]))
    };
    let fleet = inventory([
        aws("a1"),
        aws("a2").with(ids::AWS_STATE, "TERMINATED"),
        aws("a3").with(ids::AWS_REGION, "us-east-2"),
        aws("a4").without(ids::AWS_VPC),
        aws("a5").env("dev"),
        aws("a6").modules(&[Module::Pc]),
        aws("a7").with(ids::AWS_TYPE, "t3.large"),
        aws("a8").public("203.0.113.8"),
        Make::new(Provider::Aws, "a9").with(ids::AWS_VPC, "vpc-1").env("prod").private("10.0.0.9"),
        aws("b1").connector("other"),
    ]);
    let clauses = "    platform = vpc_all\n    regions = [\"US East (N. Virginia)\"]\n    include = any [\"Prod\"]\n    \
                   where = not aws.ec2.instanceType: t3.large\n    exclude_addresses = [203.0.113.0/24, 192.0.2.8]";
    let world = World::of(Provider::Aws, clauses, fleet);
    let plan = world.plan();
    assert_eq!(counts(&plan), [9, 4, 3, 1]);
    assert_eq!(addresses(&plan), ["192.0.2.1"]);
    insta::assert_snapshot!(removals(&plan), @r#"
    qualify a2: state is TERMINATED (-) ["aws.ec2.instanceState: TERMINATED"]
    qualify a3: region is not US East (N. Virginia) (us-east-1) (edge.pal:9:16) ["aws.ec2.region.code: us-east-2"]
    qualify a4: EC2 Classic, not in a VPC (edge.pal:8:5) ["aws.ec2.vpcId is null"]
    qualify a5: has not any of the tags "Prod" (edge.pal:10:5) ["tags.name: Listed"]
    submit a6: not activated for VM (edge.pal:4:1) ["activatedForModules: PC"]
    qualify a7: `where` does not hold (edge.pal:11:13) ["`not aws.ec2.instanceType: t3.large` does not hold [aws.ec2.instanceType: t3.large]"]
    target a8: every address is excluded (edge.pal:12:42) ["192.0.2.8"]
    target a9: no public name or address (-) ["10.0.0.9 is private"]
    "#);
    let warrant = plan.targets[0].warrant();
    insta::assert_snapshot!(format!("{} {} {} until {}", warrant.asset, warrant.interface, warrant.clause, warrant.expires), @"a1 nic-a1 edge.pal:11:13 until 2026-03-31T00:00:00Z");
    let story = |asset: &str| {
        let why = world.why(&plan, asset);
        let steps: Vec<String> = why.steps.iter().map(|s| format!("{}={} {}", s.name, s.passed, s.text)).collect();
        format!("{asset}: {} | {}\n", steps.join(", ").trim(), why.change.unwrap_or_default())
    };
    let all: String = ["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9", "b1"].into_iter().map(story).collect();
    insta::assert_snapshot!(all, @r#"
    a1: identified=true , qualified=true , submitted=true , target=true 192.0.2.1 | 
    a2: identified=true , qualified=false state is TERMINATED | it would qualify if it were not terminated
    a3: identified=true , qualified=false region is not US East (N. Virginia) (us-east-1) | it would qualify if `regions` held us-east-2
    a4: identified=true , qualified=false EC2 Classic, not in a VPC | it would qualify if `platform` were ec2_classic
    a5: identified=true , qualified=false has not any of the tags "Prod" | it would be included if one element of `aws.tags` passed (key: env and value: prod) (tag "Prod")
    a6: identified=true , qualified=true , submitted=false not activated for VM | it would be submitted if it were activated for VM
    a7: identified=true , qualified=false `where` does not hold | it would pass `where` if `aws.ec2.instanceType` were not t3.large
    a8: identified=true , qualified=true , submitted=true , target=false every address is excluded | it would be a target if one of its addresses were not excluded
    a9: identified=true , qualified=true , submitted=true , target=false no public name or address | it would be a target if it had a public address
    b1: identified=false it is no AWS asset of connector `c` | it would be identified if the scan named connector `other`
    "#);
}

/// A canary is a target of the plan, in its hash, its cost and its page; an asset that is no target is none.
#[test]
fn canaries_are_targets() {
    let aws =
        |id: &str, addr| Make::new(Provider::Aws, id).with(ids::NAME, &format!("name-{id}")).env("prod").public(addr);
    let fleet = || {
        let mut dev = aws("a3", "192.0.2.3").env("dev");
        dev.0.fields.retain(|f| f.token != ids::AWS_TAG_KEY);
        inventory([aws("a1", "192.0.2.1"), aws("a2", "192.0.2.2"), dev])
    };
    let of = |canary: &str| {
        let targets = format!("    include = any [\"Prod\"]\n{canary}");
        let world = World::of(Provider::Aws, &targets, fleet());
        let plan = world.plan();
        let page = palisade::report::plan_text::review(&plan, &world.program.scans[0]);
        let line = page.lines().find(|l| l.starts_with("Canary")).unwrap_or("-").to_owned();
        (plan, line)
    };
    let (without, line) = of("");
    assert_eq!((&without.canaries, line.as_str()), (&None, "-"));
    let (plan, line) = of("    canary { where = name: *a2; tcp = [80, 443] }");
    assert_eq!(addresses(&plan), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(plan.canaries.as_ref().unwrap().pairs, [(1, 80), (1, 443)]);
    assert_eq!(line, "Canary: 192.0.2.2 tcp 80, 192.0.2.2 tcp 443  (edge.pal:9:5)");
    let packets = without.cost.packets_max;
    assert_eq!(plan.cost.packets_max, packets + 200 + packets / 100);
    assert_ne!(plan.hash, without.hash);
    let (other, line) = of("    canary { where = name: *a3; tcp = 443 }");
    assert_eq!(other.canaries.as_ref().unwrap().pairs, []);
    assert_eq!(line, "Canary: no target matches, so only ports found open can tell a loss  (edge.pal:9:5)");
    assert_eq!((other.cost, &other.hash), (without.cost, &without.hash), "nothing more is sent");
}

#[test]
fn assets_are_found_by_id_and_name() {
    let aws = |id| Make::new(Provider::Aws, id);
    let mut fleet = inventory([aws("i-0abc01"), aws("i-0abc02"), aws("i-0abc03")]);
    for asset in fleet.assets.iter_mut().skip(1) {
        asset.name = Some("web".into());
    }
    for asset in fleet.assets.iter_mut() {
        let name = asset.name.clone().unwrap();
        asset.fields.iter_mut().filter(|f| f.token == ids::NAME).for_each(|f| f.value = Value::Str(name.clone()));
    }
    let world = World::of(Provider::Aws, "load_balancers = [\"lb.example.com\"]", fleet);
    let found = |text: &str| find(&world.snapshot, text).map_err(|e| e.to_string());
    assert_eq!((found("i-0abc01"), found("name-i-0abc01")), (Ok(0), Ok(0)));
    assert_eq!(found("web").unwrap_err(), "`web` is the name of several assets; say which: i-0abc02, i-0abc03");
    assert_eq!(
        found("i-0abd01").unwrap_err(),
        "there is no asset `i-0abd01` in the inventory; nearest: i-0abc01, i-0abc02, i-0abc03"
    );
    assert_eq!(found("elsewhere").unwrap_err(), "there is no asset `elsewhere` in the inventory");
    let why = why_load_balancer(&world.plan(), "LB.example.com").unwrap();
    assert_eq!((why.steps[0].passed, &*why.steps[0].text), (false, "names are not resolved in this plan"));
    assert_eq!(why_load_balancer(&world.plan(), "www.example.com"), None);
}

#[test]
fn what_was_not_read_is_never_in_and_never_silent() {
    let aws = |id| Make::new(Provider::Aws, id).public(&format!("192.0.2.{}", &id[1..]));
    let mut fleet = inventory([aws("a1").env("prod"), aws("a2").partition(1), aws("a3").partition(1).env("prod")]);
    fleet.partitions.push(partition("us-east-2", PartitionState::Partial { cause: "throttled on page 2".into() }));
    for (clause, sure) in [
        ("include = any [\"Prod\"]", vec!["a1", "a3"]),
        ("exclude = any [\"Prod\"]", vec![]),
        ("platform = ec2_classic; regions = [\"us-east-1\"]", vec!["a1"]),
    ] {
        let plan = World::of(Provider::Aws, clause, fleet.clone()).plan();
        let chosen: Vec<&str> = plan.targets.iter().map(|t| &*t.warrant().asset).collect();
        assert_eq!(chosen, sure, "{clause}");
        assert!(plan.cannot_tell.iter().any(|a| &**a == "a2"), "{clause}: {:?}", plan.removed);
        assert!(
            plan.removed
                .iter()
                .any(|r| &*r.asset == "a2" && r.reason.starts_with("cannot tell: c/123456789012/us-east-2"))
        );
        plan.check_sums().unwrap();
    }
    let world = World::of(Provider::Aws, "include = any [\"Prod\"]\non_gap = fail", fleet.clone());
    let error = world.try_plan(None, None).unwrap_err();
    assert_eq!((error.outcome(), error.code()), (Outcome::Incomplete, "P0403"));
    // A gap in a region that the job does not take is none of its business.
    let world = World::of(Provider::Aws, "regions = [\"us-east-1\"]\non_gap = fail", {
        let mut fleet = fleet;
        fleet.assets.truncate(1);
        fleet
    });
    assert_eq!(world.plan().gaps, []);
}

#[test]
fn nothing_to_scan_fails_on_aws_and_is_not_launched_on_azure() {
    for (provider, clause, launch) in [
        (Provider::Aws, "", Launch::Failed),
        (Provider::Azure, "", Launch::NotLaunched),
        (Provider::Gcp, "", Launch::NotLaunched),
        (Provider::Aws, "on_no_targets = skip", Launch::NotLaunched),
        (Provider::Azure, "on_no_targets = fail", Launch::Failed),
    ] {
        let plan = World::of(provider, clause, inventory([Make::new(provider, "a1").private("10.0.0.1")])).plan();
        assert_eq!((plan.launch, plan.targets.len()), (launch, 0), "{provider:?} {clause}");
        plan.check_sums().unwrap();
    }
    let names = Recorded::new(&[("www.example.com", &["192.0.2.80"])]);
    let world = World::of(Provider::Aws, "load_balancers = [\"www.example.com\"]", inventory([]));
    let plan = world.try_plan(None, Some(&names)).unwrap();
    assert_eq!((plan.launch, counts(&plan)), (Launch::Ready, [0, 0, 0, 1]));
}

#[test]
fn every_public_address_counts_and_shared_ones_once() {
    let fleet = || {
        inventory([
            Make::new(Provider::Gcp, "a1").public("192.0.2.1").public("2001:db8::1").private("10.0.0.1"),
            Make::new(Provider::Gcp, "a2").public("::ffff:192.0.2.1").public("192.0.2.2"),
            Make::new(Provider::Gcp, "a3").public("2001:db8::3"),
            Make::new(Provider::Gcp, "a4").with(ids::GCP_STATE, "TERMINATED").public("192.0.2.4"),
        ])
    };
    let plan = World::of(Provider::Gcp, "", fleet()).plan();
    // GCP's TERMINATED is stopped, not gone.
    assert_eq!(counts(&plan), [4, 4, 4, 5]);
    assert_eq!(addresses(&plan), ["192.0.2.1", "2001:db8::1", "192.0.2.2", "2001:db8::3", "192.0.2.4"]);
    assert_eq!((plan.additional, plan.merged.len()), (2, 1));
    let plan = World::of(Provider::Gcp, "ipv6 = false", fleet()).plan();
    assert_eq!(addresses(&plan), ["192.0.2.1", "192.0.2.2", "192.0.2.4"]);
    assert_eq!(&*plan.removed[0].reason, "its public addresses are IPv6, which the scan leaves out");
}

#[test]
fn zones_regions_and_display_names() {
    let one = |p, asset: Make, clause: &str| World::of(p, clause, inventory([asset])).plan().qualified;
    let gcp = || Make::new(Provider::Gcp, "a1");
    assert_eq!(one(Provider::Gcp, gcp(), "regions = [\"us-central1\"]"), 1);
    assert_eq!(one(Provider::Gcp, gcp(), "regions = [\"us-central1-a\"]"), 1);
    assert_eq!(one(Provider::Gcp, gcp(), "regions = [\"us-central1-b\"]"), 0);
    let azure = || Make::new(Provider::Azure, "a1").public("192.0.2.1");
    assert_eq!(one(Provider::Azure, azure(), "regions = [\"West US\"]"), 1);
    assert_eq!(one(Provider::Azure, azure(), "regions = [\"West US 2\"]"), 0);
    let aws = || Make::new(Provider::Aws, "a1").with(ids::AWS_VPC, "vpc-1");
    assert_eq!(one(Provider::Aws, aws(), "platform = vpc_selected; vpc = [\"VPC-1\"]"), 1);
    assert_eq!(one(Provider::Aws, aws(), "platform = ec2_classic; regions = [\"us-east-1\"]"), 0);
}

#[test]
fn refusals_before_planning() {
    let fleet = || inventory([Make::new(Provider::Azure, "a1").public("192.0.2.1")]);
    let mut world = World::of(Provider::Azure, "max_inventory_age = 4h", fleet());
    let later = now() + jiff::SignedDuration::from_hours(5);
    let error = plan(&world.input(None, None, later)).unwrap_err();
    assert_eq!((error.outcome(), error.code()), (Outcome::Incomplete, "P0402"));
    assert_eq!(error.to_string(), "the inventory is 5h old, and `max_inventory_age` is 4h; record or sync it again");
    world.program.workspace.features.pop();
    let error = world.try_plan(None, None).unwrap_err();
    assert_eq!((error.outcome(), error.code()), (Outcome::Usage, "P0406"));
    assert!(error.to_string().contains("`azure_perimeter`"));
    // The provider is not said in the job, so analysis could not know that the switch is needed.
    let text = format!(
        "workspace {{ features = [cloud_perimeter, ec2_scanning, scan_by_hostname] }}\n{}",
        job(Provider::Azure, "")
    );
    let world = World::new(&text.replace("  provider = azure\n", ""), fleet());
    assert_eq!(world.try_plan(None, None).unwrap_err().code(), "P0406");
    let world = World::of(Provider::Azure, "", fleet());
    world.stop.raise();
    assert_eq!(world.try_plan(None, None).unwrap_err().code(), "P0407");
}

#[test]
fn the_hash_moves_with_what_is_approved_and_with_nothing_else() {
    let fleet = || {
        inventory([
            Make::new(Provider::Aws, "a1").public("192.0.2.1"),
            Make::new(Provider::Aws, "a2").public("192.0.2.2"),
        ])
    };
    let base = World::of(Provider::Aws, "", fleet());
    let hash = base.plan().hash;
    assert_eq!(plan(&base.input(None, None, now() + jiff::SignedDuration::from_hours(9))).unwrap().hash, hash);
    let mut reversed = fleet();
    reversed.assets.reverse();
    assert_eq!(World::of(Provider::Aws, "", reversed).plan().hash, hash);
    let text = job(Provider::Aws, "");
    let commented = format!("{text}\n# a comment\n");
    assert_eq!(World::new(&commented, fleet()).plan().hash, hash);
    let with_profile = |inside: &str| {
        let text = text.replace("  provider = aws\n", "  provider = aws\n  profile = \"P\"\n");
        World::new(&format!("{text}profile \"P\" {{ {inside} }}"), fleet()).plan().hash
    };
    let mut hashes = vec![
        hash,
        World::of(Provider::Aws, "exclude_addresses = [203.0.113.7]", fleet()).plan().hash,
        World::of(Provider::Aws, "exclude_addresses = [192.0.2.2]", fleet()).plan().hash,
        with_profile("tcp = [22]; ping = [tcp(80)]"),
        with_profile("tcp = [23]; ping = [tcp(80)]"),
        with_profile("tcp = [22]; ping = [tcp(81)]"),
        with_profile("tcp = [22]; ping = [tcp(80)]; retries = 5"),
        with_profile("tcp = [22]; ping = [tcp(80)]; checks = [tls]"),
        with_profile("tcp = [22]; ping = [tcp(80)]; consent = [safe, auth]"),
    ];
    let all = hashes.len();
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), all);
}

#[test]
fn load_balancers_from_the_inventory_are_those_of_this_connector_that_serve_the_internet() {
    let mut fleet = inventory([]);
    let mut inner = load_balancer("inner.example.com", &["192.0.2.3"]);
    inner.internet_facing = false;
    let mut off = load_balancer("off.example.com", &["192.0.2.4"]);
    off.active = false;
    let mut other = load_balancer("other.example.com", &["192.0.2.5"]);
    other.connector = "other".into();
    fleet.load_balancers = vec![load_balancer("on.example.com", &["192.0.2.1"]), inner, off, other];
    let world = World::of(
        Provider::Aws,
        "load_balancers_from_connector = true\nload_balancers = [\"ON.example.com.\"]",
        fleet.clone(),
    );
    assert_eq!(addresses(&world.plan()), ["192.0.2.1"]);
    assert_eq!(addresses(&World::of(Provider::Aws, "load_balancers = [\"x.example.com\"]", fleet).plan()), [""; 0]);
}

#[test]
fn every_code_about_plans_is_in_the_table() {
    let codes: Vec<&str> = palisade::base::codes::all().map(|c| c.code).filter(|c| c.starts_with("P04")).collect();
    assert_eq!(codes, ["P0401", "P0402", "P0403", "P0404", "P0405", "P0406", "P0407", "P0408"]);
}
