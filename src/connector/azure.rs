//! Microsoft's answers: virtual machines, their interfaces, public addresses and power states, which arrive in
//! separate documents and are joined here. Ids compare without case. Paths and traps: query-language.md 10.2.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use crate::connector::azure_balancer::Balancer;
use crate::connector::azure_record::{Body, IpConfiguration, Resource};
use crate::connector::desk::{Desk, Record, last_segment, segment_after, shown};
use crate::connector::lenient::some;
use crate::connector::notice::Site;
use crate::inventory::asset::{Address, AddressOrigin, AddressScope, Asset, Field, Interface, Provider};
use crate::inventory::partition::{Kind, PartitionId};

/// A machine whose joins are still to come.
struct Machine {
    file: Arc<str>,
    row: usize,
    /// Lower-case interface ids, the primary one first.
    nics: Vec<String>,
    power: Option<String>,
    size: Option<Arc<str>>,
    /// Addresses were in the machine's own record.
    flat: bool,
}

/// One IP configuration.
pub(super) struct Configuration {
    /// Lower-case id.
    id: String,
    pub(super) private: Option<IpAddr>,
    /// Lower-case id of the public address.
    pub(super) public: Option<String>,
    primary: bool,
    subnet: Option<String>,
}

struct Nic {
    file: Arc<str>,
    id: Arc<str>,
    mac: Option<String>,
    /// Lower-case id of the machine.
    machine: Option<String>,
    configurations: Vec<Configuration>,
}

pub(super) struct PublicAddress {
    pub(super) file: Arc<str>,
    pub(super) id: Arc<str>,
    pub(super) addr: Option<IpAddr>,
    pub(super) dns: Option<Arc<str>>,
    reserved: bool,
    /// Lower-case id of the IP configuration it is attached to.
    pub(super) attached: Option<String>,
    pub(super) partition: PartitionId,
}

/// What has to wait until all files are read.
#[derive(Default)]
pub(super) struct Azure {
    /// By lower-case resource id.
    machines: BTreeMap<String, Machine>,
    nics: BTreeMap<String, Nic>,
    pub(super) addresses: BTreeMap<String, PublicAddress>,
    pub(super) balancers: BTreeMap<String, Balancer>,
}

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    /// A virtual machine.
    Machine,
    /// A network interface.
    Nic,
    /// A public address.
    PublicAddress,
    /// A load balancer or an application gateway.
    Balancer,
}

impl Type {
    /// The partition kind it fills.
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Machine => Kind::Instances,
            Self::Nic => Kind::Interfaces,
            Self::PublicAddress => Kind::Addresses,
            Self::Balancer => Kind::LoadBalancers,
        }
    }
}

impl Azure {
    /// One resource.
    pub(super) fn resource(&mut self, desk: &mut Desk<'_>, ty: Type, r: Resource<'_>, record: &mut Record<'_>) {
        let kind = ty.kind();
        let (r, body) = r.into_parts();
        let (r, body) = (&r, &*body);
        let Some(id) = some(r.id.as_ref()).filter(|id| desk.fits(id, record.site)) else {
            return desk.drop_record(record, kind, "it has no `id`");
        };
        let subscription = segment_after(id, "subscriptions").map(str::to_ascii_lowercase);
        let account =
            subscription.map(|s| desk.share(&s)).or_else(|| record.envelope.account.clone()).unwrap_or_default();
        let location = some(r.location.as_ref()).map(|l| l.to_ascii_lowercase().replace(' ', ""));
        let region = location.filter(|l| desk.fits(l, record.site)).map(|l| desk.share(&l));
        let region = region.or_else(|| record.envelope.region.clone()).unwrap_or_default();
        if !desk.wants(&region) {
            return;
        }
        let partition = desk.read(record, (&account, &region), kind);
        match ty {
            Type::Machine => self.machine(desk, (id, &account, &region, partition), (r, body), record.site),
            Type::Nic => self.nic(desk, id, body, record.site),
            Type::PublicAddress => self.public_address(desk, (id, partition), body, record.site),
            Type::Balancer => {
                let balancer = Balancer::read(desk, (id, &region, partition), body, record);
                self.balancers.insert(id.to_ascii_lowercase(), balancer);
            }
        }
    }

    fn machine(
        &mut self,
        desk: &mut Desk<'_>,
        place: (&str, &Arc<str>, &Arc<str>, PartitionId),
        record: (&Resource<'_>, &Body<'_>),
        site: Site<'_>,
    ) {
        let (resource, account, region, partition) = place;
        let (r, body) = record;
        let key = resource.to_ascii_lowercase();
        let power = power_state(r, body).map(|p| canonical_state(desk, &p, site));
        let nics = nic_references(body);
        if let Some(known) = self.machines.get_mut(&key) {
            // A list of states names the machines again.
            known.power = known.power.take().or(power);
            if known.nics.is_empty() {
                known.nics = nics;
            }
            return;
        }
        let id: Arc<str> = match some(body.vm_id.as_ref()).filter(|v| desk.fits(v, site)) {
            Some(vm_id) => vm_id.to_ascii_lowercase().into(),
            None => {
                desk.notices.warning("P0355", site, "it has no `vmId`; the resource id stands for it");
                key.as_str().into()
            }
        };
        let mut fields = Vec::with_capacity(28);
        desk.put_common(&mut fields, Provider::Azure, &id);
        // An instance of a scale set has its size where the set has it.
        let size = body.hardware_profile.as_ref().and_then(|h| some(h.vm_size.as_ref()));
        let size = size.or_else(|| r.sku.as_ref().and_then(|s| some(s.name.as_ref())));
        machine_facts(desk, &mut fields, record, (resource, account, region, size), site);
        let mut interfaces = Vec::new();
        let flat = r.public_ips.is_some() || r.private_ips.is_some();
        if flat {
            interfaces.push(flat_interface(desk, &mut fields, r, site));
            for kind in [Kind::Interfaces, Kind::Addresses] {
                desk.coverage.read(account, region, kind);
            }
        }
        let name = some(r.name.as_ref()).filter(|n| desk.fits(n, site)).map(Into::into);
        let connector = Arc::clone(&desk.spec.name);
        let size = size.map(|s| desk.share(s));
        let asset = Asset { id, name, provider: Provider::Azure, connector, partition, interfaces, fields };
        if let Some(row) = desk.add(asset, site) {
            self.machines.insert(key, Machine { file: Arc::clone(site.file), row, nics, power, size, flat });
        }
    }

    fn nic(&mut self, desk: &mut Desk<'_>, id: &str, body: &Body<'_>, site: Site<'_>) {
        let mut configurations: Vec<Configuration> = Vec::new();
        for c in body.ip_configurations.iter().flatten().take(desk.limits.addresses_per_interface) {
            configurations.push(configuration(desk, c, site));
        }
        configurations.sort_by_key(|c| !c.primary);
        let machine = body.virtual_machine.as_ref().and_then(|m| some(m.id.as_ref())).map(str::to_ascii_lowercase);
        let mac = some(body.mac_address.as_ref()).map(str::to_owned);
        let nic = Nic { file: Arc::clone(site.file), id: id.into(), mac, machine, configurations };
        self.nics.insert(id.to_ascii_lowercase(), nic);
    }

    fn public_address(&mut self, desk: &mut Desk<'_>, place: (&str, PartitionId), body: &Body<'_>, site: Site<'_>) {
        let (id, partition) = place;
        let addr = some(body.ip_address.as_ref()).and_then(|a| desk.address(a, site));
        let dns = body.dns_settings.as_ref().and_then(|d| some(d.fqdn.as_ref()));
        let found = PublicAddress {
            file: Arc::clone(site.file),
            id: id.into(),
            addr,
            dns: dns.filter(|d| desk.fits(d, site)).map(Into::into),
            reserved: some(body.allocation.as_ref()).is_some_and(|a| a.eq_ignore_ascii_case("static")),
            attached: body.ip_configuration.as_ref().and_then(|c| some(c.id.as_ref())).map(str::to_ascii_lowercase),
            partition,
        };
        self.addresses.insert(id.to_ascii_lowercase(), found);
    }

    /// Joins machines, interfaces and addresses, and settles what was read.
    pub(super) fn finish(&mut self, desk: &mut Desk<'_>) {
        let machines = std::mem::take(&mut self.machines);
        let mut back: HashMap<&str, Vec<&str>> = HashMap::new();
        for (id, nic) in &self.nics {
            if let Some(machine) = &nic.machine {
                back.entry(machine).or_default().push(id);
            }
        }
        let mut attached: HashMap<&str, &str> = HashMap::new();
        for (id, address) in &self.addresses {
            if let Some(configuration) = &address.attached {
                attached.insert(configuration, id);
            }
        }
        let mut account = Account::default();
        for (key, machine) in &machines {
            let mut nics: Vec<&str> = machine.nics.iter().map(String::as_str).collect();
            for extra in back.get(key.as_str()).into_iter().flatten() {
                if !nics.contains(extra) {
                    nics.push(extra);
                }
            }
            self.join(desk, machine, &nics, &attached, &mut account);
        }
        self.hand_out_balancers(desk);
        account.settle(desk);
    }

    /// Completes one machine.
    fn join(
        &self,
        desk: &mut Desk<'_>,
        machine: &Machine,
        nics: &[&str],
        attached: &HashMap<&str, &str>,
        account: &mut Account,
    ) {
        let Some(asset) = desk.assets.get_mut(machine.row) else { return };
        let partition = asset.partition;
        let (mut fields, mut interfaces) = (std::mem::take(&mut asset.fields), std::mem::take(&mut asset.interfaces));
        let site = Site::file(&machine.file);
        desk.put(&mut fields, desk.tokens.azure_state, 0, machine.power.as_deref(), site);
        desk.put_modules(&mut fields, machine.power.as_deref(), machine.size.as_deref());
        let tally = account.of(partition);
        tally.machines += 1;
        tally.powered += u64::from(machine.power.is_some());
        tally.flat += u64::from(machine.flat);
        let found: Vec<&Nic> = nics.iter().filter_map(|id| self.nics.get(*id)).collect();
        if machine.flat && found.len() == nics.len() && !found.is_empty() {
            // The interfaces' own records say more than the flat form.
            interfaces.clear();
        }
        if !machine.flat || interfaces.is_empty() {
            if nics.is_empty() {
                // Every machine has one: it was left out of the recording.
                tally.missing_nics.insert(format!("those of {}", shown(asset_name(desk, machine.row))));
            }
            tally
                .missing_nics
                .extend(nics.iter().filter(|id| !self.nics.contains_key(**id)).map(|id| shown(last_segment(id))));
            for nic in found {
                if desk.interface_fits(interfaces.len(), site) {
                    let interface = self.interface(desk, &mut fields, (nic, interfaces.len()), attached, tally);
                    interfaces.push(interface);
                }
            }
        }
        if let Some(asset) = desk.assets.get_mut(machine.row) {
            (asset.fields, asset.interfaces) = (fields, interfaces);
        }
    }

    fn interface(
        &self,
        desk: &mut Desk<'_>,
        fields: &mut Vec<Field>,
        nic: (&Nic, usize),
        attached: &HashMap<&str, &str>,
        tally: &mut Tally,
    ) -> Interface {
        let (nic, n) = nic;
        let site = Site::file(&nic.file);
        put_mac(desk, fields, n, nic.mac.as_deref(), site);
        let subnet = nic.configurations.iter().find_map(|c| c.subnet.as_deref());
        desk.put(fields, desk.tokens.azure_network, n, subnet.and_then(|s| segment_after(s, "virtualnetworks")), site);
        desk.put(fields, desk.tokens.azure_subnet, n, subnet.and_then(|s| segment_after(s, "subnets")), site);
        let lower = subnet.map(str::to_ascii_lowercase);
        let network = lower.as_deref().and_then(|s| s.split_once("/subnets/")).map(|(network, _)| desk.share(network));
        let mut interface = Interface { id: Arc::clone(&nic.id), network, addresses: Vec::new() };
        for c in &nic.configurations {
            if let Some(addr) = c.private {
                let origin = if c.primary { AddressOrigin::Primary } else { AddressOrigin::Secondary };
                desk.attach(&mut interface, Address { addr, scope: AddressScope::Private, origin, dns: None }, site);
            }
            let Some(id) = c.public.as_deref().or_else(|| attached.get(c.id.as_str()).copied()) else { continue };
            match self.addresses.get(id) {
                // An unallocated dynamic address has no value yet.
                Some(PublicAddress { addr: Some(addr), dns, reserved, .. }) => {
                    let origin = if *reserved { AddressOrigin::Elastic } else { AddressOrigin::Automatic };
                    let address = Address { addr: *addr, scope: AddressScope::Public, origin, dns: dns.clone() };
                    desk.attach(&mut interface, address, site);
                }
                Some(_) => {}
                None => {
                    tally.missing_addresses.insert(shown(last_segment(id)));
                }
            }
        }
        interface
    }
}

/// What was read for the machines of one partition.
#[derive(Default)]
struct Tally {
    machines: u64,
    powered: u64,
    flat: u64,
    missing_nics: BTreeSet<String>,
    missing_addresses: BTreeSet<String>,
}

#[derive(Default)]
struct Account(BTreeMap<PartitionId, Tally>);

impl Account {
    fn of(&mut self, id: PartitionId) -> &mut Tally {
        self.0.entry(id).or_default()
    }

    /// Says for every partition of machines what was read of interfaces, addresses and power states. Nothing is
    /// missing where nothing refers to it.
    fn settle(self, desk: &mut Desk<'_>) {
        for (id, tally) in self.0 {
            let Some(place) = desk.coverage.get(id) else { continue };
            let (account, region) = (Arc::clone(&place.account), Arc::clone(&place.region));
            let mut settle = |kind: Kind, missing: &BTreeSet<String>, what: &str, asked: bool| {
                if missing.is_empty() && asked {
                    desk.coverage.read(&account, &region, kind);
                } else if let Some(example) = missing.first() {
                    let partition = desk.coverage.of(&account, &region, kind);
                    let asked = desk
                        .coverage
                        .get(partition)
                        .is_some_and(|p| p.state != crate::inventory::partition::PartitionState::NotAsked);
                    if asked {
                        desk.coverage.partial(
                            partition,
                            &format!("{what} are referred to and not recorded: {}, such as `{example}`", missing.len()),
                        );
                    }
                } else {
                    desk.coverage.of(&account, &region, kind);
                }
            };
            settle(Kind::Interfaces, &tally.missing_nics, "interfaces", true);
            let nics_known = tally.missing_nics.is_empty();
            settle(Kind::Addresses, &tally.missing_addresses, "public addresses", nics_known);
            let partition = desk.coverage.of(&account, &region, Kind::InstanceView);
            if tally.powered > 0 {
                desk.coverage.read(&account, &region, Kind::InstanceView);
                if tally.powered < tally.machines {
                    let text = format!(
                        "{} of {} machines have no power state",
                        tally.machines - tally.powered,
                        tally.machines
                    );
                    desk.coverage.partial(partition, &text);
                }
            }
        }
    }
}

fn asset_name<'d>(desk: &'d Desk<'_>, row: usize) -> &'d str {
    desk.assets.get(row).and_then(|a| a.name.as_deref()).unwrap_or("a machine without a name")
}

fn nic_references(body: &Body<'_>) -> Vec<String> {
    let listed = body.network_profile.iter().flat_map(|n| n.network_interfaces.iter().flatten());
    let mut nics: Vec<(bool, String)> = listed
        .filter_map(|n| {
            let primary = n.primary.or(n.properties.as_ref().and_then(|p| p.primary)).unwrap_or(false);
            some(n.id.as_ref()).map(|id| (!primary, id.to_ascii_lowercase()))
        })
        .collect();
    nics.sort_by_key(|(later, _)| *later);
    nics.into_iter().map(|(_, id)| id).collect()
}

/// The power state's word, from wherever this shape keeps it: `running` of `PowerState/running` or `VM running`.
fn power_state(r: &Resource<'_>, body: &Body<'_>) -> Option<String> {
    let views = [body.instance_view.as_ref(), body.extended.as_ref().and_then(|e| e.instance_view.as_ref())];
    for view in views.into_iter().flatten() {
        let codes = view.statuses.iter().flatten().chain(&view.power_state).filter_map(|s| some(s.code.as_ref()));
        for code in codes {
            if let Some(("PowerState", word)) = code.split_once('/') {
                return Some(word.to_owned());
            }
        }
    }
    let flat = some(r.power_state.as_ref()).or(some(body.power_state.as_ref()))?;
    Some(flat.strip_prefix("VM ").or(flat.strip_prefix("PowerState/")).unwrap_or(flat).to_owned())
}

fn canonical_state(desk: &mut Desk<'_>, word: &str, site: Site<'_>) -> String {
    let state = word.to_ascii_uppercase().replace([' ', '-'], "_");
    match &*state {
        "RUNNING" | "STARTING" | "STOPPING" | "STOPPED" | "DEALLOCATING" | "DEALLOCATED" | "CREATING" | "DELETING"
        | "DELETED" | "UPDATING" | "FAILED" => state,
        "UNKNOWN" => "UNSUPPORTED".into(),
        _ => {
            desk.notices.warning(
                "P0366",
                site,
                format!("power state `{}` is not known and counts as UNSUPPORTED", shown(word)),
            );
            "UNSUPPORTED".into()
        }
    }
}

fn machine_facts(
    desk: &mut Desk<'_>,
    fields: &mut Vec<Field>,
    record: (&Resource<'_>, &Body<'_>),
    place: (&str, &str, &str, Option<&str>),
    site: Site<'_>,
) {
    let (resource, account, region, size) = place;
    let (r, body) = record;
    let t = desk.tokens.clone();
    let storage = body.storage_profile.as_ref();
    let image = storage.and_then(|s| s.image_reference.as_ref());
    let platform = storage.and_then(|s| s.os_disk.as_ref()).and_then(|d| some(d.os_type.as_ref()));
    let name = some(r.name.as_ref());
    let texts = [
        (t.name, name),
        (t.azure_name, name),
        (t.azure_location, Some(region)),
        (t.azure_subscription, Some(account)),
        (t.azure_group, segment_after(resource, "resourceGroups")),
        (t.azure_size, size),
        (t.azure_platform, platform),
        (t.operating_system, platform),
        (t.azure_publisher, image.and_then(|i| some(i.publisher.as_ref()))),
        (t.azure_offer, image.and_then(|i| some(i.offer.as_ref()))),
        (t.azure_version, image.and_then(|i| some(i.exact_version.as_ref()).or(some(i.version.as_ref())))),
    ];
    for (token, text) in texts {
        desk.put(fields, token, 0, text, site);
    }
    desk.put_date(fields, t.created, some(body.time_created.as_ref()), site);
    let tags: Vec<(&str, &str)> = r.tags.iter().flat_map(|m| &m.0).map(|(k, v)| (k.as_str(), v.as_str())).collect();
    desk.put_tags(fields, (t.azure_tag_name, t.azure_tag_value), tags.into_iter(), site);
}

fn put_mac(desk: &mut Desk<'_>, fields: &mut Vec<Field>, n: usize, mac: Option<&str>, site: Site<'_>) {
    let Some(mac) = mac else { return };
    let mac = mac.to_ascii_uppercase().replace(':', "-");
    desk.put(fields, desk.tokens.azure_mac, n, Some(&mac), site);
    desk.put(fields, desk.tokens.interfaces_mac, n, Some(&mac), site);
}

/// The one interface that a detailed list allows to be told: all addresses together.
fn flat_interface(desk: &mut Desk<'_>, fields: &mut Vec<Field>, r: &Resource<'_>, site: Site<'_>) -> Interface {
    let parts = |text: Option<&str>| -> Vec<String> {
        text.unwrap_or("").split(',').map(str::trim).filter(|p| !p.is_empty()).map(str::to_owned).collect()
    };
    for mac in parts(some(r.mac_address.as_ref())).iter().take(1) {
        put_mac(desk, fields, 0, Some(mac), site);
    }
    let mut interface = Interface { id: "nic0".into(), network: None, addresses: Vec::new() };
    let (public, names) = (parts(some(r.public_ips.as_ref())), parts(some(r.fqdns.as_ref())));
    for (n, text) in parts(some(r.private_ips.as_ref())).iter().enumerate() {
        let origin = if n == 0 { AddressOrigin::Primary } else { AddressOrigin::Secondary };
        if let Some(addr) = desk.address(text, site) {
            desk.attach(&mut interface, Address { addr, scope: AddressScope::Private, origin, dns: None }, site);
        }
    }
    if !names.is_empty() && names.len() != public.len() {
        let text = "`fqdns` does not have one name for each of `publicIps`; the names were left out";
        desk.notices.warning("P0355", site, text);
    }
    for (n, text) in public.iter().enumerate() {
        // Names stand in the order of the addresses only where there are as many.
        let dns = if names.len() == public.len() { names.get(n) } else { None };
        let dns = dns.filter(|d| desk.fits(d, site)).map(|d| Arc::from(d.as_str()));
        if let Some(addr) = desk.address(text, site) {
            let address = Address { addr, scope: AddressScope::Public, origin: AddressOrigin::Automatic, dns };
            desk.attach(&mut interface, address, site);
        }
    }
    interface
}

pub(super) fn configuration(desk: &mut Desk<'_>, c: &IpConfiguration<'_>, site: Site<'_>) -> Configuration {
    let body = c.body();
    Configuration {
        id: some(c.id.as_ref()).unwrap_or("").to_ascii_lowercase(),
        private: some(body.private_ip.as_ref()).and_then(|a| desk.address(a, site)),
        public: body.public_ip.as_ref().and_then(|p| some(p.id.as_ref())).map(str::to_ascii_lowercase),
        primary: body.primary.unwrap_or(false),
        subnet: body.subnet.as_ref().and_then(|s| some(s.id.as_ref())).map(str::to_owned),
    }
}
