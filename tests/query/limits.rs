//! Queries that try to be too large, too deep, or slow.

use std::time::{Duration, Instant};

use palisade::base::limits::Limits;
use palisade::base::source::FileId;
use palisade::lang::query::check::{Dialect, Scope, check};
use palisade::lang::syntax::ast::{Query, Quote, Scalar};
use palisade::lang::syntax::parse_query;

use super::conformance::answer;

fn parse(text: &str) -> Query {
    let (tree, found) = parse_query(text, FileId(0), 0, &Limits::default());
    tree.unwrap_or_else(|| panic!("{found:?}"))
}

/// The codes and messages of a query in which `@name` stands for what the functions give.
fn said(
    text: &str,
    lets: &dyn Fn(&str) -> Option<&'static Query>,
    values: &dyn Fn(&str) -> Option<&'static [Scalar]>,
) -> Vec<String> {
    let scope = Scope {
        lets: &|name: &str| lets(name),
        values: &|name: &str| values(name),
        let_names: vec![],
        known_tags: None,
        provider: None,
        free_text: true,
        dialect: Dialect::Default,
        portable: false,
    };
    let started = Instant::now();
    let (_, found) = check(&parse(text), &scope);
    assert!(started.elapsed() < Duration::from_secs(10), "slow");
    found.iter().map(|d| format!("{} {}", d.code, d.message)).collect()
}

fn leaked(text: &str) -> &'static Query {
    Box::leak(Box::new(parse(text)))
}

#[test]
fn a_thousand_terms_and_no_more() {
    let query = |n: usize| vec!["name: x"; n].join(" or ");
    assert_eq!(answer(&query(1_000), "AWS; name=x", &[], None), "match");
    assert!(answer(&query(1_001), "AWS; name=x", &[], None).starts_with("error P0005"));
}

#[test]
fn nesting_has_a_limit() {
    let nested = |n: usize| format!("{}name: x{}", "(".repeat(n), ")".repeat(n));
    assert_eq!(answer(&nested(128), "AWS; name=x", &[], None), "match");
    assert!(answer(&nested(129), "AWS; name=x", &[], None).starts_with("error P0004"));
    assert!(answer(&nested(10_000), "AWS; name=x", &[], None).starts_with("error P0004"));
    assert!(answer(&format!("{}name: x", "not ".repeat(10_000)), "AWS;", &[], None).starts_with("error P0004"));
    assert_eq!(answer(&format!("{}name: x", "not ".repeat(100)), "AWS; name=x", &[], None), "match");
    // Many groups beside each other are not deep.
    let wide = vec!["not (name: y)"; 500].join(" and ");
    assert_eq!(answer(&wide, "AWS; name=x", &[], None), "match");
}

#[test]
fn names_that_multiply_are_stopped() {
    // Each name stands twice in the next: 2^40 terms if nobody counts.
    let queries: Vec<&'static Query> =
        (0..40).map(|n| leaked(&if n == 0 { "name: x".into() } else { format!("@n{0} or @n{0}", n - 1) })).collect();
    let lets = move |name: &str| queries.get(name.strip_prefix('n')?.parse::<usize>().ok()?).copied();
    assert_eq!(said("@n3", &lets, &|_| None), Vec::<String>::new());
    assert_eq!(said("@n39", &lets, &|_| None), ["P0115 more than 10000 terms after expansion"]);
}

#[test]
fn names_that_nest_are_stopped() {
    // A chain of names, each deeper than the last: 100,000 levels if nobody counts.
    let queries: Vec<&'static Query> = (0..1_000)
        .map(|n| leaked(&if n == 0 { "name: x".into() } else { format!("{}@n{}", "not ".repeat(100), n - 1) }))
        .collect();
    let lets = move |name: &str| queries.get(name.strip_prefix('n')?.parse::<usize>().ok()?).copied();
    assert_eq!(said("@n1", &lets, &|_| None), Vec::<String>::new());
    assert_eq!(said("@n999", &lets, &|_| None), ["P0115 deeper than 256 levels after expansion"]);
}

#[test]
fn values_that_name_themselves_are_stopped() {
    let scalar =
        |text: &str| Scalar { text: text.into(), wildcards: vec![], quote: Quote::Bare, span: Default::default() };
    let a: &'static [Scalar] = Box::leak(vec![scalar("@b"), scalar("web")].into_boxed_slice());
    let b: &'static [Scalar] = Box::leak(vec![scalar("@a"), scalar("@a")].into_boxed_slice());
    let ok: &'static [Scalar] = Box::leak(vec![scalar("web"), scalar("db")].into_boxed_slice());
    let nested: &'static [Scalar] = Box::leak(vec![scalar("@ok"), scalar("mail")].into_boxed_slice());
    let values = move |name: &str| match name {
        "a" => Some(a),
        "b" => Some(b),
        "ok" => Some(ok),
        "nested" => Some(nested),
        _ => None,
    };
    assert_eq!(said("name: @nested", &|_| None, &values), Vec::<String>::new());
    let loops = said("name: @a", &|_| None, &values);
    assert_eq!(loops.first().map(String::as_str), Some("P0115 the names refer to each other: `@a` -> `@b` -> `@a`"));
    assert_eq!(said("name: @nix", &|_| None, &values), ["P0114 there is no value named `nix`"]);
}

#[test]
fn a_hostile_wildcard_is_not_slow() {
    let started = Instant::now();
    let query = format!("name: {}b", "*a".repeat(60));
    let asset = format!("AWS; name={}", "a".repeat(20_000));
    assert_eq!(answer(&query, &asset, &[], None), "no");
    assert_eq!(answer("name: *a*a*a*a*a*b", &asset, &[], None), "no");
    assert!(started.elapsed() < Duration::from_secs(5));
}
