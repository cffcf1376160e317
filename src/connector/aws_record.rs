//! Amazon's records, only the members that are read. Names are those of the public EC2, ELBv2 and ELB APIs.

use serde::Deserialize;

use crate::connector::lenient::Text;

/// Declares records whose members are all optional.
macro_rules! records {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $ty:ty,)* })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Default, Deserialize)]
        #[serde(rename_all = "PascalCase", default)]
        pub(super) struct $name<'a> {
            $(#[serde(borrow)] $(#[$field_meta])* pub(super) $field: Option<$ty>,)*
        }
    )*};
}

records! {
    /// `Reservations[]`.
    Reservation { owner_id: Text<'a>, instances: Vec<Instance<'a>>, }
    /// The same without its instances.
    ReservationHead { owner_id: Text<'a>, }
    /// `Placement`.
    Placement { availability_zone: Text<'a>, }
    /// `State` of an instance.
    State { name: Text<'a>, }
    /// `Tags[]`.
    Tag { key: Text<'a>, value: Text<'a>, }
    /// `Association` of an address.
    Association {
        ip_owner_id: Text<'a>,
        public_ip: Text<'a>,
        public_dns_name: Text<'a>,
        carrier_ip: Text<'a>,
        customer_owned_ip: Text<'a>,
    }
    /// `Ipv6Addresses[]`.
    Ipv6 { ipv6_address: Text<'a>, }
    /// `Addresses[]` of `describe-addresses`.
    AddressRecord {
        public_ip: Text<'a>,
        carrier_ip: Text<'a>,
        customer_owned_ip: Text<'a>,
        instance_id: Text<'a>,
        network_interface_id: Text<'a>,
        network_interface_owner_id: Text<'a>,
        network_border_group: Text<'a>,
    }
    /// `State` of a load balancer.
    BalancerState { code: Text<'a>, }
    /// `AvailabilityZones[].LoadBalancerAddresses[]`.
    BalancerAddress { ip_address: Text<'a>, }
    /// `AvailabilityZones[]` of a load balancer.
    BalancerZone { zone_name: Text<'a>, load_balancer_addresses: Vec<BalancerAddress<'a>>, }
    /// `LoadBalancers[]`.
    LoadBalancerRecord {
        load_balancer_arn: Text<'a>,
        #[serde(rename = "DNSName")]
        dns_name: Text<'a>,
        scheme: Text<'a>,
        #[serde(rename = "Type")]
        kind: Text<'a>,
        state: BalancerState<'a>,
        availability_zones: Vec<BalancerZone<'a>>,
    }
    /// `LoadBalancerDescriptions[]`.
    ClassicBalancer {
        load_balancer_name: Text<'a>,
        #[serde(rename = "DNSName")]
        dns_name: Text<'a>,
        scheme: Text<'a>,
        availability_zones: Vec<Text<'a>>,
    }
    /// `Reservations[].Instances[]`.
    Instance {
        instance_id: Text<'a>,
        image_id: Text<'a>,
        instance_type: Text<'a>,
        kernel_id: Text<'a>,
        vpc_id: Text<'a>,
        subnet_id: Text<'a>,
        state: State<'a>,
        placement: Placement<'a>,
        launch_time: Text<'a>,
        private_ip_address: Text<'a>,
        public_ip_address: Text<'a>,
        private_dns_name: Text<'a>,
        public_dns_name: Text<'a>,
        instance_lifecycle: Text<'a>,
        platform: Text<'a>,
        platform_details: Text<'a>,
        tags: Vec<Tag<'a>>,
        network_interfaces: Vec<Eni<'a>>,
    }
}

/// `NetworkInterfaces[]`, of an instance or on its own.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Eni<'a> {
    #[serde(borrow)]
    pub(super) network_interface_id: Option<Text<'a>>,
    pub(super) owner_id: Option<Text<'a>>,
    pub(super) vpc_id: Option<Text<'a>>,
    pub(super) availability_zone: Option<Text<'a>>,
    pub(super) mac_address: Option<Text<'a>>,
    pub(super) private_ip_address: Option<Text<'a>>,
    pub(super) association: Option<Association<'a>>,
    pub(super) private_ip_addresses: Option<Vec<PrivateIp<'a>>>,
    pub(super) ipv6_addresses: Option<Vec<Ipv6<'a>>>,
    pub(super) attachment: Option<Attachment<'a>>,
}

/// `PrivateIpAddresses[]`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct PrivateIp<'a> {
    #[serde(borrow)]
    pub(super) private_ip_address: Option<Text<'a>>,
    pub(super) primary: Option<bool>,
    pub(super) association: Option<Association<'a>>,
}

/// `Attachment` of an interface.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Attachment<'a> {
    #[serde(borrow)]
    pub(super) instance_id: Option<Text<'a>>,
    pub(super) device_index: Option<u32>,
}
