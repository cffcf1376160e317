//! From submitted assets and load balancer names to destinations: names first, only addresses that are ours, none that
//! is excluded, each once. Guide rules E8, E9, E12, F1, F2; traps T3, T6, T8, T13.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::funnel::{Work, cannot_tell};
use super::plan::{Excluded, Merge, Removal, Resolution, Stage};
use super::resolve::Answer;
use super::target::{Target, TargetKind, Warrant};
use crate::base::addr_set::{AddrRange, AddrSet, canonical};
use crate::base::fast::FastMap;
use crate::base::source::{Location, Span, Spanned};
use crate::inventory::asset::{Address, AddressScope, Interface};
use crate::inventory::catalogue::ids;
use crate::inventory::load_balancer::LoadBalancer;
use crate::inventory::partition::Gap;
use crate::inventory::snapshot::AssetRow;

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
    /// Target index and row of assets that were merged into another asset's target.
    pub(super) sharers: Vec<(u32, u32)>,
    /// Assets without a public address of which some addresses were not read.
    pub(super) unsure: Vec<(Arc<str>, Vec<Gap>)>,
    /// The line that chose the assets.
    clause: Arc<str>,
    owners: FastMap<IpAddr, (u32, Arc<str>)>,
    exclusions: AddrSet,
}

/// Whose destinations are added, and because of which line.
struct Owner {
    id: Arc<str>,
    row: Option<u32>,
    kind: TargetKind,
    clause: Arc<str>,
}

/// A load balancer to scan: named by the job, or taken from the inventory.
struct Named<'a> {
    name: Arc<str>,
    span: Span,
    record: Option<&'a LoadBalancer>,
}

pub(super) fn address(work: &Work<'_>, submitted: &[u32]) -> Addressed {
    let mut out = Addressed { exclusions: exclusions(work), clause: selecting_clause(work), ..Addressed::default() };
    let named = load_balancers(work);
    let input = work.input;
    let answers: BTreeMap<Arc<str>, Answer> = match input.resolver {
        Some(resolver) => {
            let assets = submitted.iter().filter_map(|row| input.snapshot.asset(*row));
            let mut names: Vec<Arc<str>> = assets.flat_map(|a| public_names(a, &a.interfaces())).collect();
            names.extend(named.iter().map(|n| Arc::clone(&n.name)));
            names.sort();
            names.dedup();
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
fn public_names(asset: AssetRow<'_>, interfaces: &[Interface]) -> Vec<Arc<str>> {
    let mut names: Vec<Arc<str>> = interfaces
        .iter()
        .flat_map(|i| &i.addresses)
        .filter(|a| a.scope == AddressScope::Public)
        .filter_map(|a| a.dns.clone())
        .collect();
    if names.is_empty() {
        names.extend(asset.text(ids::AWS_PUBLIC_DNS).map(Arc::from));
    }
    names
}

/// All public addresses of an asset, those with a name first, IPv6 only where the job wants it. Traps T3, T6.
fn candidates(
    work: &Work<'_>,
    asset: AssetRow<'_>,
    interfaces: &[Interface],
    answers: &BTreeMap<Arc<str>, Answer>,
    out: &mut Addressed,
) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    let mut places: FastMap<IpAddr, usize> = FastMap::default();
    for interface in interfaces {
        for a in interface.addresses.iter().filter(|a| wanted(work, a)) {
            let addr = canonical(a.addr);
            if let Entry::Vacant(place) = places.entry(addr) {
                place.insert(found.len());
                found.push(Candidate { addr, name: a.dns.clone(), interface: Arc::clone(&interface.id) });
            }
        }
    }
    let names = if answers.is_empty() { Vec::new() } else { public_names(asset, interfaces) };
    for name in names {
        let Some(answer) = answers.get(&name) else { continue };
        let (kept, refused): (Vec<IpAddr>, Vec<IpAddr>) =
            answer.addresses.iter().map(|a| canonical(*a)).partition(|a| places.contains_key(a));
        for candidate in found.iter_mut().filter(|c| c.name.as_ref() == Some(&name)) {
            // Where the name leads elsewhere now, the address is scanned by itself.
            candidate.name = kept.contains(&candidate.addr).then(|| Arc::clone(&name));
        }
        for place in kept.iter().filter_map(|a| places.get(a)) {
            if let Some(candidate) = found.get_mut(*place) {
                candidate.name = Some(Arc::clone(&name));
            }
        }
        out.resolutions.push(resolution(work, answer, asset.id(), kept, refused));
    }
    found.sort_by_key(|c| c.name.is_none());
    found
}

/// Public, and of a family that the job takes.
fn wanted(work: &Work<'_>, address: &Address) -> bool {
    address.scope == AddressScope::Public && family_wanted(work, address.addr)
}

fn family_wanted(work: &Work<'_>, addr: IpAddr) -> bool {
    work.input.job.targets.ipv6 || canonical(addr).is_ipv4()
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

/// Workspace and job together.
pub(super) fn exclusions(work: &Work<'_>) -> AddrSet {
    let workspace = work.input.program.workspace.exclude_addresses.iter();
    workspace.chain(&work.input.job.targets.exclude_addresses).map(|r| r.value).collect()
}

/// The exclusion that covers an address, workspace first. Trap T8.
fn exclusion(work: &Work<'_>, all: &AddrSet, addr: IpAddr) -> Option<Location> {
    if !all.contains(addr) {
        return None;
    }
    let workspace = &work.input.program.workspace.exclude_addresses;
    let job = &work.input.job.targets.exclude_addresses;
    let hit = |r: &&Spanned<AddrRange>| r.value.contains(addr);
    workspace.iter().chain(job).find(hit).map(|r| work.locate(r.span))
}

fn asset(work: &Work<'_>, row: u32, answers: &BTreeMap<Arc<str>, Answer>, out: &mut Addressed) {
    let Some(record) = work.input.snapshot.asset(row) else { return };
    let id: Arc<str> = record.id().into();
    let interfaces = record.interfaces();
    let found = candidates(work, record, &interfaces, answers, out);
    let removed = |reason: String, clause: Option<Location>, seen: Vec<String>| Removal {
        stage: Stage::Target,
        reason: reason.into(),
        asset: Arc::clone(&id),
        name: record.name().map(Arc::from),
        clause,
        seen,
    };
    if found.is_empty() {
        let (reason, clause, gaps) = no_address(work, record);
        if !gaps.is_empty() {
            out.unsure.push((Arc::clone(&id), gaps));
        }
        out.removed.push(removed(reason, clause, addresses_seen(record)));
        return;
    }
    let owner = Owner { id: Arc::clone(&id), row: Some(row), kind: TargetKind::Asset, clause: Arc::clone(&out.clause) };
    if let Err((addr, clause)) = add(work, &owner, found, out) {
        out.removed.push(removed("every address is excluded".into(), Some(clause), vec![addr.to_string()]));
    }
}

/// Why an asset has no destination. Where its public address was not read, that is no proof that it has none.
fn no_address(work: &Work<'_>, record: AssetRow<'_>) -> (String, Option<Location>, Vec<Gap>) {
    let interfaces = record.interfaces();
    let public = interfaces.iter().flat_map(|i| &i.addresses).any(|a| a.scope == AddressScope::Public);
    if public {
        let reason = "its public addresses are IPv6, which the scan leaves out";
        return (reason.into(), Some(work.locate(work.input.job.targets.span)), Vec::new());
    }
    let gaps = work.input.snapshot.column(work.public_address()).gaps(record.row());
    if !gaps.is_empty() {
        return (cannot_tell(&gaps), None, gaps);
    }
    let reason = match public_names(record, &interfaces).first() {
        None => "no public name or address".to_owned(),
        Some(name) => format!("the inventory has no address for its public name {name}"),
    };
    (reason, None, Vec::new())
}

/// The first few addresses with their scope.
fn addresses_seen(record: AssetRow<'_>) -> Vec<String> {
    let word = |scope| match scope {
        AddressScope::Private => "private",
        AddressScope::Public => "public",
        AddressScope::Unproven => "not proven to be public",
    };
    let interfaces = record.interfaces();
    interfaces.iter().flat_map(|i| &i.addresses).take(8).map(|a| format!("{} is {}", a.addr, word(a.scope))).collect()
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
fn add(work: &Work<'_>, owner: &Owner, found: Vec<Candidate>, out: &mut Addressed) -> Result<(), (IpAddr, Location)> {
    let mut first_excluded = None;
    let mut used = 0u64;
    for candidate in found {
        let addr = candidate.addr;
        if let Some(place) = exclusion(work, &out.exclusions, addr) {
            first_excluded.get_or_insert((addr, place.clone()));
            out.excluded.push(Excluded { asset: Arc::clone(&owner.id), addr, clause: place });
            continue;
        }
        used += 1;
        if let Some((target, first)) = out.owners.get(&addr) {
            out.merged.push(Merge { asset: Arc::clone(&owner.id), into: Arc::clone(first), addr });
            out.sharers.extend(owner.row.map(|row| (*target, row)));
            continue;
        }
        let number = out.targets.len() as u32;
        out.owners.insert(addr, (number, Arc::clone(&owner.id)));
        let warrant = Warrant {
            id: number,
            snapshot: Arc::clone(work.input.snapshot.id()),
            asset: Arc::clone(&owner.id),
            interface: candidate.interface,
            clause: Arc::clone(&owner.clause),
            given: work.input.now,
            expires: work.input.expires(),
        };
        out.targets.push(Target::new(addr, candidate.name, owner.kind, Arc::new(warrant)));
        out.rows.push(owner.row);
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
    let all = work.input.snapshot.load_balancers().iter().enumerate();
    let records: Vec<&LoadBalancer> =
        all.filter(|(i, _)| !work.input.snapshot.is_stale_load_balancer(*i)).map(|(_, l)| l).collect();
    let record = |name: &str| records.iter().copied().find(|r| r.name.eq_ignore_ascii_case(name.trim_end_matches('.')));
    let mut named: Vec<Named<'a>> = targets
        .load_balancers
        .iter()
        .map(|n| Named { name: n.value.trim_end_matches('.').into(), span: n.span, record: record(&n.value) })
        .collect();
    if targets.load_balancers_from_connector {
        let connector = &work.input.job.connector.value;
        for r in records.iter().copied().filter(|r| r.internet_facing && r.active && *r.connector == **connector) {
            if !named.iter().any(|n| n.name.eq_ignore_ascii_case(&r.name)) {
                named.push(Named { name: Arc::clone(&r.name), span: targets.span, record: Some(r) });
            }
        }
    }
    let mut known = HashSet::new();
    named.retain(|n| known.insert(n.name.to_ascii_lowercase()));
    named
}

/// A load balancer is warranted by the job's own line. Where the provider publishes its addresses, only those count;
/// otherwise all that its name resolves to, but none that cannot be a public load balancer's.
fn load_balancer(work: &Work<'_>, named: &Named<'_>, answers: &BTreeMap<Arc<str>, Answer>, out: &mut Addressed) {
    out.load_balancers.push(Arc::clone(&named.name));
    let mut published: Vec<IpAddr> =
        named.record.map_or(&[][..], |r| &r.addresses).iter().map(|a| canonical(*a)).collect();
    published.sort();
    published.dedup();
    let answer = answers.get(&named.name);
    // An IPv4-mapped answer is judged, and sent to, as the IPv4 address that it is.
    let mut resolved: Vec<IpAddr> = answer.map_or(&[][..], |a| &a.addresses).iter().map(|a| canonical(*a)).collect();
    resolved.sort();
    resolved.dedup();
    let (kept, refused): (Vec<IpAddr>, Vec<IpAddr>) = if published.is_empty() {
        resolved.into_iter().partition(|a| can_be_public(*a))
    } else {
        resolved.into_iter().partition(|a| published.contains(a))
    };
    let addresses = if kept.is_empty() { published } else { kept.clone() };
    let seen: Vec<String> = refused.iter().map(|a| format!("{a} is no public address of it")).collect();
    if let Some(answer) = answer {
        out.resolutions.push(resolution(work, answer, &named.name, kept, refused));
    }
    let wanted = |a: &IpAddr| family_wanted(work, *a);
    let candidate = |addr: IpAddr| Candidate { addr, name: Some(Arc::clone(&named.name)), interface: "".into() };
    let found: Vec<Candidate> = addresses.into_iter().filter(wanted).map(candidate).collect();
    let place = work.locate(named.span);
    let removed = |reason: String, clause: Location| Removal {
        stage: Stage::Target,
        reason: reason.into(),
        asset: Arc::clone(&named.name),
        name: None,
        clause: Some(clause),
        seen: seen.clone(),
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
    let owner = Owner { id: Arc::clone(&named.name), row: None, kind: TargetKind::LoadBalancer, clause };
    if let Err((addr, clause)) = add(work, &owner, found, out) {
        let removal = removed("every address is excluded".into(), clause);
        out.removed.push(Removal { seen: vec![addr.to_string()], ..removal });
    }
}

/// False for addresses that only a broken or hostile answer gives for a public name: special-purpose ranges of the
/// IANA registries (RFC 6890), and forms that carry an IPv4 address inside. Ranges for documentation and benchmarks
/// pass: they lead nowhere on the internet, and laboratories use them. 168.63.129.16 is Azure's own host agent.
fn can_be_public(addr: IpAddr) -> bool {
    match canonical(addr) {
        IpAddr::V4(a) => {
            let [first, second, third, _] = a.octets();
            !(first == 0
                || first >= 224
                || a.is_loopback()
                || a.is_private()
                || a.is_link_local()
                || (first == 100 && (64..128).contains(&second))
                || (first, second, third) == (192, 0, 0)
                || a.octets() == [168, 63, 129, 16])
        }
        IpAddr::V6(a) => {
            let [first, second, ..] = a.segments();
            // ::/8 holds unspecified, loopback and IPv4-compatible; 64:ff9b is NAT64, 2002 6to4, 2001:0 Teredo.
            !(first < 0x100
                || a.is_multicast()
                || a.is_unique_local()
                || a.is_unicast_link_local()
                || first & 0xffc0 == 0xfec0
                || first == 0x2002
                || (first, second) == (0x2001, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::can_be_public;

    #[test]
    fn no_answer_leads_inside() {
        for inside in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.9",
            "192.168.1.1",
            "168.63.129.16",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::1",
            "2001::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!can_be_public(inside.parse().unwrap()), "{inside}");
        }
        for outside in
            ["192.0.2.1", "198.18.0.1", "100.128.0.1", "203.0.113.9", "2001:db8::1", "2600::1", "::ffff:192.0.2.1"]
        {
            assert!(can_be_public(outside.parse().unwrap()), "{outside}");
        }
    }
}
