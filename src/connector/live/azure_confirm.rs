//! Azure: does an address still belong to its resource, and may the identity read what it has to.
//!
//! Resource Graph finds the public addresses of many claims in one query, but lags behind by seconds to minutes; so
//! the address's own resource has the last word. Where Resource Graph does not know an address, the interface is
//! asked.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use crate::base::progress::Stop;
use crate::connector::azure_record::Resource;
use crate::connector::desk::{last_segment, shown};
use crate::connector::lenient::some;
use crate::connector::live::azure::{Azure, COMPUTE, NETWORK, READS, SCALE_SETS, json_text};
use crate::connector::live::bearer::Used;
use crate::connector::live::caller::Verdict;
use crate::connector::live::caller::{Failure, Patience, Terms, spread};
use crate::connector::live::http::{Method, Request};
use crate::connector::live::refusal::judge;
use crate::connector::live::{Claim, Ownership, Permission};

/// Addresses of one query.
const BATCH: usize = 100;

/// The rights that are needed: name, listing that proves it in a subscription, what for.
const RIGHTS: &[(&str, &str, &str)] = &[
    (
        "Microsoft.Compute/virtualMachines/read",
        "Microsoft.Compute/virtualMachines?api-version=2024-07-01&statusOnly=true",
        "machines and their power states",
    ),
    (
        "Microsoft.Compute/virtualMachineScaleSets/read",
        "Microsoft.Compute/virtualMachineScaleSets?api-version=2024-07-01",
        "scale sets",
    ),
    (
        "Microsoft.Network/networkInterfaces/read",
        "Microsoft.Network/networkInterfaces?api-version=2024-05-01",
        "interfaces and private addresses",
    ),
    (
        "Microsoft.Network/publicIPAddresses/read",
        "Microsoft.Network/publicIPAddresses?api-version=2024-05-01",
        "public addresses, and their ownership before a packet",
    ),
    (
        "Microsoft.Network/loadBalancers/read",
        "Microsoft.Network/loadBalancers?api-version=2024-05-01",
        "load balancers",
    ),
    (
        "Microsoft.Network/applicationGateways/read",
        "Microsoft.Network/applicationGateways?api-version=2024-05-01",
        "application gateways",
    ),
];

/// Rights on the parts of a scale set; they can be tried only where there is one.
const SET_RIGHTS: &[(&str, &str, &str)] = &[
    (
        "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/read",
        "virtualMachines?api-version=2024-07-01",
        "machines of scale sets",
    ),
    (
        "Microsoft.Compute/virtualMachineScaleSets/networkInterfaces/read",
        "networkInterfaces?api-version=2018-10-01",
        "interfaces of scale sets",
    ),
    (
        "Microsoft.Compute/virtualMachineScaleSets/publicIPAddresses/read",
        "publicipaddresses?api-version=2018-10-01",
        "public addresses of scale sets",
    ),
];

const GRAPH_RIGHT: &str = "Microsoft.ResourceGraph/resources/read";

impl Azure {
    /// One resource; nothing where it is gone.
    async fn resource(&self, id: &str, stop: &Stop) -> Result<Option<String>, Failure> {
        let safe = id.starts_with('/') && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.()".contains(&b));
        if !safe {
            return Err(Failure::Failed(format!("`{}` is no resource id", shown(id))));
        }
        let lower = id.to_ascii_lowercase();
        let version = match lower.contains("/virtualmachinescalesets/") {
            true => SCALE_SETS,
            false if lower.contains("/microsoft.compute/") => COMPUTE,
            false => NETWORK,
        };
        let url = format!("{}{id}?api-version={version}", self.base);
        let account = crate::connector::desk::segment_after(id, "subscriptions").unwrap_or("");
        let meter = Self::meter(account, "Microsoft.Network/read");
        let terms = Terms { meter: &meter, quota: READS, patience: Patience::BRIEF, stop };
        let used = Used::default();
        self.caller
            .call(
                terms,
                async |at| self.bearer.sign(Request::new(Method::Get, url.as_str()), at, &used).await,
                |response| match response.status {
                    404 => Verdict::Done(None),
                    _ => judge(&response, |body| json_text(body).map(Some)),
                },
            )
            .await
    }

    /// One answer a claim, in order.
    pub(super) async fn confirm_all(&self, claims: &[Claim], stop: &Stop) -> Vec<Ownership> {
        let found = self.find_addresses(claims, stop).await;
        spread(claims, self.limits.calls_in_flight, async |claim| {
            let told = match found.get(&claim.addr) {
                Some(id) => self.ask_address(id, claim, stop).await,
                None => self.ask_interface(claim, stop).await,
            };
            told.unwrap_or_else(|failure| Ownership::Unknown(failure.to_string()))
        })
        .await
    }

    /// Resource ids of public addresses, as far as Resource Graph knows them. Its failure costs nothing but calls.
    async fn find_addresses(&self, claims: &[Claim], stop: &Stop) -> BTreeMap<IpAddr, String> {
        let accounts: BTreeSet<Arc<str>> = claims.iter().map(|c| Arc::clone(&c.account)).collect();
        let accounts: Vec<Arc<str>> = accounts.into_iter().filter(|a| !a.is_empty()).collect();
        let plain = |c: &&Claim| !c.interface.to_ascii_lowercase().contains("/virtualmachinescalesets/");
        let public: BTreeSet<IpAddr> =
            claims.iter().filter(plain).map(|c| c.addr).filter(|a| !is_private(*a)).collect();
        let public: Vec<IpAddr> = public.into_iter().collect();
        let mut found = BTreeMap::new();
        if accounts.is_empty() {
            return found;
        }
        for batch in public.chunks(BATCH) {
            let list: Vec<String> = batch.iter().map(|a| format!("'{a}'")).collect();
            let query = format!(
                "Resources | where type =~ 'microsoft.network/publicipaddresses' \
                 | where tostring(properties.ipAddress) in ({}) | project id, properties",
                list.join(", ")
            );
            let Ok(rows) = self.graph_rows(&query, &accounts, stop).await else { continue };
            for row in rows {
                let Ok(resource) = Resource::read(row.get().as_bytes()) else { continue };
                let (resource, body) = resource.into_parts();
                let addr = some(body.ip_address.as_ref()).and_then(|a| a.parse::<IpAddr>().ok());
                if let (Some(addr), Some(id)) = (addr, some(resource.id.as_ref())) {
                    found.insert(addr, id.to_owned());
                }
            }
        }
        found
    }

    /// What a public address's own resource says.
    async fn ask_address(&self, id: &str, claim: &Claim, stop: &Stop) -> Result<Ownership, Failure> {
        let Some(text) = self.resource(id, stop).await? else {
            return Ok(Ownership::Lost(format!("the public address `{}` is gone", shown(last_segment(id)))));
        };
        let (_, body) = Resource::read(text.as_bytes()).map_err(Failure::Failed)?.into_parts();
        let has = some(body.ip_address.as_ref()).and_then(|a| a.parse::<IpAddr>().ok());
        if has != Some(claim.addr) {
            let now = has.map_or_else(|| "no address".to_owned(), |a| a.to_string());
            return Ok(Ownership::Lost(format!("`{}` has {now} now", shown(last_segment(id)))));
        }
        let attached = body.ip_configuration.as_ref().and_then(|c| some(c.id.as_ref())).unwrap_or("");
        Ok(owner(id, attached, claim))
    }

    /// What the claim's interface says: its private addresses, and through its public ones.
    async fn ask_interface(&self, claim: &Claim, stop: &Stop) -> Result<Ownership, Failure> {
        if !claim.interface.starts_with('/') {
            let text = format!("no public address resource has {}, and no interface is known to ask", claim.addr);
            return Ok(Ownership::Unknown(text));
        }
        let name = shown(last_segment(&claim.interface));
        let Some(text) = self.resource(&claim.interface, stop).await? else {
            return Ok(Ownership::Lost(format!("the interface `{name}` is gone")));
        };
        let (_, body) = Resource::read(text.as_bytes()).map_err(Failure::Failed)?.into_parts();
        let configurations = body.ip_configurations.iter().flatten().map(|c| c.body());
        let mut public = Vec::new();
        for c in configurations {
            if some(c.private_ip.as_ref()).and_then(|a| a.parse().ok()) == Some(claim.addr) {
                return Ok(Ownership::Confirmed);
            }
            public.extend(c.public_ip.as_ref().and_then(|p| some(p.id.as_ref())).map(str::to_owned));
        }
        for id in public {
            let Some(text) = self.resource(&id, stop).await? else { continue };
            let (_, body) = Resource::read(text.as_bytes()).map_err(Failure::Failed)?.into_parts();
            if some(body.ip_address.as_ref()).and_then(|a| a.parse().ok()) == Some(claim.addr) {
                return Ok(Ownership::Confirmed);
            }
        }
        Ok(Ownership::Lost(format!("the interface `{name}` does not have {} any more", claim.addr)))
    }

    /// Tries each right once in each subscription.
    pub(super) async fn try_permissions(&self, stop: &Stop) -> Vec<Permission> {
        let subscriptions = match self.subscriptions(stop).await {
            Ok(all) => all,
            Err(failure) => {
                return vec![Permission {
                    name: "Microsoft.Resources/subscriptions/read".to_owned(),
                    place: "the identity".to_owned(),
                    need: "which subscriptions there are",
                    refused: Some(failure.to_string()),
                }];
            }
        };
        let graph = self.graph_rows("Resources | project id | limit 1", &subscriptions, stop).await;
        let mut all = vec![Permission {
            name: GRAPH_RIGHT.to_owned(),
            place: "all subscriptions".to_owned(),
            need: "reading many subscriptions at once",
            refused: graph.err().map(|e| e.to_string()),
        }];
        for subscription in &subscriptions {
            let tried = spread(RIGHTS, self.limits.calls_in_flight, |right| self.try_right(subscription, right, stop));
            let tried = tried.await;
            let sets = tried.iter().find(|(p, _)| p.name.ends_with("virtualMachineScaleSets/read"));
            let set = sets.and_then(|(_, page)| first_id(page.as_deref()?));
            all.extend(tried.into_iter().map(|(permission, _)| permission));
            let Some(set) = set else { continue };
            for (name, rest, need) in SET_RIGHTS {
                let refused = self.try_url(&format!("{}{set}/{rest}", self.base), subscription, name, stop).await.err();
                let refused = refused.map(|e| e.to_string());
                let (name, place) = ((*name).to_owned(), format!("subscription {subscription}"));
                all.push(Permission { name, place, need, refused });
            }
        }
        all
    }

    async fn try_right(
        &self,
        subscription: &str,
        right: &(&'static str, &'static str, &'static str),
        stop: &Stop,
    ) -> (Permission, Option<String>) {
        let (name, path, need) = *right;
        let url = format!("{}/subscriptions/{subscription}/providers/{path}", self.base);
        let (page, refused) = match self.try_url(&url, subscription, name, stop).await {
            Ok(page) => (Some(page), None),
            Err(failure) => (None, Some(failure.to_string())),
        };
        (Permission { name: name.to_owned(), place: format!("subscription {subscription}"), need, refused }, page)
    }

    async fn try_url(&self, url: &str, account: &str, call: &str, stop: &Stop) -> Result<String, Failure> {
        let meter = Self::meter(account, call);
        self.get(url, Terms { meter: &meter, quota: READS, patience: Patience::BRIEF, stop }).await
    }

    /// A custom role with exactly the needed rights, for `az role definition create --role-definition @FILE`.
    pub(super) fn role_document(&self) -> String {
        let mut actions: Vec<&str> = [RIGHTS, SET_RIGHTS].concat().iter().map(|(name, ..)| *name).collect();
        actions.push(GRAPH_RIGHT);
        actions.sort_unstable();
        let scopes: Vec<String> = match &self.config.subscriptions {
            Some(chosen) if !chosen.is_empty() => chosen.iter().map(|s| format!("/subscriptions/{s}")).collect(),
            _ => vec!["/subscriptions/00000000-0000-0000-0000-000000000000".to_owned()],
        };
        let role = serde_json::json!({
            "Name": "Palisade inventory reader",
            "IsCustom": true,
            "Description": "Reads machines, interfaces, public addresses and load balancers.",
            "Actions": actions,
            "NotActions": [],
            "DataActions": [],
            "NotDataActions": [],
            "AssignableScopes": scopes,
        });
        serde_json::to_string_pretty(&role).unwrap_or_default()
    }
}

/// Whose an attached public address is.
fn owner(id: &str, attached: &str, claim: &Claim) -> Ownership {
    let lower = attached.to_ascii_lowercase();
    let within = |outer: &str| !outer.is_empty() && lower.starts_with(&format!("{}/", outer.to_ascii_lowercase()));
    let front = lower.contains("/loadbalancers/") || lower.contains("/applicationgateways/");
    if within(&claim.interface) || within(&claim.asset) || (front && id.eq_ignore_ascii_case(&claim.asset)) {
        return Ownership::Confirmed;
    }
    if attached.is_empty() {
        return Ownership::Lost(format!("{} is attached to nothing", claim.addr));
    }
    let holder = attached.split("/ipConfigurations/").next().unwrap_or(attached);
    let holder = holder.split("/frontendIPConfigurations/").next().unwrap_or(holder);
    Ownership::Lost(format!("{} belongs to `{}`", claim.addr, shown(last_segment(holder))))
}

fn is_private(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(a) => a.is_private(),
        IpAddr::V6(a) => a.is_unique_local(),
    }
}

fn first_id(page: &str) -> Option<String> {
    let page: serde_json::Value = serde_json::from_str(page).ok()?;
    page.get("value")?.get(0)?.get("id")?.as_str().map(str::to_owned)
}
