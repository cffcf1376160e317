//! Evidence in the store: one JSON document a host, or one for many hosts of which there is little to tell, on record
//! types of its own.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::{Connection, QueryBuilder, Sqlite};

use super::{ROWS, Store, StoreError, evidence_batch};
use crate::lang::job::Protocol;
use crate::service::evidence::{Extract, Fact, Facts, HostEvidence, Recognised, ServiceEvidence};

/// A fact's value, tagged so that a date does not come back as text.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FactRecord {
    Bool(bool),
    Int(i64),
    Text(String),
    Date(Timestamp),
    List(Vec<String>),
}

#[derive(Debug, Serialize, Deserialize)]
struct ServiceRecord {
    port: u16,
    protocol: String,
    service: Option<RecognisedRecord>,
    facts: BTreeMap<String, FactRecord>,
    extracts: Vec<ExtractRecord>,
    untested: Vec<(String, String)>,
    first: Timestamp,
    last: Timestamp,
}

#[derive(Debug, Serialize, Deserialize)]
struct RecognisedRecord {
    name: String,
    tls: bool,
    how: String,
    product: Option<String>,
    version: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ExtractRecord {
    what: String,
    /// In hex, so that any bytes survive.
    hex: String,
    total: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct HostRecord {
    asset: String,
    address: IpAddr,
    name: Option<String>,
    facts: BTreeMap<String, FactRecord>,
    services: Vec<ServiceRecord>,
    unattributed: bool,
}

fn facts(facts: &Facts) -> BTreeMap<String, FactRecord> {
    let record = |fact: &Fact| match fact {
        Fact::Bool(v) => FactRecord::Bool(*v),
        Fact::Int(v) => FactRecord::Int(*v),
        Fact::Text(v) => FactRecord::Text(v.clone()),
        Fact::Date(v) => FactRecord::Date(*v),
        Fact::List(v) => FactRecord::List(v.clone()),
    };
    facts.iter().map(|(path, fact)| (path.to_owned(), record(fact))).collect()
}

fn read_facts(records: BTreeMap<String, FactRecord>) -> Facts {
    let mut facts = Facts::default();
    for (path, record) in records {
        match record {
            FactRecord::Bool(v) => facts.set(&path, v),
            FactRecord::Int(v) => facts.set(&path, v),
            FactRecord::Text(v) => facts.set(&path, v),
            FactRecord::Date(v) => facts.set(&path, v),
            FactRecord::List(v) => facts.set(&path, v),
        }
    }
    facts
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |all, d| all << 4 | d)).collect()
}

fn service(evidence: &ServiceEvidence) -> ServiceRecord {
    ServiceRecord {
        port: evidence.port,
        protocol: evidence.protocol.as_str().into(),
        service: evidence.service.as_ref().map(|s| RecognisedRecord {
            name: s.name.to_string(),
            tls: s.tls,
            how: s.how.to_string(),
            product: s.product.clone(),
            version: s.version.clone(),
        }),
        facts: facts(&evidence.facts),
        extracts: evidence
            .extracts
            .iter()
            .map(|e| ExtractRecord { what: e.what.clone(), hex: to_hex(&e.bytes), total: e.total })
            .collect(),
        untested: evidence.untested.clone(),
        first: evidence.span.0,
        last: evidence.span.1,
    }
}

fn read_service(record: ServiceRecord) -> ServiceEvidence {
    ServiceEvidence {
        port: record.port,
        protocol: if record.protocol == Protocol::Udp.as_str() { Protocol::Udp } else { Protocol::Tcp },
        service: record.service.map(|s| Recognised {
            name: s.name.into(),
            tls: s.tls,
            how: s.how.into(),
            product: s.product,
            version: s.version,
        }),
        facts: read_facts(record.facts),
        extracts: record
            .extracts
            .into_iter()
            .map(|e| Extract { what: e.what, bytes: from_hex(&e.hex), total: e.total })
            .collect(),
        untested: record.untested,
        span: (record.first, record.last),
    }
}

/// One host as JSON.
pub fn write(host: &HostEvidence) -> Result<String, serde_json::Error> {
    serde_json::to_string(&HostRecord {
        asset: host.asset.to_string(),
        address: host.addr,
        name: host.name.as_ref().map(ToString::to_string),
        facts: facts(&host.facts),
        services: host.services.iter().map(service).collect(),
        unattributed: host.unattributed,
    })
}

/// One host from JSON.
pub fn read(text: &str) -> Result<HostEvidence, serde_json::Error> {
    let record: HostRecord = serde_json::from_str(text)?;
    Ok(HostEvidence {
        asset: record.asset.into(),
        addr: record.address,
        name: record.name.map(Into::into),
        facts: read_facts(record.facts),
        services: record.services.into_iter().map(read_service).collect(),
        unattributed: record.unattributed,
    })
}

/// Rows of the table: asset, address, document.
type Rows = Vec<(String, String, String)>;

/// One row for each host that has something to tell, and one for many of the others.
fn documents(hosts: &[HostEvidence]) -> Result<Rows, serde_json::Error> {
    let (plain, rest): (Vec<&HostEvidence>, Vec<&HostEvidence>) = hosts.iter().partition(|h| evidence_batch::holds(h));
    let batches: Vec<&[&HostEvidence]> = plain.chunks(evidence_batch::HOSTS).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(batches.len()).max(1);
    let share = batches.len().div_ceil(threads).max(1);
    let mut rows = std::thread::scope(|scope| {
        let write_all =
            |some: &[&[&HostEvidence]]| some.iter().map(|b| evidence_batch::write(b)).collect::<Result<Rows, _>>();
        let mut parts = batches.chunks(share);
        let first = parts.next();
        let running: Vec<_> = parts.map(|part| scope.spawn(move || write_all(part))).collect();
        let mut rows = first.map_or(Ok(Vec::new()), write_all)?;
        for thread in running {
            rows.extend(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok::<_, serde_json::Error>(rows)
    })?;
    for host in rest {
        rows.push((host.asset.to_string(), host.addr.to_string(), write(host)?));
    }
    Ok(rows)
}

impl Store {
    /// Puts the evidence of a run's hosts in the place of what there is of it. It is safe from a kill at once, and from a
    /// power cut together with the results of the run.
    pub fn save_evidence(&mut self, reference: &str, hosts: &[HostEvidence]) -> Result<(), StoreError> {
        let damaged = |e: serde_json::Error| StoreError::Damaged { path: self.database.clone(), why: e.to_string() };
        let rows = documents(hosts).map_err(damaged)?;
        self.pragma("PRAGMA synchronous = NORMAL")?;
        let failed = self.failed();
        let connection = &mut self.connection;
        let kept = self.runtime.block_on(async {
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            sqlx::query("DELETE FROM evidence WHERE reference = ?").bind(reference).execute(&mut *transaction).await?;
            for some in rows.chunks(ROWS) {
                let mut statement = QueryBuilder::<Sqlite>::new("INSERT INTO evidence ");
                statement.push_values(some, |mut row, (asset, address, document)| {
                    row.push_bind(reference).push_bind(asset).push_bind(address).push_bind(document);
                });
                statement.build().execute(&mut *transaction).await?;
            }
            transaction.commit().await
        });
        kept.map_err(failed)?;
        self.pragma("PRAGMA synchronous = FULL")
    }

    /// Evidence of a run's hosts, by asset and address.
    pub fn evidence(&mut self, reference: &str) -> Result<Vec<HostEvidence>, StoreError> {
        let failed = self.failed();
        let statement = "SELECT asset, document FROM evidence WHERE reference = ?";
        let connection = &mut self.connection;
        let documents: Vec<(String, String)> = self
            .runtime
            .block_on(async { sqlx::query_as(statement).bind(reference).fetch_all(connection).await })
            .map_err(failed)?;
        let damaged = |e: serde_json::Error| StoreError::Damaged { path: self.database.clone(), why: e.to_string() };
        let mut hosts = Vec::new();
        for (asset, document) in &documents {
            if asset == evidence_batch::ASSET {
                hosts.extend(evidence_batch::read(document).map_err(damaged)?);
            } else {
                hosts.push(read(document).map_err(damaged)?);
            }
        }
        hosts.sort_by_cached_key(|h| (Arc::clone(&h.asset), h.addr.to_string()));
        Ok(hosts)
    }
}
