//! The HTTP client of live connectors: HTTPS to anywhere, plain HTTP only to this machine and to a provider's
//! link-local metadata service; no redirects; every answer bounded in time and size.
//!
//! Proxies: HTTPS goes through the proxy that `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` name; loopback and metadata
//! addresses are always asked directly. Trust roots are those of the system, so that an inspecting proxy's root counts.

use std::error::Error as _;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Once;
use std::time::Duration;

use reqwest::{Client, Url, redirect};

use crate::base::limits::Limits;

/// Metadata services: addresses that no route leads to, and their names. They speak plain HTTP by design.
const METADATA: &[&str] = &[
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "[fd00:ec2::254]",
    "[fd00:ec2::23]",
    "metadata.google.internal",
];

/// A request's verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `GET`.
    Get,
    /// `POST`.
    Post,
    /// `PUT`; metadata services hand out session tokens by it.
    Put,
}

impl Method {
    /// `GET`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }
}

/// One request. It may carry credentials, so its headers, query and body cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// Verb.
    pub method: Method,
    /// The whole URL, encoded.
    pub url: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// Body; empty for none.
    pub body: Vec<u8>,
    /// Time for the whole exchange, where it is not the usual one.
    pub timeout: Option<Duration>,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self { method, url: url.into(), headers: Vec::new(), body: Vec::new(), timeout: None }
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same with a body.
    #[must_use]
    pub fn body(mut self, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("content-type", media_type)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.url.split('?').next().unwrap_or("");
        write!(f, "{} {place}, {} headers, {} bytes", self.method.as_str(), self.headers.len(), self.body.len())
    }
}

/// One answer, whole. It may carry a token, so it cannot be printed either.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Headers; names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of that name, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// True for a status from 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// How long to wait, where the answer says it in seconds (RFC 9110, 10.2.3; the form with a date is passed over).
    pub fn retry_after(&self) -> Option<Duration> {
        self.header("retry-after")?.trim().parse().ok().map(Duration::from_secs)
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}, {} headers, {} bytes", self.status, self.headers.len(), self.body.len())
    }
}

/// Why there is no answer. Texts never hold the query or headers of the request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The address is not one that may be asked.
    #[error("{0}")]
    Address(String),
    /// No connection.
    #[error("cannot connect to `{host}`: {cause}")]
    Connect {
        /// Who was asked.
        host: String,
        /// The system's words.
        cause: String,
    },
    /// Too slow.
    #[error("`{host}` did not answer within {} s", .after.as_secs_f32())]
    Timeout {
        /// Who was asked.
        host: String,
        /// The limit.
        after: Duration,
    },
    /// Too long.
    #[error("the answer of `{host}` is longer than {limit} bytes")]
    TooLong {
        /// Who was asked.
        host: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The connection broke, or the answer is no HTTP.
    #[error("the answer of `{host}` broke off: {cause}")]
    Broken {
        /// Who was asked.
        host: String,
        /// The library's words.
        cause: String,
    },
}

impl HttpError {
    /// True where another try may do better.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Timeout { .. } | Self::Broken { .. })
    }
}

/// Where a request may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Secure,
    /// This machine, or a metadata service.
    Near,
}

/// Checks an endpoint: HTTPS, or HTTP to this machine. Gives it back without a slash at its end.
pub fn endpoint(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|e| format!("`{text}` is not a URL ({e}); write \"https://host\""))?;
    reach(&url).map_err(|e| e.to_string())?;
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err(format!("an endpoint is a scheme, a host and a path only: `{}`", url.host_str().unwrap_or("")));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn reach(url: &Url) -> Result<Reach, HttpError> {
    let host = url.host_str().unwrap_or("");
    match url.scheme() {
        "https" => Ok(Reach::Secure),
        "http" if is_loopback(host) || METADATA.contains(&host) => Ok(Reach::Near),
        "http" => Err(HttpError::Address(format!(
            "plain HTTP goes only to this machine: `http://{host}` was not asked; write https"
        ))),
        other => Err(HttpError::Address(format!("`{other}` is no scheme that is spoken; write https"))),
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|a| a.to_canonical().is_loopback())
}

/// The client. One for a connector; connections are kept and shared.
#[derive(Debug, Clone)]
pub struct Http {
    secure: Client,
    near: Client,
    body_bytes: usize,
    timeout: Duration,
}

impl Http {
    /// A client with these limits. Errors in words: the system's trust roots cannot be read.
    pub fn new(limits: &Limits) -> Result<Self, String> {
        static PROVIDER: Once = Once::new();
        // ring is the only provider; where another part of the program was first, its choice is the same.
        PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let base = || {
            Client::builder()
                .user_agent(concat!("palisade/", env!("CARGO_PKG_VERSION")))
                .redirect(redirect::Policy::none())
                .referer(false)
                .connect_timeout(limits.http_connect_timeout)
                .pool_max_idle_per_host(limits.calls_in_flight)
        };
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let failed = |e: reqwest::Error| format!("the HTTP client cannot start: {}", words(&e));
        Ok(Self {
            secure: base().https_only(true).build().map_err(failed)?,
            // A name server has no say in where `localhost` is. RFC 6761, 6.3.
            near: base().no_proxy().resolve("localhost", here).build().map_err(failed)?,
            body_bytes: limits.http_body_bytes,
            timeout: limits.http_timeout,
        })
    }

    /// Sends one request and reads its whole answer, whatever its status.
    pub async fn send(&self, request: Request) -> Result<Response, HttpError> {
        let url = Url::parse(&request.url).map_err(|e| HttpError::Address(format!("not a URL: {e}")))?;
        let client = match reach(&url)? {
            Reach::Secure => &self.secure,
            Reach::Near => &self.near,
        };
        let host = url.host_str().unwrap_or("").to_owned();
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
        };
        let after = request.timeout.unwrap_or(self.timeout);
        let mut builder = client.request(method, url).timeout(after);
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        if !request.body.is_empty() {
            builder = builder.body(request.body);
        }
        let answer = builder.send().await.map_err(|e| failure(&e, &host, after))?;
        self.read(answer, &host, after).await
    }

    async fn read(&self, mut answer: reqwest::Response, host: &str, after: Duration) -> Result<Response, HttpError> {
        let limit = self.body_bytes;
        let too_long = || HttpError::TooLong { host: host.to_owned(), limit };
        if answer.content_length().is_some_and(|n| n > limit as u64) {
            return Err(too_long());
        }
        let status = answer.status().as_u16();
        let text = |v: &[u8]| String::from_utf8_lossy(v).into_owned();
        let headers = answer.headers().iter().map(|(n, v)| (n.as_str().to_owned(), text(v.as_bytes()))).collect();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|e| failure(&e, host, after))? {
            if body.len() + chunk.len() > limit {
                return Err(too_long());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response { status, headers, body })
    }
}

fn failure(e: &reqwest::Error, host: &str, after: Duration) -> HttpError {
    let host = host.to_owned();
    if e.is_timeout() {
        HttpError::Timeout { host, after }
    } else if e.is_connect() {
        HttpError::Connect { host, cause: words(e) }
    } else if e.is_builder() {
        HttpError::Address(format!("the request to `{host}` cannot be made: {}", words(e)))
    } else {
        HttpError::Broken { host, cause: words(e) }
    }
}

/// The innermost cause; outer ones repeat the URL.
fn words(e: &reqwest::Error) -> String {
    let mut cause: Option<&dyn std::error::Error> = e.source();
    let mut said = None;
    while let Some(inner) = cause {
        said = Some(inner.to_string());
        cause = inner.source();
    }
    said.unwrap_or_else(|| "no further words".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        for good in
            ["https://ec2.eu-west-1.amazonaws.com", "http://127.0.0.1:5000", "http://[::1]:80", "http://localhost:1"]
        {
            assert_eq!(endpoint(good).as_deref(), Ok(good));
        }
        assert_eq!(endpoint("http://127.8.9.1:5000/").as_deref(), Ok("http://127.8.9.1:5000"));
        for (bad, why) in [
            (
                "http://example.com",
                "plain HTTP goes only to this machine: `http://example.com` was not asked; write https",
            ),
            (
                "http://localhost.example.com",
                "plain HTTP goes only to this machine: `http://localhost.example.com` was not asked; write https",
            ),
            ("http://10.0.0.1", "plain HTTP goes only to this machine: `http://10.0.0.1` was not asked; write https"),
            ("ftp://127.0.0.1", "`ftp` is no scheme that is spoken; write https"),
            ("https://user:word@h", "an endpoint is a scheme, a host and a path only: `h`"),
        ] {
            assert_eq!(endpoint(bad), Err(why.to_owned()));
        }
        assert!(endpoint("nonsense").unwrap_err().starts_with("`nonsense` is not a URL"));
    }

    #[test]
    fn requests_do_not_show_what_they_carry() {
        let r = Request::new(Method::Post, "https://h/p?token=abc").header("authorization", "abc").body("x/y", "abc");
        assert_eq!(format!("{r:?}"), "POST https://h/p, 2 headers, 3 bytes");
    }
}
