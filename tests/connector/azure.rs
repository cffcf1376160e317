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
    insta::assert_snapshot!(dump(&[VM_REST, NICS, ADDRESSES, VIEWS]), @r#"
    asset aaaaaaaa-0000-0000-0000-000000000001 web1 in lab/11111111-2222-3333-4444-555555555555/westus/instances
      interface /subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/Prod-RG/providers/Microsoft.Network/networkInterfaces/NIC-A in /subscriptions/11111111-2222-3333-4444-555555555555/resourcegroups/prod-rg/providers/microsoft.network/virtualnetworks/prod-vnet
        10.1.0.4 Private Primary -
        203.0.113.40 Public Elastic web1.westus.cloudapp.azure.com
        10.1.0.5 Private Secondary -
        203.0.113.43 Public Elastic -
      interface /subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/prod-rg/providers/Microsoft.Network/networkInterfaces/nic-b in -
        10.2.0.4 Private Primary -
      activatedForModules.0 = VM
      activatedForModules.1 = PC
      azure.tags.name.0 = env
      azure.tags.name.1 = owner
      azure.tags.value.0 = prod
      azure.vm.imageOffer.0 = 0001-com-ubuntu-server-jammy
      azure.vm.imagePublisher.0 = Canonical
      azure.vm.imageVersion.0 = 22.04.202401010
      azure.vm.location.0 = westus
      azure.vm.macAddress.0 = 00-0D-3A-1B-2C-3D
      azure.vm.name.0 = web1
      azure.vm.platform.0 = Linux
      azure.vm.privateIpAddress.0 = 10.1.0.4
      azure.vm.privateIpAddress.0 = 10.1.0.5
      azure.vm.privateIpAddress.1 = 10.2.0.4
      azure.vm.publicIpAddress.0 = 203.0.113.40
      azure.vm.publicIpAddress.0 = 203.0.113.43
      azure.vm.resourceGroupName.0 = PROD-RG
      azure.vm.size.0 = Standard_D2s_v3
      azure.vm.state.0 = DEALLOCATED
      azure.vm.subnet.0 = default
      azure.vm.subscriptionId.0 = 11111111-2222-3333-4444-555555555555
      azure.vm.virtualNetwork.0 = prod-vnet
      azure.vm.vmId.0 = aaaaaaaa-0000-0000-0000-000000000001
      connectors.name.0 = lab
      created.0 = 2025-03-01T00:00:00Z
      interfaces.address.0 = 10.1.0.4
      interfaces.address.0 = 10.1.0.5
      interfaces.address.0 = 203.0.113.40
      interfaces.address.0 = 203.0.113.43
      interfaces.address.1 = 10.2.0.4
      interfaces.hostname.0 = web1.westus.cloudapp.azure.com
      interfaces.macAddress.0 = 00-0D-3A-1B-2C-3D
      name.0 = web1
      operatingSystem.0 = Linux
      provider.0 = AZURE
      trackingMethod.0 = VIRTUAL_MACHINE_ID
    balancer lb.westus.cloudapp.azure.com internet-facing active=true [203.0.113.60] in lab/11111111-2222-3333-4444-555555555555/westus/load-balancers
    partition lab/11111111-2222-3333-4444-555555555555/westus/instances: complete
    partition lab/11111111-2222-3333-4444-555555555555/westus/interfaces: complete
    partition lab/11111111-2222-3333-4444-555555555555/westus/addresses: complete
    partition lab/11111111-2222-3333-4444-555555555555/westus/load-balancers: complete
    partition lab/11111111-2222-3333-4444-555555555555/westus/instance-view: complete
    "#);
}

#[test]
fn the_order_of_files_does_not_matter() {
    let strip =
        |text: String| text.lines().filter(|l| !l.starts_with("partition")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(strip(dump(&[ADDRESSES, NICS, VM_REST, VIEWS])), strip(dump(&[VM_REST, NICS, ADDRESSES, VIEWS])));
}

#[test]
fn what_was_not_recorded_is_unread() {
    insta::assert_snapshot!(gaps(&[VM_REST]), @r#"
    partition lab/11111111-2222-3333-4444-555555555555/westus/instances: complete
    partition lab/11111111-2222-3333-4444-555555555555/westus/interfaces: not asked
    partition lab/11111111-2222-3333-4444-555555555555/westus/addresses: not asked
    partition lab/11111111-2222-3333-4444-555555555555/westus/instance-view: not asked
    "#);
    insta::assert_snapshot!(gaps(&[VM_REST, NICS]), @r#"
    partition lab/11111111-2222-3333-4444-555555555555/westus/instances: complete
    partition lab/11111111-2222-3333-4444-555555555555/westus/interfaces: complete
    partition lab/11111111-2222-3333-4444-555555555555/westus/addresses: not asked
    partition lab/11111111-2222-3333-4444-555555555555/westus/instance-view: not asked
    "#);
    insta::assert_snapshot!(gaps(&[VM_REST, ADDRESSES]), @r#"
    partition lab/11111111-2222-3333-4444-555555555555/westus/instances: complete
    partition lab/11111111-2222-3333-4444-555555555555/westus/addresses: complete
    partition lab/11111111-2222-3333-4444-555555555555/westus/load-balancers: complete
    partition lab/11111111-2222-3333-4444-555555555555/westus/interfaces: not asked
    partition lab/11111111-2222-3333-4444-555555555555/westus/instance-view: not asked
    "#);
}

#[test]
fn a_machine_without_power_state_is_never_running() {
    assert!(!dump(&[VM_REST, NICS, ADDRESSES]).contains("azure.vm.state"));
}

#[test]
fn a_nic_that_refers_to_an_address_missing_from_its_list() {
    let other = ADDRESSES.replace("pip-1\"", "pip-11\"").replace("PIP-1\"", "PIP-11\"");
    insta::assert_snapshot!(gaps(&[VM_REST, NICS, &other, VIEWS]), @r#"
    partition lab/11111111-2222-3333-4444-555555555555/westus/instances: complete
    partition lab/11111111-2222-3333-4444-555555555555/westus/interfaces: complete
    partition lab/11111111-2222-3333-4444-555555555555/westus/addresses: partly read: public addresses are referred to and not recorded: 1, such as `pip-1`
    partition lab/11111111-2222-3333-4444-555555555555/westus/load-balancers: complete
    partition lab/11111111-2222-3333-4444-555555555555/westus/instance-view: complete
    "#);
}

#[test]
fn the_command_lines_detailed_list() {
    let text = r#"[{"name":"a","id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/RG/providers/Microsoft.Compute/virtualMachines/a","location":"East US","vmId":"bbbbbbbb-0000-0000-0000-000000000001",
      "hardwareProfile":{"vmSize":"Standard_B1s"},"storageProfile":{"osDisk":{"osType":"Windows"}},"powerState":"VM running","publicIps":"203.0.113.70,203.0.113.71","privateIps":"10.0.0.4","fqdns":"a.eastus.cloudapp.azure.com","macAddresses":"00-0D-3A-00-00-01",
      "networkProfile":{"networkInterfaces":[{"id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg/providers/Microsoft.Network/networkInterfaces/a-nic","primary":true}]},"tags":null,"type":"Microsoft.Compute/virtualMachines"},
     {"name":"b","id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/RG/providers/Microsoft.Compute/virtualMachines/b","location":"eastus","vmId":"bbbbbbbb-0000-0000-0000-000000000002",
      "powerState":"VM deallocated","publicIps":"","privateIps":"10.0.0.5","fqdns":"","type":"Microsoft.Compute/virtualMachines"}]"#;
    insta::assert_snapshot!(dump(&[text]), @r#"
    asset bbbbbbbb-0000-0000-0000-000000000001 a in lab/11111111-2222-3333-4444-555555555555/eastus/instances
      interface nic0 in -
        10.0.0.4 Private Primary -
        203.0.113.70 Public Automatic -
        203.0.113.71 Public Automatic -
      activatedForModules.0 = VM
      activatedForModules.1 = PC
      azure.vm.location.0 = eastus
      azure.vm.macAddress.0 = 00-0D-3A-00-00-01
      azure.vm.name.0 = a
      azure.vm.platform.0 = Windows
      azure.vm.privateIpAddress.0 = 10.0.0.4
      azure.vm.publicIpAddress.0 = 203.0.113.70
      azure.vm.publicIpAddress.0 = 203.0.113.71
      azure.vm.resourceGroupName.0 = RG
      azure.vm.size.0 = Standard_B1s
      azure.vm.state.0 = RUNNING
      azure.vm.subscriptionId.0 = 11111111-2222-3333-4444-555555555555
      azure.vm.vmId.0 = bbbbbbbb-0000-0000-0000-000000000001
      connectors.name.0 = lab
      interfaces.address.0 = 10.0.0.4
      interfaces.address.0 = 203.0.113.70
      interfaces.address.0 = 203.0.113.71
      interfaces.macAddress.0 = 00-0D-3A-00-00-01
      name.0 = a
      operatingSystem.0 = Windows
      provider.0 = AZURE
      trackingMethod.0 = VIRTUAL_MACHINE_ID
    asset bbbbbbbb-0000-0000-0000-000000000002 b in lab/11111111-2222-3333-4444-555555555555/eastus/instances
      interface nic0 in -
        10.0.0.5 Private Primary -
      activatedForModules.0 = VM
      activatedForModules.1 = PC
      azure.vm.location.0 = eastus
      azure.vm.name.0 = b
      azure.vm.privateIpAddress.0 = 10.0.0.5
      azure.vm.resourceGroupName.0 = RG
      azure.vm.state.0 = DEALLOCATED
      azure.vm.subscriptionId.0 = 11111111-2222-3333-4444-555555555555
      azure.vm.vmId.0 = bbbbbbbb-0000-0000-0000-000000000002
      connectors.name.0 = lab
      interfaces.address.0 = 10.0.0.5
      name.0 = b
      provider.0 = AZURE
      trackingMethod.0 = VIRTUAL_MACHINE_ID
    partition lab/11111111-2222-3333-4444-555555555555/eastus/instances: complete
    partition lab/11111111-2222-3333-4444-555555555555/eastus/interfaces: complete
    partition lab/11111111-2222-3333-4444-555555555555/eastus/addresses: complete
    partition lab/11111111-2222-3333-4444-555555555555/eastus/instance-view: complete
    warning P0355 1.json [0]: `fqdns` does not have one name for each of `publicIps`; the names were left out
    "#);
}

#[test]
fn the_command_lines_plain_lists() {
    let vms = r#"[{"name":"c","id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/RG/providers/Microsoft.Compute/virtualMachines/c","location":"eastus","vmId":"cccccccc-0000-0000-0000-000000000001","instanceView":null,
      "networkProfile":{"networkInterfaces":[{"id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg/providers/Microsoft.Network/networkInterfaces/c-nic"}]},"type":"Microsoft.Compute/virtualMachines"}]"#;
    let nics = r#"[{"name":"c-nic","id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg/providers/Microsoft.Network/networkInterfaces/c-nic","location":"eastus",
      "ipConfigurations":[{"id":"z","primary":true,"privateIPAddress":"10.0.0.6","publicIPAddress":{"id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg/providers/Microsoft.Network/publicIPAddresses/c-pip"}}],"type":"Microsoft.Network/networkInterfaces"}]"#;
    let pips = r#"[{"name":"c-pip","id":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg/providers/Microsoft.Network/publicIPAddresses/c-pip","location":"eastus",
      "ipAddress":"2001:db8:2::1","publicIPAddressVersion":"IPv6","publicIPAllocationMethod":"Static","type":"Microsoft.Network/publicIPAddresses"}]"#;
    insta::assert_snapshot!(dump(&[vms, nics, pips]), @r#"
    asset cccccccc-0000-0000-0000-000000000001 c in lab/11111111-2222-3333-4444-555555555555/eastus/instances
      interface /subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg/providers/Microsoft.Network/networkInterfaces/c-nic in -
        10.0.0.6 Private Primary -
        2001:db8:2::1 Public Elastic -
      activatedForModules.0 = VM
      activatedForModules.1 = PC
      azure.vm.location.0 = eastus
      azure.vm.name.0 = c
      azure.vm.privateIpAddress.0 = 10.0.0.6
      azure.vm.publicIpAddress.0 = 2001:db8:2::1
      azure.vm.publicIpv6Address.0 = 2001:db8:2::1
      azure.vm.resourceGroupName.0 = RG
      azure.vm.subscriptionId.0 = 11111111-2222-3333-4444-555555555555
      azure.vm.vmId.0 = cccccccc-0000-0000-0000-000000000001
      connectors.name.0 = lab
      interfaces.address.0 = 10.0.0.6
      interfaces.address.0 = 2001:db8:2::1
      name.0 = c
      provider.0 = AZURE
      trackingMethod.0 = VIRTUAL_MACHINE_ID
    partition lab/11111111-2222-3333-4444-555555555555/eastus/instances: complete
    partition lab/11111111-2222-3333-4444-555555555555/eastus/interfaces: complete
    partition lab/11111111-2222-3333-4444-555555555555/eastus/addresses: complete
    partition lab/11111111-2222-3333-4444-555555555555/eastus/instance-view: not asked
    "#);
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
    insta::assert_snapshot!(all, @r#"
    asset d-1 d in lab/s1/westeurope/instances
      activatedForModules.0 = VM
      activatedForModules.1 = PC
      azure.vm.location.0 = westeurope
      azure.vm.name.0 = d
      azure.vm.resourceGroupName.0 = rg
      azure.vm.state.0 = RUNNING
      azure.vm.subscriptionId.0 = s1
      azure.vm.vmId.0 = d-1
      connectors.name.0 = lab
      name.0 = d
      provider.0 = AZURE
      trackingMethod.0 = VIRTUAL_MACHINE_ID
    partition lab/s1/westeurope/instances: complete
    partition lab/s1/westeurope/interfaces: not asked
    partition lab/s1/westeurope/addresses: not asked
    partition lab/s1/westeurope/instance-view: complete
    "#);
    assert!(
        dump(&[&format!("[{object},{disk}]")])
            .contains("records of other types, such as `microsoft.compute/disks`, were not read: 1")
    );
    insta::assert_snapshot!(gaps(&[r#"{"data":{"rows":[["x"]],"columns":[{"name":"id"}]}}"#]), @r#"
    partition lab/-/-/instances: partly read: 1 record dropped
    error P0354 1.json data.rows[0]: this record was dropped: it does not fit the table's `columns`, which must come before `rows`
    "#);
}
