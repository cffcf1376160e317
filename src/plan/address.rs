//! From submitted assets and load balancer names to destinations: names first, only addresses that are ours, none that
//! is excluded, each once. Guide rules E8, E9, E12, F1, F2; traps T3, T6, T8, T13.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use super::funnel::Work;
use super::plan::{Excluded, Merge, Removal, Resolution, Stage};
use super::resolve::Answer;
use super::target::{Target, TargetKind, Warrant};
use crate::base::addr_set::AddrRange;
use crate::base::source::{Location, Span, Spanned};
use crate::inventory::asset::AddressScope;
use crate::inventory::catalogue::ids;
use crate::inventory::load_balancer::LoadBalancer;

/// A destination before it has its warrant.
#[derive(Debug, Clone)]
struct Candidate {
    addr: IpAddr,
    name: Option<Arc<str>>,
    interface: Arc<str>,
}

/// What addressing leaves.
#[derive(Debug, Default)]
pub(super) struct Addressed {
    pub(super) targets: Vec<Target>,
    /// Snapshot row of each target; none for load balancers.
    pub(super) rows: Vec<Option<u32>>,
    pub(super) removed: Vec<Removal>,
    pub(super) merged: Vec<Merge>,
    pub(super) additional: u64,
    pub(super) excluded: Vec<Excluded>,
    pub(super) resolutions: Vec<Resolution>,
    pub(super) load_balancers: Vec<Arc<str>>,
    owners: HashMap<IpAddr, Arc<str>>,
}

/// A load balancer to scan: named by the job, or taken from the inventory.
struct Named<'a> {
    name: Arc<str>,
    span: Span,
    record: Option<&'a LoadBalancer>,
}

pub(super) fn address(work: &Work<'_>, submitted: &[u32]) -> Addressed {
    let mut out = Addressed::default();
    let named = load_balancers(work);
    let mut names: Vec<Arc<str>> = submitted.iter().flat_map(|row| public_names(work, *row)).collect();
    names.extend(named.iter().map(|n| Arc::clone(&n.name)));
    names.sort();
    names.dedup();
    let input = work.input;
    let answers: BTreeMap<Arc<str>, Answer> = match input.resolver {
        Some(resolver) => {
            let answers = resolver.resolve(&names, input.progress, input.stop);
            answers.into_iter().map(|a| (Arc::clone(&a.name), a)).collect()
        }
        None => BTreeMap::new(),
    };
    for row in submitted {
        asset(work, *row, &answers, &mut out);
    }
    for balancer in &named {
        load_balancer(work, balancer, &answers, &mut out);
    }
    out
}

/// Public DNS names of an asset: of its addresses, else of the machine.
fn public_names(work: &Work<'_>, row: u32) -> Vec<Arc<str>> {
    let Some(asset) = work.input.snapshot.asset(row) else { return Vec::new() };
    let mut names: Vec<Arc<str>> = asset
        .interfaces()
        .into_iter()
        .flat_map(|i| i.addresses)
        .filter(|a| a.scope == AddressScope::Public)
        .filter_map(|a| a.dns)
        .collect();
    if names.is_empty() {
        names.extend(asset.text(ids::AWS_PUBLIC_DNS).map(Arc::from));
    }
    names
}

/// All public addresses of an asset, those with a name first, IPv6 only where the job wants it. Traps T3, T6.
fn candidates(work: &Work<'_>, row: u32, answers: &BTreeMap<Arc<str>, Answer>, out: &mut Addressed) -> Vec<Candidate> {
    let Some(asset) = work.input.snapshot.asset(row) else { return Vec::new() };
    let mut found: Vec<Candidate> = Vec::new();
    for interface in asset.interfaces() {
        for a in &interface.addresses {
            let wanted = a.scope == AddressScope::Public && (work.input.job.targets.ipv6 || a.addr.is_ipv4());
            if wanted && !found.iter().any(|f| f.addr == a.addr) {
                found.push(Candidate { addr: a.addr, name: a.dns.clone(), interface: Arc::clone(&interface.id) });
            }
        }
    }
    for name in public_names(work, row) {
        let Some(answer) = answers.get(&name) else { continue };
        let own = |a: &IpAddr| found.iter().any(|f| f.addr == *a);
        let (kept, refused): (Vec<IpAddr>, Vec<IpAddr>) = answer.addresses.iter().partition(|a| own(a));
        for candidate in &mut found {
            if kept.contains(&candidate.addr) {
                candidate.name = Some(Arc::clone(&name));
            } else if candidate.name.as_ref() == Some(&name) {
                // The name leads elsewhere now, so the address is scanned by itself.
                candidate.name = None;
            }
        }
        out.resolutions.push(resolution(work, answer, asset.id(), kept, refused));
    }
    found.sort_by_key(|c| c.name.is_none());
    found
}

fn resolution(work: &Work<'_>, answer: &Answer, asset: &str, kept: Vec<IpAddr>, refused: Vec<IpAddr>) -> Resolution {
    Resolution {
        name: Arc::clone(&answer.name),
        asset: asset.into(),
        resolver: Arc::clone(&answer.resolver),
        at: work.input.now,
        kept,
        refused,
        error: answer.error.clone(),
    }
}

/// The exclusion that covers an address, workspace first. Trap T8.
fn exclusion(work: &Work<'_>, addr: IpAddr) -> Option<Location> {
    let workspace = &work.input.program.workspace.exclude_addresses;
    let job = &work.input.job.targets.exclude_addresses;
    let hit = |r: &&Spanned<AddrRange>| r.value.contains(addr);
    workspace.iter().chain(job).find(hit).map(|r| work.locate(r.span))
}

fn asset(work: &Work<'_>, row: u32, answers: &BTreeMap<Arc<str>, Answer>, out: &mut Addressed) {
    let Some(record) = work.input.snapshot.asset(row) else { return };
    let id: Arc<str> = record.id().into();
    let found = candidates(work, row, answers, out);
    let removed = |reason: String, clause: Option<Location>, seen: Vec<String>| Removal {
        stage: Stage::Target,
        reason: reason.into(),
        asset: Arc::clone(&id),
        name: record.name().map(Arc::from),
        clause,
        seen,
    };
    if found.is_empty() {
        let names = public_names(work, row);
        let reason = match names.first() {
            None => "no public name or address".to_owned(),
            Some(name) => format!("the inventory has no address for its public name {name}"),
        };
        out.removed.push(removed(reason, None, Vec::new()));
        return;
    }
    let clause = selecting_clause(work);
    if let Err((addr, clause)) = add(work, &id, Some(row), TargetKind::Asset, &clause, found, out) {
        out.removed.push(removed("every address is excluded".into(), Some(clause), vec![addr.to_string()]));
    }
}

/// The clause that chose the assets: the most specific one that the job has.
fn selecting_clause(work: &Work<'_>) -> Arc<str> {
    let targets = &work.input.job.targets;
    let span = targets
        .filter_query
        .as_ref()
        .map(|q| q.span)
        .or(targets.include.as_ref().map(|t| t.span))
        .or(targets.platform.as_ref().map(|p| p.span))
        .or(targets.regions.first().map(|r| r.span))
        .unwrap_or(work.input.job.connector.span);
    work.locate(span).to_string().into()
}

/// Adds destinations; the error is the first excluded address where all are excluded.
fn add(
    work: &Work<'_>,
    id: &Arc<str>,
    row: Option<u32>,
    kind: TargetKind,
    clause: &Arc<str>,
    found: Vec<Candidate>,
    out: &mut Addressed,
) -> Result<(), (IpAddr, Location)> {
    let mut first_excluded = None;
    let mut used = 0u64;
    for candidate in found {
        let addr = candidate.addr;
        if let Some(place) = exclusion(work, addr) {
            first_excluded.get_or_insert((addr, place.clone()));
            out.excluded.push(Excluded { asset: Arc::clone(id), addr, clause: place });
            continue;
        }
        used += 1;
        if let Some(owner) = out.owners.get(&addr) {
            out.merged.push(Merge { asset: Arc::clone(id), into: Arc::clone(owner), addr });
            continue;
        }
        out.owners.insert(addr, Arc::clone(id));
        let warrant = Warrant {
            id: out.targets.len() as u32,
            snapshot: Arc::clone(work.input.snapshot.id()),
            asset: Arc::clone(id),
            interface: candidate.interface,
            clause: Arc::clone(clause),
            given: work.input.now,
            expires: work.input.expires(),
        };
        out.targets.push(Target::new(addr, candidate.name, kind, Arc::new(warrant)));
        out.rows.push(row);
    }
    match (used, first_excluded) {
        (0, Some(excluded)) => Err(excluded),
        _ => {
            out.additional += used.saturating_sub(1);
            Ok(())
        }
    }
}

fn load_balancers<'a>(work: &Work<'a>) -> Vec<Named<'a>> {
    let targets = &work.input.job.targets;
    let records = work.input.snapshot.load_balancers();
    let record = |name: &str| records.iter().find(|r| r.name.eq_ignore_ascii_case(name.trim_end_matches('.')));
    let mut named: Vec<Named<'a>> = targets
        .load_balancers
        .iter()
        .map(|n| Named { name: n.value.trim_end_matches('.').into(), span: n.span, record: record(&n.value) })
        .collect();
    if targets.load_balancers_from_connector {
        let connector = &work.input.job.connector.value;
        for r in records.iter().filter(|r| r.internet_facing && r.active && *r.connector == **connector) {
            if !named.iter().any(|n| n.name.eq_ignore_ascii_case(&r.name)) {
                named.push(Named { name: Arc::clone(&r.name), span: targets.span, record: Some(r) });
            }
        }
    }
    named.dedup_by(|a, b| a.name.eq_ignore_ascii_case(&b.name));
    named
}

/// A load balancer is warranted by the job's own line. Where the provider publishes its addresses, only those count;
/// otherwise all that its name resolves to, but none that cannot be a public load balancer's.
fn load_balancer(work: &Work<'_>, named: &Named<'_>, answers: &BTreeMap<Arc<str>, Answer>, out: &mut Addressed) {
    out.load_balancers.push(Arc::clone(&named.name));
    let published: &[IpAddr] = named.record.map_or(&[], |r| &r.addresses);
    let answer = answers.get(&named.name);
    let resolved: Vec<IpAddr> = answer.map(|a| a.addresses.clone()).unwrap_or_default();
    let (kept, refused): (Vec<IpAddr>, Vec<IpAddr>) = if published.is_empty() {
        resolved.into_iter().partition(|a| can_be_public(*a))
    } else {
        resolved.into_iter().partition(|a| published.contains(a))
    };
    let addresses = if kept.is_empty() { published.to_vec() } else { kept.clone() };
    if let Some(answer) = answer {
        out.resolutions.push(resolution(work, answer, &named.name, kept, refused));
    }
    let wanted = |a: &IpAddr| a.is_ipv4() || work.input.job.targets.ipv6;
    let candidate = |addr: IpAddr| Candidate { addr, name: Some(Arc::clone(&named.name)), interface: "".into() };
    let found: Vec<Candidate> = addresses.into_iter().filter(wanted).map(candidate).collect();
    let place = work.locate(named.span);
    let removed = |reason: String, clause: Location| Removal {
        stage: Stage::Target,
        reason: reason.into(),
        asset: Arc::clone(&named.name),
        name: None,
        clause: Some(clause),
        seen: Vec::new(),
    };
    if found.is_empty() {
        let reason = match answer {
            None => "names are not resolved in this plan".to_owned(),
            Some(Answer { error: Some(error), .. }) => format!("its name did not resolve: {error}"),
            Some(_) => "its name resolves to no public address of it".to_owned(),
        };
        out.removed.push(removed(reason, place));
        return;
    }
    let clause: Arc<str> = place.to_string().into();
    if let Err((_, clause)) = add(work, &named.name, None, TargetKind::LoadBalancer, &clause, found, out) {
        out.removed.push(removed("every address is excluded".into(), clause));
    }
}

/// False for addresses that only a broken or hostile answer gives for a public name.
fn can_be_public(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(a) => {
            let shared = a.octets().starts_with(&[100]) && (64..128).contains(&a.octets().get(1).copied().unwrap_or(0));
            !(a.is_unspecified()
                || a.is_loopback()
                || a.is_private()
                || a.is_link_local()
                || a.is_multicast()
                || a.is_broadcast()
                || shared)
        }
        IpAddr::V6(a) => {
            !(a.is_unspecified()
                || a.is_loopback()
                || a.is_multicast()
                || a.is_unique_local()
                || a.is_unicast_link_local())
        }
    }
}
