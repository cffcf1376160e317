//! What a job file says about the account, subscription or project of a live connector, provider by provider.

use super::job::SecretRef;

/// Keys that only Azure or Google connectors have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CloudKeys {
    /// Azure directory (tenant) id.
    pub tenant: Option<String>,
    /// Azure application, or user-assigned managed identity.
    pub client_id: Option<String>,
    /// The application's secret.
    pub client_secret: Option<SecretRef>,
    /// Azure subscription ids; none means all that the identity can see.
    pub subscriptions: Option<Vec<String>>,
    /// Where Azure tokens come from, instead of Microsoft's public cloud.
    pub authority: Option<String>,
    /// Google project ids.
    pub projects: Vec<String>,
    /// Google credentials, the text of a key file or of a federation configuration.
    pub credentials: Option<SecretRef>,
}
