//! The sample inventories that the examples use.

use palisade::base::limits::Limits;
use palisade::connector::file::Notice;
use palisade::inventory::asset::{AddressScope, Asset, Value};
use palisade::inventory::catalogue::{TokenId, tokens};
use palisade::inventory::snapshot::{Snapshot, SnapshotInput};

use super::dump::{lab, read_with};

fn sample(names: &[&str]) -> (SnapshotInput, Vec<Notice>) {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/inventory/");
    let read: Vec<(&str, Vec<u8>)> = names.iter().map(|n| (*n, std::fs::read(format!("{root}{n}")).unwrap())).collect();
    let files: Vec<(&str, &[u8])> = read.iter().map(|(n, b)| (*n, b.as_slice())).collect();
    read_with(&lab(), &Limits::default(), &files)
}

fn token(name: &str) -> TokenId {
    TokenId(u16::try_from(tokens().iter().position(|t| t.name == name).unwrap()).unwrap())
}

fn has(asset: &Asset, name: &str, text: &str) -> bool {
    let id = token(name);
    asset.fields.iter().any(|f| f.token == id && matches!(&f.value, Value::Str(s) if &**s == text))
}

fn public(asset: &Asset) -> Vec<String> {
    let all = asset.interfaces.iter().flat_map(|i| &i.addresses);
    all.filter(|a| a.scope == AddressScope::Public).map(|a| a.addr.to_string()).collect()
}

fn overview(input: &SnapshotInput) -> String {
    let line = |a: &Asset| format!("{} {}", a.name.as_deref().unwrap_or(&a.id), public(a).join(" ")).trim().to_owned();
    input.assets.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn gaps(input: &SnapshotInput) -> Vec<String> {
    let all = input.partitions.iter().filter_map(|p| p.gap());
    all.map(|g| g.partition.to_string()).filter(|p| !p.ends_with("/load-balancers")).collect()
}

#[test]
fn the_amazon_fleet() {
    let (input, notices) = sample(&["aws-instances.json"]);
    assert_eq!((notices, gaps(&input)), (vec![], vec![]));
    insta::assert_snapshot!(overview(&input), @r#"
    web-1 203.0.113.11
    web-2 203.0.113.12
    api-1 203.0.113.21
    edge-nat 203.0.113.31 203.0.113.32
    bastion 203.0.113.5
    db-1
    batch-7
    web-old
    legacy-crm 203.0.113.90
    i-0000000000000000a 203.0.113.99
    web-eu-1 198.51.100.11
    staging-eu 198.51.100.12
    old-eu
    "#);
}

#[test]
fn the_azure_estate() {
    let (input, notices) = sample(&["azure-vms.json", "azure-nics.json", "azure-public-ips.json"]);
    assert_eq!((notices, gaps(&input)), (vec![], vec![]));
    assert_eq!(
        input.load_balancers.iter().map(|b| &*b.name).collect::<Vec<_>>(),
        ["shop.westeurope.cloudapp.azure.example"]
    );
    insta::assert_snapshot!(overview(&input), @r#"
    shop-web-1 198.51.100.31
    shop-web-2 198.51.100.32 2001:db8:20::5
    shop-db
    jump-win
    lab-us 203.0.113.131 203.0.113.132
    "#);
}

#[test]
fn the_google_project() {
    let (input, notices) = sample(&["gcp-instances.json"]);
    assert_eq!((notices, gaps(&input)), (vec![], vec![]));
    insta::assert_snapshot!(overview(&input), @r#"
    edge-proxy-1 203.0.113.201
    edge-proxy-2 203.0.113.202 2001:db8:30::2
    worker-1
    idle-1
    dev-1 198.51.100.205
    staging-1
    "#);
}

/// The guide's worked example: 23 public-facing, 9 qualified, 8 submitted.
#[test]
fn the_guides_numbers_are_in_the_data() {
    let (input, notices) = sample(&["azure-23.json"]);
    assert_eq!((notices, gaps(&input)), (vec![], vec![]));
    assert_eq!(input.assets.len(), 27);
    let facing: Vec<&Asset> = input.assets.iter().filter(|a| !public(a).is_empty()).collect();
    assert_eq!(facing.len(), 23);
    let count = |reason: &dyn Fn(&Asset) -> bool| facing.iter().filter(|a| reason(a)).count();
    let tagged = |a: &Asset| has(a, "azure.tags.name", "env") && has(a, "azure.tags.value", "test176");
    let state = |a: &Asset, word: &str| has(a, "azure.vm.state", word);
    assert_eq!(count(&|a| !tagged(a)), 7);
    assert_eq!(count(&|a| tagged(a) && state(a, "DEALLOCATED")), 3);
    assert_eq!(count(&|a| tagged(a) && state(a, "STOPPED")), 2);
    assert_eq!(count(&|a| tagged(a) && state(a, "DELETED")), 2);
    let qualified = |a: &Asset| tagged(a) && state(a, "RUNNING");
    assert_eq!(count(&qualified), 9);
    assert_eq!(count(&|a| qualified(a) && has(a, "activatedForModules", "VM")), 8);
}

/// What the connector delivers is what the inventory takes: no value is of another type than its token's.
#[test]
fn all_samples_build() {
    let files = [
        "aws-instances.json",
        "azure-vms.json",
        "azure-nics.json",
        "azure-public-ips.json",
        "gcp-instances.json",
        "azure-23.json",
    ];
    let (input, _) = sample(&files);
    let assets = input.assets.len();
    let (snapshot, notices) = Snapshot::build(input, &Limits::default()).unwrap();
    assert_eq!(notices, vec![]);
    assert_eq!(snapshot.len() as usize, assets);
}
