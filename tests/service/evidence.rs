//! Evidence survives the store: every kind of fact, bytes that are no text, and what is missing.

use palisade::lang::job::Protocol;
use palisade::service::evidence::{Extract, Facts, HostEvidence, Recognised, ServiceEvidence};
use palisade::store::evidence::{read, write};

fn host() -> HostEvidence {
    let at: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let mut facts = Facts::default();
    facts.set("bool", true);
    facts.set("int", -3);
    facts.set("text", "2026-01-01T00:00:00Z");
    facts.set("date", at);
    facts.set("list", vec!["a".to_owned(), "\u{0}".to_owned()]);
    let mut service = Recognised::named("http", "answer to GET");
    service.tls = true;
    service.version = Some("1".into());
    HostEvidence {
        asset: "i-1".into(),
        addr: "192.0.2.7".parse().unwrap(),
        name: Some("a.example".into()),
        facts: facts.clone(),
        services: vec![ServiceEvidence {
            port: 443,
            protocol: Protocol::Tcp,
            service: Some(service),
            facts,
            extracts: vec![Extract { what: "greeting".into(), bytes: vec![0, 255, 10], total: 900 }],
            untested: vec![("tls.alpn".into(), "no answer".into())],
            span: (at, at),
        }],
        unattributed: true,
    }
}

#[test]
fn evidence_is_read_as_it_was_written() {
    let host = host();
    assert_eq!(read(&write(&host).unwrap()).unwrap(), host);
    assert!(read("{}").is_err());
}

#[test]
fn results_show_what_was_recognised() {
    for (name, tls, want) in
        [("http", true, "https"), ("http", false, "http"), ("imap", true, "imap over tls"), ("tls", true, "tls")]
    {
        let mut service = Recognised::named(name, "answer");
        service.tls = tls;
        assert_eq!(service.shown(), want);
    }
}
