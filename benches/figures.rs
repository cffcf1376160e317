//! Figures: parsing, inventory from JSON to snapshot to answer, hooks. `cargo bench --bench figures -- 1000000`
//!
//! Each line is the best of three. Ratios within one run are what counts; the machine is rarely quiet.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measuring program prints, and a failure of its own set-up ends it"
)]

mod best;

use std::fmt::Write as _;
use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use best::best;
use palisade::base::clock::SystemClock;
use palisade::base::limits::Limits;
use palisade::base::progress::Silent;
use palisade::base::source::{FileId, SourceMap};
use palisade::connector::file::{FileConnector, InputFile, read};
use palisade::inventory::asset::Module;
use palisade::inventory::snapshot::Snapshot;
use palisade::lang::analyze::analyze;
use palisade::lang::query::check::{Dialect, Scope, check};
use palisade::lang::query::predicate::Moment;
use palisade::lang::query::tags::TagMembership;
use palisade::lang::syntax::{parse_file, parse_query};
use palisade::plan::hook::AssetHook;
use palisade::script::hook::load;

fn line(what: &str, took: Duration, units: f64, unit: &str) {
    println!("{what:<44} {:>9.1} ms   {:>12.0} {unit}/s", took.as_secs_f64() * 1e3, units / took.as_secs_f64());
}

/// Azure VMs as `az vm list -d` prints them.
fn recorded(n: usize) -> String {
    let places = ["westus", "eastus", "westeurope", "northeurope"];
    let states = ["VM running", "VM running", "VM deallocated"];
    let mut text = String::from("[");
    for i in 0..n {
        let comma = if i == 0 { "" } else { "," };
        let public = if i % 2 == 0 { format!("198.18.{}.{}", i / 256 % 256, i % 256) } else { String::new() };
        let _ = write!(
            text,
            r#"{comma}{{"id":"/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-{}/providers/Microsoft.Compute/virtualMachines/vm-{i}","name":"vm-{i}","location":"{}","vmId":"10000000-0000-4000-8000-{i:012x}","powerState":"{}","publicIps":"{public}","privateIps":"10.{}.{}.{}","fqdns":"","tags":{{"env":"prod","owner":"team-{}"}},"hardwareProfile":{{"vmSize":"Standard_B2s"}}}}"#,
            i % 200,
            places.get(i % places.len()).unwrap(),
            states.get(i % states.len()).unwrap(),
            i / 65_536 % 256,
            i / 256 % 256,
            i % 256,
            i % 50,
        );
    }
    text.push(']');
    text
}

fn jobs(limits: &Limits) {
    let block = "tag \"t%\" {\n  query = azure.vm.publicIpAddress is not null and azure.vm.state: \"RUNNING\" and name: web*\n}\n\n";
    let text: String = (0..20_000).map(|i| block.replace('%', &i.to_string())).collect();
    let lines = text.lines().count() as f64;
    let (took, tree) = best(|| parse_file(&text, FileId(0), limits).0);
    line("job file: parse", took, lines, "lines");
    let mut sources = SourceMap::new();
    sources.add("bench.pal", text.as_str());
    let trees = [tree];
    let (took, (program, found)) = best(|| analyze(&trees, &sources));
    assert!(found.is_empty() && program.tags.len() == 20_000);
    line("job file: check", took, lines, "lines");
}

fn main() {
    let n: usize = std::env::args().filter_map(|a| a.parse().ok()).next().unwrap_or(100_000);
    let limits = Limits::default();
    jobs(&limits);
    let text = recorded(n);
    let spec = FileConnector {
        name: "bench".into(),
        activate: vec![Module::Vm],
        include_micro_nano: false,
        project_number: None,
        regions: None,
    };
    let bytes: Arc<[u8]> = text.into_bytes().into();
    println!("{n} assets, {} MB of JSON", bytes.len() / 1_000_000);
    let now = "2026-06-01T00:00:00Z".parse().unwrap();
    let (took, (input, notices)) = best(|| {
        let file = InputFile { name: "bench".into(), modified: None, bytes: Box::new(Cursor::new(Arc::clone(&bytes))) };
        read(&spec, vec![file], now, &limits, &Silent)
    });
    assert!(notices.is_empty() && input.assets.len() == n, "{notices:?}");
    line("JSON to records", took, n as f64, "assets");
    let (took, (snapshot, _)) = best(|| Snapshot::build(input.clone(), &limits).unwrap());
    line("records to snapshot (with a copy of them)", took, n as f64, "assets");
    let (took, file) = best(|| snapshot.to_bytes());
    line("snapshot to bytes", took, file.len() as f64 / 1e6, "MB");
    let file: Arc<Vec<u8>> = Arc::new(file);
    let (took, opened) = best(|| Snapshot::from_bytes(file.clone()).unwrap());
    line("open a snapshot", took, n as f64, "assets");
    questions(&opened, n, now, &limits);
    hooks(opened, n, now, &limits);
}

fn questions(snapshot: &Snapshot, n: usize, now: jiff::Timestamp, limits: &Limits) {
    for text in [
        "not azure.vm.publicIpAddress is null and azure.vm.state: \"RUNNING\" and azure.vm.location: westus",
        "azure.vm.publicIpAddress: 198.18.7.0/24",
        "azure.tags: (name: owner and value: team-7)",
        "azure.vm.name: *99*",
    ] {
        let tree = parse_query(text, FileId(0), 0, limits).0.unwrap();
        let scope = Scope {
            lets: &|_| None,
            values: &|_| None,
            let_names: Vec::new(),
            known_tags: None,
            provider: None,
            free_text: false,
            dialect: Dialect::Default,
            portable: false,
        };
        let predicate = check(&tree, &scope).0.unwrap();
        let moment = Moment { now, tags: None };
        let (took, found) = best(|| predicate.evaluate(snapshot, &moment));
        println!("  {} match", found.matched.len());
        line(text.get(..44).unwrap_or(text), took, n as f64, "assets");
    }
}

fn hooks(snapshot: Snapshot, n: usize, now: jiff::Timestamp, limits: &Limits) {
    let script = "// name: b\n// description: b\n// stage: hook\n// author: b\n\
        fn filter(a) { a[\"azure.vm.state\"] == \"RUNNING\" && a[\"azure.vm.location\"] != () }";
    let Ok(script) = load(script, "bench.rhai", FileId(0), limits) else {
        return println!("the hook does not compile");
    };
    let tags = Arc::new(TagMembership::default());
    let snapshot = Arc::new(snapshot);
    let hook = script.bind(Arc::clone(&snapshot), tags, now, Arc::new(SystemClock::default()));
    let calls = n.min(1_000_000) as u32;
    let (took, kept) = best(|| (0..calls).filter(|r| hook.filter(&snapshot, *r).unwrap()).count());
    println!("  {kept} kept");
    line("hook calls, all limits on", took, f64::from(calls), "calls");
}
