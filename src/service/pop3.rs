//! POP3: greeting, capabilities before and inside TLS. Nobody logs in. RFC 1939, RFC 2449, RFC 2595 4.

use super::conversation::Conversation;
use super::mailbox::{self, Listed, Words};
use super::services::{Heard, Likeness, Service, Setup};
use super::starttls_injection;
use super::turns::{SERVER, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "pop3",
    ports: &[110, 995],
    in_tls: true,
    recognise: |heard: &Heard<'_>| -> Likeness { sure(heard.bytes.starts_with(b"+OK")) },
    start,
    beside: |setup| starttls_injection::beside(setup, starttls_injection::POP3),
    starttls: Some(start),
    ..SERVER
};

/// Capabilities that are kept.
const MOST: usize = 100;

const WORDS: Words = Words {
    name: "pop3",
    list: b"CAPA\r\n",
    begin: b"STLS\r\n",
    leave: b"QUIT\r\n",
    offer: "STLS",
    greeting: |line| line.strip_prefix("+OK").map(str::trim),
    greeted: |_, _| true,
    listed,
    begins: |text| text.contains('\n').then(|| text.starts_with("+OK")),
};

fn start(setup: &Setup) -> Box<dyn Conversation> {
    mailbox::start(&WORDS, setup)
}

/// The list ends with a line of one dot; servers before RFC 2449 have none. RFC 2449 5.
fn listed(text: &str) -> Listed {
    if !text.contains('\n') {
        return Listed::More;
    }
    if !text.starts_with("+OK") {
        return Listed::Unknown;
    }
    let Some((list, _)) = text.split_once("\n.") else { return Listed::More };
    Listed::All(list.lines().skip(1).take(MOST).map(|l| l.trim().to_owned()).collect())
}
