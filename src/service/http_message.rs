//! HTTP/1.x answers, read with bounds: status line, fields, and a body by length, by chunks or to the end. RFC 9112.

/// Bytes of a head that are read.
const HEAD_BYTES: usize = 64 << 10;
/// Fields that are kept.
const MOST_FIELDS: usize = 200;
/// Bytes of a body that are read; a longer one is cut there.
pub(super) const BODY_BYTES: usize = 64 << 10;

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Answer {
    pub(super) version: String,
    pub(super) status: u16,
    /// Names in lower case, in order.
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// The connection can take another request.
    pub(super) reusable: bool,
}

impl Answer {
    /// The first field of a name.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// What has come so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reading {
    /// More is to come.
    Partial,
    /// It is no HTTP/1.x answer, and why.
    Foreign(&'static str),
    /// A whole answer, or as much of it as is read.
    Whole(Box<Answer>),
}

/// Reads all bytes since the request. `ended` tells that nothing more will come, `bodiless` that the request has no
/// answer with a body.
pub(super) fn read(bytes: &[u8], ended: bool) -> Reading {
    let mut rest = bytes;
    loop {
        let Some((head, after)) = head(rest) else {
            return match () {
                () if !begins(rest) => Reading::Foreign("it does not begin like an answer"),
                () if rest.len() > HEAD_BYTES => Reading::Foreign("its head does not end"),
                // A head without its blank line is still an answer, as old servers send it.
                () if ended && rest.contains(&b'\n') => whole(rest, &[], true),
                () => Reading::Partial,
            };
        };
        // Interim answers come before the one that counts. RFC 9110 15.2.
        let interim = head.get(9..10) == Some(b"1") && head.get(9..12) != Some(b"101");
        if interim && !after.is_empty() {
            rest = after;
            continue;
        }
        if interim {
            return if ended { Reading::Foreign("only interim answers") } else { Reading::Partial };
        }
        return whole(head, after, ended);
    }
}

fn begins(bytes: &[u8]) -> bool {
    let start: &[u8] = b"HTTP/1.";
    bytes.starts_with(start) || start.starts_with(bytes)
}

/// The head without its blank line, and what follows.
fn head(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = |mark: &[u8]| bytes.windows(mark.len()).take(HEAD_BYTES).position(|w| w == mark).map(|p| (p, mark.len()));
    let (end, skip) = match (at(b"\r\n\r\n"), at(b"\n\n")) {
        (Some(a), Some(b)) => a.min(b),
        (a, b) => a.or(b)?,
    };
    Some((bytes.get(..end)?, bytes.get(end + skip..)?))
}

fn whole(head: &[u8], after: &[u8], ended: bool) -> Reading {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let mut words = first.splitn(3, ' ');
    let version = words.next().and_then(|w| w.strip_prefix("HTTP/"));
    let status = words.next().and_then(|w| w.trim().parse::<u16>().ok()).filter(|s| (100..1000).contains(s));
    let (Some(version), Some(status)) = (version, status) else {
        return Reading::Foreign("its status line cannot be read");
    };
    let fields: Vec<(String, String)> = lines
        .filter_map(|l| l.split_once(':'))
        .map(|(n, v)| (n.trim().to_ascii_lowercase(), v.trim().to_owned()))
        .filter(|(n, _)| !n.is_empty() && n.len() <= 64 && n.bytes().all(|b| b.is_ascii_graphic()))
        .take(MOST_FIELDS)
        .collect();
    let mut answer = Answer { version: version.into(), status, fields, ..Answer::default() };
    match body(&answer, after, ended) {
        None => Reading::Partial,
        Some((body, complete)) => {
            let close = answer.field("connection").is_some_and(|c| c.eq_ignore_ascii_case("close"));
            answer.reusable = complete && !close && answer.version == "1.1" && !ended;
            answer.body = body;
            Reading::Whole(Box::new(answer))
        }
    }
}

/// The body, and whether it ended where it said; none where more is to come. RFC 9112 6.3.
fn body(answer: &Answer, after: &[u8], ended: bool) -> Option<(Vec<u8>, bool)> {
    if matches!(answer.status, 101 | 204 | 304) {
        return Some((Vec::new(), answer.status != 101));
    }
    let cut = |b: &[u8]| b.get(..b.len().min(BODY_BYTES)).unwrap_or_default().to_vec();
    if answer.field("transfer-encoding").is_some_and(|t| t.to_ascii_lowercase().ends_with("chunked")) {
        let (body, complete) = chunks(after);
        return (complete || ended || body.len() >= BODY_BYTES).then(|| (cut(&body), complete));
    }
    match answer.field("content-length").and_then(|n| n.parse::<u64>().ok()) {
        Some(length) if length <= after.len() as u64 => Some((cut(after.get(..length as usize)?), true)),
        Some(_) | None => (ended || after.len() >= BODY_BYTES).then(|| (cut(after), false)),
    }
}

/// Bodies in chunks, as far as they have come. RFC 9112 7.1.
fn chunks(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(end) = rest.windows(2).take(1_024).position(|w| w == b"\r\n") else { return (body, false) };
        let line = String::from_utf8_lossy(rest.get(..end).unwrap_or_default());
        let size = line.split(';').next().unwrap_or_default().trim().to_owned();
        let Ok(size) = usize::from_str_radix(&size, 16) else { return (body, false) };
        let Some(data) = rest.get(end + 2..) else { return (body, false) };
        if size == 0 {
            return (body, data.starts_with(b"\r\n") || data.windows(4).any(|w| w == b"\r\n\r\n"));
        }
        body.extend_from_slice(data.get(..size.min(data.len())).unwrap_or_default());
        let Some(next) = size.checked_add(2).and_then(|n| data.get(n..)) else { return (body, false) };
        if body.len() >= BODY_BYTES {
            return (body, false);
        }
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bodies_end_where_they_say() {
        for (given, ended, want) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc", false, Some(("ab", true))),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", false, None),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", true, Some(("abc", false))),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x\r\nc\r\n0\r\n\r\n",
                false,
                Some(("abc", true)),
            ),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nab", true, Some(("ab", false))),
            ("HTTP/1.0 200 OK\r\n\r\nabc", true, Some(("abc", false))),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", false, Some(("", true))),
        ] {
            let got = match read(given.as_bytes(), ended) {
                Reading::Whole(a) => Some((String::from_utf8(a.body).unwrap(), a.reusable)),
                _ => None,
            };
            assert_eq!(got.as_ref().map(|(b, r)| (b.as_str(), *r)), want, "{given:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), ended: bool) {
            let _ = read(&bytes, ended);
            let _ = read(&[&b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"[..], &bytes].concat(), ended);
        }
    }
}
