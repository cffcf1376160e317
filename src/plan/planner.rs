//! The planner: one function from a job and an inventory to a plan whose numbers add up.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::address::{self, Addressed};
use super::cost;
use super::funnel::Work;
use super::hook::{AssetHook, HookError};
use super::plan::{Launch, Plan, ProbeSet};
use super::ports;
use super::resolve::Resolver;
use crate::base::limits::Limits;
use crate::base::progress::{Progress, Stop};
use crate::base::quantity::format_duration;
use crate::base::source::SourceMap;
use crate::inventory::asset::Provider;
use crate::inventory::partition::{Gap, Kind};
use crate::inventory::snapshot::Snapshot;
use crate::lang::job::{Job, OnGap, OnNoTargets, Profile, Program};
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

/// Why there is no plan.
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
            Self::SeveralProviders { .. } | Self::Hook { .. } | Self::TooManyTargets { .. } => Outcome::Usage,
            Self::TooOld { .. } | Self::Gaps(_) => Outcome::Incomplete,
            Self::Sums(_) => Outcome::Bug,
        }
    }
}

/// Makes a plan. Sends nothing but DNS questions, and those only with a resolver.
pub fn plan(input: &PlanInput<'_>) -> Result<Plan, PlanError> {
    let rows = input.snapshot.rows_of_connector(&input.job.connector.value);
    let provider = provider(input, &rows)?;
    check_age(input)?;
    let mut own = rows;
    let of_provider = |r: &u32| input.snapshot.asset(*r).is_some_and(|a| a.provider() == provider);
    own = own.iter().filter(of_provider).collect();
    let work = Work::new(input, provider);
    let funnel = work.run(&own)?;
    let mut gaps = connector_gaps(input);
    gaps.extend(funnel.gaps.iter().cloned());
    gaps.sort();
    gaps.dedup();
    if input.job.targets.on_gap == OnGap::Fail && !gaps.is_empty() {
        return Err(PlanError::Gaps(gaps.iter().map(|g| format!("{} {}", g.partition, g.cause)).collect()));
    }
    let addressed = address::address(&work, &funnel.submitted);
    if addressed.targets.len() > input.limits.targets {
        return Err(PlanError::TooManyTargets { targets: addressed.targets.len(), limit: input.limits.targets });
    }
    let profile = profile(input);
    let probes = ProbeSet { tcp: ports::tcp(&profile.tcp), udp: ports::udp(&profile.udp) };
    let cost = cost::bound(&profile, &probes, addressed.targets.len() as u64);
    let launch = launch(input, provider, addressed.targets.is_empty());
    let mut removed = funnel.removed;
    removed.extend(addressed.removed.iter().cloned());
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
        cannot_tell: funnel.cannot_tell,
        exclusions: exclusions(input),
        resolutions: addressed.resolutions.clone(),
        cost,
        annotations: Vec::new(),
        excluded: addressed.excluded.clone(),
        rates: BTreeMap::new(),
        launch,
        hash: "".into(),
    };
    arrange(&work, addressed, &mut plan)?;
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

/// What was not read of the job's connector. Results of earlier scans are no part of it, and load balancers only where
/// the job takes them from the inventory.
fn connector_gaps(input: &PlanInput<'_>) -> Vec<Gap> {
    let wanted = |kind: Kind| match kind {
        Kind::Results => false,
        Kind::LoadBalancers => input.job.targets.load_balancers_from_connector,
        Kind::Instances | Kind::Interfaces | Kind::Addresses | Kind::InstanceView => true,
    };
    let own = input.snapshot.partitions().iter().filter(|p| *p.connector == *input.job.connector.value);
    own.filter(|p| wanted(p.kind)).filter_map(|p| p.gap()).collect()
}

fn profile(input: &PlanInput<'_>) -> Profile {
    let named = input.program.profiles.iter().find(|p| p.name.value == input.job.profile.value);
    // INVARIANT: analysis only makes jobs whose profile exists.
    named.cloned().unwrap_or_else(Profile::initial_options)
}

fn exclusions(input: &PlanInput<'_>) -> crate::base::addr_set::AddrSet {
    let workspace = input.program.workspace.exclude_addresses.iter();
    workspace.chain(&input.job.targets.exclude_addresses).map(|r| r.value).collect()
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

/// Puts the targets into the hook's order, and collects its rates and annotations. Without a hook the order is the
/// snapshot's, load balancers last.
fn arrange(work: &Work<'_>, addressed: Addressed, plan: &mut Plan) -> Result<(), PlanError> {
    let input = work.input;
    let Some(hook) = input.hook else {
        plan.targets = addressed.targets;
        return Ok(());
    };
    let provides = hook.provides();
    let mut places: BTreeMap<u32, i64> = BTreeMap::new();
    let mut rates: BTreeMap<u32, u32> = BTreeMap::new();
    let mut rows: Vec<u32> = addressed.rows.iter().flatten().copied().collect();
    rows.dedup();
    for row in rows {
        if provides.order {
            match hook.order(input.snapshot, row) {
                Ok(place) => drop(places.insert(row, place)),
                Err(error) => work.hook_failed(row, &error)?,
            }
        }
        if provides.rate {
            match hook.rate(input.snapshot, row) {
                // Below one packet a second there would be no scan; above the profile's own rate nothing changes.
                Ok(rate) => drop(rates.insert(row, u32::try_from(rate.max(1)).unwrap_or(u32::MAX))),
                Err(error) => work.hook_failed(row, &error)?,
            }
        }
        if provides.annotate {
            match hook.annotate(input.snapshot, row) {
                Ok(facts) => {
                    let asset: Arc<str> = input.snapshot.asset(row).map_or("", |a| a.id()).into();
                    plan.annotations.extend(facts.into_iter().map(|(k, v)| (Arc::clone(&asset), k.into(), v.into())));
                }
                Err(error) => work.hook_failed(row, &error)?,
            }
        }
    }
    let mut arranged: Vec<(i64, usize)> = addressed
        .rows
        .iter()
        .enumerate()
        .map(|(i, row)| (row.and_then(|r| places.get(&r).copied()).unwrap_or(i64::MAX), i))
        .collect();
    arranged.sort_unstable();
    for (new, (_, old)) in arranged.into_iter().enumerate() {
        plan.targets.extend(addressed.targets.get(old).cloned());
        let rate = addressed.rows.get(old).copied().flatten().and_then(|r| rates.get(&r));
        plan.rates.extend(rate.map(|r| (new as u32, *r)));
    }
    Ok(())
}

/// SHA-256 over what a person approves: targets with their reasons, probes, exclusions and cost; no times.
fn hash(plan: &Plan) -> Arc<str> {
    let mut text = format!("{}\n{}\n{}\n{}\n", plan.scan, plan.provider.as_str(), plan.connector, plan.module.as_str());
    let mut lines: Vec<String> = plan
        .targets
        .iter()
        .map(|t| {
            let w = t.warrant();
            format!("{} {} {} {} {}", t.addr(), t.name().map_or("-", |n| n), w.asset, w.interface, w.clause)
        })
        .collect();
    lines.sort();
    for line in lines {
        let _ = writeln!(text, "target {line}");
    }
    let _ = writeln!(text, "tcp {}\nudp {}", plan.probes.tcp, plan.probes.udp);
    let _ = writeln!(text, "checks {:?} {:?}", plan.profile.checks, plan.profile.consent);
    for range in plan.exclusions.ranges() {
        let _ = writeln!(text, "exclude {range}");
    }
    let _ = writeln!(text, "packets {} per host {}", plan.cost.packets_max, plan.cost.per_host_max);
    let digest = Sha256::digest(text.as_bytes());
    format!("sha256:{}", digest.iter().map(|b| format!("{b:02x}")).collect::<String>()).into()
}
