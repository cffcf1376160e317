//! The one place that makes a live connector from a job file's block.

use std::path::Path;
use std::sync::Arc;

use super::Live;
use crate::base::clock::Clock;
use crate::base::limits::Limits;
use crate::inventory::asset::Provider;
use crate::lang::job::{Connector, ConnectorKind};

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

/// Opens a connector: finds its credentials, asks nothing yet.
pub fn open(opening: &Opening<'_>) -> Result<Box<dyn Live>, OpenError> {
    let connector = opening.connector.name.value.clone();
    match &opening.connector.kind {
        ConnectorKind::File { .. } => Err(OpenError::NotLive(connector)),
        ConnectorKind::Live(provider @ (Provider::Aws | Provider::Azure | Provider::Gcp)) => {
            Err(OpenError::NotBuiltIn { connector, provider: provider.as_str() })
        }
    }
}
