//! An address that moves in a real moto server between plan and packet: the provider is asked, and no packet goes there.
//! Server, scanner and hosts are in network namespaces with no way out; the addresses are of 198.18.0.0/15.
//!
//! Needs root, `ip`, `tcpdump` and moto; elsewhere the test skips, and says so by name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::cli::TempDir;
use crate::connector::live::moto::{Moto, skipped};
use crate::lab::{Lab, sent};

const REGION: &str = "us-west-2";
const ACCOUNT: &str = "333300000003";
const KEPT: &str = "198.18.77.1";
const MOVED: &str = "198.18.77.2";
const PORTS: [u16; 3] = [22, 443, 8080];

const JOB: &str = r#"
connector "c" {
  provider = aws
  role     = "arn:aws:iam::ACCOUNT:role/reader"
  endpoint = "ENDPOINT"
  regions  = ["us-west-2"]
}

profile "few" {
  tcp        = [22, 443, 8080]
  udp        = none
  ping       = [tcp(443)]
  dead_hosts = scan
  checks     = []
  retries    = 0
}

scan "s" {
  connector = "c"
  profile   = "few"
}
"#;

struct Site {
    lab: Lab,
    folder: TempDir,
}

impl Site {
    /// Runs the scanner for JSON with this exit code.
    fn json(&self, code: i32, args: &[&str]) -> Value {
        let output = self
            .lab
            .in_scanner(Path::new(env!("CARGO_BIN_EXE_palisade")))
            .args(args)
            .args(["--format", "json", "-C"])
            .arg(&self.folder.0)
            .env("AWS_ACCESS_KEY_ID", "testing")
            .env("AWS_SECRET_ACCESS_KEY", "testing")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("HOME", &self.folder.0)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{args:?}: {e}: {stderr}"))
    }

    /// Runs the approved plan; its results, and how many packets each address got.
    fn scan(&self, code: i32, name: &str) -> (Value, BTreeMap<IpAddr, u32>) {
        let file = self.folder.0.join(name);
        let plan = self.folder.0.join("plan.json");
        let mut tcpdump = self.lab.capture(&file);
        let args = ["run", "s", "--offline", "--mode", "raw", "--seed", "7", "--plan", plan.to_str().unwrap()];
        let results = self.json(code, &args);
        let capture = self.lab.seal(&file);
        Command::new("kill").args(["-INT", &tcpdump.id().to_string()]).status().unwrap();
        tcpdump.wait().unwrap();
        let mut by_address = BTreeMap::new();
        for ((addr, _), n) in sent(&capture, &["192.0.2.2".parse().unwrap()]) {
            *by_address.entry(addr).or_default() += n;
        }
        let end = by_address.remove(&"192.0.2.1".parse().unwrap());
        assert_eq!(end, Some(1), "the packet that ends the capture");
        (results, by_address)
    }
}

fn addresses(list: &Value) -> BTreeSet<&str> {
    list.as_array().unwrap().iter().map(|v| v["address"].as_str().unwrap()).collect()
}

#[test]
fn an_address_that_moves_in_moto_gets_no_packet() {
    let name = "an_address_that_moves_in_moto_gets_no_packet";
    let Some(lab) = Lab::build("m") else { return skipped(name, "needs root, ip and tcpdump") };
    let Some(moto) = Moto::start(Some(&lab.scanner)) else {
        return skipped(name, "needs Python with moto and boto3; .ci/run installs them");
    };
    let made = moto.script("edge", &[ACCOUNT, REGION, &format!("{KEPT},{MOVED}")]);
    let [_, before, spare] = [0, 1, 2].map(|n| made[n].as_str().unwrap());
    let (kept, moved): (IpAddr, IpAddr) = (KEPT.parse().unwrap(), MOVED.parse().unwrap());
    let open: BTreeSet<SocketAddr> = [kept, moved].map(|a| SocketAddr::new(a, 8080)).into();
    let listeners = lab.listen(&open);
    let site = Site { lab, folder: TempDir::new("moto-packets") };
    let job = JOB.replace("ENDPOINT", &moto.endpoint).replace("ACCOUNT", ACCOUNT);
    fs::write(site.folder.0.join("edge.pal"), job).unwrap();

    site.json(0, &["sync"]);
    let plan = site.folder.0.join("plan.json");
    let planned = site.json(0, &["plan", "s", "--offline", "--out", plan.to_str().unwrap()]);
    assert_eq!(addresses(&planned["target_list"]), [KEPT, MOVED].into());

    // While both are ours, both are scanned.
    let (results, packets) = site.scan(0, "before.pcap");
    assert_eq!(addresses(&results["hosts"]), [KEPT, MOVED].into());
    let both: BTreeSet<IpAddr> = packets.keys().copied().collect();
    assert_eq!(both, [kept, moved].into());
    assert!(packets.values().all(|n| *n as usize >= PORTS.len()), "{packets:?}");

    // Between the plan and its second run, one address goes to another machine.
    moto.script("move", &[ACCOUNT, REGION, MOVED, spare]);
    let (results, packets) = site.scan(3, "after.pcap");
    drop(listeners);
    assert_eq!(packets.keys().copied().collect::<Vec<_>>(), [kept], "only what is still ours gets packets");
    assert!(packets[&kept] as usize >= PORTS.len(), "{packets:?}");
    assert_eq!(results["ledger"]["total"], packets[&kept], "the ledger counts what the capture holds");
    assert_eq!(addresses(&results["hosts"]), [KEPT].into());
    let left: Vec<(&str, &str)> = results["not_scanned"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| (n["target"].as_str().unwrap(), n["reason"].as_str().unwrap()))
        .filter(|(target, _)| *target != spare)
        .collect();
    let target = format!("{before} {MOVED}");
    let reason = format!("lease lost: no interface of `{before}` has the address any more");
    assert_eq!(left, [(target.as_str(), reason.as_str())]);
}
