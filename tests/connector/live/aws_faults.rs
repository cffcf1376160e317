//! The provider refuses, throttles, breaks off and lies: exactly what was not read is a gap, and nothing is dropped.
#![cfg(feature = "aws")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use palisade::base::limits::Limits;
use palisade::base::progress::{Progress, Silent, Stop};
use palisade::connector::live::aws::{AwsSpec, Organization};
use palisade::connector::live::secret::Secret;
use palisade::connector::live::{Claim, Live, Ownership};
use palisade::inventory::partition::PartitionState;

use super::moto::{brisk, connector, gaps, in_account, moto, spec, sync};
use super::proxy::{Act, Proxy};

fn ec2_error(code: &str) -> String {
    format!("<Response><Errors><Error><Code>{code}</Code><Message>told so</Message></Error></Errors></Response>")
}

fn sts_error(code: &str) -> String {
    format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>told so</Message></Error></ErrorResponse>"
    )
}

#[test]
fn a_refused_region_is_exactly_one_gap() {
    let Some(moto) = moto("a_refused_region_is_exactly_one_gap") else { return };
    let (account, regions) = ("222200000001", ["us-east-1", "eu-west-1", "eu-west-2"]);
    moto.script("many", &[account, &regions.join(","), "30"]);
    let proxy = Proxy::start(&moto.endpoint, |ask| {
        if ask.is("DescribeInstances", "eu-west-1") {
            Act::Reply(403, ec2_error("UnauthorizedOperation"))
        } else {
            Act::Pass
        }
    });
    let (fetched, input, notices) = sync(in_account(account, spec(&proxy.endpoint, &regions)), &Limits::default());
    assert_eq!(gaps(&input), ["lab/222200000001/eu-west-1/instances: denied: UnauthorizedOperation: told so"]);
    assert_eq!((input.assets.len(), fetched.errors.len()), (20, 0));
    let said: Vec<&str> = notices.iter().filter(|n| n.code == "P0358").map(|n| n.text.as_str()).collect();
    assert_eq!(
        said,
        ["instances of account `222200000001`, region `eu-west-1` were refused: UnauthorizedOperation: told so"]
    );
    let denied = proxy.asks().iter().filter(|a| a.is("DescribeInstances", "eu-west-1")).count();
    assert_eq!(denied, 1, "a refusal is not asked for again");
}

#[test]
fn throttling_is_waited_out_or_a_gap() {
    let Some(moto) = moto("throttling_is_waited_out_or_a_gap") else { return };
    let (account, regions) = ("222200000002", ["us-east-1", "eu-west-1"]);
    moto.script("many", &[account, &regions.join(","), "20"]);
    let proxy = Proxy::start(&moto.endpoint, |ask| match (ask.action.as_str(), ask.region.as_str(), ask.before) {
        ("DescribeNetworkInterfaces", "us-east-1", 0) => Act::Reply(503, ec2_error("RequestLimitExceeded")),
        ("DescribeAddresses", "eu-west-1", _) => Act::Reply(400, ec2_error("Throttling")),
        ("DescribeLoadBalancers", "eu-west-1", _) if ask.body.contains("2012-06-01") => {
            Act::Reply(400, sts_error("Throttling"))
        }
        _ => Act::Pass,
    });
    let (fetched, input, _) = sync(in_account(account, spec(&proxy.endpoint, &regions)), &brisk());
    assert_eq!(
        gaps(&input),
        [
            "lab/222200000002/eu-west-1/addresses: throttled: Throttling: told so",
            "lab/222200000002/eu-west-1/load-balancers: partly read: classic: throttled: Throttling: told so",
        ]
    );
    assert_eq!(input.assets.len(), 20);
    let throttled: u64 = fetched.usage.iter().map(|u| u.throttled).sum();
    assert_eq!(throttled, 5, "one that passed, and two times two");
}

#[test]
fn a_second_page_that_fails_keeps_the_first() {
    let Some(moto) = moto("a_second_page_that_fails_keeps_the_first") else { return };
    let (account, region) = ("222200000003", "us-east-1");
    // Reservations of 50 make pages of one reservation here.
    moto.script("many", &[account, region, "150"]);
    let limits = Limits { records_per_page: 1, http_body_bytes: 1 << 20, ..brisk() };
    type Case = (&'static str, fn() -> Act, usize, &'static str);
    let cases: [Case; 11] = [
        (
            "denied",
            || Act::Reply(403, ec2_error("UnauthorizedOperation")),
            50,
            "denied: page 2: UnauthorizedOperation: told so",
        ),
        (
            "throttled",
            || Act::Reply(503, ec2_error("RequestLimitExceeded")),
            50,
            "throttled: page 2: RequestLimitExceeded: told so",
        ),
        ("internal", || Act::Reply(500, ec2_error("InternalError")), 50, "page 2: InternalError: told so"),
        (
            "html",
            || Act::Reply(200, "<html><body>x</body></html>".into()),
            50,
            "page 2: DescribeInstances: the answer is `html`, not `DescribeInstancesResponse`",
        ),
        (
            "empty",
            || Act::Reply(200, String::new()),
            50,
            "page 2: DescribeInstances: the answer is broken at byte 0: it ends inside an element",
        ),
        (
            "no list",
            || Act::Reply(200, "<DescribeInstancesResponse></DescribeInstancesResponse>".into()),
            50,
            "page 2: DescribeInstances: the answer has no `Reservations`",
        ),
        (
            "huge",
            || Act::Reply(200, "<x>".repeat(1 << 19)),
            50,
            "page 2: the answer of `127.0.0.1` is longer than 1048576 bytes",
        ),
        (
            "deep",
            || Act::Reply(200, format!("<DescribeInstancesResponse>{}", "<x>".repeat(10_000))),
            50,
            "page 2: DescribeInstances: the answer is broken at byte 414: elements are nested too deeply",
        ),
        (
            "itself",
            || {
                let page =
                    "<DescribeInstancesResponse><reservationSet/><nextToken>a</nextToken></DescribeInstancesResponse>";
                Act::Reply(200, page.into())
            },
            50,
            "DescribeInstances: page 3 names an earlier page as the next one",
        ),
        (
            "circle",
            || {
                static PAGES: AtomicUsize = AtomicUsize::new(0);
                let mark = if PAGES.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) { "a" } else { "b" };
                let page = "<DescribeInstancesResponse><reservationSet/><nextToken>MARK</nextToken></DescribeInstancesResponse>";
                Act::Reply(200, page.replace("MARK", mark))
            },
            50,
            "DescribeInstances: page 4 names an earlier page as the next one",
        ),
        (
            "wrong types",
            || Act::Change(|body| body.replace("<deviceIndex>0</deviceIndex>", "<deviceIndex>none</deviceIndex>")),
            100,
            "",
        ),
    ];
    for (name, act, kept, cause) in cases {
        let proxy = Proxy::start(&moto.endpoint, move |ask| {
            if ask.action == "DescribeInstances" && ask.body.contains("NextToken") { act() } else { Act::Pass }
        });
        let (_, input, _) = sync(in_account(account, spec(&proxy.endpoint, &[region])), &limits);
        let gaps = gaps(&input);
        assert_eq!(gaps.len(), 1, "{name}: {gaps:?}");
        assert!(gaps[0].starts_with("lab/222200000003/us-east-1/instances: partly read: "), "{name}: {gaps:?}");
        if name == "wrong types" {
            assert!(gaps[0].contains("dropped"), "{name}: {gaps:?}");
            assert!(input.assets.len() < 150);
            continue;
        }
        let told = gaps[0].split("partly read: ").nth(1).unwrap();
        assert_eq!((told, input.assets.len()), (cause, kept), "{name}");
    }
}

#[test]
fn connections_that_break_are_tried_again() {
    let Some(moto) = moto("connections_that_break_are_tried_again") else { return };
    let (account, region) = ("222200000004", "us-east-1");
    moto.script("many", &[account, region, "10"]);
    let proxy = Proxy::start(&moto.endpoint, |ask| match (ask.action.as_str(), ask.before) {
        ("DescribeInstances", 0) | ("DescribeAddresses", _) => Act::Cut,
        _ => Act::Pass,
    });
    let (_, input, _) = sync(in_account(account, spec(&proxy.endpoint, &[region])), &brisk());
    let gaps = gaps(&input);
    assert_eq!((gaps.len(), input.assets.len()), (1, 10));
    let start = "lab/222200000004/us-east-1/addresses: partly read: the answer of `127.0.0.1` broke off: ";
    assert!(gaps[0].starts_with(start), "{gaps:?}");
    let truncated = Proxy::start(&moto.endpoint, |ask| match ask.action.as_str() {
        "DescribeInstances" => Act::Change(|body| body[..body.len() / 2].to_owned()),
        _ => Act::Pass,
    });
    let (_, input, _) = sync(in_account(account, spec(&truncated.endpoint, &[region])), &brisk());
    let gaps = super::moto::gaps(&input);
    assert!(
        gaps.len() == 1 && gaps[0].contains("instances: partly read: DescribeInstances: the answer is broken at byte"),
        "{gaps:?}"
    );
}

/// A stub of the service that checks external ids; moto does not.
fn checks_external_id(behind: &str) -> Proxy {
    Proxy::start(behind, |ask| match ask.action.as_str() {
        "AssumeRole" if !ask.body.contains("ExternalId=the-right-one") => Act::Reply(403, sts_error("AccessDenied")),
        _ => Act::Pass,
    })
}

#[test]
fn a_wrong_external_id_fails_loudly_and_never_falls_back() {
    let Some(moto) = moto("a_wrong_external_id_fails_loudly") else { return };
    let (account, region) = ("222200000005", "us-east-1");
    moto.script("many", &[account, region, "10"]);
    let stub = checks_external_id(&moto.endpoint);
    let with = |id: Option<&str>| AwsSpec {
        external_id: id.map(|id| Secret::new(id.into())),
        ..in_account(account, spec(&stub.endpoint, &[region]))
    };
    let (_, input, _) = sync(with(Some("the-right-one")), &brisk());
    assert_eq!((gaps(&input).len(), input.assets.len()), (0, 10));
    let before = stub.asks().len();
    for (id, how) in [(Some("the-wrong-one"), "with the external id given"), (None, "without an external id")] {
        let (fetched, input, notices) = sync(with(id), &brisk());
        let cause =
            format!("the role `arn:aws:iam::{account}:role/reader` cannot be assumed {how}: AccessDenied: told so");
        assert_eq!(fetched.errors, [cause.as_str()]);
        assert_eq!(input.assets.len(), 0);
        let expected: Vec<String> = ["instances", "interfaces", "addresses", "load-balancers"]
            .map(|kind| format!("lab/{account}/{region}/{kind}: denied: {cause}"))
            .to_vec();
        assert_eq!(gaps(&input), expected);
        let all = format!("{fetched:?} {notices:?} {input:?}");
        assert!(!all.contains("the-wrong-one") && !all.contains("the-right-one"));
        let rights = connector(with(id), &brisk()).permissions();
        assert!(rights.iter().all(|p| p.refused.as_deref() == Some(cause.as_str())), "{rights:?}");
        let claim = Claim {
            asset: "i-1".into(),
            interface: "eni-1".into(),
            account: account.into(),
            region: region.into(),
            addr: "192.0.2.1".parse().unwrap(),
        };
        assert_eq!(connector(with(id), &brisk()).confirm(&[claim]), [Ownership::Unknown(cause.clone())]);
    }
    let later: BTreeSet<String> = stub.asks()[before..].iter().map(|a| a.action.clone()).collect();
    assert_eq!(later, BTreeSet::from(["AssumeRole".to_owned()]), "nothing else was asked with the caller's own rights");
}

#[test]
fn one_broken_account_does_not_stop_the_rest() {
    let Some(moto) = moto("one_broken_account_does_not_stop_the_rest") else { return };
    let accounts = ["222200000006", "222200000007", "222200000008"];
    moto.script("many", &[accounts[0], "us-east-1", "10"]);
    let proxy = Proxy::start(&moto.endpoint, |ask| match ask.action.as_str() {
        "AssumeRole" if ask.body.contains("222200000007") => Act::Reply(403, sts_error("AccessDenied")),
        "DescribeRegions" if ask.account == "222200000008" => Act::Reply(403, ec2_error("UnauthorizedOperation")),
        _ => Act::Pass,
    });
    let spec = AwsSpec {
        organization: Some(Organization {
            read_role: "reader".into(),
            accounts: accounts.map(str::to_owned).to_vec(),
            ..Organization::default()
        }),
        regions: None,
        ..spec(&proxy.endpoint, &[])
    };
    let (fetched, input, _) = sync(spec, &brisk());
    assert_eq!(input.assets.len(), 10);
    let gaps = gaps(&input);
    assert_eq!(gaps.len(), 8, "{gaps:?}");
    assert!(gaps.iter().all(|g| g.starts_with("lab/222200000007/-/") || g.starts_with("lab/222200000008/-/")));
    assert_eq!(
        fetched.errors,
        [
            "account 222200000007: the role `arn:aws:iam::222200000007:role/reader` cannot be assumed without an external id: \
             AccessDenied: told so",
            "account 222200000008: UnauthorizedOperation: told so",
        ]
    );
}

#[test]
fn credentials_that_end_are_renewed_once() {
    let Some(moto) = moto("credentials_that_end_are_renewed_once") else { return };
    let (account, region) = ("222200000009", "us-east-1");
    moto.script("many", &[account, region, "10"]);
    let proxy = Proxy::start(&moto.endpoint, |ask| match (ask.action.as_str(), ask.before) {
        ("DescribeInstances", 0) => Act::Reply(400, ec2_error("RequestExpired")),
        ("DescribeAddresses", _) => Act::Reply(400, ec2_error("RequestExpired")),
        _ => Act::Pass,
    });
    let (_, input, _) = sync(in_account(account, spec(&proxy.endpoint, &[region])), &brisk());
    assert_eq!(gaps(&input), [format!("lab/{account}/{region}/addresses: denied: RequestExpired: told so")]);
    assert_eq!(input.assets.len(), 10);
}

/// Raises the wish to stop after so many partitions.
struct StopAfter(usize, Arc<Stop>, AtomicUsize);

impl Progress for StopAfter {
    fn start(&self, _: &'static str, _: u64) {}
    fn update(&self, _: &'static str, _: u64, _: &str) {
        if self.2.fetch_add(1, Ordering::SeqCst) + 1 == self.0 {
            self.1.raise();
        }
    }
    fn finish(&self, _: &'static str) {}
}

#[test]
fn a_wish_to_stop_leaves_what_was_not_asked_as_not_asked() {
    let Some(moto) = moto("a_wish_to_stop") else { return };
    let stop = Arc::new(Stop::default());
    let spec = in_account("222200000010", spec(&moto.endpoint, &["us-east-1", "eu-west-1", "eu-west-2", "eu-west-3"]));
    let limits = Limits { calls_in_flight: 1, ..brisk() };
    let aws = connector(spec, &limits);
    let fetched = aws.fetch(&StopAfter(3, Arc::clone(&stop), AtomicUsize::new(0)), &stop);
    let states: Vec<bool> = fetched.recordings.iter().map(|r| r.state == PartitionState::Complete).collect();
    assert_eq!(states.len(), 16);
    assert_eq!(states.iter().filter(|s| **s).count(), 3);
    assert!(fetched.recordings[4..].iter().all(|r| r.state == PartitionState::NotAsked));
    // Nothing can be reached: said, not silent.
    let nowhere = super::moto::spec("http://127.0.0.1:1", &["us-east-1"]);
    let fetched = connector(nowhere, &brisk()).fetch(&Silent, &Stop::default());
    assert!(fetched.errors[0].starts_with("cannot connect to `127.0.0.1`: "), "{:?}", fetched.errors);
    assert!(fetched.recordings.iter().all(|r| matches!(r.state, PartitionState::Partial { .. })));
}
