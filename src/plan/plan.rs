//! The plan: what a scan will do, with a reason for every asset that it will not touch. The numbers add up; see
//! [`Plan::check_sums`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::target::{Target, TargetKind};
use crate::base::addr_set::AddrSet;
use crate::base::port_set::PortSet;
use crate::base::source::Location;
use crate::inventory::asset::{Module, Provider};
use crate::inventory::partition::Gap;
use crate::lang::job::Profile;

/// Where an asset left the funnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Not counted as identified at all (another connector's asset, or no public address on Azure).
    Identify,
    /// Between identified and qualified: platform, region, tags, queries, terminated.
    Qualify,
    /// Between qualified and submitted: activation, hook.
    Submit,
    /// Between submitted and targets: nothing public, name did not resolve, excluded.
    Target,
}

impl Stage {
    /// `identify`, `qualify`, `submit`, `target`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Identify => "identify",
            Self::Qualify => "qualify",
            Self::Submit => "submit",
            Self::Target => "target",
        }
    }
}

/// One asset that left, why, and because of which line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// Stage.
    pub stage: Stage,
    /// Short, stable reason: `state is TERMINATED`, `region is not us-east-1`, `no tag of any ["EC2 Tag"]`,
    /// `not activated for VM`, `no public name or address`, `hook returned false`, …
    pub reason: Arc<str>,
    /// Provider resource id, or load balancer name.
    pub asset: Arc<str>,
    /// Name for people.
    pub name: Option<Arc<str>>,
    /// The clause of the job (or the rule's default) that decided.
    pub clause: Option<Location>,
    /// The values seen, as `token: value` texts.
    pub seen: Vec<String>,
}

/// One DNS answer that was used or refused. Trap T3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// The name asked for.
    pub name: Arc<str>,
    /// Asset or load balancer it belongs to.
    pub asset: Arc<str>,
    /// Server that answered.
    pub resolver: Arc<str>,
    /// When.
    pub at: Timestamp,
    /// Addresses kept.
    pub kept: Vec<std::net::IpAddr>,
    /// Addresses the inventory does not tie to that resource: not scanned.
    pub refused: Vec<std::net::IpAddr>,
    /// Why there was no answer.
    pub error: Option<Arc<str>>,
}

/// Upper bound of what the scan can send, proven before launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// All packets, all tries.
    pub packets_max: u64,
    /// Packets to any one address.
    pub per_host_max: u64,
    /// Seconds at the profile's rate.
    pub seconds: u64,
    /// Connections, for UDP datagrams, that conversations make to any one open port; 0 where the profile has no checks.
    pub connections_per_port_max: u32,
    /// Connections of all conversations, if every port that is asked were open.
    pub connections_max: u64,
}

/// One planned probe destination set: what each target is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeSet {
    /// TCP ports.
    pub tcp: PortSet,
    /// UDP ports.
    pub udp: PortSet,
}

impl ProbeSet {
    /// Ports each target is asked.
    pub fn count(&self) -> u64 {
        u64::from(self.tcp.len()) + u64::from(self.udp.len())
    }
}

/// A plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Job title.
    pub scan: Arc<str>,
    /// Provider.
    pub provider: Provider,
    /// Connector name.
    pub connector: Arc<str>,
    /// Module.
    pub module: Module,
    /// The profile, resolved.
    pub profile: Profile,
    /// Ports each target is asked.
    pub probes: ProbeSet,
    /// Snapshot id.
    pub snapshot: Arc<str>,
    /// When the snapshot was true.
    pub snapshot_at: Timestamp,
    /// When the plan was made.
    pub made_at: Timestamp,
    /// Guide rule I3, I6.
    pub identified: u64,
    /// Guide rule I4.
    pub qualified: u64,
    /// Guide rule I5.
    pub submitted: u64,
    /// Load balancer names that entered beside the assets.
    pub load_balancers: Vec<Arc<str>>,
    /// Distinct destinations, in plan order.
    pub targets: Vec<Target>,
    /// Submitted assets and load balancers without a usable address.
    pub not_targetable: u64,
    /// Submitted assets and load balancers beyond the first that lead to the same destination. Trap T13.
    pub merged: Vec<Merge>,
    /// Extra destinations: a submitted asset with n targets counts n - 1 here, so that the sum holds.
    pub additional: u64,
    /// All removals.
    pub removed: Vec<Removal>,
    /// Gaps that touch this job.
    pub gaps: Vec<Gap>,
    /// Assets whose membership could not be told because of gaps.
    pub cannot_tell: Vec<Arc<str>>,
    /// Exclusions that apply, workspace and job together; the send gate checks them again.
    pub exclusions: AddrSet,
    /// DNS answers.
    pub resolutions: Vec<Resolution>,
    /// Cost bound.
    pub cost: Cost,
    /// Per-target annotations and priorities from hooks: (asset id, key, value).
    pub annotations: Vec<(Arc<str>, Arc<str>, Arc<str>)>,
    /// Addresses of otherwise chosen assets that an exclusion took out.
    pub excluded: Vec<Excluded>,
    /// Lower rates that a hook asked for: packets a second by target index.
    pub rates: BTreeMap<u32, u32>,
    /// Targets that are known to answer; none where the job names no canary.
    pub canaries: Option<Canaries>,
    /// Whether there is something to scan.
    pub launch: Launch,
    /// Longest time on one host.
    pub max_time_per_host: Option<Duration>,
    /// `sha256:…` over targets, probes, exclusions and cost: the same job over the same inventory gives the same hash.
    pub hash: Arc<str>,
}

/// Whether a plan can be launched. Trap T4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launch {
    /// There are targets.
    Ready,
    /// There are none, and the scan counts as failed. Guide rule E10.
    Failed,
    /// There are none, and the scan is not launched. Guide rule E11.
    NotLaunched,
}

/// The job's canary among the targets. product.md F8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canaries {
    /// Index of the target and TCP port, in plan order; empty where no target matches.
    pub pairs: Vec<(u32, u16)>,
    /// How many more match and are not asked.
    pub more: usize,
    /// The block.
    pub clause: Location,
}

/// An address that an exclusion took out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excluded {
    /// The asset or load balancer.
    pub asset: Arc<str>,
    /// The address.
    pub addr: std::net::IpAddr,
    /// The exclusion's place.
    pub clause: Location,
}

/// A destination that more than one asset leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    /// The asset or load balancer that was merged away.
    pub asset: Arc<str>,
    /// The one that keeps the target.
    pub into: Arc<str>,
    /// The shared address.
    pub addr: std::net::IpAddr,
}

impl Plan {
    /// The identities of trap T1 and decision 3; a text that says which one is broken.
    pub fn check_sums(&self) -> Result<(), String> {
        let removed = |stage: Stage| self.removed.iter().filter(|r| r.stage == stage).count() as u64;
        let sums = [
            ("identified = qualified + removed", self.identified, self.qualified + removed(Stage::Qualify)),
            ("qualified = submitted + removed", self.qualified, self.submitted + removed(Stage::Submit)),
            (
                "submitted + load balancers + additional = targets + not targetable + merged",
                self.submitted + self.load_balancers.len() as u64 + self.additional,
                self.targets.len() as u64 + self.not_targetable + self.merged.len() as u64,
            ),
            ("not targetable = removed at target", self.not_targetable, removed(Stage::Target)),
        ];
        for (what, left, right) in sums {
            if left != right {
                return Err(format!("{what} does not hold: {left} is not {right}"));
            }
        }
        Ok(())
    }

    /// Targets of one kind.
    pub fn targets_of(&self, kind: TargetKind) -> impl Iterator<Item = &Target> {
        self.targets.iter().filter(move |t| t.kind() == kind)
    }
}
