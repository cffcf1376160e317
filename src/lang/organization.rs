//! Which accounts of an AWS organisation a connector reads.

/// `organization { … }` of an AWS connector. Listing accounts and reading them may need different roles.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Organization {
    /// Role that may list the accounts, where the connector's own rights do not.
    pub list_role: Option<String>,
    /// Name of the role that is assumed in each account.
    pub read_role: String,
    /// These accounts only; empty for all.
    pub accounts: Vec<String>,
    /// Accounts below these units (`ou-…`) or roots (`r-…`) only; empty for all.
    pub units: Vec<String>,
    /// Accounts left out.
    pub except: Vec<String>,
}
