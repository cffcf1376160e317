//! Microsoft's load balancers and application gateways: their front ends, joined with the public addresses.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::base::diagnostic::Severity;
use crate::connector::azure::{Azure, Configuration, PublicAddress, configuration};
use crate::connector::azure_record::Body;
use crate::connector::desk::{Desk, Record, last_segment, shown};
use crate::connector::lenient::some;
use crate::connector::notice::Site;
use crate::inventory::asset::Provider;
use crate::inventory::load_balancer::LoadBalancer;
use crate::inventory::partition::{Kind, PartitionId};

/// A load balancer whose public addresses are still to come.
pub(super) struct Balancer {
    file: Arc<str>,
    id: Arc<str>,
    region: Arc<str>,
    partition: PartitionId,
    active: bool,
    fronts: Vec<Configuration>,
}

impl Balancer {
    /// Takes one record.
    pub(super) fn read(
        desk: &mut Desk<'_>,
        place: (&str, &Arc<str>, PartitionId),
        body: &Body<'_>,
        record: &Record<'_>,
    ) -> Self {
        let (id, region, partition) = place;
        let mut fronts = Vec::new();
        for c in body.frontends.iter().flatten().take(desk.limits.addresses_per_interface) {
            fronts.push(configuration(desk, c, record.site));
        }
        // Only application gateways can be stopped, and say so; a load balancer is there or not.
        let stopped = matches!(some(body.operational_state.as_ref()), Some("Stopped" | "Stopping"));
        let (file, region) = (Arc::clone(record.site.file), Arc::clone(region));
        Self { file, id: id.into(), region, partition, active: !stopped, fronts }
    }

    fn as_load_balancer(&self, desk: &Desk<'_>) -> LoadBalancer {
        LoadBalancer {
            name: Arc::clone(&self.id),
            id: Arc::clone(&self.id),
            provider: Provider::Azure,
            connector: Arc::clone(&desk.spec.name),
            region: Arc::clone(&self.region),
            partition: self.partition,
            internet_facing: false,
            active: self.active,
            addresses: Vec::new(),
        }
    }
}

impl Azure {
    /// One load balancer a public front end; where a balancer has none, one for its private addresses.
    pub(super) fn hand_out_balancers(&self, desk: &mut Desk<'_>) {
        let mut done: BTreeSet<&str> = BTreeSet::new();
        for balancer in self.balancers.values() {
            let mut missing = BTreeSet::new();
            let public = balancer.fronts.iter().filter_map(|f| f.public.as_deref());
            for id in public.clone() {
                match self.addresses.get(id) {
                    Some(address) if done.insert(id) => show_front(desk, address, balancer.as_load_balancer(desk)),
                    Some(_) => {}
                    None => {
                        missing.insert(shown(last_segment(id)));
                    }
                }
            }
            if let Some(example) = missing.first() {
                let text =
                    format!("public addresses of front ends are not recorded: {}, such as `{example}`", missing.len());
                desk.coverage.partial(balancer.partition, &text);
                desk.notices.warning("P0362", Site::file(&balancer.file), text);
            }
            let private: Vec<_> = balancer.fronts.iter().filter_map(|f| f.private).collect();
            if let (None, Some(first)) = (public.clone().next(), private.first()) {
                let name = first.to_string().into();
                let internal = LoadBalancer { name, addresses: private, ..balancer.as_load_balancer(desk) };
                desk.load_balancers.push(internal);
            }
        }
        for (id, address) in &self.addresses {
            if !done.contains(id.as_str()) {
                self.front_without_record(desk, address);
            }
        }
    }

    /// A public address that says itself what it fronts, where that was not recorded.
    fn front_without_record(&self, desk: &mut Desk<'_>, address: &PublicAddress) {
        let Some(attached) = address.attached.as_deref() else { return };
        if !attached.contains("/loadbalancers/") && !attached.contains("/applicationgateways/") {
            return;
        }
        let Some(place) = desk.coverage.get(address.partition) else { return };
        let (account, region) = (Arc::clone(&place.account), Arc::clone(&place.region));
        let partition = desk.coverage.read(&account, &region, Kind::LoadBalancers);
        let owner = attached.split("/frontendipconfigurations/").next().unwrap_or(attached);
        let known = self.balancers.get(owner);
        let bare = LoadBalancer {
            name: Arc::clone(&address.id),
            id: Arc::clone(&address.id),
            provider: Provider::Azure,
            connector: Arc::clone(&desk.spec.name),
            region,
            partition,
            internet_facing: true,
            active: known.is_none_or(|b| b.active),
            addresses: Vec::new(),
        };
        show_front(desk, address, bare);
    }
}

/// Names a front end by its public address; one that has none yet is nothing to scan.
fn show_front(desk: &mut Desk<'_>, address: &PublicAddress, balancer: LoadBalancer) {
    let name = address.dns.clone().or_else(|| address.addr.map(|a| a.to_string().into()));
    let Some(name) = name else { return };
    if address.dns.is_none() {
        let text = format!(
            "`{}` fronts a load balancer and has no DNS name; its address stands for it",
            shown(last_segment(&address.id))
        );
        desk.notices.at(Severity::Advice, "P0362", Site::file(&address.file), text);
    }
    desk.load_balancers.push(LoadBalancer {
        name,
        id: Arc::clone(&address.id),
        internet_facing: true,
        addresses: address.addr.into_iter().collect(),
        ..balancer
    });
}
