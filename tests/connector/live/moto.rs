//! A real moto server on loopback, filled and looked at through boto3 by `moto.py`.
#![cfg(feature = "aws")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, LazyLock};

use palisade::base::clock::SystemClock;
use palisade::base::limits::Limits;
use palisade::base::progress::{Silent, Stop};
use palisade::connector::file::{FileConnector, Notice};
use palisade::connector::live::assemble::assemble;
use palisade::connector::live::aws::{Aws, AwsSpec, Own};
use palisade::connector::live::secret::Secret;
use palisade::connector::live::{Fetched, Live};
use palisade::inventory::asset::Module;
use palisade::inventory::snapshot::SnapshotInput;

/// The server. It ends with this process: its standard input closes then.
pub struct Moto {
    pub endpoint: String,
    python: PathBuf,
    /// Network namespace that it runs in, and its clients with it.
    namespace: Option<String>,
    _child: Child,
}

const SERVE: &str = "
import os, sys, threading
def leave():
    sys.stdin.read()
    os._exit(0)
threading.Thread(target=leave, daemon=True).start()
from moto.server import main
main(['-H', '127.0.0.1', '-p', '0'])
";

static MOTO: LazyLock<Option<Moto>> = LazyLock::new(|| Moto::start(None));

/// The server of this test run, or nothing where the machine has no moto; the caller skips loudly.
pub fn moto(test: &str) -> Option<&'static Moto> {
    let found = MOTO.as_ref();
    if found.is_none() {
        skipped(test, "needs Python with moto and boto3; .ci/run installs them");
    }
    found
}

/// Past the capture of passed tests: a skip is to be seen.
pub fn skipped(test: &str, why: &str) {
    std::io::stderr().write_all(format!("skipped: {test} {why}\n").as_bytes()).unwrap();
}

/// A program, in a namespace where one is named.
fn inside(namespace: Option<&str>, program: &Path) -> Command {
    let Some(namespace) = namespace else { return Command::new(program) };
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]).arg(program);
    command
}

fn python() -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-venv/bin/python");
    [own, PathBuf::from("python3")].into_iter().find(|p| {
        let check = Command::new(p).args(["-c", "import moto.server, boto3, flask"]).stderr(Stdio::null()).status();
        check.is_ok_and(|s| s.success())
    })
}

impl Moto {
    /// Starts a server; nothing where the machine has no moto.
    pub fn start(namespace: Option<&str>) -> Option<Self> {
        let python = python()?;
        let mut child = inside(namespace, &python)
            .args(["-u", "-c", SERVE])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let endpoint = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|l| l.split_once("Running on ").map(|(_, url)| url.trim().to_owned()))
            .unwrap_or_else(|| panic!("moto did not say where it listens"));
        assert!(endpoint.starts_with("http://127.0.0.1:"), "{endpoint}");
        // Keeps the pipe drained: a full one would stop the server.
        std::thread::spawn(move || lines.count());
        Some(Self { endpoint, python, namespace: namespace.map(str::to_owned), _child: child })
    }

    /// Runs the script; what it prints.
    pub fn script(&self, what: &str, args: &[&str]) -> serde_json::Value {
        self.script_at(&self.endpoint, what, args)
    }

    /// The same, with something between it and the server.
    pub fn script_at(&self, endpoint: &str, what: &str, args: &[&str]) -> serde_json::Value {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/connector/live/moto.py");
        let mut command = inside(self.namespace.as_deref(), &self.python);
        let out = command.arg(script).args([what, endpoint]).args(args).output().unwrap();
        assert!(out.status.success(), "{what}: {}", String::from_utf8_lossy(&out.stderr));
        if out.stdout.is_empty() { serde_json::Value::Null } else { serde_json::from_slice(&out.stdout).unwrap() }
    }
}

/// The account that plain keys belong to in moto.
pub const HOME: &str = "123456789012";

/// A connector with plain keys that asks `endpoint`, for these regions.
pub fn spec(endpoint: &str, regions: &[&str]) -> AwsSpec {
    AwsSpec {
        own: Own::Keys { id: "testing".into(), secret: Secret::new("testing".into()), token: None },
        regions: Some(regions.iter().map(|r| (*r).to_owned()).collect()),
        endpoint: Some(endpoint.to_owned()),
        call_budget: 100,
        seed: 1,
        ..AwsSpec::default()
    }
}

/// The same, with the rights of an account's role.
pub fn in_account(account: &str, spec: AwsSpec) -> AwsSpec {
    AwsSpec { role: Some(format!("arn:aws:iam::{account}:role/reader")), ..spec }
}

/// Limits under which failures are given up quickly.
pub fn brisk() -> Limits {
    Limits { throttled_answers: 1, call_retries: 1, ..Limits::default() }
}

pub fn connector(spec: AwsSpec, limits: &Limits) -> Aws {
    Aws::new(spec, limits, Arc::new(SystemClock::default())).unwrap()
}

/// Fetches, and reads what came as a connector named `lab`.
pub fn sync(spec: AwsSpec, limits: &Limits) -> (Fetched, SnapshotInput, Vec<Notice>) {
    let fetched = connector(spec, limits).fetch(&Silent, &Stop::default());
    let file = FileConnector {
        name: "lab".into(),
        activate: vec![Module::Vm],
        include_micro_nano: false,
        project_number: None,
        regions: None,
    };
    let now = "2030-01-01T00:00:00Z".parse().unwrap();
    let (input, notices) = assemble(&file, fetched.recordings.clone(), now, limits);
    (fetched, input, notices)
}

/// Partitions that are not complete, by name and cause.
pub fn gaps(input: &SnapshotInput) -> Vec<String> {
    input.partitions.iter().filter_map(|p| p.gap()).map(|g| format!("{}: {}", g.partition, g.cause)).collect()
}
