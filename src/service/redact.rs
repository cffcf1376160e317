//! Secrets in what services say never reach evidence: values of password-like keys, credentials in addresses, cookies,
//! access keys, signed tokens and private keys are replaced. What is left is enough to convince. product.md 5.0, rule 6.

/// What stands in place of a secret.
const MARK: &[u8] = b"***";

/// Words before `=` or `:` whose value is a secret.
const KEYS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "secret_key",
    "secretkey",
    "token",
    "api_key",
    "apikey",
    "api-key",
    "access_key",
    "accesskey",
    "private_key",
    "authorization",
    "cookie",
    "sessionid",
    "session_id",
    "jsessionid",
    "phpsessid",
];

/// Replaces secrets.
pub fn redact(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|r| !r.is_empty()) {
        let starts_word = at == 0 || bytes.get(at - 1).is_none_or(|b| !b.is_ascii_alphanumeric());
        let found = (starts_word.then(|| word(rest)).flatten())
            .or_else(|| address(rest))
            .or_else(|| private_key(rest))
            .or_else(|| key_value(rest));
        match found {
            Some((keep, drop)) => {
                out.extend_from_slice(rest.get(..keep).unwrap_or_default());
                out.extend_from_slice(MARK);
                at += drop.max(1);
            }
            None => {
                out.extend_from_slice(rest.get(..1).unwrap_or_default());
                at += 1;
            }
        }
    }
    out
}

/// Replaces secrets in text.
pub fn redact_text(text: &str) -> String {
    String::from_utf8_lossy(&redact(text.as_bytes())).into_owned()
}

/// A cookie without its value: `sid=***; Path=/; Secure`.
pub fn cookie(header: &str) -> String {
    let (pair, attributes) = header.split_once(';').map_or((header, ""), |(p, a)| (p, a));
    let name = pair.split_once('=').map_or("", |(n, _)| n);
    if attributes.is_empty() { format!("{name}=***") } else { format!("{name}=***;{attributes}") }
}

fn span(bytes: &[u8], keep: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|b| keep(**b)).count()
}

/// Access key ids and signed tokens, recognised by their form alone.
fn word(rest: &[u8]) -> Option<(usize, usize)> {
    let len = span(rest, |b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let word = rest.get(..len)?;
    let upper = |w: &[u8]| w.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    let access_key = len == 20 && (word.starts_with(b"AKIA") || word.starts_with(b"ASIA")) && upper(word);
    // A JSON Web Token: base64url of `{"`, twice. RFC 7519 3.1.
    let signed = word.starts_with(b"eyJ") && word.windows(4).any(|w| w == b".eyJ");
    let hub = len >= 40 && [&b"ghp_"[..], b"gho_", b"ghs_", b"xoxb-", b"glpat-"].iter().any(|p| word.starts_with(p));
    (access_key || signed || hub).then_some((4, len))
}

/// `://user:password@host`.
fn address(rest: &[u8]) -> Option<(usize, usize)> {
    let body = rest.strip_prefix(b"://")?;
    let len = span(body, |b| b > b' ' && b != b'@' && b != b'/' && b != b'"');
    (body.get(len) == Some(&b'@') && body.get(..len)?.contains(&b':')).then_some((3, 3 + len))
}

fn private_key(rest: &[u8]) -> Option<(usize, usize)> {
    let head = rest.strip_prefix(b"-----BEGIN ")?;
    let line = span(head, |b| b != b'-');
    head.get(..line)?.ends_with(b"PRIVATE KEY").then(|| {
        let end = rest.windows(9).position(|w| w == b"-----END ").unwrap_or(rest.len());
        (11 + line + 5, end.max(11 + line + 5).min(rest.len()))
    })
}

/// `password = "x"`, `token: x`; the key may be part of a longer word such as `DB_PASSWORD`.
fn key_value(rest: &[u8]) -> Option<(usize, usize)> {
    let key = KEYS.iter().filter(|k| rest.get(..k.len()).is_some_and(|r| r.eq_ignore_ascii_case(k.as_bytes())));
    let after_key = key.map(|k| k.len()).max()?;
    let mut at = after_key;
    let step = |at: usize, set: &[u8]| at + span(rest.get(at..).unwrap_or_default(), |b| set.contains(&b));
    at = step(at, b"\"' \t");
    let separator = step(at, b"=:");
    if separator == at {
        return None;
    }
    at = step(separator, b"=> \t");
    let quote = rest.get(at).copied().filter(|b| b"\"'".contains(b));
    let from = at + usize::from(quote.is_some());
    let value = rest.get(from..)?;
    let len = match quote {
        Some(q) => span(value, |b| b != q && b != b'\n'),
        // An authorization has two words; everything else ends at the first blank.
        None if rest.get(..after_key)?.eq_ignore_ascii_case(b"authorization") => span(value, |b| b >= b' '),
        None => span(value, |b| b > b' ' && !b",;&<\"'".contains(&b)),
    };
    (len > 0).then_some((from, from + len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_and_the_rest_stays() {
        for (given, want) in [
            ("220 mail.example ESMTP", "220 mail.example ESMTP"),
            ("331 Password required for root.", "331 Password required for root."),
            ("DB_PASSWORD=hunter2\nDB_HOST=db", "DB_PASSWORD=***\nDB_HOST=db"),
            ("{\"password\": \"hun ter2\", \"a\": 1}", "{\"password\": \"***\", \"a\": 1}"),
            ("Authorization: Basic dXNlcjpwYXNz\r\nHost: a", "Authorization: ***\r\nHost: a"),
            ("postgres://app:s3cret@db/x", "postgres://***@db/x"),
            ("key AKIAABCDEFGHIJKLMNOP end", "key AKIA*** end"),
            ("eyJhbGciOi.eyJzdWIiOi.c2ln rest", "eyJh*** rest"),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
                "-----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY-----",
            ),
        ] {
            assert_eq!(redact_text(given), want);
        }
        assert_eq!(cookie("sid=abc; Path=/; Secure"), "sid=***; Path=/; Secure");
    }
}
