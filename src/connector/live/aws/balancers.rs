//! Load balancers of which no interface can be seen: whether they are still there, and which addresses the provider
//! publishes for them. product.md F2.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::Value;

use super::accounts::Account;
use super::query;
use super::{Aws, Place};
use crate::base::progress::Stop;
use crate::connector::live::caller::{Failure, Patience, spread};
use crate::connector::live::{Claim, Ownership};

/// The code that both generations give for a load balancer that is not there.
const NOT_FOUND: &str = "LoadBalancerNotFound";

/// The name that interfaces of a load balancer carry in their description: the end of its ARN. A classic one's ARN ends
/// with its name.
pub(super) fn name_of(asset: &str) -> Option<&str> {
    asset.split_once(":loadbalancer/").map(|(_, name)| name)
}

impl Aws {
    /// Answers for claims of load balancers, by place in the list: one call each, for they are few, and one that is gone
    /// would fail the call for all.
    pub(super) async fn balancers(
        &self,
        claims: &[Claim],
        unseen: &[usize],
        accounts: &[Account],
        stop: &Stop,
    ) -> Vec<(usize, Ownership)> {
        let mut by_balancer: BTreeMap<(&str, &str, &str), Vec<usize>> = BTreeMap::new();
        for (n, claim) in unseen.iter().filter_map(|n| Some((*n, claims.get(*n)?))) {
            by_balancer.entry((&claim.account, &claim.region, &claim.asset)).or_default().push(n);
        }
        let told = spread(by_balancer, self.limits.calls_in_flight, async |((id, region, asset), about)| {
            let found = match accounts.iter().find(|a| *a.id == *id) {
                Some(account) => self.published(asset, account, region, stop).await,
                None => Err(Failure::Failed(format!("the connector does not read account `{id}`"))),
            };
            let answer = |n: usize| Some((n, verdict(claims.get(n)?, &found)));
            about.into_iter().filter_map(answer).collect::<Vec<_>>()
        });
        told.await.into_iter().flatten().collect()
    }

    /// The addresses published for a load balancer; nothing where it is gone.
    async fn published(
        &self,
        asset: &str,
        account: &Account,
        region: &str,
        stop: &Stop,
    ) -> Result<Option<BTreeSet<IpAddr>>, Failure> {
        let name = name_of(asset).unwrap_or(asset);
        let (action, key, value, list) = match name.contains('/') {
            true => (&query::BALANCERS, "LoadBalancerArns.member.1", asset, "LoadBalancers"),
            false => (&query::CLASSIC_BALANCERS, "LoadBalancerNames.member.1", name, "LoadBalancerDescriptions"),
        };
        let place = Place { keys: &account.keys, account: &account.id, region, patience: Patience::BRIEF, stop };
        let answer = match self.ask_whole(action, &[(key.to_owned(), value.to_owned())], place).await {
            Err(Failure::Failed(words)) if words.starts_with(NOT_FOUND) => return Ok(None),
            other => other?,
        };
        let Some(Value::Array(balancers)) = answer.members.get(list) else {
            return Err(Failure::Failed("the answer has no load balancers".to_owned()));
        };
        Ok((!balancers.is_empty()).then(|| balancers.iter().flat_map(addresses).collect()))
    }
}

/// Addresses that a network load balancer keeps for its whole life.
fn addresses(balancer: &Value) -> Vec<IpAddr> {
    let list = |of: &'_ Value, name: &str| of.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let zones = list(balancer, "AvailabilityZones");
    let published = zones.iter().flat_map(|z| list(z, "LoadBalancerAddresses"));
    let text = |address: &Value, key: &str| address.get(key).and_then(Value::as_str).map(str::to_owned);
    let both = published.flat_map(|a| [text(&a, "IpAddress"), text(&a, "IPv6Address")]);
    both.flatten().filter_map(|t| t.parse::<IpAddr>().ok()).map(|a| a.to_canonical()).collect()
}

fn verdict(claim: &Claim, found: &Result<Option<BTreeSet<IpAddr>>, Failure>) -> Ownership {
    let name = name_of(&claim.asset).unwrap_or(&claim.asset);
    match found {
        Ok(None) => Ownership::Lost(format!("the load balancer `{name}` is gone")),
        Ok(Some(addresses)) if addresses.contains(&claim.addr.to_canonical()) => Ownership::Confirmed,
        Ok(Some(addresses)) if !addresses.is_empty() => {
            Ownership::Lost(format!("the load balancer `{name}` does not have {} any more", claim.addr))
        }
        Ok(Some(_)) => Ownership::Unknown(format!("no interface of the load balancer `{name}` can be seen")),
        Err(failure) => Ownership::Unknown(failure.to_string()),
    }
}
