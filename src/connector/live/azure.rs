//! Azure: Resource Graph for many subscriptions at once, power states by one listing a subscription, instances of
//! scale sets by three listings a set.
//!
//! Resource Graph passes over in silence what the identity may not read, so an empty answer proves nothing by itself.
//! The listing of power states is refused aloud, and it names every machine: it is the proof of each subscription.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::clock::Clock;
use crate::base::limits::Limits;
use crate::base::progress::{Progress, Stop};
use crate::connector::live::azure_graph::{Answer, QUERIES, ScaleSet};
use crate::connector::live::azure_token::{AzureIdentity, AzureIssuer};
use crate::connector::live::bearer::{Bearer, Used};
use crate::connector::live::budget::{Meter, Quota};
use crate::connector::live::caller::{Caller, Failure, Patience, Terms, spread};
use crate::connector::live::http::{Method, Request, endpoint};
use crate::connector::live::refusal::judge;
use crate::connector::live::secret::Secret;
use crate::connector::live::trail::Trail;
use crate::connector::live::{Claim, Fetched, Live, Origin, Ownership, Pages, Permission, Recording};
use crate::inventory::partition::{Kind, PartitionState};
use crate::lang::job::Connector;

/// Azure Resource Manager of the public cloud.
const PUBLIC: &str = "https://management.azure.com";
/// Resource Manager's token bucket of one identity in one subscription.
pub(super) const READS: Quota = Quota { burst: 250, per_second: 25.0 };
/// Resource Graph's quota of one identity: 15 queries in 5 seconds.
pub(super) const GRAPH: Quota = Quota { burst: 15, per_second: 3.0 };
/// Version of the compute interface.
pub(super) const COMPUTE: &str = "2024-07-01";
/// Version of the network interface.
pub(super) const NETWORK: &str = "2024-05-01";
/// The last version of the network interface that lists what belongs to scale sets.
pub(super) const SCALE_SETS: &str = "2018-10-01";
/// Version of the subscriptions' interface.
const SUBSCRIPTIONS: &str = "2022-12-01";

/// What an Azure connector of a job file says.
#[derive(Clone, Default)]
pub struct AzureConfig {
    /// Who asks.
    pub identity: AzureIdentity,
    /// Subscription ids; none means all that the identity can see.
    pub subscriptions: Option<Vec<String>>,
    /// Resource Manager, where it is not that of the public cloud.
    pub endpoint: Option<String>,
    /// Share of each quota that may be used, 1 to 100.
    pub call_budget_percent: u8,
}

impl AzureConfig {
    /// As the job file describes it, the rest by the environment; the client secret has been fetched already.
    pub fn of(connector: &Connector, client_secret: Option<Secret>, variable: impl Fn(&str) -> Option<String>) -> Self {
        let keys = &connector.cloud;
        let identity = AzureIdentity {
            tenant: keys.tenant.clone(),
            client_id: keys.client_id.clone(),
            client_secret,
            authority: keys.authority.clone(),
            ..AzureIdentity::default()
        };
        Self {
            identity: identity.or_environment(variable),
            subscriptions: keys.subscriptions.clone(),
            endpoint: connector.endpoint.as_ref().map(|e| e.value.clone()),
            call_budget_percent: connector.call_budget,
        }
    }
}

/// A live Azure connector.
pub struct Azure {
    pub(super) caller: Caller,
    pub(super) bearer: Bearer,
    pub(super) config: AzureConfig,
    pub(super) base: String,
    pub(super) limits: Limits,
}

/// How a listing went: how many pages were handed over, and why there are no more.
pub(super) struct Listing {
    pub(super) pages: usize,
    pub(super) end: Result<(), Failure>,
}

impl Listing {
    /// The partition's state that this listing makes.
    pub(super) fn state(&self) -> PartitionState {
        match &self.end {
            Ok(()) => PartitionState::Complete,
            Err(failure) => failure.state(self.pages > 0),
        }
    }
}

impl Azure {
    /// A connector of this configuration; nothing is asked yet.
    pub fn new(config: AzureConfig, limits: &Limits, clock: Arc<dyn Clock>, seed: u64) -> Result<Self, String> {
        let base = endpoint(config.endpoint.as_deref().unwrap_or(PUBLIC))?;
        if let Some(authority) = &config.identity.authority {
            endpoint(authority)?;
        }
        let caller = Caller::new(limits, clock, config.call_budget_percent, seed)?;
        let resource = if base.starts_with("https://") { base.as_str() } else { PUBLIC };
        let issuer = AzureIssuer::new(config.identity.clone(), caller.http().clone(), resource);
        let bearer = Bearer::new(Box::new(issuer));
        Ok(Self { caller, bearer, config, base, limits: limits.clone() })
    }

    /// What counts as one budget: a subscription, or the identity for Resource Graph.
    pub(super) fn meter(account: &str, call: &str) -> Meter {
        Meter { account: account.into(), region: "".into(), call: call.into() }
    }

    /// One `GET` of Resource Manager, read as text that is JSON.
    pub(super) async fn get(&self, url: &str, terms: Terms<'_>) -> Result<String, Failure> {
        let used = Used::default();
        self.caller
            .call(
                terms,
                async |at| self.bearer.sign(Request::new(Method::Get, url), at, &used).await,
                |response| judge(&response, json_text),
            )
            .await
    }

    /// Hands over all pages of a listing. A next page is asked only where it is on the same host: the token goes nowhere
    /// else.
    pub(super) async fn list(
        &self,
        url: String,
        account: &str,
        call: &str,
        stop: &Stop,
        mut take: impl FnMut(String),
    ) -> Listing {
        let meter = Self::meter(account, call);
        let (mut listing, mut trail) = (Listing { pages: 0, end: Ok(()) }, Trail::default());
        trail.is_new(&url);
        let mut next = Some(url);
        while let Some(url) = next.take() {
            if listing.pages >= self.limits.pages_per_partition {
                listing.end = Err(Failure::Failed(format!("more than {} pages", self.limits.pages_per_partition)));
                break;
            }
            let terms = Terms { meter: &meter, quota: READS, patience: Patience::reading(&self.limits), stop };
            match self.get(&url, terms).await {
                Err(failure) => listing.end = Err(failure),
                Ok(page) => {
                    match next_link(&page) {
                        Ok(None) => {}
                        Ok(Some(link)) if !trail.is_new(&link) => {
                            listing.end = Err(Failure::Failed("the next page is an earlier page".to_owned()));
                        }
                        Ok(Some(link)) if link.starts_with(&format!("{}/", self.base)) => next = Some(link),
                        Ok(Some(_)) => {
                            let text = "the next page is said to be on another host, which was not asked";
                            listing.end = Err(Failure::Failed(text.to_owned()));
                        }
                        Err(why) => {
                            listing.end = Err(Failure::Failed(why));
                            break;
                        }
                    }
                    listing.pages += 1;
                    take(page);
                }
            }
        }
        listing
    }

    /// The subscriptions to read: those of the job file, or all that the identity sees.
    pub(super) async fn subscriptions(&self, stop: &Stop) -> Result<Vec<Arc<str>>, Failure> {
        if let Some(chosen) = &self.config.subscriptions {
            return Ok(chosen.iter().map(|s| s.to_ascii_lowercase().into()).collect());
        }
        let url = format!("{}/subscriptions?api-version={SUBSCRIPTIONS}", self.base);
        let mut pages = Vec::new();
        let take = |page| pages.push(page);
        let listing = self.list(url, "", "Microsoft.Resources/subscriptions/read", stop, take).await;
        // A subscription that was not listed would not be missed by anyone, so all pages or nothing.
        listing.end?;
        let mut all = Vec::new();
        for page in &pages {
            all.extend(subscription_ids(page).map_err(Failure::Failed)?);
        }
        Ok(all)
    }

    async fn read_all(&self, to: &dyn Pages, progress: &dyn Progress, stop: &Stop) -> Fetched {
        let mut fetched = Fetched::default();
        progress.start("sync", 1);
        let listed = match self.bearer.check().await {
            Ok(()) => {
                self.subscriptions(stop).await.map_err(|e| (format!("the subscriptions cannot be listed: {e}"), e))
            }
            Err(e) => Err((format!("no call was made: {e}"), e)),
        };
        let subscriptions = match listed {
            Ok(all) => all,
            Err((text, failure)) => {
                fetched.errors.push(text);
                fetched.recordings = self.nothing(&failure);
                progress.finish("sync");
                return fetched;
            }
        };
        if subscriptions.is_empty() {
            fetched.errors.push("the identity sees no subscription; give it a role in one".to_owned());
            let cause = "no subscription is visible to this identity".into();
            fetched.recordings.push(self.recording("", "", Kind::Instances, PartitionState::Denied { cause }));
        }
        fetched.accounts = self.config.subscriptions.is_some().then(|| subscriptions.clone());
        let width = self.limits.calls_in_flight;
        let graph =
            spread(QUERIES, width, |(kind, query)| self.ask_graph((*kind, query), &subscriptions, to, stop)).await;
        progress.update("sync", 0, &format!("{} subscriptions", subscriptions.len()));
        let views = spread(&subscriptions, width, |s| self.power_states(s, to, stop)).await;
        let mut sets = Vec::new();
        for (answer, view) in graph.into_iter().flat_map(|kind| kind.into_iter().zip(&views)) {
            sets.extend(self.keep(answer, view, &mut fetched));
        }
        for (subscription, view) in subscriptions.iter().zip(views) {
            fetched.recordings.push(self.recording(subscription, "", Kind::InstanceView, view.state()));
        }
        let sets = spread(sets, width, |set| self.scale_set(set, to, stop)).await;
        fetched.recordings.extend(self.join_sets(sets));
        fetched.usage = self.caller.usage();
        progress.update("sync", 1, &format!("{} calls", fetched.usage.iter().map(|u| u.calls).sum::<u64>()));
        progress.finish("sync");
        fetched
    }

    /// Every partition that should have been read, with the reason why it was not.
    fn nothing(&self, failure: &Failure) -> Vec<Recording> {
        let chosen = self.config.subscriptions.iter().flatten();
        let mut accounts: Vec<String> = chosen.map(|s| s.to_ascii_lowercase()).collect();
        if accounts.is_empty() {
            accounts.push(String::new());
        }
        let kinds = || QUERIES.iter().map(|(kind, _)| *kind).chain([Kind::InstanceView]);
        let places = accounts.iter().flat_map(|account| kinds().map(move |kind| (account, kind)));
        places.map(|(account, kind)| self.recording(account, "", kind, failure.state(false))).collect()
    }

    /// Every machine of a subscription with its power state, in one listing.
    async fn power_states(&self, subscription: &Arc<str>, to: &dyn Pages, stop: &Stop) -> Listing {
        let url = format!(
            "{}/subscriptions/{subscription}/providers/Microsoft.Compute/virtualMachines?api-version={COMPUTE}&statusOnly=true",
            self.base
        );
        let take = |page| to.page(&self.origin(subscription, &"".into(), Kind::InstanceView), page);
        self.list(url, subscription, "Microsoft.Compute/virtualMachines/read", stop, take).await
    }

    /// Keeps what Resource Graph said about one kind in one subscription, and gives back its scale sets.
    fn keep(&self, answer: Answer, view: &Listing, fetched: &mut Fetched) -> Vec<ScaleSet> {
        let Answer { subscription, kind, rows, mut state, sets } = answer;
        if let (PartitionState::Complete, Err(Failure::Denied(cause))) = (&state, &view.end) {
            state = if rows == 0 {
                PartitionState::Denied { cause: cause.as_str().into() }
            } else {
                let text =
                    format!("the subscription as a whole may not be read, so some of it may be missing: {cause}");
                PartitionState::Partial { cause: text.into() }
            };
        }
        fetched.recordings.push(self.recording(&subscription, "", kind, state));
        sets
    }

    /// One set's machines, interfaces and public addresses, which Resource Graph's main table does not hold.
    async fn scale_set(&self, set: ScaleSet, to: &dyn Pages, stop: &Stop) -> (ScaleSet, Vec<(Kind, Listing)>) {
        let kinds = [
            (Kind::Instances, format!("virtualMachines?api-version={COMPUTE}&$expand=instanceView")),
            (Kind::Interfaces, format!("networkInterfaces?api-version={SCALE_SETS}")),
            (Kind::Addresses, format!("publicipaddresses?api-version={SCALE_SETS}")),
        ];
        let lists = spread(kinds, self.limits.calls_in_flight, async |(kind, rest)| {
            let url = format!("{}{}/{rest}", self.base, set.id);
            let call = match kind {
                Kind::Interfaces => "Microsoft.Compute/virtualMachineScaleSets/networkInterfaces/read",
                Kind::Addresses => "Microsoft.Compute/virtualMachineScaleSets/publicIPAddresses/read",
                _ => "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/read",
            };
            let take = |page| to.page(&self.origin(&set.subscription, &set.location, kind), page);
            (kind, self.list(url, &set.subscription, call, stop, take).await)
        })
        .await;
        (set, lists)
    }

    /// One recording a subscription, region and kind. A set that was not read makes its region partly read.
    fn join_sets(&self, sets: Vec<(ScaleSet, Vec<(Kind, Listing)>)>) -> Vec<Recording> {
        let mut joined: BTreeMap<(Arc<str>, Arc<str>, Kind), Vec<String>> = BTreeMap::new();
        for (set, lists) in sets {
            for (kind, listing) in lists {
                let key = (Arc::clone(&set.subscription), Arc::clone(&set.location), kind);
                let causes = joined.entry(key).or_default();
                causes.extend(listing.end.err().map(|e| format!("scale set `{}`: {e}", set.name)));
            }
        }
        let recordings = joined.into_iter().map(|((subscription, location, kind), causes)| {
            let state = match causes.first() {
                None => PartitionState::Complete,
                Some(_) => PartitionState::Partial { cause: causes.join("; ").into() },
            };
            self.recording(&subscription, &location, kind, state)
        });
        recordings.collect()
    }

    pub(super) fn origin(&self, account: &Arc<str>, region: &Arc<str>, kind: Kind) -> Origin {
        Origin { account: Arc::clone(account), region: Arc::clone(region), kind, at: self.caller.now() }
    }

    pub(super) fn recording(&self, account: &str, region: &str, kind: Kind, state: PartitionState) -> Recording {
        Recording {
            account: account.into(),
            region: region.into(),
            kind,
            state,
            pages: Vec::new(),
            taken_at: self.caller.now(),
        }
    }
}

impl Live for Azure {
    fn read(&self, pages: &dyn Pages, progress: &dyn Progress, stop: &Stop) -> Fetched {
        self.caller.run(self.read_all(pages, progress, stop))
    }

    fn confirm(&self, claims: &[Claim]) -> Vec<Ownership> {
        self.caller.run(self.confirm_all(claims, &Stop::default()))
    }

    fn permissions(&self) -> Vec<Permission> {
        self.caller.run(self.try_permissions(&Stop::default()))
    }

    fn policy_document(&self) -> String {
        self.role_document()
    }
}

/// The body as text, where it is one JSON object.
pub(super) fn json_text(body: &[u8]) -> Result<String, String> {
    serde_json::from_slice::<serde::de::IgnoredAny>(body).map_err(|e| e.to_string())?;
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err("it is not an object".to_owned());
    }
    String::from_utf8(body.to_vec()).map_err(|e| e.to_string())
}

/// The next page's address; a page without `value` is none.
fn next_link(page: &str) -> Result<Option<String>, String> {
    #[derive(serde::Deserialize)]
    struct Marks {
        #[serde(rename = "value")]
        _value: Vec<serde::de::IgnoredAny>,
        #[serde(rename = "nextLink", default)]
        next_link: Option<String>,
    }
    let marks: Marks = serde_json::from_str(page).map_err(|e| format!("the page was not understood: {e}"))?;
    Ok(marks.next_link.filter(|l| !l.is_empty()))
}

fn subscription_ids(page: &str) -> Result<Vec<Arc<str>>, String> {
    #[derive(serde::Deserialize)]
    struct Page {
        value: Vec<Entry>,
    }
    #[derive(serde::Deserialize)]
    struct Entry {
        #[serde(rename = "subscriptionId")]
        id: String,
    }
    let page: Page = serde_json::from_str(page).map_err(|e| format!("the subscriptions were not understood: {e}"))?;
    Ok(page.value.into_iter().map(|e| e.id.to_ascii_lowercase().into()).collect())
}
