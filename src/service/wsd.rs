//! WS-Discovery: a probe for any device, sent to one. Web Services Dynamic Discovery 1.0 (April 2005), 5.

use super::evidence::Recognised;
use super::octets::text;
use super::services::{Heard, Likeness, Service, Setup};
use super::turns::{self, Talk, Turn, maybe};

/// The row.
pub const SERVICE: Service = Service {
    name: "wsd",
    ports: &[3702],
    hello,
    recognise: |heard: &Heard<'_>| -> Likeness { maybe(matches(heard.bytes).is_some()) },
    start: |setup| turns::datagrams("wsd", setup, hello(setup), found),
    ..turns::DATAGRAM
};

/// Number of our message, in the form of a UUID of random numbers. RFC 9562 5.4.
fn id(setup: &Setup) -> String {
    let bytes = setup.token_bytes(16);
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

fn hello(setup: &Setup) -> Vec<u8> {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
         xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\"><s:Header>\
         <a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action>\
         <a:MessageID>urn:uuid:{}</a:MessageID><a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>\
         </s:Header><s:Body><d:Probe/></s:Body></s:Envelope>",
        id(setup)
    )
    .into_bytes()
}

/// The text of a matching answer.
fn matches(bytes: &[u8]) -> Option<String> {
    let all = String::from_utf8_lossy(bytes.get(..bytes.len().min(16 << 10)).unwrap_or_default()).into_owned();
    let is = all.contains("/ws/2005/04/discovery/ProbeMatches") && all.contains("RelatesTo");
    is.then_some(all)
}

/// The content of the first element of this name, whatever its prefix.
fn element(all: &str, name: &str) -> Option<String> {
    let at = all.match_indices(name).find_map(|(at, _)| {
        let before = all.get(..at)?.chars().next_back()?;
        let rest = all.get(at + name.len()..)?;
        (matches!(before, ':' | '<') && rest.starts_with(['>', ' '])).then_some(rest)
    })?;
    let (_, inner) = at.split_once('>')?;
    inner.split('<').next().map(|t| text(t.as_bytes())).filter(|t| !t.is_empty())
}

fn found(talk: &mut Talk<'_>) -> Turn {
    let Some(all) = matches(talk.bytes) else { return Turn::Done };
    if !all.contains(&id(talk.setup)) {
        return Turn::More;
    }
    talk.learned.service = Some(Recognised::named("wsd", "answer to a probe"));
    for (name, path) in [("Types", "wsd.types"), ("XAddrs", "wsd.addresses")] {
        if let Some(words) = element(&all, name) {
            talk.learned.set(path, words.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        }
    }
    talk.learned.extract("answer to a probe", talk.bytes);
    Turn::Done
}
