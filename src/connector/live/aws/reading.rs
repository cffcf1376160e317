//! Reads the inventory: accounts, their regions, and in each region five calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value};

use super::accounts::Account;
use super::query::{self, Action};
use super::{Aws, Place};
use crate::base::progress::{Progress, Stop};
use crate::connector::live::caller::{Failure, Patience, spread};
use crate::connector::live::trail::Trail;
use crate::connector::live::{Fetched, Origin, Pages, Recording};
use crate::inventory::partition::{Kind, PartitionState};

/// One call of each region.
struct Call {
    kind: Kind,
    action: &'static Action,
    /// The list in its answer.
    list: &'static str,
    /// How many records a page has, and how pages are asked for; nothing where there are none.
    paging: Option<(&'static str, u32, &'static str)>,
}

/// EC2 asks for `MaxResults` of 5 to 1,000; without it a large answer fails. ELB takes up to 400 as `PageSize`.
const CALLS: &[Call] = &[
    Call {
        kind: Kind::Instances,
        action: &query::INSTANCES,
        list: "Reservations",
        paging: Some(("MaxResults", 1_000, "NextToken")),
    },
    Call {
        kind: Kind::Interfaces,
        action: &query::INTERFACES,
        list: "NetworkInterfaces",
        paging: Some(("MaxResults", 1_000, "NextToken")),
    },
    Call { kind: Kind::Addresses, action: &query::ADDRESSES, list: "Addresses", paging: None },
    Call {
        kind: Kind::LoadBalancers,
        action: &query::BALANCERS,
        list: "LoadBalancers",
        paging: Some(("PageSize", 400, "Marker")),
    },
    Call {
        kind: Kind::LoadBalancers,
        action: &query::CLASSIC_BALANCERS,
        list: "LoadBalancerDescriptions",
        paging: Some(("PageSize", 400, "Marker")),
    },
];

/// The kinds that every account and region has.
const KINDS: [Kind; 4] = [Kind::Instances, Kind::Interfaces, Kind::Addresses, Kind::LoadBalancers];

impl Aws {
    /// See [`crate::connector::live::Live::read`].
    pub(super) async fn read_all(&self, to: &dyn Pages, progress: &dyn Progress, stop: &Stop) -> Fetched {
        let mut fetched = Fetched::default();
        progress.start("sync", 0);
        match self.accounts(stop).await {
            Ok(accounts) => {
                let listed = self.spec.organization.is_some();
                fetched.accounts = listed.then(|| accounts.iter().map(|a| Arc::clone(&a.id)).collect());
                self.read_accounts(&accounts, to, progress, stop, &mut fetched).await;
            }
            Err((account, failure)) => {
                fetched.errors.push(failure.to_string());
                fetched.recordings = self.nothing_of(&account, &failure);
            }
        }
        fetched.usage = self.caller.usage();
        progress.finish("sync");
        fetched
    }

    async fn read_accounts(
        &self,
        accounts: &[Account],
        to: &dyn Pages,
        progress: &dyn Progress,
        stop: &Stop,
        fetched: &mut Fetched,
    ) {
        let width = self.limits.calls_in_flight;
        let regions = spread(accounts, width, |account| async move {
            match &account.refused {
                Some(refused) => Err(refused.clone()),
                None => self.regions_of(account, stop).await,
            }
        })
        .await;
        let mut work: Vec<(&Account, &str, &Call)> = Vec::new();
        for (account, regions) in accounts.iter().zip(&regions) {
            match regions {
                Ok(regions) => work.extend(
                    regions.iter().flat_map(|region| CALLS.iter().map(move |call| (account, region.as_str(), call))),
                ),
                Err(failure) => {
                    fetched.errors.push(format!("account {}: {failure}", account.id));
                    fetched.recordings.extend(self.nothing_of(&account.id, failure));
                }
            }
        }
        progress.start("sync", work.len() as u64);
        let done = AtomicU64::new(0);
        let read = spread(work, width, |(account, region, call)| {
            let done = &done;
            async move {
                let recording = self.read_one(account, region, call, to, stop).await;
                let n = done.fetch_add(1, Ordering::Relaxed) + 1;
                progress.update("sync", n, &format!("{region} {}", call.kind.as_str()));
                recording
            }
        })
        .await;
        for recording in read {
            match fetched.recordings.last_mut() {
                // Two calls, one partition: both kinds of load balancers.
                Some(last)
                    if (&last.account, &last.region, last.kind)
                        == (&recording.account, &recording.region, recording.kind) =>
                {
                    join(last, recording);
                }
                _ => fetched.recordings.push(recording),
            }
        }
    }

    /// The regions to read of an account: those chosen, or those it has enabled.
    pub(super) async fn regions_of(&self, account: &Account, stop: &Stop) -> Result<Vec<String>, Failure> {
        if let Some(chosen) = &self.spec.regions {
            // Roles are assumed here, once, so that a wrong one is said once.
            account.keys.get(self, self.caller.now(), false).await?;
            return Ok(chosen.clone());
        }
        let place = Place {
            keys: &account.keys,
            account: &account.id,
            region: &self.home,
            patience: Patience::reading(&self.limits),
            stop,
        };
        let answer = self.ask_whole(&query::REGIONS, &[], place).await?;
        let Some(Value::Array(regions)) = answer.members.get("Regions") else {
            return Err(Failure::Failed("DescribeRegions: the answer has no regions".to_owned()));
        };
        let enabled = |r: &Value| r.get("OptInStatus").and_then(Value::as_str) != Some("not-opted-in");
        let name = |r: &Value| r.get("RegionName").and_then(Value::as_str).map(str::to_owned);
        let mut names: Vec<String> = regions.iter().filter(|r| enabled(r)).filter_map(name).collect();
        names.sort();
        if names.is_empty() {
            return Err(Failure::Failed("DescribeRegions: the answer has no regions".to_owned()));
        }
        Ok(names)
    }

    async fn read_one(&self, account: &Account, region: &str, call: &Call, to: &dyn Pages, stop: &Stop) -> Recording {
        let place = Place {
            keys: &account.keys,
            account: &account.id,
            region,
            patience: Patience::reading(&self.limits),
            stop,
        };
        let (any, result) = self.pages(call, place, to).await;
        let state = match result {
            Ok(()) => PartitionState::Complete,
            Err(failure) => failure.state(any),
        };
        Recording {
            account: Arc::clone(&account.id),
            region: region.into(),
            kind: call.kind,
            state,
            pages: Vec::new(),
            taken_at: self.caller.now(),
        }
    }

    /// Hands over the pages of one call; whether any came, and why there are no more.
    async fn pages(&self, call: &Call, place: Place<'_>, to: &dyn Pages) -> (bool, Result<(), Failure>) {
        let name = call.action.name;
        let (account, region): (Arc<str>, Arc<str>) = (place.account.into(), place.region.into());
        let (mut any, mut trail) = (false, Trail::default());
        let mut next: Option<String> = None;
        for n in 1..=self.limits.pages_per_partition {
            let mut parameters = Vec::new();
            if let Some((size_key, size, token_key)) = call.paging {
                parameters.push((size_key.to_owned(), size.min(self.limits.records_per_page).to_string()));
                parameters.extend(next.clone().map(|t| (token_key.to_owned(), t)));
            }
            let mut answer = match self.ask(call.action, &parameters, place).await {
                Ok(answer) => answer,
                Err(failure) => return (any, Err(on_page(n, failure))),
            };
            match answer.members.remove(call.list) {
                Some(list @ Value::Array(_)) => {
                    let (account, region) = (Arc::clone(&account), Arc::clone(&region));
                    let from = Origin { account, region, kind: call.kind, at: self.caller.now() };
                    to.page(&from, page(call.list, list));
                    any = true;
                }
                _ if answer.broken.is_some() => {}
                _ => answer.broken = Some(format!("the answer has no `{}`", call.list)),
            }
            if let Some(why) = answer.broken {
                return (any, Err(on_page(n, Failure::Failed(format!("{name}: {why}")))));
            }
            let token = answer.members.get("NextToken").and_then(Value::as_str).filter(|t| !t.is_empty());
            match token {
                None => return (any, Ok(())),
                Some(token) if !trail.is_new(token) => {
                    let why = format!("{name}: page {n} names an earlier page as the next one");
                    return (any, Err(Failure::Failed(why)));
                }
                Some(token) => next = Some(token.to_owned()),
            }
        }
        let limit = self.limits.pages_per_partition;
        (any, Err(Failure::Failed(format!("{name}: more than {limit} pages"))))
    }

    /// What stands for an account, or a connector, of which nothing could be read.
    fn nothing_of(&self, account: &Arc<str>, failure: &Failure) -> Vec<Recording> {
        let regions = self.spec.regions.clone().unwrap_or_else(|| vec![String::new()]);
        let recording = |region: &String, kind: Kind| Recording {
            account: Arc::clone(account),
            region: region.as_str().into(),
            kind,
            state: failure.state(false),
            pages: Vec::new(),
            taken_at: self.caller.now(),
        };
        regions.iter().flat_map(|region| KINDS.map(|kind| recording(region, kind))).collect()
    }
}

fn page(list: &str, records: Value) -> String {
    Value::Object(Map::from_iter([(list.to_owned(), records)])).to_string()
}

/// Says which page it was, where it was not the first.
fn on_page(n: usize, failure: Failure) -> Failure {
    let told = |words: String| if n > 1 { format!("page {n}: {words}") } else { words };
    match failure {
        Failure::Denied(words) => Failure::Denied(told(words)),
        Failure::Throttled(words) => Failure::Throttled(told(words)),
        Failure::Failed(words) => Failure::Failed(told(words)),
        Failure::Stopped => Failure::Stopped,
    }
}

/// Adds the second call of a partition to the first.
fn join(first: &mut Recording, second: Recording) {
    let named = |state: &PartitionState| match state {
        PartitionState::Complete => None,
        PartitionState::Partial { cause } => Some(cause.to_string()),
        PartitionState::Denied { cause } => Some(format!("denied: {cause}")),
        PartitionState::Throttled { cause } => Some(format!("throttled: {cause}")),
        PartitionState::NotAsked => Some("not asked".to_owned()),
    };
    let same = std::mem::discriminant(&first.state) == std::mem::discriminant(&second.state);
    if !same {
        let parts = [("version 2", named(&first.state)), ("classic", named(&second.state))];
        let words: Vec<String> =
            parts.into_iter().filter_map(|(what, why)| Some(format!("{what}: {}", why?))).collect();
        first.state = PartitionState::Partial { cause: words.join("; ").into() };
    }
    first.taken_at = first.taken_at.min(second.taken_at);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_calls_of_one_partition() {
        let recording = |state: PartitionState| Recording {
            account: "1".into(),
            region: "r".into(),
            kind: Kind::LoadBalancers,
            state,
            pages: Vec::new(),
            taken_at: "2026-01-01T00:00:00Z".parse().unwrap(),
        };
        let denied = || PartitionState::Denied { cause: "no".into() };
        for (a, b, expected) in [
            (PartitionState::Complete, PartitionState::Complete, PartitionState::Complete),
            (denied(), denied(), denied()),
            (PartitionState::Complete, denied(), PartitionState::Partial { cause: "classic: denied: no".into() }),
            (
                PartitionState::Throttled { cause: "slow".into() },
                PartitionState::NotAsked,
                PartitionState::Partial { cause: "version 2: throttled: slow; classic: not asked".into() },
            ),
        ] {
            let mut first = recording(a);
            join(&mut first, recording(b));
            assert_eq!(first.state, expected);
        }
    }
}
