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
    insta::assert_snapshot!(dump(&[&format!("[{RUNNING},{STOPPED}]")]), @r#"
    asset 1234567890123456789 edge-1 in lab/example-project/us-central1/instances
      interface nic0 in projects/example-project/global/networks/default
        10.128.0.2 Private Primary -
        198.51.100.2 Public Automatic edge.example.com
        2001:db8:1::2 Public Automatic -
      activatedForModules.0 = VM
      activatedForModules.1 = PC
      connectors.name.0 = lab
      created.0 = 2025-05-01T10:00:00Z
      gcp.compute.hostname.0 = edge-1
      gcp.compute.instanceId.0 = 1234567890123456789
      gcp.compute.machineType.0 = e2-medium
      gcp.compute.network.0 = default
      gcp.compute.privateIpAddress.0 = 10.128.0.2
      gcp.compute.projectId.0 = example-project
      gcp.compute.publicIpAddress.0 = 198.51.100.2
      gcp.compute.publicIpAddress.0 = 2001:db8:1::2
      gcp.compute.publicIpv6Address.0 = 2001:db8:1::2
      gcp.compute.state.0 = RUNNING
      gcp.compute.zone.0 = us-central1-a
      gcp.tags.key.0 = env
      gcp.tags.key.1 = tier
      gcp.tags.value.0 = prod
      gcp.tags.value.1 = edge
      interfaces.address.0 = 10.128.0.2
      interfaces.address.0 = 198.51.100.2
      interfaces.address.0 = 2001:db8:1::2
      interfaces.hostname.0 = edge.example.com
      name.0 = edge-1
      operatingSystem.0 = debian-12-bookworm
      provider.0 = GCP
      trackingMethod.0 = GCP_INSTANCE_ID
    asset 2 idle in lab/example-project/europe-west1/instances
      interface nic0 in projects/example-project/global/networks/default
        10.132.0.2 Private Primary -
      connectors.name.0 = lab
      gcp.compute.hostname.0 = idle
      gcp.compute.instanceId.0 = 2
      gcp.compute.machineType.0 = e2-small
      gcp.compute.network.0 = default
      gcp.compute.privateIpAddress.0 = 10.132.0.2
      gcp.compute.projectId.0 = example-project
      gcp.compute.state.0 = TERMINATED
      gcp.compute.zone.0 = europe-west1-b
      interfaces.address.0 = 10.132.0.2
      name.0 = idle
      provider.0 = GCP
      trackingMethod.0 = GCP_INSTANCE_ID
    partition lab/example-project/us-central1/instances: complete
    partition lab/example-project/us-central1/interfaces: complete
    partition lab/example-project/us-central1/addresses: complete
    partition lab/example-project/europe-west1/instances: complete
    partition lab/example-project/europe-west1/interfaces: complete
    partition lab/example-project/europe-west1/addresses: complete
    "#);
}

#[test]
fn a_page_of_items_and_a_single_record_are_the_same() {
    let list = dump(&[&format!("[{RUNNING}]")]);
    assert_eq!(
        dump(&[&format!(
            r#"{{"kind":"compute#instanceList","id":"projects/example-project/zones/us-central1-a/instances","items":[{RUNNING}]}}"#
        )]),
        list
    );
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
    insta::assert_snapshot!(gaps(&[&text]), @r#"
    partition lab/example-project/us-central1/instances: partly read: denied: zone us-central1-f: UNREACHABLE
    partition lab/example-project/us-central1/interfaces: complete
    partition lab/example-project/us-central1/addresses: complete
    partition lab/example-project/asia-east1/instances: denied: zone asia-east1-a: UNREACHABLE: The zone did not answer.
    warning P0358 1.json items["zones/asia-east1-a"].warning: the provider warns: UNREACHABLE: The zone did not answer.
    "#);
}

#[test]
fn other_kinds_are_passed_over_with_a_word() {
    insta::assert_snapshot!(gaps(&[r#"[{"kind":"compute#disk","id":"1"},{"kind":"compute#disk","id":"2"}]"#]), @r#"
    partition lab/-/-/instances: not asked
    advice P0367 1.json: records of other types, such as `compute#disk`, were not read: 2
    "#);
}
