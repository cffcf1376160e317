//! What Azure's and Google's JSON answers mean: status and error body to a verdict. Both write
//! `{"error": {"code", "message", …}}`.

use serde::Deserialize;

use crate::connector::lenient::{Text, some};
use crate::connector::live::caller::Verdict;
use crate::connector::live::http::Response;

/// Longest error message kept, in characters.
const WORDS: usize = 300;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Envelope<'a> {
    #[serde(borrow)]
    error: Option<Refusal<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refusal<'a> {
    #[serde(borrow)]
    code: Option<Text<'a>>,
    message: Option<Text<'a>>,
    /// Google's word for the code, such as `PERMISSION_DENIED`.
    status: Option<Text<'a>>,
    /// Google's reasons.
    errors: Option<Vec<Reason<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Reason<'a> {
    #[serde(borrow)]
    reason: Option<Text<'a>>,
}

/// The provider's words in one line, and its reason.
fn words(response: &Response) -> (String, String) {
    let parsed: Option<Envelope<'_>> = serde_json::from_slice(&response.body).ok();
    let Some(error) = parsed.and_then(|e| e.error) else {
        return (format!("HTTP status {}", response.status), String::new());
    };
    let reason = error.errors.iter().flatten().find_map(|r| some(r.reason.as_ref()));
    let code = some(error.status.as_ref()).or(reason).or(some(error.code.as_ref()));
    let message = some(error.message.as_ref()).unwrap_or("");
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let mut text: String = message.chars().take(WORDS).map(clean).collect();
    if message.chars().nth(WORDS).is_some() {
        text.push('…');
    }
    let code: String = code.unwrap_or("error").chars().take(80).map(clean).collect();
    let text =
        if text.is_empty() { format!("{code} (HTTP status {})", response.status) } else { format!("{code}: {text}") };
    (text, reason.unwrap_or("").to_owned())
}

/// What an answer means; `read` reads a good one.
pub(super) fn judge<T>(response: &Response, read: impl FnOnce(&[u8]) -> Result<T, String>) -> Verdict<T> {
    if response.is_success() {
        return match read(&response.body) {
            Ok(found) => Verdict::Done(found),
            Err(why) => Verdict::Failed(format!("the answer was not understood: {why}")),
        };
    }
    let (text, reason) = words(response);
    // Google throttles with 403 as well. compute/docs/api/rate-limits.
    let throttled = matches!(&*reason, "rateLimitExceeded" | "userRateLimitExceeded" | "quotaExceeded");
    match response.status {
        429 => Verdict::Throttled(text),
        403 if throttled => Verdict::Throttled(text),
        401 => Verdict::Expired(text),
        403 | 404 => Verdict::Denied(text),
        408 | 500 | 502..=504 => Verdict::Transient(text),
        _ => Verdict::Failed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: u16, body: &str) -> String {
        let response = Response { status, headers: Vec::new(), body: body.as_bytes().to_vec() };
        format!("{:?}", judge(&response, |b| serde_json::from_slice::<u8>(b).map_err(|e| e.to_string())))
    }

    #[test]
    fn by_status_and_reason() {
        let cases = [
            (200, "7", "Done(7)"),
            (200, "7,", "Failed(\"the answer was not understood: trailing characters at line 1 column 2\")"),
            (
                403,
                r#"{"error":{"code":"AuthorizationFailed","message":"The client\nhas no right."}}"#,
                "Denied(\"AuthorizationFailed: The client has no right.\")",
            ),
            (
                403,
                r#"{"error":{"code":403,"message":"Quota","errors":[{"reason":"rateLimitExceeded"}]}}"#,
                "Throttled(\"rateLimitExceeded: Quota\")",
            ),
            (
                403,
                r#"{"error":{"code":403,"message":"Required 'compute.instances.list' permission","errors":[{"reason":"forbidden"}],"status":"PERMISSION_DENIED"}}"#,
                "Denied(\"PERMISSION_DENIED: Required 'compute.instances.list' permission\")",
            ),
            (429, "busy", "Throttled(\"HTTP status 429\")"),
            (
                401,
                r#"{"error":{"code":"ExpiredAuthenticationToken"}}"#,
                "Expired(\"ExpiredAuthenticationToken (HTTP status 401)\")",
            ),
            (503, "<html>", "Transient(\"HTTP status 503\")"),
            (302, "", "Failed(\"HTTP status 302\")"),
            (400, r#"{"error":[]}"#, "Failed(\"error (HTTP status 400)\")"),
        ];
        for (status, body, expected) in cases {
            assert_eq!(verdict(status, body), expected, "{status} {body}");
        }
    }
}
