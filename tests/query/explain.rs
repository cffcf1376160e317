//! Why an asset matches or not, as people read it.

use jiff::Timestamp;
use palisade::base::limits::Limits;
use palisade::base::source::FileId;
use palisade::inventory::partition::Kind;
use palisade::lang::query::check::{Dialect, Scope, check};
use palisade::lang::query::predicate::{Moment, Predicate};
use palisade::lang::syntax::parse_query;

use super::conformance::{NOW, asset, snapshot};

pub fn predicate(query: &str, tags: Option<&[&str]>) -> Predicate {
    let (tree, found) = parse_query(query, FileId(0), 0, &Limits::default());
    let none = |_: &str| None;
    let known = || tags.map(<[&str]>::to_vec).unwrap_or_default();
    let scope = Scope {
        lets: &none,
        values: &|_| None,
        let_names: vec![],
        known_tags: tags.is_some().then_some(&known),
        provider: None,
        free_text: true,
        dialect: Dialect::Default,
        portable: false,
    };
    let (predicate, more) = check(&tree.unwrap_or_else(|| panic!("{found:?}")), &scope);
    predicate.unwrap_or_else(|| panic!("{more:?}"))
}

/// The explanation, then what would have to be otherwise.
fn explained(query: &str, facts: &str, unread: &[Kind]) -> String {
    let predicate = predicate(query, None);
    let s = snapshot(vec![asset(1, facts)], unread);
    let now: Timestamp = NOW.parse().unwrap();
    let moment = Moment { now, tags: None };
    let change = predicate.smallest_change(&s, 0, &moment);
    let wish = if change.is_empty() { String::new() } else { format!("if {}\n", change.join(" and ")) };
    format!("{}{wish}", predicate.explain(&s, 0, &moment).render())
}

#[test]
fn the_guides_query() {
    let query = "not azure.vm.publicIpAddress is null and azure.vm.state: \"RUNNING\"";
    let stopped = "AZURE; azure.vm.publicIpAddress=192.0.2.3; azure.vm.state=STOPPED";
    insta::assert_snapshot!(explained(query, stopped, &[]), @r#"
    no  and
    yes   azure.vm.publicIpAddress is not null    [azure.vm.publicIpAddress: 192.0.2.3]
    no    azure.vm.state: "RUNNING"    [azure.vm.state: STOPPED]
    if `azure.vm.state` were RUNNING
    "#);
    insta::assert_snapshot!(explained(query, "AZURE;", &[]), @r#"
    no  and
    no    azure.vm.publicIpAddress is not null    [azure.vm.publicIpAddress is null]
    no    azure.vm.state: "RUNNING"    [azure.vm.state is null]
    if `azure.vm.publicIpAddress` had a value and `azure.vm.state` were RUNNING
    "#);
    insta::assert_snapshot!(explained(query, "AZURE; azure.vm.publicIpAddress=192.0.2.3", &[Kind::InstanceView]), @r#"
    ?   and
    yes   azure.vm.publicIpAddress is not null    [azure.vm.publicIpAddress: 192.0.2.3]
    ?     azure.vm.state: "RUNNING"    [azure.vm.state was not read (c/-/-/instance-view denied: no right)]
    if `azure.vm.state` were RUNNING (it was not read)
    "#);
}

#[test]
fn the_cheapest_way_in() {
    let query = "(name: a and provider: AWS and openPorts.port: 22) or not openPorts.port > 1000 \
        or lastVmScanDate: [now-7d .. now]";
    let facts = "AZURE; openPorts.port=8080; lastVmScanDate=2026-01-01T00:00:00Z";
    insta::assert_snapshot!(explained(query, facts, &[]), @r#"
    no  or
    no    and
    no      name: a    [name is null]
    no      provider: AWS    [provider: AZURE]
    no      openPorts.port: 22    [openPorts.port: 8080]
    no    not openPorts.port > 1000    [openPorts.port: 8080]
    no    lastVmScanDate: [now-7d .. now]    [lastVmScanDate: 2026-01-01T00:00:00Z]
    if no value of `openPorts.port` were > 1000
    "#);
}

#[test]
fn groups_show_their_elements() {
    let query = "aws.tags: (key: env and value: prod)";
    let facts = "AWS; aws.tags.key=env#0; aws.tags.value=dev#0; aws.tags.key=tier#1; aws.tags.value=prod#1";
    insta::assert_snapshot!(explained(query, facts, &[]), @r#"
    no  aws.tags: (key: env and value: prod)    [key=env value=dev; key=tier value=prod]
    if one element of `aws.tags` passed (key: env and value: prod)
    "#);
    insta::assert_snapshot!(explained(&format!("not {query}"), "AWS; aws.tags.key=env; aws.tags.value=prod", &[]), @r#"
    no  not aws.tags: (key: env and value: prod)    [key=env value=prod]
    if no element of `aws.tags` passed (key: env and value: prod)
    "#);
    insta::assert_snapshot!(explained(query, "AWS;", &[Kind::Instances]), @r#"
    ?   aws.tags: (key: env and value: prod)    [aws.tags.key was not read (c/-/-/instances denied: no right); aws.tags.value was not read (c/-/-/instances denied: no right)]
    if one element of `aws.tags` passed (key: env and value: prod) (it was not read)
    "#);
}

#[test]
fn only_gaps_that_matter_are_told() {
    // The state is unread too, and does not matter: the answer hangs on the ports alone.
    let predicate = predicate("(azure.vm.state: RUNNING and name: x) or openPorts.port: 22", None);
    let s = snapshot(vec![asset(1, "AZURE; name=y")], &[Kind::InstanceView, Kind::Results]);
    let now: Timestamp = NOW.parse().unwrap();
    let gaps = predicate.gaps(&s, 0, &Moment { now, tags: None });
    let names: Vec<&str> = gaps.iter().map(|g| &*g.partition).collect();
    assert_eq!(names, ["c/-/-/results"]);
}

#[test]
fn free_text_searches_what_was_read() {
    let s = snapshot(
        vec![
            asset(1, "AWS; aws.ec2.vpcId=vpc-1"),
            asset(2, "AWS; name=web vpc-1"),
            asset(3, "AZURE; azure.vm.location=westus"),
        ],
        &[],
    );
    let now: Timestamp = NOW.parse().unwrap();
    let rows = |query: &str| {
        let found = predicate(query, None).evaluate(&s, &Moment { now, tags: None });
        assert!(found.cannot_tell.is_empty());
        found.matched.iter().filter_map(|r| s.asset(r)).map(|a| a.id().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(rows("\"vpc-1\""), ["a001", "a002"]);
    assert_eq!(rows("not WESTUS"), ["a001", "a002"]);
    assert_eq!(rows("nothing"), Vec::<String>::new());
}
