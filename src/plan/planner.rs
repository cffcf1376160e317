//! The planner: one function from a job and an inventory to a plan whose numbers add up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::address;
use super::arrange::arrange;
use super::cost;
use super::funnel::{Work, takes_region};
use super::hash::hash;
use super::hook::{AssetHook, HookError};
use super::plan::{Cost, Launch, Plan, ProbeSet};
use super::ports;
use super::resolve::Resolver;
use crate::base::limits::Limits;
use crate::base::progress::{Progress, Stop, StopWish};
use crate::base::quantity::format_duration;
use crate::base::source::SourceMap;
use crate::inventory::asset::Provider;
use crate::inventory::partition::{Gap, Kind};
use crate::inventory::snapshot::Snapshot;
use crate::lang::job::{Feature, Job, OnGap, OnNoTargets, Profile, Program, Scanner};
use crate::lang::query::tags::TagMembership;

/// How long a warrant of a recorded inventory lasts where the job sets no `max_inventory_age`.
const WARRANT_LIFE: Duration = Duration::from_secs(24 * 3600);

/// Everything a plan is made from.
pub struct PlanInput<'a> {
    /// The workspace's program.
    pub program: &'a Program,
    /// The job.
    pub job: &'a Job,
    /// The inventory.
    pub snapshot: &'a Snapshot,
    /// Which tags its assets have.
    pub tags: &'a TagMembership,
    /// Texts, for the places of clauses.
    pub sources: &'a SourceMap,
    /// The job's script.
    pub hook: Option<&'a dyn AssetHook>,
    /// None: names are not resolved, and the inventory's addresses stand alone.
    pub resolver: Option<&'a dyn Resolver>,
    /// The moment of planning.
    pub now: Timestamp,
    /// Bounds.
    pub limits: &'a Limits,
    /// Where progress goes.
    pub progress: &'a dyn Progress,
    /// The wish to stop.
    pub stop: &'a Stop,
}

impl PlanInput<'_> {
    /// When warrants end: after the longest age the job allows its inventory, or a day.
    pub(super) fn expires(&self) -> Timestamp {
        let life = self.job.targets.max_inventory_age.unwrap_or(WARRANT_LIFE);
        let from = if self.job.targets.max_inventory_age.is_some() { self.snapshot.taken_at() } else { self.now };
        from.checked_add(life).unwrap_or(Timestamp::MAX)
    }
}

/// What an unmade plan means for the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Configuration.
    Usage,
    /// Something was not read, or is too old.
    Incomplete,
    /// Our bug.
    Bug,
}

/// Why there is no plan. The text of each opens a diagnostic with the code that [`PlanError::code`] gives.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The connector's inventory holds several clouds, and the job does not say which.
    #[error("connector `{connector}` holds assets of {providers}; say which in the scan: provider = aws, azure or gcp")]
    SeveralProviders {
        /// The connector.
        connector: String,
        /// In words.
        providers: String,
    },
    /// A switch is off. Guide rules A1, A2; analysis checks it too, but only here the provider of recorded inventory is
    /// known.
    #[error(
        "the feature `{feature}` is off, and {provider} perimeter scans need it; add it to `features` in the workspace block"
    )]
    Feature {
        /// As a job file names it.
        feature: &'static str,
        /// Whose scans.
        provider: &'static str,
    },
    /// Appliances chosen where the workspace does not allow it. Guide rule G3.
    #[error("internal scanners are off in this workspace; write internal_scanners = true there, or scanner = external")]
    InternalScanners,
    /// The wish to stop was raised.
    #[error("interrupted while planning; nothing was sent")]
    Interrupted,
    /// Older than the job allows. Trap T5.
    #[error("the inventory is {age} old, and `max_inventory_age` is {limit}; record or sync it again")]
    TooOld {
        /// Its age.
        age: String,
        /// The limit.
        limit: String,
    },
    /// `on_gap = fail`.
    #[error("parts of the inventory were not read, and the scan says on_gap = fail: {}", .0.join("; "))]
    Gaps(Vec<String>),
    /// `on_hook_error = fail`.
    #[error("the hook failed on asset `{asset}`, and the scan says on_hook_error = fail: {error}")]
    Hook {
        /// The asset.
        asset: String,
        /// Why.
        error: HookError,
    },
    /// More targets than the limit.
    #[error("the plan has {targets} targets; the limit is {limit}")]
    TooManyTargets {
        /// Targets.
        targets: usize,
        /// The limit.
        limit: usize,
    },
    /// The identities of trap T1 do not hold.
    #[error("bug: the plan does not add up: {0}")]
    Sums(String),
}

impl PlanError {
    /// What it means for the exit code.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::SeveralProviders { .. }
            | Self::Feature { .. }
            | Self::InternalScanners
            | Self::Hook { .. }
            | Self::TooManyTargets { .. } => Outcome::Usage,
            Self::TooOld { .. } | Self::Gaps(_) | Self::Interrupted => Outcome::Incomplete,
            Self::Sums(_) => Outcome::Bug,
        }
    }

    /// The code that `palisade explain` knows.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::SeveralProviders { .. } => "P0401",
            Self::TooOld { .. } => "P0402",
            Self::Gaps(_) => "P0403",
            Self::Hook { .. } => "P0404",
            Self::TooManyTargets { .. } => "P0405",
            Self::Feature { .. } | Self::InternalScanners => "P0406",
            Self::Interrupted => "P0407",
            Self::Sums(_) => "P0408",
        }
    }
}

/// Makes a plan. Sends nothing but DNS questions, and those only with a resolver.
pub fn plan(input: &PlanInput<'_>) -> Result<Plan, PlanError> {
    let rows = input.snapshot.rows_of_connector(&input.job.connector.value);
    let provider = provider(input, &rows)?;
    check_switches(input, provider)?;
    check_age(input)?;
    let mut own = rows;
    let of_provider = |r: &u32| input.snapshot.asset(*r).is_some_and(|a| a.provider() == provider);
    own = own.iter().filter(of_provider).collect();
    let work = Work::new(input, provider);
    let funnel = work.run(&own)?;
    let addressed = address::address(&work, &funnel.submitted);
    if input.stop.wish() != StopWish::None {
        return Err(PlanError::Interrupted);
    }
    let mut gaps = connector_gaps(input, provider);
    gaps.extend(funnel.gaps.iter().cloned());
    gaps.extend(addressed.unsure.iter().flat_map(|(_, g)| g.iter().cloned()));
    gaps.sort();
    gaps.dedup();
    let unsure = !funnel.cannot_tell.is_empty() || !addressed.unsure.is_empty();
    if input.job.targets.on_gap == OnGap::Fail && (unsure || !gaps.is_empty()) {
        return Err(PlanError::Gaps(gaps.iter().map(|g| format!("{} {}", g.partition, g.cause)).collect()));
    }
    if addressed.targets.len() > input.limits.targets {
        return Err(PlanError::TooManyTargets { targets: addressed.targets.len(), limit: input.limits.targets });
    }
    let profile = profile(input);
    let probes = ProbeSet { tcp: ports::tcp(&profile.tcp), udp: ports::udp(&profile.udp) };
    let launch = launch(input, provider, addressed.targets.is_empty());
    let mut removed = funnel.removed;
    removed.extend(addressed.removed.iter().cloned());
    let mut cannot_tell = funnel.cannot_tell;
    cannot_tell.extend(addressed.unsure.iter().map(|(asset, _)| Arc::clone(asset)));
    let not_targetable = addressed.removed.len() as u64;
    let mut plan = Plan {
        scan: input.job.name.value.as_str().into(),
        provider,
        connector: input.job.connector.value.as_str().into(),
        module: input.job.module,
        max_time_per_host: profile.max_time_per_host,
        profile,
        probes,
        snapshot: Arc::clone(input.snapshot.id()),
        snapshot_at: input.snapshot.taken_at(),
        made_at: input.now,
        identified: funnel.identified,
        qualified: funnel.qualified,
        submitted: funnel.submitted.len() as u64,
        load_balancers: addressed.load_balancers.clone(),
        targets: Vec::new(),
        not_targetable,
        merged: addressed.merged.clone(),
        additional: addressed.additional,
        removed,
        gaps,
        cannot_tell,
        exclusions: address::exclusions(&work),
        resolutions: addressed.resolutions.clone(),
        cost: Cost::default(),
        annotations: Vec::new(),
        excluded: addressed.excluded.clone(),
        rates: BTreeMap::new(),
        canaries: None,
        launch,
        hash: "".into(),
    };
    arrange(&work, &funnel.narrowed, &addressed, &mut plan);
    let slowest = plan.rates.values().min().copied();
    plan.cost = cost::bound(
        &plan.profile,
        &plan.probes,
        plan.targets.len() as u64,
        slowest,
        input.limits.service_connections_per_port,
        plan.canaries.as_ref().is_some_and(|c| !c.pairs.is_empty()),
    );
    plan.hash = hash(&plan);
    plan.check_sums().map_err(PlanError::Sums)?;
    Ok(plan)
}

/// The job's provider: as said, else the only one that its connector's assets have.
fn provider(input: &PlanInput<'_>, rows: &roaring::RoaringBitmap) -> Result<Provider, PlanError> {
    if let Some(provider) = input.job.provider {
        return Ok(provider);
    }
    let mut found: Vec<Provider> = rows.iter().filter_map(|r| input.snapshot.asset(r)).map(|a| a.provider()).collect();
    found.sort();
    found.dedup();
    match found.as_slice() {
        [only] => Ok(*only),
        [] => Ok(Provider::Aws),
        several => Err(PlanError::SeveralProviders {
            connector: input.job.connector.value.clone(),
            providers: several.iter().map(|p| p.as_str()).collect::<Vec<_>>().join(" and "),
        }),
    }
}

/// Three switches for every perimeter scan, a fourth for Azure. Guide rules A1, A2, G3.
fn check_switches(input: &PlanInput<'_>, provider: Provider) -> Result<(), PlanError> {
    let workspace = &input.program.workspace;
    let needed = [
        ("cloud_perimeter", Feature::CloudPerimeter, true),
        ("ec2_scanning", Feature::Ec2Scanning, true),
        ("scan_by_hostname", Feature::ScanByHostname, true),
        ("azure_perimeter", Feature::AzurePerimeter, provider == Provider::Azure),
    ];
    for (feature, switch, applies) in needed {
        if applies && !workspace.features.contains(&switch) {
            return Err(PlanError::Feature { feature, provider: provider.as_str() });
        }
    }
    match input.job.scanner {
        Scanner::Internal(_) if !workspace.internal_scanners => Err(PlanError::InternalScanners),
        _ => Ok(()),
    }
}

fn check_age(input: &PlanInput<'_>) -> Result<(), PlanError> {
    let Some(limit) = input.job.targets.max_inventory_age else { return Ok(()) };
    let age = input.now.duration_since(input.snapshot.taken_at());
    let age = Duration::try_from(age).unwrap_or(Duration::ZERO);
    if age > limit {
        let age = Duration::from_secs(age.as_secs());
        return Err(PlanError::TooOld { age: format_duration(age), limit: format_duration(limit) });
    }
    Ok(())
}

/// What was not read of the job's connector, in the regions that the job takes. Results of earlier scans are no part of
/// it, and load balancers only where the job takes them from the inventory.
fn connector_gaps(input: &PlanInput<'_>, provider: Provider) -> Vec<Gap> {
    let wanted = |kind: Kind| match kind {
        Kind::Results => false,
        Kind::LoadBalancers => input.job.targets.load_balancers_from_connector,
        Kind::Instances | Kind::Interfaces | Kind::Addresses | Kind::InstanceView => true,
    };
    let own = input.snapshot.partition_gaps().filter(|(p, _)| *p.connector == *input.job.connector.value);
    own.filter(|(p, _)| wanted(p.kind) && takes_region(input, provider, &p.region)).map(|(_, gap)| gap).collect()
}

fn profile(input: &PlanInput<'_>) -> Profile {
    let named = input.program.profiles.iter().find(|p| p.name.value == input.job.profile.value);
    // INVARIANT: analysis only makes jobs whose profile exists.
    named.cloned().unwrap_or_else(Profile::initial_options)
}

fn launch(input: &PlanInput<'_>, provider: Provider, nothing: bool) -> Launch {
    let default = match provider {
        Provider::Aws => OnNoTargets::Fail,
        Provider::Azure | Provider::Gcp => OnNoTargets::Skip,
    };
    match (nothing, input.job.targets.on_no_targets.unwrap_or(default)) {
        (false, _) => Launch::Ready,
        (true, OnNoTargets::Fail) => Launch::Failed,
        (true, OnNoTargets::Skip) => Launch::NotLaunched,
    }
}
