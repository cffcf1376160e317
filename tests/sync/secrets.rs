//! Secrets by reference: every output, log and store file is searched for their values.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use palisade::base::progress::{Progress, Stop};
use palisade::connector::live::guard::Guarded;
use palisade::connector::live::secret::Secret;
use palisade::connector::live::{Claim, Fetched, Live, Ownership, Pages, Permission};
use palisade::run::pipeline::{self, RunOptions};
use palisade::run::sync;

use super::cloud::{Answer, PLACES, Place, Scripted};
use crate::cli::{TempDir, palisade};

const VALUES: [&str; 4] = ["env-7f3a91c2d4", "file-88b0e6aa13", "command-19cc54f7e0", "key-5d21f00b9e"];

/// Every file below a folder, with its bytes.
fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|w| w == secret.as_bytes())
}

fn search(folder: &Path, values: &[&str]) {
    let mut found = Vec::new();
    files(folder, &mut found);
    assert!(found.iter().any(|(name, _)| name.ends_with("palisade.db")), "the store is among {}", found.len());
    for (name, bytes) in found {
        for secret in values {
            assert!(!holds(&bytes, secret), "{name} holds {secret}");
        }
    }
}

#[test]
fn no_command_shows_or_keeps_a_secret() {
    let folder = TempDir::new("secrets");
    let kept = folder.0.join("kept");
    fs::create_dir_all(&kept).unwrap();
    fs::write(kept.join("id"), VALUES[1]).unwrap();
    let program = kept.join("say.sh");
    fs::write(&program, format!("#!/bin/sh\necho {}\n", VALUES[2])).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let role = "arn:aws:iam::123456789012:role/reader";
    let connector = |name: &str, secret: &str| {
        format!(
            "connector \"{name}\" {{\n  provider    = aws\n  role        = \"{role}\"\n  external_id = {secret}\n  \
                 endpoint    = \"http://127.0.0.1:9\"\n  regions     = [\"us-east-1\"]\n}}\n"
        )
    };
    let job = [
        connector("by env", "env(\"SYNC_TEST_ID\")"),
        connector("by file", "file(\"kept/id\")"),
        connector("by command", &format!("command(\"{}\")", program.display())),
        "channel \"hook\" {\n  webhook = env(\"SYNC_TEST_ID\")\n}\n".to_owned(),
        "scan \"s\" {\n  connector = \"by env\"\n}\n".to_owned(),
    ]
    .concat();
    let work = folder.0.join("work");
    fs::create_dir_all(work.join("kept")).unwrap();
    fs::copy(kept.join("id"), work.join("kept/id")).unwrap();
    fs::write(work.join("edge.pal"), job).unwrap();
    let state = folder.0.join("state");
    let commands: [&[&str]; 10] = [
        &["check"],
        &["fmt", "--check"],
        &["sync", "-v"],
        &["sync", "--format", "json"],
        &["sync", "--check", "by env"],
        &["sync", "--policy", "by file"],
        &["sync", "--list", "--format", "json"],
        &["query", "provider: AWS", "--format", "json"],
        &["plan", "s", "--format", "json"],
        &["run", "s", "--format", "json"],
    ];
    for arguments in commands {
        let output = palisade()
            .args(arguments)
            .arg("-C")
            .arg(&work)
            .arg("--state")
            .arg(&state)
            .env("SYNC_TEST_ID", VALUES[0])
            .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLEEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", VALUES[3])
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("HOME", &folder.0)
            .output()
            .unwrap();
        for secret in VALUES {
            assert!(!holds(&output.stdout, secret), "{arguments:?} prints {secret}");
            assert!(!holds(&output.stderr, secret), "{arguments:?} says {secret}");
        }
    }
    search(&state, &VALUES);
}

/// A provider that repeats what it was told in everything it says.
struct Echo(Scripted);

const TOLD: &str = "external-4c1f77a0";

impl Live for Echo {
    fn read(&self, pages: &dyn Pages, progress: &dyn Progress, stop: &Stop) -> Fetched {
        let mut fetched = self.0.read(pages, progress, stop);
        for recording in &mut fetched.recordings {
            use palisade::inventory::partition::PartitionState;
            if let PartitionState::Denied { cause } = &mut recording.state {
                *cause = format!("AccessDenied: sts:ExternalId {TOLD} is not allowed").into();
            }
        }
        fetched.errors.push(format!("no session for {TOLD}"));
        fetched
    }

    fn confirm(&self, claims: &[Claim]) -> Vec<Ownership> {
        claims.iter().map(|_| Ownership::Unknown(format!("expired token of {TOLD}"))).collect()
    }

    fn permissions(&self) -> Vec<Permission> {
        let refused = Some(format!("not with {TOLD}"));
        vec![Permission { name: "ec2:DescribeInstances".into(), place: "a".into(), need: "machines", refused }]
    }

    fn policy_document(&self) -> String {
        String::new()
    }
}

#[test]
fn a_provider_that_repeats_secrets_is_not_passed_on() {
    let place = Place::new("echo", "scan \"s\" {\n  connector = \"c\"\n}");
    place.cloud.cloud().vm("i-1", PLACES[0], "127.77.9.1");
    place
        .cloud
        .cloud()
        .answers
        .insert((PLACES[1].0, PLACES[1].1, palisade::inventory::partition::Kind::Instances), Answer::Denied);
    let mut env = place.env();
    let scripted = place.cloud.clone();
    env.live = Arc::new(move |_| {
        let secret = Secret::new(TOLD.to_owned());
        Ok(Box::new(Guarded::new(Box::new(Echo(scripted.clone())), vec![secret])))
    });
    let connector = place.connector();
    let live = sync::open(&place.workspace, connector, &env).unwrap();
    assert_eq!(live.permissions()[0].refused.as_deref(), Some("not with [secret]"));
    let synced = sync::sync(&place.workspace, connector, &mut place.store(), &env).unwrap();
    assert_eq!(synced.errors, ["no session for [secret]"]);
    let prepared = place.prepared();
    let plan = prepared.plan(&env).unwrap();
    assert!(plan.gaps.iter().any(|g| g.cause.contains("sts:ExternalId [secret] is not allowed")), "{:?}", plan.gaps);
    let ran =
        pipeline::run(&prepared, &plan, RunOptions::default(), &mut place.store(), &env, &mut |_| Ok(())).unwrap();
    assert_eq!(ran.results.not_scanned[0].reason, "lease not confirmed: expired token of [secret]");
    let document = serde_json::to_string(&ran.results).unwrap();
    assert!(!document.contains(TOLD));
    search(&env.state, &[TOLD]);
}
