//! `azure.vm.*` and `azure.tags.*`. Paths: ARM compute and network, Resource Graph.

use super::TokenType::{Enum, Ip, Keyword, Text};
use super::state::STATES;
use super::{Token, TokenType, row};
use crate::inventory::asset::Provider::Azure;
use crate::inventory::partition::Kind;

const VM: &[Kind] = &[Kind::Instances];
const NET: &[Kind] = &[Kind::Instances, Kind::Interfaces];
const PUBLIC: &[Kind] = &[Kind::Instances, Kind::Interfaces, Kind::Addresses];
const VIEW: &[Kind] = &[Kind::Instances, Kind::InstanceView];

const fn vm(name: &'static str, ty: TokenType, doc: &'static str, example: &'static str, path: &'static str) -> Token {
    row(name, ty, false, doc, example).of(Azure, VM).path(path)
}

const fn net(name: &'static str, ty: TokenType, doc: &'static str, example: &'static str, path: &'static str) -> Token {
    row(name, ty, true, doc, example).of(Azure, NET).path(path)
}

pub(super) const TOKENS: &[Token] = &[
    vm(
        "azure.vm.imageOffer",
        Keyword,
        "image offer",
        "azure.vm.imageOffer: UbuntuServer",
        "properties.storageProfile.imageReference.offer",
    ),
    vm(
        "azure.vm.imagePublisher",
        Keyword,
        "image publisher",
        "azure.vm.imagePublisher: Canonical",
        "properties.storageProfile.imageReference.publisher",
    ),
    vm(
        "azure.vm.imageVersion",
        Keyword,
        "image version",
        "azure.vm.imageVersion: latest",
        "properties.storageProfile.imageReference.exactVersion, version",
    ),
    vm("azure.vm.location", Keyword, "region", "azure.vm.location: westus", "location").seen("guide"),
    net("azure.vm.macAddress", Keyword, "MAC addresses", "azure.vm.macAddress: 00-0D-3A*", "NIC properties.macAddress"),
    vm("azure.vm.name", Text, "VM name", "azure.vm.name: web*", "name"),
    vm(
        "azure.vm.platform",
        Keyword,
        "Linux or Windows",
        "azure.vm.platform: Linux",
        "properties.storageProfile.osDisk.osType",
    ),
    net(
        "azure.vm.privateIpAddress",
        Ip,
        "private addresses",
        "azure.vm.privateIpAddress: 10.0.0.4",
        "NIC properties.ipConfigurations[].properties.privateIPAddress",
    ),
    row("azure.vm.publicIpAddress", Ip, true, "public addresses", "not azure.vm.publicIpAddress is null")
        .of(Azure, PUBLIC)
        .path("public IP properties.ipAddress")
        .seen("guide"),
    vm(
        "azure.vm.resourceGroupName",
        Keyword,
        "resource group",
        "azure.vm.resourceGroupName:testRG",
        "id, after resourceGroups",
    )
    .seen("guide"),
    vm("azure.vm.size", Keyword, "VM size", "azure.vm.size: Standard_D2*", "properties.hardwareProfile.vmSize"),
    row("azure.vm.state", Enum(STATES), false, "power state", "azure.vm.state: RUNNING")
        .of(Azure, VIEW)
        .path("properties.instanceView.statuses[].code")
        .seen("guide"),
    net("azure.vm.subnet", Keyword, "subnets", "azure.vm.subnet: default", "NIC subnet.id, after subnets"),
    vm("azure.vm.subscriptionId", Keyword, "subscription", "azure.vm.subscriptionId:*", "id, after subscriptions")
        .seen("guide"),
    net(
        "azure.vm.virtualNetwork",
        Keyword,
        "virtual networks",
        "azure.vm.virtualNetwork: prod-vnet",
        "NIC subnet.id, after virtualNetworks",
    ),
    vm("azure.vm.vmId", Keyword, "VM unique id", "azure.vm.vmId: *", "properties.vmId"),
    row("azure.tags.name", Keyword, true, "tag names", "azure.tags: (name: env and value: prod)")
        .of(Azure, VM)
        .alias(&["azure.tags.key"])
        .path("tags, keys"),
    row("azure.tags.value", Keyword, true, "tag values", "azure.tags.value: prod").of(Azure, VM).path("tags, values"),
    row("azure.vm.publicIpv6Address", Ip, true, "public IPv6 addresses", "not azure.vm.publicIpv6Address is null")
        .of(Azure, PUBLIC)
        .path("public IP properties.ipAddress")
        .seen("ours"),
];
