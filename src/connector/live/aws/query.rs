//! Signed calls to Amazon's services, and what their errors mean.

use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::credentials::system_time;
use super::tables::ERRORS;
use super::xml::{Members, document};
use crate::connector::live::budget::Quota;
use crate::connector::live::caller::Verdict;
use crate::connector::live::http::{Method, Request, Response};

/// One action of one service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Action {
    /// Name in signatures and host names: `ec2`.
    pub(super) service: &'static str,
    /// Version of the service model; empty for JSON services.
    pub(super) version: &'static str,
    /// `DescribeInstances`.
    pub(super) name: &'static str,
    /// The right it needs: `ec2:DescribeInstances`; empty where it needs none.
    pub(super) right: &'static str,
    /// What the right is needed for.
    pub(super) need: &'static str,
    /// Calls allowed.
    pub(super) quota: Quota,
    /// Its answer.
    pub(super) members: Members,
}

/// EC2's documented quota for reading actions, by account and region.
const EC2: Quota = Quota { burst: 100, per_second: 20.0 };
/// Where no figure is documented for all accounts: one that is kept by every account we know of.
const MODEST: Quota = Quota { burst: 20, per_second: 8.0 };
/// STS allows hundreds a second.
const STS: Quota = Quota { burst: 100, per_second: 50.0 };
/// Organizations is one service for the whole organisation, and slow.
const ORGANIZATIONS: Quota = Quota { burst: 8, per_second: 4.0 };

macro_rules! actions {
    ($($id:ident: $service:literal $version:literal $name:literal, $right:literal, $need:literal, $quota:ident, $members:expr;)*) => {$(
        pub(super) const $id: Action = Action {
            service: $service, version: $version, name: $name, right: $right, need: $need, quota: $quota, members: $members,
        };
    )*};
}

use super::tables as t;
actions! {
    REGIONS: "ec2" "2016-11-15" "DescribeRegions", "ec2:DescribeRegions", "which regions are enabled", EC2, t::REGIONS;
    INSTANCES: "ec2" "2016-11-15" "DescribeInstances", "ec2:DescribeInstances", "virtual machines", EC2, t::INSTANCES;
    INTERFACES: "ec2" "2016-11-15" "DescribeNetworkInterfaces", "ec2:DescribeNetworkInterfaces",
        "interfaces, and confirming addresses before a scan", EC2, t::INTERFACES;
    ADDRESSES: "ec2" "2016-11-15" "DescribeAddresses", "ec2:DescribeAddresses", "elastic addresses", EC2, t::ADDRESSES;
    BALANCERS: "elasticloadbalancing" "2015-12-01" "DescribeLoadBalancers", "elasticloadbalancing:DescribeLoadBalancers",
        "load balancers", MODEST, t::BALANCERS;
    CLASSIC_BALANCERS: "elasticloadbalancing" "2012-06-01" "DescribeLoadBalancers",
        "elasticloadbalancing:DescribeLoadBalancers", "classic load balancers", MODEST, t::CLASSIC_BALANCERS;
    ASSUME_ROLE: "sts" "2011-06-15" "AssumeRole", "sts:AssumeRole", "the connector's roles", STS, t::ASSUMED;
    IDENTITY: "sts" "2011-06-15" "GetCallerIdentity", "", "whose account it is", STS, t::IDENTITY;
    LIST_ACCOUNTS: "organizations" "" "ListAccounts", "organizations:ListAccounts", "accounts of the organisation", ORGANIZATIONS, &[];
    ACCOUNTS_OF: "organizations" "" "ListAccountsForParent", "organizations:ListAccountsForParent",
        "accounts of a unit", ORGANIZATIONS, &[];
    UNITS_OF: "organizations" "" "ListOrganizationalUnitsForParent", "organizations:ListOrganizationalUnitsForParent",
        "units of a unit", ORGANIZATIONS, &[];
}

impl Action {
    /// `ec2:DescribeInstances`, for budgets and usage; classic load balancers have a service of their own.
    pub(super) fn label(&self) -> Arc<str> {
        match (self.service, self.version) {
            ("elasticloadbalancing", "2012-06-01") => "elasticloadbalancing-classic:DescribeLoadBalancers".into(),
            _ => format!("{}:{}", self.service, self.name).into(),
        }
    }

    /// Where it is asked in a region.
    fn host(&self, region: &str) -> String {
        let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        format!("https://{}.{region}.{suffix}", self.service)
    }
}

/// Makes a signed request. `endpoint` stands in for the public host.
pub(super) fn request(
    action: &Action,
    (endpoint, region): (Option<&str>, &str),
    parameters: &[(String, String)],
    credentials: &Credentials,
    now: Timestamp,
) -> Result<Request, String> {
    let url = format!("{}/", endpoint.map_or_else(|| action.host(region), str::to_owned));
    let mut out = Request::new(Method::Post, url);
    if action.version.is_empty() {
        let body: Map<String, Value> = parameters.iter().map(|(k, v)| (k.clone(), Value::from(v.as_str()))).collect();
        out = out
            .header("x-amz-target", format!("AWSOrganizationsV20161128.{}", action.name))
            .body("application/x-amz-json-1.1", Value::Object(body).to_string());
    } else {
        let mut body = format!("Action={}&Version={}", action.name, action.version);
        for (name, value) in parameters {
            body.push('&');
            body.push_str(&encoded(name));
            body.push('=');
            body.push_str(&encoded(value));
        }
        out = out.body("application/x-www-form-urlencoded; charset=utf-8", body);
    }
    signed(out, action.service, region, credentials, now)
}

fn signed(
    mut request: Request,
    service: &str,
    region: &str,
    credentials: &Credentials,
    now: Timestamp,
) -> Result<Request, String> {
    let identity = credentials.clone().into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(system_time(now))
        .settings(SigningSettings::default())
        .build()
        .map_err(|e| e.to_string())?
        .into();
    let headers = request.headers.iter().map(|(n, v)| (n.as_str(), v.as_str()));
    let body = SignableBody::Bytes(&request.body);
    let signable =
        SignableRequest::new(request.method.as_str(), &request.url, headers, body).map_err(|e| e.to_string())?;
    let (instructions, _) = sign(signable, &parameters).map_err(|e| e.to_string())?.into_parts();
    let added: Vec<(String, String)> = instructions.headers().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    request.headers.extend(added);
    Ok(request)
}

/// Percent-encoding of everything but unreserved characters. RFC 3986, 2.3.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

/// What came of an answer, and why it is not all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) members: Map<String, Value>,
    pub(super) broken: Option<String>,
}

/// Reads an answer of `action`.
pub(super) fn judge(action: &Action, response: &Response) -> Verdict<Answer> {
    if !response.is_success() {
        return refusal(response);
    }
    if action.version.is_empty() {
        return match serde_json::from_slice::<Value>(&response.body) {
            Ok(Value::Object(members)) => Verdict::Done(Answer { members, broken: None }),
            Ok(_) => Verdict::Failed(format!("{}: the answer is no object", action.name)),
            Err(e) => Verdict::Failed(format!("{}: the answer is no JSON: {e}", action.name)),
        };
    }
    let root = format!("{}Response", action.name);
    let (mut members, broken) = document(&response.body, &[root.as_str()], action.members);
    if let Some(Value::Object(inner)) = members.remove("Result") {
        members.extend(inner);
    }
    Verdict::Done(Answer { members, broken })
}

/// Codes that mean too many calls.
const THROTTLED: &[&str] = &[
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "EC2ThrottledException",
    "BandwidthLimitExceeded",
    "SlowDown",
    "PriorRequestNotComplete",
];
/// Codes that mean other credentials may do.
const EXPIRED: &[&str] = &["ExpiredToken", "ExpiredTokenException", "RequestExpired"];
/// Codes that mean no.
const DENIED: &[&str] = &[
    "UnauthorizedOperation",
    "AccessDenied",
    "AccessDeniedException",
    "AccessDeniedForDependencyException",
    "AuthFailure",
    "Blocked",
    "OptInRequired",
    "PendingVerification",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
    "MissingAuthenticationToken",
    "IncompleteSignature",
    "RegionDisabledException",
    "AWSOrganizationsNotInUseException",
];
/// Longest message kept, in characters: EC2 appends long encoded ones.
const WORDS: usize = 300;

fn refusal(response: &Response) -> Verdict<Answer> {
    let (code, message) = error_of(response);
    let message: String = message.chars().take(WORDS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words = match (code.is_empty(), message.is_empty()) {
        (true, _) => format!("status {}", response.status),
        (false, true) => code.clone(),
        (false, false) => format!("{code}: {message}"),
    };
    let is = |list: &[&str]| list.contains(&code.as_str());
    if is(THROTTLED) || response.status == 429 {
        Verdict::Throttled(words)
    } else if is(EXPIRED) {
        Verdict::Expired(words)
    } else if is(DENIED) || matches!(response.status, 401 | 403) {
        Verdict::Denied(words)
    } else if response.status >= 500 {
        Verdict::Transient(words)
    } else {
        Verdict::Failed(words)
    }
}

/// Code and message of an error document; empty where it is none.
fn error_of(response: &Response) -> (String, String) {
    let text = |v: Option<&Value>| v.and_then(Value::as_str).unwrap_or("").to_owned();
    if let Ok(Value::Object(json)) = serde_json::from_slice(&response.body) {
        let code = text(json.get("__type"));
        let code = code.rsplit('#').next().unwrap_or("").to_owned();
        return (code, text(json.get("message").or(json.get("Message"))));
    }
    let (map, _) = document(&response.body, &["Response", "ErrorResponse"], ERRORS);
    let error = map.get("Error").or_else(|| map.get("Errors")?.get("Error"));
    let part = |name: &str| text(error.and_then(|e| e.get(name)));
    let clean: String = part("Code").chars().take(80).filter(|c| !c.is_control()).collect();
    (clean, part("Message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: u16, body: &str) -> String {
        let response = Response { status, headers: Vec::new(), body: body.as_bytes().to_vec() };
        match judge(&INSTANCES, &response) {
            Verdict::Done(a) => format!("done {:?}", a.broken),
            Verdict::Throttled(w) => format!("throttled {w}"),
            Verdict::Transient(w) => format!("transient {w}"),
            Verdict::Expired(w) => format!("expired {w}"),
            Verdict::Denied(w) => format!("denied {w}"),
            Verdict::Failed(w) => format!("failed {w}"),
        }
    }

    #[test]
    fn errors_in_every_spelling() {
        let ec2 = |code: &str| {
            format!(
                "<?xml version=\"1.0\"?><Response><Errors><Error><Code>{code}</Code><Message>m</Message></Error></Errors></Response>"
            )
        };
        let elb = |code: &str| {
            format!(
                "<ErrorResponse xmlns=\"x\"><Error><Type>Sender</Type><Code>{code}</Code><Message>m</Message></Error></ErrorResponse>"
            )
        };
        for (status, body, expected) in [
            (403, ec2("UnauthorizedOperation"), "denied UnauthorizedOperation: m"),
            (401, ec2("AuthFailure"), "denied AuthFailure: m"),
            (403, ec2("OptInRequired"), "denied OptInRequired: m"),
            (503, ec2("RequestLimitExceeded"), "throttled RequestLimitExceeded: m"),
            (400, elb("Throttling"), "throttled Throttling: m"),
            (403, elb("AccessDenied"), "denied AccessDenied: m"),
            (403, elb("ExpiredToken"), "expired ExpiredToken: m"),
            (500, ec2("InternalError"), "transient InternalError: m"),
            (400, ec2("InvalidParameterValue"), "failed InvalidParameterValue: m"),
            (
                400,
                r#"{"__type":"x#AccessDeniedException","Message":"m"}"#.to_owned(),
                "denied AccessDeniedException: m",
            ),
            (429, String::new(), "throttled status 429"),
            (502, "<html>".to_owned(), "transient status 502"),
            (404, "[".to_owned(), "failed status 404"),
        ] {
            assert_eq!(verdict(status, &body), expected);
        }
    }

    #[test]
    fn requests_are_signed_and_encoded() {
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", Some("token".into()), None, "test");
        let parameters = [("Filter.1.Value.1".to_owned(), "a b&c=é".to_owned())];
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let r = request(&INSTANCES, (None, "cn-north-1"), &parameters, &credentials, now).unwrap();
        assert_eq!(r.url, "https://ec2.cn-north-1.amazonaws.com.cn/");
        assert_eq!(
            String::from_utf8(r.body.clone()).unwrap(),
            "Action=DescribeInstances&Version=2016-11-15&Filter.1.Value.1=a%20b%26c%3D%C3%A9"
        );
        let header = |name: &str| r.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        assert_eq!(header("x-amz-date"), Some("20260101T000000Z"));
        assert_eq!(header("x-amz-security-token"), Some("token"));
        let authorization = header("authorization").unwrap();
        assert!(
            authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/cn-north-1/ec2/aws4_request")
        );
        assert!(!authorization.contains("secret"));
        let r = request(&LIST_ACCOUNTS, (Some("http://127.0.0.1:1"), "us-east-1"), &[], &credentials, now).unwrap();
        assert_eq!((r.url.as_str(), r.body.as_slice()), ("http://127.0.0.1:1/", b"{}".as_slice()));
    }
}
