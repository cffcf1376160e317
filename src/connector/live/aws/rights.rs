//! The rights that a connector needs: tried one by one, and as policy documents.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::accounts::Account;
use super::credentials::{Keys, Role};
use super::query::{self, Action};
use super::{Aws, AwsSpec, Organization, Place};
use crate::base::progress::Stop;
use crate::connector::live::Permission;
use crate::connector::live::caller::{Failure, Patience, spread};

/// What the reading of one account needs.
const READING: [&Action; 6] = [
    &query::REGIONS,
    &query::INSTANCES,
    &query::INTERFACES,
    &query::ADDRESSES,
    &query::BALANCERS,
    &query::CLASSIC_BALANCERS,
];

/// The code by which EC2 says that a dry call would have been allowed.
const WOULD_DO: &str = "DryRunOperation";

impl Organization {
    /// True where accounts have to be listed.
    fn lists(&self) -> bool {
        self.accounts.is_empty() || !self.units.is_empty()
    }

    fn listing(&self) -> Vec<&'static Action> {
        match (self.lists(), self.units.is_empty()) {
            (false, _) => Vec::new(),
            (true, true) => vec![&query::LIST_ACCOUNTS],
            (true, false) => vec![&query::ACCOUNTS_OF, &query::UNITS_OF],
        }
    }
}

impl Aws {
    /// See [`crate::connector::live::Live::permissions`]. Reading rights are tried in one region of each account, by
    /// dry calls where the service has them.
    pub(super) async fn try_rights(&self) -> Vec<Permission> {
        let stop = Stop::default();
        let mut all = Vec::new();
        let (home, patience) = (self.home.as_str(), Patience::BRIEF);
        let place = |keys, account| Place { keys, account, region: home, patience, stop: &stop };
        if let Some(arn) = &self.spec.role {
            let got = self.base.get(self, self.caller.now(), false).await;
            all.push(permission(&query::ASSUME_ROLE, arn.clone(), got.err().as_ref()));
        }
        if let Some(organization) = &self.spec.organization {
            let lister = organization
                .list_role
                .as_ref()
                .map(|arn| Role { arn: arn.clone(), external_id: self.spec.external_id.clone() });
            let lister = lister.map(|role| (role.arn.clone(), Keys::role(&self.base, role)));
            if let Some((arn, keys)) = &lister {
                let got = keys.get(self, self.caller.now(), false).await;
                all.push(permission(&query::ASSUME_ROLE, arn.clone(), got.err().as_ref()));
            }
            let keys = lister.as_ref().map_or(&*self.base, |(_, keys)| keys);
            for action in organization.listing() {
                let parent = organization.units.first().map(|u| ("ParentId".to_owned(), u.clone()));
                let parameters: Vec<_> = parent.into_iter().collect();
                let got = self.ask_whole(action, &parameters, place(keys, "")).await;
                all.push(permission(action, "the organisation".to_owned(), got.err().as_ref()));
            }
        }
        match self.accounts(&stop).await {
            Ok(accounts) => {
                let tried = spread(&accounts, self.limits.calls_in_flight, |account| self.try_account(account, &stop));
                all.extend(tried.await.into_iter().flatten());
            }
            Err((account, failure)) => {
                let place = if account.is_empty() { "the connector's account".to_owned() } else { account.to_string() };
                all.extend(READING.iter().map(|action| permission(action, place.clone(), Some(&failure))));
            }
        }
        all
    }

    async fn try_account(&self, account: &Account, stop: &Stop) -> Vec<Permission> {
        let mut all = Vec::new();
        let assumed = match &account.refused {
            Some(refused) => Err(refused.clone()),
            None => account.keys.get(self, self.caller.now(), false).await.map(|_| ()),
        };
        if self.spec.organization.is_some() {
            all.push(permission(&query::ASSUME_ROLE, account.id.to_string(), assumed.as_ref().err()));
        }
        let region = self.spec.regions.as_ref().and_then(|r| r.first()).unwrap_or(&self.home);
        let place = Place { keys: &account.keys, account: &account.id, region, patience: Patience::BRIEF, stop };
        for action in READING {
            let where_tried = format!("{}/{region}", account.id);
            if let Err(failure) = &assumed {
                all.push(permission(action, where_tried, Some(failure)));
                continue;
            }
            let dry = action.service == "ec2";
            let parameter = if dry { ("DryRun", "true") } else { ("PageSize", "1") };
            let parameters = [(parameter.0.to_owned(), parameter.1.to_owned())];
            let refused = match self.ask_whole(action, &parameters, place).await {
                Ok(_) => None,
                Err(Failure::Failed(words) | Failure::Denied(words)) if dry && words.starts_with(WOULD_DO) => None,
                Err(failure) => Some(failure),
            };
            all.push(permission(action, where_tried, refused.as_ref()));
        }
        all
    }
}

fn permission(action: &Action, place: String, refused: Option<&Failure>) -> Permission {
    Permission {
        name: action.right.to_owned(),
        place,
        need: action.need,
        refused: refused.map(|failure| match failure {
            Failure::Throttled(words) => format!("not known, throttled: {words}"),
            other => other.to_string(),
        }),
    }
}

/// One policy, or where several have to be given to different principals, an object of them by principal.
pub(super) fn policy(spec: &AwsSpec) -> String {
    let reading: BTreeSet<&str> = READING.iter().map(|a| a.right).collect();
    let reading = statement("ReadInventory", reading, json!("*"));
    let mut by_principal: Vec<(String, Vec<Value>)> = Vec::new();
    let mut give = |principal: &str, statement: Value| match by_principal.iter_mut().find(|(p, _)| p == principal) {
        Some((_, statements)) => statements.push(statement),
        None => by_principal.push((principal.to_owned(), vec![statement])),
    };
    let mut base = "caller";
    if let Some(arn) = &spec.role {
        give(base, statement("AssumeRole", BTreeSet::from(["sts:AssumeRole"]), json!(arn)));
        base = arn;
    }
    match &spec.organization {
        None => give(base, reading),
        Some(organization) => {
            let listing: BTreeSet<&str> = organization.listing().iter().map(|a| a.right).collect();
            let mut lister = base;
            if let Some(arn) = organization.list_role.as_deref().filter(|_| organization.lists()) {
                give(base, statement("AssumeListRole", BTreeSet::from(["sts:AssumeRole"]), json!(arn)));
                lister = arn;
            }
            if !listing.is_empty() {
                give(lister, statement("ListAccounts", listing, json!("*")));
            }
            let name = organization.read_role.trim_start_matches('/');
            let home = spec.regions.as_ref().and_then(|r| r.first()).map_or("", String::as_str);
            let partition = super::partition_of(home);
            let readers = format!("arn:{partition}:iam::*:role/{name}");
            give(base, statement("AssumeReadRole", BTreeSet::from(["sts:AssumeRole"]), json!(readers)));
            give(&readers, reading);
        }
    }
    let document = |statements: &[Value]| json!({"Version": "2012-10-17", "Statement": statements});
    let all = match by_principal.as_slice() {
        [(_, only)] => document(only),
        several => Value::Object(several.iter().map(|(p, s)| (p.clone(), document(s))).collect::<Map<_, _>>()),
    };
    format!("{all:#}\n")
}

fn statement(sid: &str, actions: BTreeSet<&str>, resource: Value) -> Value {
    json!({"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_account() {
        let text = policy(&AwsSpec::default());
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            value,
            json!({"Version": "2012-10-17", "Statement": [{
                "Sid": "ReadInventory", "Effect": "Allow", "Resource": "*",
                "Action": ["ec2:DescribeAddresses", "ec2:DescribeInstances", "ec2:DescribeNetworkInterfaces",
                    "ec2:DescribeRegions", "elasticloadbalancing:DescribeLoadBalancers"],
            }]})
        );
    }

    #[test]
    fn an_organisation_has_three_principals() {
        let spec = AwsSpec {
            organization: Some(Organization {
                list_role: Some("arn:aws:iam::1:role/lister".into()),
                read_role: "reader".into(),
                ..Organization::default()
            }),
            ..AwsSpec::default()
        };
        let value: Value = serde_json::from_str(&policy(&spec)).unwrap();
        let principals: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(principals, ["arn:aws:iam::*:role/reader", "arn:aws:iam::1:role/lister", "caller"]);
        assert_eq!(
            value["arn:aws:iam::1:role/lister"]["Statement"][0]["Action"],
            json!(["organizations:ListAccounts"])
        );
        assert_eq!(value["caller"]["Statement"][1]["Resource"], json!("arn:aws:iam::*:role/reader"));
    }
}
