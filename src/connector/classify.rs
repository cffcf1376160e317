//! Tells records and pages apart by the members they have.

use serde::Deserialize;

use crate::connector::azure;
use crate::connector::desk::{last_segment, shown};
use crate::connector::gcp;
use crate::connector::lenient::{Seen, Text, some};
use crate::connector::split::Splitter;
use crate::inventory::partition::Kind;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Reservation,
    Ec2Instance,
    Eni,
    ElasticAddress,
    Balancer,
    ClassicBalancer,
    Azure(azure::Type),
    Gcp(gcp::Type),
}

impl Shape {
    /// The partition kind it fills.
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Reservation | Self::Ec2Instance => Kind::Instances,
            Self::Eni => Kind::Interfaces,
            Self::ElasticAddress => Kind::Addresses,
            Self::Balancer | Self::ClassicBalancer => Kind::LoadBalancers,
            Self::Azure(ty) => ty.kind(),
            Self::Gcp(ty) => ty.kind(),
        }
    }
}

/// The lists that make an object a page, with the shape of their records where the name alone says it.
#[expect(
    clippy::option_option,
    reason = "the outer one is whether it is a list, the inner one whether its shape is known"
)]
pub(super) fn list_shape(key: &str) -> Option<Option<Shape>> {
    match key {
        "Reservations" => Some(Some(Shape::Reservation)),
        "NetworkInterfaces" => Some(Some(Shape::Eni)),
        "Addresses" => Some(Some(Shape::ElasticAddress)),
        "LoadBalancers" => Some(Some(Shape::Balancer)),
        "LoadBalancerDescriptions" => Some(Some(Shape::ClassicBalancer)),
        "value" | "items" | "data" => Some(None),
        _ => None,
    }
}

/// First keys that only a page has.
pub(super) fn opens_page(key: &str) -> bool {
    let marks = ["schema", "nextLink", "NextToken", "totalRecords", "count", "resultTruncated", "nextPageToken"];
    list_shape(key).is_some() && key != "NetworkInterfaces" || marks.contains(&key)
}

/// What an object is.
pub(super) enum Class {
    /// A record.
    Shape(Shape),
    /// A page: it holds records.
    Page,
    /// A resource of a type that is not inventory.
    Other(String),
    /// What was seen instead.
    Unknown(String),
}

/// The members that tell records apart.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Probe<'a> {
    #[serde(rename = "Instances")]
    instances: Seen,
    #[serde(rename = "InstanceId")]
    instance_id: Seen,
    #[serde(rename = "ImageId")]
    image_id: Seen,
    #[serde(rename = "InstanceType")]
    instance_type: Seen,
    #[serde(rename = "NetworkInterfaceId")]
    eni_id: Seen,
    #[serde(rename = "PrivateIpAddresses")]
    eni_addresses: Seen,
    #[serde(rename = "PublicIp")]
    public_ip: Seen,
    #[serde(rename = "LoadBalancerArn")]
    balancer_arn: Seen,
    #[serde(rename = "LoadBalancerName")]
    balancer_name: Seen,
    #[serde(rename = "Reservations")]
    reservations: Seen,
    value: Seen,
    items: Seen,
    data: Seen,
    body: Seen,
    #[serde(borrow)]
    kind: Option<Text<'a>>,
    #[serde(rename = "type")]
    ty: Option<Text<'a>>,
    id: Option<Text<'a>>,
    #[serde(rename = "machineType")]
    machine_type: Seen,
    #[serde(rename = "selfLink")]
    self_link: Seen,
    #[serde(rename = "vmId")]
    vm_id: Seen,
    #[serde(rename = "hardwareProfile")]
    hardware: Seen,
    #[serde(rename = "ipConfigurations")]
    ip_configurations: Seen,
    #[serde(rename = "publicIPAllocationMethod", alias = "publicIpAllocationMethod")]
    allocation: Seen,
    #[serde(rename = "frontendIPConfigurations", alias = "frontendIpConfigurations")]
    frontends: Seen,
    properties: Option<Properties>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Properties {
    #[serde(rename = "vmId")]
    vm_id: Seen,
    #[serde(rename = "hardwareProfile")]
    hardware: Seen,
    #[serde(rename = "ipConfigurations")]
    ip_configurations: Seen,
    #[serde(rename = "publicIPAllocationMethod")]
    allocation: Seen,
    #[serde(rename = "frontendIPConfigurations")]
    frontends: Seen,
}

pub(super) fn classify(bytes: &[u8]) -> Class {
    let probe: Probe<'_> = match serde_json::from_slice(bytes) {
        Ok(probe) => probe,
        Err(e) => return Class::Unknown(e.to_string()),
    };
    let kind = some(probe.kind.as_ref()).filter(|k| k.starts_with("compute#"));
    let shape = if probe.reservations.0 || probe.value.0 || probe.items.0 || probe.data.0 || probe.body.0 {
        return Class::Page;
    } else if probe.instances.0 {
        Shape::Reservation
    } else if probe.instance_id.0 && (probe.image_id.0 || probe.instance_type.0) {
        Shape::Ec2Instance
    } else if probe.eni_id.0 && probe.eni_addresses.0 {
        Shape::Eni
    } else if probe.public_ip.0 {
        Shape::ElasticAddress
    } else if probe.balancer_arn.0 {
        Shape::Balancer
    } else if probe.balancer_name.0 {
        Shape::ClassicBalancer
    } else if let Some(kind) = kind {
        match gcp::Type::of_kind(kind) {
            Some(ty) => Shape::Gcp(ty),
            None => return Class::Other(shown(kind)),
        }
    } else if probe.self_link.0 && probe.machine_type.0 {
        Shape::Gcp(gcp::Type::Instance)
    } else {
        return azure_class(&probe, bytes);
    };
    Class::Shape(shape)
}

fn azure_class(probe: &Probe<'_>, bytes: &[u8]) -> Class {
    let properties = probe.properties.as_ref();
    let has = |at_top: Seen, below: fn(&Properties) -> Seen| at_top.0 || properties.is_some_and(|p| below(p).0);
    let ty = some(probe.ty.as_ref()).map(str::to_ascii_lowercase);
    let found = match ty.as_deref() {
        // Instances of scale sets and what belongs to them have types of their own, which end alike.
        Some("microsoft.compute/virtualmachines" | "microsoft.compute/virtualmachinescalesets/virtualmachines") => {
            azure::Type::Machine
        }
        Some(ty) if ty.starts_with("microsoft.") && ty.ends_with("/networkinterfaces") => azure::Type::Nic,
        Some(ty) if ty.starts_with("microsoft.") && ty.ends_with("/publicipaddresses") => azure::Type::PublicAddress,
        Some("microsoft.network/loadbalancers" | "microsoft.network/applicationgateways") => azure::Type::Balancer,
        Some(other) if other.starts_with("microsoft.") => return Class::Other(shown(other)),
        _ if has(probe.frontends, |p| p.frontends) => azure::Type::Balancer,
        _ if has(probe.allocation, |p| p.allocation) => azure::Type::PublicAddress,
        _ if has(probe.ip_configurations, |p| p.ip_configurations) => azure::Type::Nic,
        _ if has(probe.vm_id, |p| p.vm_id) || has(probe.hardware, |p| p.hardware) => azure::Type::Machine,
        _ => match some(probe.id.as_ref()).map(str::to_ascii_lowercase) {
            Some(id) if id.contains("/virtualmachines/") && !id.contains("/extensions/") => azure::Type::Machine,
            Some(id) if id.starts_with("/subscriptions/") => return Class::Other(shown(last_segment(&id))),
            _ => return Class::Unknown(keys_seen(bytes)),
        },
    };
    Class::Shape(Shape::Azure(found))
}

/// The first few keys, for a message.
fn keys_seen(bytes: &[u8]) -> String {
    let mut s = Splitter::new(bytes, bytes.len(), bytes.len() as u64);
    let mut keys = Vec::new();
    let mut first = true;
    if s.open(b'{', "an object").is_ok() {
        while keys.len() < 5 && matches!(s.member(&mut first, b'}'), Ok(true)) {
            let Ok(key) = s.key() else { break };
            keys.push(format!("`{}`", shown(&key)));
            if s.value().is_err() {
                break;
            }
        }
    }
    if keys.is_empty() { "an object without members".into() } else { format!("it has {}", keys.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(text: &str) -> String {
        match classify(text.as_bytes()) {
            Class::Shape(shape) => format!("{shape:?}"),
            Class::Page => "page".into(),
            Class::Other(ty) => format!("other {ty}"),
            Class::Unknown(seen) => format!("unknown: {seen}"),
        }
    }

    #[test]
    fn by_members() {
        let cases = [
            (r#"{"Instances":[],"OwnerId":"1"}"#, "Reservation"),
            (r#"{"InstanceId":"i","InstanceType":"t3.large"}"#, "Ec2Instance"),
            (r#"{"NetworkInterfaceId":"e","PrivateIpAddresses":[]}"#, "Eni"),
            (r#"{"PublicIp":"192.0.2.1","InstanceId":"i"}"#, "ElasticAddress"),
            (r#"{"LoadBalancerArn":"a","LoadBalancerName":"n"}"#, "Balancer"),
            (r#"{"LoadBalancerName":"n"}"#, "ClassicBalancer"),
            (r#"{"kind":"compute#instance"}"#, "Gcp(Instance)"),
            (r#"{"kind":"compute#forwardingRule"}"#, "Gcp(ForwardingRule)"),
            (r#"{"kind":"compute#address"}"#, "Gcp(Address)"),
            (r#"{"kind":"compute#disk"}"#, "other compute#disk"),
            (r#"{"id":"/subscriptions/s/x","type":"Microsoft.Compute/Disks"}"#, "other microsoft.compute/disks"),
            (r#"{"type":"MICROSOFT.NETWORK/publicIPAddresses"}"#, "Azure(PublicAddress)"),
            (r#"{"id":"/n","ipConfigurations":[]}"#, "Azure(Nic)"),
            (r#"{"type":"Microsoft.Compute/virtualMachineScaleSets/virtualMachines"}"#, "Azure(Machine)"),
            (r#"{"type":"Microsoft.Network/applicationGateways"}"#, "Azure(Balancer)"),
            (r#"{"id":"/l","properties":{"frontendIPConfigurations":[]}}"#, "Azure(Balancer)"),
            (r#"{"id":"/v","properties":{"vmId":"v"}}"#, "Azure(Machine)"),
            (r#"{"value":[]}"#, "page"),
            (r#"{"a":1,"b":{}}"#, "unknown: it has `a`, `b`"),
            ("{}", "unknown: an object without members"),
            (r#"{"id":[]}"#, "unknown: invalid type: sequence, expected text at line 1 column 8"),
        ];
        for (text, expected) in cases {
            assert_eq!(class(text), expected, "{text}");
        }
    }
}
