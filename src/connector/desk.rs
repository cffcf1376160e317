//! The desk every provider's reader works at: limits, notices, coverage, interned strings, and the assets so far.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;

use crate::base::diagnostic::Severity;
use crate::base::fast::{FastMap, FastSet};
use crate::base::limits::Limits;
use crate::connector::coverage::Coverage;
use crate::connector::file::FileConnector;
use crate::connector::notice::{Notices, Site};
use crate::connector::tokens::Tokens;
use crate::inventory::activation::activated_modules;
use crate::inventory::asset::{Address, Asset, Field, Interface, Module, Provider, Value};
use crate::inventory::catalogue::TokenId;
use crate::inventory::load_balancer::LoadBalancer;
use crate::inventory::partition::{Kind, PartitionId};
use crate::inventory::region::region_by_name;

/// Distinct strings kept for sharing; further ones are not shared.
const INTERNED: usize = 1 << 16;

/// What an envelope says about the records in it.
#[derive(Debug, Clone, Default)]
pub(super) struct Envelope {
    /// AWS account, Azure subscription, GCP project.
    pub(super) account: Option<Arc<str>>,
    /// Region code.
    pub(super) region: Option<Arc<str>>,
    /// What the body holds, for a body that cannot say so itself.
    pub(super) kind: Option<Kind>,
    /// It says how the reading went, so that marks of a next page in the body tell nothing more.
    pub(super) stated: bool,
}

/// One page of an answer: what it touched and what was lost of it.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) touched: BTreeSet<PartitionId>,
    pub(super) dropped: BTreeMap<Kind, u64>,
    /// Kinds of record it held, or would have held.
    pub(super) kinds: BTreeSet<Kind>,
    /// Records of types that are not read, with an example.
    pub(super) others: Option<(String, u64)>,
}

/// One record on its way in.
pub(super) struct Record<'a> {
    pub(super) site: Site<'a>,
    pub(super) envelope: &'a Envelope,
    pub(super) page: &'a mut Page,
}

/// See the module.
pub(super) struct Desk<'a> {
    pub(super) spec: &'a FileConnector,
    pub(super) limits: &'a Limits,
    pub(super) notices: Notices,
    pub(super) coverage: Coverage,
    pub(super) tokens: Tokens,
    pub(super) assets: Vec<Asset>,
    pub(super) load_balancers: Vec<LoadBalancer>,
    pub(super) rows: FastMap<Arc<str>, usize>,
    /// Assets outside the connector's regions.
    pub(super) elsewhere: u64,
    strings: FastSet<Arc<str>>,
    regions: Option<HashSet<String>>,
}

impl<'a> Desk<'a> {
    /// An empty desk.
    pub(super) fn new(spec: &'a FileConnector, limits: &'a Limits) -> Self {
        let code = |r: &String| region_by_name(r).map_or_else(|| r.clone(), str::to_owned);
        let plain = |r: String| r.to_ascii_lowercase().replace(' ', "");
        Self {
            spec,
            limits,
            notices: Notices::new(limits.diagnostics_per_file),
            coverage: Coverage::new(Arc::clone(&spec.name)),
            tokens: Tokens::of_catalogue(),
            assets: Vec::new(),
            load_balancers: Vec::new(),
            rows: FastMap::default(),
            elsewhere: 0,
            strings: FastSet::default(),
            regions: spec.regions.as_ref().map(|rs| rs.iter().map(code).map(plain).collect()),
        }
    }

    /// A shared copy of a string that many assets have.
    pub(super) fn share(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.strings.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        if self.strings.len() < INTERNED {
            self.strings.insert(Arc::clone(&new));
        }
        new
    }

    /// True where the connector reads this region; an unknown region is never left out.
    pub(super) fn wants(&mut self, region: &str) -> bool {
        let wanted = region.is_empty() || self.regions.as_ref().is_none_or(|set| set.contains(region));
        if !wanted {
            self.elsewhere += 1;
        }
        wanted
    }

    /// Marks the record's partition as read.
    pub(super) fn read(&mut self, record: &mut Record<'_>, place: (&Arc<str>, &Arc<str>), kind: Kind) -> PartitionId {
        let id = self.coverage.read(place.0, place.1, kind);
        record.page.touched.insert(id);
        record.page.kinds.insert(kind);
        id
    }

    /// Drops a record: a notice, and a gap when its page is closed.
    pub(super) fn drop_record(&mut self, record: &mut Record<'_>, kind: Kind, why: &str) {
        *record.page.dropped.entry(kind).or_insert(0) += 1;
        record.page.kinds.insert(kind);
        self.notices.error("P0354", record.site, format!("this record was dropped: {why}"));
    }

    /// True where a string is within the limit; says so where it is not.
    pub(super) fn fits(&mut self, text: &str, site: Site<'_>) -> bool {
        let fits = text.len() <= self.limits.inventory_string_bytes;
        if !fits {
            let text = format!(
                "a string of {} bytes was left out, the limit is {}",
                text.len(),
                self.limits.inventory_string_bytes
            );
            self.notices.warning("P0356", site, text);
        }
        fits
    }

    /// Adds text to an asset; nothing where it is empty.
    pub(super) fn put(
        &mut self,
        fields: &mut Vec<Field>,
        token: Option<TokenId>,
        element: usize,
        text: Option<&str>,
        site: Site<'_>,
    ) {
        let (Some(token), Some(text), Ok(element)) = (token, text, u16::try_from(element)) else { return };
        if !text.is_empty() && self.fits(text, site) {
            let value = Value::Str(self.share(text));
            fields.push(Field { token, element, value });
        }
    }

    /// Adds an instant to an asset; an unreadable one is said, the epoch is null.
    pub(super) fn put_date(
        &mut self,
        fields: &mut Vec<Field>,
        token: Option<TokenId>,
        text: Option<&str>,
        site: Site<'_>,
    ) {
        let (Some(token), Some(text)) = (token, text) else { return };
        match text.parse::<Timestamp>() {
            Ok(at) if at != Timestamp::UNIX_EPOCH => fields.push(Field { token, element: 0, value: Value::Date(at) }),
            Ok(_) => {}
            Err(_) => self.notices.warning("P0355", site, format!("`{}` is not a time and was left out", shown(text))),
        }
    }

    /// Adds tags, as many as the limit allows.
    pub(super) fn put_tags<'t>(
        &mut self,
        fields: &mut Vec<Field>,
        tokens: (Option<TokenId>, Option<TokenId>),
        tags: impl ExactSizeIterator<Item = (&'t str, &'t str)>,
        site: Site<'_>,
    ) {
        let (total, limit) = (tags.len(), self.limits.provider_tags_per_asset);
        for (n, (key, value)) in tags.take(limit).enumerate() {
            self.put(fields, tokens.0, n, Some(key), site);
            self.put(fields, tokens.1, n, Some(value), site);
        }
        if total > limit {
            self.notices.warning("P0356", site, format!("{total} tags, of which the first {limit} were kept"));
        }
    }

    /// Reads an address; an unreadable one is said. IPv4-mapped addresses become IPv4.
    pub(super) fn address(&mut self, text: &str, site: Site<'_>) -> Option<IpAddr> {
        let addr = text
            .trim()
            .parse::<IpAddr>()
            .map(|a| a.to_canonical())
            .ok()
            .filter(|a| !a.is_unspecified() && !a.is_multicast());
        if addr.is_none() {
            self.notices.warning("P0355", site, format!("`{}` is not a host address and was left out", shown(text)));
        }
        addr
    }

    /// Adds an address to an interface, or what is new about it where it is there already.
    pub(super) fn attach(&mut self, interface: &mut Interface, address: Address, site: Site<'_>) {
        if let Some(known) = interface.addresses.iter_mut().find(|a| a.addr == address.addr) {
            known.dns = known.dns.take().or(address.dns);
            return;
        }
        let limit = self.limits.addresses_per_interface;
        if interface.addresses.len() >= limit {
            self.notices.warning(
                "P0356",
                site,
                format!("`{}` was left out: an interface has at most {limit} addresses", address.addr),
            );
            return;
        }
        interface.addresses.push(address);
    }

    /// True where an asset may have one more interface.
    pub(super) fn interface_fits(&mut self, have: usize, site: Site<'_>) -> bool {
        let limit = self.limits.interfaces_per_asset;
        if have == limit {
            self.notices.warning("P0356", site, format!("interfaces after the first {limit} were left out"));
        }
        have < limit
    }

    /// The facts that every asset has, whoever its provider is.
    pub(super) fn put_common(&mut self, fields: &mut Vec<Field>, provider: Provider, id: &Arc<str>) {
        let (tracking, resource) = match provider {
            Provider::Aws => ("INSTANCE_ID", self.tokens.aws_instance_id),
            Provider::Azure => ("VIRTUAL_MACHINE_ID", self.tokens.azure_vm_id),
            Provider::Gcp => ("GCP_INSTANCE_ID", self.tokens.gcp_instance_id),
        };
        let connector = Arc::clone(&self.spec.name);
        let (provider, tracking) = (self.share(provider.as_str()), self.share(tracking));
        let t = &self.tokens;
        let values = [
            (t.provider, provider),
            (t.connectors_name, connector),
            (t.tracking_method, tracking),
            (resource, Arc::clone(id)),
        ];
        fields.extend(
            values.into_iter().filter_map(|(token, v)| Some(Field { token: token?, element: 0, value: Value::Str(v) })),
        );
    }

    /// The modules that the connector activates the asset for.
    pub(super) fn put_modules(&mut self, fields: &mut Vec<Field>, state: Option<&str>, size: Option<&str>) {
        let modules = activated_modules(&self.spec.activate, state, size, self.spec.include_micro_nano);
        for (n, word) in modules.into_iter().map(Module::as_str).enumerate() {
            let (Some(token), Ok(element)) = (self.tokens.activated_for_modules, u16::try_from(n)) else { continue };
            let value = Value::Str(self.share(word));
            fields.push(Field { token, element, value });
        }
    }

    /// Takes an asset in; a second one with the same id is said and left out. The row, where it is new.
    pub(super) fn add(&mut self, mut asset: Asset, site: Site<'_>) -> Option<usize> {
        if let Some(old) = self.rows.get(&asset.id).and_then(|row| self.assets.get(*row)) {
            let same = *old == asset;
            let severity = if same { Severity::Advice } else { Severity::Warning };
            let how = if same {
                "again, word for word the same"
            } else {
                "again with other values; the first record is used"
            };
            self.notices.at(severity, "P0363", site, format!("`{}` is recorded {how}", shown(&asset.id)));
            return None;
        }
        if self.assets.len() >= self.limits.assets {
            let text =
                format!("`{}` was left out: an inventory has at most {} assets", shown(&asset.id), self.limits.assets);
            self.notices.error("P0356", site, text);
            self.coverage.partial(asset.partition, "more assets than the limit");
            return None;
        }
        let row = self.assets.len();
        self.rows.insert(Arc::clone(&asset.id), row);
        // Room for values that never came would be a quarter of an inventory's memory.
        asset.fields.shrink_to_fit();
        self.assets.push(asset);
        Some(row)
    }
}

/// A piece of input fit for a message: its start, without control characters.
pub(super) fn shown(text: &str) -> String {
    let mut out: String = text.chars().take(60).map(|c| if c.is_control() { '?' } else { c }).collect();
    if text.chars().nth(60).is_some() {
        out.push('…');
    }
    out
}

/// The segment after `key` in a path such as `/subscriptions/x/resourceGroups/y`; keys compare without case.
pub(super) fn segment_after<'t>(path: &'t str, key: &str) -> Option<&'t str> {
    let mut segments = path.split('/');
    segments.find(|s| s.eq_ignore_ascii_case(key))?;
    segments.next().filter(|s| !s.is_empty())
}

/// The last segment of a path or URL.
pub(super) fn last_segment(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments() {
        let id = "/subscriptions/S/resourceGroups/RG/providers/Microsoft.Compute/virtualMachines/vm";
        assert_eq!(segment_after(id, "resourcegroups"), Some("RG"));
        assert_eq!(segment_after(id, "disks"), None);
        assert_eq!(last_segment(id), "vm");
        assert_eq!(shown(&"a\u{7}".repeat(40)), format!("{}…", "a?".repeat(30)));
    }
}
