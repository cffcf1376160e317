//! Google's answers: instances from `instances.list`, `aggregatedList` and `gcloud compute instances list`.
//! Paths and traps: query-language.md 10.3.

use std::sync::Arc;

use serde::Deserialize;

use crate::connector::desk::{Desk, Record, last_segment, segment_after, shown};
use crate::connector::lenient::{TagMap, Text, some};
use crate::connector::notice::Site;
use crate::inventory::asset::{Address, AddressOrigin, AddressScope, Asset, Field, Interface, Provider};
use crate::inventory::partition::Kind;

/// An instance, only the members that are read.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Instance<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    name: Option<Text<'a>>,
    hostname: Option<Text<'a>>,
    status: Option<Text<'a>>,
    zone: Option<Text<'a>>,
    machine_type: Option<Text<'a>>,
    self_link: Option<Text<'a>>,
    creation_timestamp: Option<Text<'a>>,
    source_machine_image: Option<Text<'a>>,
    labels: Option<TagMap<'a>>,
    disks: Option<Vec<Disk<'a>>>,
    network_interfaces: Option<Vec<Nic<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Disk<'a> {
    boot: Option<bool>,
    #[serde(borrow)]
    licenses: Option<Vec<Text<'a>>>,
    initialize_params: Option<InitializeParams<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct InitializeParams<'a> {
    #[serde(borrow)]
    source_image: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Nic<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    network: Option<Text<'a>>,
    #[serde(rename = "networkIP")]
    network_ip: Option<Text<'a>>,
    #[serde(rename = "ipv6Address")]
    ipv6_address: Option<Text<'a>>,
    access_configs: Option<Vec<AccessConfig<'a>>>,
    #[serde(rename = "ipv6AccessConfigs")]
    ipv6_access_configs: Option<Vec<AccessConfig<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AccessConfig<'a> {
    #[serde(borrow, rename = "natIP")]
    nat_ip: Option<Text<'a>>,
    #[serde(rename = "externalIpv6")]
    external_ipv6: Option<Text<'a>>,
    public_ptr_domain_name: Option<Text<'a>>,
}

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    /// A machine.
    Instance,
    /// The front of a load balancer, regional or global.
    ForwardingRule,
    /// A reserved address.
    Address,
}

impl Type {
    const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::Instance, "instances", "compute#instance"),
        (Self::ForwardingRule, "forwardingRules", "compute#forwardingRule"),
        (Self::Address, "addresses", "compute#address"),
    ];

    /// The partition kind it fills.
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Instance => Kind::Instances,
            Self::ForwardingRule => Kind::LoadBalancers,
            Self::Address => Kind::Addresses,
        }
    }

    /// By a record's `kind`.
    pub(super) fn of_kind(kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, _, k)| *k == kind).map(|(ty, ..)| ty)
    }

    /// By a list's `kind`, such as `compute#addressAggregatedList`.
    pub(super) fn of_list(kind: &str) -> Option<Self> {
        let record = kind.strip_suffix("List")?;
        Self::of_kind(record.strip_suffix("Aggregated").unwrap_or(record))
    }

    /// By the list's name within a zone or region of an aggregated list.
    pub(super) fn of_member(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, k, _)| *k == key).map(|(ty, ..)| ty)
    }
}

/// The region of a zone: `us-central1` of `us-central1-a`.
pub(super) fn region_of_zone(zone: &str) -> &str {
    zone.rsplit_once('-').map_or(zone, |(region, _)| region)
}

/// One instance.
pub(super) fn instance(desk: &mut Desk<'_>, i: &Instance<'_>, record: &mut Record<'_>) {
    let site = record.site;
    let Some(id) = some(i.id.as_ref()).filter(|id| desk.fits(id, site)) else {
        return desk.drop_record(record, Kind::Instances, "it has no `id`");
    };
    let zone = some(i.zone.as_ref()).map_or("", last_segment);
    let region = match &record.envelope.region {
        Some(region) => Arc::clone(region),
        None => desk.share(region_of_zone(zone)),
    };
    let project = some(i.self_link.as_ref()).and_then(|l| segment_after(l, "projects"));
    let project = project.or_else(|| some(i.zone.as_ref()).and_then(|z| segment_after(z, "projects")));
    let account = project.map(|p| desk.share(p)).or_else(|| record.envelope.account.clone()).unwrap_or_default();
    if !desk.wants(&region) {
        return;
    }
    let partition = desk.read(record, (&account, &region), Kind::Instances);
    for kind in [Kind::Interfaces, Kind::Addresses] {
        desk.coverage.read(&account, &region, kind);
    }
    let id: Arc<str> = id.into();
    let mut fields = Vec::with_capacity(24);
    desk.put_common(&mut fields, Provider::Gcp, &id);
    facts(desk, &mut fields, i, (&account, zone), site);
    let interfaces = interfaces(desk, &mut fields, i, site);
    let name = some(i.name.as_ref()).filter(|n| desk.fits(n, site)).map(Into::into);
    let connector = Arc::clone(&desk.spec.name);
    desk.add(Asset { id, name, provider: Provider::Gcp, connector, partition, interfaces, fields }, site);
}

fn facts(desk: &mut Desk<'_>, fields: &mut Vec<Field>, i: &Instance<'_>, place: (&Arc<str>, &str), site: Site<'_>) {
    let t = desk.tokens.clone();
    let state = some(i.status.as_ref()).map(|s| canonical_state(desk, s, site));
    let size = some(i.machine_type.as_ref()).map(last_segment);
    let boot = i.disks.iter().flatten().find(|d| d.boot == Some(true));
    let image = boot.and_then(|d| d.initialize_params.as_ref()).and_then(|p| some(p.source_image.as_ref()));
    let license = boot.and_then(|d| d.licenses.iter().flatten().next()).map(|l| last_segment(l.as_str()));
    let name = some(i.name.as_ref());
    let texts = [
        (t.name, name),
        (t.gcp_hostname, some(i.hostname.as_ref()).or(name)),
        (t.gcp_state, state),
        (t.gcp_zone, Some(place.1)),
        (t.gcp_type, size),
        (t.gcp_project, Some(&**place.0)),
        (t.gcp_project_number, desk.spec.project_number.as_deref()),
        (t.gcp_image, image.or(some(i.source_machine_image.as_ref())).map(last_segment)),
        (t.operating_system, license),
    ];
    for (token, text) in texts {
        desk.put(fields, token, 0, text, site);
    }
    desk.put_date(fields, t.created, some(i.creation_timestamp.as_ref()), site);
    desk.put_modules(fields, state, size);
    let labels = i.labels.iter().flat_map(|l| &l.0).map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>();
    desk.put_tags(fields, (t.gcp_tag_key, t.gcp_tag_value), labels.into_iter(), site);
}

/// `TERMINATED` is kept: in Google's cloud it means stopped, and the machine can start again.
fn canonical_state(desk: &mut Desk<'_>, raw: &str, site: Site<'_>) -> &'static str {
    match raw {
        "PENDING" => "PENDING",
        "PROVISIONING" | "STAGING" => "PROVISIONING",
        "RUNNING" => "RUNNING",
        "STOPPING" | "PENDING_STOP" | "SUSPENDING" => "STOPPING",
        "STOPPED" | "SUSPENDED" => "STOPPED",
        "DEPROVISIONING" => "DEALLOCATING",
        "TERMINATED" => "TERMINATED",
        "REPAIRING" => "UNSUPPORTED",
        other => {
            desk.notices.warning(
                "P0366",
                site,
                format!("status `{}` is not known and counts as UNSUPPORTED", shown(other)),
            );
            "UNSUPPORTED"
        }
    }
}

fn interfaces(desk: &mut Desk<'_>, fields: &mut Vec<Field>, i: &Instance<'_>, site: Site<'_>) -> Vec<Interface> {
    let mut interfaces = Vec::new();
    for (n, nic) in i.network_interfaces.iter().flatten().enumerate() {
        if !desk.interface_fits(n, site) {
            break;
        }
        let network = some(nic.network.as_ref()).filter(|v| desk.fits(v, site));
        desk.put(fields, desk.tokens.gcp_network, n, network.map(last_segment), site);
        let network =
            network.map(|v| v.find("projects/").and_then(|at| v.get(at..)).unwrap_or(v)).map(|v| desk.share(v));
        let id =
            some(nic.name.as_ref()).filter(|v| desk.fits(v, site)).map_or_else(|| format!("nic{n}"), str::to_owned);
        let mut interface = Interface { id: desk.share(&id), network, addresses: Vec::new() };
        for text in [some(nic.network_ip.as_ref()), some(nic.ipv6_address.as_ref())].into_iter().flatten() {
            if let Some(addr) = desk.address(text, site) {
                let address = Address { addr, scope: AddressScope::Private, origin: AddressOrigin::Primary, dns: None };
                desk.attach(&mut interface, address, site);
            }
        }
        // The entry of a stopped instance stays, without its address.
        let configs = nic.access_configs.iter().chain(&nic.ipv6_access_configs).flatten();
        for config in configs {
            let text = some(config.nat_ip.as_ref()).or(some(config.external_ipv6.as_ref()));
            if let Some(addr) = text.and_then(|t| desk.address(t, site)) {
                let dns = some(config.public_ptr_domain_name.as_ref()).map(|d| d.trim_end_matches('.'));
                let dns = dns.filter(|d| desk.fits(d, site)).map(Into::into);
                let address = Address { addr, scope: AddressScope::Public, origin: AddressOrigin::Automatic, dns };
                desk.attach(&mut interface, address, site);
            }
        }
        interfaces.push(interface);
    }
    interfaces
}
