//! Evidence in the store: one JSON document a host, on record types of its own.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Connection;

use super::{Store, StoreError};
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

impl Store {
    /// Keeps the evidence of a run's hosts; of a host that is there already, the newer counts.
    pub fn save_evidence(&mut self, reference: &str, hosts: &[HostEvidence]) -> Result<(), StoreError> {
        let failed = self.failed();
        let damaged = |e: serde_json::Error| StoreError::Damaged { path: self.database.clone(), why: e.to_string() };
        let mut rows = Vec::new();
        for host in hosts {
            rows.push((host.asset.to_string(), host.addr.to_string(), write(host).map_err(damaged)?));
        }
        let connection = &mut self.connection;
        self.runtime
            .block_on(async {
                let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
                for (asset, address, document) in rows {
                    sqlx::query("INSERT OR REPLACE INTO evidence VALUES (?, ?, ?, ?)")
                        .bind(reference)
                        .bind(asset)
                        .bind(address)
                        .bind(document)
                        .execute(&mut *transaction)
                        .await?;
                }
                transaction.commit().await
            })
            .map_err(failed)
    }

    /// Evidence of a run's hosts, by asset and address.
    pub fn evidence(&mut self, reference: &str) -> Result<Vec<HostEvidence>, StoreError> {
        let failed = self.failed();
        let statement = "SELECT document FROM evidence WHERE reference = ? ORDER BY asset, address";
        let connection = &mut self.connection;
        let documents: Vec<String> = self
            .runtime
            .block_on(async { sqlx::query_scalar(statement).bind(reference).fetch_all(connection).await })
            .map_err(failed)?;
        let damaged = |e: serde_json::Error| StoreError::Damaged { path: self.database.clone(), why: e.to_string() };
        documents.iter().map(|d| read(d).map_err(damaged)).collect()
    }
}
