//! `palisade sync`

use serde::Serialize;

use super::{Session, plural};
use crate::cli::args::{Format, SyncArgs};
use crate::cli::exit::Exit;
use crate::cli::stop_on_ctrl_c;
use crate::inventory::catalogue;
use crate::inventory::partition::{Kind, Partition, PartitionState};
use crate::inventory::reconcile::{Change, What};
use crate::lang::job::{Connector, ConnectorKind};
use crate::repl::table;
use crate::run::env::Env;
use crate::run::error::{Result, RunError};
use crate::run::inventory;
use crate::run::sync::{self, Synced, value_text};
use crate::run::workspace::Workspace;
use crate::store::Store;

/// Changes shown of one connector in text, unless `--limit` says otherwise.
const SHOWN: usize = 100;

#[derive(Serialize)]
struct SyncDocument {
    schema: &'static str,
    connectors: Vec<ConnectorRecord>,
}

#[derive(Serialize)]
struct ConnectorRecord {
    connector: String,
    sync: Option<i64>,
    snapshot: Option<String>,
    previous: Option<String>,
    unchanged: bool,
    true_at: Option<String>,
    known_at: Option<String>,
    counts: CountsRecord,
    partitions: Vec<PartitionRecord>,
    usage: Vec<UsageRecord>,
    changes: Vec<ChangeRecord>,
    errors: Vec<String>,
    notices: Vec<String>,
}

#[derive(Serialize, Default)]
struct CountsRecord {
    assets: u64,
    came: u64,
    went: u64,
    changed: u64,
    kept: u64,
    gaps: u64,
    calls: u64,
}

#[derive(Serialize)]
struct PartitionRecord {
    partition: String,
    account: String,
    region: String,
    kind: &'static str,
    state: &'static str,
    cause: Option<String>,
    assets: u64,
}

#[derive(Serialize)]
struct UsageRecord {
    account: String,
    call: String,
    calls: u64,
    throttled: u64,
}

#[derive(Serialize)]
struct ChangeRecord {
    what: &'static str,
    kind: &'static str,
    provider: &'static str,
    id: String,
    name: Option<String>,
    account: String,
    region: String,
    since: Option<String>,
    tokens: Vec<TokenRecord>,
}

#[derive(Serialize)]
struct TokenRecord {
    token: &'static str,
    before: Vec<String>,
    after: Vec<String>,
}

/// Reads the providers and stores what they say; 3 where something was not read.
pub fn sync(session: &Session, args: &SyncArgs) -> Result<Exit> {
    let env = session.env(None);
    if let Some(asset) = &args.history {
        return history(session, asset);
    }
    let workspace = session.sound_workspace(&env)?;
    if args.list {
        return list(session, &workspace, args);
    }
    let chosen = inventory::choose(&workspace, &args.connectors)?;
    if args.check {
        return check(session, &workspace, &chosen, &env);
    }
    if args.policy {
        return policy(session, &workspace, &chosen, &env);
    }
    stop_on_ctrl_c(&env.stop)?;
    let mut store = Store::open(&env.state)?;
    let mut records = Vec::new();
    let mut complete = true;
    for connector in chosen {
        let name = connector.name.value.as_str();
        // One connector that cannot be read does not stop the others.
        match sync::sync(&workspace, connector, &mut store, &env) {
            Ok(synced) => {
                complete &= synced.is_complete();
                session.notices_of(&synced.notices);
                if session.output.format == Format::Text {
                    let limit = args.limit.map_or(SHOWN, |n| if n == 0 { usize::MAX } else { n });
                    text(session, name, &synced, limit);
                } else {
                    records.push(record(name, &synced));
                }
            }
            Err(error) => {
                complete = false;
                session.output.error(&format!("connector `{name}`: {error}"));
                records.push(failed(name, &error));
            }
        }
    }
    match session.output.format {
        Format::Text => {}
        Format::Json => session.output.json(&SyncDocument { schema: "palisade/sync/1", connectors: records }),
        Format::Jsonl => records.iter().for_each(|r| session.output.json_line(r)),
    }
    Ok(if complete { Exit::Clean } else { Exit::Incomplete })
}

fn state_word(state: &PartitionState) -> (&'static str, Option<String>) {
    match state {
        PartitionState::Complete => ("complete", None),
        PartitionState::Partial { cause } => ("partial", Some(cause.to_string())),
        PartitionState::Denied { cause } => ("denied", Some(cause.to_string())),
        PartitionState::Throttled { cause } => ("throttled", Some(cause.to_string())),
        PartitionState::NotAsked => ("not asked", None),
    }
}

/// Each partition with the assets read in it, in the order of their names.
fn partitions(synced: &Synced) -> Vec<(&Partition, u64, Option<String>)> {
    let snapshot = &synced.snapshot;
    let mut assets: std::collections::HashMap<*const Partition, u64> = std::collections::HashMap::new();
    for partition in (0..snapshot.len()).filter_map(|r| snapshot.asset(r)?.partition()) {
        *assets.entry(std::ptr::from_ref(partition)).or_default() += 1;
    }
    let gaps: Vec<(*const Partition, String)> =
        snapshot.partition_gaps().map(|(p, g)| (std::ptr::from_ref(p), g.cause.to_string())).collect();
    let mut rows: Vec<(&Partition, u64, Option<String>)> = snapshot
        .partitions()
        .iter()
        .map(|p| {
            let at = std::ptr::from_ref(p);
            let gap = gaps.iter().find(|(g, cause)| *g == at && cause != state_word(&p.state).0);
            let gap = gap.map(|(_, cause)| cause.clone());
            (p, assets.get(&at).copied().unwrap_or(0), gap)
        })
        .collect();
    rows.sort_by_key(|(p, ..)| p.name());
    rows
}

fn record(name: &str, synced: &Synced) -> ConnectorRecord {
    let counts = &synced.counts;
    ConnectorRecord {
        connector: name.into(),
        sync: Some(synced.number),
        snapshot: Some(synced.snapshot.id().to_string()),
        previous: synced.previous.as_ref().map(|p| p.snapshot.clone()),
        unchanged: synced.unchanged,
        true_at: Some(synced.snapshot.taken_at().to_string()),
        known_at: Some(synced.snapshot.learned_at().to_string()),
        counts: CountsRecord {
            assets: counts.assets,
            came: counts.came,
            went: counts.went,
            changed: counts.changed,
            kept: counts.kept,
            gaps: counts.gaps,
            calls: counts.calls,
        },
        partitions: partitions(synced)
            .into_iter()
            .map(|(p, assets, gap)| PartitionRecord {
                partition: p.name(),
                account: p.account.to_string(),
                region: p.region.to_string(),
                kind: p.kind.as_str(),
                state: state_word(&p.state).0,
                cause: gap,
                assets,
            })
            .collect(),
        usage: synced
            .usage
            .iter()
            .map(|u| UsageRecord {
                account: u.account.to_string(),
                call: u.call.to_string(),
                calls: u.calls,
                throttled: u.throttled,
            })
            .collect(),
        changes: synced.changes.iter().map(|(c, _)| change_record(c)).collect(),
        errors: synced.errors.clone(),
        notices: synced.notices.iter().map(ToString::to_string).collect(),
    }
}

fn failed(name: &str, error: &RunError) -> ConnectorRecord {
    ConnectorRecord {
        connector: name.into(),
        sync: None,
        snapshot: None,
        previous: None,
        unchanged: false,
        true_at: None,
        known_at: None,
        counts: CountsRecord::default(),
        partitions: Vec::new(),
        usage: Vec::new(),
        changes: Vec::new(),
        errors: vec![error.to_string()],
        notices: Vec::new(),
    }
}

fn change_record(change: &Change) -> ChangeRecord {
    let (mut since, mut tokens) = (None, Vec::new());
    match &change.what {
        What::Kept { since: at } => since = Some(at.to_string()),
        What::Changed(changed) => {
            tokens.extend(changed.iter().map(|t| TokenRecord {
                token: catalogue::token(t.token).name,
                before: t.before.iter().map(value_text).collect(),
                after: t.after.iter().map(value_text).collect(),
            }));
        }
        What::Came | What::Went | What::Left => {}
    }
    ChangeRecord {
        what: change.what.as_str(),
        kind: change.kind.as_str(),
        provider: change.provider.as_str(),
        id: change.id.to_string(),
        name: change.name.as_ref().map(ToString::to_string),
        account: change.account.to_string(),
        region: change.region.to_string(),
        since,
        tokens,
    }
}

fn text(session: &Session, name: &str, synced: &Synced, limit: usize) {
    let output = &session.output;
    output.heading(name);
    let rows: Vec<Vec<String>> = partitions(synced)
        .into_iter()
        .map(|(p, assets, gap)| {
            let shown = if p.kind == Kind::Instances { assets.to_string() } else { String::new() };
            vec![p.name(), state_word(&p.state).0.into(), shown, gap.unwrap_or_default()]
        })
        .collect();
    output.data(&table::draw(&["partition", "state", "assets", "cause"], &rows, output.look()));
    for error in &synced.errors {
        output.error(&format!("connector `{name}`: {error}"));
    }
    if synced.previous.is_some() {
        for (change, detail) in synced.changes.iter().take(limit) {
            output.data(&line(change, detail));
        }
        if let Some(more) = synced.changes.len().checked_sub(limit).filter(|n| *n > 0) {
            output.note(&format!("{more} more changes; --limit 0 or --format json shows all"));
        }
    }
    for usage in &synced.usage {
        let throttled = if usage.throttled > 0 { format!(", {} throttled", usage.throttled) } else { String::new() };
        output.data(&format!("calls {} {}: {}{throttled}\n", usage.account, usage.call, usage.calls));
    }
    let c = &synced.counts;
    let gaps =
        if c.gaps > 0 { format!("; {} partition{} not read", c.gaps, plural(c.gaps as usize)) } else { String::new() };
    let mut facts = match synced.previous {
        Some(_) => format!("{} came, {} went, {} changed, {} kept", c.came, c.went, c.changed, c.kept),
        None => "first sync".into(),
    };
    if synced.forgotten > 0 {
        facts.push_str(&format!(", {} old snapshot{} removed", synced.forgotten, plural(synced.forgotten as usize)));
    }
    let n = c.assets as usize;
    let (id, at) = (synced.snapshot.id(), synced.snapshot.taken_at());
    output.data(&format!("{n} asset{}: {facts}{gaps}; {id} of {at}\n\n", plural(n)));
}

/// `+ i-0abc web-1 (123456789012 us-east-1)`.
fn line(change: &Change, detail: &str) -> String {
    let mark = match &change.what {
        What::Came => '+',
        What::Went | What::Left => '-',
        What::Changed(_) => '~',
        What::Kept { .. } => '?',
    };
    let name = change.name.as_ref().map(|n| format!(" {n}")).unwrap_or_default();
    let place: Vec<&str> = [&*change.account, &*change.region].into_iter().filter(|p| !p.is_empty()).collect();
    let place = if place.is_empty() { String::new() } else { format!(" ({})", place.join(" ")) };
    let more = match &change.what {
        What::Came | What::Went => String::new(),
        What::Left => " the connector no longer reads its account or region".into(),
        What::Changed(_) => format!(" {detail}"),
        What::Kept { since } => format!(" kept from {since}"),
    };
    format!("{mark} {}{name}{place}{more}\n", change.id)
}

/// Each needed right and whether it is there; 3 where one is missing.
fn check(session: &Session, workspace: &Workspace, chosen: &[&Connector], env: &Env) -> Result<Exit> {
    #[derive(Serialize)]
    struct Right {
        connector: String,
        place: String,
        permission: String,
        need: &'static str,
        refused: Option<String>,
    }
    let mut rights = Vec::new();
    for connector in live(session, chosen) {
        let name = connector.name.value.clone();
        for p in sync::open(workspace, connector, env)?.permissions() {
            let (connector, place) = (name.clone(), p.place);
            rights.push(Right { connector, place, permission: p.name, need: p.need, refused: p.refused });
        }
    }
    match session.output.format {
        Format::Text if rights.is_empty() => {}
        Format::Text => {
            let rows: Vec<Vec<String>> = rights
                .iter()
                .map(|r| {
                    let result = r.refused.as_ref().map_or("granted".into(), |why| format!("refused: {why}"));
                    vec![r.connector.clone(), r.place.clone(), r.permission.clone(), r.need.into(), result]
                })
                .collect();
            let headings = ["connector", "place", "permission", "needed for", "result"];
            session.output.data(&table::draw(&headings, &rows, session.output.look()));
        }
        Format::Json => session.output.json(&serde_json::json!({
            "schema": "palisade/permissions/1",
            "permissions": rights,
        })),
        Format::Jsonl => rights.iter().for_each(|r| session.output.json_line(r)),
    }
    let refused = rights.iter().filter(|r| r.refused.is_some()).count();
    if refused > 0 {
        session
            .output
            .error(&format!("{refused} of {} rights are missing; `--policy` prints what grants them", rights.len()));
        return Ok(Exit::Incomplete);
    }
    Ok(Exit::Clean)
}

/// Live connectors; of the others it is said that nothing needs checking.
fn live<'c>(session: &Session, chosen: &[&'c Connector]) -> Vec<&'c Connector> {
    let (live, files): (Vec<&Connector>, Vec<&Connector>) =
        chosen.iter().partition(|c| matches!(c.kind, ConnectorKind::Live(_)));
    for c in files {
        session.output.note(&format!("connector `{}` reads files and needs no rights", c.name.value));
    }
    live
}

fn policy(session: &Session, workspace: &Workspace, chosen: &[&Connector], env: &Env) -> Result<Exit> {
    for connector in live(session, chosen) {
        session.output.data(&sync::open(workspace, connector, env)?.policy_document());
        session.output.data("\n");
    }
    Ok(Exit::Clean)
}

/// The history of inventories, newest first.
fn list(session: &Session, workspace: &Workspace, args: &SyncArgs) -> Result<Exit> {
    #[derive(Serialize)]
    struct Listed {
        sync: i64,
        connector: String,
        snapshot: String,
        true_at: String,
        known_at: String,
        #[serde(flatten)]
        counts: CountsRecord,
    }
    let names: Vec<String> = if args.connectors.is_empty() {
        Vec::new()
    } else {
        inventory::choose(workspace, &args.connectors)?.iter().map(|c| c.name.value.clone()).collect()
    };
    let mut store = Store::open(&session.state_folder())?;
    let listed: Vec<Listed> = store
        .syncs(&names)?
        .into_iter()
        .map(|s| Listed {
            sync: s.number,
            connector: s.connector,
            snapshot: s.snapshot,
            true_at: s.true_at.to_string(),
            known_at: s.known_at.to_string(),
            counts: CountsRecord {
                assets: s.counts.assets,
                came: s.counts.came,
                went: s.counts.went,
                changed: s.counts.changed,
                kept: s.counts.kept,
                gaps: s.counts.gaps,
                calls: s.counts.calls,
            },
        })
        .collect();
    match session.output.format {
        Format::Text if listed.is_empty() => session.output.note("no syncs yet"),
        Format::Text => {
            let rows: Vec<Vec<String>> = listed
                .iter()
                .map(|s| {
                    let c = &s.counts;
                    let mut row = vec![s.sync.to_string(), s.connector.clone(), s.true_at.clone(), s.known_at.clone()];
                    row.extend([c.assets, c.came, c.went, c.changed, c.kept, c.gaps].map(|n| n.to_string()));
                    row.push(s.snapshot.clone());
                    row
                })
                .collect();
            let headings = [
                "sync",
                "connector",
                "true at",
                "learned at",
                "assets",
                "came",
                "went",
                "changed",
                "kept",
                "gaps",
                "snapshot",
            ];
            session.output.data(&table::draw(&headings, &rows, session.output.look()));
        }
        Format::Json => session.output.json(&listed),
        Format::Jsonl => listed.iter().for_each(|s| session.output.json_line(s)),
    }
    Ok(Exit::Clean)
}

/// One asset's life.
fn history(session: &Session, asset: &str) -> Result<Exit> {
    #[derive(Serialize)]
    struct Event {
        asset: String,
        name: Option<String>,
        provider: String,
        connector: String,
        true_at: String,
        sync: i64,
        what: String,
        detail: String,
    }
    let mut store = Store::open(&session.state_folder())?;
    let events: Vec<Event> = store
        .asset_events(asset)?
        .into_iter()
        .map(|e| Event {
            asset: e.asset,
            name: e.name,
            provider: e.provider,
            connector: e.connector,
            true_at: e.true_at.to_string(),
            sync: e.sync,
            what: e.what,
            detail: e.detail,
        })
        .collect();
    match session.output.format {
        Format::Text if events.is_empty() => {
            session
                .output
                .note(&format!("no sync has seen an asset `{asset}`; `palisade sync --list` shows the syncs"));
        }
        Format::Text => {
            let rows: Vec<Vec<String>> = events
                .iter()
                .map(|e| {
                    vec![e.true_at.clone(), e.connector.clone(), e.asset.clone(), e.what.clone(), e.detail.clone()]
                })
                .collect();
            let headings = ["true at", "connector", "asset", "what", "values"];
            session.output.data(&table::draw(&headings, &rows, session.output.look()));
        }
        Format::Json => session.output.json(&events),
        Format::Jsonl => events.iter().for_each(|e| session.output.json_line(e)),
    }
    Ok(Exit::Clean)
}
