//! Google's shapes.

use super::dump::{dump, gaps};

const RUNNING: &str = r#"{"kind":"compute#instance","id":"1234567890123456789","name":"edge-1","status":"RUNNING","creationTimestamp":"2025-05-01T03:00:00.000-07:00",
  "zone":"https://www.googleapis.com/compute/v1/projects/example-project/zones/us-central1-a",
  "machineType":"https://www.googleapis.com/compute/v1/projects/example-project/zones/us-central1-a/machineTypes/e2-medium",
  "selfLink":"https://www.googleapis.com/compute/v1/projects/example-project/zones/us-central1-a/instances/edge-1",
  "labels":{"env":"prod","tier":"edge"},"tags":{"items":["http-server"],"fingerprint":"x"},
  "disks":[{"boot":true,"licenses":["https://www.googleapis.com/compute/v1/projects/debian-cloud/global/licenses/debian-12-bookworm"]}],
  "networkInterfaces":[{"name":"nic0","network":"https://www.googleapis.com/compute/v1/projects/example-project/global/networks/default","networkIP":"10.128.0.2",
    "accessConfigs":[{"type":"ONE_TO_ONE_NAT","name":"External NAT","natIP":"198.51.100.2","publicPtrDomainName":"edge.example.com."}],
    "ipv6AccessConfigs":[{"type":"DIRECT_IPV6","externalIpv6":"2001:db8:1::2","externalIpv6PrefixLength":96}]}]}"#;

const STOPPED: &str = r#"{"id":"2","name":"idle","status":"TERMINATED","zone":"projects/example-project/zones/europe-west1-b","selfLink":"https://x/projects/example-project/zones/europe-west1-b/instances/idle",
  "machineType":"x/machineTypes/e2-small","networkInterfaces":[{"network":"x/projects/example-project/global/networks/default","networkIP":"10.132.0.2","accessConfigs":[{"type":"ONE_TO_ONE_NAT","name":"External NAT"}]}]}"#;

#[test]
fn the_command_lines_list() {
    insta::assert_snapshot!(dump(&[&format!("[{RUNNING},{STOPPED}]")]), @"");
}

#[test]
fn a_page_of_items_and_a_single_record_are_the_same() {
    let list = dump(&[&format!("[{RUNNING}]")]);
    assert_eq!(dump(&[&format!(r#"{{"kind":"compute#instanceList","id":"projects/example-project/zones/us-central1-a/instances","items":[{RUNNING}]}}"#)]), list);
    assert_eq!(dump(&[RUNNING]), list);
}

#[test]
fn an_aggregated_list_with_an_unreachable_zone() {
    let text = format!(
        r#"{{"kind":"compute#instanceAggregatedList","id":"projects/example-project/aggregated/instances","items":{{
        "zones/us-central1-a":{{"instances":[{RUNNING}]}},
        "zones/us-central1-b":{{"warning":{{"code":"NO_RESULTS_ON_PAGE","message":"There are no results for scope 'zones/us-central1-b' on this page."}}}},
        "zones/asia-east1-a":{{"warning":{{"code":"UNREACHABLE","message":"The zone did not answer."}}}}}},"unreachables":["projects/example-project/zones/us-central1-f"]}}"#
    );
    insta::assert_snapshot!(gaps(&[&text]), @"");
}

#[test]
fn other_kinds_are_passed_over_with_a_word() {
    insta::assert_snapshot!(gaps(&[r#"[{"kind":"compute#disk","id":"1"},{"kind":"compute#disk","id":"2"}]"#]), @"");
}
