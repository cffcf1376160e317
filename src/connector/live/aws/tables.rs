//! The parts of Amazon's answers that are kept: element by element its name in XML, its name in JSON, its type. Names
//! are those of the public service models (EC2 2016-11-15, ELBv2 2015-12-01, ELB 2012-06-01, STS 2011-06-15).

use super::xml::Shape::{Flag, List, Number, Object, Text};
use super::xml::{Members, Shape};

/// `Reservation`.
const RESERVATION: Members = &[
    ("reservationId", "ReservationId", Text),
    ("ownerId", "OwnerId", Text),
    ("requesterId", "RequesterId", Text),
    ("instancesSet", "Instances", List("item", &Object(INSTANCE))),
];

/// `Instance`.
const INSTANCE: Members = &[
    ("instanceId", "InstanceId", Text),
    ("imageId", "ImageId", Text),
    ("instanceState", "State", Object(INSTANCE_STATE)),
    ("privateDnsName", "PrivateDnsName", Text),
    ("dnsName", "PublicDnsName", Text),
    ("reason", "StateTransitionReason", Text),
    ("instanceType", "InstanceType", Text),
    ("launchTime", "LaunchTime", Text),
    ("placement", "Placement", Object(PLACEMENT)),
    ("kernelId", "KernelId", Text),
    ("platform", "Platform", Text),
    ("platformDetails", "PlatformDetails", Text),
    ("subnetId", "SubnetId", Text),
    ("vpcId", "VpcId", Text),
    ("privateIpAddress", "PrivateIpAddress", Text),
    ("ipAddress", "PublicIpAddress", Text),
    ("architecture", "Architecture", Text),
    ("groupSet", "SecurityGroups", List("item", &Object(GROUP_IDENTIFIER))),
    ("iamInstanceProfile", "IamInstanceProfile", Object(IAM_INSTANCE_PROFILE)),
    ("instanceLifecycle", "InstanceLifecycle", Text),
    ("spotInstanceRequestId", "SpotInstanceRequestId", Text),
    ("networkInterfaceSet", "NetworkInterfaces", List("item", &Object(INSTANCE_NETWORK_INTERFACE))),
    ("tagSet", "Tags", List("item", &Object(TAG))),
    ("sourceDestCheck", "SourceDestCheck", Flag),
    ("metadataOptions", "MetadataOptions", Object(INSTANCE_METADATA_OPTIONS_RESPONSE)),
];

/// `InstanceState`.
const INSTANCE_STATE: Members = &[("code", "Code", Number), ("name", "Name", Text)];

/// `Placement`.
const PLACEMENT: Members = &[("availabilityZone", "AvailabilityZone", Text), ("tenancy", "Tenancy", Text)];

/// `IamInstanceProfile`.
const IAM_INSTANCE_PROFILE: Members = &[("arn", "Arn", Text), ("id", "Id", Text)];

/// `InstanceMetadataOptionsResponse`.
const INSTANCE_METADATA_OPTIONS_RESPONSE: Members =
    &[("state", "State", Text), ("httpTokens", "HttpTokens", Text), ("httpEndpoint", "HttpEndpoint", Text)];

/// `GroupIdentifier`.
const GROUP_IDENTIFIER: Members = &[("groupId", "GroupId", Text), ("groupName", "GroupName", Text)];

/// `Tag`.
const TAG: Members = &[("key", "Key", Text), ("value", "Value", Text)];

/// `InstanceNetworkInterface`.
const INSTANCE_NETWORK_INTERFACE: Members = &[
    ("networkInterfaceId", "NetworkInterfaceId", Text),
    ("ownerId", "OwnerId", Text),
    ("vpcId", "VpcId", Text),
    ("subnetId", "SubnetId", Text),
    ("macAddress", "MacAddress", Text),
    ("interfaceType", "InterfaceType", Text),
    ("status", "Status", Text),
    ("description", "Description", Text),
    ("sourceDestCheck", "SourceDestCheck", Flag),
    ("privateDnsName", "PrivateDnsName", Text),
    ("privateIpAddress", "PrivateIpAddress", Text),
    ("association", "Association", Object(INSTANCE_NETWORK_INTERFACE_ASSOCIATION)),
    ("attachment", "Attachment", Object(INSTANCE_NETWORK_INTERFACE_ATTACHMENT)),
    ("groupSet", "Groups", List("item", &Object(GROUP_IDENTIFIER))),
    ("ipv6AddressesSet", "Ipv6Addresses", List("item", &Object(INSTANCE_IPV6_ADDRESS))),
    ("privateIpAddressesSet", "PrivateIpAddresses", List("item", &Object(INSTANCE_PRIVATE_IP_ADDRESS))),
];

/// `InstanceNetworkInterfaceAssociation`.
const INSTANCE_NETWORK_INTERFACE_ASSOCIATION: Members = &[
    ("carrierIp", "CarrierIp", Text),
    ("customerOwnedIp", "CustomerOwnedIp", Text),
    ("ipOwnerId", "IpOwnerId", Text),
    ("publicDnsName", "PublicDnsName", Text),
    ("publicIp", "PublicIp", Text),
];

/// `InstanceNetworkInterfaceAttachment`.
const INSTANCE_NETWORK_INTERFACE_ATTACHMENT: Members = &[
    ("attachmentId", "AttachmentId", Text),
    ("deviceIndex", "DeviceIndex", Number),
    ("status", "Status", Text),
    ("deleteOnTermination", "DeleteOnTermination", Flag),
];

/// `InstanceIpv6Address`.
const INSTANCE_IPV6_ADDRESS: Members =
    &[("ipv6Address", "Ipv6Address", Text), ("isPrimaryIpv6", "IsPrimaryIpv6", Flag)];

/// `InstancePrivateIpAddress`.
const INSTANCE_PRIVATE_IP_ADDRESS: Members = &[
    ("privateIpAddress", "PrivateIpAddress", Text),
    ("primary", "Primary", Flag),
    ("privateDnsName", "PrivateDnsName", Text),
    ("association", "Association", Object(INSTANCE_NETWORK_INTERFACE_ASSOCIATION)),
];

/// `NetworkInterface`.
const NETWORK_INTERFACE: Members = &[
    ("networkInterfaceId", "NetworkInterfaceId", Text),
    ("ownerId", "OwnerId", Text),
    ("vpcId", "VpcId", Text),
    ("subnetId", "SubnetId", Text),
    ("availabilityZone", "AvailabilityZone", Text),
    ("macAddress", "MacAddress", Text),
    ("interfaceType", "InterfaceType", Text),
    ("status", "Status", Text),
    ("description", "Description", Text),
    ("requesterId", "RequesterId", Text),
    ("requesterManaged", "RequesterManaged", Flag),
    ("sourceDestCheck", "SourceDestCheck", Flag),
    ("privateDnsName", "PrivateDnsName", Text),
    ("privateIpAddress", "PrivateIpAddress", Text),
    ("association", "Association", Object(NETWORK_INTERFACE_ASSOCIATION)),
    ("attachment", "Attachment", Object(NETWORK_INTERFACE_ATTACHMENT)),
    ("groupSet", "Groups", List("item", &Object(GROUP_IDENTIFIER))),
    ("ipv6AddressesSet", "Ipv6Addresses", List("item", &Object(NETWORK_INTERFACE_IPV6_ADDRESS))),
    ("privateIpAddressesSet", "PrivateIpAddresses", List("item", &Object(NETWORK_INTERFACE_PRIVATE_IP_ADDRESS))),
    ("tagSet", "TagSet", List("item", &Object(TAG))),
];

/// `NetworkInterfaceAssociation`.
const NETWORK_INTERFACE_ASSOCIATION: Members = &[
    ("allocationId", "AllocationId", Text),
    ("associationId", "AssociationId", Text),
    ("carrierIp", "CarrierIp", Text),
    ("customerOwnedIp", "CustomerOwnedIp", Text),
    ("ipOwnerId", "IpOwnerId", Text),
    ("publicDnsName", "PublicDnsName", Text),
    ("publicIp", "PublicIp", Text),
];

/// `NetworkInterfaceAttachment`.
const NETWORK_INTERFACE_ATTACHMENT: Members = &[
    ("attachmentId", "AttachmentId", Text),
    ("deviceIndex", "DeviceIndex", Number),
    ("instanceId", "InstanceId", Text),
    ("instanceOwnerId", "InstanceOwnerId", Text),
    ("status", "Status", Text),
    ("deleteOnTermination", "DeleteOnTermination", Flag),
];

/// `NetworkInterfaceIpv6Address`.
const NETWORK_INTERFACE_IPV6_ADDRESS: Members =
    &[("ipv6Address", "Ipv6Address", Text), ("isPrimaryIpv6", "IsPrimaryIpv6", Flag)];

/// `NetworkInterfacePrivateIpAddress`.
const NETWORK_INTERFACE_PRIVATE_IP_ADDRESS: Members = &[
    ("privateIpAddress", "PrivateIpAddress", Text),
    ("primary", "Primary", Flag),
    ("privateDnsName", "PrivateDnsName", Text),
    ("association", "Association", Object(NETWORK_INTERFACE_ASSOCIATION)),
];

/// `Address`.
const ADDRESS: Members = &[
    ("publicIp", "PublicIp", Text),
    ("allocationId", "AllocationId", Text),
    ("associationId", "AssociationId", Text),
    ("domain", "Domain", Text),
    ("instanceId", "InstanceId", Text),
    ("networkInterfaceId", "NetworkInterfaceId", Text),
    ("networkInterfaceOwnerId", "NetworkInterfaceOwnerId", Text),
    ("privateIpAddress", "PrivateIpAddress", Text),
    ("networkBorderGroup", "NetworkBorderGroup", Text),
    ("carrierIp", "CarrierIp", Text),
    ("customerOwnedIp", "CustomerOwnedIp", Text),
    ("tagSet", "Tags", List("item", &Object(TAG))),
];

/// `Region`.
const REGION: Members =
    &[("regionName", "RegionName", Text), ("optInStatus", "OptInStatus", Text), ("regionEndpoint", "Endpoint", Text)];

/// `LoadBalancer`.
const LOAD_BALANCER: Members = &[
    ("LoadBalancerArn", "LoadBalancerArn", Text),
    ("DNSName", "DNSName", Text),
    ("LoadBalancerName", "LoadBalancerName", Text),
    ("CreatedTime", "CreatedTime", Text),
    ("Scheme", "Scheme", Text),
    ("VpcId", "VpcId", Text),
    ("State", "State", Object(LOAD_BALANCER_STATE)),
    ("Type", "Type", Text),
    ("AvailabilityZones", "AvailabilityZones", List("member", &Object(AVAILABILITY_ZONE))),
    ("SecurityGroups", "SecurityGroups", List("member", &Text)),
    ("IpAddressType", "IpAddressType", Text),
];

/// `LoadBalancerState`.
const LOAD_BALANCER_STATE: Members = &[("Code", "Code", Text), ("Reason", "Reason", Text)];

/// `AvailabilityZone`.
const AVAILABILITY_ZONE: Members = &[
    ("ZoneName", "ZoneName", Text),
    ("SubnetId", "SubnetId", Text),
    ("LoadBalancerAddresses", "LoadBalancerAddresses", List("member", &Object(LOAD_BALANCER_ADDRESS))),
];

/// `LoadBalancerAddress`.
const LOAD_BALANCER_ADDRESS: Members = &[
    ("IpAddress", "IpAddress", Text),
    ("AllocationId", "AllocationId", Text),
    ("PrivateIPv4Address", "PrivateIPv4Address", Text),
    ("IPv6Address", "IPv6Address", Text),
];

/// `LoadBalancerDescription`.
const CLASSIC_BALANCER: Members = &[
    ("LoadBalancerName", "LoadBalancerName", Text),
    ("DNSName", "DNSName", Text),
    ("Scheme", "Scheme", Text),
    ("VPCId", "VPCId", Text),
    ("CreatedTime", "CreatedTime", Text),
    ("AvailabilityZones", "AvailabilityZones", List("member", &Text)),
    ("Subnets", "Subnets", List("member", &Text)),
    ("SecurityGroups", "SecurityGroups", List("member", &Text)),
    ("Instances", "Instances", List("member", &Object(CLASSIC_INSTANCE))),
];

/// `Instance`.
const CLASSIC_INSTANCE: Members = &[("InstanceId", "InstanceId", Text)];

/// Answer of `DescribeInstances`.
pub(super) const INSTANCES: Members =
    &[("nextToken", "NextToken", Text), ("reservationSet", "Reservations", List("item", &Object(RESERVATION)))];

/// Answer of `DescribeNetworkInterfaces`.
pub(super) const INTERFACES: Members = &[
    ("nextToken", "NextToken", Text),
    ("networkInterfaceSet", "NetworkInterfaces", List("item", &Object(NETWORK_INTERFACE))),
];

/// Answer of `DescribeAddresses`; it has no pages.
pub(super) const ADDRESSES: Members = &[("addressesSet", "Addresses", List("item", &Object(ADDRESS)))];

/// Answer of `DescribeRegions`.
pub(super) const REGIONS: Members = &[("regionInfo", "Regions", List("item", &Object(REGION)))];

/// Answer of `DescribeLoadBalancers`, version 2.
pub(super) const BALANCERS: Members = &[(
    "DescribeLoadBalancersResult",
    "Result",
    Object(&[
        ("NextMarker", "NextToken", Text),
        ("LoadBalancers", "LoadBalancers", List("member", &Object(LOAD_BALANCER))),
    ]),
)];

/// Answer of `DescribeLoadBalancers`, classic.
pub(super) const CLASSIC_BALANCERS: Members = &[(
    "DescribeLoadBalancersResult",
    "Result",
    Object(&[
        ("NextMarker", "NextToken", Text),
        ("LoadBalancerDescriptions", "LoadBalancerDescriptions", List("member", &Object(CLASSIC_BALANCER))),
    ]),
)];

/// Answer of `AssumeRole`.
pub(super) const ASSUMED: Members = &[(
    "AssumeRoleResult",
    "Result",
    Object(&[(
        "Credentials",
        "Credentials",
        Object(&[
            ("AccessKeyId", "AccessKeyId", Text),
            ("SecretAccessKey", "SecretAccessKey", Text),
            ("SessionToken", "SessionToken", Text),
            ("Expiration", "Expiration", Text),
        ]),
    )]),
)];

/// Answer of `GetCallerIdentity`.
pub(super) const IDENTITY: Members =
    &[("GetCallerIdentityResult", "Result", Object(&[("Account", "Account", Text), ("Arn", "Arn", Text)]))];

/// An error, as EC2 wraps it and as the others do.
const ERROR: Shape = Object(&[("Code", "Code", Text), ("Message", "Message", Text)]);
/// An error document: `Response` with `Errors`, or `ErrorResponse`.
pub(super) const ERRORS: Members =
    &[("Errors", "Errors", Object(&[("Error", "Error", ERROR)])), ("Error", "Error", ERROR)];
