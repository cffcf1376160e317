//! Microsoft's shapes.

use super::dump::{dump, gaps};

const VM_REST: &str = r#"{"value":[{"name":"web1","id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/PROD-RG/providers/Microsoft.Compute/virtualMachines/web1",
  "type":"Microsoft.Compute/virtualMachines","location":"westus","tags":{"env":"prod","owner":null},
  "properties":{"vmId":"AAAAAAAA-0000-0000-0000-000000000001","provisioningState":"Succeeded","hardwareProfile":{"vmSize":"Standard_D2s_v3"},
   "storageProfile":{"imageReference":{"publisher":"Canonical","offer":"0001-com-ubuntu-server-jammy","sku":"22_04-lts","version":"latest","exactVersion":"22.04.202401010"},"osDisk":{"osType":"Linux"}},
   "timeCreated":"2025-03-01T00:00:00Z",
   "networkProfile":{"networkInterfaces":[
     {"id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/prod-rg/providers/Microsoft.Network/networkInterfaces/nic-b","properties":{"primary":false}},
     {"id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/prod-rg/providers/Microsoft.Network/networkInterfaces/nic-a","properties":{"primary":true}}]}}}]}"#;

const NICS: &str = r#"{"value":[
  {"name":"nic-a","id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/Prod-RG/providers/Microsoft.Network/networkInterfaces/NIC-A","location":"westus",
   "type":"Microsoft.Network/networkInterfaces","properties":{"macAddress":"00-0D-3A-1B-2C-3D","ipConfigurations":[
    {"name":"two","id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/prod-rg/providers/Microsoft.Network/networkInterfaces/nic-a/ipConfigurations/two",
     "properties":{"privateIPAddress":"10.1.0.5","primary":false}},
    {"name":"one","id":"x","properties":{"privateIPAddress":"10.1.0.4","primary":true,
     "publicIPAddress":{"id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/prod-rg/providers/Microsoft.Network/publicIPAddresses/pip-1"},
     "subnet":{"id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/prod-rg/providers/Microsoft.Network/virtualNetworks/prod-vnet/subnets/default"}}}],
    "virtualMachine":{"id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/PROD-RG/providers/Microsoft.Compute/virtualMachines/web1"}}},
  {"name":"nic-b","id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/prod-rg/providers/Microsoft.Network/networkInterfaces/nic-b","location":"westus",
   "type":"Microsoft.Network/networkInterfaces","properties":{"ipConfigurations":[{"id":"y","properties":{"privateIPAddress":"10.2.0.4","primary":true,
     "publicIPAddress":{"id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/prod-rg/providers/Microsoft.Network/publicIPAddresses/pip-2"}}}]}}]}"#;

const ADDRESSES: &str = r#"{"value":[
  {"name":"pip-1","id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/prod-rg/providers/Microsoft.Network/publicIPAddresses/PIP-1","location":"westus",
   "type":"Microsoft.Network/publicIPAddresses","properties":{"ipAddress":"203.0.113.40","publicIPAllocationMethod":"Static","dnsSettings":{"domainNameLabel":"web1","fqdn":"web1.westus.cloudapp.azure.com"}}},
  {"name":"pip-2","id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/prod-rg/providers/Microsoft.Network/publicIPAddresses/pip-2","location":"westus",
   "type":"Microsoft.Network/publicIPAddresses","properties":{"publicIPAllocationMethod":"Dynamic"}},
  {"name":"pip-3","id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/prod-rg/providers/Microsoft.Network/publicIPAddresses/pip-3","location":"westus",
   "type":"Microsoft.Network/publicIPAddresses","properties":{"ipAddress":"203.0.113.43","publicIPAllocationMethod":"Static",
    "ipConfiguration":{"id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/prod-rg/providers/Microsoft.Network/networkInterfaces/nic-a/ipConfigurations/two"}}},
  {"name":"pip-6","id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/prod-rg/providers/Microsoft.Network/publicIPAddresses/pip-6","location":"westus",
   "type":"Microsoft.Network/publicIPAddresses","properties":{"ipAddress":"203.0.113.60","publicIPAllocationMethod":"Static","dnsSettings":{"fqdn":"lb.westus.cloudapp.azure.com"},
    "ipConfiguration":{"id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/prod-rg/providers/Microsoft.Network/loadBalancers/lb1/frontendIPConfigurations/fe"}}},
  {"name":"pip-7","id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/prod-rg/providers/Microsoft.Network/publicIPAddresses/pip-7","location":"westus",
   "type":"Microsoft.Network/publicIPAddresses","properties":{"ipAddress":"203.0.113.61","publicIPAllocationMethod":"Static","natGateway":{"id":"/n"}}}]}"#;

const VIEWS: &str = r#"{"value":[{"name":"web1","id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/PROD-RG/providers/Microsoft.Compute/virtualMachines/web1",
  "type":"Microsoft.Compute/virtualMachines","location":"westus","properties":{"vmId":"AAAAAAAA-0000-0000-0000-000000000001",
  "instanceView":{"statuses":[{"code":"ProvisioningState/succeeded"},{"code":"PowerState/deallocated"}]}}}]}"#;

#[test]
fn four_documents_make_one_machine() {
    insta::assert_snapshot!(dump(&[VM_REST, NICS, ADDRESSES, VIEWS]), @"");
}

#[test]
fn the_order_of_files_does_not_matter() {
    let strip = |text: String| text.lines().filter(|l| !l.starts_with("partition")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(strip(dump(&[ADDRESSES, NICS, VM_REST, VIEWS])), strip(dump(&[VM_REST, NICS, ADDRESSES, VIEWS])));
}

#[test]
fn what_was_not_recorded_is_unread() {
    insta::assert_snapshot!(gaps(&[VM_REST]), @"");
    insta::assert_snapshot!(gaps(&[VM_REST, NICS]), @"");
    insta::assert_snapshot!(gaps(&[VM_REST, ADDRESSES]), @"");
}

#[test]
fn a_machine_without_power_state_is_never_running() {
    assert!(!dump(&[VM_REST, NICS, ADDRESSES]).contains("azure.vm.state"));
}

#[test]
fn a_nic_that_refers_to_an_address_missing_from_its_list() {
    let other = ADDRESSES.replace("pip-1\"", "pip-11\"").replace("PIP-1\"", "PIP-11\"");
    insta::assert_snapshot!(gaps(&[VM_REST, NICS, &other, VIEWS]), @"");
}

#[test]
fn the_command_lines_detailed_list() {
    let text = r#"[{"name":"a","id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/RG/providers/Microsoft.Compute/virtualMachines/a","location":"East US","vmId":"bbbbbbbb-0000-0000-0000-000000000001",
      "hardwareProfile":{"vmSize":"Standard_B1s"},"storageProfile":{"osDisk":{"osType":"Windows"}},"powerState":"VM running","publicIps":"203.0.113.70,203.0.113.71","privateIps":"10.0.0.4","fqdns":"a.eastus.cloudapp.azure.com","macAddresses":"00-0D-3A-00-00-01",
      "networkProfile":{"networkInterfaces":[{"id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg/providers/Microsoft.Network/networkInterfaces/a-nic","primary":true}]},"tags":null,"type":"Microsoft.Compute/virtualMachines"},
     {"name":"b","id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/RG/providers/Microsoft.Compute/virtualMachines/b","location":"eastus","vmId":"bbbbbbbb-0000-0000-0000-000000000002",
      "powerState":"VM deallocated","publicIps":"","privateIps":"10.0.0.5","fqdns":"","type":"Microsoft.Compute/virtualMachines"}]"#;
    insta::assert_snapshot!(dump(&[text]), @"");
}

#[test]
fn the_command_lines_plain_lists() {
    let vms = r#"[{"name":"c","id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/RG/providers/Microsoft.Compute/virtualMachines/c","location":"eastus","vmId":"cccccccc-0000-0000-0000-000000000001","instanceView":null,
      "networkProfile":{"networkInterfaces":[{"id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg/providers/Microsoft.Network/networkInterfaces/c-nic"}]},"type":"Microsoft.Compute/virtualMachines"}]"#;
    let nics = r#"[{"name":"c-nic","id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg/providers/Microsoft.Network/networkInterfaces/c-nic","location":"eastus",
      "ipConfigurations":[{"id":"z","primary":true,"privateIPAddress":"10.0.0.6","publicIPAddress":{"id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg/providers/Microsoft.Network/publicIPAddresses/c-pip"}}],"type":"Microsoft.Network/networkInterfaces"}]"#;
    let pips = r#"[{"name":"c-pip","id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg/providers/Microsoft.Network/publicIPAddresses/c-pip","location":"eastus",
      "ipAddress":"2001:db8:2::1","publicIPAddressVersion":"IPv6","publicIPAllocationMethod":"Static","type":"Microsoft.Network/publicIPAddresses"}]"#;
    insta::assert_snapshot!(dump(&[vms, nics, pips]), @"");
}

#[test]
fn resource_graph_in_both_forms() {
    let row = r#"["/subscriptions/s1/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/d","d","microsoft.compute/virtualmachines","westeurope",{"vmId":"d-1","extended":{"instanceView":{"powerState":{"code":"PowerState/running","displayStatus":"VM running"}}},"networkProfile":{"networkInterfaces":[]}}]"#;
    let table = format!(
        r#"{{"totalRecords":1,"count":1,"data":{{"columns":[{{"name":"id","type":"string"}},{{"name":"name","type":"string"}},{{"name":"type","type":"string"}},{{"name":"location","type":"string"}},{{"name":"properties","type":"object"}}],"rows":[{row}]}},"facets":[],"resultTruncated":"false"}}"#
    );
    let object = r#"{"id":"/subscriptions/s1/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/d","name":"d","type":"microsoft.compute/virtualmachines","location":"westeurope","properties":{"vmId":"d-1","extended":{"instanceView":{"powerState":{"code":"PowerState/running","displayStatus":"VM running"}}},"networkProfile":{"networkInterfaces":[]}}}"#;
    let array = format!(r#"{{"totalRecords":1,"count":1,"data":[{object}],"skip_token":null}}"#);
    let disk = r#"{"id":"/subscriptions/s1/x","type":"microsoft.compute/disks","properties":{"vmId":[]}}"#;
    let all = dump(&[&table]);
    assert_eq!(dump(&[&array]), all);
    assert_eq!(dump(&[&format!("[{object}]")]), all);
    insta::assert_snapshot!(all, @"");
    assert!(dump(&[&format!("[{object},{disk}]")]).contains("records of other types, such as `microsoft.compute/disks`, were not read: 1"));
    insta::assert_snapshot!(gaps(&[r#"{"data":{"rows":[["x"]],"columns":[{"name":"id"}]}}"#]), @"");
}
