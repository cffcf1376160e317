//! What the connector reads of moto, beside what boto3 reads of it.
#![cfg(feature = "aws")]

use std::collections::{BTreeMap, BTreeSet};

use palisade::base::limits::Limits;
use palisade::connector::live::aws::{AwsSpec, Organization};
use palisade::connector::live::{Claim, Live, Ownership};
use palisade::inventory::asset::{Asset, Value};
use palisade::inventory::catalogue::tokens;
use palisade::inventory::partition::PartitionState;

use super::moto::{HOME, connector, gaps, in_account, moto, spec, sync};
use super::proxy::{Act, Ask, Proxy};

/// Tokens that palisade gives of its own, or that only say again what another one says.
const OWN: &[&str] = &[
    "provider",
    "connectors.name",
    "trackingMethod",
    "activatedForModules",
    "aws.ec2.region.name",
    "interfaces.address",
    "interfaces.hostname",
];

type Facts = BTreeMap<String, Vec<String>>;

fn facts(asset: &Asset) -> Facts {
    let mut facts: Facts = BTreeMap::new();
    for field in &asset.fields {
        let name = tokens()[field.token.0 as usize].name;
        if OWN.contains(&name) {
            continue;
        }
        let value = match &field.value {
            Value::Str(s) => s.to_string(),
            Value::Num(n) => n.to_string(),
            Value::Date(d) => d.to_string(),
            Value::Bool(b) => b.to_string(),
            Value::Ip(ip) => ip.to_string(),
        };
        facts.entry(name.to_owned()).or_default().push(value);
    }
    for values in facts.values_mut() {
        values.sort();
    }
    let addresses = asset.interfaces.iter().flat_map(|i| i.addresses.iter().map(|a| format!("{} {}", i.id, a.addr)));
    let mut addresses: Vec<String> = addresses.collect();
    addresses.sort();
    facts.insert("addresses".into(), addresses);
    facts
}

fn texts(value: &serde_json::Value) -> Vec<String> {
    let mut texts: Vec<String> = value.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect();
    texts.sort();
    texts
}

/// What boto3 says, in the same form.
fn boto3(view: &serde_json::Value) -> BTreeMap<String, Facts> {
    let asset = |a: &serde_json::Value| {
        let mut facts: Facts = a["tokens"].as_object().unwrap().iter().map(|(k, v)| (k.clone(), texts(v))).collect();
        facts.insert("addresses".into(), texts(&a["addresses"]));
        (a["id"].as_str().unwrap().to_owned(), facts)
    };
    view["assets"].as_array().unwrap().iter().map(asset).collect()
}

#[test]
fn sync_equals_what_boto3_says_asset_by_asset_field_by_field() {
    let Some(moto) = moto("sync_equals_what_boto3_says") else { return };
    let (accounts, regions) = (["111100000001", "111100000002"], ["us-east-1", "eu-west-1", "ap-south-1"]);
    moto.script("fill", &[&accounts.join(","), &regions.join(","), "40"]);
    let spec = AwsSpec {
        organization: Some(Organization {
            read_role: "reader".into(),
            accounts: accounts.map(str::to_owned).to_vec(),
            ..Organization::default()
        }),
        ..spec(&moto.endpoint, &regions)
    };
    // Pages of ten, so that there are many.
    let limits = Limits { records_per_page: 10, ..Limits::default() };
    let (fetched, input, notices) = sync(spec, &limits);
    assert_eq!(fetched.errors, Vec::<String>::new());
    assert_eq!(gaps(&input), Vec::<String>::new());
    let notices: Vec<String> = notices.iter().map(ToString::to_string).collect();
    assert_eq!(notices, Vec::<String>::new());
    let kinds = 4;
    assert_eq!(input.partitions.len(), accounts.len() * regions.len() * kinds);
    let pages = fetched.recordings.iter().map(|r| r.pages.len()).max();
    assert!(pages > Some(1), "several pages: {pages:?}");

    let view = moto.script("view", &[&accounts.join(","), &regions.join(",")]);
    let expected = boto3(&view);
    let found: BTreeMap<String, Facts> = input.assets.iter().map(|a| (a.id.to_string(), facts(a))).collect();
    assert!(expected.len() >= 300, "{} assets", expected.len());
    let ids = |map: &BTreeMap<String, Facts>| map.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(ids(&found), ids(&expected));
    for (id, facts) in &expected {
        assert_eq!(&found[id], facts, "{id}");
    }
    for odd in ["six", "two", "elastic", "gone", "private"] {
        assert!(expected.values().any(|f| f.get("name").is_some_and(|n| n == &[odd])), "{odd}");
    }
    let spot = |f: &Facts| f["aws.ec2.spotInstance"] == ["true"];
    assert_eq!(expected.values().filter(|f| spot(f)).count(), 6);

    let balancers: BTreeSet<Vec<String>> = input
        .load_balancers
        .iter()
        .map(|b| {
            let account = &input.partitions[b.partition.0 as usize].account;
            let facing = if b.internet_facing { "internet-facing" } else { "internal" };
            [&*b.id, &*b.name, account, &*b.region, facing].map(str::to_owned).to_vec()
        })
        .collect();
    let expected: BTreeSet<Vec<String>> = view["balancers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|b| b.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect())
        .collect();
    assert_eq!(balancers, expected);
    assert_eq!(expected.len(), accounts.len() * regions.len() * 5);
}

#[test]
fn every_enabled_region_is_read() {
    let Some(moto) = moto("every_enabled_region_is_read") else { return };
    let account = "111100000003";
    moto.script("many", &[account, "sa-east-1,ca-central-1", "4"]);
    let all = AwsSpec { regions: None, ..in_account(account, spec(&moto.endpoint, &[])) };
    let (fetched, input, _) = sync(all, &Limits::default());
    assert_eq!(fetched.errors, Vec::<String>::new());
    assert_eq!(gaps(&input), Vec::<String>::new());
    let regions: BTreeSet<&str> = input.partitions.iter().map(|p| &*p.region).collect();
    assert!(regions.len() >= 15 && regions.contains("sa-east-1") && !regions.contains(""), "{regions:?}");
    assert_eq!(input.assets.len(), 4);
    let calls: BTreeMap<&str, u64> = fetched.usage.iter().map(|u| (&*u.call, u.calls)).collect();
    assert_eq!(calls["ec2:DescribeInstances"], regions.len() as u64);
    assert_eq!(calls["ec2:DescribeRegions"], 1);
    assert_eq!(calls["sts:AssumeRole"], 1);
}

#[test]
fn an_address_that_moves_is_lost() {
    let Some(moto) = moto("an_address_that_moves_is_lost") else { return };
    let (account, region) = ("111100000004", "us-west-2");
    moto.script("fill", &[account, region, "1"]);
    let spec = in_account(account, spec(&moto.endpoint, &[region]));
    let (_, input, _) = sync(spec.clone(), &Limits::default());
    let view = moto.script("view", &[account, region]);
    let elastic: BTreeSet<String> =
        view["assets"].as_array().unwrap().iter().flat_map(|a| texts(&a["elastic"])).collect();
    let mut claims = Vec::new();
    for asset in &input.assets {
        for interface in &asset.interfaces {
            for address in &interface.addresses {
                claims.push(Claim {
                    asset: asset.id.clone(),
                    interface: interface.id.clone(),
                    account: account.into(),
                    region: region.into(),
                    addr: address.addr,
                });
            }
        }
    }
    let aws = connector(spec, &Limits::default());
    let public = |c: &Claim| elastic.contains(&c.addr.to_string());
    assert!(claims.iter().any(|c| c.addr.is_ipv6()) && claims.iter().filter(|c| public(c)).count() == 4);
    let before = aws.confirm(&claims);
    let lost = |c: &Claim, o: &Ownership| format!("{} {} {o:?}", c.asset, c.addr);
    let not: Vec<String> =
        claims.iter().zip(&before).filter(|(_, o)| **o != Ownership::Confirmed).map(|(c, o)| lost(c, o)).collect();
    assert_eq!(not, Vec::<String>::new());

    let moving = claims.iter().position(public).unwrap();
    let claim = claims[moving].clone();
    // One without a public address: an automatic one would be given up for the new one.
    let new = input.assets.iter().find(|a| a.name.as_deref() == Some("private")).unwrap();
    moto.script("move", &[account, region, &claim.addr.to_string(), &new.id]);
    let after = aws.confirm(&claims);
    assert_eq!(after[moving], Ownership::Lost(format!("no interface of `{}` has the address any more", claim.asset)));
    let changed = before.iter().zip(&after).filter(|(b, a)| b != a).count();
    assert_eq!(changed, 1, "every other address stays confirmed");
    let there = Claim { asset: new.id.clone(), ..claim.clone() };
    assert_eq!(aws.confirm(&[there]), [Ownership::Confirmed]);
    let stranger = Claim { account: "999999999999".into(), ..claim };
    let unknown = "the connector does not read account `999999999999`";
    assert_eq!(aws.confirm(&[stranger]), [Ownership::Unknown(unknown.into())]);
}

/// The description of an interface of the load balancer `front`, as it is asked for.
fn front_of(ask: &Ask) -> Option<String> {
    let mut values =
        ask.body.split('&').filter_map(|p| p.split_once('=')).map(|(_, v)| v.replace("%20", " ").replace("%2F", "/"));
    values.find(|v| v.starts_with("ELB app/front/"))
}

/// moto makes no interfaces for load balancers: the proxy shows one of `front`.
#[test]
fn load_balancers_are_asked_for_by_their_interfaces() {
    let Some(moto) = moto("load_balancers_are_asked_for_by_their_interfaces") else { return };
    let (account, region) = ("111100000006", "us-west-2");
    moto.script("fill", &[account, region, "1"]);
    let proxy = Proxy::start(&moto.endpoint, |ask| match front_of(ask) {
        Some(description) if ask.is("DescribeNetworkInterfaces", "us-west-2") => Act::Reply(
            200,
            format!(
                "<DescribeNetworkInterfacesResponse><networkInterfaceSet><item><networkInterfaceId>eni-1</networkInterfaceId>\
                 <description>{description}</description><association><publicIp>198.18.66.1</publicIp></association></item>\
                 </networkInterfaceSet></DescribeNetworkInterfacesResponse>"
            ),
        ),
        _ => Act::Pass,
    });
    let spec = in_account(account, spec(&proxy.endpoint, &[region]));
    let (_, input, _) = sync(spec.clone(), &Limits::default());
    let id = |name: &str| {
        let own = |id: &str| format!("{id}/").contains(&format!(":loadbalancer/{name}/"));
        input.load_balancers.iter().find(|l| own(&l.id)).unwrap().id.clone()
    };
    let claim = |name: &str, addr: &str| Claim {
        asset: id(name),
        interface: "".into(),
        account: account.into(),
        region: region.into(),
        addr: addr.parse().unwrap(),
    };
    let claims = [
        claim("app/front", "198.18.66.1"),
        claim("app/front", "198.18.66.2"),
        claim("app/stream", "198.18.66.3"),
        claim("app/stream", "198.18.66.4"),
        claim("old", "198.18.66.5"),
    ];
    let name = |n: usize| claims[n].asset.split_once(":loadbalancer/").unwrap().1.to_owned();
    let asked = proxy.asks().len();
    let aws = connector(spec, &Limits::default());
    let answers = aws.confirm(&claims);
    let unseen = |n: usize| Ownership::Unknown(format!("no interface of the load balancer `{}` can be seen", name(n)));
    let lost = format!("no interface of `{}` has the address any more", claims[1].asset);
    assert_eq!(answers, [Ownership::Confirmed, Ownership::Lost(lost.clone()), unseen(2), unseen(3), unseen(4)]);
    let calls: Vec<String> = proxy.asks().into_iter().skip(asked).map(|a| a.action).collect();
    let of = |action: &str| calls.iter().filter(|c| *c == action).count();
    assert_eq!((of("DescribeNetworkInterfaces"), of("DescribeLoadBalancers")), (1, 2), "{calls:?}");

    for n in [2, 4] {
        moto.script("remove", &[account, region, &claims[n].asset]);
    }
    let gone = |n: usize| Ownership::Lost(format!("the load balancer `{}` is gone", name(n)));
    assert_eq!(aws.confirm(&claims), [Ownership::Confirmed, Ownership::Lost(lost), gone(2), gone(3), gone(4)]);
}

#[test]
fn accounts_of_an_organisation() {
    let Some(moto) = moto("accounts_of_an_organisation") else { return };
    let made = moto.script("organize", &[]);
    let ids = texts(&made["accounts"]);
    let read = |organization: Organization| {
        let spec = AwsSpec { organization: Some(organization), ..spec(&moto.endpoint, &["us-east-1"]) };
        let (fetched, input, _) = sync(spec, &Limits::default());
        assert_eq!(fetched.errors, Vec::<String>::new());
        assert!(input.partitions.iter().all(|p| p.state == PartitionState::Complete));
        input.partitions.iter().map(|p| p.account.to_string()).collect::<BTreeSet<_>>()
    };
    let base = Organization { read_role: "reader".into(), ..Organization::default() };
    let mut all: BTreeSet<String> = ids.iter().cloned().collect();
    all.insert(HOME.into());
    assert_eq!(read(base.clone()), all);
    let lister = format!("arn:aws:iam::{HOME}:role/lister");
    let except = Organization { except: vec![HOME.into()], list_role: Some(lister), ..base.clone() };
    assert_eq!(read(except), ids.iter().cloned().collect());
    let unit = made["unit"].as_str().unwrap().to_owned();
    let two: BTreeSet<String> =
        made["accounts"].as_array().unwrap()[..2].iter().map(|a| a.as_str().unwrap().to_owned()).collect();
    assert_eq!(read(Organization { units: vec![unit], ..base }), two, "a unit and the unit below it");
}

/// Leases are kept by a thread of their own while others read.
#[test]
fn a_connector_may_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<palisade::connector::live::aws::Aws>();
}

#[test]
fn rights_are_tried_one_by_one() {
    let Some(moto) = moto("rights_are_tried_one_by_one") else { return };
    let spec = in_account("111100000005", spec(&moto.endpoint, &["us-east-1"]));
    let rights = connector(spec, &Limits::default()).permissions();
    let lines: Vec<String> = rights
        .iter()
        .map(|p| format!("{} in {}: {}", p.name, p.place, p.refused.as_deref().unwrap_or("granted")))
        .collect();
    assert_eq!(
        lines,
        [
            "sts:AssumeRole in arn:aws:iam::111100000005:role/reader: granted",
            "ec2:DescribeRegions in 111100000005/us-east-1: granted",
            "ec2:DescribeInstances in 111100000005/us-east-1: granted",
            "ec2:DescribeNetworkInterfaces in 111100000005/us-east-1: granted",
            "ec2:DescribeAddresses in 111100000005/us-east-1: granted",
            "elasticloadbalancing:DescribeLoadBalancers in 111100000005/us-east-1: granted",
            "elasticloadbalancing:DescribeLoadBalancers in 111100000005/us-east-1: granted",
        ]
    );
}
