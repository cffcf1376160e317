//! From sync to query and plan, through the store.

use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use palisade::connector::live::open::OpenError;
use palisade::inventory::partition::Kind;
use palisade::lang::job::Connector;
use palisade::lang::query::check::Dialect;
use palisade::lang::query::predicate::Moment;
use palisade::plan::plan::Plan;
use palisade::run::ask;
use palisade::run::inventory::{self, Loaded};
use palisade::run::pipeline::Prepared;
use palisade::run::sync::{self, Synced};
use palisade::store::Store;

use super::cloud::{Answer, PLACES, Place, start};

const HOUR: Duration = Duration::from_secs(3600);

impl Place {
    pub fn connector(&self) -> &Connector {
        &self.workspace.program.connectors[0]
    }

    pub fn store(&self) -> Store {
        Store::open(&self.env().state).unwrap()
    }

    pub fn sync(&self) -> Synced {
        sync::sync(&self.workspace, self.connector(), &mut self.store(), &self.env()).unwrap()
    }

    /// The ids that match, and those that cannot be told with their gaps.
    fn ask(&self, loaded: &Loaded, text: &str) -> String {
        let env = self.env();
        let asked = ask::ask(text, &self.workspace, &env, Dialect::Default);
        let predicate = asked.predicate.unwrap();
        let moment = Moment { now: env.clock.now(), tags: Some(&loaded.tags) };
        let found = ask::membership(loaded, Some(&predicate), &moment);
        let answer = ask::answer(loaded, &found, Some(&predicate), &[], &moment);
        let mut out = String::new();
        answer.matched.iter().for_each(|r| writeln!(out, "in {}", r.id).unwrap());
        for unsure in &answer.cannot_tell {
            let gaps: Vec<String> = unsure.gaps.iter().map(|g| format!("{} {}", g.partition, g.cause)).collect();
            writeln!(out, "cannot tell {}: {}", unsure.id, gaps.join("; ")).unwrap();
        }
        out
    }

    pub fn prepared(&self) -> Prepared<'_> {
        let env = self.env();
        Prepared::new(&self.workspace, &self.workspace.program.scans[0], None, env.clock.now(), &env).unwrap()
    }

    pub fn plan(&self) -> Plan {
        self.prepared().plan(&self.env()).unwrap()
    }

    fn files(&self) -> usize {
        fs::read_dir(self.env().state.join("snapshots")).unwrap().count()
    }
}

fn changes(synced: &Synced) -> String {
    let line = |(c, detail): &(palisade::inventory::reconcile::Change, String)| {
        format!("{} {} {} {} {detail}\n", c.what.as_str(), c.id, c.account, c.region)
    };
    synced.changes.iter().map(line).collect()
}

#[test]
fn a_refused_region_is_a_gap_and_its_records_stay() {
    let place = Place::new("refused", "scan \"s\" {\n  connector = \"c\"\n}");
    {
        let mut cloud = place.cloud.cloud();
        cloud.vm("i-1", PLACES[0], "203.0.113.1");
        cloud.vm("i-2", PLACES[1], "203.0.113.2");
        cloud.vm("i-3", PLACES[1], "203.0.113.3");
        cloud.vm("i-4", PLACES[3], "203.0.113.4");
    }
    let first = place.sync();
    assert!(first.is_complete() && first.counts.came == 4);
    assert_eq!(place.plan().targets.len(), 4);

    place.cloud.advance(HOUR);
    {
        let mut cloud = place.cloud.cloud();
        cloud.answers.insert((PLACES[1].0, PLACES[1].1, Kind::Instances), Answer::Denied);
        cloud.machines.remove("i-3");
        cloud.machines.remove("i-4");
        cloud.machines.get_mut("i-1").unwrap().tag = "b".into();
    }
    let second = place.sync();
    assert!(!second.is_complete());
    insta::assert_snapshot!(changes(&second), @r"
    changed i-1 111111111111 us-east-1 aws.tags.value: name-i-1, a -> name-i-1, b
    kept i-2 111111111111 eu-west-1 
    kept i-3 111111111111 eu-west-1 
    went i-4 222222222222 eu-west-1 
    ");
    let env = place.env();
    let loaded = inventory::from_connectors(&place.workspace, &[], None, env.clock.now(), &env).unwrap();
    insta::assert_snapshot!(place.ask(&loaded, "aws.ec2.instanceState: RUNNING"), @r"
    in i-1
    cannot tell i-2: c/111111111111/eu-west-1/instances denied: as the test says; its records are kept from 2026-03-30T00:00:00Z
    cannot tell i-3: c/111111111111/eu-west-1/instances denied: as the test says; its records are kept from 2026-03-30T00:00:00Z
    ");
    insta::assert_snapshot!(place.ask(&loaded, "aws.ec2.region.code: us-east-1"), @"in i-1");
    let plan = place.plan();
    let targets: Vec<String> = plan.targets.iter().map(|t| t.addr().to_string()).collect();
    assert_eq!(targets, ["203.0.113.1"], "nothing is sent to where an asset was");
    assert_eq!(plan.cannot_tell.iter().map(|a| &**a).collect::<Vec<_>>(), ["i-2", "i-3"]);
    let gaps: Vec<String> = plan.gaps.iter().map(|g| format!("{} {}", g.partition, g.cause)).collect();
    assert_eq!(
        gaps,
        ["c/111111111111/eu-west-1/instances denied: as the test says; its records are kept from 2026-03-30T00:00:00Z"]
    );

    // Twice refused, and the records are as old as they were.
    place.cloud.advance(HOUR);
    assert_eq!(place.sync().counts.kept, 2);
    let loaded = inventory::from_connectors(&place.workspace, &[], None, env.clock.now(), &env).unwrap();
    assert!(place.ask(&loaded, "provider: AWS").contains("kept from 2026-03-30T00:00:00Z"));

    // Read again: only now is i-3 gone.
    place.cloud.cloud().answers.clear();
    place.cloud.advance(HOUR);
    let last = place.sync();
    assert!(last.is_complete());
    insta::assert_snapshot!(changes(&last), @"went i-3 111111111111 eu-west-1 ");

    let events = place.store().asset_events("i-3").unwrap();
    let lines: Vec<String> = events.iter().map(|e| format!("{} {} {}", e.true_at, e.sync, e.what)).collect();
    assert_eq!(lines, ["2026-03-30T00:00:00Z 1 came", "2026-03-30T01:00:00Z 2 kept", "2026-03-30T03:00:00Z 4 went"]);
}

#[test]
fn addresses_that_were_not_read_are_no_change_and_no_targets() {
    let place = Place::new("beside", "scan \"s\" {\n  connector = \"c\"\n}");
    place.cloud.cloud().vm("i-1", PLACES[0], "203.0.113.1");
    place.sync();
    place.cloud.advance(HOUR);
    place.cloud.cloud().answers.insert((PLACES[0].0, PLACES[0].1, Kind::Interfaces), Answer::Throttled);
    let synced = place.sync();
    assert!(!synced.is_complete());
    assert_eq!(changes(&synced), "");
    let plan = place.plan();
    let gaps: Vec<String> = plan.gaps.iter().map(|g| format!("{} {}", g.partition, g.cause)).collect();
    assert_eq!(gaps, ["c/111111111111/us-east-1/interfaces throttled: as the test says"]);
}

#[test]
fn history_answers_as_of_a_time() {
    let place = Place::new("history", "");
    let env = place.env();
    place.cloud.cloud().vm("i-1", PLACES[0], "203.0.113.1");
    let first = place.sync();
    place.cloud.advance(HOUR);
    let second = place.sync();
    assert!(second.unchanged && second.snapshot.id() == first.snapshot.id(), "nothing new is stored for nothing new");
    assert_eq!(place.files(), 1);
    assert_eq!(second.snapshot.taken_at(), env.clock.now(), "but it is as new as the sync");
    place.cloud.advance(HOUR);
    place.cloud.cloud().machines.clear();
    place.cloud.cloud().vm("i-2", PLACES[0], "203.0.113.2");
    place.sync();
    let at = |after: Duration| {
        let then = start().checked_add(after).unwrap();
        let loaded = inventory::as_of(&place.workspace, &[], (then, None), then, &env);
        loaded.map(|l| place.ask(&l, "provider: AWS")).map_err(|e| e.to_string())
    };
    assert_eq!(at(HOUR / 2).unwrap(), "in i-1\n");
    assert_eq!(at(HOUR * 2 - Duration::from_secs(1)).unwrap(), "in i-1\n");
    assert_eq!(at(HOUR * 2).unwrap(), "in i-2\n");
    let before = start().checked_sub(HOUR).unwrap();
    let none = inventory::as_of(&place.workspace, &[], (before, None), before, &env).err().unwrap().to_string();
    assert_eq!(
        none,
        "there is no snapshot of `c` from 2026-03-29T23:00:00Z or before; `palisade sync --list` shows those there are"
    );
    // What was known then: the third sync had not happened.
    let then = start().checked_add(HOUR).unwrap();
    let known = inventory::as_of(&place.workspace, &[], (env.clock.now(), Some(then)), then, &env).unwrap();
    assert_eq!(place.ask(&known, "provider: AWS"), "in i-1\n");
}

#[test]
fn plans_and_reasons_are_told_as_of_a_time() {
    let place = Place::new("past", "scan \"s\" {\n  connector = \"c\"\n}");
    place.cloud.cloud().vm("i-1", PLACES[0], "203.0.113.1");
    place.cloud.cloud().vm("i-2", PLACES[1], "203.0.113.2");
    place.sync();
    place.cloud.advance(HOUR);
    place.cloud.cloud().machines.remove("i-1");
    place.cloud.cloud().vm("i-2", PLACES[1], "203.0.113.9");
    place.sync();
    drop(place.store());
    let run = |code: i32, args: &[&str]| {
        let mut command = crate::cli::palisade();
        command.args(args).arg("-C").arg(&place.folder.0).arg("--state").arg(place.env().state);
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        (String::from_utf8(output.stdout).unwrap(), stderr)
    };
    let targets = |args: &[&str]| {
        let (out, _) = run(0, &[&["plan", "s", "--format", "json"], args].concat());
        let plan: serde_json::Value = serde_json::from_str(&out).unwrap();
        let list = plan["target_list"].as_array().unwrap().clone();
        list.iter().map(|t| t["address"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (then, now) = ("2026-03-30T00:30:00Z", "2026-03-30T01:30:00Z");
    assert_eq!(targets(&["--as-of", then]), ["203.0.113.1", "203.0.113.2"]);
    assert_eq!(targets(&["--as-of", now]), ["203.0.113.9"]);
    assert_eq!(targets(&["--as-of", now, "--known-at", then]), ["203.0.113.1", "203.0.113.2"]);
    assert!(run(0, &["why", "s", "i-1", "--as-of", then]).0.contains("203.0.113.1"));
    assert!(run(2, &["why", "s", "i-1", "--as-of", now]).1.contains("there is no asset `i-1`"));
    let early = run(2, &["plan", "s", "--as-of", "2026-03-29"]).1;
    assert!(early.contains("there is no snapshot of `c` from 2026-03-29T00:00:00Z or before"), "{early}");
}

#[test]
fn load_balancers_of_one_name_are_told_apart_by_their_place() {
    let place = Place::new("classics", "");
    let there = |n: usize| place.cloud.cloud().classics.push((PLACES[n], "front"));
    there(0);
    there(1);
    let first = place.sync();
    assert_eq!(first.snapshot.load_balancers().len(), 2);
    let came = |s: &Synced| s.changes.iter().filter(|(c, _)| c.kind == Kind::LoadBalancers).count();
    assert_eq!(came(&first), 2);
    place.cloud.advance(HOUR);
    place.cloud.cloud().answers.insert((PLACES[1].0, PLACES[1].1, Kind::LoadBalancers), Answer::Denied);
    let second = place.sync();
    assert_eq!(second.snapshot.load_balancers().len(), 2, "the one that was not read stays");
    let stale: Vec<(&str, bool)> = second
        .snapshot
        .load_balancers()
        .iter()
        .enumerate()
        .map(|(n, l)| (&*l.id, second.snapshot.is_stale_load_balancer(n)))
        .collect();
    let id = |region: &str| format!("arn:aws:elasticloadbalancing:{region}:111111111111:loadbalancer/front");
    let (read, unread) = (id(PLACES[0].1), id(PLACES[1].1));
    assert_eq!(stale, [(read.as_str(), false), (unread.as_str(), true)]);
}

#[test]
fn pages_read_as_they_arrive_make_the_inventory_of_pages_that_were_kept() {
    let place = Place::new("intake", "");
    {
        let mut cloud = place.cloud.cloud();
        for n in 0..40 {
            cloud.vm(&format!("i-{n:02}"), PLACES[n % PLACES.len()], &format!("203.0.113.{n}"));
        }
        cloud.balancers.push((PLACES[2], "front", "203.0.113.99".parse().unwrap()));
        cloud.classics.push((PLACES[2], "old"));
        cloud.answers.insert((PLACES[1].0, PLACES[1].1, Kind::Instances), Answer::Partial);
        cloud.answers.insert((PLACES[3].0, PLACES[3].1, Kind::Instances), Answer::Denied);
        cloud.answers.insert((PLACES[0].0, PLACES[0].1, Kind::Interfaces), Answer::Throttled);
    }
    use palisade::base::limits::Limits;
    use palisade::base::progress::{Silent, Stop};
    use palisade::connector::file::FileConnector;
    use palisade::connector::live::{Live, whole};
    use palisade::inventory::snapshot::Snapshot;
    let (spec, limits) = (FileConnector::from(place.connector()), Limits::default());
    let clock = place.env().clock;
    let (_, read, told) = whole::read(&spec, &place.cloud, clock.as_ref(), &limits, (&Silent, &Stop::default()));
    let mut fetched = place.cloud.fetch(&Silent, &Stop::default());
    let (kept, said) = whole::inventory(&spec, &mut fetched, clock.now(), &limits);
    assert_eq!(read.partitions, kept.partitions);
    assert_eq!(read.load_balancers, kept.load_balancers);
    let id = |input| Snapshot::build(input, &limits).unwrap().0.id().to_string();
    assert_eq!(id(read), id(kept));
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    let lines =
        |notices: Vec<palisade::connector::notice::Notice>| sorted(notices.iter().map(ToString::to_string).collect());
    assert_eq!(lines(told), lines(said));
}

#[test]
fn an_inventory_is_read_again_when_it_is_too_old() {
    let place =
        Place::new("refresh", "scan \"s\" {\n  connector = \"c\"\n  targets {\n    max_inventory_age = 1h\n  }\n}");
    let env = place.env();
    place.cloud.cloud().vm("i-1", PLACES[0], "203.0.113.1");
    let read = || inventory::from_connectors(&place.workspace, &[], None, env.clock.now(), &env).unwrap();
    let fetches = || place.cloud.cloud().fetches;
    assert!(read().notices.is_empty());
    assert_eq!(fetches(), 1, "none was stored yet");
    place.cloud.advance(HOUR * 2);
    read();
    assert_eq!(fetches(), 1, "`sync_every` is 4h");
    assert_eq!(place.plan().targets.len(), 1);
    assert_eq!(fetches(), 2, "`max_inventory_age` is 1h");
    place.cloud.advance(HOUR * 5);
    read();
    assert_eq!(fetches(), 3);

    // The provider fails: what was known is not taken for true.
    place.cloud.advance(HOUR * 5);
    place.cloud.cloud().broken = Some("no credentials");
    let loaded = read();
    let notices: Vec<String> = loaded.notices.iter().filter(|n| n.code == "P0370").map(ToString::to_string).collect();
    assert_eq!(notices, ["warning P0370 c: no credentials"]);
    assert!(
        place.ask(&loaded, "provider: AWS").starts_with("cannot tell i-1: c/-/-/instances denied: no credentials;")
    );
    assert_eq!(place.plan().targets.len(), 0);
}

#[test]
fn a_provider_that_cannot_be_opened_leaves_the_old_inventory() {
    let place =
        Place::new("closed", "scan \"s\" {\n  connector = \"c\"\n  targets {\n    max_inventory_age = 1h\n  }\n}");
    place.cloud.cloud().vm("i-1", PLACES[0], "203.0.113.1");
    place.sync();
    place.cloud.advance(HOUR * 5);
    let mut env = place.env();
    env.live = Arc::new(|_| Err(OpenError::Failed { connector: "c".into(), why: "`ROLE_SECRET` is not set".into() }));
    let loaded = inventory::from_connectors(&place.workspace, &[], None, env.clock.now(), &env).unwrap();
    assert_eq!(
        loaded.notices[0].to_string(),
        "warning P0369 c: it could not be read again, so the inventory of 2026-03-30T00:00:00Z is used: connector `c`: \
         `ROLE_SECRET` is not set"
    );
    let job = &place.workspace.program.scans[0];
    let prepared = Prepared::new(&place.workspace, job, None, env.clock.now(), &env).unwrap();
    let refused = prepared.plan(&env).err().unwrap().to_string();
    assert!(refused.contains("the inventory is 5h old, and `max_inventory_age` is 1h"), "{refused}");
}

#[test]
fn old_snapshots_go_but_not_those_of_runs() {
    let place = Place::new("retention", "workspace {\n  keep_snapshots = 2\n}");
    let mut ids = Vec::new();
    for n in 0..5 {
        place.cloud.cloud().vm("i-1", PLACES[0], &format!("203.0.113.{n}"));
        let synced = place.sync();
        ids.push(synced.snapshot.id().to_string());
        if n == 1 {
            place.store().begin_run("s", "h", &ids[1], start(), 1).unwrap();
        }
        place.cloud.advance(HOUR);
    }
    let mut store = place.store();
    assert_eq!(store.syncs(&[]).unwrap().iter().map(|s| s.number).collect::<Vec<_>>(), [5, 4]);
    let kept: Vec<bool> = ids.iter().map(|id| store.snapshot(id).is_ok()).collect();
    assert_eq!(kept, [false, true, false, true, true]);
    assert_eq!(store.asset_events("i-1").unwrap().len(), 5, "an asset's history stays");

    let aged = Place::new("aged", "workspace {\n  keep_snapshots = 90m\n}");
    for n in 0..4 {
        aged.cloud.cloud().vm("i-1", PLACES[0], &format!("203.0.113.{n}"));
        aged.sync();
        aged.cloud.advance(HOUR);
    }
    // At 3h the bound is 1h30m: the sync of 1h was in force then.
    assert_eq!(aged.store().syncs(&[]).unwrap().iter().map(|s| s.number).collect::<Vec<_>>(), [4, 3, 2]);
}

#[test]
fn a_region_that_is_no_longer_read_leaves() {
    let place = Place::new("left", "");
    place.cloud.cloud().vm("i-1", PLACES[0], "203.0.113.1");
    place.cloud.cloud().vm("i-2", PLACES[1], "203.0.113.2");
    place.sync();
    let mut connector = place.connector().clone();
    let name = palisade::base::source::Spanned::new("us-east-1".to_owned(), connector.span);
    connector.regions = palisade::lang::job::Regions::Some(vec![name]);
    place.cloud.cloud().places.retain(|p| p.1 == "us-east-1");
    let synced = sync::sync(&place.workspace, &connector, &mut place.store(), &place.env()).unwrap();
    assert_eq!(changes(&synced), "left i-2 111111111111 eu-west-1 \n");
    assert!(synced.is_complete());
}

#[test]
fn an_account_that_is_certainly_no_longer_read_leaves() {
    let place = Place::new("account", "");
    place.cloud.cloud().vm("i-1", PLACES[0], "203.0.113.1");
    place.cloud.cloud().vm("i-2", PLACES[2], "203.0.113.2");
    place.sync();
    place.cloud.advance(HOUR);
    // Not seen is not gone: the right to see it may be lost.
    place.cloud.cloud().places.truncate(2);
    let unsure = place.sync();
    assert_eq!(changes(&unsure), "kept i-2 222222222222 us-east-1 \n");
    assert!(!unsure.is_complete());
    place.cloud.advance(HOUR);
    place.cloud.cloud().accounts = Some(vec!["111111111111".into()]);
    let sure = place.sync();
    assert_eq!(changes(&sure), "left i-2 222222222222 us-east-1 \n");
    assert!(sure.is_complete());
}

#[test]
fn the_document_holds_to_its_schema() {
    let folder = crate::cli::TempDir::new("sync-document");
    let page = |tag: &str| {
        format!(
            r#"{{"Reservations":[{{"OwnerId":"1","Instances":[{{"InstanceId":"i-1","Placement":{{"AvailabilityZone":"us-east-1a"}},
            "Tags":[{{"Key":"env","Value":"{tag}"}}]}}]}}]}}"#
        )
    };
    let text = "connector \"c\" {\n  provider = file\n  path = \"*.json\"\n}\n";
    fs::write(folder.0.join("edge.pal"), text).unwrap();
    for (tag, changed) in [("a", 0), ("b", 1)] {
        fs::write(folder.0.join("a.json"), page(tag)).unwrap();
        let output = crate::cli::palisade().args(["sync", "--format", "json", "-C"]).arg(&folder.0).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(crate::report::faults_by("palisade/sync/1", &document), Vec::<String>::new());
        assert_eq!(document["connectors"][0]["counts"]["changed"], changed);
    }
}
