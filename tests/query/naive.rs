//! Random queries over random assets: the columns must answer as a plain walk over the rows does, unread values
//! included. The walk shares no code with the engine: it has its own idea of every kind of test.

use std::net::IpAddr;

use jiff::Timestamp;
use palisade::base::limits::Limits;
use palisade::base::source::FileId;
use palisade::inventory::asset::{Asset, Field, Provider, Value};
use palisade::inventory::catalogue::{Lookup, look_up};
use palisade::inventory::partition::Kind;
use palisade::inventory::snapshot::Snapshot;
use palisade::lang::query::check::{Dialect, Scope, check};
use palisade::lang::query::predicate::{Moment, Predicate, Truth};
use palisade::lang::syntax::parse_query;
use proptest::prelude::*;

use super::conformance::{NOW, asset, snapshot};

/// One test of one token: what is written after the token, and what it means.
#[derive(Debug, Clone, Copy)]
enum Ask {
    Whole(&'static str),
    Letter(&'static str),
    Front(&'static str),
    AnyOf(&'static [&'static str]),
    Words(&'static [&'static str], bool),
    Number(i64, i64),
    Micros(&'static str, &'static str),
    Flag(bool),
    Net(&'static str, u32),
    Null,
    NotNull,
}

type Leaf = (&'static str, &'static str, Ask);

/// Token, the text after it, its meaning.
const LEAVES: &[Leaf] = &[
    ("azure.vm.state", ": RUNNING", Ask::Whole("RUNNING")),
    ("azure.vm.state", ": [STOPPED, \"running\"]", Ask::AnyOf(&["STOPPED", "RUNNING"])),
    ("azure.vm.state", " is null", Ask::Null),
    ("azure.vm.state", ": *", Ask::NotNull),
    ("azure.vm.location", ": westus", Ask::Whole("westus")),
    ("azure.vm.location", ": `westus`", Ask::Letter("westus")),
    ("azure.vm.resourceGroupName", ": rg-1*", Ask::Front("rg-1")),
    ("azure.vm.resourceGroupName", ": rg-1", Ask::Whole("rg-1")),
    ("azure.vm.publicIpAddress", ": 192.0.2.0/25", Ask::Net("192.0.2.0", 25)),
    ("azure.vm.publicIpAddress", ": 192.0.2.200", Ask::Net("192.0.2.200", 32)),
    ("azure.vm.publicIpAddress", ": 192.0.2.*", Ask::Net("192.0.2.0", 24)),
    ("azure.vm.publicIpAddress", " is not null", Ask::NotNull),
    ("azure.tags.name", ": env", Ask::Whole("env")),
    ("azure.tags.value", " is null", Ask::Null),
    ("provider", ": AWS", Ask::Whole("AWS")),
    ("openPorts.port", ": 22", Ask::Number(22, 22)),
    ("openPorts.port", ": [22 .. 53]", Ask::Number(22, 53)),
    ("openPorts.port", ": (22 .. 443)", Ask::Number(23, 442)),
    ("openPorts.port", " >= 443", Ask::Number(443, i64::MAX)),
    ("openPorts.port", ": [* .. 79]", Ask::Number(i64::MIN, 79)),
    ("openPorts.protocol", ": udp", Ask::Whole("UDP")),
    ("operatingSystem", ": \"Windows 7\"", Ask::Words(&["windows", "7"], true)),
    ("operatingSystem", ": \"win\"", Ask::Words(&["win"], true)),
    ("operatingSystem", ": server", Ask::Words(&["server"], false)),
    ("operatingSystem", ": win*", Ask::Front("win")),
    ("lastVmScanDate", ": 2026-06-14", Ask::Micros("2026-06-14T00:00:00Z", "2026-06-15T00:00:00Z")),
    ("lastVmScanDate", " > 2026-06-14", Ask::Micros("2026-06-15T00:00:00Z", "9000-01-01T00:00:00Z")),
    ("lastVmScanDate", ": [now-1d .. now]", Ask::Micros("2026-06-14T12:00:00Z", "2026-06-15T12:00:00.000001Z")),
    ("lastVmScanDate", " < now/d", Ask::Micros("1970-01-01T00:00:00Z", "2026-06-15T00:00:00Z")),
    ("aws.ec2.hasAgent", ": TRUE", Ask::Flag(true)),
    ("aws.ec2.hasAgent", " is null", Ask::Null),
];

/// Groups with the leaves that can stand in them.
const GROUPS: &[(&str, &[Leaf])] = &[
    (
        "azure.tags",
        &[
            ("name", ": env", Ask::Whole("env")),
            ("name", ": [tier, ENV]", Ask::AnyOf(&["tier", "env"])),
            ("value", ": prod", Ask::Whole("prod")),
            ("value", " is null", Ask::Null),
        ],
    ),
    (
        "openPorts",
        &[
            ("port", ": 22", Ask::Number(22, 22)),
            ("port", " > 50", Ask::Number(51, i64::MAX)),
            ("protocol", ": TCP", Ask::Whole("TCP")),
            ("protocol", " is not null", Ask::NotNull),
        ],
    ),
];

#[derive(Debug, Clone)]
enum Naive {
    Leaf(Leaf),
    Group(&'static str, Box<Naive>),
    And(Vec<Naive>),
    Or(Vec<Naive>),
    Not(Box<Naive>),
}

/// An asset and what was not read about it.
struct Seen<'a> {
    asset: &'a Asset,
    unread: &'a [Kind],
}

impl Naive {
    fn text(&self) -> String {
        let join =
            |parts: &[Naive], word: &str| format!("({})", parts.iter().map(Naive::text).collect::<Vec<_>>().join(word));
        match self {
            Self::Leaf((token, rest, _)) => format!("{token}{rest}"),
            Self::Group(group, inner) => format!("{group}: ({})", inner.text()),
            Self::And(parts) => join(parts, " and "),
            Self::Or(parts) => join(parts, " or "),
            Self::Not(inner) => format!("not {}", inner.text()),
        }
    }

    /// In, out or cannot tell as 2, 0, 1: `and` is the least, `or` the greatest, `not` the mirror. Kleene's rules.
    fn truth(&self, leaf: &dyn Fn(&Leaf) -> u8, group: &dyn Fn(&'static str, &Naive) -> u8) -> u8 {
        match self {
            Self::And(parts) => parts.iter().map(|p| p.truth(leaf, group)).min().unwrap(),
            Self::Or(parts) => parts.iter().map(|p| p.truth(leaf, group)).max().unwrap(),
            Self::Not(inner) => 2 - inner.truth(leaf, group),
            Self::Leaf(one) => leaf(one),
            Self::Group(name, inner) => group(name, inner),
        }
    }

    fn tokens(&self, prefix: &str, into: &mut Vec<String>) {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|p| p.tokens(prefix, into)),
            Self::Not(inner) | Self::Group(_, inner) => inner.tokens(prefix, into),
            Self::Leaf((token, ..)) => into.push(format!("{prefix}.{token}")),
        }
    }
}

impl Seen<'_> {
    fn answer(&self, query: &Naive) -> u8 {
        query.truth(&|leaf| self.leaf(leaf), &|group, inner| self.group(group, inner))
    }

    fn fields(&self, name: &str) -> Vec<&Field> {
        let Lookup::Exact(id) = look_up(name) else { panic!("{name}") };
        self.asset.fields.iter().filter(|f| f.token == id).collect()
    }

    /// Whether nothing is known about a token: no value, and its absence proves nothing.
    fn unknown(&self, name: &str) -> bool {
        let needed: &[Kind] = match name {
            "azure.vm.state" => &[Kind::Instances, Kind::InstanceView],
            "azure.vm.publicIpAddress" => &[Kind::Instances, Kind::Interfaces, Kind::Addresses],
            "openPorts.port" | "openPorts.protocol" | "lastVmScanDate" => &[Kind::Results],
            _ => &[Kind::Instances],
        };
        let owner =
            [("azure.", Provider::Azure), ("aws.", Provider::Aws)].into_iter().find(|(p, _)| name.starts_with(p));
        let applies = owner.is_none_or(|(_, p)| p == self.asset.provider);
        self.fields(name).is_empty() && applies && needed.iter().any(|k| self.unread.contains(k))
    }

    fn leaf(&self, (token, _, ask): &Leaf) -> u8 {
        if self.unknown(token) {
            return 1;
        }
        let fields = self.fields(token);
        2 * u8::from(match ask {
            Ask::Null => fields.is_empty(),
            ask => fields.iter().any(|f| passes(ask, &f.value)),
        })
    }

    fn group(&self, group: &str, inner: &Naive) -> u8 {
        let mut tokens = Vec::new();
        inner.tokens(group, &mut tokens);
        let elements: Vec<u16> = tokens.iter().flat_map(|t| self.fields(t)).map(|f| f.element).collect();
        let of = |element: Option<u16>| {
            inner.truth(
                &|(short, _, ask)| {
                    let name = format!("{group}.{short}");
                    if self.unknown(&name) {
                        return 1;
                    }
                    let mut fields = self.fields(&name);
                    fields.retain(|f| Some(f.element) == element);
                    2 * u8::from(match ask {
                        Ask::Null => fields.is_empty(),
                        ask => fields.iter().any(|f| passes(ask, &f.value)),
                    })
                },
                &|_, _| panic!("no group in a group"),
            )
        };
        match elements.iter().map(|e| of(Some(*e))).max() {
            Some(best) => best,
            // Perhaps there is an element that was not read.
            None if tokens.iter().any(|t| self.unknown(t)) => of(None).min(1),
            None => 0,
        }
    }
}

fn passes(ask: &Ask, value: &Value) -> bool {
    match (ask, value) {
        (Ask::NotNull, _) => true,
        (Ask::Whole(want), Value::Str(s)) => s.to_uppercase() == want.to_uppercase(),
        (Ask::Letter(want), Value::Str(s)) => **s == **want,
        (Ask::Front(want), Value::Str(s)) => s.to_lowercase().split(' ').any(|w| w.starts_with(want)),
        (Ask::AnyOf(wanted), Value::Str(s)) => wanted.iter().any(|w| w.to_uppercase() == s.to_uppercase()),
        (Ask::Words(wanted, cut), Value::Str(s)) => {
            let lower = s.to_lowercase();
            let words: Vec<&str> = lower.split(' ').collect();
            (0..words.len()).any(|at| {
                wanted.iter().enumerate().all(|(i, want)| {
                    let last = i + 1 == wanted.len();
                    words.get(at + i).is_some_and(|w| w == want || (last && *cut && w.starts_with(want)))
                })
            })
        }
        (Ask::Number(low, high), Value::Num(n)) => low <= n && n <= high,
        (Ask::Micros(low, high), Value::Date(at)) => {
            *at >= low.parse::<Timestamp>().unwrap() && *at < high.parse::<Timestamp>().unwrap()
        }
        (Ask::Flag(want), Value::Bool(b)) => want == b,
        (Ask::Net(base, prefix), Value::Ip(IpAddr::V4(addr))) => {
            let base: std::net::Ipv4Addr = base.parse().unwrap();
            (u32::from(base) ^ u32::from(*addr)).leading_zeros() >= *prefix
        }
        _ => false,
    }
}

fn joined(leaf: BoxedStrategy<Naive>) -> BoxedStrategy<Naive> {
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Naive::And),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Naive::Or),
            inner.prop_map(|q| Naive::Not(Box::new(q))),
        ]
    })
    .boxed()
}

fn queries() -> BoxedStrategy<Naive> {
    let flat = proptest::sample::select(LEAVES).prop_map(Naive::Leaf);
    let group = proptest::sample::select(GROUPS).prop_flat_map(|(name, leaves)| {
        let inside = joined(proptest::sample::select(leaves).prop_map(Naive::Leaf).boxed());
        inside.prop_map(move |inner| Naive::Group(name, Box::new(inner)))
    });
    joined(prop_oneof![3 => flat, 2 => group].boxed())
}

/// An asset as `conformance::asset` reads it: each field is there or not.
fn assets() -> impl Strategy<Value = Vec<String>> {
    let pick = |name: &'static str, values: &'static [&'static str]| {
        proptest::option::of(proptest::sample::select(values)).prop_map(move |v| v.map(|v| format!("{name}={v}")))
    };
    let pairs = |first: &'static str, a: &'static [&'static str], second: &'static str, b: &'static [&'static str]| {
        proptest::collection::vec(
            (proptest::option::of(proptest::sample::select(a)), proptest::option::of(proptest::sample::select(b))),
            0..4,
        )
        .prop_map(move |elements| {
            let field = |name: &str, value: Option<&str>, e: usize| value.map(|v| format!("{name}={v}#{e}"));
            let both = elements.into_iter().enumerate();
            both.flat_map(|(e, (a, b))| [field(first, a, e), field(second, b, e)]).flatten().collect::<Vec<_>>()
        })
    };
    let azure = (
        pick("azure.vm.state", &["RUNNING", "STOPPED"]),
        pick("azure.vm.location", &["westus", "WestUS", "eastus"]),
        pick("azure.vm.resourceGroupName", &["rg-1", "RG-1", "rg-12", "x-rg-1"]),
        pick("azure.vm.publicIpAddress", &["192.0.2.3#0", "192.0.2.200#1", "198.51.100.1#0"]),
        pairs("azure.tags.name", &["env", "tier"], "azure.tags.value", &["prod", "dev"]),
    );
    let any_cloud = (
        pairs("openPorts.port", &["22", "53", "443"], "openPorts.protocol", &["TCP", "UDP"]),
        pick("operatingSystem", &["Microsoft Windows 7 SP1", "Windows Server 7", "Ubuntu 22.04", "windows 10"]),
        pick(
            "lastVmScanDate",
            &["2026-06-14T00:00:00Z", "2026-06-14T12:00:00Z", "2026-06-15T12:00:00Z", "2026-05-01T08:00:00Z"],
        ),
        pick("aws.ec2.hasAgent", &["true", "false"]),
    );
    let one = (any::<bool>(), azure, any_cloud).prop_map(|(is_azure, azure, (ports, os, scan, agent))| {
        let (state, place, group, public, tags) = azure;
        let mut fields: Vec<String> = [os, scan].into_iter().flatten().chain(ports).collect();
        if is_azure {
            fields.extend([state, place, group, public].into_iter().flatten().chain(tags));
        } else {
            fields.extend(agent);
        }
        format!("{}; {}", if is_azure { "AZURE" } else { "AWS" }, fields.join("; "))
    });
    proptest::collection::vec(one, 1..12)
}

const GAPS: &[&[Kind]] = &[
    &[],
    &[Kind::InstanceView],
    &[Kind::Results],
    &[Kind::Instances],
    &[Kind::Addresses],
    &[Kind::InstanceView, Kind::Results],
    &[Kind::Instances, Kind::Results],
];

fn checked(text: &str) -> Predicate {
    let (tree, found) = parse_query(text, FileId(0), 0, &Limits::default());
    let none = |_: &str| None;
    let scope = Scope {
        lets: &none,
        values: &|_| None,
        let_names: vec![],
        known_tags: None,
        provider: None,
        free_text: false,
        dialect: Dialect::Default,
        portable: false,
    };
    let (predicate, more) = check(&tree.unwrap_or_else(|| panic!("{text}: {found:?}")), &scope);
    predicate.unwrap_or_else(|| panic!("{text}: {more:?}"))
}

fn truths(query: &str, s: &Snapshot) -> Vec<Truth> {
    let now: Timestamp = NOW.parse().unwrap();
    let found = checked(query).evaluate(s, &Moment { now, tags: None });
    (0..s.len()).map(|row| found.of(row)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]
    #[test]
    fn columns_agree_with_rows(query in queries(), texts in assets(), gaps in 0..GAPS.len()) {
        let unread = GAPS[gaps];
        let rows: Vec<Asset> = texts.iter().enumerate().map(|(n, t)| asset(n, t)).collect();
        let text = query.text();
        let predicate = checked(&text);
        let s = snapshot(rows.clone(), unread);
        let now: Timestamp = NOW.parse().unwrap();
        let moment = Moment { now, tags: None };
        let found = predicate.evaluate(&s, &moment);
        prop_assert!(found.matched.is_disjoint(&found.cannot_tell));
        let by_gap = predicate.gap_rows(&s, &moment);
        for row in &rows {
            let at = s.row_of(&row.id).unwrap();
            let want = [Truth::Out, Truth::CannotTell, Truth::In][usize::from(Seen { asset: row, unread }.answer(&query))];
            prop_assert_eq!(found.of(at), want, "{} on {:?}", text, row);
            prop_assert_eq!(predicate.holds(&s, at, &moment), want, "one row: {} on {:?}", text, row);
            prop_assert_eq!(predicate.explain(&s, at, &moment).truth, want);
            prop_assert_eq!(predicate.smallest_change(&s, at, &moment).is_empty(), want == Truth::In);
            let gaps = predicate.gaps(&s, at, &moment);
            prop_assert_eq!(!gaps.is_empty(), want == Truth::CannotTell, "{} on {:?}: {:?}", text, row, gaps);
            let also: Vec<_> = by_gap.iter().filter(|(_, rows)| rows.contains(at)).map(|(g, _)| g.clone()).collect();
            prop_assert_eq!(gaps, also);
        }
    }

}

proptest! {
    // Each case evaluates a dozen queries.
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]
    #[test]
    fn the_laws_of_logic_hold(a in queries(), b in queries(), texts in assets(), gaps in 0..GAPS.len()) {
        let rows: Vec<Asset> = texts.iter().enumerate().map(|(n, t)| asset(n, t)).collect();
        let s = snapshot(rows, GAPS[gaps]);
        let (a, b) = (a.text(), b.text());
        let same = |left: String, right: String| {
            let (l, r) = (truths(&left, &s), truths(&right, &s));
            prop_assert_eq!(l, r, "{} <> {}", left, right);
            Ok(())
        };
        same(format!("not (({a}) and ({b}))"), format!("(not ({a})) or (not ({b}))"))?;
        same(format!("not (({a}) or ({b}))"), format!("(not ({a})) and (not ({b}))"))?;
        same(format!("not not ({a})"), a.clone())?;
        same(format!("({a}) and ({b})"), format!("({b}) and ({a})"))?;
        same(format!("({a}) or (({a}) and ({b}))"), a.clone())?;
        // Only what was not read keeps `a or not a` open.
        let open = truths(&format!("({a}) or (not ({a}))"), &s);
        for (row, truth) in truths(&a, &s).into_iter().enumerate() {
            prop_assert_eq!(open[row], if truth == Truth::CannotTell { Truth::CannotTell } else { Truth::In });
        }
    }

    /// The canonical text means the same as what was written.
    #[test]
    fn canonical_text_means_the_same(query in queries(), texts in assets(), gaps in 0..GAPS.len()) {
        let rows: Vec<Asset> = texts.iter().enumerate().map(|(n, t)| asset(n, t)).collect();
        let s = snapshot(rows, GAPS[gaps]);
        let text = query.text();
        let canonical = checked(&text).text().to_owned();
        prop_assert_eq!(truths(&text, &s), truths(&canonical, &s), "{} <> {}", text, canonical);
        let again = checked(&canonical);
        prop_assert_eq!(again.text(), canonical.as_str());
    }
}
