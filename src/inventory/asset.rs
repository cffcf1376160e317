//! One asset as a connector delivers it: a row, before it goes into the columns of a snapshot.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;

use super::catalogue::TokenId;
use super::partition::PartitionId;

/// Whose cloud it is. Spelled `AWS`, `AZURE`, `GCP` in data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Provider {
    /// Amazon Web Services.
    Aws,
    /// Microsoft Azure.
    Azure,
    /// Google Cloud.
    Gcp,
}

impl Provider {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Aws, Self::Azure, Self::Gcp];

    /// The canonical spelling, `AWS`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::Azure => "AZURE",
            Self::Gcp => "GCP",
        }
    }

    /// The service a perimeter scan names beside it: `EC2`, `VM`, `Compute`. Guide rule D3.
    pub const fn service(self) -> &'static str {
        match self {
            Self::Aws => "EC2",
            Self::Azure => "VM",
            Self::Gcp => "Compute",
        }
    }
}

/// Module an asset can be activated for. Guide rule B1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Module {
    /// Vulnerability management.
    Vm,
    /// Policy compliance.
    Pc,
}

impl Module {
    /// `VM` or `PC`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vm => "VM",
            Self::Pc => "PC",
        }
    }
}

/// A typed value of one token.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Keyword, text and enum tokens.
    Str(Arc<str>),
    /// Number tokens.
    Num(i64),
    /// Date tokens.
    Date(Timestamp),
    /// Bool tokens.
    Bool(bool),
    /// Ip tokens; IPv4-mapped addresses are stored as IPv4.
    Ip(IpAddr),
}

/// One value of one token. Values that share `element` within a token group (`aws.tags`, `interfaces`, `openPorts`)
/// belong to the same element, so that `aws.tags: (key: a and value: b)` can ask for one element that has both.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The token.
    pub token: TokenId,
    /// Element number within the token's group; 0 for single values.
    pub element: u16,
    /// The value; null values (language.md 2.2) are simply not delivered.
    pub value: Value,
}

/// What makes an address usable as a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AddressScope {
    /// Inside the provider's network only.
    Private,
    /// Reachable from the internet: public IPv4, elastic, or IPv6 that the provider says is public.
    Public,
    /// Globally routable IPv6 whose internet route the input does not prove (query-language.md decision 24), or a
    /// carrier or customer-owned address. Never a target.
    Unproven,
}

/// How an address came to the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AddressOrigin {
    /// The interface's main address.
    Primary,
    /// A further address of the interface.
    Secondary,
    /// Assigned by the provider for the life of the run (AWS automatic public address).
    Automatic,
    /// Reserved by the owner (AWS elastic, Azure static, GCP static).
    Elastic,
}

/// One address of one interface.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// The address; IPv4-mapped addresses are stored as IPv4.
    pub addr: IpAddr,
    /// Where it can be reached from.
    pub scope: AddressScope,
    /// How it came here.
    pub origin: AddressOrigin,
    /// The public DNS name the provider gives this very address.
    pub dns: Option<Arc<str>>,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Interface {
    /// Provider id: `eni-…`, the NIC's resource id, `nic0`.
    pub id: Arc<str>,
    /// The network it is in (VPC, virtual network): addresses are unique only within one.
    pub network: Option<Arc<str>>,
    /// Addresses, primary first.
    pub addresses: Vec<Address>,
}

/// One asset as read from a provider.
#[derive(Debug, Clone, PartialEq)]
pub struct Asset {
    /// Provider resource id, the asset's identity for ever: EC2 instance id, Azure vmId, GCP numeric id.
    pub id: Arc<str>,
    /// Name for people.
    pub name: Option<Arc<str>>,
    /// Whose cloud.
    pub provider: Provider,
    /// Name of the connector that brought it.
    pub connector: Arc<str>,
    /// The partition it was read in.
    pub partition: PartitionId,
    /// Interfaces with their addresses.
    pub interfaces: Vec<Interface>,
    /// Token values, any order.
    pub fields: Vec<Field>,
}
