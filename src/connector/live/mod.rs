//! Live connectors: a provider's own answers, fetched over the network and handed to the same readers as recorded ones.
//!
//! A live connector does not build assets. It fetches pages, keeps them in a shape that the file connector knows
//! (`aws ec2 describe-instances` JSON, Azure Resource Graph rows, Compute Engine pages), and says for each
//! connector x account x region x kind how the reading went. `crate::connector::file` makes the inventory from both,
//! so that a recorded answer and a live one can never be read differently.

pub mod assemble;
#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "azure")]
pub mod azure;
pub mod budget;
pub mod caller;
#[cfg(feature = "gcp")]
pub mod gcp;
pub mod guard;
pub mod http;
pub mod intake;
pub mod open;
pub mod secret;
pub mod whole;

#[cfg(feature = "azure")]
mod azure_confirm;
#[cfg(feature = "azure")]
mod azure_graph;
#[cfg(feature = "azure")]
pub mod azure_token;
#[cfg(any(feature = "azure", feature = "gcp"))]
mod bearer;
#[cfg(feature = "gcp")]
mod gcp_token;
#[cfg(any(feature = "azure", feature = "gcp"))]
mod refusal;
#[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
mod trail;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;

use crate::base::progress::{Progress, Stop};
use crate::inventory::partition::{Kind, PartitionState};

/// Where a page comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// AWS account, Azure subscription, GCP project; empty where unknown.
    pub account: Arc<str>,
    /// Region code; empty for global kinds.
    pub region: Arc<str>,
    /// What it holds.
    pub kind: Kind,
    /// When it arrived.
    pub at: Timestamp,
}

/// Takes pages as they arrive, so that no reading holds more than those in flight.
pub trait Pages {
    /// One page: a JSON text that the file connector reads. Pages of one partition come in their order, those of several
    /// in any.
    fn page(&self, from: &Origin, text: String);
}

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
    /// Its pages, where they were kept: see [`Live::fetch`].
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
    /// Every account, subscription or project that the connector reads, where that is certain: the job file names them,
    /// or the organisation's list of accounts was read to its end. None where a lost right could make one go unseen.
    pub accounts: Option<Vec<Arc<str>>>,
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

/// A provider that can be asked now, also by the thread that keeps leases while a scan runs. Implementations hold their
/// credentials and call budgets; they never print them.
pub trait Live: Send + Sync {
    /// Reads the inventory: pages are handed over as they come, and the recordings say how each partition went. Never
    /// fails as a whole in silence: what did not come is a recording with its cause.
    fn read(&self, pages: &dyn Pages, progress: &dyn Progress, stop: &Stop) -> Fetched;

    /// Reads the inventory and keeps the pages in their recordings, so that what came can be looked at.
    fn fetch(&self, progress: &dyn Progress, stop: &Stop) -> Fetched {
        let kept = Kept::default();
        let mut fetched = self.read(&kept, progress, stop);
        kept.give_to(&mut fetched.recordings);
        fetched
    }

    /// Asks by the narrowest call whether addresses still belong to their resources; one answer a claim, in order.
    fn confirm(&self, claims: &[Claim]) -> Vec<Ownership>;

    /// Tries each needed right once.
    fn permissions(&self) -> Vec<Permission>;

    /// A policy document that grants exactly the needed rights, in the provider's own form.
    fn policy_document(&self) -> String;
}

/// Account, region, kind.
type Partitioned = (Arc<str>, Arc<str>, Kind);

/// Pages that are kept, by partition.
#[derive(Default)]
struct Kept(RefCell<BTreeMap<Partitioned, Vec<String>>>);

impl Pages for Kept {
    fn page(&self, from: &Origin, text: String) {
        let place = (Arc::clone(&from.account), Arc::clone(&from.region), from.kind);
        self.0.borrow_mut().entry(place).or_default().push(text);
    }
}

impl Kept {
    fn give_to(self, recordings: &mut [Recording]) {
        let mut pages = self.0.into_inner();
        for r in recordings {
            let place = (Arc::clone(&r.account), Arc::clone(&r.region), r.kind);
            r.pages.extend(pages.remove(&place).unwrap_or_default());
        }
    }
}
