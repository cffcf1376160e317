//! The catalogue's tokens that connectors fill, found once by name.

use crate::inventory::catalogue::{TokenId, tokens};

/// Declares the fields and their names in one list.
macro_rules! token_names {
    ($($field:ident = $name:literal,)*) => {
        /// One id a token; nothing where the catalogue does not have it (a test holds that it has them all).
        #[derive(Debug, Clone, Default)]
        pub(super) struct Tokens {
            $(pub(super) $field: Option<TokenId>,)*
        }

        impl Tokens {
            /// Looks all of them up.
            pub(super) fn of_catalogue() -> Self {
                let mut found = Self::default();
                for (n, token) in tokens().iter().enumerate() {
                    let id = u16::try_from(n).ok().map(TokenId);
                    match token.name {
                        $($name => found.$field = id,)*
                        _ => {}
                    }
                }
                found
            }

            /// The names that the catalogue does not have.
            #[cfg(test)]
            fn missing(&self) -> Vec<&'static str> {
                let mut missing = Vec::new();
                $(if self.$field.is_none() { missing.push($name); })*
                missing
            }
        }
    };
}

token_names! {
    name = "name",
    provider = "provider",
    connectors_name = "connectors.name",
    tracking_method = "trackingMethod",
    operating_system = "operatingSystem",
    activated_for_modules = "activatedForModules",
    created = "created",
    interfaces_address = "interfaces.address",
    interfaces_hostname = "interfaces.hostname",
    interfaces_mac = "interfaces.macAddress",
    aws_account = "aws.ec2.accountId",
    aws_zone = "aws.ec2.availabilityZone",
    aws_image = "aws.ec2.imageId",
    aws_instance_id = "aws.ec2.instanceId",
    aws_state = "aws.ec2.instanceState",
    aws_type = "aws.ec2.instanceType",
    aws_kernel = "aws.ec2.kernelId",
    aws_launched = "aws.ec2.launchDate",
    aws_private_dns = "aws.ec2.privateDns",
    aws_private_ip = "aws.ec2.privateIpAddress",
    aws_public_dns = "aws.ec2.publicDns",
    aws_public_ip = "aws.ec2.publicIpAddress",
    aws_public_ipv6 = "aws.ec2.publicIpv6Address",
    aws_region_code = "aws.ec2.region.code",
    aws_region_name = "aws.ec2.region.name",
    aws_spot = "aws.ec2.spotInstance",
    aws_subnet = "aws.ec2.subnetId",
    aws_vpc = "aws.ec2.vpcId",
    aws_tag_key = "aws.tags.key",
    aws_tag_value = "aws.tags.value",
    azure_offer = "azure.vm.imageOffer",
    azure_publisher = "azure.vm.imagePublisher",
    azure_version = "azure.vm.imageVersion",
    azure_location = "azure.vm.location",
    azure_mac = "azure.vm.macAddress",
    azure_name = "azure.vm.name",
    azure_platform = "azure.vm.platform",
    azure_private_ip = "azure.vm.privateIpAddress",
    azure_public_ip = "azure.vm.publicIpAddress",
    azure_public_ipv6 = "azure.vm.publicIpv6Address",
    azure_group = "azure.vm.resourceGroupName",
    azure_size = "azure.vm.size",
    azure_state = "azure.vm.state",
    azure_subnet = "azure.vm.subnet",
    azure_subscription = "azure.vm.subscriptionId",
    azure_network = "azure.vm.virtualNetwork",
    azure_vm_id = "azure.vm.vmId",
    azure_tag_name = "azure.tags.name",
    azure_tag_value = "azure.tags.value",
    gcp_hostname = "gcp.compute.hostname",
    gcp_image = "gcp.compute.imageId",
    gcp_instance_id = "gcp.compute.instanceId",
    gcp_type = "gcp.compute.machineType",
    gcp_network = "gcp.compute.network",
    gcp_private_ip = "gcp.compute.privateIpAddress",
    gcp_project = "gcp.compute.projectId",
    gcp_project_number = "gcp.compute.projectNumber",
    gcp_public_ip = "gcp.compute.publicIpAddress",
    gcp_public_ipv6 = "gcp.compute.publicIpv6Address",
    gcp_state = "gcp.compute.state",
    gcp_zone = "gcp.compute.zone",
    gcp_tag_key = "gcp.tags.key",
    gcp_tag_value = "gcp.tags.value",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_has_them_all() {
        assert_eq!(Tokens::of_catalogue().missing(), Vec::<&str>::new());
    }
}
