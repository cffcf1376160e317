//! Evidence as a check script sees it: facts by path, read when asked for. A fact that was not learned ends the check
//! as not tested, unless the script asks for it with `get` or `has`.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use rhai::{Array, Dynamic, Engine, EvalAltResult, ImmutableString, Position};

use crate::judge::select::glob;
use crate::judge::version;
use crate::lang::job::Protocol;
use crate::service::evidence::{Fact, Facts, HostEvidence, ServiceEvidence, cut as broken_off};

/// Longest pattern of `glob` and `matching`.
const MAX_PATTERN_BYTES: usize = 1_000;

/// Bytes of one text that a script is given.
const TEXT_BYTES: usize = 4 << 10;

/// Thrown where the answer waits for something that was not learned.
#[derive(Debug, Clone)]
pub(super) enum NotTested {
    /// A fact by path.
    Fact(String),
    /// The script's own words.
    Because(String),
}

/// A moment in a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(super) struct When(Timestamp);

/// Whole days from the first moment to the second; negative where the second is earlier.
fn days_between(from: When, to: When) -> i64 {
    (to.0.as_second() - from.0.as_second()).div_euclid(86_400)
}

/// A service, or where there is none its host.
#[derive(Clone)]
pub(super) struct ServiceValue {
    name: Option<Arc<str>>,
    how: Option<Arc<str>>,
    product: Option<ImmutableString>,
    version: Option<ImmutableString>,
    tls: bool,
    at: Option<(u16, Protocol)>,
}

impl ServiceValue {
    pub(super) fn of(service: Option<&ServiceEvidence>) -> Self {
        let known = service.and_then(|s| s.service.as_ref());
        let text = |t: Option<&String>| t.map(|t| t.as_str().into());
        Self {
            name: known.map(|k| Arc::clone(&k.name)),
            how: known.map(|k| Arc::clone(&k.how)),
            product: text(known.and_then(|k| k.product.as_ref())),
            version: text(known.and_then(|k| k.version.as_ref())),
            tls: service.is_some_and(|s| s.facts.any_under("tls.") || known.is_some_and(|k| k.tls)),
            at: service.map(|s| (s.port, s.protocol)),
        }
    }
}

/// Facts of a service or of a host.
#[derive(Clone)]
pub(super) struct EvidenceValue {
    facts: Facts,
    /// What was not held to its end.
    untested: Arc<[(String, String)]>,
    host: Option<Arc<HostFacts>>,
    now: Timestamp,
}

struct HostFacts {
    facts: Facts,
    asset: Arc<str>,
    name: Option<Arc<str>>,
    address: std::net::IpAddr,
}

impl EvidenceValue {
    pub(super) fn of(service: Option<&ServiceEvidence>, host: &HostEvidence, now: Timestamp) -> Self {
        let facts = service.map_or(&host.facts, |s| &s.facts).clone();
        let host = HostFacts {
            facts: host.facts.clone(),
            asset: Arc::clone(&host.asset),
            name: host.name.clone(),
            address: host.addr,
        };
        let untested = service.map(|s| s.untested.as_slice().into()).unwrap_or_default();
        Self { facts, untested, host: Some(Arc::new(host)), now }
    }

    fn get(&mut self, path: &str) -> Dynamic {
        self.facts.get(path).map_or(Dynamic::UNIT, dynamic)
    }

    fn whole(&mut self, topic: &str) -> Result<(), Box<EvalAltResult>> {
        broken_off(&self.untested, topic).map_or(Ok(()), |why| Err(not_tested(NotTested::Because(why))))
    }

    fn must(&mut self, path: &str) -> Result<Dynamic, Box<EvalAltResult>> {
        let missing = || not_tested(NotTested::Fact(path.to_owned()));
        self.facts.get(path).map(dynamic).ok_or_else(missing)
    }
}

pub(super) fn not_tested(why: NotTested) -> Box<EvalAltResult> {
    Box::new(EvalAltResult::ErrorRuntime(Dynamic::from(why), Position::NONE))
}

fn dynamic(fact: &Fact) -> Dynamic {
    match fact {
        Fact::Bool(v) => (*v).into(),
        Fact::Int(v) => (*v).into(),
        Fact::Text(v) => cut(v, TEXT_BYTES).into(),
        Fact::Date(v) => Dynamic::from(When(*v)),
        Fact::List(v) => v.iter().map(|s| cut(s, TEXT_BYTES).into()).collect::<Array>().into(),
    }
}

fn optional(text: Option<&str>) -> Dynamic {
    text.map_or(Dynamic::UNIT, Into::into)
}

/// The elements of the first list that are in the second; case is ignored.
fn contains_any(list: Array, words: Array) -> Array {
    let lower = |d: &Dynamic| d.read_lock::<ImmutableString>().map(|t| t.to_ascii_lowercase());
    let words: HashSet<String> = words.iter().filter_map(lower).collect();
    list.into_iter().filter(|d| lower(d).is_some_and(|t| words.contains(&t))).collect()
}

/// The elements of a list that a pattern with `*` matches; case is ignored.
fn matching(list: Array, pattern: &str) -> Result<Array, Box<EvalAltResult>> {
    bounded(pattern)?;
    let is = |d: &Dynamic| d.read_lock::<ImmutableString>().is_some_and(|t| glob(pattern, &t));
    Ok(list.into_iter().filter(is).collect())
}

/// Work of ours is not counted as the script's operations; a long pattern against a long list would be much of it.
fn bounded(pattern: &str) -> Result<(), Box<EvalAltResult>> {
    if pattern.len() <= MAX_PATTERN_BYTES {
        return Ok(());
    }
    Err(format!("a pattern has {} bytes; the limit is {MAX_PATTERN_BYTES}", pattern.len()).into())
}

fn joined(list: Array) -> String {
    let mut all = list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    all.truncate(cut(&all, 4 * TEXT_BYTES).len());
    all
}

/// The beginning of a text: what a peer said must not bring a script to its limits.
fn cut(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}

/// What check scripts have beyond the language.
pub(super) fn register(engine: &mut Engine) {
    engine.register_type_with_name::<ServiceValue>("service");
    engine.register_get("name", |s: &mut ServiceValue| optional(s.name.as_deref()));
    engine.register_get("how", |s: &mut ServiceValue| optional(s.how.as_deref()));
    engine.register_get("product", |s: &mut ServiceValue| s.product.clone().map_or(Dynamic::UNIT, Into::into));
    engine.register_get("version", |s: &mut ServiceValue| s.version.clone().map_or(Dynamic::UNIT, Into::into));
    engine.register_get("tls", |s: &mut ServiceValue| s.tls);
    engine.register_get("port", |s: &mut ServiceValue| s.at.map_or(Dynamic::UNIT, |(p, _)| i64::from(p).into()));
    engine.register_get("protocol", |s: &mut ServiceValue| optional(s.at.map(|(_, p)| p.as_str())));
    engine.register_type_with_name::<EvidenceValue>("evidence");
    engine.register_indexer_get(EvidenceValue::must);
    engine.register_fn("get", EvidenceValue::get);
    engine.register_fn("has", |e: &mut EvidenceValue, path: &str| e.facts.get(path).is_some());
    engine.register_fn("whole", EvidenceValue::whole);
    engine.register_fn("any_under", |e: &mut EvidenceValue, prefix: &str| e.facts.any_under(prefix));
    engine.register_get("now", |e: &mut EvidenceValue| When(e.now));
    engine.register_get("asset", |e: &mut EvidenceValue| optional(e.host.as_ref().map(|h| &*h.asset)));
    engine.register_get("name", |e: &mut EvidenceValue| optional(e.host.as_ref().and_then(|h| h.name.as_deref())));
    engine.register_get("address", |e: &mut EvidenceValue| {
        e.host.as_ref().map_or(Dynamic::UNIT, |h| h.address.to_string().into())
    });
    engine.register_get("host", |e: &mut EvidenceValue| {
        let facts = e.host.as_ref().map(|h| h.facts.clone()).unwrap_or_default();
        EvidenceValue { facts, untested: Arc::default(), host: e.host.clone(), now: e.now }
    });
    moments(engine);
    engine.register_fn("contains_any", contains_any);
    engine.register_fn("matching", matching);
    engine.register_fn("joined", joined);
    engine.register_fn("glob", |text: &str, pattern: &str| bounded(pattern).map(|()| glob(pattern, text)));
    engine.register_fn("compare_versions", |a: &str, b: &str| version::compare(a, b) as i64);
    engine.register_fn("version_within", |v: &str, from: &str, before: &str| version::within(v, from, before));
    engine.register_fn("not_tested", |why: &str| -> Result<(), Box<EvalAltResult>> {
        Err(not_tested(NotTested::Because(why.to_owned())))
    });
}

fn moments(engine: &mut Engine) {
    engine.register_type_with_name::<When>("moment");
    engine.register_fn("<", |a: When, b: When| a < b);
    engine.register_fn("<=", |a: When, b: When| a <= b);
    engine.register_fn(">", |a: When, b: When| a > b);
    engine.register_fn(">=", |a: When, b: When| a >= b);
    engine.register_fn("==", |a: When, b: When| a == b);
    engine.register_fn("!=", |a: When, b: When| a != b);
    engine.register_fn("days_between", days_between);
    engine.register_fn("to_string", |w: &mut When| w.0.to_string());
}
