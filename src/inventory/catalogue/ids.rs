//! Ids of the tokens that the code itself needs, found in the table at compile time: a name that is not there does not
//! build.

use super::{ALL, TokenId};

#[expect(clippy::indexing_slicing, reason = "runs at compile time only, where an index out of range is a build error")]
#[expect(clippy::panic, reason = "runs at compile time only: a name that is not in the table must not build")]
const fn id(name: &str) -> TokenId {
    let mut i = 0;
    while i < ALL.len() {
        let (a, b) = (ALL[i].name.as_bytes(), name.as_bytes());
        let mut same = a.len() == b.len();
        let mut k = 0;
        while same && k < a.len() {
            same = a[k] == b[k];
            k += 1;
        }
        if same {
            return TokenId(i as u16);
        }
        i += 1;
    }
    panic!("no such token")
}

macro_rules! ids {
    ($($name:ident = $token:literal;)*) => {
        $(
            #[doc = concat!("`", $token, "`")]
            pub const $name: TokenId = id($token);
        )*
    };
}

ids! {
    AWS_ACCOUNT = "aws.ec2.accountId";
    AWS_ZONE = "aws.ec2.availabilityZone";
    AWS_HAS_AGENT = "aws.ec2.hasAgent";
    AWS_HOSTNAME = "aws.ec2.hostname";
    AWS_IMAGE = "aws.ec2.imageId";
    AWS_INSTANCE = "aws.ec2.instanceId";
    AWS_STATE = "aws.ec2.instanceState";
    AWS_TYPE = "aws.ec2.instanceType";
    AWS_KERNEL = "aws.ec2.kernelId";
    AWS_LAUNCH = "aws.ec2.launchDate";
    AWS_PRIVATE_DNS = "aws.ec2.privateDns";
    AWS_PRIVATE_IP = "aws.ec2.privateIpAddress";
    AWS_PUBLIC_DNS = "aws.ec2.publicDns";
    AWS_PUBLIC_IP = "aws.ec2.publicIpAddress";
    AWS_PUBLIC_IPV6 = "aws.ec2.publicIpv6Address";
    AWS_SCANNER = "aws.ec2.qualysScanner";
    AWS_REGION = "aws.ec2.region.code";
    AWS_REGION_NAME = "aws.ec2.region.name";
    AWS_SPOT = "aws.ec2.spotInstance";
    AWS_SUBNET = "aws.ec2.subnetId";
    AWS_VPC = "aws.ec2.vpcId";
    AWS_TAG_KEY = "aws.tags.key";
    AWS_TAG_VALUE = "aws.tags.value";
    AZURE_OFFER = "azure.vm.imageOffer";
    AZURE_PUBLISHER = "azure.vm.imagePublisher";
    AZURE_IMAGE_VERSION = "azure.vm.imageVersion";
    AZURE_LOCATION = "azure.vm.location";
    AZURE_MAC = "azure.vm.macAddress";
    AZURE_NAME = "azure.vm.name";
    AZURE_PLATFORM = "azure.vm.platform";
    AZURE_PRIVATE_IP = "azure.vm.privateIpAddress";
    AZURE_PUBLIC_IP = "azure.vm.publicIpAddress";
    AZURE_PUBLIC_IPV6 = "azure.vm.publicIpv6Address";
    AZURE_GROUP = "azure.vm.resourceGroupName";
    AZURE_SIZE = "azure.vm.size";
    AZURE_STATE = "azure.vm.state";
    AZURE_SUBNET = "azure.vm.subnet";
    AZURE_SUBSCRIPTION = "azure.vm.subscriptionId";
    AZURE_NETWORK = "azure.vm.virtualNetwork";
    AZURE_VM_ID = "azure.vm.vmId";
    AZURE_TAG_NAME = "azure.tags.name";
    AZURE_TAG_VALUE = "azure.tags.value";
    GCP_HOSTNAME = "gcp.compute.hostname";
    GCP_IMAGE = "gcp.compute.imageId";
    GCP_INSTANCE = "gcp.compute.instanceId";
    GCP_MAC = "gcp.compute.macAddress";
    GCP_TYPE = "gcp.compute.machineType";
    GCP_NETWORK = "gcp.compute.network";
    GCP_PRIVATE_IP = "gcp.compute.privateIpAddress";
    GCP_PROJECT = "gcp.compute.projectId";
    GCP_PROJECT_NUMBER = "gcp.compute.projectNumber";
    GCP_PUBLIC_IP = "gcp.compute.publicIpAddress";
    GCP_PUBLIC_IPV6 = "gcp.compute.publicIpv6Address";
    GCP_STATE = "gcp.compute.state";
    GCP_ZONE = "gcp.compute.zone";
    GCP_TAG_KEY = "gcp.tags.key";
    GCP_TAG_VALUE = "gcp.tags.value";
    NAME = "name";
    DNS_NAME = "dnsName";
    ADDRESS = "address";
    PROVIDER = "provider";
    CONNECTORS_NAME = "connectors.name";
    TAGS_NAME = "tags.name";
    ACTIVATED_FOR_MODULES = "activatedForModules";
    TRACKING_METHOD = "trackingMethod";
    OPERATING_SYSTEM = "operatingSystem";
    INTERFACES_ADDRESS = "interfaces.address";
    INTERFACES_HOSTNAME = "interfaces.hostname";
    INTERFACES_NAME = "interfaces.name";
    INTERFACES_MAC = "interfaces.macAddress";
    CREATED = "created";
    UPDATED = "updated";
    LAST_BOOT = "lastBoot";
    CRITICALITY = "criticalityScore";
}
