//! From fetched pages to an inventory, through the readers of recorded ones.
//!
//! Each recording becomes envelopes `palisade/recording/1`, one a page, which say where the page comes from and how
//! the reading of its partition went. The same text can be kept as a file and read by a file connector later, to the
//! same inventory.

use std::io::Cursor;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::base::limits::Limits;
use crate::base::progress::Silent;
use crate::connector::file::{self, FileConnector, InputFile, Notice};
use crate::connector::live::{Origin, Recording};
use crate::inventory::partition::PartitionState;
use crate::inventory::snapshot::SnapshotInput;

/// One page with where it comes from and how its partition went.
pub(super) fn envelope(from: &Origin, state: &PartitionState, body: &str) -> String {
    let (word, cause) = match state {
        PartitionState::Complete => ("complete", None),
        PartitionState::Partial { cause } => ("partial", Some(cause)),
        PartitionState::Denied { cause } => ("denied", Some(cause)),
        PartitionState::Throttled { cause } => ("throttled", Some(cause)),
        PartitionState::NotAsked => ("not-asked", None),
    };
    let mut head = vec![
        ("schema", Value::from("palisade/recording/1")),
        ("account", json!(&*from.account)),
        ("region", json!(&*from.region)),
        ("kind", json!(from.kind.as_str())),
        ("taken_at", json!(from.at.to_string())),
        ("state", json!(word)),
    ];
    head.extend(cause.map(|c| ("cause", json!(&**c))));
    let head: Vec<String> = head.into_iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
    format!("{{{},\"body\":{body}}}\n", head.join(","))
}

/// What a partition is called in notices.
pub(super) fn name(from: &Origin) -> String {
    let [account, region] = [&*from.account, &*from.region].map(|p| if p.is_empty() { "-" } else { p });
    format!("{account}/{region}/{}", from.kind.as_str())
}

fn origin(recording: &Recording) -> Origin {
    let (account, region) = (recording.account.clone(), recording.region.clone());
    Origin { account, region, kind: recording.kind, at: recording.taken_at }
}

/// The recording as a text that a file connector reads.
pub fn envelopes(recording: &Recording) -> String {
    let from = origin(recording);
    let pages = recording.pages.iter().map(String::as_str);
    let none = recording.pages.is_empty().then_some("[]");
    pages.chain(none).map(|page| envelope(&from, &recording.state, page)).collect()
}

/// Makes one connector's inventory of what was fetched. Partitions end in the state that the recordings say, or in
/// a worse one where a record could not be read.
pub fn assemble(
    spec: &FileConnector,
    recordings: Vec<Recording>,
    now: Timestamp,
    limits: &Limits,
) -> (SnapshotInput, Vec<Notice>) {
    let files = recordings.into_iter().map(|recording| InputFile {
        name: name(&origin(&recording)),
        modified: Some(recording.taken_at),
        bytes: Box::new(Cursor::new(envelopes(&recording).into_bytes())),
    });
    file::read(spec, files.collect(), now, limits, &Silent)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::inventory::asset::Module;
    use crate::inventory::partition::{Kind, Partition};

    fn recording(region: &str, kind: Kind, state: PartitionState, pages: &[&str]) -> Recording {
        Recording {
            account: "111122223333".into(),
            region: region.into(),
            kind,
            state,
            pages: pages.iter().map(|p| (*p).to_owned()).collect(),
            taken_at: "2026-01-01T00:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn states_arrive_as_they_were_said() {
        let cause = || -> Arc<str> { "AccessDenied: no \"right\"".into() };
        let page = |id: &str, more: &str| {
            format!(r#"{{"Reservations":[{{"OwnerId":"111122223333","Instances":[{{"InstanceId":"{id}"}}]}}]{more}}}"#)
        };
        let two = [page("i-1", r#","NextToken":"x""#), page("i-2", "")];
        let broken = r#"{"Reservations":[{"Instances":7}]}"#;
        let recordings = vec![
            recording("a", Kind::Instances, PartitionState::Complete, &[&two[0], &two[1]]),
            recording("a", Kind::Addresses, PartitionState::Denied { cause: cause() }, &[]),
            recording("a", Kind::Interfaces, PartitionState::Complete, &[]),
            recording("a", Kind::LoadBalancers, PartitionState::NotAsked, &[]),
            recording("b", Kind::Instances, PartitionState::Throttled { cause: "slow down".into() }, &[]),
            recording(
                "b",
                Kind::Interfaces,
                PartitionState::Partial { cause: "page 2".into() },
                &[r#"{"NetworkInterfaces":[]}"#],
            ),
            recording("c", Kind::Instances, PartitionState::Complete, &[broken]),
        ];
        let spec = FileConnector {
            name: "lab".into(),
            activate: vec![Module::Vm],
            include_micro_nano: false,
            project_number: None,
            regions: None,
        };
        let now = "2026-01-02T00:00:00Z".parse().unwrap();
        let (input, notices) = assemble(&spec, recordings, now, &Limits::default());
        let assets: Vec<&str> = input.assets.iter().map(|a| &*a.id).collect();
        assert_eq!(assets, ["i-1", "i-2"]);
        assert_eq!(input.taken_at.to_string(), "2026-01-01T00:00:00Z");
        let state = |p: &Partition| p.gap().map_or("complete".into(), |g| g.cause.to_string());
        let states: Vec<String> =
            input.partitions.iter().map(|p| format!("{} {}: {}", p.region, p.kind.as_str(), state(p))).collect();
        assert_eq!(
            states,
            [
                "a instances: complete",
                "a interfaces: complete",
                "a addresses: denied: AccessDenied: no \"right\"",
                "a load-balancers: not asked",
                "b instances: throttled: slow down",
                "b interfaces: partly read: page 2",
                "c instances: partly read: 1 record dropped",
                "b load-balancers: not asked",
                "c load-balancers: not asked",
            ]
        );
        let notices: Vec<String> = notices.iter().map(|n| format!("{} {}", n.code, n.file)).collect();
        assert_eq!(
            notices,
            [
                "P0358 111122223333/a/addresses",
                "P0358 111122223333/b/instances",
                "P0358 111122223333/b/interfaces",
                "P0354 111122223333/c/instances"
            ]
        );
    }
}
