//! Completeness as a value: what was read, and what was not. language.md 2.2, architecture decision 2.

use std::sync::Arc;

/// Index of a partition within its snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId(pub u32);

/// What a partition holds. The catalogue's provenance says which kinds a token needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Virtual machines.
    Instances,
    /// Network interfaces.
    Interfaces,
    /// Elastic and public addresses.
    Addresses,
    /// Load balancers.
    LoadBalancers,
    /// Power states, where they are a call of their own (Azure instance view).
    InstanceView,
    /// Results of our own scans.
    Results,
}

impl Kind {
    /// The word used in output: `instances`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Instances => "instances",
            Self::Interfaces => "interfaces",
            Self::Addresses => "addresses",
            Self::LoadBalancers => "load-balancers",
            Self::InstanceView => "instance-view",
            Self::Results => "results",
        }
    }
}

/// How the reading of a partition went.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PartitionState {
    /// All of it was read.
    Complete,
    /// Some of it was read.
    Partial {
        /// Why the rest is missing.
        cause: Arc<str>,
    },
    /// The provider refused.
    Denied {
        /// Its words.
        cause: Arc<str>,
    },
    /// The provider throttled until we gave up.
    Throttled {
        /// Its words.
        cause: Arc<str>,
    },
    /// Nobody asked.
    NotAsked,
}

/// connector x account x region x kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Partition {
    /// Connector name.
    pub connector: Arc<str>,
    /// AWS account, Azure subscription, GCP project; empty where unknown.
    pub account: Arc<str>,
    /// Region code; empty for global kinds or where unknown.
    pub region: Arc<str>,
    /// What it holds.
    pub kind: Kind,
    /// How it went.
    pub state: PartitionState,
}

impl Partition {
    /// `conn1/123456789012/us-east-1/instances`; empty parts print as `-`.
    pub fn name(&self) -> String {
        let or_dash = |s: &str| if s.is_empty() { "-".to_owned() } else { s.to_owned() };
        format!("{}/{}/{}/{}", self.connector, or_dash(&self.account), or_dash(&self.region), self.kind.as_str())
    }

    /// The gap it leaves, or nothing where it is complete.
    pub fn gap(&self) -> Option<Gap> {
        let cause: Arc<str> = match &self.state {
            PartitionState::Complete => return None,
            PartitionState::Partial { cause } => format!("partly read: {cause}").into(),
            PartitionState::Denied { cause } => format!("denied: {cause}").into(),
            PartitionState::Throttled { cause } => format!("throttled: {cause}").into(),
            PartitionState::NotAsked => "not asked".into(),
        };
        Some(Gap { partition: self.name().into(), cause })
    }
}

/// Something that was not read, and why. Gaps travel to queries, plans, reports and exit codes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gap {
    /// Partition name.
    pub partition: Arc<str>,
    /// Why.
    pub cause: Arc<str>,
}
