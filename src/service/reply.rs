//! Replies of three digits, as SMTP and FTP give them: `250-one`, `250 last`. RFC 5321 4.2.1, RFC 959 4.2.

/// Lines of one reply that are kept.
const MOST_LINES: usize = 200;
/// Bytes of one reply that are read.
const MOST_BYTES: usize = 32 << 10;

/// One whole reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    /// Text of each line, without code and mark.
    pub(super) lines: Vec<String>,
}

impl Reply {
    pub(super) fn text(&self) -> String {
        self.lines.join("\n")
    }
}

/// The first reply of what has come: none where more is to come, an error where it is no reply.
pub(super) fn read(bytes: &[u8]) -> Result<Option<Reply>, &'static str> {
    let mut code: Option<&[u8]> = None;
    let mut lines = Vec::new();
    let mut seen = 0;
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        seen += line.len();
        if !line.ends_with(b"\n") || seen > MOST_BYTES {
            break;
        }
        let digits = line.get(..3).filter(|d| d.iter().all(u8::is_ascii_digit));
        let mark = line.get(3).copied().unwrap_or(b'\n');
        let text = |from: usize| -> String {
            let body = String::from_utf8_lossy(line.get(from..).unwrap_or_default());
            body.trim_end_matches(['\r', '\n']).chars().take(512).collect()
        };
        match (code, digits) {
            (None, None) => return Err("it is no reply of three digits"),
            (None, Some(digits)) => code = Some(digits),
            // Lines between may begin with anything in FTP.
            (Some(_), _) => {}
        }
        let own = digits.is_some() && digits == code;
        if lines.len() < MOST_LINES {
            lines.push(if own { text(4.min(line.len())) } else { text(0).trim_start().to_owned() });
        }
        if own && mark != b'-' {
            let code = digits.and_then(|d| std::str::from_utf8(d).ok()).and_then(|d| d.parse().ok());
            return Ok(code.map(|code| Reply { code, lines }));
        }
    }
    if seen > MOST_BYTES {
        return Err("the reply does not end");
    }
    let start = bytes.get(..bytes.len().min(3)).unwrap_or_default();
    if start.iter().all(u8::is_ascii_digit) { Ok(None) } else { Err("it is no reply of three digits") }
}
