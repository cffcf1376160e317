//! After the conversations: names that hosts showed are looked up, and their addresses are held against the inventory, so
//! that checks can tell names that lead elsewhere. Only name servers are asked; no address that is found is sent to.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::env::Env;
use crate::inventory::asset::{AddressScope, Provider};
use crate::inventory::catalogue::state::is_gone;
use crate::inventory::catalogue::{TokenId, ids};
use crate::inventory::snapshot::{AssetRow, Snapshot};
use crate::plan::resolve::{Authorities, Hickory, Resolver};
use crate::service::evidence::HostEvidence;

/// Names of one host, and of a run, that are looked up.
const MOST_OF_HOST: usize = 16;
const MOST_NAMES: usize = 2_000;

/// What the inventory says of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    /// An asset has it.
    Ours,
    /// An asset had it, and is gone or has lost it.
    Was(Arc<str>),
}

/// Looks names up and writes what is found into the hosts' facts.
pub(super) fn stage(
    hosts: &mut [HostEvidence],
    snapshot: &Snapshot,
    before: &[HostEvidence],
    resolver: &Hickory,
    env: &Env,
) {
    let names = names_of(hosts);
    let answers = resolver.resolve(&names, env.progress.as_ref(), &env.stop);
    let mut found: HashMap<Arc<str>, Vec<IpAddr>> = HashMap::new();
    for answer in answers.into_iter().filter(|a| a.error.is_none()) {
        found.insert(answer.name, answer.addresses);
    }
    let public: BTreeSet<Arc<str>> = hosts.iter().flat_map(certified).collect();
    let public: Vec<Arc<str>> = public.into_iter().filter(|n| found.contains_key(n)).collect();
    let authorities = resolver.authorities(&public, &env.stop);
    let wanted: HashSet<IpAddr> = found.values().flatten().copied().collect();
    let owners = owners(snapshot, before, &wanted);
    hosts.iter_mut().for_each(|host| write(host, &found, &owners));
    hosts.iter_mut().for_each(|host| write_authorities(host, &authorities));
}

/// A name that public zones can hold.
fn sound(name: &str) -> bool {
    let letters = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let inner = [".local", ".internal", ".lan", ".corp", ".localdomain", ".invalid", ".test", ".example", ".localhost"];
    letters
        && name.contains('.')
        && name.len() <= 253
        && name.parse::<IpAddr>().is_err()
        && !inner.iter().any(|end| name.ends_with(end))
}

/// Names of a host: the one it was chosen by, and those of its certificates.
fn shown(host: &HostEvidence) -> BTreeSet<Arc<str>> {
    let certificates = host.services.iter().filter_map(|s| s.facts.list("tls.certificate.names")).flatten();
    let own = host.name.as_deref().map(|n| n.trim_end_matches('.').to_ascii_lowercase());
    let all = own.into_iter().chain(certificates.map(|n| n.to_ascii_lowercase()));
    all.filter(|n| sound(n)).map(Arc::from).take(MOST_OF_HOST).collect()
}

fn names_of(hosts: &[HostEvidence]) -> Vec<Arc<str>> {
    let all: BTreeSet<Arc<str>> = hosts.iter().flat_map(shown).collect();
    all.into_iter().take(MOST_NAMES).collect()
}

/// Names of certificates that public roots vouch for.
fn certified(host: &HostEvidence) -> Vec<Arc<str>> {
    let trusted = host.services.iter().filter(|s| s.facts.bool("tls.certificate.trusted") == Some(true));
    let names = trusted.filter_map(|s| s.facts.list("tls.certificate.names")).flatten();
    names.filter(|n| sound(n)).map(|n| Arc::from(n.to_ascii_lowercase())).take(MOST_OF_HOST).collect()
}

const fn state_token(provider: Provider) -> TokenId {
    match provider {
        Provider::Aws => ids::AWS_STATE,
        Provider::Azure => ids::AZURE_STATE,
        Provider::Gcp => ids::GCP_STATE,
    }
}

fn gone(asset: &AssetRow<'_>) -> bool {
    asset.text(state_token(asset.provider())).is_some_and(|state| is_gone(asset.provider(), state))
}

/// Who has, or had, each of these addresses; what is missing was never the inventory's.
pub(super) fn owners(snapshot: &Snapshot, before: &[HostEvidence], wanted: &HashSet<IpAddr>) -> HashMap<IpAddr, Owner> {
    let mut owners: HashMap<IpAddr, Owner> = HashMap::new();
    for asset in (0..snapshot.len()).filter_map(|row| snapshot.asset(row)) {
        let interfaces = asset.interfaces();
        let public = interfaces.iter().flat_map(|i| &i.addresses).filter(|a| a.scope == AddressScope::Public);
        for addr in public.map(|a| a.addr.to_canonical()).filter(|a| wanted.contains(a)) {
            if !gone(&asset) {
                owners.insert(addr, Owner::Ours);
            } else {
                owners.entry(addr).or_insert_with(|| Owner::Was(asset.id().into()));
            }
        }
    }
    for host in before.iter().filter(|h| wanted.contains(&h.addr) && !h.unattributed) {
        // A load balancer's addresses come and go with its name, and are not its own.
        let balancer = snapshot.load_balancers().iter().any(|b| b.id == host.asset);
        if !balancer && host.name.as_deref() != Some(&*host.asset) {
            owners.entry(host.addr).or_insert_with(|| Owner::Was(Arc::clone(&host.asset)));
        }
    }
    owners
}

/// Private and other special addresses are nobody's in public.
fn is_public(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(a) => {
            !(a.is_private() || a.is_loopback() || a.is_link_local() || a.is_unspecified() || a.is_multicast())
        }
        IpAddr::V6(a) => !(a.is_loopback() || a.is_unspecified() || a.is_multicast() || a.is_unique_local()),
    }
}

fn write(host: &mut HostEvidence, found: &HashMap<Arc<str>, Vec<IpAddr>>, owners: &HashMap<IpAddr, Owner>) {
    let (mut all, mut elsewhere, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    let names = shown(host);
    for (name, addresses) in names.iter().filter_map(|n| found.get(n).map(|a| (n, a))) {
        all.extend(addresses.iter().map(|a| format!("{name} {a}")));
        let ours = |a: &IpAddr| *a == host.addr || owners.get(a) == Some(&Owner::Ours);
        for addr in addresses.iter().filter(|a| is_public(**a) && !ours(a)) {
            match owners.get(addr) {
                Some(Owner::Was(asset)) => gone.push(format!("{name} {addr} {asset}")),
                // Names with several homes are common; only those with none of ours are told.
                _ if !addresses.iter().any(ours) => elsewhere.push(format!("{name} {addr}")),
                _ => {}
            }
        }
    }
    if names.iter().any(|n| found.contains_key(n)) {
        host.facts.set("dns.names", all);
        host.facts.set("dns.elsewhere", elsewhere);
        host.facts.set("dns.gone", gone);
    }
}

fn write_authorities(host: &mut HostEvidence, authorities: &[Authorities]) {
    let own: BTreeSet<Arc<str>> = certified(host).into_iter().collect();
    let (mut allowed, mut missing): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let mut told = false;
    for answer in authorities.iter().filter(|a| own.contains(&a.name)) {
        let Ok(records) = &answer.records else { continue };
        told = true;
        if records.is_empty() {
            missing.push(answer.name.to_string());
        }
        allowed.extend(records.iter().map(|r| format!("{} {r}", answer.name)));
    }
    if told {
        host.facts.set("dns.caa", allowed);
        host.facts.set("dns.caa_missing", missing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::evidence::Facts;

    fn host(addr: &str, name: &str) -> HostEvidence {
        HostEvidence {
            asset: "i-1".into(),
            addr: addr.parse().unwrap(),
            name: Some(name.into()),
            facts: Facts::default(),
            services: Vec::new(),
            unattributed: false,
        }
    }

    #[test]
    fn addresses_are_told_by_who_has_them() {
        let found: HashMap<Arc<str>, Vec<IpAddr>> = [
            ("www.example.com".into(), vec!["198.51.100.1".parse().unwrap(), "198.51.100.9".parse().unwrap()]),
            ("old.example.com".into(), vec!["198.51.100.2".parse().unwrap()]),
            ("cdn.example.com".into(), vec!["203.0.113.9".parse().unwrap()]),
            ("in.example.com".into(), vec!["10.0.0.1".parse().unwrap()]),
        ]
        .into();
        let owners: HashMap<IpAddr, Owner> = [
            ("198.51.100.9".parse().unwrap(), Owner::Ours),
            ("198.51.100.2".parse().unwrap(), Owner::Was("i-9".into())),
        ]
        .into();
        for (name, elsewhere, gone) in [
            ("www.example.com", "", ""),
            ("old.example.com", "", "old.example.com 198.51.100.2 i-9"),
            ("cdn.example.com.", "cdn.example.com 203.0.113.9", ""),
            ("in.example.com", "", ""),
        ] {
            let mut host = host("198.51.100.1", name);
            write(&mut host, &found, &owners);
            let list = |path: &str| host.facts.list(path).unwrap().join(", ");
            assert_eq!((list("dns.elsewhere").as_str(), list("dns.gone").as_str()), (elsewhere, gone), "{name}");
        }
        let mut unread = host("198.51.100.1", "nothing.example.com");
        write(&mut unread, &found, &owners);
        assert!(unread.facts.is_empty(), "a name without an answer is not one that leads nowhere");
    }

    #[test]
    fn only_names_of_public_zones_are_asked() {
        for (name, want) in [
            ("www.example.com", true),
            ("*.example.com", false),
            ("localhost", false),
            ("host.internal", false),
            ("192.0.2.1", false),
            ("a b.example.com", false),
        ] {
            assert_eq!(sound(name), want, "{name}");
        }
    }
}
