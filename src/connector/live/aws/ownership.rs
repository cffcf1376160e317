//! Asks whether addresses are still their assets': the interfaces of exactly those instances and load balancers, up to
//! 200 in a call. product.md F2.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::Value;

use super::accounts::Account;
use super::balancers::name_of;
use super::query;
use super::{Aws, Place};
use crate::base::progress::Stop;
use crate::connector::live::caller::{Failure, Patience, spread};
use crate::connector::live::trail::Trail;
use crate::connector::live::{Claim, Ownership};

/// Values of one filter in one call; EC2's documented limit.
const VALUES: usize = 200;

/// What one call is about: claims of one account and region whose interfaces are found in the same way.
struct Question<'c> {
    account: &'c str,
    region: &'c str,
    filter: &'static str,
    /// Filter values, each with the claims (by place in the list) that it is about.
    values: Vec<(String, Vec<usize>)>,
}

/// How the interfaces of a claim's asset are found.
fn filter_of(claim: &Claim) -> (&'static str, String) {
    match name_of(&claim.asset) {
        Some(name) => ("description", format!("ELB {name}")),
        None => ("attachment.instance-id", claim.asset.to_string()),
    }
}

impl Aws {
    /// See [`crate::connector::live::Live::confirm`].
    pub(super) async fn confirm_all(&self, claims: &[Claim]) -> Vec<Ownership> {
        let stop = Stop::default();
        let mut answers: Vec<Option<Ownership>> = vec![None; claims.len()];
        let wanted: BTreeSet<&str> = claims.iter().map(|c| &*c.account).collect();
        let accounts = match self.accounts_for(&wanted, &stop).await {
            Ok(accounts) => accounts,
            Err(failure) => return claims.iter().map(|_| Ownership::Unknown(failure.to_string())).collect(),
        };
        let questions = questions(claims);
        let asked = spread(&questions, self.limits.calls_in_flight, |question| {
            let account = accounts.iter().find(|a| *a.id == *question.account);
            let stop = &stop;
            async move {
                match account {
                    Some(account) => self.interfaces_of(question, account, stop).await,
                    None => Err(Failure::Failed(format!("the connector does not read account `{}`", question.account))),
                }
            }
        })
        .await;
        let mut unseen = Vec::new();
        for (question, found) in questions.iter().zip(&asked) {
            for (value, about) in &question.values {
                for n in about {
                    let (Some(claim), Some(answer)) = (claims.get(*n), answers.get_mut(*n)) else { continue };
                    match found {
                        Ok(found) if !found.contains_key(value) && name_of(&claim.asset).is_some() => unseen.push(*n),
                        Ok(found) => *answer = Some(verdict(claim, found.get(value))),
                        Err(failure) => *answer = Some(Ownership::Unknown(failure.to_string())),
                    }
                }
            }
        }
        for (n, told) in self.balancers(claims, &unseen, &accounts, &stop).await {
            if let Some(answer) = answers.get_mut(n) {
                *answer = Some(told);
            }
        }
        answers.into_iter().map(|a| a.unwrap_or_else(|| Ownership::Unknown("it was not asked".to_owned()))).collect()
    }

    /// The accounts that claims are about. An organisation is not listed anew for it.
    async fn accounts_for(&self, wanted: &BTreeSet<&str>, stop: &Stop) -> Result<Vec<Account>, Failure> {
        if self.spec.organization.is_none() {
            return self.accounts(stop).await.map_err(|(_, failure)| failure);
        }
        Ok(wanted.iter().filter_map(|id| self.reader_of(id)).collect())
    }

    /// The addresses of each value's interfaces.
    async fn interfaces_of(
        &self,
        question: &Question<'_>,
        account: &Account,
        stop: &Stop,
    ) -> Result<BTreeMap<String, BTreeSet<IpAddr>>, Failure> {
        let place = Place {
            keys: &account.keys,
            account: question.account,
            region: question.region,
            patience: Patience::BRIEF,
            stop,
        };
        let mut base = vec![("Filter.1.Name".to_owned(), question.filter.to_owned())];
        base.extend(
            question.values.iter().enumerate().map(|(n, (v, _))| (format!("Filter.1.Value.{}", n + 1), v.clone())),
        );
        let mut found: BTreeMap<String, BTreeSet<IpAddr>> = BTreeMap::new();
        let (mut next, mut trail): (Option<String>, _) = (None, Trail::default());
        loop {
            let mut parameters = base.clone();
            parameters.push(("MaxResults".to_owned(), "1000".to_owned()));
            parameters.extend(next.clone().map(|t| ("NextToken".to_owned(), t)));
            let answer = self.ask_whole(&query::INTERFACES, &parameters, place).await?;
            let Some(Value::Array(interfaces)) = answer.members.get("NetworkInterfaces") else {
                return Err(Failure::Failed("the answer has no interfaces".to_owned()));
            };
            for interface in interfaces {
                if let Some(key) = key_of(question.filter, interface) {
                    found.entry(key).or_default().extend(addresses(interface));
                }
            }
            let token = answer.members.get("NextToken").and_then(Value::as_str).filter(|t| !t.is_empty());
            match token {
                None => return Ok(found),
                Some(token) if !trail.is_new(token) => {
                    return Err(Failure::Failed("the pages do not end".to_owned()));
                }
                Some(token) => next = Some(token.to_owned()),
            }
        }
    }
}

fn questions(claims: &[Claim]) -> Vec<Question<'_>> {
    type Group<'c> = (&'c str, &'c str, &'static str);
    let mut groups: BTreeMap<Group<'_>, BTreeMap<String, Vec<usize>>> = BTreeMap::new();
    for (n, claim) in claims.iter().enumerate() {
        let (filter, value) = filter_of(claim);
        let group = groups.entry((&claim.account, &claim.region, filter)).or_default();
        group.entry(value).or_default().push(n);
    }
    let mut all = Vec::new();
    for ((account, region, filter), values) in groups {
        let values: Vec<(String, Vec<usize>)> = values.into_iter().collect();
        for values in values.chunks(VALUES) {
            all.push(Question { account, region, filter, values: values.to_vec() });
        }
    }
    all
}

/// The filter value that an interface of the answer belongs to.
fn key_of(filter: &str, interface: &Value) -> Option<String> {
    let text = |v: Option<&Value>| v.and_then(Value::as_str).map(str::to_owned);
    match filter {
        "description" => text(interface.get("Description")),
        _ => text(interface.get("Attachment").and_then(|a| a.get("InstanceId"))),
    }
}

/// Every address of an interface, private, public and IPv6.
fn addresses(interface: &Value) -> BTreeSet<IpAddr> {
    let list = |name: &str| interface.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut found = Vec::new();
    for of in std::iter::once(interface).chain(list("PrivateIpAddresses")) {
        let association = of.get("Association");
        found.push(of.get("PrivateIpAddress"));
        found.extend(["PublicIp", "CarrierIp", "CustomerOwnedIp"].map(|name| association.and_then(|a| a.get(name))));
    }
    found.extend(list("Ipv6Addresses").iter().map(|a| a.get("Ipv6Address")));
    let text = found.into_iter().flatten().filter_map(Value::as_str);
    text.filter_map(|t| t.parse::<IpAddr>().ok()).map(|a| a.to_canonical()).collect()
}

fn verdict(claim: &Claim, found: Option<&BTreeSet<IpAddr>>) -> Ownership {
    match found {
        Some(addresses) if addresses.contains(&claim.addr.to_canonical()) => Ownership::Confirmed,
        Some(_) => Ownership::Lost(format!("no interface of `{}` has the address any more", claim.asset)),
        None => Ownership::Lost(format!("`{}` has no interface any more", claim.asset)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(asset: &str, region: &str, addr: &str) -> Claim {
        Claim {
            asset: asset.into(),
            interface: "eni-1".into(),
            account: "1".into(),
            region: region.into(),
            addr: addr.parse().unwrap(),
        }
    }

    #[test]
    fn claims_share_calls() {
        let mut claims: Vec<Claim> = (0..450).map(|n| claim(&format!("i-{}", n / 2), "r", "192.0.2.1")).collect();
        claims.push(claim("i-0", "s", "192.0.2.1"));
        claims.push(claim("arn:aws:elasticloadbalancing:r:1:loadbalancer/app/web/50dc", "r", "192.0.2.1"));
        let questions = questions(&claims);
        let shape: Vec<(&str, &str, usize)> = questions.iter().map(|q| (q.region, q.filter, q.values.len())).collect();
        assert_eq!(
            shape,
            [
                ("r", "attachment.instance-id", 200),
                ("r", "attachment.instance-id", 25),
                ("r", "description", 1),
                ("s", "attachment.instance-id", 1),
            ]
        );
        assert_eq!(questions[2].values[0].0, "ELB app/web/50dc");
        let about: usize = questions.iter().flat_map(|q| &q.values).map(|(_, about)| about.len()).sum();
        assert_eq!(about, claims.len());
    }

    #[test]
    fn addresses_in_every_place() {
        let interface = serde_json::json!({
            "Attachment": {"InstanceId": "i-1"}, "PrivateIpAddress": "10.0.0.1",
            "Association": {"PublicIp": "198.51.100.1"},
            "PrivateIpAddresses": [
                {"PrivateIpAddress": "10.0.0.1", "Association": {"PublicIp": "198.51.100.1"}},
                {"PrivateIpAddress": "10.0.0.2", "Association": {"CarrierIp": "198.51.100.2"}}, 7],
            "Ipv6Addresses": [{"Ipv6Address": "2001:db8::1"}, {"Ipv6Address": "nonsense"}]
        });
        let found = addresses(&interface);
        let texts: Vec<String> = found.iter().map(IpAddr::to_string).collect();
        assert_eq!(texts, ["10.0.0.1", "10.0.0.2", "198.51.100.1", "198.51.100.2", "2001:db8::1"]);
        assert_eq!(key_of("attachment.instance-id", &interface).as_deref(), Some("i-1"));
        assert_eq!(verdict(&claim("i-1", "r", "2001:db8::1"), Some(&found)), Ownership::Confirmed);
        let lost = verdict(&claim("i-1", "r", "192.0.2.9"), Some(&found));
        assert_eq!(lost, Ownership::Lost("no interface of `i-1` has the address any more".into()));
        assert_eq!(
            verdict(&claim("i-2", "r", "192.0.2.9"), None),
            Ownership::Lost("`i-2` has no interface any more".into())
        );
    }
}
