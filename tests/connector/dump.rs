//! An inventory as text: one block an asset, then load balancers, partitions and notices.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "only tests call it, and a panic is a failed test")]

use std::fmt::Write;
use std::io::Cursor;

use palisade::base::limits::Limits;
use palisade::base::progress::Silent;
use palisade::connector::file::{FileConnector, InputFile, Notice, read};
use palisade::inventory::asset::{Module, Value};
use palisade::inventory::catalogue::tokens;
use palisade::inventory::partition::PartitionState;
use palisade::inventory::snapshot::SnapshotInput;

/// A connector named `lab` that grants both modules.
pub fn lab() -> FileConnector {
    FileConnector {
        name: "lab".into(),
        activate: vec![Module::Vm, Module::Pc],
        include_micro_nano: false,
        project_number: None,
        regions: None,
    }
}

/// Reads files given as name and bytes.
pub fn read_with(spec: &FileConnector, limits: &Limits, files: &[(&str, &[u8])]) -> (SnapshotInput, Vec<Notice>) {
    let files = files
        .iter()
        .map(|(name, bytes)| InputFile {
            name: (*name).to_owned(),
            modified: None,
            bytes: Box::new(Cursor::new(bytes.to_vec())),
        })
        .collect();
    read(spec, files, "2026-01-01T00:00:00Z".parse().unwrap(), limits, &Silent)
}

/// Reads texts and writes everything that came of it.
pub fn dump(texts: &[&str]) -> String {
    let names: Vec<String> = (1..=texts.len()).map(|n| format!("{n}.json")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().zip(texts).map(|(n, t)| (n.as_str(), t.as_bytes())).collect();
    let (input, notices) = read_with(&lab(), &Limits::default(), &files);
    show(&input, &notices)
}

/// Only partitions and notices.
pub fn gaps(texts: &[&str]) -> String {
    let all = dump(texts);
    all.lines()
        .filter(|l| !l.starts_with(' ') && !l.starts_with("asset ") && !l.starts_with("balancer "))
        .map(|l| format!("{l}\n"))
        .collect()
}

/// Everything as text.
pub fn show(input: &SnapshotInput, notices: &[Notice]) -> String {
    let mut out = String::new();
    for a in &input.assets {
        let partition = input.partitions[a.partition.0 as usize].name();
        writeln!(out, "asset {} {} in {partition}", a.id, a.name.as_deref().unwrap_or("-")).unwrap();
        for i in &a.interfaces {
            writeln!(out, "  interface {} in {}", i.id, i.network.as_deref().unwrap_or("-")).unwrap();
            for x in &i.addresses {
                writeln!(out, "    {} {:?} {:?} {}", x.addr, x.scope, x.origin, x.dns.as_deref().unwrap_or("-"))
                    .unwrap();
            }
        }
        let mut lines: Vec<String> = a
            .fields
            .iter()
            .map(|f| {
                let value = match &f.value {
                    Value::Str(s) => s.to_string(),
                    Value::Num(n) => n.to_string(),
                    Value::Date(d) => d.to_string(),
                    Value::Bool(b) => b.to_string(),
                    Value::Ip(ip) => ip.to_string(),
                };
                format!("  {}.{} = {value}", tokens()[f.token.0 as usize].name, f.element)
            })
            .collect();
        lines.sort();
        writeln!(out, "{}", lines.join("\n")).unwrap();
    }
    for b in &input.load_balancers {
        let facing = if b.internet_facing { "internet-facing" } else { "internal" };
        let partition = input.partitions[b.partition.0 as usize].name();
        writeln!(out, "balancer {} {facing} active={} {:?} in {partition}", b.name, b.active, b.addresses).unwrap();
    }
    for p in &input.partitions {
        let state = p.gap().map_or_else(|| "complete".to_owned(), |g| g.cause.to_string());
        // No test but its own cares for load balancers that nobody asked for.
        if !(p.state == PartitionState::NotAsked && p.name().ends_with("load-balancers")) {
            writeln!(out, "partition {}: {state}", p.name()).unwrap();
        }
    }
    for n in notices {
        writeln!(out, "{n}").unwrap();
    }
    out
}
