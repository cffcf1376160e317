//! The state folder: what is kept, what is refused, and what two processes or a crash do to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::Timestamp;
use palisade::base::limits::Limits;
use palisade::inventory::snapshot::Snapshot;
use palisade::inventory::synthetic;
use palisade::scan::ledger::{Entry, Ledger};
use palisade::scan::observation::ProbeKind;
use palisade::service::evidence::{Facts, HostEvidence};
use palisade::store::document::Document;
use palisade::store::{RunEnd, RunState, Store, StoreError, atomic};
use sqlx::Connection;

/// A folder of its own for each test, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("store-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn open(&self) -> Store {
        Store::open(&self.0).unwrap()
    }

    fn database(&self) -> PathBuf {
        self.0.join("palisade.db")
    }

    /// Runs a statement behind the store's back.
    fn sql(&self, statement: &'static str) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let url = format!("sqlite://{}", self.database().display());
        runtime.block_on(async {
            let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
            sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        });
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn snapshot(n: usize) -> Snapshot {
    Snapshot::build(synthetic::assets(n, 3), &Limits::default()).unwrap().0
}

fn ledger() -> Ledger {
    let mut ledger = Ledger::default();
    let entry = Entry { warrant: 0, destination: "192.0.2.1".parse().unwrap(), port: 22, probe: ProbeKind::Syn };
    ledger.count(entry);
    ledger.count(entry);
    ledger
}

const EMPTY: Document = Document::Text(String::new());
const END: RunEnd<'static> =
    RunEnd { document: &EMPTY, ledgers: &[], finished_targets: &[], judged: None, why: "done" };

#[test]
fn snapshots_come_back_as_they_were() {
    let folder = Folder::new("snapshots");
    let (old, new) = (snapshot(3), snapshot(5));
    let mut store = folder.open();
    store.save_snapshot(&old, "a").unwrap();
    store.save_snapshot(&new, "a").unwrap();
    store.save_snapshot(&old, "b").unwrap();
    drop(store);
    let mut store = folder.open();
    assert_eq!(store.latest_snapshot("a").unwrap().unwrap().to_bytes(), new.to_bytes());
    assert!(store.latest_snapshot("c").unwrap().is_none());
    let path = folder.0.join("snapshots").join(format!("{}.pal-snap", new.id()));
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let told = store.latest_snapshot("a").unwrap_err().to_string();
    assert!(told.contains("P0701") && told.contains("checksum") && told.contains("left as it is"), "{told}");
    assert_eq!(fs::read(&path).unwrap(), bytes, "the damaged file is kept");
}

#[test]
fn references_are_unique_and_sort_by_time() {
    let folder = Folder::new("references");
    let mut store = folder.open();
    let moments = [1_525_152_912, 1_525_152_912, 1_525_152_912, 1_525_152_913];
    let made: Vec<String> = moments.map(|s| store.begin_run("edge", "h", "s", at(s), 1).unwrap()).into();
    let mut sorted = made.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted, made);
    assert!(made[0].starts_with("scan/1525152912."));
    let listed: Vec<String> = store.runs().unwrap().into_iter().map(|r| r.reference).collect();
    assert_eq!(listed, made.into_iter().rev().collect::<Vec<_>>());
}

#[test]
fn a_run_has_one_life() {
    let folder = Folder::new("life");
    let mut store = folder.open();
    let run = store.begin_run("edge", "h", "s", at(10), u64::MAX).unwrap();
    store.transition(&run, RunState::Interrupted, at(20), "Ctrl-C").unwrap();
    store.transition(&run, RunState::Running, at(30), "resumed").unwrap();
    let targets = [("i-1".to_owned(), "192.0.2.1".to_owned())];
    let lines = ledger();
    let end = RunEnd {
        document: &Document::Text("{\"a\":1}".into()),
        ledgers: &[(0, &lines)],
        finished_targets: &targets,
        judged: None,
        why: "all done",
    };
    store.finish_run(&run, RunState::Finished, at(40), &end).unwrap();
    for to in [RunState::Running, RunState::Interrupted, RunState::Finished, RunState::Failed] {
        let refused = store.transition(&run, to, at(50), "no").unwrap_err();
        assert!(matches!(refused, StoreError::Transition { .. }), "finished to {to:?}");
    }
    let late = RunEnd { document: &Document::Text("{\"a\":2}".into()), ledgers: &[(0, &lines)], ..END };
    assert!(matches!(store.finish_run(&run, RunState::Failed, at(60), &late), Err(StoreError::Transition { .. })));
    assert_eq!(store.document(&run).unwrap().as_deref(), Some("{\"a\":1}"), "a refused end changes nothing");
    let words = |h: &[(String, String, String)]| h.iter().map(|(a, s, w)| format!("{a} {s} {w}")).collect::<Vec<_>>();
    insta::assert_snapshot!(words(&store.history(&run).unwrap()).join("\n"), @r"
    1970-01-01T00:00:10Z running launched
    1970-01-01T00:00:20Z interrupted Ctrl-C
    1970-01-01T00:00:30Z running resumed
    1970-01-01T00:00:40Z finished all done
    ");
    let record = store.run("latest").unwrap();
    assert_eq!(
        (record.state, record.seed, record.finished.as_deref()),
        (RunState::Finished, u64::MAX, Some("1970-01-01T00:00:40Z"))
    );
    assert_eq!(store.finished_targets(&run).unwrap(), targets);
    assert!(matches!(store.run("scan/1.00000"), Err(StoreError::Unknown(_))));
}

fn packets(n: u16) -> Ledger {
    let destination = "192.0.2.1".parse().unwrap();
    let mut ledger = Ledger::default();
    (0..n).for_each(|port| ledger.count(Entry { warrant: 0, destination, port, probe: ProbeKind::Syn }));
    ledger
}

/// Each part of a run adds what it has sent; a scan that went on from a checkpoint covers what was sent before it.
#[test]
fn ledgers_of_one_lineage_replace_each_other_and_nothing_else() {
    let folder = Folder::new("lineage");
    let mut store = folder.open();
    let run = store.begin_run("edge", "h", "s", at(10), 1).unwrap();
    let mut total = |number: i64, ledgers: &[(i64, &Ledger)]| {
        store.finish_run(&run, RunState::Paused, at(20 * number), &RunEnd { ledgers, ..END }).unwrap();
        store.transition(&run, RunState::Running, at(20 * number + 1), "resumed").unwrap();
        store.ledger(&run).unwrap().total()
    };
    let [one, two, ten, hundred] = [1, 2, 10, 100].map(packets);
    assert_eq!(total(1, &[(7_000, &ten), (0, &one)]), 11);
    assert_eq!(total(2, &[(0, &two), (0, &one)]), 14, "what has no lineage stands beside all others");
    assert_eq!(total(3, &[(9_000, &ten), (0, &one)]), 25, "another lineage, of a checkpoint that could not be read");
    assert_eq!(total(4, &[(7_000, &hundred), (0, &one)]), 116);
    let late = store.begin_run("edge", "h", "s", at(10), 1).unwrap();
    store.finish_run(&late, RunState::Finished, at(500), &RunEnd { ledgers: &[(7_000, &one)], ..END }).unwrap();
    assert_eq!((store.ledger(&late).unwrap().total(), store.ledger(&run).unwrap().total()), (1, 116));
}

/// A store of the version before ledgers had a lineage.
#[test]
fn an_older_store_is_brought_up_to_date() {
    let folder = Folder::new("older");
    let tables = [
        include_str!("../src/store/migrations/0001.sql"),
        include_str!("../src/store/migrations/0002.sql"),
        include_str!("../src/store/migrations/0003-evidence.sql"),
        include_str!("../src/store/migrations/0004-history.sql"),
        include_str!("../src/store/migrations/0005-findings.sql"),
        include_str!("../src/store/migrations/0006-result-parts.sql"),
    ];
    let hex: String = ledger().to_bytes().iter().map(|b| format!("{b:02x}")).collect();
    let rows = format!(
        "INSERT INTO runs VALUES ('scan/1.00001', 'edge', 'paused', 'h', 's', '1970-01-01T00:00:01Z', NULL, '7', 1);
        INSERT INTO ledgers VALUES ('scan/1.00001', 1, x'{hex}'); PRAGMA user_version = 6;"
    );
    fs::write(folder.database(), "").unwrap();
    folder.sql((tables.concat() + rows.as_str()).leak());
    let mut store = folder.open();
    assert_eq!(store.ledgers("scan/1.00001").unwrap(), [(0, ledger())]);
    store.transition("scan/1.00001", RunState::Running, at(2), "resumed").unwrap();
    store.finish_run("scan/1.00001", RunState::Finished, at(3), &RunEnd { ledgers: &[(0, &ledger())], ..END }).unwrap();
    assert_eq!(store.ledger("scan/1.00001").unwrap().total(), 4);
}

/// Hosts that look alike are stored together; a later part of the run may store some of them again.
#[test]
fn evidence_of_a_run_is_replaced_as_a_whole() {
    let folder = Folder::new("evidence");
    let mut store = folder.open();
    let run = store.begin_run("edge", "h", "s", at(10), 1).unwrap();
    let host = |n: u8, complete: bool| {
        let mut facts = Facts::default();
        facts.set("ports.complete", complete);
        let (asset, addr) = (format!("i-{n}").into(), [192, 0, 2, n].into());
        HostEvidence { asset, addr, name: None, facts, services: Vec::new(), unattributed: false }
    };
    store.save_evidence(&run, &[host(1, true), host(2, false), host(3, true)]).unwrap();
    let whole = [host(1, true), host(2, true), host(3, true), host(4, true)];
    let in_another_order = [1, 3, 0, 2].map(|i: usize| whole[i].clone());
    store.save_evidence(&run, &in_another_order).unwrap();
    assert_eq!(store.evidence(&run).unwrap(), whole);
}

/// A run that ends leaves a short log beside the database, and loses nothing by it; who closes folds it in. The log of a
/// database that was moved away is not taken for a new one's.
#[test]
fn a_log_that_is_left_is_read_and_folded() {
    let folder = Folder::new("left");
    let log = folder.database().with_file_name("palisade.db-wal");
    let mut store = folder.open();
    let reference = store.begin_run("web", "h", "s", at(1), 7).unwrap();
    store.leave();
    assert!(std::fs::metadata(&log).unwrap().len() > 0);
    let mut store = folder.open();
    assert_eq!(store.run("latest").unwrap().reference, reference);
    store.log(at(2), "note", "text").unwrap();
    store.close();
    let mut store = folder.open();
    assert_eq!((store.runs().unwrap().len(), store.activity(9).unwrap().len()), (1, 1));
    store.begin_run("web", "h", "s", at(3), 7).unwrap();
    store.leave();
    std::fs::remove_file(folder.database()).unwrap();
    assert!(log.exists() && folder.open().runs().unwrap().is_empty());
}

#[test]
fn the_activity_log_is_read_newest_first() {
    let folder = Folder::new("activity");
    let mut store = folder.open();
    for i in 0..5 {
        store.log(at(i), "sync", &format!("line {i}")).unwrap();
    }
    let texts: Vec<String> = store.activity(2).unwrap().into_iter().map(|(_, _, text)| text).collect();
    assert_eq!(texts, ["line 4", "line 3"]);
}

#[test]
fn a_run_of_a_dead_process_was_interrupted() {
    let folder = Folder::new("dead");
    let mut child = Command::new("true").spawn().unwrap();
    let dead = child.id();
    child.wait().unwrap();
    let mut store = folder.open();
    let crashed = store.begin_run("edge", "h", "s", at(10), 1).unwrap();
    let alive = store.begin_run("edge", "h", "s", at(11), 1).unwrap();
    drop(store);
    let statement = format!("UPDATE runs SET process = {dead} WHERE reference = '{crashed}'");
    folder.sql(statement.leak());
    let mut store = folder.open();
    assert_eq!(store.run(&crashed).unwrap().state, RunState::Interrupted);
    assert_eq!(store.run(&alive).unwrap().state, RunState::Running);
    assert_eq!(store.history(&crashed).unwrap()[1].2, "its process ended");
    store.transition(&crashed, RunState::Running, at(20), "resumed").unwrap();
}

#[test]
fn several_users_at_once_lose_nothing() {
    let folder = Folder::new("several");
    std::thread::scope(|scope| {
        for user in 0..4 {
            let folder = &folder;
            scope.spawn(move || {
                let mut store = folder.open();
                for _ in 0..5 {
                    let run = store.begin_run(&format!("s{user}"), "h", "s", at(100), 1).unwrap();
                    store.finish_run(&run, RunState::Finished, at(101), &END).unwrap();
                }
            });
        }
    });
    let mut store = folder.open();
    let runs = store.runs().unwrap();
    assert_eq!(runs.len(), 20);
    assert!(runs.iter().all(|r| r.state == RunState::Finished));
}

#[test]
fn foreign_damaged_and_newer_stores_are_refused_untouched() {
    let folder = Folder::new("foreign");
    fs::write(folder.database(), "name,address\n").unwrap();
    refused(&folder, "P0701");

    let folder = Folder::new("newer");
    drop(folder.open());
    folder.sql("PRAGMA user_version = 99");
    refused(&folder, "P0702");

    let folder = Folder::new("corrupt");
    let mut store = folder.open();
    for i in 0..2_000 {
        store.log(at(i), "sync", "a line that fills pages of the table").unwrap();
        if i == 200 {
            break;
        }
    }
    drop(store);
    folder.sql("PRAGMA wal_checkpoint(TRUNCATE)");
    let mut bytes = fs::read(folder.database()).unwrap();
    assert!(bytes.len() > 3 * 4_096, "there are pages to damage");
    let from = bytes.len() - 4_096;
    bytes[from..].fill(0xa5);
    fs::write(folder.database(), &bytes).unwrap();
    refused(&folder, "P0701");
}

fn refused(folder: &Folder, code: &str) {
    let before = fs::read(folder.database()).unwrap();
    let told = Store::open(&folder.0).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(told.starts_with(code) && told.contains("palisade.db"), "{told}");
    assert_eq!(fs::read(folder.database()).unwrap(), before, "left as it was");
}

#[test]
fn files_are_whole_or_as_they_were() {
    let folder = Folder::new("atomic");
    let path = folder.0.join("plan.json");
    atomic::write(&path, b"one").unwrap();
    atomic::write(&path, b"two").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"two");
    assert!(atomic::write(&folder.0.join("none").join("x"), b"").is_err());
    let blocked = folder.0.join("blocked");
    fs::create_dir_all(blocked.join("inside")).unwrap();
    assert!(atomic::write(&blocked, b"x").is_err(), "a folder is not overwritten");
    let mut left: Vec<_> = fs::read_dir(&folder.0).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["blocked", "plan.json"], "no temporary files stay");
}
