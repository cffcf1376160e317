//! Microsoft's records, only the members that are read. A resource stands in two shapes: as the REST API and Resource
//! Graph give it, with `properties`, and as the command line prints it, with these members at its top.

use serde::Deserialize;

use crate::connector::lenient::{TagMap, Text};

/// A virtual machine, network interface, public address, load balancer or application gateway.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Resource<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Text<'a>>,
    pub(super) name: Option<Text<'a>>,
    pub(super) location: Option<Text<'a>>,
    pub(super) tags: Option<TagMap<'a>>,
    /// Of an instance of a scale set.
    pub(super) sku: Option<Sku<'a>>,
    /// `VM running`, in detailed lists.
    pub(super) power_state: Option<Text<'a>>,
    /// Comma lists, in detailed lists; one address where a machine has just been made.
    #[serde(alias = "publicIpAddress")]
    pub(super) public_ips: Option<Text<'a>>,
    #[serde(alias = "privateIpAddress")]
    pub(super) private_ips: Option<Text<'a>>,
    pub(super) fqdns: Option<Text<'a>>,
    /// Of a machine in detailed lists, as a comma list.
    #[serde(alias = "macAddresses")]
    pub(super) mac_address: Option<Text<'a>>,
    properties: Option<Box<Body<'a>>>,
}

/// The members of a type of its own.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Body<'a> {
    #[serde(borrow)]
    pub(super) vm_id: Option<Text<'a>>,
    pub(super) time_created: Option<Text<'a>>,
    pub(super) hardware_profile: Option<Hardware<'a>>,
    pub(super) storage_profile: Option<Storage<'a>>,
    pub(super) network_profile: Option<Network<'a>>,
    pub(super) instance_view: Option<InstanceView<'a>>,
    pub(super) extended: Option<Extended<'a>>,
    pub(super) power_state: Option<Text<'a>>,
    /// Of an interface.
    pub(super) mac_address: Option<Text<'a>>,
    pub(super) ip_configurations: Option<Vec<IpConfiguration<'a>>>,
    pub(super) virtual_machine: Option<Reference<'a>>,
    pub(super) ip_address: Option<Text<'a>>,
    #[serde(rename = "publicIPAllocationMethod", alias = "publicIpAllocationMethod")]
    pub(super) allocation: Option<Text<'a>>,
    pub(super) dns_settings: Option<DnsSettings<'a>>,
    pub(super) ip_configuration: Option<Reference<'a>>,
    /// Of a load balancer or an application gateway.
    #[serde(rename = "frontendIPConfigurations", alias = "frontendIpConfigurations")]
    pub(super) frontends: Option<Vec<IpConfiguration<'a>>>,
    /// Of an application gateway.
    pub(super) operational_state: Option<Text<'a>>,
}

/// Size or tier of a resource.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Sku<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
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
    /// Reads one record. Where it has no `properties`, its own members are read from its top.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let mut resource: Self = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        if resource.properties.is_none() {
            resource.properties = Some(serde_json::from_slice(bytes).map_err(|e| e.to_string())?);
        }
        Ok(resource)
    }

    /// What its type has.
    pub(super) fn into_parts(mut self) -> (Self, Box<Body<'a>>) {
        let body = self.properties.take().unwrap_or_default();
        (self, body)
    }
}

impl<'a> IpConfiguration<'a> {
    /// Where the members stand: under `properties`, or at the top.
    pub(super) fn body(&self) -> &IpConfiguration<'a> {
        self.properties.as_deref().unwrap_or(self)
    }
}
