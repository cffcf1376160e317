//! `aws.ec2.*` and `aws.tags.*`. Paths: botocore's EC2 service model.

use super::TokenType::{Bool, Date, Enum, Ip, Keyword, Text};
use super::state::STATES;
use super::{Token, TokenType, row};
use crate::inventory::asset::Provider::Aws;
use crate::inventory::partition::Kind;

const VM: &[Kind] = &[Kind::Instances];
const NET: &[Kind] = &[Kind::Instances, Kind::Interfaces];
const PUBLIC: &[Kind] = &[Kind::Instances, Kind::Interfaces, Kind::Addresses];

const fn vm(name: &'static str, ty: TokenType, doc: &'static str, example: &'static str, path: &'static str) -> Token {
    row(name, ty, false, doc, example).of(Aws, VM).path(path)
}

const fn net(name: &'static str, ty: TokenType, doc: &'static str, example: &'static str, path: &'static str) -> Token {
    row(name, ty, true, doc, example).of(Aws, NET).path(path)
}

pub(super) const TOKENS: &[Token] = &[
    vm("aws.ec2.accountId", Keyword, "owner account", "aws.ec2.accountId: 123456789012", "Reservations[].OwnerId")
        .seen("rule"),
    vm(
        "aws.ec2.availabilityZone",
        Keyword,
        "availability zone",
        "aws.ec2.availabilityZone: us-east-1a",
        "Placement.AvailabilityZone",
    ),
    vm("aws.ec2.hasAgent", Bool, "an agent is installed", "aws.ec2.hasAgent: false", "overlay"),
    vm("aws.ec2.hostname", Text, "host name", "aws.ec2.hostname: web*", "overlay"),
    vm("aws.ec2.imageId", Keyword, "machine image", "aws.ec2.imageId: ami-0abc", "ImageId"),
    vm("aws.ec2.instanceId", Keyword, "instance id", "aws.ec2.instanceId: i-0abc", "InstanceId"),
    vm("aws.ec2.instanceState", Enum(STATES), "instance state", "aws.ec2.instanceState: RUNNING", "State.Name")
        .seen("rule"),
    vm("aws.ec2.instanceType", Keyword, "instance type", "aws.ec2.instanceType: t3.*", "InstanceType"),
    vm("aws.ec2.kernelId", Keyword, "kernel of paravirtual images", "not aws.ec2.kernelId is null", "KernelId"),
    vm("aws.ec2.launchDate", Date, "launch time", "aws.ec2.launchDate < now-90d", "LaunchTime"),
    vm("aws.ec2.privateDns", Text, "private DNS name", "aws.ec2.privateDns: ip-10-*", "PrivateDnsName"),
    net(
        "aws.ec2.privateIpAddress",
        Ip,
        "private addresses",
        "aws.ec2.privateIpAddress: 10.0.0.0/8",
        "PrivateIpAddress, NetworkInterfaces[].PrivateIpAddresses[].PrivateIpAddress",
    ),
    row("aws.ec2.publicDns", Text, true, "public DNS names", "not aws.ec2.publicDns is null")
        .of(Aws, PUBLIC)
        .path("PublicDnsName, Association.PublicDnsName"),
    row(
        "aws.ec2.publicIpAddress",
        Ip,
        true,
        "public addresses, elastic ones among them",
        "not aws.ec2.publicIpAddress is null",
    )
    .of(Aws, PUBLIC)
    .path("PublicIpAddress, Association.PublicIp, Addresses[].PublicIp"),
    vm(
        "aws.ec2.qualysScanner",
        Bool,
        "the instance is a scanner appliance",
        "not aws.ec2.qualysScanner: true",
        "overlay",
    ),
    vm(
        "aws.ec2.region.code",
        Keyword,
        "region code",
        "aws.ec2.region.code: us-east-1",
        "connector, else Placement.AvailabilityZone",
    ),
    vm("aws.ec2.region.name", Text, "region in words", "aws.ec2.region.name: Virginia", "region table"),
    vm("aws.ec2.spotInstance", Bool, "spot instance", "aws.ec2.spotInstance: true", "InstanceLifecycle == spot"),
    vm("aws.ec2.subnetId", Keyword, "subnet", "aws.ec2.subnetId: subnet-0abc", "SubnetId"),
    vm("aws.ec2.vpcId", Keyword, "VPC", "aws.ec2.vpcId: vpc-0abc", "VpcId"),
    row("aws.tags.key", Keyword, true, "tag keys", "aws.tags.key: env").of(Aws, VM).path("Tags[].Key"),
    row("aws.tags.value", Keyword, true, "tag values", "aws.tags: (key: env and value: prod)")
        .of(Aws, VM)
        .path("Tags[].Value"),
    net(
        "aws.ec2.publicIpv6Address",
        Ip,
        "globally routable IPv6 addresses; the internet route is not proven",
        "aws.ec2.publicIpv6Address: \"2001:db8::/32\"",
        "NetworkInterfaces[].Ipv6Addresses[].Ipv6Address",
    )
    .seen("ours"),
];
