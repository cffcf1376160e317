//! Google's forwarding rules, which are what a load balancer shows to the world, and reserved addresses, from `list`,
//! `aggregatedList` and `gcloud compute forwarding-rules list` and `addresses list`. Neither has a public DNS name.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use serde::Deserialize;

use crate::connector::desk::{Desk, Record, last_segment, segment_after};
use crate::connector::lenient::{Text, some};
use crate::inventory::asset::{AddressOrigin, AddressScope, Provider};
use crate::inventory::load_balancer::LoadBalancer;
use crate::inventory::partition::Kind;

/// A forwarding rule, only the members that are read.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ForwardingRule<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(rename = "IPAddress")]
    address: Option<Text<'a>>,
    load_balancing_scheme: Option<Text<'a>>,
    region: Option<Text<'a>>,
    self_link: Option<Text<'a>>,
}

/// A reserved address, only the members that are read.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct AddressEntry<'a> {
    #[serde(borrow)]
    address: Option<Text<'a>>,
    address_type: Option<Text<'a>>,
    region: Option<Text<'a>>,
    self_link: Option<Text<'a>>,
}

/// What has to wait until all files are read.
#[derive(Default)]
pub(super) struct GcpEdge {
    /// Reserved external addresses by project.
    reserved: HashSet<(Arc<str>, IpAddr)>,
    /// One entry an address: rules for several ports of it are one load balancer.
    balancers: BTreeMap<(Arc<str>, Arc<str>, IpAddr), LoadBalancer>,
}

/// Project and region of a regional or global resource; the region is empty for a global one.
fn place(
    desk: &mut Desk<'_>,
    region: Option<&Text<'_>>,
    link: Option<&Text<'_>>,
    record: &Record<'_>,
) -> (Arc<str>, Arc<str>) {
    let (region, link) = (some(region), some(link).unwrap_or(""));
    let project = segment_after(link, "projects").or_else(|| segment_after(region?, "projects"));
    let account = project.map(|p| desk.share(p)).or_else(|| record.envelope.account.clone()).unwrap_or_default();
    let code = region.map(last_segment).or_else(|| segment_after(link, "regions"));
    let region = code.map(|r| desk.share(r)).or_else(|| record.envelope.region.clone()).unwrap_or_default();
    (account, region)
}

impl GcpEdge {
    /// One forwarding rule.
    pub(super) fn forwarding_rule(&mut self, desk: &mut Desk<'_>, r: &ForwardingRule<'_>, record: &mut Record<'_>) {
        let (account, region) = place(desk, r.region.as_ref(), r.self_link.as_ref(), record);
        if !desk.wants(&region) {
            return;
        }
        let partition = desk.read(record, (&account, &region), Kind::LoadBalancers);
        let Some(text) = some(r.address.as_ref()) else { return };
        // External IPv6 rules hold a /96 whose first address stands for it.
        let Some(addr) = desk.address(text.split('/').next().unwrap_or(text), record.site) else { return };
        let Some(id) = some(r.id.as_ref()).filter(|id| desk.fits(id, record.site)) else {
            return desk.drop_record(record, Kind::LoadBalancers, "it has no `id`");
        };
        let facing = some(r.load_balancing_scheme.as_ref()).is_some_and(|s| s.starts_with("EXTERNAL"));
        let found = self.balancers.entry((account, Arc::clone(&region), addr)).or_insert_with(|| LoadBalancer {
            name: addr.to_string().into(),
            id: id.into(),
            provider: Provider::Gcp,
            connector: Arc::clone(&desk.spec.name),
            region,
            partition,
            internet_facing: facing,
            active: true,
            addresses: vec![addr],
        });
        found.internet_facing |= facing;
    }

    /// One reserved address.
    pub(super) fn address(&mut self, desk: &mut Desk<'_>, a: &AddressEntry<'_>, record: &mut Record<'_>) {
        let (account, region) = place(desk, a.region.as_ref(), a.self_link.as_ref(), record);
        if !desk.wants(&region) {
            return;
        }
        desk.read(record, (&account, &region), Kind::Addresses);
        if some(a.address_type.as_ref()).is_some_and(|t| t != "EXTERNAL") {
            return;
        }
        let Some(text) = some(a.address.as_ref()) else { return };
        if let Some(addr) = desk.address(text.split('/').next().unwrap_or(text), record.site) {
            self.reserved.insert((account, addr));
        }
    }

    /// Says which of the machines' addresses are reserved, and hands out the load balancers.
    pub(super) fn finish(self, desk: &mut Desk<'_>) {
        let Self { reserved, balancers } = self;
        desk.load_balancers.extend(balancers.into_values());
        if reserved.is_empty() {
            return;
        }
        for asset in desk.assets.iter_mut().filter(|a| a.provider == Provider::Gcp) {
            let Some(place) = desk.coverage.get(asset.partition) else { continue };
            let addresses = asset.interfaces.iter_mut().flat_map(|i| &mut i.addresses);
            for address in addresses.filter(|a| a.scope == AddressScope::Public) {
                if reserved.contains(&(Arc::clone(&place.account), address.addr)) {
                    address.origin = AddressOrigin::Elastic;
                }
            }
        }
    }
}
