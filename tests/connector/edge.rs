//! Load balancers and reserved addresses in Microsoft's and Google's shapes.

use super::dump::dump;

const SUB: &str =
    "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/prod-rg/providers/Microsoft.Network";

fn balancers() -> String {
    format!(
        r#"{{"value":[
  {{"name":"lb1","id":"{SUB}/loadBalancers/LB1","type":"Microsoft.Network/loadBalancers","location":"westus","sku":{{"name":"Standard","tier":"Regional"}},
   "properties":{{"frontendIPConfigurations":[
     {{"name":"a","id":"{SUB}/loadBalancers/lb1/frontendIPConfigurations/a","properties":{{"privateIPAllocationMethod":"Dynamic","publicIPAddress":{{"id":"{SUB}/publicIPAddresses/pip-a"}}}}}},
     {{"name":"b","id":"{SUB}/loadBalancers/lb1/frontendIPConfigurations/b","properties":{{"publicIPAddress":{{"id":"{SUB}/publicIPAddresses/PIP-B"}}}}}}]}}}},
  {{"name":"gw","id":"{SUB}/applicationGateways/gw","type":"Microsoft.Network/applicationGateways","location":"westus",
   "properties":{{"operationalState":"Stopped","frontendIPConfigurations":[{{"id":"x","properties":{{"publicIPAddress":{{"id":"{SUB}/publicIPAddresses/pip-c"}}}}}}]}}}},
  {{"name":"inner","id":"{SUB}/loadBalancers/inner","type":"Microsoft.Network/loadBalancers","location":"westus",
   "properties":{{"frontendIPConfigurations":[{{"id":"y","properties":{{"privateIPAddress":"10.1.0.100","subnet":{{"id":"{SUB}/virtualNetworks/v/subnets/s"}}}}}}]}}}}]}}"#
    )
}

fn addresses() -> String {
    let one = |name: &str, addr: &str, rest: &str| {
        format!(
            r#"{{"name":"{name}","id":"{SUB}/publicIPAddresses/{name}","type":"Microsoft.Network/publicIPAddresses","location":"westus",
            "properties":{{"ipAddress":"{addr}","publicIPAllocationMethod":"Static"{rest}}}}}"#
        )
    };
    format!(
        r#"{{"value":[{},{},{}]}}"#,
        one("pip-a", "203.0.113.70", r#","dnsSettings":{"fqdn":"front.westus.cloudapp.azure.com"}"#),
        one("pip-b", "203.0.113.71", ""),
        one("pip-c", "203.0.113.72", r#","dnsSettings":{"fqdn":"gw.westus.cloudapp.azure.com"}"#)
    )
}

#[test]
fn azure_front_ends_meet_their_addresses() {
    insta::assert_snapshot!(dump(&[&balancers(), &addresses()]), @r#"
    balancer gw.westus.cloudapp.azure.com internet-facing active=false [203.0.113.72] in lab/11111111-2222-3333-4444-555555555555/westus/load-balancers
    balancer 10.1.0.100 internal active=true [10.1.0.100] in lab/11111111-2222-3333-4444-555555555555/westus/load-balancers
    balancer front.westus.cloudapp.azure.com internet-facing active=true [203.0.113.70] in lab/11111111-2222-3333-4444-555555555555/westus/load-balancers
    balancer 203.0.113.71 internet-facing active=true [203.0.113.71] in lab/11111111-2222-3333-4444-555555555555/westus/load-balancers
    partition lab/11111111-2222-3333-4444-555555555555/westus/load-balancers: complete
    partition lab/11111111-2222-3333-4444-555555555555/westus/addresses: complete
    partition lab/-/-/instances: not asked
    advice P0362 2.json: `pip-b` fronts a load balancer and has no DNS name; its address stands for it
    "#);
}

#[test]
fn azure_front_ends_without_their_addresses_leave_a_gap() {
    insta::assert_snapshot!(dump(&[&balancers()]), @r#"
    balancer 10.1.0.100 internal active=true [10.1.0.100] in lab/11111111-2222-3333-4444-555555555555/westus/load-balancers
    partition lab/11111111-2222-3333-4444-555555555555/westus/load-balancers: partly read: public addresses of front ends are not recorded: 1, such as `pip-c`; public addresses of front ends are not recorded: 2, such as `pip-a`
    partition lab/-/-/instances: not asked
    warning P0362 1.json: public addresses of front ends are not recorded: 1, such as `pip-c`
    warning P0362 1.json: public addresses of front ends are not recorded: 2, such as `pip-a`
    "#);
}

#[test]
fn azure_command_lines_form() {
    let flat = format!(
        r#"[{{"name":"lb1","id":"{SUB}/loadBalancers/lb1","type":"Microsoft.Network/loadBalancers","location":"westus",
        "frontendIPConfigurations":[{{"id":"a","publicIPAddress":{{"id":"{SUB}/publicIPAddresses/pip-a","resourceGroup":"prod-rg"}}}}]}}]"#
    );
    let text = dump(&[&flat, &addresses()]);
    assert!(
        text.starts_with("balancer front.westus.cloudapp.azure.com internet-facing active=true [203.0.113.70] in ")
    );
}

const RULES: &str = r#"{"kind":"compute#forwardingRuleAggregatedList","id":"projects/example-project/aggregated/forwardingRules","items":{
  "global":{"forwardingRules":[
    {"kind":"compute#forwardingRule","id":"11","name":"web-https","IPAddress":"198.51.100.80","IPProtocol":"TCP","portRange":"443-443","loadBalancingScheme":"EXTERNAL_MANAGED",
     "selfLink":"https://www.googleapis.com/compute/v1/projects/example-project/global/forwardingRules/web-https"},
    {"kind":"compute#forwardingRule","id":"12","name":"web-http","IPAddress":"198.51.100.80","IPProtocol":"TCP","portRange":"80-80","loadBalancingScheme":"EXTERNAL_MANAGED",
     "selfLink":"https://www.googleapis.com/compute/v1/projects/example-project/global/forwardingRules/web-http"},
    {"kind":"compute#forwardingRule","id":"13","name":"web-v6","IPAddress":"2001:db8:9::/96","loadBalancingScheme":"EXTERNAL","selfLink":"https://x/projects/example-project/global/forwardingRules/web-v6"}]},
  "regions/us-central1":{"forwardingRules":[
    {"kind":"compute#forwardingRule","id":"14","name":"inner","IPAddress":"10.128.0.9","loadBalancingScheme":"INTERNAL","region":"https://x/projects/example-project/regions/us-central1",
     "selfLink":"https://x/projects/example-project/regions/us-central1/forwardingRules/inner"}]},
  "regions/europe-west1":{"warning":{"code":"NO_RESULTS_ON_PAGE","message":"none"}},
  "regions/asia-east1":{"warning":{"code":"UNREACHABLE","message":"The region did not answer."}}},"unreachables":["projects/example-project/regions/us-east4"]}"#;

#[test]
fn google_forwarding_rules_are_load_balancers() {
    insta::assert_snapshot!(dump(&[RULES]), @r#"
    balancer 198.51.100.80 internet-facing active=true [198.51.100.80] in lab/example-project/-/load-balancers
    balancer 2001:db8:9:: internet-facing active=true [2001:db8:9::] in lab/example-project/-/load-balancers
    balancer 10.128.0.9 internal active=true [10.128.0.9] in lab/example-project/us-central1/load-balancers
    partition lab/example-project/-/load-balancers: complete
    partition lab/example-project/us-central1/load-balancers: complete
    partition lab/example-project/asia-east1/load-balancers: denied: region asia-east1: UNREACHABLE: The region did not answer.
    partition lab/example-project/us-east4/load-balancers: denied: region us-east4: UNREACHABLE
    partition lab/-/-/instances: not asked
    warning P0358 1.json items["regions/asia-east1"].warning: the provider warns: UNREACHABLE: The region did not answer.
    "#);
}

#[test]
fn google_reserved_addresses() {
    let instance = r#"[{"kind":"compute#instance","id":"1","name":"a","zone":"z/projects/p1/zones/us-central1-a","selfLink":"x/projects/p1/zones/us-central1-a/instances/a",
      "networkInterfaces":[{"name":"nic0","accessConfigs":[{"natIP":"198.51.100.7"}]}]},
      {"kind":"compute#instance","id":"2","name":"b","zone":"z/projects/p1/zones/us-central1-a","selfLink":"x/projects/p1/zones/us-central1-a/instances/b",
      "networkInterfaces":[{"name":"nic0","accessConfigs":[{"natIP":"198.51.100.8"}]}]}]"#;
    let addresses = r#"{"items":{"regions/us-central1":{"addresses":[
      {"kind":"compute#address","address":"198.51.100.7","addressType":"EXTERNAL","status":"IN_USE","region":"x/projects/p1/regions/us-central1"},
      {"kind":"compute#address","address":"10.0.0.8","addressType":"INTERNAL","region":"x/projects/p1/regions/us-central1"}]}},"kind":"compute#addressAggregatedList","id":"projects/p1/aggregated/addresses"}"#;
    let text = dump(&[instance, addresses]);
    assert!(text.contains("    198.51.100.7 Public Elastic -\n"), "{text}");
    assert!(text.contains("    198.51.100.8 Public Automatic -\n"), "{text}");
}

#[test]
fn an_empty_list_of_another_kind_says_so() {
    let text = r#"{"items":{"regions/us-central1":{"warning":{"code":"NO_RESULTS_ON_PAGE"}}},"kind":"compute#forwardingRuleAggregatedList","id":"projects/p1/aggregated/forwardingRules"}"#;
    insta::assert_snapshot!(dump(&[text]), @r#"
    partition lab/p1/-/load-balancers: complete
    partition lab/-/-/instances: not asked
    "#);
}
