//! Tags over a snapshot: static, dynamic, chained; counts by value.

use jiff::Timestamp;
use palisade::base::source::{Span, Spanned};
use palisade::inventory::asset::Provider;
use palisade::inventory::catalogue::{Lookup, look_up};
use palisade::inventory::partition::Kind;
use palisade::inventory::snapshot::Snapshot;
use palisade::lang::job::{Tag, TagRule};
use palisade::lang::query::facts::{count_by, values};
use palisade::lang::query::predicate::{Moment, Truth};
use palisade::lang::query::tags::TagMembership;
use roaring::RoaringBitmap;

use super::conformance::{NOW, asset, snapshot};
use super::explain::predicate;

const NAMES: &[&str] = &["Hand", "Running", "Web", "Not web", "Web scanned"];

fn tag(name: &str, rule: TagRule) -> Tag {
    Tag { name: Spanned::new(name.into(), Span::default()), rule, criticality: 2, span: Span::default() }
}

fn dynamic(name: &str, query: &str) -> Tag {
    tag(name, TagRule::Dynamic { query: predicate(query, Some(NAMES)), provider: None })
}

fn fleet(unread: &[Kind]) -> (Snapshot, TagMembership) {
    let facts = [
        "AZURE; name=web-1; azure.vm.state=RUNNING; openPorts.port=443",
        "AZURE; name=web-2; azure.vm.state=STOPPED",
        "AZURE; name=web-3",
        "AWS; name=db-1",
    ];
    let s = snapshot(facts.iter().enumerate().map(|(n, t)| asset(n + 1, t)).collect(), unread);
    let tags = [
        tag("Hand", TagRule::Static { assets: vec!["a004".into(), "gone".into()] }),
        dynamic("Running", "azure.vm.state: RUNNING"),
        dynamic("Web", "name: web and tags.name: \"running\""),
        dynamic("Not web", "not tags.name: Web"),
        dynamic("Web scanned", "tags.name: We* and openPorts.port: 443"),
    ];
    let assigned = TagMembership::assign(&tags, &s, NOW.parse().unwrap());
    (s, assigned)
}

fn answers(s: &Snapshot, tags: &TagMembership, name: &str) -> String {
    let members = tags.of(name).unwrap();
    (1..=4)
        .map(|n| match members.of(s.row_of(&format!("a{n:03}")).unwrap()) {
            Truth::In => '+',
            Truth::Out => '-',
            Truth::CannotTell => '?',
        })
        .collect()
}

#[test]
fn chained_tags_follow_each_other() {
    let (s, tags) = fleet(&[]);
    let all: Vec<String> = NAMES.iter().map(|n| answers(&s, &tags, n)).collect();
    assert_eq!(all, ["---+", "+---", "+---", "-+++", "+---"]);
    let row = s.row_of("a001").unwrap();
    let of: Vec<String> = tags.tags_of(row).iter().map(ToString::to_string).collect();
    assert_eq!(of, ["Running", "Web", "Web scanned"]);
}

#[test]
fn what_was_not_read_travels_along_the_chain() {
    let (s, tags) = fleet(&[Kind::InstanceView, Kind::Results]);
    let all: Vec<String> = NAMES.iter().map(|n| answers(&s, &tags, n)).collect();
    // web-3 has no state: whether it runs cannot be told, nor anything built on it. AWS assets have no Azure state.
    assert_eq!(all, ["---+", "+-?-", "+-?-", "-+?+", "+-?-"]);
    let row = s.row_of("a003").unwrap();
    let gaps = |name: &str| tags.gaps(row, |n| n == name).iter().map(|g| g.partition.to_string()).collect::<Vec<_>>();
    assert_eq!(gaps("Not web"), ["c/-/-/instance-view"]);
    assert_eq!(gaps("Web scanned"), ["c/-/-/instance-view", "c/-/-/results"]);
    assert_eq!(gaps("Hand"), Vec::<String>::new());
    let now: Timestamp = NOW.parse().unwrap();
    let moment = Moment { now, tags: Some(&tags) };
    let untagged = predicate("tags.name is null", Some(NAMES));
    assert_eq!(untagged.holds(&s, s.row_of("a002").unwrap(), &moment), Truth::Out);
    assert_eq!(untagged.holds(&s, row, &moment), Truth::CannotTell);
    assert_eq!(untagged.gaps(&s, row, &moment).len(), 2);
    insta::assert_snapshot!(predicate("tags.name: Running", Some(NAMES)).explain(&s, row, &moment).render(), @r#"
    ?   tags.name: Running    [tags.name was not read (c/-/-/instance-view denied: no right)]
    "#);
}

#[test]
fn a_test_builds_on_every_tag_it_can_match() {
    let builds_on = |query: &str| predicate(query, Some(NAMES)).tag_names().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(builds_on("tags.name: WEB"), ["Web"]);
    assert_eq!(builds_on("tags.name: [Web, Hand] or name: Running"), ["Hand", "Web"]);
    assert_eq!(builds_on("tags.name: *web*"), ["Not web", "Web", "Web scanned"]);
    assert_eq!(builds_on("not tags: (name: R* and not name: Web)"), ["Running", "Web"]);
    assert_eq!(builds_on("tags.name is null").len(), NAMES.len());
}

#[test]
fn a_group_on_tags_asks_for_one_tag() {
    let (s, tags) = fleet(&[]);
    let now: Timestamp = NOW.parse().unwrap();
    let rows =
        |query: &str| predicate(query, Some(NAMES)).evaluate(&s, &Moment { now, tags: Some(&tags) }).matched.len();
    assert_eq!(rows("tags: (name: Web and name: Running)"), 0);
    assert_eq!(rows("tags.name: Web and tags.name: Running"), 1);
    assert_eq!(rows("tags: (name: W* and not name: Web)"), 1);
}

#[test]
fn a_provider_scope_holds_in_tags_and_explanations() {
    let s = snapshot(vec![asset(1, "AZURE;"), asset(2, "AWS; aws.ec2.instanceState=STOPPED")], &[]);
    let (tree, _) = palisade::lang::syntax::parse_query(
        "not aws.ec2.instanceState: RUNNING",
        palisade::base::source::FileId(0),
        0,
        &palisade::base::limits::Limits::default(),
    );
    let none = |_: &str| None;
    let scope = palisade::lang::query::check::Scope {
        lets: &none,
        values: &|_| None,
        let_names: vec![],
        known_tags: None,
        provider: Some(Provider::Aws),
        free_text: false,
        dialect: palisade::lang::query::check::Dialect::Default,
        portable: false,
    };
    let (query, found) = palisade::lang::query::check::check(&tree.unwrap(), &scope);
    assert_eq!(found, []);
    let query = query.unwrap();
    let now: Timestamp = NOW.parse().unwrap();
    let azure = query.explain(&s, s.row_of("a001").unwrap(), &Moment { now, tags: None });
    insta::assert_snapshot!(azure.render(), @r#"
    no  and
    no    provider: AWS    [provider: AZURE]
    yes   not aws.ec2.instanceState: RUNNING    [aws.ec2.instanceState is null]
    "#);
    let rule = TagRule::Dynamic { query, provider: Some(Provider::Aws) };
    let tags = TagMembership::assign(&[tag("x", rule)], &s, now);
    let ids: Vec<&str> = tags.of("x").unwrap().matched.iter().filter_map(|r| s.asset(r)).map(|a| a.id()).collect();
    assert_eq!(ids, ["a002"]);
}

#[test]
fn counts_keep_unread_and_absent_apart() {
    let (s, tags) = fleet(&[Kind::InstanceView]);
    let now: Timestamp = NOW.parse().unwrap();
    let moment = Moment { now, tags: Some(&tags) };
    let id = |name: &str| match look_up(name) {
        Lookup::Exact(id) => id,
        other => panic!("{other:?}"),
    };
    let all: RoaringBitmap = (0..s.len()).collect();
    let by = |name: &str| count_by(&s, &all, id(name), &moment);
    let pair = |v: &str, n: u64| (v.to_owned(), n);
    assert_eq!(by("azure.vm.state"), [pair("RUNNING", 1), pair("STOPPED", 1), pair("-", 1), pair("?", 1)]);
    assert_eq!(by("tags.name")[..2], [pair("Not web", 2), pair("Hand", 1)]);
    assert_eq!(by("tags.name").last(), Some(&pair("?", 1)));
    assert_eq!(values(&s, id("provider"), 10), [pair("AZURE", 3), pair("AWS", 1)]);
    assert_eq!(values(&s, id("name"), 2), [pair("db-1", 1), pair("web-1", 1)]);
}
