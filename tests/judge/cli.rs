//! The binary over several runs against listeners on loopback: findings, diff, judge, exit codes, own checks.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::cli::{TempDir, palisade};

const INVENTORY: &str = r#"{"Reservations": [{"OwnerId": "123456789012", "Instances": [
  {"InstanceId": "i-0story", "InstanceType": "t3.small", "ImageId": "ami-1", "State": {"Name": "running"},
   "Placement": {"AvailabilityZone": "us-east-1a"}, "VpcId": "vpc-1", "SubnetId": "subnet-1",
   "PrivateIpAddress": "10.0.0.1", "PublicIpAddress": "127.0.93.1",
   "Tags": [{"Key": "Name", "Value": "web-1"}, {"Key": "owner", "Value": "ops"}]}]}]}"#;

const JOB: &str = r#"
connector "c" { provider = file; path = "inventory.json" }
profile "p" { tcp = [18022, 18080, 18081]; ping = []; dead_hosts = scan; retries = 1 }
scan "s" { connector = "c"; module = pc; profile = "p" }
policy "edge" {
  expect tcp 18080
  otherwise nothing
  waive tcp 18081 { owner = "ops"; reason = "CHG-1"; until = 2100-01-01 }
}
"#;

/// A listener that greets, or answers a request, until it is dropped.
struct Server(Arc<AtomicBool>, Option<std::thread::JoinHandle<()>>);

impl Server {
    fn new(port: u16, greeting: &'static str) -> Self {
        let listener = TcpListener::bind(("127.0.93.1", port)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !seen.load(Ordering::SeqCst) {
                let Ok((mut stream, _)) = listener.accept() else {
                    std::thread::park_timeout(Duration::from_millis(5));
                    continue;
                };
                let _ = stream.set_nonblocking(false);
                let _ = stream.set_read_timeout(Some(Duration::from_millis(300)));
                if greeting.is_empty() {
                    let mut request = [0; 2048];
                    if stream.read(&mut request).is_ok_and(|n| request[..n].starts_with(b"GET ")) {
                        let _ =
                            stream.write_all(b"HTTP/1.1 404 Not Found\r\nServer: story\r\nContent-Length: 0\r\n\r\n");
                    }
                } else {
                    let _ = stream.write_all(greeting.as_bytes());
                }
            }
        });
        Self(stop, Some(thread))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
        self.1.take().map(std::thread::JoinHandle::join);
    }
}

fn call(folder: &Path, args: &[&str]) -> (i32, Value) {
    let output = palisade().args(args).args(["--format", "json", "-C"]).arg(folder).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let code = output.status.code().unwrap();
    let value = serde_json::from_str(&text);
    (code, value.unwrap_or_else(|e| panic!("{args:?}: {e}\n{text}\n{}", String::from_utf8_lossy(&output.stderr))))
}

fn run(folder: &Path, more: &[&str]) -> (i32, Value) {
    let mut args = vec!["run", "s", "--offline", "--mode", "connect", "--seed", "1"];
    args.extend(more);
    call(folder, &args)
}

/// `check port state` of a results document's findings, information left out.
fn found(results: &Value) -> Vec<String> {
    let hosts = results["hosts"].as_array().unwrap().iter().flat_map(|h| h["findings"].as_array().unwrap());
    hosts
        .filter(|f| f["kind"] != "information")
        .map(|f| format!("{} {} {}", f["check"].as_str().unwrap(), f["port"], f["state"].as_str().unwrap()))
        .collect()
}

#[test]
fn findings_live_over_runs_and_can_be_judged_again() {
    let folder = TempDir::new("judge-story");
    fs::write(folder.0.join("inventory.json"), INVENTORY).unwrap();
    fs::write(folder.0.join("edge.pal"), JOB).unwrap();
    let web = Server::new(18080, "");
    let waived = Server::new(18081, "");
    let (code, first) = run(&folder.0, &[]);
    assert_eq!(code, 1, "controls of a compliance scan fail: {}", first["judgement"]["controls"]);
    assert_eq!(found(&first), Vec::<String>::new(), "what is expected or waived is no finding");
    assert_eq!(first["judgement"]["policies"][0]["counts"]["waived"], 1);
    assert_eq!(first["judgement"]["controls"].as_array().unwrap().len(), 28);

    let login = Server::new(18022, "SSH-2.0-story\r\n");
    let (code, second) = run(&folder.0, &["--fail-on", "none"]);
    assert_eq!(code, 0);
    assert_eq!(found(&second), ["EX-01 18022 new", "SSH-01 18022 new", "EX-15 18022 new"]);
    let (code, _) = run(&folder.0, &["--fail-on", "4"]);
    assert_eq!(code, 1);

    drop(login);
    let (_, fourth) = run(&folder.0, &["--fail-on", "none"]);
    assert_eq!(found(&fourth), Vec::<String>::new());
    let gone = fourth["judgement"]["gone"].as_array().unwrap();
    let fixed: Vec<&str> =
        gone.iter().filter(|g| g["kind"] != "information").map(|g| g["why"].as_str().unwrap()).collect();
    assert_eq!(fixed, ["the port is not open"; 2]);

    let (_, open) = call(&folder.0, &["findings"]);
    assert_eq!(open["findings"], serde_json::json!([]), "fixed ones are not open");
    let (_, every) = call(&folder.0, &["findings", "--all", "--query", "aws.tags.key: owner"]);
    let states: Vec<&str> =
        every["findings"].as_array().unwrap().iter().map(|f| f["state"].as_str().unwrap()).collect();
    assert!(states.contains(&"fixed") && states.contains(&"active"), "{states:?}");

    let second_reference = second["summary"]["reference"].as_str().unwrap();
    let (_, diff) = call(&folder.0, &["diff", second_reference, "latest"]);
    assert_eq!(diff["ports"][0]["change"], "closed");
    assert_eq!(diff["ports"][0]["port"], 18022);

    fs::create_dir_all(folder.0.join("scripts/checks")).unwrap();
    fs::write(folder.0.join("scripts/checks/ACME-01.rhai"), OWN).unwrap();
    let (_, again) = call(&folder.0, &["judge", "latest", "--fail-on", "none"]);
    assert_eq!(found(&again), ["ACME-01 18080 new", "ACME-01 18081 new"]);
    assert_eq!(again["ledger"], fourth["ledger"], "no packet more");
    let (_, twice) = call(&folder.0, &["judge", "latest", "--fail-on", "none"]);
    assert_eq!(found(&twice), ["ACME-01 18080 new", "ACME-01 18081 new"], "the same run judged again says the same");
    drop((web, waived));
}

const OWN: &str = "// id: ACME-01\n// title: The story server is used\n// severity: 3\n// kind: potential\n// family: acme\n\
    // stage: check\n// author: t\n// threat: t\n// impact: t\n// solution: t\n// services: http\n\
    fn check(service, evidence) { if evidence.get(\"http.header.server\") == \"story\" { \"it is\" } }\n";

#[test]
fn a_wrong_check_of_the_workspace_stops_before_anything_is_sent() {
    let folder = TempDir::new("judge-wrong");
    fs::write(folder.0.join("inventory.json"), INVENTORY).unwrap();
    fs::write(folder.0.join("edge.pal"), JOB).unwrap();
    fs::create_dir_all(folder.0.join("scripts/checks")).unwrap();
    fs::write(folder.0.join("scripts/checks/ACME-01.rhai"), OWN.replace("ACME-01", "SSH-03")).unwrap();
    let output = palisade().args(["check", "-C"]).arg(&folder.0).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("P0609"));
    let output = palisade().args(["run", "s", "--offline", "-C"]).arg(&folder.0).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn copies_of_the_programs_own_checks_are_no_clash_until_they_are_changed() {
    let folder = TempDir::new("judge-copies");
    fs::write(folder.0.join("inventory.json"), INVENTORY).unwrap();
    fs::write(folder.0.join("edge.pal"), JOB).unwrap();
    let checks = folder.0.join("scripts/checks");
    fs::create_dir_all(&checks).unwrap();
    for (name, text) in palisade::script::check::BUILTIN {
        fs::write(checks.join(name), text).unwrap();
    }
    let check = || palisade().args(["check", "-C"]).arg(&folder.0).output().unwrap();
    let output = check();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let (name, text) = palisade::script::check::BUILTIN[0];
    fs::write(checks.join(name), format!("{text}// changed\n")).unwrap();
    let output = check();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(String::from_utf8_lossy(&output.stderr).matches("P0609").count(), 1);
}
