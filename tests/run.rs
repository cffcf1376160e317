//! Whole runs of the real binary on loopback, without root: the demo, an interruption and its resumption, a machine
//! without the right, wrong uses.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::cli::{TempDir, palisade};

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(bytes)))
}

/// Open ports of a results document.
fn open(results: &Value) -> BTreeSet<SocketAddr> {
    let mut found = BTreeSet::new();
    for host in results["hosts"].as_array().unwrap() {
        for port in host["ports"].as_array().unwrap().iter().filter(|p| p["state"] == "open") {
            let text = format!("{}:{}", host["address"].as_str().unwrap(), port["port"]);
            assert!(found.insert(text.parse().unwrap()), "{text} twice");
        }
    }
    found
}

/// A workspace with one host on loopback, some of whose ports listen.
struct Small {
    folder: TempDir,
    listeners: Vec<TcpListener>,
}

impl Small {
    /// The host's address carries the process's number, so that several test runs do not meet.
    fn new(name: &str, number: u8, profile: &str, listening: &[u16]) -> Self {
        let folder = TempDir::new(name);
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let host = format!("127.{}.{low}.{number}", 128 | high);
        let job = format!(
            "connector \"here\" {{\n  provider = file\n  path = \"inventory.json\"\n}}\nprofile \"p\" {{\n{profile}\n}}\n\
             scan \"s\" {{\n  connector = \"here\"\n  profile = \"p\"\n}}\n"
        );
        fs::write(folder.0.join("job.pal"), job).unwrap();
        let inventory = format!(
            r#"{{"Reservations": [{{"OwnerId": "123456789012", "Instances": [{{"InstanceId": "i-1", "State": {{"Name": "running"}},
            "InstanceType": "t3.small", "Placement": {{"AvailabilityZone": "us-east-1a"}}, "PublicIpAddress": "{host}"}}]}}]}}"#
        );
        fs::write(folder.0.join("inventory.json"), inventory).unwrap();
        let listeners = listening.iter().map(|p| TcpListener::bind(format!("{host}:{p}")).unwrap()).collect();
        Self { folder, listeners }
    }

    fn truth(&self) -> BTreeSet<SocketAddr> {
        self.listeners.iter().map(|l| l.local_addr().unwrap()).collect()
    }

    fn path(&self) -> &Path {
        &self.folder.0
    }

    fn start(&self, args: &[&str]) -> Child {
        let mut command = palisade();
        command.arg("-C").arg(self.path()).args(args).args(["--format", "json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

fn interrupt(child: &Child) {
    #[expect(unsafe_code, reason = "the standard library cannot send SIGINT")]
    // SAFETY: kill takes two numbers; the process is our own child and has not been waited for.
    let sent = unsafe { libc::kill(child.id().cast_signed(), libc::SIGINT) };
    assert_eq!(sent, 0);
}

#[test]
fn the_demo_runs_the_whole_chain() {
    let output = palisade().args(["demo", "--format", "json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let results = json(&output.stdout);
    let ports: BTreeSet<(u8, u16)> = open(&results)
        .into_iter()
        .map(|a| match a {
            SocketAddr::V4(a) => (a.ip().octets()[3], a.port()),
            SocketAddr::V6(_) => panic!("{a}"),
        })
        .collect();
    let want = [(1, 8080), (1, 8443), (2, 8022), (2, 8080), (2, 8443), (3, 6379), (4, 2525), (4, 8022)];
    assert_eq!(ports, want.into_iter().collect());
    assert_eq!(results["summary"]["total_hosts"], 4, "neither the terminated host nor the one without the tag");
    assert_eq!(results["ledger"]["refused"], 0);
    let cache = results["hosts"].as_array().unwrap().iter().find(|h| h["asset"] == "i-0demo000000000003").unwrap();
    assert_eq!(cache["ports"][0]["service"], "redis");
    let text = results.to_string();
    assert!(text.contains("DB-07"), "the cache wants no password");
}

#[test]
fn an_interrupted_scan_goes_on_where_it_was() {
    let profile =
        "tcp = [20000-20599]\nping = [tcp(20000)]\ndead_hosts = scan\nrate = 300/s\nper_host = 300/s\nretries = 0";
    let small = Small::new("interrupt", 1, profile, &[20_000, 20_123, 20_599]);
    let mut child = small.start(&["run", "s", "--mode", "connect", "--seed", "7"]);
    // The first connection says that the scan runs; it has two seconds to go.
    drop(small.listeners[0].accept().unwrap());
    interrupt(&child);
    let mut told = String::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        told.push_str(&line.unwrap());
        told.push('\n');
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("scans resume"), "{told}");
    let first = json(&output.stdout);
    assert_eq!(first["summary"]["status"], "Interrupted");
    assert!(first["coverage"]["done"].as_u64().unwrap() < 600);
    assert!(open(&first).is_subset(&small.truth()));

    let output = small.start(&["scans", "resume", "latest", "--mode", "connect"]).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let whole = json(&output.stdout);
    assert_eq!(whole["summary"]["reference"], first["summary"]["reference"]);
    assert_eq!(whole["summary"]["status"], "Finished");
    assert_eq!(open(&whole), small.truth());
    let again = small.start(&["scans", "resume", "latest"]).wait_with_output().unwrap();
    assert_eq!(again.status.code(), Some(2), "a finished scan has nothing to resume");
}

#[test]
fn without_the_right_raw_mode_is_refused_and_connect_mode_says_why() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let small = Small::new("noright", 2, "tcp = [20700-20709]\nping = [tcp(20700)]", &[20_705]);
    fs::set_permissions(small.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let mut probe = palisade();
    probe.arg("--version");
    let root = probe.uid(65_534).output().is_ok_and(|o| o.status.success());
    let run = |mode: &str| {
        let mut command = palisade();
        command.arg("-C").arg(small.path()).args(["run", "s", "--mode", mode, "--format", "json"]);
        if root {
            // Another user than root has no rights of its own.
            command.uid(65_534);
        }
        command.output().unwrap()
    };
    let refused = run("raw");
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{told}");
    assert!(told.contains("--mode connect"), "says what to do: {told}");
    let output = run("auto");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let results = json(&output.stdout);
    assert_eq!((results["mode"].as_str(), open(&results)), (Some("connect"), small.truth()));
    assert!(results["notes"].to_string().contains("CAP_NET_RAW"), "{}", results["notes"]);
}

#[test]
fn an_approved_plan_binds_the_run() {
    let small = Small::new("approved", 3, "tcp = [20800]\nping = [tcp(20800)]", &[20_800]);
    let plan = small.path().join("plan.json");
    let plan = plan.to_str().unwrap();
    let made = small.start(&["plan", "s", "--out", plan]).wait_with_output().unwrap();
    assert_eq!(made.status.code(), Some(0), "{}", String::from_utf8_lossy(&made.stderr));
    let good = small.start(&["run", "s", "--mode", "connect", "--plan", plan]).wait_with_output().unwrap();
    assert_eq!(good.status.code(), Some(0), "{}", String::from_utf8_lossy(&good.stderr));
    let job = fs::read_to_string(small.path().join("job.pal")).unwrap();
    fs::write(small.path().join("job.pal"), job.replace("tcp = [20800]", "tcp = [20800-20801]")).unwrap();
    let moved = small.start(&["run", "s", "--mode", "connect", "--plan", plan]).wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&moved.stderr).into_owned();
    assert_eq!(moved.status.code(), Some(2), "{told}");
    assert!(told.contains("port"), "says what moved: {told}");
    let listed = small.start(&["scans", "list"]).wait_with_output().unwrap();
    assert_eq!(json(&listed.stdout).as_array().map(Vec::len), Some(1), "nothing was launched");
}
