//! Live connectors: a provider's own answers, fetched over the network and handed to the same readers as recorded ones.
//!
//! A live connector does not build assets. It fetches pages, keeps them in a shape that the file connector knows
//! (`aws ec2 describe-instances` JSON, Azure Resource Graph rows, Compute Engine pages), and says for each
//! connector x account x region x kind how the reading went. `crate::connector::file` makes the inventory from both,
//! so that a recorded answer and a live one can never be read differently.

pub mod assemble;
pub mod budget;
pub mod caller;
pub mod http;
pub mod secret;

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;

use crate::base::progress::{Progress, Stop};
use crate::inventory::partition::{Kind, PartitionState};

/// What was fetched of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// AWS account, Azure subscription, GCP project; empty where unknown.
    pub account: Arc<str>,
    /// Region code; empty for global kinds.
    pub region: Arc<str>,
    /// What it holds.
    pub kind: Kind,
    /// How it went. Whatever is not complete becomes a gap.
    pub state: PartitionState,
    /// The provider's pages as JSON texts that the file connector reads; empty where nothing came.
    pub pages: Vec<String>,
    /// When the last page arrived.
    pub taken_at: Timestamp,
}

/// Calls of one API that a sync made, for the call budget and its report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Account, subscription or project.
    pub account: Arc<str>,
    /// Such as `ec2:DescribeInstances`.
    pub call: Arc<str>,
    /// Calls made, retries counted.
    pub calls: u64,
    /// Of them, answered with a throttling error.
    pub throttled: u64,
}

/// Everything one sync brought.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fetched {
    /// One entry a partition that was asked or should have been.
    pub recordings: Vec<Recording>,
    /// Calls made.
    pub usage: Vec<Usage>,
    /// What went wrong as a whole, in the provider's words: no credentials, wrong external id, no such role.
    pub errors: Vec<String>,
}

/// An address that the inventory says is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Provider resource id of the asset.
    pub asset: Arc<str>,
    /// Its interface, where known.
    pub interface: Arc<str>,
    /// AWS account, Azure subscription, GCP project.
    pub account: Arc<str>,
    /// Region code.
    pub region: Arc<str>,
    /// The address.
    pub addr: IpAddr,
}

/// What the provider says about a claim. product.md F2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ownership {
    /// The address is that resource's, now.
    Confirmed,
    /// It is not: why, in words, such as `the address belongs to eni-2`.
    Lost(String),
    /// The provider did not say; nothing is sent.
    Unknown(String),
}

/// One right a connector needs, and whether it has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// Such as `ec2:DescribeInstances` or `Microsoft.Compute/virtualMachines/read`.
    pub name: String,
    /// Where it was tried: account and region, subscription, project.
    pub place: String,
    /// What it is needed for.
    pub need: &'static str,
    /// The provider's refusal; none where it is granted.
    pub refused: Option<String>,
}

/// A provider that can be asked now. Implementations hold their credentials and call budgets; they never print them.
pub trait Live {
    /// Reads the inventory. Never fails as a whole in silence: what did not come is a recording with its cause.
    fn fetch(&self, progress: &dyn Progress, stop: &Stop) -> Fetched;

    /// Asks by the narrowest call whether addresses still belong to their resources; one answer a claim, in order.
    fn confirm(&self, claims: &[Claim]) -> Vec<Ownership>;

    /// Tries each needed right once.
    fn permissions(&self) -> Vec<Permission>;

    /// A policy document that grants exactly the needed rights, in the provider's own form.
    fn policy_document(&self) -> String;
}
