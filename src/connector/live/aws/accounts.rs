//! Which accounts are read, and with which role.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::credentials::{Keys, Role};
use super::query::{self, Action};
use super::{Aws, Organization, Place};
use crate::base::progress::Stop;
use crate::connector::live::caller::{Failure, Patience};
use crate::connector::live::trail::Trail;

/// An account to read.
pub(super) struct Account {
    pub(super) id: Arc<str>,
    pub(super) keys: Arc<Keys>,
    /// Why it is not read, where that is known beforehand.
    pub(super) refused: Option<Failure>,
}

/// Units looked at, at most; accounts of further ones would be missed by nobody, so that more is a failure.
const UNITS: usize = 2_000;

impl Aws {
    /// The accounts to read; an error where not even that can be told, with the account it is about where known.
    pub(super) async fn accounts(&self, stop: &Stop) -> Result<Vec<Account>, (Arc<str>, Failure)> {
        let known: Arc<str> = self.spec.role.as_deref().and_then(|arn| arn.split(':').nth(4)).unwrap_or("").into();
        let place = Place {
            keys: &self.base,
            account: &known,
            region: &self.home,
            patience: Patience::reading(&self.limits),
            stop,
        };
        let own = self.account_of(place).await.map_err(|failure| (Arc::clone(&known), failure))?;
        let own: Arc<str> = own.into();
        let Some(organization) = &self.spec.organization else {
            return Ok(vec![Account { id: own, keys: Arc::clone(&self.base), refused: None }]);
        };
        let partition = super::partition_of(&self.home);
        let ids =
            self.listed(organization, &own, partition, stop).await.map_err(|failure| (Arc::clone(&own), failure))?;
        let accounts = ids.into_iter().map(|(id, active)| {
            let keys = self.reader(partition, &id, organization);
            let suspended = "the organisation says that the account is not active";
            Account { id, keys, refused: (!active).then(|| Failure::Denied(suspended.to_owned())) }
        });
        Ok(accounts.collect())
    }

    /// The reading role of one account of the organisation; the same keys each time, so that it is assumed once.
    fn reader(&self, partition: &str, id: &Arc<str>, organization: &Organization) -> Arc<Keys> {
        let mut readers = self.readers.lock().unwrap_or_else(|e| e.into_inner());
        let keys = readers.entry(Arc::clone(id)).or_insert_with(|| {
            let role = Role {
                arn: format!("arn:{partition}:iam::{id}:role/{}", organization.read_role.trim_start_matches('/')),
                external_id: self.spec.external_id.clone(),
            };
            Arc::new(Keys::role(&self.base, role))
        });
        Arc::clone(keys)
    }

    /// An account of the organisation by its id, without listing.
    pub(super) fn reader_of(&self, id: &str) -> Option<Account> {
        let organization = self.spec.organization.as_ref()?;
        let id: Arc<str> = id.into();
        let partition = super::partition_of(&self.home);
        Some(Account { keys: self.reader(partition, &id, organization), id, refused: None })
    }

    /// Account ids, and whether they are active. Chosen accounts need no listing.
    async fn listed(
        &self,
        organization: &Organization,
        own: &str,
        partition: &str,
        stop: &Stop,
    ) -> Result<Vec<(Arc<str>, bool)>, Failure> {
        let keep = |id: &str| !organization.except.iter().any(|e| e == id);
        if !organization.accounts.is_empty() && organization.units.is_empty() {
            let chosen: BTreeSet<&str> = organization.accounts.iter().map(String::as_str).filter(|a| keep(a)).collect();
            return Ok(chosen.into_iter().map(|id| (id.into(), true)).collect());
        }
        let lister = match &organization.list_role {
            Some(arn) => {
                Arc::new(Keys::role(&self.base, Role { arn: arn.clone(), external_id: self.spec.external_id.clone() }))
            }
            None => Arc::clone(&self.base),
        };
        let region = match partition {
            "aws-cn" => "cn-northwest-1",
            "aws-us-gov" => "us-gov-west-1",
            _ => super::HOME,
        };
        let place = Place { keys: &lister, account: own, region, patience: Patience::reading(&self.limits), stop };
        let mut found: Vec<(Arc<str>, bool)> = Vec::new();
        if organization.units.is_empty() {
            found.extend(self.accounts_in(&query::LIST_ACCOUNTS, None, place).await?);
        }
        let mut units = organization.units.clone();
        let mut seen: BTreeSet<String> = units.iter().cloned().collect();
        while let Some(unit) = units.pop() {
            found.extend(self.accounts_in(&query::ACCOUNTS_OF, Some(&unit), place).await?);
            for below in self.all_pages(&query::UNITS_OF, Some(&unit), "OrganizationalUnits", place).await? {
                let id = below.get("Id").and_then(Value::as_str).unwrap_or("").to_owned();
                if !id.is_empty() && seen.insert(id.clone()) {
                    units.push(id);
                }
                if seen.len() > UNITS {
                    return Err(Failure::Failed(format!(
                        "the organisation has more than {UNITS} units below those chosen"
                    )));
                }
            }
        }
        let chosen = |id: &str| organization.accounts.is_empty() || organization.accounts.iter().any(|a| a == id);
        found.retain(|(id, _)| keep(id) && chosen(id));
        found.sort();
        found.dedup_by(|a, b| a.0 == b.0);
        Ok(found)
    }

    async fn accounts_in(
        &self,
        action: &Action,
        parent: Option<&str>,
        place: Place<'_>,
    ) -> Result<Vec<(Arc<str>, bool)>, Failure> {
        let all = self.all_pages(action, parent, "Accounts", place).await?;
        let account = |a: &Value| {
            let id = a.get("Id").and_then(Value::as_str).filter(|id| !id.is_empty())?;
            let active = a.get("Status").and_then(Value::as_str).is_none_or(|s| s == "ACTIVE");
            Some((id.into(), active))
        };
        Ok(all.iter().filter_map(account).collect())
    }

    /// The members of a list over all its pages.
    async fn all_pages(
        &self,
        action: &Action,
        parent: Option<&str>,
        list: &str,
        place: Place<'_>,
    ) -> Result<Vec<Value>, Failure> {
        let mut all = Vec::new();
        let (mut next, mut trail): (Option<String>, _) = (None, Trail::default());
        for _ in 0..self.limits.pages_per_partition {
            let mut parameters: Vec<(String, String)> =
                parent.iter().map(|p| ("ParentId".to_owned(), (*p).to_owned())).collect();
            parameters.extend(next.clone().map(|t| ("NextToken".to_owned(), t)));
            let mut answer = self.ask_whole(action, &parameters, place).await?;
            match answer.members.remove(list) {
                Some(Value::Array(items)) => all.extend(items),
                _ => return Err(Failure::Failed(format!("{}: the answer has no `{list}`", action.name))),
            }
            let token = answer.members.get("NextToken").and_then(Value::as_str).filter(|t| !t.is_empty());
            match token {
                None => return Ok(all),
                Some(token) if !trail.is_new(token) => break,
                Some(token) => next = Some(token.to_owned()),
            }
        }
        Err(Failure::Failed(format!("{}: the pages do not end", action.name)))
    }
}
