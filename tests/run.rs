//! Whole runs of the real binary on loopback, without root: the demo, an interruption and its resumption, a machine
//! without the right, wrong uses.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use palisade::plan::order::Order;
use palisade::scan::observation::ProbeKind;
use palisade::service::evidence::{Facts, HostEvidence, ServiceEvidence};
use palisade::store::{RunState, Store};
use serde_json::Value;
use sqlx::Connection;

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
        Self::of(name, &[number], profile, listening)
    }

    /// With several hosts; the first listens.
    fn of(name: &str, numbers: &[u8], profile: &str, listening: &[u16]) -> Self {
        let folder = TempDir::new(name);
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let host = |number: u8| format!("127.{}.{low}.{number}", 128 | high);
        let job = format!(
            "connector \"here\" {{\n  provider = file\n  path = \"inventory.json\"\n}}\nprofile \"p\" {{\n{profile}\n}}\n\
             scan \"s\" {{\n  connector = \"here\"\n  profile = \"p\"\n}}\n"
        );
        fs::write(folder.0.join("job.pal"), job).unwrap();
        let instance = |number: &u8| {
            let host = host(*number);
            format!(
                r#"{{"InstanceId": "i-{number}", "State": {{"Name": "running"}}, "InstanceType": "t3.small",
                "Placement": {{"AvailabilityZone": "us-east-1a"}}, "PublicIpAddress": "{host}"}}"#
            )
        };
        let instances = numbers.iter().map(instance).collect::<Vec<_>>().join(",");
        let inventory = format!(r#"{{"Reservations": [{{"OwnerId": "123456789012", "Instances": [{instances}]}}]}}"#);
        fs::write(folder.0.join("inventory.json"), inventory).unwrap();
        let first = host(numbers[0]);
        let listeners = listening.iter().map(|p| TcpListener::bind(format!("{first}:{p}")).unwrap()).collect();
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

    /// Runs a command; its exit code, its document and what it told.
    fn done(&self, args: &[&str]) -> (Option<i32>, Value, String) {
        let output = self.start(args).wait_with_output().unwrap();
        let document = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        (output.status.code(), document, String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn store(&self) -> Store {
        Store::open(&self.path().join(".palisade")).unwrap()
    }

    /// Runs a statement behind the store's back.
    fn sql(&self, statement: &'static str) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let url = format!("sqlite://{}", self.path().join(".palisade/palisade.db").display());
        runtime.block_on(async {
            let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
            sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        });
    }
}

/// Greets whoever connects.
fn greet(listener: &TcpListener, words: &'static [u8]) {
    let listener = listener.try_clone().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(words);
        }
    });
}

/// Evidence of the newest run without what differs from run to run: times and packets.
fn evidence(store: &mut Store) -> Vec<String> {
    let reference = store.run("latest").unwrap().reference;
    let told = |facts: &Facts| {
        let facts = facts.iter().filter(|(path, _)| !path.starts_with("scan."));
        facts.map(|(path, fact)| format!("{path} {fact:?}")).collect::<Vec<_>>()
    };
    let service = |s: &ServiceEvidence| format!("{} {:?} {:?}", s.port, s.service, told(&s.facts));
    let hosts = store.evidence(&reference).unwrap();
    let host = |h: &HostEvidence| {
        let services = h.services.iter().map(service).collect::<Vec<_>>();
        format!("{} {} {:?} {services:?}", h.asset, h.addr, told(&h.facts))
    };
    hosts.iter().map(host).collect()
}

/// What a results document says of hosts, without times.
fn hosts(results: &Value) -> Vec<String> {
    let port = |p: &Value| format!("{} {} {}", p["port"], p["state"], p["service"]);
    let host = |h: &Value| {
        let ports = h["ports"].as_array().unwrap().iter().map(port).collect::<Vec<_>>();
        let findings = h["findings"].as_array().unwrap().iter().map(|f| f["id"].to_string()).collect::<Vec<_>>();
        format!("{} {} {ports:?} {findings:?}", h["address"], h["state"])
    };
    results["hosts"].as_array().unwrap().iter().map(host).collect()
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
    assert_eq!(first["coverage"]["planned"], 600);
    let done = first["coverage"]["done"].as_u64().unwrap();
    assert!(done < 600);
    let sent = first["ledger"]["total"].as_u64().unwrap();
    assert!(sent >= done, "{sent} sent, {done} done");
    assert!(open(&first).is_subset(&small.truth()));

    let output = small.start(&["scans", "resume", "latest", "--mode", "connect"]).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let whole = json(&output.stdout);
    assert_eq!(whole["summary"]["reference"], first["summary"]["reference"]);
    assert_eq!(whole["summary"]["status"], "Finished");
    assert_eq!(open(&whole), small.truth());
    assert_eq!(whole["coverage"], serde_json::json!({"planned": 600, "done": 600, "targets": 1, "scanned": 1}));
    let reference = first["summary"]["reference"].as_str().unwrap();
    let kept = small.store().ledger(reference).unwrap();
    assert_eq!(whole["ledger"]["total"].as_u64(), Some(kept.total()));
    assert!(kept.total() >= sent + 600, "the host was not finished: it was asked for everything again");
    let known = small.store().evidence(reference).unwrap();
    let services: BTreeSet<u16> = known[0].services.iter().map(|s| s.port).collect();
    assert_eq!((known.len(), services), (1, small.truth().iter().map(SocketAddr::port).collect()));
    assert_eq!(known[0].facts.bool("ports.complete"), Some(true));
    let again = small.start(&["scans", "resume", "latest"]).wait_with_output().unwrap();
    assert_eq!(again.status.code(), Some(2), "a finished scan has nothing to resume");
}

/// A host that was half scanned when the run was interrupted is known as well afterwards as one that was not.
#[test]
fn an_interrupted_run_learns_what_an_uninterrupted_one_learns() {
    // The open port is the last one asked.
    let last = 21_000 + Order::new(600, 7).at(599).unwrap() as u16;
    let profile =
        "tcp = [21000-21599]\nping = [tcp(21700)]\ndead_hosts = scan\nrate = 300/s\nper_host = 300/s\nretries = 0";
    let small = Small::new("learns", 5, profile, &[21_700, last]);
    greet(&small.listeners[1], b"SSH-2.0-OpenSSH_9.6\r\n");
    let child = small.start(&["run", "s", "--mode", "connect", "--seed", "7"]);
    drop(small.listeners[0].accept().unwrap());
    std::thread::sleep(Duration::from_millis(200));
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    let first = json(&output.stdout);
    assert_eq!((first["hosts"].as_array().unwrap().len(), open(&first).len()), (1, 0), "half scanned");
    assert_eq!(small.store().evidence(first["summary"]["reference"].as_str().unwrap()).unwrap().len(), 1);
    let (code, resumed, told) = small.done(&["scans", "resume", "latest", "--mode", "connect"]);
    assert_eq!(code, Some(0), "{told}");
    let of_resumed = evidence(&mut small.store());
    let (code, whole, told) = small.done(&["run", "s", "--mode", "connect", "--seed", "7"]);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(hosts(&resumed), hosts(&whole));
    assert_eq!(whole["hosts"][0]["ports"][0]["service"], "ssh");
    assert_eq!(of_resumed, evidence(&mut small.store()));
}

/// Interrupted while it talks: the scan is over, and nobody is asked for ports again but who is still to be talked to.
#[test]
fn an_interrupted_conversation_is_held_again_and_nothing_else() {
    let profile = "tcp = [21800-21819]\nping = [tcp(21800)]\ndead_hosts = scan";
    let small = Small::of("talks", &[6, 7], profile, &[21_810]);
    let child = small.start(&["run", "s", "--mode", "connect", "--seed", "7"]);
    drop(small.listeners[0].accept().unwrap());
    let _silent = small.listeners[0].accept().unwrap();
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    let first = json(&output.stdout);
    let coverage = serde_json::json!({"planned": 40, "done": 40, "targets": 2, "scanned": 2});
    assert_eq!(first["coverage"], coverage);
    let reference = first["summary"]["reference"].as_str().unwrap();
    let finished = small.store().finished_targets(reference).unwrap();
    assert_eq!(finished.iter().map(|(asset, _)| asset.as_str()).collect::<Vec<_>>(), ["i-7"]);
    greet(&small.listeners[0], b"SSH-2.0-OpenSSH_9.6\r\n");
    let (code, whole, told) = small.done(&["scans", "resume", "latest", "--mode", "connect"]);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!((&whole["coverage"], open(&whole)), (&coverage, small.truth()));
    let kept = small.store().ledger(reference).unwrap();
    let again = kept.sorted().into_iter().filter(|(e, n)| e.probe == ProbeKind::Connect && *n > 2).count();
    let asked = |number: u8| {
        let lines = kept.lines().filter(|(e, _)| e.probe == ProbeKind::Connect);
        lines.filter(|(e, _)| e.destination.to_string().ends_with(&format!(".{number}"))).map(|(_, n)| n).sum::<u32>()
    };
    // The port of the ping, and twenty ports.
    assert_eq!((again, asked(6), asked(7)), (1, 42, 21));
    assert_eq!(whole["ledger"]["total"].as_u64(), Some(kept.total()));
    let known = evidence(&mut small.store());
    assert!(known.len() == 2 && known[0].contains("ssh"), "{known:?}");
}

/// What an earlier part has left is read before the first packet; where it cannot be, nothing is sent and nothing lost.
#[test]
fn a_run_whose_past_cannot_be_read_is_not_resumed() {
    let small = Small::new("past", 8, "tcp = [21900]\nping = [tcp(21900)]\nchecks = []", &[21_900]);
    assert_eq!(small.done(&["run", "s", "--mode", "connect"]).0, Some(0));
    small.listeners[0].set_nonblocking(true).unwrap();
    while small.listeners[0].accept().is_ok() {}
    let refused = |why: &str| {
        let (code, _, told) = small.done(&["scans", "resume", "latest", "--mode", "connect"]);
        assert!(code == Some(2) && told.contains(why), "{code:?}: {told}");
        assert!(small.listeners[0].accept().is_err(), "something was sent");
        assert_eq!(small.store().run("latest").unwrap().state, RunState::Interrupted);
    };
    small.sql("UPDATE runs SET state = 'interrupted'");
    let reference = small.store().run("latest").unwrap().reference;
    let folder = small.path().join(".palisade/runs").join(reference.trim_start_matches("scan/"));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("control"), "exclude 127.0.0.1\n".repeat(1 << 18)).unwrap();
    refused("has more than");
    fs::remove_file(folder.join("control")).unwrap();
    small.sql("UPDATE results SET document = '{'");
    refused("cannot be read");
    let (code, _, told) = small.done(&["scans", "resume", "latest", "--mode", "raw"]);
    assert_eq!(code, Some(2), "{told}");
}

#[test]
fn a_run_whose_predecessor_cannot_be_read_keeps_what_it_sees() {
    let small = Small::new("before", 9, "tcp = [22000]\nping = [tcp(22000)]", &[22_000]);
    greet(&small.listeners[0], b"SSH-2.0-OpenSSH_9.6\r\n");
    assert_eq!(small.done(&["run", "s", "--mode", "connect"]).0, Some(0));
    small.sql("UPDATE evidence SET document = '{'");
    let (code, results, told) = small.done(&["run", "s", "--mode", "connect"]);
    assert_eq!(code, Some(3), "{told}");
    assert!(results["errors"][0].as_str().unwrap().contains("nothing is compared with the last run"), "{results}");
    assert_eq!((&results["summary"]["status"], open(&results)), (&"Finished with errors".into(), small.truth()));
    assert_eq!(
        json(small.store().document(results["summary"]["reference"].as_str().unwrap()).unwrap().unwrap().as_bytes()),
        results
    );
    assert_eq!(evidence(&mut small.store()).len(), 1);
}

/// A scan that cannot know any more what it is to leave alone ends.
#[test]
fn a_control_file_that_cannot_be_read_ends_the_scan() {
    let profile = "tcp = [22100-22699]\nping = [tcp(22100)]\ndead_hosts = scan\nrate = 100/s\nretries = 0\nchecks = []";
    let small = Small::new("control", 10, profile, &[22_100]);
    let child = small.start(&["run", "s", "--mode", "connect", "--seed", "7"]);
    drop(small.listeners[0].accept().unwrap());
    assert_eq!(small.done(&["scans", "exclude", "latest", "203.0.113.1"]).0, Some(0));
    let reference = small.store().run("latest").unwrap().reference;
    let control = small.path().join(".palisade/runs").join(reference.trim_start_matches("scan/")).join("control");
    let mut control = fs::OpenOptions::new().append(true).open(control).unwrap();
    control.write_all("exclude 203.0.113.2\n".repeat(1 << 17).as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let results = json(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(results["errors"].to_string().contains("what others ask of this scan cannot be read"), "{results}");
    assert!(results["coverage"]["done"].as_u64().unwrap() < 600);
    assert_eq!(small.store().run("latest").unwrap().state, RunState::Interrupted);
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
    let run_as = |args: &[&str], mode: &str| {
        let mut command = palisade();
        command.arg("-C").arg(small.path()).args(args).args(["--mode", mode, "--format", "json"]);
        if root {
            // Another user than root has no rights of its own.
            command.uid(65_534);
        }
        command.output().unwrap()
    };
    let run = |mode| run_as(&["run", "s"], mode);
    let refused = run("raw");
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{told}");
    assert!(told.contains("--mode connect"), "says what to do: {told}");
    let output = run("auto");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let results = json(&output.stdout);
    assert_eq!((results["mode"].as_str(), open(&results)), (Some("connect"), small.truth()));
    assert!(results["notes"].to_string().contains("CAP_NET_RAW"), "{}", results["notes"]);
    small.sql("UPDATE runs SET state = 'interrupted' WHERE state = 'finished'");
    assert_eq!(run_as(&["scans", "resume", "latest"], "raw").status.code(), Some(2));
    assert_eq!(small.store().run("latest").unwrap().state, RunState::Interrupted, "it can still be resumed");
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
