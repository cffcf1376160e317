//! One vocabulary of states for the three clouds, and how each provider's words map to it. query-language.md 7.1.

use crate::inventory::asset::Provider;

/// The 20 canonical states.
pub const STATES: &[&str] = &[
    "PENDING",
    "RUNNING",
    "SHUTTING_DOWN",
    "TERMINATED",
    "STOPPING",
    "STOPPED",
    "DEALLOCATED",
    "DEALLOCATING",
    "CREATING",
    "STARTING",
    "DELETING",
    "DELETED",
    "UPDATING",
    "FAILED",
    "MOVING",
    "PROVISIONING",
    "CREATING_IMAGE",
    "TERMINATING",
    "SUCCEEDED",
    "UNSUPPORTED",
];

/// The canonical state of a provider's word: upper case with `-` as `_`, after the provider's own exceptions; anything
/// unknown is `UNSUPPORTED`.
pub fn canonical(provider: Provider, raw: &str) -> &'static str {
    let word = raw.trim();
    let word = word.strip_prefix("PowerState/").or_else(|| word.strip_prefix("VM ")).unwrap_or(word);
    let word = word.to_uppercase().replace(['-', ' '], "_");
    let word = match (provider, word.as_str()) {
        (Provider::Gcp, "STAGING") => "PROVISIONING",
        (Provider::Gcp, "PENDING_STOP" | "SUSPENDING") => "STOPPING",
        (Provider::Gcp, "SUSPENDED") => "STOPPED",
        (Provider::Gcp, "DEPROVISIONING") => "DEALLOCATING",
        (_, other) => other,
    };
    STATES.iter().find(|s| **s == word).copied().unwrap_or("UNSUPPORTED")
}

/// The canonical state of another spelling met in queries: `powerstate/running`, `vm running`, `shutting-down`; the
/// text is already in lower case.
pub(super) fn alias(lower: &str) -> Option<&'static str> {
    let word = lower.strip_prefix("powerstate/").or_else(|| lower.strip_prefix("vm ")).unwrap_or(lower);
    let word = word.to_uppercase().replace(['-', ' '], "_");
    STATES.iter().find(|s| **s == word).copied()
}

/// States in which an asset is gone for good and leaves the qualified count. GCP's TERMINATED means stopped.
/// Guide rule F3, query-language.md decision 23.
pub fn is_gone(provider: Provider, state: &str) -> bool {
    match provider {
        Provider::Aws | Provider::Azure => matches!(state, "TERMINATED" | "DELETED"),
        Provider::Gcp => state == "DELETED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn provider_words() {
        assert_eq!(canonical(Provider::Aws, "shutting-down"), "SHUTTING_DOWN");
        assert_eq!(canonical(Provider::Azure, "PowerState/deallocated"), "DEALLOCATED");
        assert_eq!(canonical(Provider::Azure, "VM running"), "RUNNING");
        assert_eq!(canonical(Provider::Azure, "PowerState/unknown"), "UNSUPPORTED");
        assert_eq!(canonical(Provider::Gcp, "STAGING"), "PROVISIONING");
        assert_eq!(canonical(Provider::Gcp, "REPAIRING"), "UNSUPPORTED");
        assert_eq!(alias("powerstate/running"), Some("RUNNING"));
        assert_eq!(alias("runing"), None);
        assert!(is_gone(Provider::Aws, "TERMINATED") && !is_gone(Provider::Gcp, "TERMINATED"));
    }
}
