//! The one place that makes a live connector from a job file's block.

use std::path::Path;
use std::sync::Arc;

use super::Live;
#[cfg(feature = "aws")]
use super::aws::{Aws, AwsSpec};
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
}

impl Secrets {
    /// Fetches them: variables, files, commands.
    fn of(opening: &Opening<'_>) -> Result<Self, OpenError> {
        let fetch = |reference: &SecretRef| {
            let variable = |name: &str| std::env::var(name).ok();
            resolve(reference, opening.root, opening.limits.http_timeout, variable)
                .map_err(|e| OpenError::Failed { connector: opening.connector.name.value.clone(), why: e.to_string() })
        };
        Ok(Self { external_id: opening.connector.external_id.as_ref().map(fetch).transpose()? })
    }

    fn all(&self) -> Vec<Secret> {
        self.external_id.iter().cloned().collect()
    }
}

/// Opens a connector: fetches its secrets, finds its credentials, asks nothing yet. What the provider says back is
/// cleaned of the secrets.
pub fn open(opening: &Opening<'_>) -> Result<Box<dyn Live>, OpenError> {
    let ConnectorKind::Live(provider) = &opening.connector.kind else {
        return Err(OpenError::NotLive(opening.connector.name.value.clone()));
    };
    let secrets = Secrets::of(opening)?;
    let live = provider_of(*provider, opening, &secrets)?;
    Ok(Box::new(Guarded::new(live, secrets.all())))
}

/// One arm a provider.
#[cfg_attr(not(feature = "aws"), expect(unused_variables, reason = "only AWS has secrets in its block"))]
fn provider_of(provider: Provider, opening: &Opening<'_>, secrets: &Secrets) -> Result<Box<dyn Live>, OpenError> {
    let connector = || opening.connector.name.value.clone();
    match provider {
        #[cfg(feature = "aws")]
        Provider::Aws => {
            let spec = AwsSpec::of(opening.connector, secrets.external_id.clone(), opening.seed);
            let made = Aws::new(spec, opening.limits, Arc::clone(&opening.clock));
            made.map(|aws| Box::new(aws) as Box<dyn Live>)
                .map_err(|why| OpenError::Failed { connector: connector(), why })
        }
        other => Err(OpenError::NotBuiltIn { connector: connector(), provider: other.as_str() }),
    }
}
