//! Input that means harm. Nothing panics, memory and notices stay bounded, and what is lost is a gap.

use palisade::base::limits::Limits;
use proptest::prelude::*;

use super::dump::{lab, read_with, show};

fn codes(limits: &Limits, text: &str) -> Vec<&'static str> {
    let (_, notices) = read_with(&lab(), limits, &[("x.json", text.as_bytes())]);
    notices.iter().map(|n| n.code).collect()
}

#[test]
fn deep_nesting_costs_one_record() {
    let limits = Limits::default();
    let within = |key: &str, open: &str, close: &str| {
        format!(r#"{{"value":[{{"id":"/v","vmId":"v","{key}":{}1{}}}]}}"#, open.repeat(100_000), close.repeat(100_000))
    };
    // A member that is not read is passed over without a stack; one that is read has a depth of its own.
    assert_eq!(codes(&limits, &within("unread", "[", "]")), [""; 0]);
    assert_eq!(codes(&limits, &within("properties", r#"{"properties":"#, "}")), ["P0355"]);
    let frontend = r#"{"value":[{"id":"/v","vmId":"v","ipConfigurations":["#;
    let deep = format!("{frontend}{}1{}]}}]}}", r#"{"properties":"#.repeat(100_000), "}".repeat(100_000));
    assert_eq!(codes(&limits, &deep), ["P0354"]);
    assert_eq!(codes(&Limits::default(), &"[".repeat(100_000)), ["P0352"]);
    assert_eq!(codes(&Limits::default(), &"{\"value\":[".repeat(1_000)), ["P0352"]);
}

#[test]
fn a_million_tags_are_cut_at_the_limit() {
    let tags: Vec<String> = (0..1_000_000).map(|n| format!(r#"{{"Key":"k{n}","Value":"v"}}"#)).collect();
    let text = format!(r#"{{"Reservations":[{{"Instances":[{{"InstanceId":"i-1","Tags":[{}]}}]}}]}}"#, tags.join(","));
    let (input, notices) = read_with(&lab(), &Limits::default(), &[("x.json", text.as_bytes())]);
    assert!(input.assets[0].fields.len() < 2_100);
    assert_eq!(
        notices.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["warning P0356 x.json Reservations[0].Instances[0]: 1000000 tags, of which the first 1000 were kept"]
    );
}

#[test]
fn long_records_strings_and_files() {
    let limits = Limits {
        inventory_record_bytes: 1_000,
        inventory_string_bytes: 50,
        inventory_file_bytes: 10_000,
        ..Limits::default()
    };
    let record = |id: &str, fill: usize| {
        format!(r#"{{"Instances":[{{"InstanceId":"{id}","ImageId":"{}"}}]}}"#, "x".repeat(fill))
    };
    let text = format!(r#"{{"Reservations":[{},{},{}]}}"#, record("i-1", 10), record("i-2", 100), record("i-3", 2_000));
    let (input, notices) = read_with(&lab(), &limits, &[("x.json", text.as_bytes())]);
    insta::assert_snapshot!(show(&input, &notices).lines().filter(|l| !l.starts_with(' ')).collect::<Vec<_>>().join("\n"), @r#"
    asset i-1 - in lab/-/-/instances
    asset i-2 - in lab/-/-/instances
    partition lab/-/-/instances: partly read: 1 record dropped
    partition lab/-/-/interfaces: complete
    partition lab/-/-/addresses: complete
    warning P0356 x.json Reservations[1].Instances[0]: a string of 100 bytes was left out, the limit is 50
    error P0354 x.json Reservations[2]: this record was dropped: it has 2049 bytes, the limit is 1000
    "#);
    assert_eq!(codes(&limits, &format!("[{}]", "{},".repeat(5_000))).last(), Some(&"P0365"));
}

#[test]
fn notices_are_bounded() {
    let limits = Limits { diagnostics_per_file: 10, ..Limits::default() };
    let text = format!(r#"{{"Reservations":[{}7]}}"#, "7,".repeat(5_000));
    let codes = codes(&limits, &text);
    assert_eq!((codes.len(), codes.last()), (11, Some(&"P0368")));
}

#[test]
fn interfaces_and_addresses_are_bounded() {
    let limits = Limits { interfaces_per_asset: 2, addresses_per_interface: 3, ..Limits::default() };
    let addresses: Vec<String> = (1..10).map(|n| format!(r#"{{"PrivateIpAddress":"10.0.0.{n}"}}"#)).collect();
    let eni = format!(r#"{{"NetworkInterfaceId":"e","PrivateIpAddresses":[{}]}}"#, addresses.join(","));
    let text = format!(
        r#"{{"Reservations":[{{"Instances":[{{"InstanceId":"i-1","NetworkInterfaces":[{eni},{eni},{eni}]}}]}}]}}"#
    );
    let (input, notices) = read_with(&lab(), &limits, &[("x.json", text.as_bytes())]);
    assert_eq!(input.assets[0].interfaces.iter().map(|i| i.addresses.len()).collect::<Vec<_>>(), [3, 3]);
    assert!(notices.iter().all(|n| n.code == "P0356") && !notices.is_empty());
}

const GOOD: &str = r#"{"schema":"palisade/recording/1","account":"1","region":"r","denied":[{"kind":"addresses","cause":"no"}],"body":[
 {"Reservations":[{"OwnerId":"1","Instances":[{"InstanceId":"i-1","State":{"Name":"running"},"Tags":[{"Key":"a","Value":"b"}],"NetworkInterfaces":[{"NetworkInterfaceId":"e","PrivateIpAddresses":[{"PrivateIpAddress":"10.0.0.1","Association":{"PublicIp":"192.0.2.1"}}]}]}]}],"NextToken":null},
 {"value":[{"id":"/subscriptions/s/virtualMachines/v","type":"Microsoft.Compute/virtualMachines","properties":{"vmId":"v","instanceView":{"statuses":[{"code":"PowerState/running"}]}}},
  {"id":"/n","ipConfigurations":[{"publicIPAddress":{"id":"/p"}}],"virtualMachine":{"id":"/subscriptions/s/virtualMachines/v"}},{"id":"/p","publicIPAllocationMethod":"Static","ipAddress":"192.0.2.2"}]},
 {"data":{"columns":[{"name":"id"},{"name":"vmId"}],"rows":[["/subscriptions/s/virtualMachines/w","w"]]}},
 {"items":{"zones/z-a":{"instances":[{"id":"1","kind":"compute#instance","labels":{"a":1}}]},"zones/z-b":{"warning":{"code":"UNREACHABLE"}}}}]}
 {"schema":"palisade/overlay/1","assets":{"i-1":{"activatedForModules":["PC"]}}}"#;

#[test]
fn the_good_file_of_the_mutations_is_good() {
    let (input, notices) = read_with(&lab(), &Limits::default(), &[("x.json", GOOD.as_bytes())]);
    let ids: Vec<&str> = input.assets.iter().map(|a| &*a.id).collect();
    assert_eq!(ids, ["i-1", "v", "w", "1"], "{}", show(&input, &notices));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Random edits of a good file never panic, and a file that lost an asset always says so.
    #[test]
    fn mutations_lose_nothing_silently(edits in prop::collection::vec((0..GOOD.len(), any::<u8>(), 0_u8..4), 1..6)) {
        let mut bytes = GOOD.as_bytes().to_vec();
        for (at, byte, how) in edits {
            let at = at.min(bytes.len().saturating_sub(1));
            match how {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, byte),
                2 if !bytes.is_empty() => { bytes.remove(at); }
                _ if !bytes.is_empty() => bytes[at] = byte,
                _ => {}
            }
        }
        let (input, notices) = read_with(&lab(), &Limits::default(), &[("x.json", &bytes)]);
        let whole = input.assets.len() == 4;
        prop_assert!(whole || !notices.is_empty(), "{}", String::from_utf8_lossy(&bytes));
        prop_assert!(input.assets.iter().all(|a| (a.partition.0 as usize) < input.partitions.len()));
    }

    /// Every truncation keeps a prefix of the assets and leaves a gap.
    #[test]
    fn every_truncation_is_a_gap(at in 1..GOOD.len()) {
        let (input, _) = read_with(&lab(), &Limits::default(), &[("x.json", &GOOD.as_bytes()[..at])]);
        if input.assets.len() < 4 {
            prop_assert!(input.partitions.iter().any(|p| p.gap().is_some_and(|g| g.cause.contains("partly read") || g.cause.contains("not asked"))));
        }
    }
}
