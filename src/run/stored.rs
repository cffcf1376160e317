//! The results document as it is stored.

use super::error::{Result, RunError};
use crate::report::model::{HostRecord, Results};
use crate::store::document::Document;

/// Results of so many hosts are stored in parts.
const HOSTS: usize = 2_000;
/// Bytes of text of one part, but for the host that exceeds them.
const PART: usize = 1 << 20;

/// Forms the document; that of many hosts in parts and by two threads, so that its text is never whole in memory.
pub(super) fn document(results: &mut Results) -> Result<Document> {
    let failed = |e: serde_json::Error| RunError::Usage(format!("cannot write results: {e}"));
    if results.hosts.len() < HOSTS {
        return serde_json::to_string(results).map(Document::Text).map_err(failed);
    }
    let hosts = std::mem::take(&mut results.hosts);
    let rest = serde_json::to_string(results);
    let (front, back) = hosts.split_at(hosts.len() / 2);
    let (front, back) = std::thread::scope(|scope| {
        let second = scope.spawn(|| parts_of(back, false));
        let first = parts_of(front, true);
        (first, second.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    results.hosts = hosts;
    let rest = rest.map_err(failed)?;
    // Within a text its quotes would be escaped.
    let (before, after) = rest
        .split_once(r#""hosts":[]"#)
        .ok_or_else(|| RunError::Usage("cannot write results: they have no list of hosts".into()))?;
    let mut parts = vec![Document::pack(format!(r#"{before}"hosts":["#).as_bytes())];
    parts.extend(front.map_err(failed)?);
    parts.extend(back.map_err(failed)?);
    parts.push(Document::pack(format!("]{after}").as_bytes()));
    Ok(Document::Parts(parts))
}

/// Hosts, each but the very first behind a comma.
fn parts_of(hosts: &[HostRecord], first: bool) -> std::result::Result<Vec<Vec<u8>>, serde_json::Error> {
    let (mut text, mut packed) = (Vec::new(), Vec::new());
    for (number, host) in hosts.iter().enumerate() {
        if !first || number > 0 {
            text.push(b',');
        }
        serde_json::to_writer(&mut text, host)?;
        if text.len() >= PART || number + 1 == hosts.len() {
            packed.push(Document::pack(&text));
            text.clear();
        }
    }
    Ok(packed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use crate::store::{RunEnd, RunState};

    fn host(n: u32) -> HostRecord {
        HostRecord {
            asset: format!("i-{n}"),
            name: n.is_multiple_of(3).then(|| format!("h{n}.example \"hosts\":[]")),
            address: std::net::Ipv4Addr::from(0xc612_0000 + n).to_string(),
            state: "up".into(),
            reason: Some("reset".into()),
            os: None,
            ports: Vec::new(),
            counts: [("closed".to_owned(), n)].into(),
            reasons: Default::default(),
            findings: Vec::new(),
            security_risk: None,
            annotations: Default::default(),
            every_port: None,
            clause: None,
            first: None,
            last: None,
            unattributed_since: None,
        }
    }

    #[test]
    fn a_large_document_is_stored_in_parts_and_read_whole() {
        let path = std::env::temp_dir().join(format!("palisade-stored-{}", std::process::id()));
        let mut store = Store::open(&path).unwrap();
        let at = jiff::Timestamp::UNIX_EPOCH;
        for n in [1, HOSTS - 1, HOSTS, HOSTS * 2 + 1] {
            let text = include_str!("../../tests/report/guide/results.json");
            let mut results: Results = serde_json::from_str(text).unwrap();
            results.notes = vec!["a note with \"hosts\":[] in it".into()];
            results.hosts = (0..n as u32).map(host).collect();
            results.hosts.iter_mut().for_each(|h| h.os = Some("x".repeat(3_000)));
            let document = document(&mut results).unwrap();
            assert_eq!((results.hosts.len(), matches!(document, Document::Parts(_))), (n, n >= HOSTS));
            if let Document::Parts(parts) = &document {
                let len = |p: &Vec<u8>| u32::from_le_bytes(p[..4].try_into().unwrap()) as usize;
                assert!(parts.iter().all(|p| len(p) < PART + 4_000), "{:?}", parts.iter().map(len).max());
            }
            let run = store.begin_run("edge", "h", "s", at, n as u64).unwrap();
            let end = RunEnd { document: &document, ledgers: &[], finished_targets: &[], judged: None, why: "done" };
            store.finish_run(&run, RunState::Finished, at, &end).unwrap();
            let read = store.document(&run).unwrap().unwrap();
            assert!(read == serde_json::to_string(&results).unwrap(), "{n} hosts");
        }
        drop(store);
        std::fs::remove_dir_all(&path).unwrap();
    }
}
