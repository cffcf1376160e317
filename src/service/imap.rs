//! IMAP: greeting, capabilities before and inside TLS. Nobody logs in. RFC 9051 6.1.1, 6.2.1, 7.1.

use super::conversation::{Conversation, Learned};
use super::mailbox::{self, Listed, Words};
use super::services::{Heard, Likeness, Service, Setup};
use super::starttls_injection;
use super::turns::{SERVER, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "imap",
    ports: &[143, 993],
    in_tls: true,
    recognise: |heard: &Heard<'_>| -> Likeness {
        sure([&b"* OK"[..], b"* PREAUTH", b"* BYE"].iter().any(|w| heard.bytes.starts_with(w)))
    },
    start,
    beside: |setup| starttls_injection::beside(setup, starttls_injection::IMAP),
    starttls: Some(start),
    ..SERVER
};

/// Capabilities that are kept.
const MOST: usize = 200;

const WORDS: Words = Words {
    name: "imap",
    list: b"p1 CAPABILITY\r\n",
    begin: b"p2 STARTTLS\r\n",
    leave: b"p3 LOGOUT\r\n",
    offer: "STARTTLS",
    greeting: |line| line.strip_prefix("* "),
    greeted,
    listed,
    begins: |text| tagged(text, "p2 ").map(|(_, answer)| answer.starts_with("OK")),
};

fn start(setup: &Setup) -> Box<dyn Conversation> {
    mailbox::start(&WORDS, setup)
}

/// The server may let in at once, or say good-bye. RFC 9051 7.1.4 and 7.1.5.
fn greeted(line: &str, learned: &mut Learned) -> bool {
    learned.set("imap.preauth", line.starts_with("PREAUTH"));
    !line.starts_with("BYE")
}

/// The line that answers a tagged command, and the lines before it; none where it has not come.
fn tagged<'a>(text: &'a str, tag: &str) -> Option<(&'a str, &'a str)> {
    let mut from = 0;
    for line in text.split_inclusive('\n') {
        if line.starts_with(tag) && line.ends_with('\n') {
            return Some((text.get(..from)?, line.get(tag.len()..)?.trim()));
        }
        from += line.len();
    }
    None
}

fn listed(text: &str) -> Listed {
    let Some((before, _)) = tagged(text, "p1 ") else { return Listed::More };
    let list = before.lines().find_map(|l| l.strip_prefix("* CAPABILITY "));
    Listed::All(list.unwrap_or_default().split_whitespace().take(MOST).map(str::to_owned).collect())
}
