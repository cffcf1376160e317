//! Whose rights are used: the standard chain (environment, profile files, SSO, web identity, container and instance
//! metadata, external process) by Amazon's own library over our HTTP client, or roles assumed by us.
//!
//! A role that cannot be assumed is an error and nothing else: no rights of the caller stand in for it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::ProvideRegion;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::profile::region::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use jiff::Timestamp;

use crate::connector::live::caller::Failure;
use crate::connector::live::http::{Http, HttpError, Method, Request};
use crate::connector::live::secret::Secret;

/// Credentials are renewed this long before they end.
const EARLY: Duration = Duration::from_secs(300);

/// A role to assume.
#[derive(Clone)]
pub(super) struct Role {
    /// `arn:aws:iam::123456789012:role/name`.
    pub(super) arn: String,
    pub(super) external_id: Option<Secret>,
}

impl Role {
    /// The account it belongs to.
    pub(super) fn account(&self) -> &str {
        self.arn.split(':').nth(4).unwrap_or("")
    }
}

/// Where keys come from.
enum Source {
    Provider(SharedCredentialsProvider),
    Role { base: Arc<Keys>, role: Role },
}

/// Credentials, fetched when first needed and again before they end. They cannot be printed.
pub(super) struct Keys {
    source: Source,
    cached: tokio::sync::Mutex<Option<Credentials>>,
}

/// Assumes a role; the one thing that keys need of the rest.
pub(super) trait Assume {
    /// New credentials for `role` with the rights of `base`.
    fn assume<'a>(
        &'a self,
        base: &'a Credentials,
        role: &'a Role,
    ) -> Pin<Box<dyn Future<Output = Result<Credentials, Failure>> + 'a>>;
}

impl Keys {
    fn of(source: Source) -> Self {
        Self { source, cached: tokio::sync::Mutex::new(None) }
    }

    /// Fixed credentials.
    pub(super) fn fixed(id: &str, secret: &Secret, token: Option<&Secret>) -> Self {
        let token = token.map(|t| t.expose().to_owned());
        let credentials = Credentials::new(id, secret.expose(), token, None, "given");
        Self::of(Source::Provider(SharedCredentialsProvider::new(credentials)))
    }

    /// A role assumed with the rights of `base`.
    pub(super) fn role(base: &Arc<Self>, role: Role) -> Self {
        Self::of(Source::Role { base: Arc::clone(base), role })
    }

    /// The credentials; `renew` where those at hand were refused.
    pub(super) fn get<'a>(
        &'a self,
        assume: &'a dyn Assume,
        now: Timestamp,
        renew: bool,
    ) -> Pin<Box<dyn Future<Output = Result<Credentials, Failure>> + 'a>> {
        Box::pin(async move {
            let mut cached = self.cached.lock().await;
            let last = system_time(now) + EARLY;
            if let Some(known) = cached.as_ref().filter(|c| !renew && c.expiry().is_none_or(|end| end > last)) {
                return Ok(known.clone());
            }
            let fresh = match &self.source {
                Source::Provider(provider) => provider.provide_credentials().await.map_err(|e| no_credentials(&e))?,
                Source::Role { base, role } => {
                    let base = base.get(assume, now, renew).await?;
                    assume.assume(&base, role).await?
                }
            };
            *cached = Some(fresh.clone());
            Ok(fresh)
        })
    }
}

fn no_credentials(error: &dyn std::error::Error) -> Failure {
    let mut words = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !words.contains(&text) {
            words.push(text);
        }
        cause = inner.source();
    }
    Failure::Denied(format!("no credentials: {}", words.join(": ")))
}

/// An instant in the form of the standard library; nothing before 1970 is needed.
pub(super) fn system_time(at: Timestamp) -> SystemTime {
    let since = u64::try_from(at.as_millisecond()).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_millis(since)
}

/// The chain of the standard tools, or one profile and nothing else. The region that it names, where it names one.
pub(super) async fn chain(http: &Http, profile: Option<&str>) -> (Keys, Option<String>) {
    let connector = SharedHttpConnector::new(OurHttp(http.clone()));
    let client = http_client_fn(move |_, _| connector.clone());
    let config = ProviderConfig::without_region().with_http_client(client);
    // No metadata service is asked for it: where it matters, it is written down.
    let mut files = ProfileFileRegionProvider::builder().configure(&config);
    if let Some(profile) = profile {
        files = files.profile_name(profile);
    }
    let region = match EnvironmentVariableRegionProvider::new().region().await {
        Some(region) if profile.is_none() => Some(region),
        _ => files.build().region().await,
    };
    let config = config.with_region(region.clone());
    let provider = match profile {
        Some(profile) => SharedCredentialsProvider::new(
            ProfileFileCredentialsProvider::builder().configure(&config).profile_name(profile).build(),
        ),
        None => {
            let mut builder = DefaultCredentialsChain::builder().configure(config);
            builder.set_region(region.clone());
            SharedCredentialsProvider::new(builder.build().await)
        }
    };
    (Keys::of(Source::Provider(provider)), region.map(|r| r.to_string()))
}

/// Our HTTP client in the form that Amazon's library asks for.
#[derive(Debug)]
struct OurHttp(Http);

impl HttpConnector for OurHttp {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let http = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request = outward(&request).map_err(|why| ConnectorError::user(why.into()))?;
            let response = http.send(request).await.map_err(|e| match e {
                HttpError::Timeout { .. } => ConnectorError::timeout(e.into()),
                HttpError::Connect { .. } | HttpError::Broken { .. } => ConnectorError::io(e.into()),
                HttpError::Address(_) | HttpError::TooLong { .. } => ConnectorError::user(e.into()),
            })?;
            let status = response.status.try_into().map_err(|_| ConnectorError::other("no status".into(), None))?;
            let mut answer = HttpResponse::new(status, SdkBody::from(response.body));
            for (name, value) in response.headers {
                // What is no header to the library is of no use to it.
                let _ = answer.headers_mut().try_append(name, value);
            }
            Ok(answer)
        })
    }
}

fn outward(request: &HttpRequest) -> Result<Request, String> {
    let method = match request.method() {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        other => return Err(format!("`{other}` is not spoken")),
    };
    let body = request.body().bytes().ok_or("a streamed body is not sent")?;
    let mut out = Request::new(method, request.uri());
    out.headers = request.headers().iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    out.body = body.to_vec();
    Ok(out)
}
