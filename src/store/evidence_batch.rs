//! Evidence of many hosts in one document: those without a service, which differ in little. What they have in common is
//! written once, and times are numbers. 65,536 hosts take some MB instead of fifty.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::fast::FastMap;
use crate::service::evidence::{Fact, Facts, HostEvidence};

/// Hosts of one document at most.
pub(super) const HOSTS: usize = 4_096;
/// Stands in the place of the asset.
pub(super) const ASSET: &str = "";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
enum FactRef<'a> {
    Bool(bool),
    Int(i64),
    Text(&'a str),
    List(&'a [String]),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FactRecord {
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<String>),
}

/// A host: asset, address, name, numbers of its facts, its times as (number of the path, nanoseconds since 1970).
#[derive(Serialize)]
struct HostRef<'a>(&'a str, IpAddr, Option<&'a str>, Vec<u32>, Vec<(u32, i64)>);

#[derive(Deserialize)]
struct HostRecord(String, IpAddr, Option<String>, Vec<u32>, Vec<(u32, i64)>);

#[derive(Serialize)]
struct BatchRef<'a> {
    facts: Vec<(&'a str, FactRef<'a>)>,
    times: Vec<&'a str>,
    hosts: Vec<HostRef<'a>>,
}

#[derive(Deserialize)]
struct BatchRecord {
    facts: Vec<(String, FactRecord)>,
    times: Vec<String>,
    hosts: Vec<HostRecord>,
}

/// Nanoseconds since 1970, where 64 bits hold them.
fn nanoseconds(at: Timestamp) -> Option<i64> {
    i64::try_from(at.as_nanosecond()).ok()
}

/// True for a host that a batch can hold without loss.
pub(super) fn holds(host: &HostEvidence) -> bool {
    let plain = |fact: &Fact| !matches!(fact, Fact::Date(at) if nanoseconds(*at).is_none());
    host.services.is_empty() && !host.unattributed && host.facts.iter().all(|(_, fact)| plain(fact))
}

/// A row of the table for these hosts: asset, address, document.
pub(super) fn write(hosts: &[&HostEvidence]) -> Result<(String, String, String), serde_json::Error> {
    let mut numbers: FastMap<(&str, FactRef<'_>), u32> = FastMap::default();
    let mut batch = BatchRef { facts: Vec::new(), times: Vec::new(), hosts: Vec::with_capacity(hosts.len()) };
    for host in hosts {
        let (mut own, mut times) = (Vec::new(), Vec::new());
        for (path, fact) in host.facts.iter() {
            let fact = match fact {
                Fact::Bool(v) => FactRef::Bool(*v),
                Fact::Int(v) => FactRef::Int(*v),
                Fact::Text(v) => FactRef::Text(v),
                Fact::List(v) => FactRef::List(v),
                Fact::Date(at) => {
                    let known = batch.times.iter().position(|p| *p == path);
                    let number = known.unwrap_or(batch.times.len()) as u32;
                    if known.is_none() {
                        batch.times.push(path);
                    }
                    times.extend(nanoseconds(*at).map(|ns| (number, ns)));
                    continue;
                }
            };
            let next = batch.facts.len() as u32;
            own.push(*numbers.entry((path, fact)).or_insert_with(|| {
                batch.facts.push((path, fact));
                next
            }));
        }
        batch.hosts.push(HostRef(&host.asset, host.addr, host.name.as_deref(), own, times));
    }
    // No two batches of a run begin with the same host.
    let first = hosts.first().map(|h| format!("{} {}", h.asset, h.addr)).unwrap_or_default();
    Ok((ASSET.to_owned(), first, serde_json::to_string(&batch)?))
}

/// The hosts of a document. Hosts with the same facts share them.
pub(super) fn read(text: &str) -> Result<Vec<HostEvidence>, serde_json::Error> {
    let batch: BatchRecord = serde_json::from_str(text)?;
    let mut alike: FastMap<Vec<u32>, Facts> = FastMap::default();
    let mut hosts = Vec::with_capacity(batch.hosts.len());
    for HostRecord(asset, addr, name, own, times) in batch.hosts {
        let mut facts = match alike.get(&own) {
            Some(known) => known.clone(),
            None => {
                let facts = common(&batch.facts, &own).ok_or_else(unknown)?;
                alike.entry(own).or_insert(facts).clone()
            }
        };
        for (number, ns) in times {
            let path = batch.times.get(number as usize).ok_or_else(unknown)?;
            let at = Timestamp::from_nanosecond(i128::from(ns)).map_err(serde::de::Error::custom)?;
            facts.set(path, at);
        }
        let (asset, name) = (Arc::from(asset), name.map(Arc::from));
        hosts.push(HostEvidence { asset, addr, name, facts, services: Vec::new(), unattributed: false });
    }
    Ok(hosts)
}

fn unknown() -> serde_json::Error {
    serde::de::Error::custom("a host has a fact that its batch has not")
}

fn common(known: &[(String, FactRecord)], own: &[u32]) -> Option<Facts> {
    let mut facts = Facts::default();
    for number in own {
        let (path, fact) = known.get(*number as usize)?;
        match fact {
            FactRecord::Bool(v) => facts.set(path, *v),
            FactRecord::Int(v) => facts.set(path, *v),
            FactRecord::Text(v) => facts.set(path, v.as_str()),
            FactRecord::List(v) => facts.set(path, v.clone()),
        }
    }
    Some(facts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(n: u8) -> HostEvidence {
        let mut facts = Facts::default();
        facts.set("host.state", if n.is_multiple_of(3) { "down" } else { "up" });
        facts.set("ports.complete", n.is_multiple_of(2));
        facts.set("scan.packets", i64::from(n % 4));
        facts.set("cloud", vec![format!("a: {}", n % 2), "\"b\": \u{1}".to_owned()]);
        facts.set("scan.started", Timestamp::from_nanosecond(1_767_225_600_123_456_789 + i128::from(n)).unwrap());
        HostEvidence {
            asset: format!("i-{n:02}").into(),
            addr: [192, 0, 2, n].into(),
            name: n.is_multiple_of(5).then(|| format!("h{n}.example").into()),
            facts,
            services: Vec::new(),
            unattributed: false,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let hosts: Vec<HostEvidence> = (0..50).map(host).collect();
        let all: Vec<&HostEvidence> = hosts.iter().collect();
        assert!(all.iter().all(|h| holds(h)));
        let (asset, address, text) = write(&all).unwrap();
        assert_eq!((asset.as_str(), address.as_str()), (ASSET, "i-00 192.0.2.0"));
        assert_eq!(read(&text).unwrap(), hosts);
        let times = r#""times":["scan.started"]"#;
        assert!(text.contains(times) && text.len() < 50 * 100, "{text}");
    }

    #[test]
    fn what_it_cannot_hold_is_not_taken() {
        let mut other = HostEvidence { unattributed: true, ..host(1) };
        assert!(!holds(&other));
        other.unattributed = false;
        other.facts.set("far", Timestamp::MAX);
        assert!(!holds(&other));
    }

    #[test]
    fn damage_is_an_error() {
        for text in [
            "",
            "{}",
            r#"{"facts":[],"times":[],"hosts":[["i-1","192.0.2.1",null,[0],[]]]}"#,
            r#"{"facts":[],"times":[],"hosts":[["i-1","192.0.2.1",null,[],[[7,1]]]]}"#,
            r#"{"facts":[["a",{"date":"x"}]],"times":[],"hosts":[]}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
