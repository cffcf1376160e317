//! The whole way against a real moto server: the binary's syncs, a refused region, and an address that moves.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use palisade::base::clock::SystemClock;
use palisade::base::limits::Limits;
use palisade::plan::lease::{Leases, NoLease};
use palisade::run::pipeline::Prepared;
use serde_json::Value;

use super::cloud::Place;
use crate::cli::{TempDir, palisade};
use crate::connector::live::moto::{connector, in_account, moto, spec};
use crate::connector::live::proxy::{Act, Proxy};

const SECRET: &str = "moto-secret-9b1e55d0";

fn run(folder: &Path, arguments: &[&str]) -> Output {
    palisade()
        .args(arguments)
        .arg("-C")
        .arg(folder)
        .env("AWS_ACCESS_KEY_ID", "testing")
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("HOME", folder)
        .output()
        .unwrap()
}

/// Runs for JSON with this exit code.
fn json(folder: &Path, code: i32, arguments: &[&str]) -> Value {
    let output = run(folder, &[arguments, &["--format", "json"]].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
    assert!(!stderr.contains(SECRET));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {stderr}"))
}

fn ids(list: &Value, wanted: impl Fn(&Value) -> bool) -> BTreeSet<String> {
    let own = list.as_array().unwrap().iter().filter(|v| wanted(v));
    own.map(|v| v["id"].as_str().unwrap().to_owned()).collect()
}

/// Every field of every asset as boto3 sees it, and as a query shows it.
fn holds_what_boto3_says(folder: &Path, view: &Value) {
    type Facts = BTreeMap<String, BTreeSet<String>>;
    let mut expected: BTreeMap<String, Facts> = BTreeMap::new();
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    for asset in view["assets"].as_array().unwrap() {
        let tokens = asset["tokens"].as_object().unwrap().iter();
        let facts =
            tokens.map(|(token, values)| (token.clone(), values.as_array().unwrap().iter().map(text).collect()));
        expected.insert(text(&asset["id"]), facts.collect());
    }
    let tokens: BTreeSet<&str> = expected.values().flat_map(BTreeMap::keys).map(String::as_str).collect();
    let columns = tokens.iter().copied().collect::<Vec<_>>().join(",");
    let answer = json(folder, 0, &["query", "provider: AWS", "--columns", &columns]);
    let mut found: BTreeMap<String, Facts> = BTreeMap::new();
    for row in answer["matched"].as_array().unwrap() {
        let values = |token: &&str| -> BTreeSet<String> {
            match &row[*token] {
                Value::Null => BTreeSet::new(),
                Value::Array(many) => many.iter().map(text).collect(),
                one => [text(one)].into(),
            }
        };
        let facts = tokens.iter().map(|t| ((*t).to_owned(), values(t))).filter(|(_, v)| !v.is_empty());
        found.insert(text(&row["id"]), facts.collect());
    }
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (id, facts) in &expected {
        assert_eq!(&found[id], facts, "{id}");
    }
    assert!(tokens.len() >= 15 && found.len() >= 10, "{tokens:?}");
}

#[test]
fn a_region_refused_by_moto_is_a_gap_from_sync_to_plan() {
    let Some(moto) = moto("a_region_refused_by_moto_is_a_gap") else { return };
    let account = "333300000001";
    moto.script("fill", &[account, "us-east-1,eu-west-1", "3"]);
    let view = moto.script("view", &[account, "us-east-1,eu-west-1"]);
    let refusing = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&refusing);
    let proxy = Proxy::start(&moto.endpoint, move |ask| {
        if flag.load(Ordering::SeqCst) && ask.is("DescribeInstances", "eu-west-1") {
            let error = "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>not here</Message></Error>\
                         </Errors><RequestID>1</RequestID></Response>";
            return Act::Reply(403, error.into());
        }
        Act::Pass
    });
    let folder = TempDir::new("sync-moto");
    let job = format!(
        "connector \"c\" {{\n  provider = aws\n  role     = \"arn:aws:iam::{account}:role/reader\"\n  \
         endpoint = \"{}\"\n  regions  = [\"us-east-1\", \"eu-west-1\"]\n}}\n\nscan \"s\" {{\n  connector = \"c\"\n}}\n",
        proxy.endpoint
    );
    fs::write(folder.0.join("edge.pal"), job).unwrap();
    let sync = |code: i32| json(&folder.0, code, &["sync"])["connectors"][0].clone();

    let first = sync(0);
    let there = ids(&view["assets"], |_| true);
    assert_eq!(ids(&first["changes"], |c| c["kind"] == "instances"), there, "as boto3 says");
    assert!(first["counts"]["calls"].as_u64().unwrap() >= 10);
    holds_what_boto3_says(&folder.0, &view);
    let second = sync(0);
    assert_eq!((&second["unchanged"], &second["snapshot"]), (&Value::Bool(true), &first["snapshot"]));

    refusing.store(true, Ordering::SeqCst);
    let third = sync(3);
    let of_region = |v: &Value| v["tokens"]["aws.ec2.region.code"][0] == "eu-west-1";
    let refused = ids(&view["assets"], of_region);
    assert!(!refused.is_empty() && refused.len() < there.len());
    assert_eq!(ids(&third["changes"], |c| c["what"] == "kept"), refused);
    assert_eq!(ids(&third["changes"], |c| c["what"] != "kept"), BTreeSet::new());
    let open: Vec<&str> = third["partitions"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|p| p["state"] != "complete")
        .map(|p| p["partition"].as_str().unwrap())
        .collect();
    assert_eq!(open, ["c/333300000001/eu-west-1/instances"], "exactly that partition is a gap");
    let answer = json(&folder.0, 3, &["query", "aws.ec2.instanceState: RUNNING"]);
    assert_eq!(ids(&answer["cannot_tell"], |_| true), refused);
    let running = |v: &Value| !of_region(v) && v["tokens"]["aws.ec2.instanceState"][0] == "RUNNING";
    assert_eq!(ids(&answer["matched"], |_| true), ids(&view["assets"], running));
    let plan = json(&folder.0, 3, &["plan", "s", "--offline"]);
    let gap = plan["gaps"][0].clone();
    assert_eq!(gap["partition"], "c/333300000001/eu-west-1/instances");
    let cause = gap["cause"].as_str().unwrap();
    assert!(cause.contains("UnauthorizedOperation") && cause.contains("its records are kept from"), "{cause}");

    refusing.store(false, Ordering::SeqCst);
    let last = sync(0);
    assert_eq!(last["changes"], Value::Array(Vec::new()), "what was kept was there all the time");
    let rights = json(&folder.0, 0, &["sync", "c", "--check"]);
    assert!(rights["permissions"].as_array().unwrap().iter().any(|p| p["permission"] == "ec2:DescribeInstances"));
    let policy = run(&folder.0, &["sync", "--policy"]);
    let policy = serde_json::from_slice::<Value>(&policy.stdout).unwrap().to_string();
    assert!(policy.contains("ec2:DescribeInstances") && policy.contains("2012-10-17"), "{policy}");
}

#[test]
fn an_address_that_moves_in_moto_loses_its_lease() {
    let Some(moto) = moto("an_address_that_moves_in_moto_loses_its_lease") else { return };
    let (account, region) = ("333300000002", "us-west-2");
    moto.script("fill", &[account, region, "1"]);
    let view = moto.script("view", &[account, region]);
    let spec = in_account(account, spec(&moto.endpoint, &[region]));
    let place = Place::new("moto-lease", "scan \"s\" {\n  connector = \"c\"\n  targets {\n    ipv6 = false\n  }\n}");
    let mut env = place.env();
    env.clock = Arc::new(SystemClock::default());
    let own = spec.clone();
    env.live = Arc::new(move |_| Ok(Box::new(connector(own.clone(), &Limits::default()))));
    let job = &place.workspace.program.scans[0];
    let prepared = Prepared::new(&place.workspace, job, None, env.clock.now(), &env).unwrap();
    let plan = prepared.plan(&env).unwrap();
    let leases = Leases::new(&plan, &prepared.loaded.snapshot, Duration::from_secs(900), 100);
    let aws = connector(spec, &Limits::default());
    leases.renew(&aws, env.clock.as_ref(), Duration::ZERO, &|| true);
    assert_eq!(leases.ended(env.clock.now()), [], "all are ours");

    // Between plan and packet one elastic address goes to another machine.
    let elastic: BTreeSet<&str> = view["assets"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|a| a["elastic"].as_array().unwrap())
        .map(|a| a.as_str().unwrap())
        .collect();
    let target = plan.targets.iter().find(|t| elastic.contains(t.addr().to_string().as_str())).unwrap();
    let private = |a: &&Value| a["tokens"]["name"][0] == "private";
    let other = view["assets"].as_array().unwrap().iter().find(private).unwrap()["id"].as_str().unwrap().to_owned();
    moto.script("move", &[account, region, &target.addr().to_string(), &other]);
    leases.renew(&aws, env.clock.as_ref(), Duration::from_secs(900), &|| true);
    assert_eq!(leases.check(target.addr(), env.clock.now()), Err(NoLease::Lost));
    let ended = leases.ended(env.clock.now());
    assert_eq!(ended.len(), 1);
    assert!(ended[0].reason.starts_with("lease lost: "), "{}", ended[0].reason);
}
