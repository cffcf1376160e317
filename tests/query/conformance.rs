//! query-language.md section 14, and a cell or two of every row of the matching table.

use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use palisade::base::limits::Limits;
use palisade::base::source::{FileId, SourceMap};
use palisade::inventory::asset::{Asset, Field, Provider, Value};
use palisade::inventory::catalogue::{Lookup, TokenType, look_up, token};
use palisade::inventory::partition::{Kind, Partition, PartitionId, PartitionState};
use palisade::inventory::snapshot::{Snapshot, SnapshotInput};
use palisade::lang::query::check::{Dialect, Scope, check};
use palisade::lang::query::predicate::{Moment, Truth};
use palisade::lang::syntax::parse_query;

use crate::golden::golden;

pub const NOW: &str = "2026-06-15T12:00:00Z";

/// `PROVIDER token=value token=value#element …` as an asset.
pub fn asset(n: usize, text: &str) -> Asset {
    let mut words = text.split(';').map(str::trim);
    let provider = match words.next() {
        Some("AWS") => Provider::Aws,
        Some("GCP") => Provider::Gcp,
        _ => Provider::Azure,
    };
    let mut fields = vec![];
    let all = words.filter(|w| !w.is_empty()).map(str::to_owned).chain([format!("provider={}", provider.as_str())]);
    for word in all {
        let (name, value) = word.split_once('=').unwrap();
        let (value, element) = value.split_once('#').map_or((value, 0), |(v, e)| (v, e.parse().unwrap()));
        let Lookup::Exact(id) = look_up(name) else { panic!("no token {name}") };
        let value = match token(id).ty {
            TokenType::Number => Value::Num(value.parse().unwrap()),
            TokenType::Date => Value::Date(value.parse().unwrap()),
            TokenType::Bool => Value::Bool(value.parse().unwrap()),
            TokenType::Ip => Value::Ip(value.parse().unwrap()),
            _ => Value::Str(value.into()),
        };
        fields.push(Field { token: id, element, value });
    }
    Asset {
        id: format!("a{n:03}").into(),
        name: None,
        provider,
        connector: "c".into(),
        partition: PartitionId(0),
        interfaces: vec![],
        fields,
    }
}

pub fn snapshot(assets: Vec<Asset>, unread: &[Kind]) -> Snapshot {
    let partition =
        |kind, state| Partition { connector: "c".into(), account: "".into(), region: "".into(), kind, state };
    let denied = || PartitionState::Denied { cause: "no right".into() };
    let mut partitions: Vec<Partition> = [Kind::Instances, Kind::Results]
        .into_iter()
        .filter(|k| !unread.contains(k))
        .map(|k| partition(k, PartitionState::Complete))
        .collect();
    partitions.extend(unread.iter().map(|k| partition(*k, denied())));
    let input = SnapshotInput { assets, partitions, ..SnapshotInput::default() };
    Snapshot::build(input, &Limits::default()).unwrap().0
}

/// `match`, `no`, `cannot tell`, or the diagnostics; lints follow after a `+`.
pub fn answer(query: &str, asset_text: &str, unread: &[Kind], provider: Option<Provider>) -> String {
    let limits = Limits::default();
    let (tree, mut found) = parse_query(query, FileId(0), 0, &limits);
    let none = |_: &str| None;
    let scope = Scope {
        lets: &none,
        values: &|_| None,
        let_names: vec![],
        known_tags: None,
        provider,
        free_text: false,
        dialect: Dialect::Default,
        portable: false,
    };
    let predicate = tree.and_then(|t| {
        let (predicate, more) = check(&t, &scope);
        found.extend(more);
        predicate
    });
    let mut sources = SourceMap::new();
    sources.add("q", query);
    let mut notes = String::new();
    for d in &found {
        let help = d.help.clone().or_else(|| d.fix.as_ref().map(|f| f.title.clone())).unwrap_or_default();
        let _ = write!(notes, " {} {} <{}> {help};", d.code, d.message, sources.text(d.span().unwrap()));
    }
    let Some(predicate) = predicate else { return format!("error{notes}") };
    let s = snapshot(vec![asset(1, asset_text)], unread);
    let now: Timestamp = NOW.parse().unwrap();
    let truth = predicate.evaluate(&s, &Moment { now, tags: None }).of(0);
    let inside = provider.is_none_or(|p| s.asset(0).unwrap().provider() == p);
    let word = match truth {
        Truth::In if inside => "match",
        Truth::In | Truth::Out => "no",
        Truth::CannotTell => "cannot tell",
    };
    if notes.is_empty() { word.into() } else { format!("{word} +{notes}") }
}

const PUBLIC: &str = "AZURE; azure.vm.publicIpAddress=192.0.2.3; azure.vm.state=RUNNING";

#[test]
fn conformance() {
    let q1 = r#"not azure.vm.publicIpAddress is null and azure.vm.state: "RUNNING""#;
    let q2 = "not azure.vm.publicIpAddress is null and azure.vm.subscriptionId: and azure.vm.state: \"RUNNING\"";
    let q3 = format!("{q1} and azure.vm.location: westus");
    let q4 = format!("{q1} and azure.vm.resourceGroupName:testRG");
    let with = |more: &str| format!("{PUBLIC}; {more}");
    let mut rows: Vec<(String, String)> = vec![
        (q1.into(), PUBLIC.into()),
        (q1.into(), "AZURE; azure.vm.state=RUNNING".into()),
        (q1.into(), "AZURE; azure.vm.publicIpAddress=192.0.2.3; azure.vm.state=DEALLOCATED".into()),
        (q1.into(), "AWS; aws.ec2.publicIpAddress=192.0.2.3; aws.ec2.instanceState=RUNNING".into()),
        (q2.into(), PUBLIC.into()),
        (q3, with("azure.vm.location=WestUS")),
        (q4.clone(), with("azure.vm.resourceGroupName=testRG2")),
        (q4, with("azure.vm.resourceGroupName=TESTRG")),
    ];
    let tables = include_str!("conformance.txt");
    rows.extend(tables.lines().filter(|l| !l.is_empty()).map(|l| {
        let (query, asset) = l.split_once(" || ").unwrap();
        (query.trim().replace("\\n", "\n"), asset.trim().to_owned())
    }));
    let mut out = String::new();
    for (query, asset) in &rows {
        let _ = writeln!(out, "{} || {asset}\n    {}", query.replace('\n', "\\n"), answer(query, asset, &[], None));
    }
    golden("query/conformance.expected.txt", &out);
}

#[test]
fn unread_is_not_absent() {
    let view = [Kind::InstanceView];
    let none = "AZURE; azure.vm.publicIpAddress=192.0.2.3";
    assert_eq!(answer("azure.vm.state: RUNNING", none, &view, None), "cannot tell");
    assert_eq!(answer("azure.vm.state is null", none, &view, None), "cannot tell");
    assert_eq!(answer("azure.vm.state: RUNNING and azure.vm.publicIpAddress is null", none, &view, None), "no");
    assert_eq!(answer("azure.vm.state: RUNNING or not azure.vm.publicIpAddress is null", none, &view, None), "match");
    assert_eq!(answer("azure.vm.state: RUNNING", "AWS;", &view, None), "no");
    assert_eq!(answer("openPorts.port: 22", none, &[Kind::Results], None), "cannot tell");
}

#[test]
fn a_provider_scope_is_a_conjunct() {
    let aws = Some(Provider::Aws);
    assert_eq!(answer("not aws.ec2.instanceState: RUNNING", PUBLIC, &[], aws), "no");
    assert!(answer("not aws.ec2.instanceState: RUNNING", PUBLIC, &[], None).starts_with("match + P0119"));
}

#[test]
fn one_letter_off_never_compiles() {
    for t in palisade::inventory::catalogue::tokens() {
        let chars: Vec<char> = t.name.chars().collect();
        // Every fourth letter is dropped, every eighth edited in all four ways: each look-up of a wrong name is slow here.
        for at in 0..chars.len() {
            let edit = |change: &dyn Fn(&mut Vec<char>)| {
                let mut wrong = chars.clone();
                change(&mut wrong);
                wrong.into_iter().collect::<String>()
            };
            let variants = [
                edit(&|w| {
                    w.remove(at);
                }),
                edit(&|w| w[at] = 'q'),
                edit(&|w| w.insert(at, 'q')),
                edit(&|w| w.swap(at, (at + 1) % chars.len())),
            ];
            let tried = if at % 8 == 3 { variants.len() } else { 0 };
            for wrong in variants.iter().take(tried).filter(|w| !w.eq_ignore_ascii_case(t.name)) {
                match look_up(wrong) {
                    // Another real token, `azure.tags.name` for `azure.tag.name` never.
                    Lookup::Exact(id) | Lookup::Alias(id) | Lookup::Case(id) => {
                        let other = token(id);
                        let spelled = std::iter::once(other.name).chain(other.aliases.iter().copied());
                        assert!(spelled.into_iter().any(|n| n.eq_ignore_ascii_case(wrong)), "{wrong}");
                    }
                    Lookup::Unknown(near) => assert!(!near.is_empty() || t.name.len() < 4, "{wrong}: nothing near"),
                }
            }
            if at % 4 == 1 && matches!(look_up(&variants[0]), Lookup::Unknown(_)) {
                let got = answer(&format!("{} is null", variants[0]), "AWS;", &[], None);
                assert!(got.starts_with("error"), "{}: {got}", variants[0]);
            }
        }
    }
}

#[test]
fn examples_of_the_catalogue_check() {
    for t in palisade::inventory::catalogue::tokens() {
        let got = answer(t.example, "AWS;", &[], t.provider);
        assert!(!got.starts_with("error"), "{}: {got}", t.example);
    }
}

#[test]
fn names_expand_and_loops_are_told() {
    let limits = Limits::default();
    let parse = |t: &str| parse_query(t, FileId(0), 0, &limits).0.unwrap();
    let (a, b, ok) = (parse("@b and provider: AWS"), parse("@a"), parse("provider: AWS"));
    let lets = |name: &str| match name {
        "a" => Some(&a),
        "b" => Some(&b),
        "ok" => Some(&ok),
        _ => None,
    };
    let scope = Scope {
        lets: &lets,
        values: &|_| None,
        let_names: vec!["a", "b", "ok"],
        known_tags: Some(&|| vec!["EC2 Tag"]),
        provider: None,
        free_text: true,
        dialect: Dialect::Strict,
        portable: true,
    };
    let said = |text: &str| {
        let (p, found) = check(&parse(text), &scope);
        let errors: Vec<String> = found.iter().map(|d| format!("{} {}", d.code, d.message)).collect();
        format!("{} {}", p.is_some(), errors.join("; "))
    };
    assert_eq!(
        said("@a"),
        "false P0115 the names refer to each other: `@a` -> `@b` -> `@a`; P0124 a named query is not part of the strict dialect"
    );
    assert_eq!(
        said("@okk"),
        "false P0114 there is no query named `okk`; P0124 a named query is not part of the strict dialect"
    );
    assert_eq!(said("tags.name: \"EC2 Tog\""), "false P0113 there is no tag `EC2 Tog`");
    assert_eq!(said("tags.name: \"EC2 Tag\""), "true ");
    let _: Arc<str> = "x".into();
}

#[test]
fn the_strict_dialect_takes_what_is_attested() {
    let verdicts = |text: &str| {
        let tree = parse_query(text, FileId(0), 0, &Limits::default()).0.unwrap();
        let none = |_: &str| None;
        let with = |dialect, portable| {
            let scope = Scope {
                lets: &none,
                values: &|_| None,
                let_names: vec![],
                known_tags: None,
                provider: None,
                free_text: false,
                dialect,
                portable,
            };
            let (predicate, found) = check(&tree, &scope);
            let codes: Vec<&str> = found.iter().map(|d| d.code).filter(|c| *c > "P0123" && *c < "P0126").collect();
            (predicate.is_some(), codes.join(" "))
        };
        (with(Dialect::Strict, false), with(Dialect::Default, true))
    };
    let attested = [
        "not azure.vm.publicIpAddress is null and azure.vm.state: \"RUNNING\"",
        "vulnerabilities.vulnerability: (qid: 1 or qid: 2)",
        "openPorts.port: (80 .. 443) or openPorts.port: [80 ... 443]",
        "vulnerabilities.typeDetected: [Confirmed, Potential] and lastVmScanDate: [now-3d ... now]",
        "operatingSystem: win* and aws.ec2.accountId: *",
        "interfaces.address: 10.10.10.10 and lastBoot <= '2018-11-01'",
    ];
    for query in attested {
        assert_eq!(verdicts(query), ((true, String::new()), (true, String::new())), "{query}");
    }
    let ours = [
        "name is not null",
        "openPorts.port != 80",
        "openPorts.port: [80 .. *]",
        "interfaces.address: 10.0.0.0/8",
        "interfaces.address: 10.0.1.",
        "interfaces.address: [10.0.0.1 .. 10.0.0.9]",
        "provider: (AWS or GCP)",
        "lastVmScanDate > now/d",
        "lastVmScanDate > now-6M",
        "connectors.name: conn1",
    ];
    for query in ours {
        assert_eq!(verdicts(query), ((false, "P0124".into()), (true, "P0125".into())), "{query}");
    }
}
