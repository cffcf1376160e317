//! Amazon's answers: `describe-instances`, `describe-network-interfaces`, `describe-addresses`, and both kinds of
//! `describe-load-balancers`. Paths and traps: query-language.md 10.1.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::connector::aws_record::{
    AddressRecord, Association, ClassicBalancer, Eni, Instance, LoadBalancerRecord, Reservation, ReservationHead,
};
use crate::connector::desk::{Desk, Record, shown};
use crate::connector::lenient::{Text, some};
use crate::connector::notice::Site;
use crate::connector::split::{Piece, SplitError, Splitter};
use crate::inventory::asset::{Address, AddressOrigin, AddressScope, Asset, Field, Interface, Provider, Value};
use crate::inventory::load_balancer::LoadBalancer;
use crate::inventory::partition::Kind;
use crate::inventory::region::{region_by_code, zone_to_region};

/// An address that `describe-addresses` or `describe-network-interfaces` gives to an instance.
struct Joined {
    file: Arc<str>,
    instance: Option<Arc<str>>,
    interface: Interface,
}

/// What has to wait until all files are read.
#[derive(Default)]
pub(super) struct Aws {
    joined: Vec<Joined>,
    elastic: Vec<Joined>,
}

impl Aws {
    /// One reservation with its instances; a bad instance costs that instance only.
    pub(super) fn reservation(&mut self, desk: &mut Desk<'_>, bytes: &[u8], record: &mut Record<'_>) {
        match serde_json::from_slice::<Reservation<'_>>(bytes) {
            Ok(reservation) => {
                let site = record.site;
                for (n, instance) in reservation.instances.iter().flatten().enumerate() {
                    record.site = Site { inner: Some(("Instances", n as u64)), ..site };
                    self.instance(desk, instance, some(reservation.owner_id.as_ref()), record);
                }
                record.site = site;
            }
            Err(whole) => self.one_by_one(desk, bytes, &whole, record),
        }
    }

    fn one_by_one(&mut self, desk: &mut Desk<'_>, bytes: &[u8], whole: &serde_json::Error, record: &mut Record<'_>) {
        let head: Result<ReservationHead<'_>, _> = serde_json::from_slice(bytes);
        let Ok(head) = head else { return desk.drop_record(record, Kind::Instances, &whole.to_string()) };
        let site = record.site;
        let mut good = Vec::new();
        let cut = cut_instances(bytes, |n, instance| match serde_json::from_slice::<Instance<'_>>(instance) {
            Ok(_) => good.push((n, instance.to_vec())),
            Err(e) => {
                record.site = Site { inner: Some(("Instances", n)), ..site };
                desk.drop_record(record, Kind::Instances, &e.to_string());
            }
        });
        record.site = site;
        if cut.is_err() || cut == Ok(false) {
            desk.drop_record(record, Kind::Instances, &whole.to_string());
        }
        for (n, instance) in &good {
            record.site = Site { inner: Some(("Instances", *n)), ..site };
            if let Ok(instance) = serde_json::from_slice::<Instance<'_>>(instance) {
                self.instance(desk, &instance, some(head.owner_id.as_ref()), record);
            }
        }
        record.site = site;
    }

    /// One instance.
    pub(super) fn instance(
        &mut self,
        desk: &mut Desk<'_>,
        i: &Instance<'_>,
        owner: Option<&str>,
        record: &mut Record<'_>,
    ) {
        let site = record.site;
        let Some(id) = some(i.instance_id.as_ref()).filter(|id| desk.fits(id, site)) else {
            return desk.drop_record(record, Kind::Instances, "it has no `InstanceId`");
        };
        let first_eni = i.network_interfaces.iter().flatten().next();
        let account = owner.or_else(|| first_eni.and_then(|e| some(e.owner_id.as_ref())));
        let account = account.map(|a| desk.share(a)).or_else(|| record.envelope.account.clone()).unwrap_or_default();
        let zone = i.placement.as_ref().and_then(|p| some(p.availability_zone.as_ref()));
        let region = self.region(desk, zone, record);
        if !desk.wants(&region) {
            return;
        }
        let partition = desk.read(record, (&account, &region), Kind::Instances);
        for kind in [Kind::Interfaces, Kind::Addresses] {
            desk.coverage.read(&account, &region, kind);
        }
        let id: Arc<str> = id.into();
        let mut fields = Vec::with_capacity(32);
        desk.put_common(&mut fields, Provider::Aws, &id);
        let name = self.facts(desk, &mut fields, i, (&account, &region, zone), site);
        let interfaces = self.interfaces(desk, &mut fields, i, site);
        let connector = Arc::clone(&desk.spec.name);
        desk.add(Asset { id, name, provider: Provider::Aws, connector, partition, interfaces, fields }, site);
    }

    /// The envelope's region, else the zone's, else the only region that the connector reads.
    fn region(&self, desk: &mut Desk<'_>, zone: Option<&str>, record: &Record<'_>) -> Arc<str> {
        if let Some(region) = &record.envelope.region {
            return Arc::clone(region);
        }
        if let Some(region) = zone.and_then(zone_to_region) {
            return desk.share(region);
        }
        match desk.spec.regions.as_deref() {
            Some([only]) => desk.share(only),
            _ => "".into(),
        }
    }

    /// Everything but interfaces; the name.
    fn facts(
        &self,
        desk: &mut Desk<'_>,
        fields: &mut Vec<Field>,
        i: &Instance<'_>,
        place: (&Arc<str>, &Arc<str>, Option<&str>),
        site: Site<'_>,
    ) -> Option<Arc<str>> {
        let t = desk.tokens.clone();
        let size = some(i.instance_type.as_ref());
        let state = i.state.as_ref().and_then(|s| some(s.name.as_ref())).map(|s| canonical_state(desk, s, site));
        let region_name = region_by_code(place.1);
        let windows = some(i.platform.as_ref()).filter(|p| p.eq_ignore_ascii_case("windows")).map(|_| "Windows");
        let texts = [
            (t.aws_account, Some(&**place.0)),
            (t.aws_region_code, Some(&**place.1)),
            (t.aws_region_name, region_name),
            (t.aws_zone, place.2),
            (t.aws_image, some(i.image_id.as_ref())),
            (t.aws_type, size),
            (t.aws_kernel, some(i.kernel_id.as_ref())),
            (t.aws_vpc, some(i.vpc_id.as_ref())),
            (t.aws_subnet, some(i.subnet_id.as_ref())),
            (t.aws_state, state.as_deref()),
            (t.aws_private_dns, some(i.private_dns_name.as_ref())),
            (t.operating_system, some(i.platform_details.as_ref()).or(windows)),
        ];
        for (token, text) in texts {
            desk.put(fields, token, 0, text, site);
        }
        desk.put_date(fields, t.aws_launched, some(i.launch_time.as_ref()), site);
        let spot = some(i.instance_lifecycle.as_ref()).is_some_and(|l| l == "spot");
        fields.extend(t.aws_spot.map(|token| Field { token, element: 0, value: Value::Bool(spot) }));
        desk.put_modules(fields, state.as_deref(), size);
        let tags: Vec<(&str, &str)> =
            i.tags.iter().flatten().map(|tag| (or_empty(&tag.key), or_empty(&tag.value))).collect();
        let name = tags.iter().find(|(key, value)| *key == "Name" && !value.is_empty()).map(|(_, value)| *value);
        let name = name.filter(|n| desk.fits(n, site)).map(|n| desk.share(n));
        let named = t.name.zip(name.clone());
        fields.extend(named.map(|(token, name)| Field { token, element: 0, value: Value::Str(name) }));
        desk.put_tags(fields, (t.aws_tag_key, t.aws_tag_value), tags.into_iter(), site);
        name
    }

    /// The interfaces, the primary one first; addresses that only the instance itself shows go to the primary one.
    fn interfaces(
        &self,
        desk: &mut Desk<'_>,
        fields: &mut Vec<Field>,
        i: &Instance<'_>,
        site: Site<'_>,
    ) -> Vec<Interface> {
        let mut enis: Vec<&Eni<'_>> = i.network_interfaces.iter().flatten().collect();
        enis.sort_by_key(|e| e.attachment.as_ref().and_then(|a| a.device_index).unwrap_or(u32::MAX));
        let mut interfaces = Vec::with_capacity(enis.len().min(8));
        for eni in enis {
            if !desk.interface_fits(interfaces.len(), site) {
                break;
            }
            desk.put(fields, desk.tokens.interfaces_mac, interfaces.len(), some(eni.mac_address.as_ref()), site);
            interfaces.push(interface(desk, eni, site));
        }
        let private = some(i.private_ip_address.as_ref()).and_then(|a| desk.address(a, site));
        let public = some(i.public_ip_address.as_ref()).and_then(|a| desk.address(a, site));
        if interfaces.is_empty() && (private.is_some() || public.is_some()) {
            let network = some(i.vpc_id.as_ref()).map(|v| desk.share(v));
            interfaces.push(Interface { id: "primary".into(), network, addresses: Vec::new() });
        }
        let dns: Option<Arc<str>> = some(i.public_dns_name.as_ref()).filter(|d| desk.fits(d, site)).map(Into::into);
        let known = |addr: IpAddr, all: &[Interface]| all.iter().any(|n| n.addresses.iter().any(|a| a.addr == addr));
        for (addr, scope, origin, dns) in [
            (private, AddressScope::Private, AddressOrigin::Primary, None),
            (public, AddressScope::Public, AddressOrigin::Automatic, dns),
        ] {
            let Some(addr) = addr else { continue };
            let home = if known(addr, &interfaces) {
                interfaces.iter_mut().find(|n| n.addresses.iter().any(|a| a.addr == addr))
            } else {
                interfaces.first_mut()
            };
            if let Some(home) = home {
                desk.attach(home, Address { addr, scope, origin, dns }, site);
            }
        }
        interfaces
    }

    /// One interface of `describe-network-interfaces`. Those without an instance (load balancers, NAT gateways and
    /// other services) are nobody's asset.
    pub(super) fn eni(&mut self, desk: &mut Desk<'_>, eni: &Eni<'_>, record: &mut Record<'_>) {
        // Whoever was asked comes first: in a shared network, interfaces of other accounts are listed as well.
        let owner = some(eni.owner_id.as_ref()).map(|a| desk.share(a));
        let account = record.envelope.account.clone().or(owner).unwrap_or_default();
        let region = self.region(desk, some(eni.availability_zone.as_ref()), record);
        desk.read(record, (&account, &region), Kind::Interfaces);
        let Some(instance) = eni.attachment.as_ref().and_then(|a| some(a.instance_id.as_ref())) else { return };
        let interface = interface(desk, eni, record.site);
        self.joined.push(Joined { file: Arc::clone(record.site.file), instance: Some(instance.into()), interface });
    }

    /// One elastic address; one that is attached to nothing is nobody's asset.
    pub(super) fn address(&mut self, desk: &mut Desk<'_>, a: &AddressRecord<'_>, record: &mut Record<'_>) {
        let owner = some(a.network_interface_owner_id.as_ref()).map(|o| desk.share(o));
        let account = record.envelope.account.clone().or(owner).unwrap_or_default();
        let region = self.region(desk, some(a.network_border_group.as_ref()), record);
        let eni = some(a.network_interface_id.as_ref());
        let instance = some(a.instance_id.as_ref());
        let attached = eni.is_some() || instance.is_some();
        if attached || !account.is_empty() {
            desk.read(record, (&account, &region), Kind::Addresses);
        }
        if !attached {
            return;
        }
        let mut interface = Interface { id: eni.unwrap_or("").into(), network: None, addresses: Vec::new() };
        let texts = [
            (&a.public_ip, AddressScope::Public),
            (&a.carrier_ip, AddressScope::Unproven),
            (&a.customer_owned_ip, AddressScope::Unproven),
        ];
        for (text, scope) in texts {
            let Some(addr) = some(text.as_ref()).and_then(|t| desk.address(t, record.site)) else { continue };
            desk.attach(
                &mut interface,
                Address { addr, scope, origin: AddressOrigin::Elastic, dns: None },
                record.site,
            );
        }
        self.elastic.push(Joined { file: Arc::clone(record.site.file), instance: instance.map(Into::into), interface });
    }

    /// One application, network or gateway load balancer.
    pub(super) fn load_balancer(&mut self, desk: &mut Desk<'_>, l: &LoadBalancerRecord<'_>, record: &mut Record<'_>) {
        let arn = some(l.load_balancer_arn.as_ref()).unwrap_or("");
        let mut parts = arn.split(':').skip(3);
        let (arn_region, arn_account) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        let facing = some(l.scheme.as_ref()).is_some_and(|s| s.eq_ignore_ascii_case("internet-facing"));
        let code = l.state.as_ref().and_then(|s| some(s.code.as_ref()));
        let mut addresses = Vec::new();
        for zone in l.availability_zones.iter().flatten() {
            for text in zone.load_balancer_addresses.iter().flatten().filter_map(|a| some(a.ip_address.as_ref())) {
                addresses.extend(desk.address(text, record.site));
            }
        }
        let zone = l.availability_zones.iter().flatten().find_map(|z| some(z.zone_name.as_ref()));
        let found = Balancer {
            name: some(l.dns_name.as_ref()),
            id: arn,
            account: arn_account,
            region: arn_region,
            zone,
            internet_facing: facing && some(l.kind.as_ref()) != Some("gateway"),
            active: matches!(code, None | Some("active" | "active_impaired")),
            addresses,
        };
        self.balancer(desk, found, record);
    }

    /// One classic load balancer; it has no state: it is there or not.
    pub(super) fn classic(&mut self, desk: &mut Desk<'_>, l: &ClassicBalancer<'_>, record: &mut Record<'_>) {
        let facing = some(l.scheme.as_ref()).is_some_and(|s| s.eq_ignore_ascii_case("internet-facing"));
        let found = Balancer {
            name: some(l.dns_name.as_ref()),
            id: "",
            account: "",
            region: "",
            zone: l.availability_zones.iter().flatten().map(Text::as_str).next(),
            internet_facing: facing,
            active: true,
            addresses: Vec::new(),
        };
        let name = some(l.load_balancer_name.as_ref()).filter(|n| desk.fits(n, record.site));
        let before = desk.load_balancers.len();
        self.balancer(desk, found, record);
        if let (Some(balancer), Some(name)) = (desk.load_balancers.get_mut(before), name) {
            let account = desk.coverage.get(balancer.partition).map_or("", |p| &p.account);
            balancer.id = classic_arn(account, &balancer.region, name).into();
        }
    }

    fn balancer(&mut self, desk: &mut Desk<'_>, found: Balancer<'_>, record: &mut Record<'_>) {
        let Some(name) = found.name.filter(|n| desk.fits(n, record.site)) else {
            return desk.drop_record(record, Kind::LoadBalancers, "it has no `DNSName`");
        };
        let account = if found.account.is_empty() {
            record.envelope.account.clone().unwrap_or_default()
        } else {
            desk.share(found.account)
        };
        let region =
            if found.region.is_empty() { self.region(desk, found.zone, record) } else { desk.share(found.region) };
        if !desk.wants(&region) {
            return;
        }
        let partition = desk.read(record, (&account, &region), Kind::LoadBalancers);
        desk.load_balancers.push(LoadBalancer {
            name: name.into(),
            id: if found.id.is_empty() { name.into() } else { found.id.into() },
            provider: Provider::Aws,
            connector: Arc::clone(&desk.spec.name),
            region,
            partition,
            internet_facing: found.internet_facing,
            active: found.active,
            addresses: found.addresses,
        });
    }

    /// Gives the interfaces and elastic addresses of their own files to the instances.
    pub(super) fn finish(&mut self, desk: &mut Desk<'_>) {
        let (joined, elastic) = (std::mem::take(&mut self.joined), std::mem::take(&mut self.elastic));
        let mut homeless: HashMap<Arc<str>, u64> = HashMap::new();
        for found in joined {
            let row = found.instance.as_ref().and_then(|id| desk.rows.get(id)).copied();
            match row {
                Some(row) => join_interface(desk, row, found),
                None => *homeless.entry(found.file).or_default() += 1,
            }
        }
        let by_eni: HashMap<Arc<str>, usize> = if elastic.is_empty() {
            HashMap::new()
        } else {
            let all = desk.assets.iter().enumerate().filter(|(_, a)| a.provider == Provider::Aws);
            all.flat_map(|(row, a)| a.interfaces.iter().map(move |n| (Arc::clone(&n.id), row))).collect()
        };
        for found in elastic {
            let row = found
                .instance
                .as_ref()
                .and_then(|id| desk.rows.get(id))
                .or_else(|| by_eni.get(&found.interface.id))
                .copied();
            match row {
                Some(row) => join_elastic(desk, row, found),
                None if found.instance.is_some() => *homeless.entry(found.file).or_default() += 1,
                None => {}
            }
        }
        for (file, count) in homeless {
            let text = format!("records of instances that are not in the inventory: {count}");
            desk.notices.warning("P0362", Site::file(&file), text);
        }
    }
}

struct Balancer<'a> {
    name: Option<&'a str>,
    id: &'a str,
    account: &'a str,
    region: &'a str,
    zone: Option<&'a str>,
    internet_facing: bool,
    active: bool,
    addresses: Vec<IpAddr>,
}

/// The ARN of a classic load balancer, which its record does not hold; its name alone is unique only within account and
/// region.
fn classic_arn(account: &str, region: &str, name: &str) -> String {
    let partition = match region {
        r if r.starts_with("cn-") => "aws-cn",
        r if r.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    format!("arn:{partition}:elasticloadbalancing:{region}:{account}:loadbalancer/{name}")
}

fn or_empty<'t>(text: &'t Option<Text<'_>>) -> &'t str {
    text.as_ref().map_or("", Text::as_str)
}

/// Calls `each` with every element of `Instances`; false where there is no such array.
fn cut_instances(bytes: &[u8], mut each: impl FnMut(u64, &[u8])) -> Result<bool, SplitError> {
    let mut s = Splitter::new(bytes, bytes.len(), bytes.len() as u64);
    let (mut first, mut found) = (true, false);
    s.open(b'{', "an object")?;
    while s.member(&mut first, b'}')? {
        if s.key()? != "Instances" || s.peek()? != Some(b'[') {
            s.value()?;
            continue;
        }
        found = true;
        s.open(b'[', "an array")?;
        let (mut first, mut n) = (true, 0);
        while s.member(&mut first, b']')? {
            if let Piece::Whole(range) = s.value()? {
                each(n, s.bytes(range));
            }
            n += 1;
        }
    }
    Ok(found)
}

fn canonical_state(desk: &mut Desk<'_>, raw: &str, site: Site<'_>) -> String {
    let state = raw.to_ascii_uppercase().replace('-', "_");
    if matches!(&*state, "PENDING" | "RUNNING" | "STOPPING" | "STOPPED" | "SHUTTING_DOWN" | "TERMINATED") {
        return state;
    }
    desk.notices.warning("P0366", site, format!("state `{}` is not known and counts as UNSUPPORTED", shown(raw)));
    "UNSUPPORTED".into()
}

/// An interface with all its addresses, as an instance or `describe-network-interfaces` shows it.
fn interface(desk: &mut Desk<'_>, eni: &Eni<'_>, site: Site<'_>) -> Interface {
    let id = some(eni.network_interface_id.as_ref()).filter(|id| desk.fits(id, site)).unwrap_or("").into();
    let network = some(eni.vpc_id.as_ref()).filter(|v| desk.fits(v, site)).map(|v| desk.share(v));
    let mut interface = Interface { id, network, addresses: Vec::new() };
    let main = (eni.private_ip_address.as_ref(), true, eni.association.as_ref());
    let listed = eni.private_ip_addresses.iter().flatten();
    let listed = listed.map(|p| (p.private_ip_address.as_ref(), p.primary.unwrap_or(false), p.association.as_ref()));
    for (private, primary, association) in std::iter::once(main).chain(listed) {
        if let Some(addr) = some(private).and_then(|p| desk.address(p, site)) {
            let origin = if primary { AddressOrigin::Primary } else { AddressOrigin::Secondary };
            desk.attach(&mut interface, Address { addr, scope: AddressScope::Private, origin, dns: None }, site);
        }
        if let Some(association) = association {
            associate(desk, &mut interface, association, site);
        }
    }
    for text in eni.ipv6_addresses.iter().flatten().filter_map(|a| some(a.ipv6_address.as_ref())) {
        if let Some(addr) = desk.address(text, site) {
            let scope = ipv6_scope(addr);
            desk.attach(&mut interface, Address { addr, scope, origin: AddressOrigin::Automatic, dns: None }, site);
        }
    }
    interface
}

/// Carrier and customer-owned addresses are not internet addresses.
fn associate(desk: &mut Desk<'_>, interface: &mut Interface, a: &Association<'_>, site: Site<'_>) {
    let automatic = some(a.ip_owner_id.as_ref()) == Some("amazon");
    let origin = if automatic { AddressOrigin::Automatic } else { AddressOrigin::Elastic };
    let dns: Option<Arc<str>> = some(a.public_dns_name.as_ref()).filter(|d| desk.fits(d, site)).map(Into::into);
    if let Some(addr) = some(a.public_ip.as_ref()).and_then(|t| desk.address(t, site)) {
        desk.attach(interface, Address { addr, scope: AddressScope::Public, origin, dns }, site);
    }
    for text in [some(a.carrier_ip.as_ref()), some(a.customer_owned_ip.as_ref())].into_iter().flatten() {
        if let Some(addr) = desk.address(text, site) {
            desk.attach(interface, Address { addr, scope: AddressScope::Unproven, origin, dns: None }, site);
        }
    }
}

/// A route to the internet is not in the answer, so a global address is not proven to be public.
fn ipv6_scope(addr: IpAddr) -> AddressScope {
    match addr {
        IpAddr::V6(v6) if !v6.is_unique_local() && !v6.is_unicast_link_local() && !v6.is_loopback() => {
            AddressScope::Unproven
        }
        _ => AddressScope::Private,
    }
}

fn join_interface(desk: &mut Desk<'_>, row: usize, found: Joined) {
    let Some(mut interfaces) = desk.assets.get_mut(row).map(|a| std::mem::take(&mut a.interfaces)) else { return };
    let site = Site::file(&found.file);
    let count = interfaces.len();
    match interfaces.iter_mut().find(|n| n.id == found.interface.id) {
        Some(home) => {
            for address in found.interface.addresses {
                desk.attach(home, address, site);
            }
        }
        None if desk.interface_fits(count, site) => interfaces.push(found.interface),
        None => {}
    }
    if let Some(asset) = desk.assets.get_mut(row) {
        asset.interfaces = interfaces;
    }
}

fn join_elastic(desk: &mut Desk<'_>, row: usize, found: Joined) {
    let Some(mut interfaces) = desk.assets.get_mut(row).map(|a| std::mem::take(&mut a.interfaces)) else { return };
    let site = Site::file(&found.file);
    for address in found.interface.addresses {
        let known = interfaces.iter_mut().flat_map(|n| n.addresses.iter_mut()).find(|a| a.addr == address.addr);
        if let Some(known) = known {
            known.origin = AddressOrigin::Elastic;
            continue;
        }
        let home = interfaces.iter().position(|n| n.id == found.interface.id).unwrap_or(0);
        if interfaces.is_empty() {
            interfaces.push(Interface { id: Arc::clone(&found.interface.id), network: None, addresses: Vec::new() });
        }
        if let Some(home) = interfaces.get_mut(home) {
            desk.attach(home, address, site);
        }
    }
    if let Some(asset) = desk.assets.get_mut(row) {
        asset.interfaces = interfaces;
    }
}
