//! The one place that makes a live connector from a job file's block.

use std::path::Path;
use std::sync::Arc;

use super::Live;
#[cfg(feature = "aws")]
use super::aws::{Aws, AwsSpec};
#[cfg(feature = "azure")]
use super::azure::{Azure, AzureConfig};
#[cfg(feature = "gcp")]
use super::gcp::{Gcp, GcpConfig};
use super::guard::Guarded;
use super::secret::{Secret, resolve};
use crate::base::clock::Clock;
use crate::base::limits::Limits;
use crate::inventory::asset::Provider;
use crate::lang::job::{Connector, ConnectorKind, SecretRef};

/// What a live connector is made from.
pub struct Opening<'a> {
    /// Its block.
    pub connector: &'a Connector,
    /// The workspace's folder: secrets in files are named relative to it.
    pub root: &'a Path,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Bounds.
    pub limits: &'a Limits,
    /// Seed of the back-off's jitter.
    pub seed: u64,
}

/// Why a connector cannot be opened. The texts never hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// A file connector has nothing to open.
    #[error("connector `{0}` reads files; it has no provider to ask")]
    NotLive(String),
    /// This build has no such provider.
    #[error(
        "connector `{connector}` reads {provider}, which is not built into this palisade; record its answers and use `provider = file`"
    )]
    NotBuiltIn {
        /// The connector.
        connector: String,
        /// The provider.
        provider: &'static str,
    },
    /// The provider could not be prepared: a missing secret, an unreadable credential.
    #[error("connector `{connector}`: {why}")]
    Failed {
        /// The connector.
        connector: String,
        /// Why, and what to do.
        why: String,
    },
}

/// The secrets that a connector's block refers to.
#[derive(Clone, Default)]
pub struct Secrets {
    /// AWS external id.
    pub external_id: Option<Secret>,
    /// Azure application secret.
    pub client_secret: Option<Secret>,
    /// Google credentials.
    pub credentials: Option<Secret>,
}

impl Secrets {
    /// Fetches them: variables, files, commands.
    fn of(opening: &Opening<'_>) -> Result<Self, OpenError> {
        let fetch = |reference: &SecretRef| {
            let variable = |name: &str| std::env::var(name).ok();
            resolve(reference, opening.root, opening.limits.http_timeout, variable)
                .map_err(|e| OpenError::Failed { connector: opening.connector.name.value.clone(), why: e.to_string() })
        };
        let block = opening.connector;
        let secret = |reference: &Option<SecretRef>| reference.as_ref().map(fetch).transpose();
        Ok(Self {
            external_id: secret(&block.external_id)?,
            client_secret: secret(&block.cloud.client_secret)?,
            credentials: secret(&block.cloud.credentials)?,
        })
    }

    fn all(&self) -> Vec<Secret> {
        [&self.external_id, &self.client_secret, &self.credentials].into_iter().flatten().cloned().collect()
    }
}

/// Opens a connector: fetches its secrets, finds its credentials, asks nothing yet. What the provider says back is
/// cleaned of the secrets.
pub fn open(opening: &Opening<'_>) -> Result<Box<dyn Live>, OpenError> {
    let ConnectorKind::Live(provider) = &opening.connector.kind else {
        return Err(OpenError::NotLive(opening.connector.name.value.clone()));
    };
    let mut secrets = Secrets::of(opening)?;
    let live = provider_of(*provider, opening, &mut secrets)?;
    Ok(Box::new(Guarded::new(live, secrets.all())))
}

/// One arm a provider. A secret that it finds by itself joins the others, so that it stays out of what is said back.
#[cfg_attr(
    not(any(feature = "aws", feature = "azure", feature = "gcp")),
    expect(unused_variables, reason = "without a provider there is nothing to open")
)]
fn provider_of(provider: Provider, opening: &Opening<'_>, secrets: &mut Secrets) -> Result<Box<dyn Live>, OpenError> {
    let (block, limits, seed) = (opening.connector, opening.limits, opening.seed);
    let clock = Arc::clone(&opening.clock);
    let made: Result<Box<dyn Live>, String> = match provider {
        #[cfg(feature = "aws")]
        Provider::Aws => {
            let spec = AwsSpec::of(block, secrets.external_id.clone(), seed);
            Aws::new(spec, limits, clock).map(|aws| Box::new(aws) as Box<dyn Live>)
        }
        #[cfg(feature = "azure")]
        Provider::Azure => {
            let config = AzureConfig::of(block, secrets.client_secret.clone(), |name| std::env::var(name).ok());
            secrets.client_secret.clone_from(&config.identity.client_secret);
            Azure::new(config, limits, clock, seed).map(|azure| Box::new(azure) as Box<dyn Live>)
        }
        #[cfg(feature = "gcp")]
        Provider::Gcp => {
            let config = GcpConfig::of(block, secrets.credentials.clone());
            Gcp::new(config, limits, clock, seed).map(|gcp| Box::new(gcp) as Box<dyn Live>)
        }
        #[cfg(not(all(feature = "aws", feature = "azure", feature = "gcp")))]
        other => {
            return Err(OpenError::NotBuiltIn { connector: block.name.value.clone(), provider: other.as_str() });
        }
    };
    made.map_err(|why| OpenError::Failed { connector: block.name.value.clone(), why })
}
