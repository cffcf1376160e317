//! Microsoft's records, only the members that are read. A resource stands in two shapes: as the REST API and Resource
//! Graph give it, with `properties`, and as the command line prints it, with these members at its top. Both are read
//! by one type.

use serde::Deserialize;

use crate::connector::lenient::{TagMap, Text};

/// A virtual machine, network interface or public address.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Resource<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Text<'a>>,
    pub(super) name: Option<Text<'a>>,
    pub(super) location: Option<Text<'a>>,
    pub(super) tags: Option<TagMap<'a>>,
    pub(super) properties: Option<Box<Resource<'a>>>,
    pub(super) vm_id: Option<Text<'a>>,
    pub(super) time_created: Option<Text<'a>>,
    pub(super) hardware_profile: Option<Hardware<'a>>,
    pub(super) storage_profile: Option<Storage<'a>>,
    pub(super) network_profile: Option<Network<'a>>,
    pub(super) instance_view: Option<InstanceView<'a>>,
    pub(super) extended: Option<Extended<'a>>,
    /// `VM running`, in detailed lists.
    pub(super) power_state: Option<Text<'a>>,
    /// Comma lists, in detailed lists; one address where a machine has just been made.
    #[serde(alias = "publicIpAddress")]
    pub(super) public_ips: Option<Text<'a>>,
    #[serde(alias = "privateIpAddress")]
    pub(super) private_ips: Option<Text<'a>>,
    pub(super) fqdns: Option<Text<'a>>,
    /// Of an interface; of a machine in detailed lists, as a comma list.
    #[serde(alias = "macAddresses")]
    pub(super) mac_address: Option<Text<'a>>,
    pub(super) ip_configurations: Option<Vec<IpConfiguration<'a>>>,
    pub(super) virtual_machine: Option<Reference<'a>>,
    pub(super) ip_address: Option<Text<'a>>,
    #[serde(rename = "publicIPAllocationMethod", alias = "publicIpAllocationMethod")]
    pub(super) allocation: Option<Text<'a>>,
    pub(super) dns_settings: Option<DnsSettings<'a>>,
    pub(super) ip_configuration: Option<Reference<'a>>,
}

/// Something named by its id.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reference<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Text<'a>>,
    pub(super) primary: Option<bool>,
    pub(super) properties: Option<ReferenceProperties>,
}

/// `networkInterfaces[].properties` of a machine.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ReferenceProperties {
    pub(super) primary: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Hardware<'a> {
    #[serde(borrow)]
    pub(super) vm_size: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Storage<'a> {
    #[serde(borrow)]
    pub(super) image_reference: Option<Image<'a>>,
    pub(super) os_disk: Option<OsDisk<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Image<'a> {
    #[serde(borrow)]
    pub(super) publisher: Option<Text<'a>>,
    pub(super) offer: Option<Text<'a>>,
    pub(super) version: Option<Text<'a>>,
    pub(super) exact_version: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct OsDisk<'a> {
    #[serde(borrow)]
    pub(super) os_type: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Network<'a> {
    #[serde(borrow)]
    pub(super) network_interfaces: Option<Vec<Reference<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct InstanceView<'a> {
    #[serde(borrow)]
    pub(super) statuses: Option<Vec<Status<'a>>>,
    /// Resource Graph's short form.
    pub(super) power_state: Option<Status<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Status<'a> {
    #[serde(borrow)]
    pub(super) code: Option<Text<'a>>,
}

/// Resource Graph's `properties.extended`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Extended<'a> {
    #[serde(borrow)]
    pub(super) instance_view: Option<InstanceView<'a>>,
}

/// One IP configuration of an interface, in both shapes.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct IpConfiguration<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Text<'a>>,
    pub(super) properties: Option<Box<IpConfiguration<'a>>>,
    pub(super) primary: Option<bool>,
    #[serde(rename = "privateIPAddress", alias = "privateIpAddress")]
    pub(super) private_ip: Option<Text<'a>>,
    #[serde(rename = "publicIPAddress", alias = "publicIpAddress")]
    pub(super) public_ip: Option<Reference<'a>>,
    pub(super) subnet: Option<Reference<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DnsSettings<'a> {
    #[serde(borrow)]
    pub(super) fqdn: Option<Text<'a>>,
}

impl<'a> Resource<'a> {
    /// Where the type's own members stand: under `properties`, or at the top.
    pub(super) fn body(&self) -> &Resource<'a> {
        self.properties.as_deref().unwrap_or(self)
    }
}

impl<'a> IpConfiguration<'a> {
    /// As [`Resource::body`].
    pub(super) fn body(&self) -> &IpConfiguration<'a> {
        self.properties.as_deref().unwrap_or(self)
    }
}
