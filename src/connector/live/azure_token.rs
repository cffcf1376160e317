//! Tokens for Azure by Microsoft's identity crate, over our own HTTP client.
//!
//! Who we are is found in this order: client id and secret of the job file; `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and
//! `AZURE_CLIENT_SECRET`; workload identity, where `AZURE_FEDERATED_TOKEN_FILE` is set; App Service identity, where
//! `IDENTITY_ENDPOINT` is set; the account that the command line `az` is logged in with; the machine's managed
//! identity. The first that is there is used; only the last two stand in for each other.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::{Secret as CoreSecret, TokenCredential};
use azure_core::error::ErrorKind;
use azure_core::http::headers::{HeaderName, HeaderValue, Headers};
use azure_core::http::{AsyncRawResponse, Body, ClientOptions, HttpClient, Method as CoreMethod, Transport};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, ClientAssertionCredentialOptions, ClientSecretCredential,
    ClientSecretCredentialOptions, ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
    WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use futures_util::future::BoxFuture;

use crate::connector::live::bearer::Issuer;
use crate::connector::live::caller::Failure;
use crate::connector::live::http::{Http, HttpError, Method, Request};
use crate::connector::live::secret::Secret;

/// Longest wait for a metadata service: it is on the same machine or not there.
const METADATA_TIMEOUT: Duration = Duration::from_secs(3);

/// Who asks for tokens, and where.
#[derive(Clone, Default)]
pub struct AzureIdentity {
    /// Directory (tenant) id.
    pub tenant: Option<String>,
    /// Application or managed identity.
    pub client_id: Option<String>,
    /// The application's secret.
    pub client_secret: Option<Secret>,
    /// File with a federated token, for workload identity.
    pub token_file: Option<String>,
    /// True where App Service or a like host issues tokens.
    pub hosted: bool,
    /// Where tokens come from, instead of Microsoft's public cloud.
    pub authority: Option<String>,
}

impl AzureIdentity {
    /// Fills what the job file leaves open from the environment.
    pub fn or_environment(mut self, variable: impl Fn(&str) -> Option<String>) -> Self {
        let variable = |name: &str| variable(name).filter(|v| !v.is_empty());
        self.tenant = self.tenant.or_else(|| variable("AZURE_TENANT_ID"));
        self.client_id = self.client_id.or_else(|| variable("AZURE_CLIENT_ID"));
        self.client_secret = self.client_secret.or_else(|| variable("AZURE_CLIENT_SECRET").map(Secret::new));
        self.token_file = self.token_file.or_else(|| variable("AZURE_FEDERATED_TOKEN_FILE"));
        self.hosted |= variable("IDENTITY_ENDPOINT").is_some();
        self.authority = self.authority.or_else(|| variable("AZURE_AUTHORITY_HOST"));
        self
    }

    /// Which way of [`AzureIdentity`] is taken, for `sync --check`.
    pub fn way(&self) -> &'static str {
        match (&self.client_secret, &self.token_file) {
            (Some(_), _) => "client secret",
            (None, Some(_)) => "workload identity",
            (None, None) if self.hosted => "managed identity of the host",
            (None, None) => "the command line's account, or the machine's managed identity",
        }
    }

    fn options(&self, http: &Http) -> ClientOptions {
        let plain = self.authority.as_deref().and_then(|a| a.strip_prefix("http://")).map(str::to_owned);
        // The crate wants HTTPS in names; what is asked in the end is decided by our client's own rule.
        let host = self.authority.as_deref().map(|a| match a.strip_prefix("http://") {
            Some(rest) => format!("https://{rest}"),
            None => a.to_owned(),
        });
        let cloud = host.map(|authority_host| {
            let mut custom = CustomConfiguration::default();
            custom.authority_host = authority_host;
            Arc::new(CloudConfiguration::Custom(custom))
        });
        let transport = Transport::new(Arc::new(Through { http: http.clone(), plain }));
        ClientOptions { cloud, transport: Some(transport), ..ClientOptions::default() }
    }

    /// The credentials to try, in order.
    fn credentials(&self, http: &Http) -> azure_core::Result<Vec<Arc<dyn TokenCredential>>> {
        let options = self.options(http);
        if let Some(secret) = &self.client_secret {
            let (Some(tenant), Some(client)) = (&self.tenant, &self.client_id) else {
                let text = "a client secret needs `tenant` and `client_id` beside it";
                return Err(azure_core::Error::with_message(ErrorKind::Credential, text));
            };
            let secret = CoreSecret::new(secret.expose().to_owned());
            let options = ClientSecretCredentialOptions { client_options: options };
            return Ok(vec![ClientSecretCredential::new(tenant, client.clone(), secret, Some(options))?]);
        }
        if let Some(file) = &self.token_file {
            let options = WorkloadIdentityCredentialOptions {
                credential_options: ClientAssertionCredentialOptions { client_options: options },
                client_id: self.client_id.clone(),
                tenant_id: self.tenant.clone(),
                token_file_path: Some(file.into()),
            };
            return Ok(vec![WorkloadIdentityCredential::new(Some(options))?]);
        }
        let managed = ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
            user_assigned_id: self.client_id.clone().map(UserAssignedId::ClientId),
            client_options: options,
        }))?;
        if self.hosted {
            return Ok(vec![managed]);
        }
        let tenant_id = self.tenant.clone();
        let cli = AzureCliCredential::new(Some(AzureCliCredentialOptions { tenant_id, ..Default::default() }))?;
        Ok(vec![cli, managed])
    }
}

/// Issues tokens; a new set of credentials has an empty cache.
pub(super) struct AzureIssuer {
    identity: AzureIdentity,
    http: Http,
    scope: String,
    credentials: Mutex<Option<Vec<Arc<dyn TokenCredential>>>>,
}

impl AzureIssuer {
    /// Tokens for a resource such as `https://management.azure.com`.
    pub(super) fn new(identity: AzureIdentity, http: Http, resource: &str) -> Self {
        Self { identity, http, scope: format!("{resource}/.default"), credentials: Mutex::new(None) }
    }

    fn credentials(&self, afresh: bool) -> azure_core::Result<Vec<Arc<dyn TokenCredential>>> {
        let mut kept = self.credentials.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(known) = kept.as_ref().filter(|_| !afresh) {
            return Ok(known.clone());
        }
        let new = self.identity.credentials(&self.http)?;
        *kept = Some(new.clone());
        Ok(new)
    }
}

impl Issuer for AzureIssuer {
    fn issue(&self, afresh: bool) -> BoxFuture<'_, Result<Secret, Failure>> {
        Box::pin(async move {
            let credentials = self.credentials(afresh).map_err(|e| failure(&[e]))?;
            let mut errors = Vec::new();
            for credential in credentials {
                match credential.get_token(&[&self.scope], None).await {
                    Ok(token) => return Ok(Secret::new(token.token.secret().to_owned())),
                    Err(e) => errors.push(e),
                }
            }
            Err(failure(&errors))
        })
    }
}

/// Why there is no token: refused, unless all that failed was the way to the authority.
fn failure(errors: &[azure_core::Error]) -> Failure {
    let said: Vec<String> = errors
        .iter()
        .map(|e| {
            let text = e.to_string();
            let first = text.lines().filter(|l| !l.contains("To troubleshoot, visit")).collect::<Vec<_>>().join(" ");
            first.trim().chars().take(400).collect()
        })
        .collect();
    let text = format!("no token: {}", said.join("; "));
    let unreached = |e: &azure_core::Error| unreached(e);
    if !errors.is_empty() && errors.iter().all(unreached) { Failure::Failed(text) } else { Failure::Denied(text) }
}

fn unreached(e: &azure_core::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(e);
    while let Some(error) = cause {
        if error
            .downcast_ref::<azure_core::Error>()
            .is_some_and(|e| matches!(e.kind(), ErrorKind::Io | ErrorKind::Connection))
        {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The identity crate's calls through our client, with its rules for addresses, times and sizes.
#[derive(Debug)]
struct Through {
    http: Http,
    /// Host and port that are asked by plain HTTP.
    plain: Option<String>,
}

#[async_trait::async_trait]
impl HttpClient for Through {
    async fn execute_request(&self, request: &azure_core::http::Request) -> azure_core::Result<AsyncRawResponse> {
        let method = match request.method() {
            CoreMethod::Get => Method::Get,
            CoreMethod::Post => Method::Post,
            CoreMethod::Put => Method::Put,
            other => return Err(azure_core::Error::with_message(ErrorKind::Other, format!("{other:?} is not spoken"))),
        };
        let mut url = request.url().to_string();
        if let Some(rest) = self.plain.as_deref().and_then(|p| url.strip_prefix("https://")?.strip_prefix(p)) {
            let plain = self.plain.as_deref().unwrap_or("");
            url = format!("http://{plain}{rest}");
        }
        let mut ours = Request::new(method, url);
        if request.url().host_str().is_some_and(|h| h.starts_with("169.254.")) {
            ours.timeout = Some(METADATA_TIMEOUT);
        }
        for (name, value) in request.headers().iter() {
            ours = ours.header(name.as_str(), value.as_str());
        }
        if let Body::Bytes(bytes) = request.body() {
            ours.body = bytes.to_vec();
        }
        let answer = self.http.send(ours).await.map_err(|e| {
            let kind = if matches!(e, HttpError::Connect { .. }) { ErrorKind::Connection } else { ErrorKind::Io };
            azure_core::Error::with_message(kind, e.to_string())
        })?;
        let mut headers = Headers::new();
        for (name, value) in answer.headers {
            headers.insert(HeaderName::from(name), HeaderValue::from(value));
        }
        Ok(AsyncRawResponse::from_bytes(answer.status.into(), headers, answer.body))
    }
}
