//! Where credentials come from. The chain reads the environment, so each case runs in a process of its own: this
//! test program again, with one test chosen.
#![cfg(feature = "aws")]

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Output};

use palisade::base::limits::Limits;
use palisade::base::progress::{Silent, Stop};
use palisade::connector::live::Live;
use palisade::connector::live::aws::{AwsSpec, Own};

use super::moto::{connector, spec};
use super::proxy::{Act, Proxy};
use crate::cli::TempDir;

const ENDPOINT: &str = "PALISADE_CHAIN_ENDPOINT";
const PROFILE: &str = "PALISADE_CHAIN_PROFILE";

/// The child's part: reads one region with whatever the environment gives. Without its variable it does nothing.
#[test]
fn in_a_process_of_its_own() {
    let Ok(endpoint) = std::env::var(ENDPOINT) else { return };
    let own = std::env::var(PROFILE).map_or(Own::Chain, Own::Profile);
    let fetched = connector(AwsSpec { own, ..spec(&endpoint, &["eu-west-1"]) }, &Limits::default())
        .fetch(&Silent, &Stop::default());
    println!("errors {:?}", fetched.errors);
}

/// Answers as STS, and as the metadata services of containers and instances.
fn provider() -> Proxy {
    let credentials = |id: &str| {
        format!(
            "{{\"Code\":\"Success\",\"Type\":\"AWS-HMAC\",\"AccessKeyId\":\"{id}\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\
             \"Expiration\":\"2099-01-01T00:00:00Z\",\"LastUpdated\":\"2026-01-01T00:00:00Z\"}}"
        )
    };
    Proxy::start("", move |ask| match (ask.method.as_str(), ask.path.as_str()) {
        ("GET", "/container") => Act::Reply(200, credentials("AKCONTAINER")),
        ("PUT", "/latest/api/token") => {
            Act::With(200, "metadata-token".into(), "x-aws-ec2-metadata-token-ttl-seconds: 21600\r\n")
        }
        ("GET", "/latest/meta-data/iam/security-credentials/") => Act::Reply(200, "machine".into()),
        ("GET", "/latest/meta-data/iam/security-credentials/machine") => Act::Reply(200, credentials("AKMACHINE")),
        _ if ask.action == "GetCallerIdentity" => Act::Reply(
            200,
            "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>1</Account><Arn>arn:aws:iam::1:user/u</Arn>\
             </GetCallerIdentityResult></GetCallerIdentityResponse>"
                .into(),
        ),
        _ if ask.action.starts_with("Describe") => Act::Reply(200, "<html/>".into()),
        _ => Act::Reply(404, String::new()),
    })
}

/// Runs the child with these variables and no others. Metadata services are off, unless a variable says otherwise.
fn in_its_own_process(stub: &Proxy, more: &[(&str, &str)]) -> Output {
    let mut variables = BTreeMap::from([("AWS_EC2_METADATA_DISABLED", "true"), ("PATH", "/usr/bin:/bin")]);
    variables.extend(more.iter().copied());
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "connector::live::aws_chain::in_a_process_of_its_own", "--nocapture"])
        .env_clear()
        .envs(&variables)
        .env(ENDPOINT, &stub.endpoint)
        .output()
        .unwrap()
}

#[test]
fn the_chain_finds_credentials_where_the_standard_tools_do() {
    let stub = provider();
    let dir = TempDir::new("chain");
    let file = |name: &str, text: &str| {
        let path = dir.0.join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let config = file(
        "config",
        "[profile external]\ncredential_process = printf '{\"Version\":1,\"AccessKeyId\":\"AKPROCESS\",\"SecretAccessKey\":\"s\"}'\n\
         [profile plain]\nregion = ap-south-1\n[profile broken]\nregion = x\n",
    );
    let keys = file("credentials", "[plain]\naws_access_key_id = AKPROFILE\naws_secret_access_key = s\n");
    let files = [("AWS_CONFIG_FILE", config.as_str()), ("AWS_SHARED_CREDENTIALS_FILE", keys.as_str())];
    let environment = [("AWS_ACCESS_KEY_ID", "AKENV"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_SESSION_TOKEN", "t")];
    let container = format!("{}/container", stub.endpoint);
    let metadata =
        [("AWS_EC2_METADATA_SERVICE_ENDPOINT", stub.endpoint.as_str()), ("AWS_EC2_METADATA_DISABLED", "false")];
    type Case<'c> = (&'static str, Vec<(&'c str, &'c str)>, &'static str);
    let cases: [Case<'_>; 8] = [
        ("environment", environment.to_vec(), "AKENV"),
        ("profile by environment", vec![("AWS_PROFILE", "plain")], "AKPROFILE"),
        (
            "profile by job file, before the environment",
            [&environment[..], &[(PROFILE, "plain")]].concat(),
            "AKPROFILE",
        ),
        ("process", vec![(PROFILE, "external")], "AKPROCESS"),
        ("container", vec![("AWS_CONTAINER_CREDENTIALS_FULL_URI", &container)], "AKCONTAINER"),
        ("instance", metadata.to_vec(), "AKMACHINE"),
        ("a profile without keys does not fall back", [&environment[..], &[(PROFILE, "broken")]].concat(), ""),
        ("nothing", vec![], ""),
    ];
    for (name, more, key) in cases {
        let before = stub.asks().len();
        let child = in_its_own_process(&stub, &[&files[..], &more].concat());
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success(), "{name}: {said}");
        let asks = stub.asks()[before..].to_vec();
        let signed: Vec<&str> = asks.iter().filter(|a| !a.action.is_empty()).map(|a| a.head.as_str()).collect();
        if key.is_empty() {
            assert!(signed.is_empty() && said.contains("no credentials: "), "{name}: {said}");
            continue;
        }
        assert!(!signed.is_empty(), "{name}: {said}");
        assert!(signed.iter().all(|head| head.contains(&format!("Credential={key}/"))), "{name}: {signed:?}");
    }
}

/// Single sign-on and web identity speak HTTPS to Amazon's own hosts: here only as far as a proxy, which sees the host
/// and refuses. No name is looked up and nothing leaves the machine.
#[test]
fn sign_on_and_web_identity_ask_their_hosts_through_the_proxy() {
    let stub = provider();
    let dir = TempDir::new("sign-on");
    let file = |name: &str, text: &str| {
        let path = dir.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let config = file(
        "config",
        "[profile corp]\nsso_session = corp\nsso_account_id = 111122223333\nsso_role_name = reader\n\
         [sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://example.awsapps.com/start\n",
    );
    // Named by the SHA-1 of the session's name.
    file(
        ".aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json",
        "{\"accessToken\":\"sign-on-token\",\"expiresAt\":\"2099-01-01T00:00:00Z\",\"region\":\"us-east-1\",\
         \"startUrl\":\"https://example.awsapps.com/start\"}",
    );
    let token = file("token", "identity-token");
    let home = dir.0.display().to_string();
    let common = [("HTTPS_PROXY", stub.endpoint.as_str()), ("HOME", &home), ("AWS_CONFIG_FILE", &config)];
    let identity = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()),
        ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/pod"),
        ("AWS_REGION", "eu-west-1"),
    ];
    for (more, host) in [
        (&[(PROFILE, "corp")][..], "portal.sso.us-east-1.amazonaws.com:443"),
        (&identity[..], "sts.eu-west-1.amazonaws.com:443"),
    ] {
        let before = stub.asks().len();
        let child = in_its_own_process(&stub, &[&common[..], more].concat());
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && said.contains("no credentials: "), "{said}");
        assert!(!said.contains("sign-on-token") && !said.contains("identity-token"), "{said}");
        let hosts: Vec<String> = stub.asks()[before..].iter().map(|a| format!("{} {}", a.method, a.path)).collect();
        assert!(!hosts.is_empty() && hosts.iter().all(|h| *h == format!("CONNECT {host}")), "{hosts:?}\n{said}");
    }
}
