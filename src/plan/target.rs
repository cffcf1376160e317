//! Targets and the warrants that allow them. Decision 1 of the architecture: a destination is a [`Target`], and only
//! this room can make one, so a plain address does not compile as a destination.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;

/// Why we may send to one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warrant {
    /// Number within the plan; the ledger counts by it.
    pub id: u32,
    /// Snapshot the asset was read in.
    pub snapshot: Arc<str>,
    /// Provider resource id; for a load balancer named in the job, its name.
    pub asset: Arc<str>,
    /// Interface id; empty for a load balancer.
    pub interface: Arc<str>,
    /// The clause that chose it, as `file:line:column`.
    pub clause: Arc<str>,
    /// When it was given.
    pub given: Timestamp,
    /// After this moment nothing is sent under it.
    pub expires: Timestamp,
}

/// What kind of thing a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TargetKind {
    /// An asset's address.
    Asset,
    /// A load balancer's address.
    LoadBalancer,
}

/// A warranted destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    addr: IpAddr,
    name: Option<Arc<str>>,
    kind: TargetKind,
    warrant: Arc<Warrant>,
}

impl Target {
    /// Only the planner makes targets.
    pub(in crate::plan) fn new(addr: IpAddr, name: Option<Arc<str>>, kind: TargetKind, warrant: Arc<Warrant>) -> Self {
        Self { addr: addr.to_canonical(), name, kind, warrant }
    }

    /// Where packets go.
    pub fn addr(&self) -> IpAddr {
        self.addr
    }

    /// The public name it was chosen by, where there is one. Guide rule F2.
    pub fn name(&self) -> Option<&Arc<str>> {
        self.name.as_ref()
    }

    /// Asset or load balancer.
    pub fn kind(&self) -> TargetKind {
        self.kind
    }

    /// Why it may be sent to.
    pub fn warrant(&self) -> &Arc<Warrant> {
        &self.warrant
    }
}
