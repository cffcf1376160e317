//! Random queries over random assets: the columns must answer as a plain walk over the rows does, unread values
//! included.

use jiff::Timestamp;
use palisade::base::limits::Limits;
use palisade::base::source::FileId;
use palisade::inventory::asset::{Asset, Value};
use palisade::inventory::catalogue::{Lookup, look_up};
use palisade::inventory::partition::Kind;
use palisade::lang::query::check::{Dialect, Scope, check};
use palisade::lang::query::predicate::{Moment, Truth};
use palisade::lang::syntax::parse_query;
use proptest::prelude::*;

use super::conformance::{NOW, asset, snapshot};

/// A query as the naive evaluator sees it.
#[derive(Debug, Clone)]
enum Naive {
    Is(&'static str, &'static str),
    Null(&'static str),
    And(Vec<Naive>),
    Or(Vec<Naive>),
    Not(Box<Naive>),
}

const TESTS: &[(&str, &str)] = &[
    ("azure.vm.state", "RUNNING"),
    ("azure.vm.state", "STOPPED"),
    ("azure.vm.location", "westus"),
    ("provider", "AWS"),
    ("azure.tags.name", "env"),
    ("openPorts.port", "22"),
];

impl Naive {
    fn text(&self) -> String {
        let join =
            |parts: &[Naive], word: &str| format!("({})", parts.iter().map(Naive::text).collect::<Vec<_>>().join(word));
        match self {
            Self::Is(token, value) => format!("{token}: {value}"),
            Self::Null(token) => format!("{token} is null"),
            Self::And(parts) => join(parts, " and "),
            Self::Or(parts) => join(parts, " or "),
            Self::Not(inner) => format!("not {}", inner.text()),
        }
    }

    /// In, out or cannot tell as 2, 0, 1: `and` is the least, `or` the greatest, `not` the mirror. Kleene's rules.
    fn truth(&self, asset: &Asset, unread: &[Kind]) -> u8 {
        match self {
            Self::And(parts) => parts.iter().map(|p| p.truth(asset, unread)).min().unwrap(),
            Self::Or(parts) => parts.iter().map(|p| p.truth(asset, unread)).max().unwrap(),
            Self::Not(inner) => 2 - inner.truth(asset, unread),
            Self::Null(token) => match present(asset, token, unread) {
                Some(true) => 0,
                Some(false) => 2,
                None => 1,
            },
            Self::Is(token, value) => {
                if present(asset, token, unread).is_none() {
                    return 1;
                }
                2 * u8::from(values(asset, token).any(|v| match v {
                    Value::Str(s) => s.eq_ignore_ascii_case(value),
                    Value::Num(n) => n.to_string() == *value,
                    _ => false,
                }))
            }
        }
    }
}

fn values<'a>(asset: &'a Asset, name: &str) -> impl Iterator<Item = &'a Value> {
    let Lookup::Exact(id) = look_up(name) else { panic!("{name}") };
    asset.fields.iter().filter(move |f| f.token == id).map(|f| &f.value)
}

/// Whether there is a value; none where its absence proves nothing.
fn present(asset: &Asset, name: &str, unread: &[Kind]) -> Option<bool> {
    let needed: &[Kind] = match name {
        "azure.vm.state" => &[Kind::Instances, Kind::InstanceView],
        "openPorts.port" => &[Kind::Results],
        _ => &[Kind::Instances],
    };
    let ours = !name.starts_with("azure.") || asset.provider.as_str() == "AZURE";
    if values(asset, name).next().is_some() {
        return Some(true);
    }
    if ours && needed.iter().any(|k| unread.contains(k)) { None } else { Some(false) }
}

fn queries() -> impl Strategy<Value = Naive> {
    let leaf = (0..TESTS.len(), any::<bool>()).prop_map(|(i, null)| {
        let (token, value) = TESTS[i];
        if null { Naive::Null(token) } else { Naive::Is(token, value) }
    });
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Naive::And),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Naive::Or),
            inner.prop_map(|q| Naive::Not(Box::new(q))),
        ]
    })
}

fn assets() -> impl Strategy<Value = Vec<String>> {
    let one = (any::<bool>(), 0..4usize, 0..3usize, any::<bool>(), any::<bool>()).prop_map(
        |(azure, state, place, tag, port)| {
            let mut text = String::from(if azure { "AZURE" } else { "AWS" });
            if azure {
                text += ["", "; azure.vm.state=RUNNING", "; azure.vm.state=STOPPED", "; azure.vm.state=FAILED"][state];
                text += ["", "; azure.vm.location=westus", "; azure.vm.location=EastUS"][place];
                text += if tag { "; azure.tags.name=env#0; azure.tags.name=tier#1" } else { "" };
            }
            text + if port { "; openPorts.port=22#0; openPorts.port=80#1" } else { "" }
        },
    );
    proptest::collection::vec(one, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn columns_agree_with_rows(query in queries(), texts in assets(), gaps in 0usize..5) {
        let unread: &[Kind] = [&[][..], &[Kind::InstanceView], &[Kind::Results], &[Kind::Instances], &[Kind::InstanceView, Kind::Results]][gaps];
        let rows: Vec<Asset> = texts.iter().enumerate().map(|(n, t)| asset(n, t)).collect();
        let text = query.text();
        let tree = parse_query(&text, FileId(0), 0, &Limits::default()).0.unwrap();
        let none = |_: &str| None;
        let scope = Scope { lets: &none, values: &|_| None, let_names: vec![], known_tags: None, provider: None, free_text: false,
            dialect: Dialect::Default, portable: false };
        let predicate = check(&tree, &scope).0.unwrap();
        let s = snapshot(rows.clone(), unread);
        let now: Timestamp = NOW.parse().unwrap();
        let moment = Moment { now, tags: None };
        let found = predicate.evaluate(&s, &moment);
        prop_assert!(found.matched.is_disjoint(&found.cannot_tell));
        for row in &rows {
            let at = s.row_of(&row.id).unwrap();
            let want = [Truth::Out, Truth::CannotTell, Truth::In][usize::from(query.truth(row, unread))];
            prop_assert_eq!(found.of(at), want, "{} on {:?}", text, row.id);
            prop_assert_eq!(predicate.explain(&s, at, &moment).truth, want);
            prop_assert_eq!(predicate.smallest_change(&s, at, &moment).is_empty(), want == Truth::In);
            if want == Truth::CannotTell {
                prop_assert!(!predicate.gaps(&s, at, &moment).is_empty());
            }
        }
    }
}
