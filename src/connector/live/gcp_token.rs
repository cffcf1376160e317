//! Tokens for Google's cloud by Google's auth crate.
//!
//! Who we are: the job file's `credentials` (a service account key, a federation file, an impersonation or a user's
//! file as `gcloud` writes it), else what Google calls application default credentials: the file that
//! `GOOGLE_APPLICATION_CREDENTIALS` names, the one of `gcloud auth application-default login`, or the machine's
//! metadata service.

use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::BoxFuture;
use google_cloud_auth::credentials::service_account::AccessSpecifier;
use google_cloud_auth::credentials::{
    AccessTokenCredentials, Builder, external_account, impersonated, service_account, user_account,
};
use serde_json::Value;

use crate::connector::live::bearer::Issuer;
use crate::connector::live::caller::Failure;
use crate::connector::live::secret::Secret;

/// All that reading needs. A user's own token has the scopes it was issued for.
const SCOPE: &str = "https://www.googleapis.com/auth/compute.readonly";
/// The least scope by which federated identities can be exchanged.
const FEDERATED: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Longest wait for a token, further tries counted.
const PATIENCE: Duration = Duration::from_secs(30);

/// Issues tokens; credentials made anew have an empty cache.
pub(super) struct GcpIssuer {
    file: Option<Secret>,
    made: Mutex<Option<AccessTokenCredentials>>,
}

impl GcpIssuer {
    /// Tokens by this file's text, else by what the environment offers.
    pub(super) fn new(file: Option<Secret>) -> Self {
        Self { file, made: Mutex::new(None) }
    }

    fn credentials(&self, afresh: bool) -> Result<AccessTokenCredentials, Failure> {
        let mut made = self.made.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(known) = made.as_ref().filter(|_| !afresh) {
            return Ok(known.clone());
        }
        let new = make(self.file.as_ref()).map_err(|why| Failure::Denied(format!("no token: {why}")))?;
        *made = Some(new.clone());
        Ok(new)
    }
}

/// Credentials by the file's `type`. Errors never hold any of its text.
fn make(file: Option<&Secret>) -> Result<AccessTokenCredentials, String> {
    let Some(file) = file else {
        return Builder::default().build_access_token_credentials().map_err(|e| e.to_string());
    };
    let json: Value = serde_json::from_str(file.expose())
        .map_err(|e| format!("`credentials` is not JSON: line {}, column {}", e.line(), e.column()))?;
    let ty = json.get("type").and_then(Value::as_str).unwrap_or("").to_owned();
    let made = match &*ty {
        "service_account" => service_account::Builder::new(json)
            .with_access_specifier(AccessSpecifier::from_scopes([SCOPE]))
            .build_access_token_credentials(),
        "authorized_user" => user_account::Builder::new(json).build_access_token_credentials(),
        "impersonated_service_account" => {
            impersonated::Builder::new(json).with_scopes([SCOPE]).build_access_token_credentials()
        }
        "external_account" => {
            external_account::Builder::new(json).with_scopes([FEDERATED]).build_access_token_credentials()
        }
        _ => {
            return Err("`credentials` has no known `type`; known are service_account, authorized_user, \
                        impersonated_service_account and external_account"
                .to_owned());
        }
    };
    made.map_err(|e| format!("`credentials` of type `{ty}` are not complete: {}", first_line(&e.to_string())))
}

impl Issuer for GcpIssuer {
    fn issue(&self, afresh: bool) -> BoxFuture<'_, Result<Secret, Failure>> {
        Box::pin(async move {
            let credentials = self.credentials(afresh)?;
            let token = tokio::time::timeout(PATIENCE, credentials.access_token())
                .await
                .map_err(|_| Failure::Failed(format!("no token within {} s", PATIENCE.as_secs())))?;
            token.map(|t| Secret::new(t.token)).map_err(|e| {
                let text = format!("no token: {}", words(&causes(&e)));
                if e.is_transient() { Failure::Failed(text) } else { Failure::Denied(text) }
            })
        })
    }
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = inner.source();
    }
    text
}

/// The token service's own words where they are in there, else the crate's.
fn words(text: &str) -> String {
    let body = text.split_once("body=<").and_then(|(_, rest)| rest.split_once('>')).map(|(body, _)| body);
    let said: Option<Value> = body.and_then(|b| serde_json::from_str(b).ok());
    let part = |key: &str| said.as_ref().and_then(|s| s.get(key)).and_then(Value::as_str);
    match (part("error"), part("error_description")) {
        (Some(code), Some(description)) => first_line(&format!("{code}: {description}")),
        (Some(code), None) => first_line(code),
        _ => first_line(text),
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or("").chars().take(400).collect()
}
