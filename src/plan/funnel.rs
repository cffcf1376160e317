//! Identified, qualified, submitted: each asset passes the same clauses in one order, and the first that stops it is
//! its reason. Guide rules C10, E1 to E6, F3, F4, I3 to I6.

use std::collections::BTreeMap;
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::hook::{self, Narrowed};
use super::plan::{Removal, Stage};
use super::planner::{PlanError, PlanInput};
use crate::base::progress::StopWish;
use crate::base::source::{Location, Span};
use crate::inventory::asset::{AddressScope, Provider};
use crate::inventory::catalogue::{TokenId, ids, state, token};
use crate::inventory::partition::Gap;
use crate::inventory::region::{region_by_code, region_by_name};
use crate::lang::job::{OnHookError, Platform, Quantifier, TagFilter};
use crate::lang::query::facts::seen;
use crate::lang::query::predicate::{Membership, Moment, Truth};

/// What the funnel leaves.
#[derive(Debug, Default)]
pub(super) struct Funnel {
    pub(super) identified: u64,
    pub(super) qualified: u64,
    /// Rows, in snapshot order.
    pub(super) submitted: Vec<u32>,
    /// What the hook said about them.
    pub(super) narrowed: BTreeMap<u32, Narrowed>,
    pub(super) removed: Vec<Removal>,
    pub(super) cannot_tell: Vec<Arc<str>>,
    pub(super) gaps: Vec<Gap>,
}

/// Why an asset stops, before it is turned into a removal.
struct Stop {
    reason: String,
    clause: Option<Span>,
    seen: Vec<String>,
    /// Whether it stops because something was not read.
    unsure: bool,
    gaps: Vec<Gap>,
}

impl Stop {
    fn new(reason: impl Into<String>, clause: Option<Span>) -> Self {
        Self { reason: reason.into(), clause, seen: Vec::new(), unsure: false, gaps: Vec::new() }
    }

    fn unsure(gaps: Vec<Gap>, clause: Option<Span>) -> Self {
        let reason = cannot_tell(&gaps);
        Self { unsure: true, gaps, ..Self::new(reason, clause) }
    }
}

/// `cannot tell: conn1/123456789012/us-east-2/instances denied: …`.
pub(super) fn cannot_tell(gaps: &[Gap]) -> String {
    let shown: Vec<String> = gaps.iter().map(|g| format!("{} {}", g.partition, g.cause)).collect();
    format!("cannot tell: {}", shown.join("; "))
}

/// The tokens that hold what the guide's form asks about, by provider.
fn facts_of(provider: Provider) -> (TokenId, TokenId, TokenId) {
    match provider {
        Provider::Aws => (ids::AWS_STATE, ids::AWS_REGION, ids::AWS_PUBLIC_IP),
        Provider::Azure => (ids::AZURE_STATE, ids::AZURE_LOCATION, ids::AZURE_PUBLIC_IP),
        Provider::Gcp => (ids::GCP_STATE, ids::GCP_ZONE, ids::GCP_PUBLIC_IP),
    }
}

/// One planning's funnel.
pub(super) struct Work<'a> {
    pub(super) input: &'a PlanInput<'a>,
    pub(super) provider: Provider,
    where_members: Option<Membership>,
}

impl<'a> Work<'a> {
    pub(super) fn new(input: &'a PlanInput<'a>, provider: Provider) -> Self {
        let moment = Moment { now: input.now, tags: Some(input.tags) };
        let where_members = input.job.targets.filter_query.as_ref().map(|q| q.evaluate(input.snapshot, &moment));
        Self { input, provider, where_members }
    }

    pub(super) fn moment(&self) -> Moment<'a> {
        Moment { now: self.input.now, tags: Some(self.input.tags) }
    }

    /// The token of public addresses.
    pub(super) fn public_address(&self) -> TokenId {
        facts_of(self.provider).2
    }

    pub(super) fn locate(&self, span: Span) -> Location {
        self.input.sources.locate(span)
    }

    /// Runs all of it over the rows of the job's connector.
    pub(super) fn run(&self, rows: &RoaringBitmap) -> Result<Funnel, PlanError> {
        let mut funnel = Funnel::default();
        for row in rows {
            if self.input.stop.wish() != StopWish::None {
                return Err(PlanError::Interrupted);
            }
            if let Some(stop) = self.identify(row) {
                self.remove(&mut funnel, row, Stage::Identify, stop);
                continue;
            }
            funnel.identified += 1;
            if let Some(stop) = self.qualify(row) {
                self.remove(&mut funnel, row, Stage::Qualify, stop);
                continue;
            }
            funnel.qualified += 1;
            match self.submit(row)? {
                Err(stop) => self.remove(&mut funnel, row, Stage::Submit, stop),
                Ok(said) => {
                    funnel.submitted.push(row);
                    if said != Narrowed::default() {
                        funnel.narrowed.insert(row, said);
                    }
                }
            }
        }
        Ok(funnel)
    }

    fn remove(&self, funnel: &mut Funnel, row: u32, stage: Stage, stop: Stop) {
        let asset = self.input.snapshot.asset(row);
        let id: Arc<str> = asset.map_or("", |a| a.id()).into();
        if stop.unsure {
            funnel.cannot_tell.push(Arc::clone(&id));
            funnel.gaps.extend(stop.gaps);
        }
        funnel.removed.push(Removal {
            stage,
            reason: stop.reason.into(),
            asset: id,
            name: asset.and_then(|a| a.name()).map(Arc::from),
            clause: stop.clause.map(|s| self.locate(s)),
            seen: stop.seen,
        });
    }

    /// Azure counts public-facing machines only. Guide rules E13, I6.
    fn identify(&self, row: u32) -> Option<Stop> {
        if self.provider != Provider::Azure {
            return None;
        }
        let (_, _, public) = facts_of(self.provider);
        let column = self.input.snapshot.column(public);
        let has_address =
            self.input.snapshot.asset(row).is_some_and(|a| {
                a.interfaces().iter().flat_map(|i| &i.addresses).any(|a| a.scope == AddressScope::Public)
            });
        if has_address || column.cells(row).next().is_some() {
            return None;
        }
        let gaps = column.gaps(row);
        if !gaps.is_empty() {
            return Some(Stop::unsure(gaps, None));
        }
        Some(Stop { seen: vec![format!("{} is null", token(public).name)], ..Stop::new("not public-facing", None) })
    }

    fn qualify(&self, row: u32) -> Option<Stop> {
        self.gone(row)
            .or_else(|| self.platform(row))
            .or_else(|| self.include(row))
            .or_else(|| self.exclude(row))
            .or_else(|| self.condition(row))
            .or_else(|| self.unseen(row))
    }

    /// An asset that only an earlier reading knows may be gone: nothing is sent to where it was.
    fn unseen(&self, row: u32) -> Option<Stop> {
        let gaps = self.input.snapshot.stale_gaps(row);
        self.input.snapshot.stale_rows().contains(row).then(|| Stop::unsure(gaps, None))
    }

    fn one(&self, row: u32, token_id: TokenId) -> Option<String> {
        seen(self.input.snapshot, row, token_id, &self.moment()).into_iter().next()
    }

    fn fact(&self, row: u32, token_id: TokenId) -> String {
        let name = token(token_id).name;
        match self.one(row, token_id) {
            Some(value) => format!("{name}: {value}"),
            None => format!("{name} is null"),
        }
    }

    fn gone(&self, row: u32) -> Option<Stop> {
        let (state_token, ..) = facts_of(self.provider);
        let value = self.one(row, state_token)?;
        state::is_gone(self.provider, &value)
            .then(|| Stop { seen: vec![self.fact(row, state_token)], ..Stop::new(format!("state is {value}"), None) })
    }

    /// Platform and regions. Guide rules E2, E3, E6.
    fn platform(&self, row: u32) -> Option<Stop> {
        let targets = &self.input.job.targets;
        let span = targets.platform.as_ref().map(|p| p.span);
        let vpc = || self.one(row, ids::AWS_VPC);
        match targets.platform.as_ref().map(|p| &p.value) {
            None => self.region(row, &targets.regions.iter().map(|r| (r.value.as_str(), r.span)).collect::<Vec<_>>()),
            Some(Platform::VpcSelected { vpcs }) => {
                let own = vpc();
                let chosen = own.as_ref().is_some_and(|own| vpcs.iter().any(|v| v.value.eq_ignore_ascii_case(own)));
                let gaps = self.input.snapshot.column(ids::AWS_VPC).gaps(row);
                if chosen {
                    None
                } else if own.is_none() && !gaps.is_empty() {
                    Some(Stop::unsure(gaps, span))
                } else {
                    let names: Vec<&str> = vpcs.iter().map(|v| v.value.as_str()).collect();
                    let clause = vpcs.first().map(|v| v.span).or(span);
                    let stop = Stop::new(format!("VPC is not {}", names.join(" or ")), clause);
                    Some(Stop { seen: vec![self.fact(row, ids::AWS_VPC)], ..stop })
                }
            }
            Some(Platform::VpcAll { regions } | Platform::Ec2Classic { regions }) => {
                let classic = matches!(targets.platform.as_ref().map(|p| &p.value), Some(Platform::Ec2Classic { .. }));
                let own = vpc();
                let gaps = self.input.snapshot.column(ids::AWS_VPC).gaps(row);
                if own.is_none() && !gaps.is_empty() {
                    return Some(Stop::unsure(gaps, span));
                }
                if classic == own.is_some() {
                    let reason = if classic { "in a VPC, not EC2 Classic" } else { "EC2 Classic, not in a VPC" };
                    return Some(Stop { seen: vec![self.fact(row, ids::AWS_VPC)], ..Stop::new(reason, span) });
                }
                self.region(row, &regions.iter().map(|r| (r.value.as_str(), r.span)).collect::<Vec<_>>())
            }
        }
    }

    fn region(&self, row: u32, wanted: &[(&str, Span)]) -> Option<Stop> {
        let (_, clause) = *wanted.first()?;
        let (_, region_token, _) = facts_of(self.provider);
        let Some(own) = self.one(row, region_token) else {
            let gaps = self.input.snapshot.column(region_token).gaps(row);
            return Some(if gaps.is_empty() {
                Stop { seen: vec![self.fact(row, region_token)], ..Stop::new("region is unknown", Some(clause)) }
            } else {
                Stop::unsure(gaps, Some(clause))
            });
        };
        if wanted.iter().any(|(w, _)| same_region(self.provider, &own, w)) {
            return None;
        }
        let names: Vec<String> =
            wanted.iter().map(|(w, _)| region_by_code(w).map_or((*w).to_owned(), |n| format!("{n} ({w})"))).collect();
        let stop = Stop::new(format!("region is not {}", names.join(" or ")), Some(clause));
        Some(Stop { seen: vec![self.fact(row, region_token)], ..stop })
    }

    /// A tag list as one answer by Kleene's rules, with the gaps that keep it open.
    fn tags(&self, row: u32, filter: &TagFilter) -> (Truth, Vec<Gap>) {
        let each: Vec<Truth> =
            filter.tags.iter().map(|t| self.input.tags.of(&t.value).map_or(Truth::Out, |m| m.of(row))).collect();
        let (decides, other) = match filter.quantifier {
            Quantifier::Any => (Truth::In, Truth::Out),
            Quantifier::All => (Truth::Out, Truth::In),
        };
        if each.contains(&decides) {
            return (decides, Vec::new());
        }
        if each.contains(&Truth::CannotTell) {
            let names: Vec<&str> = filter.tags.iter().map(|t| t.value.as_str()).collect();
            return (Truth::CannotTell, self.input.tags.gaps(row, |n| names.contains(&n)));
        }
        (other, Vec::new())
    }

    fn tags_seen(&self, row: u32) -> Vec<String> {
        let tags = seen(self.input.snapshot, row, ids::TAGS_NAME, &self.moment());
        vec![if tags.is_empty() { "tags.name is null".into() } else { format!("tags.name: {}", tags.join(", ")) }]
    }

    fn include(&self, row: u32) -> Option<Stop> {
        let filter = self.input.job.targets.include.as_ref()?;
        match self.tags(row, filter) {
            (Truth::In, _) => None,
            (Truth::CannotTell, gaps) => Some(Stop::unsure(gaps, Some(filter.span))),
            (Truth::Out, _) => {
                let stop = Stop::new(format!("has not {}", in_words(filter)), Some(filter.span));
                Some(Stop { seen: self.tags_seen(row), ..stop })
            }
        }
    }

    fn exclude(&self, row: u32) -> Option<Stop> {
        let filter = self.input.job.targets.exclude.as_ref()?;
        match self.tags(row, filter) {
            (Truth::Out, _) => None,
            (Truth::CannotTell, gaps) => Some(Stop::unsure(gaps, Some(filter.span))),
            (Truth::In, _) => {
                let stop = Stop::new(format!("excluded by {}", in_words(filter)), Some(filter.span));
                Some(Stop { seen: self.tags_seen(row), ..stop })
            }
        }
    }

    fn condition(&self, row: u32) -> Option<Stop> {
        let query = self.input.job.targets.filter_query.as_ref()?;
        match self.where_members.as_ref()?.of(row) {
            Truth::In => None,
            Truth::CannotTell => {
                Some(Stop::unsure(query.gaps(self.input.snapshot, row, &self.moment()), Some(query.span)))
            }
            Truth::Out => {
                let explanation = query.explain(self.input.snapshot, row, &self.moment());
                Some(Stop { seen: explanation.failing(), ..Stop::new("`where` does not hold", Some(query.span)) })
            }
        }
    }

    /// Activation, then the hook. Guide rules F4, I5.
    fn submit(&self, row: u32) -> Result<Result<Narrowed, Stop>, PlanError> {
        let module = self.input.job.module.as_str();
        let modules = seen(self.input.snapshot, row, ids::ACTIVATED_FOR_MODULES, &self.moment());
        if !modules.iter().any(|m| m.eq_ignore_ascii_case(module)) {
            let own = if modules.is_empty() {
                "activatedForModules is null".to_owned()
            } else {
                format!("activatedForModules: {}", modules.join(", "))
            };
            let stop = Stop::new(format!("not activated for {module}"), Some(self.input.job.span));
            return Ok(Err(Stop { seen: vec![own], ..stop }));
        }
        let Some(hook) = self.input.hook else { return Ok(Ok(Narrowed::default())) };
        let targets = &self.input.job.targets;
        let clause = Some(targets.hook.as_ref().map_or(targets.span, |h| h.span));
        match (hook::ask(hook, self.input.snapshot, row), targets.on_hook_error) {
            (Ok(Some(said)), _) => Ok(Ok(said)),
            (Ok(None), _) => Ok(Err(Stop::new("hook returned false", clause))),
            (Err(error), OnHookError::Exclude) => Ok(Err(Stop::new(format!("hook failed: {error}"), clause))),
            (Err(error), OnHookError::Fail) => {
                let asset = self.input.snapshot.asset(row).map_or("", |a| a.id()).to_owned();
                Err(PlanError::Hook { asset, error })
            }
        }
    }
}

/// Whether a region or zone of an asset is the one that the job names: AWS by code or display name, Azure with or
/// without the spaces of its display names, Google by zone or by the region that holds the zone.
fn same_region(provider: Provider, own: &str, want: &str) -> bool {
    own.eq_ignore_ascii_case(want)
        || match provider {
            Provider::Aws => region_by_name(want) == Some(own),
            Provider::Azure => own.eq_ignore_ascii_case(&want.replace([' ', '(', ')'], "")),
            Provider::Gcp => own.rsplit_once('-').is_some_and(|(region, _)| region.eq_ignore_ascii_case(want)),
        }
}

/// Whether a partition of this region can hold assets that the job takes.
pub(super) fn takes_region(input: &PlanInput<'_>, provider: Provider, region: &str) -> bool {
    let targets = &input.job.targets;
    let wanted = match targets.platform.as_ref().map(|p| &p.value) {
        None => &targets.regions,
        Some(Platform::VpcAll { regions } | Platform::Ec2Classic { regions }) => regions,
        Some(Platform::VpcSelected { .. }) => return true,
    };
    // A zone that the job names lies in the partition of its region.
    let touches = |want: &str| same_region(provider, region, want) || same_region(provider, want, region);
    region.is_empty() || wanted.is_empty() || wanted.iter().any(|w| touches(&w.value))
}

/// `any of the tags "EC2 Tag"`. Guide rule I8.
pub(super) fn in_words(filter: &TagFilter) -> String {
    let names: Vec<String> = filter.tags.iter().map(|t| format!("\"{}\"", t.value)).collect();
    let word = match filter.quantifier {
        Quantifier::Any => "any",
        Quantifier::All => "all",
    };
    format!("{word} of the tags {}", names.join(", "))
}
