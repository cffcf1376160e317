//! `gcp.compute.*` and `gcp.tags.*`. Paths: Compute Engine instances.list.

use super::TokenType::{Enum, Ip, Keyword, Text};
use super::state::STATES;
use super::{Token, TokenType, row};
use crate::inventory::asset::Provider::Gcp;
use crate::inventory::partition::Kind;

const VM: &[Kind] = &[Kind::Instances];

const fn vm(name: &'static str, ty: TokenType, doc: &'static str, example: &'static str, path: &'static str) -> Token {
    row(name, ty, false, doc, example).of(Gcp, VM).path(path)
}

const fn net(name: &'static str, ty: TokenType, doc: &'static str, example: &'static str, path: &'static str) -> Token {
    row(name, ty, true, doc, example).of(Gcp, VM).path(path)
}

pub(super) const TOKENS: &[Token] = &[
    vm("gcp.compute.hostname", Text, "host name", "gcp.compute.hostname: *.internal", "hostname, else name"),
    vm(
        "gcp.compute.imageId",
        Keyword,
        "boot image",
        "not gcp.compute.imageId is null",
        "boot disk's source image where supplied",
    ),
    vm("gcp.compute.instanceId", Keyword, "numeric id", "gcp.compute.instanceId:*", "id").seen("rule"),
    net("gcp.compute.macAddress", Keyword, "MAC addresses", "gcp.compute.macAddress: *", "overlay"),
    vm(
        "gcp.compute.machineType",
        Keyword,
        "machine type",
        "gcp.compute.machineType: e2-*",
        "machineType, last segment",
    ),
    net(
        "gcp.compute.network",
        Keyword,
        "VPC networks",
        "gcp.compute.network: default",
        "networkInterfaces[].network, last segment",
    ),
    net(
        "gcp.compute.privateIpAddress",
        Ip,
        "private addresses",
        "gcp.compute.privateIpAddress: 10.0.0.0/8",
        "networkInterfaces[].networkIP",
    ),
    vm("gcp.compute.projectId", Keyword, "project", "gcp.compute.projectId: my-project", "selfLink, after projects"),
    vm(
        "gcp.compute.projectNumber",
        Keyword,
        "project number",
        "gcp.compute.projectNumber: 123456789012",
        "connector setting",
    ),
    net(
        "gcp.compute.publicIpAddress",
        Ip,
        "public addresses",
        "not gcp.compute.publicIpAddress is null",
        "networkInterfaces[].accessConfigs[].natIP",
    ),
    vm(
        "gcp.compute.state",
        Enum(STATES),
        "instance state; TERMINATED means stopped in GCP",
        "gcp.compute.state: RUNNING",
        "status",
    )
    .alias(&["gcp.compute.instance.state"]),
    vm("gcp.compute.zone", Keyword, "zone", "gcp.compute.zone: us-central1-a", "zone, last segment"),
    net("gcp.tags.key", Keyword, "label keys", "gcp.tags: (key: env and value: prod)", "labels, keys"),
    net("gcp.tags.value", Keyword, "label values", "gcp.tags.value: prod", "labels, values"),
    net(
        "gcp.compute.publicIpv6Address",
        Ip,
        "external IPv6 addresses",
        "not gcp.compute.publicIpv6Address is null",
        "networkInterfaces[].ipv6AccessConfigs[].externalIpv6",
    )
    .seen("ours"),
];
