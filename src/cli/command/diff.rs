//! `palisade diff`

use super::Session;
use crate::cli::args::{DiffArgs, Format};
use crate::cli::exit::Exit;
use crate::report::model::Results;
use crate::run::compare::{Difference, compare};
use crate::run::error::{Result, RunError};
use crate::store::Store;

/// What the second run shows that the first does not, and the other way round.
pub fn diff(session: &Session, args: &DiffArgs) -> Result<Exit> {
    let mut store = Store::open(&session.state_folder())?;
    let (from, to) = (results(&mut store, &args.from)?, results(&mut store, &args.to)?);
    let difference = compare(&from, &to);
    match session.output.format {
        Format::Text => session.output.data(&text(&difference)),
        Format::Json => session.output.json(&difference),
        Format::Jsonl => {
            difference.hosts.iter().for_each(|h| session.output.json_line(h));
            difference.ports.iter().for_each(|p| session.output.json_line(p));
            difference.findings.iter().for_each(|f| session.output.json_line(f));
        }
    }
    Ok(Exit::Clean)
}

/// The results document of a run.
pub(super) fn results(store: &mut Store, reference: &str) -> Result<Results> {
    let run = store.run(reference)?;
    let document = store
        .document(&run.reference)?
        .ok_or_else(|| RunError::Usage(format!("{} is {} and has no results", run.reference, run.state.as_str())))?;
    serde_json::from_str(&document)
        .map_err(|e| RunError::Usage(format!("the stored results of {} cannot be read: {e}", run.reference)))
}

fn text(d: &Difference) -> String {
    let mut out = format!("From {} to {}\n", d.from, d.to);
    if d.is_empty() {
        out.push_str("  nothing differs\n");
    }
    let state = |s: &Option<String>| s.clone().unwrap_or_else(|| "not scanned".into());
    for h in &d.hosts {
        out.push_str(&format!("  host     {} {}: {} -> {}\n", h.asset, h.address, state(&h.from), state(&h.to)));
    }
    for p in &d.ports {
        let service = p.service.as_deref().map(|s| format!(" {s}")).unwrap_or_default();
        out.push_str(&format!("  port     {} {}/{}{service}: {}\n", p.asset, p.port, p.protocol, p.change));
    }
    for f in &d.findings {
        let x = &f.finding;
        let port = x.port.map(|p| format!(" {p}/{}", x.protocol.as_deref().unwrap_or("tcp"))).unwrap_or_default();
        let why = f.why.as_deref().map(|w| format!(" ({w})")).unwrap_or_default();
        out.push_str(&format!(
            "  finding  {} {} {}{port}: {} {}{why}\n",
            f.change, x.severity, x.asset, x.check, x.title
        ));
    }
    out
}
