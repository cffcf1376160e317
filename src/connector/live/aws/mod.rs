//! Amazon, asked now: every account of the connector, every region, five calls each, several at once under one budget.

mod accounts;
mod balancers;
mod credentials;
mod ownership;
mod query;
mod reading;
mod rights;
mod tables;
mod xml;

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials;
use jiff::Timestamp;
use serde_json::Value;

use crate::base::clock::Clock;
use crate::base::limits::Limits;
use crate::base::progress::{Progress, Stop};
use crate::connector::live::budget::Meter;
use crate::connector::live::caller::{Caller, Failure, Patience, Terms, Try, Verdict};
use crate::connector::live::http::endpoint;
use crate::connector::live::secret::Secret;
use crate::connector::live::{Claim, Fetched, Live, Ownership, Pages, Permission};
use crate::lang::job::{Connector, Regions};
pub use crate::lang::organization::Organization;
use credentials::{Assume, Keys, Role, system_time};
use query::{Action, Answer};

/// The session name of assumed roles, as it stands in the account's own trail.
const SESSION: &str = "palisade";
/// How long assumed roles last, in seconds; the longest that every role allows.
const ROLE_SECONDS: &str = "3600";
/// Where services without a region of choice are asked.
const HOME: &str = "us-east-1";

/// Whose rights the connector starts from.
#[derive(Clone, Default)]
pub enum Own {
    /// The chain of the standard tools: environment, profile, SSO, web identity, container and instance metadata.
    #[default]
    Chain,
    /// One profile of the standard files and nothing else.
    Profile(String),
    /// Keys at hand.
    Keys {
        /// Access key id.
        id: String,
        /// Secret access key.
        secret: Secret,
        /// Session token.
        token: Option<Secret>,
    },
}

/// What an AWS connector is told.
#[derive(Clone, Default)]
pub struct AwsSpec {
    /// Whose rights it starts from.
    pub own: Own,
    /// Role to assume first.
    pub role: Option<String>,
    /// External id, given with every role that is assumed.
    pub external_id: Option<Secret>,
    /// Accounts of an organisation; without it the one account that the rights belong to.
    pub organization: Option<Organization>,
    /// Region codes; none for every region that an account has enabled.
    pub regions: Option<Vec<String>>,
    /// Stands in for all public endpoints.
    pub endpoint: Option<String>,
    /// Share of the call quotas, in percent.
    pub call_budget: u8,
    /// Seed of the back-off's jitter.
    pub seed: u64,
}

impl AwsSpec {
    /// What a job file's block says; `external_id` is the secret that it refers to.
    pub fn of(connector: &Connector, external_id: Option<Secret>, seed: u64) -> Self {
        Self {
            own: connector.profile.clone().map_or(Own::Chain, Own::Profile),
            role: connector.role.clone(),
            external_id,
            organization: connector.organization.clone(),
            regions: match &connector.regions {
                Regions::All => None,
                Regions::Some(codes) => Some(codes.iter().map(|c| c.value.clone()).collect()),
            },
            endpoint: connector.endpoint.as_ref().map(|e| e.value.clone()),
            call_budget: connector.call_budget,
            seed,
        }
    }
}

/// A live AWS connector.
pub struct Aws {
    spec: AwsSpec,
    caller: Caller,
    limits: Limits,
    /// The connector's rights: its own, or those of its role.
    base: Arc<Keys>,
    /// Region for calls that need one before any is known.
    home: String,
    /// Reading roles by account.
    readers: Mutex<HashMap<Arc<str>, Arc<Keys>>>,
}

/// The partition of a region, as it stands in ARNs.
fn partition_of(region: &str) -> &'static str {
    match region {
        r if r.starts_with("cn-") => "aws-cn",
        r if r.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// Where and with whose rights a call is made.
#[derive(Clone, Copy)]
struct Place<'a> {
    keys: &'a Keys,
    account: &'a str,
    region: &'a str,
    patience: Patience,
    stop: &'a Stop,
}

impl Aws {
    /// Makes a connector. Credentials are looked for now (files, environment), and asked for with the first call.
    pub fn new(mut spec: AwsSpec, limits: &Limits, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let caller = Caller::new(limits, clock, spec.call_budget, spec.seed)?;
        spec.endpoint = spec.endpoint.as_deref().map(endpoint).transpose()?;
        let (own, named) = match &spec.own {
            Own::Chain => caller.run(credentials::chain(caller.http(), None)),
            Own::Profile(name) => caller.run(credentials::chain(caller.http(), Some(name))),
            Own::Keys { id, secret, token } => (Keys::fixed(id, secret, token.as_ref()), None),
        };
        let first = spec.regions.as_ref().and_then(|r| r.first().cloned());
        let home = named.or(first).unwrap_or_else(|| HOME.to_owned());
        let mut base = Arc::new(own);
        if let Some(arn) = &spec.role {
            base = Arc::new(Keys::role(&base, Role { arn: arn.clone(), external_id: spec.external_id.clone() }));
        }
        Ok(Self { spec, caller, limits: limits.clone(), base, home, readers: Mutex::default() })
    }

    /// One call.
    async fn ask(&self, action: &Action, parameters: &[(String, String)], place: Place<'_>) -> Result<Answer, Failure> {
        let global = action.service == "organizations" || action.service == "sts";
        let meter = Meter {
            account: place.account.into(),
            region: if global { "".into() } else { place.region.into() },
            call: action.label(),
        };
        let terms = Terms { meter: &meter, quota: action.quota, patience: place.patience, stop: place.stop };
        let where_to = (self.spec.endpoint.as_deref(), place.region);
        let request = async |attempt: Try| {
            let credentials = place.keys.get(self, attempt.now, attempt.renew).await?;
            query::request(action, where_to, parameters, &credentials, attempt.now).map_err(Failure::Failed)
        };
        self.caller.call(terms, request, |response| query::judge(action, &response)).await
    }

    /// As [`Self::ask`], for answers that are worth nothing in part.
    async fn ask_whole(
        &self,
        action: &Action,
        parameters: &[(String, String)],
        place: Place<'_>,
    ) -> Result<Answer, Failure> {
        let answer = self.ask(action, parameters, place).await?;
        match answer.broken {
            Some(why) => Err(Failure::Failed(format!("{}: {why}", action.name))),
            None => Ok(answer),
        }
    }

    /// The account that keys belong to.
    async fn account_of(&self, place: Place<'_>) -> Result<String, Failure> {
        let answer = self.ask_whole(&query::IDENTITY, &[], place).await?;
        let account = answer.members.get("Account").and_then(Value::as_str).filter(|a| !a.is_empty());
        account
            .map(str::to_owned)
            .ok_or_else(|| Failure::Failed("GetCallerIdentity: the answer names no account".to_owned()))
    }
}

impl Assume for Aws {
    fn assume<'a>(
        &'a self,
        base: &'a Credentials,
        role: &'a Role,
    ) -> Pin<Box<dyn Future<Output = Result<Credentials, Failure>> + 'a>> {
        Box::pin(async move {
            let mut parameters = vec![
                ("RoleArn".to_owned(), role.arn.clone()),
                ("RoleSessionName".to_owned(), SESSION.to_owned()),
                ("DurationSeconds".to_owned(), ROLE_SECONDS.to_owned()),
            ];
            if let Some(id) = &role.external_id {
                parameters.push(("ExternalId".to_owned(), id.expose().to_owned()));
            }
            let action = &query::ASSUME_ROLE;
            let meter = Meter { account: role.account().into(), region: "".into(), call: action.label() };
            let stop = Stop::default();
            let terms =
                Terms { meter: &meter, quota: action.quota, patience: Patience::reading(&self.limits), stop: &stop };
            let where_to = (self.spec.endpoint.as_deref(), self.home.as_str());
            let request = async |attempt: Try| {
                query::request(action, where_to, &parameters, base, attempt.now).map_err(Failure::Failed)
            };
            let answer = self.caller.call(terms, request, |response| match query::judge(action, &response) {
                Verdict::Expired(words) => Verdict::Denied(words),
                other => other,
            });
            let told = |words: String| {
                let given =
                    if role.external_id.is_some() { "with the external id given" } else { "without an external id" };
                format!("the role `{}` cannot be assumed {given}: {words}", role.arn)
            };
            let answer = answer.await.map_err(|failure| match failure {
                Failure::Denied(words) => Failure::Denied(told(words)),
                Failure::Throttled(words) => Failure::Throttled(told(words)),
                Failure::Failed(words) => Failure::Failed(told(words)),
                Failure::Stopped => Failure::Stopped,
            })?;
            assumed(&answer).ok_or_else(|| Failure::Failed(told("the answer holds no credentials".to_owned())))
        })
    }
}

/// The credentials in an answer of `AssumeRole`.
fn assumed(answer: &Answer) -> Option<Credentials> {
    let given = answer.members.get("Credentials").filter(|_| answer.broken.is_none())?;
    let text = |name: &str| given.get(name).and_then(Value::as_str).filter(|t| !t.is_empty());
    let end: Option<Timestamp> = text("Expiration").and_then(|t| t.parse().ok());
    Some(Credentials::new(
        text("AccessKeyId")?,
        text("SecretAccessKey")?,
        Some(text("SessionToken")?.to_owned()),
        end.map(system_time),
        "assumed role",
    ))
}

impl Live for Aws {
    fn read(&self, pages: &dyn Pages, progress: &dyn Progress, stop: &Stop) -> Fetched {
        self.caller.run(self.read_all(pages, progress, stop))
    }

    fn confirm(&self, claims: &[Claim]) -> Vec<Ownership> {
        self.caller.run(self.confirm_all(claims))
    }

    fn permissions(&self) -> Vec<Permission> {
        self.caller.run(self.try_rights())
    }

    fn policy_document(&self) -> String {
        rights::policy(&self.spec)
    }
}
