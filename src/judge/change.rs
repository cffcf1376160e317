//! What changed against earlier runs of the same job: new, active, reopened, fixed, and what cannot be compared. A
//! finding that nobody looked for is not fixed. product.md wants 20 to 22.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::check::{Kind, Scope};
use super::engine::{Judged, Outcome, Place};
use super::exposure::{Exposure, Known as Port};
use super::finding::{Finding, State};
use crate::lang::job::Protocol;
use crate::service::evidence::HostEvidence;

/// A finding as earlier runs left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFinding {
    /// Identity.
    pub id: Arc<str>,
    /// Check id.
    pub check: Arc<str>,
    /// Title.
    pub title: Arc<str>,
    /// How sure.
    pub kind: Kind,
    /// 1 to 5.
    pub severity: u8,
    /// Provider resource id.
    pub asset: Arc<str>,
    /// Public name.
    pub name: Option<Arc<str>>,
    /// Port and transport.
    pub port: Option<(u16, Protocol)>,
    /// Service name.
    pub service: Option<Arc<str>>,
    /// Key within the check.
    pub key: String,
    /// Last evidence.
    pub evidence: String,
    /// Where it stood.
    pub state: State,
    /// First seen.
    pub first_seen: Timestamp,
    /// Last seen.
    pub last_seen: Timestamp,
}

/// A finding of earlier runs that this run does not show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// As it was; its state is what it is now: fixed, or not comparable.
    pub finding: KnownFinding,
    /// Why: `clear now`, `the port is not open`, `the host did not answer`.
    pub why: String,
}

/// Findings that only say what this very run brought; they have no life of their own.
pub const OF_ONE_RUN: &[&str] = &["EX-15"];

/// What this run can say about (asset, port, check).
pub struct View<'a> {
    hosts: HashMap<&'a str, Vec<Exposure<'a>>>,
    outcomes: HashMap<&'a Place, Vec<&'a [Outcome]>>,
    checks: HashMap<&'a str, (usize, Scope)>,
    silences: HashMap<(&'a Place, u32), &'a str>,
    whole: bool,
}

impl<'a> View<'a> {
    /// A view of one run, as far as the assets of known findings go.
    pub fn new(judged: &'a Judged, hosts: &'a [HostEvidence], known: &[KnownFinding]) -> Self {
        let assets: HashSet<Arc<str>> = known.iter().map(|k| Arc::clone(&k.asset)).collect();
        let mut view = Self {
            hosts: HashMap::new(),
            outcomes: HashMap::new(),
            checks: judged.checks.iter().enumerate().map(|(i, c)| (c.id.as_str(), (i, c.scope))).collect(),
            silences: judged
                .silences
                .iter()
                .filter(|s| assets.contains(&s.place.asset))
                .map(|s| ((&s.place, s.check), s.reason.as_str()))
                .collect(),
            whole: judged.whole,
        };
        for host in hosts.iter().filter(|h| assets.contains(&h.asset)) {
            view.hosts.entry(&host.asset).or_default().push(Exposure::of(host));
        }
        for outcomes in judged.outcomes.iter().filter(|o| assets.contains(&o.place.asset)) {
            view.outcomes.entry(&outcomes.place).or_default().push(&outcomes.of);
        }
        view
    }

    /// What became of a finding that this run does not show.
    fn fate(&self, known: &KnownFinding) -> (State, String) {
        let open = |why: &str| (State::NotComparable, why.to_owned());
        if known.check.starts_with("EX-") && known.port.is_none() {
            return (State::Fixed, "clear now".into());
        }
        let Some(hosts) = self.hosts.get(&*known.asset) else { return open("the asset was not scanned") };
        if let Some((port, protocol)) = known.port {
            let states: Vec<Port> = hosts.iter().map(|h| h.port(port, protocol)).collect();
            if let Some(Port::Unknown(why)) = states.iter().find(|s| matches!(s, Port::Unknown(_))) {
                return open(why);
            }
            if states.iter().all(|s| *s == Port::NotOpen) {
                return (State::Fixed, "the port is not open".into());
            }
            if known.check.starts_with("EX-") {
                return (State::Fixed, "clear now".into());
            }
        } else if let Some(why) = hosts.iter().find_map(Exposure::doubt) {
            return open(why);
        }
        self.said(known)
    }

    /// What the check itself said.
    fn said(&self, known: &KnownFinding) -> (State, String) {
        let open = |why: &str| (State::NotComparable, why.to_owned());
        let Some((check, _)) = self.checks.get(&*known.check) else { return open("the check was not run") };
        let place = Place { asset: Arc::clone(&known.asset), port: known.port };
        let outcomes = self.outcomes.get(&place).map(Vec::as_slice).unwrap_or_default();
        let mut seen = outcomes.iter().filter_map(|of| of.get(*check)).copied();
        if seen.any(|o| matches!(o, Outcome::NotTested | Outcome::Failed)) {
            let why = self.silences.get(&(&place, *check as u32)).copied().unwrap_or("not tested");
            return open(why);
        }
        if !self.whole {
            return open("judging was stopped");
        }
        match outcomes.iter().filter_map(|of| of.get(*check)).max() {
            Some(Outcome::Clear | Outcome::Found) => (State::Fixed, "clear now".into()),
            // An open port on which nothing was recognised says nothing about a service that was there before.
            _ if known.port.is_some() && !self.recognised(known) => open("the service was not recognised"),
            _ => (State::Fixed, "it does not apply any more".into()),
        }
    }

    fn recognised(&self, known: &KnownFinding) -> bool {
        let Some((port, protocol)) = known.port else { return true };
        self.hosts
            .get(&*known.asset)
            .into_iter()
            .flatten()
            .any(|h| h.service(port, protocol).is_some_and(|s| s.service.is_some()))
    }
}

/// Gives this run's findings their states and first-seen times, and says what became of the others.
pub fn compare(findings: &mut [Finding], known: Vec<KnownFinding>, view: &View<'_>) -> Vec<Gone> {
    let earlier: HashMap<Arc<str>, KnownFinding> = known.into_iter().map(|k| (Arc::clone(&k.id), k)).collect();
    let mut shown: HashSet<Arc<str>> = HashSet::new();
    for finding in findings {
        shown.insert(Arc::clone(&finding.id));
        match earlier.get(&finding.id) {
            Some(old) => {
                finding.state = if old.state == State::Fixed { State::Reopened } else { State::Active };
                finding.seen.0 = old.first_seen.min(finding.seen.0);
            }
            None => finding.state = State::New,
        }
    }
    let mut gone: Vec<Gone> = earlier
        .into_values()
        .filter(|k| !shown.contains(&k.id) && k.state != State::Fixed && !OF_ONE_RUN.contains(&&*k.check))
        .map(|mut finding| {
            let (state, why) = view.fate(&finding);
            finding.state = state;
            Gone { finding, why }
        })
        .collect();
    gone.sort_by(|a, b| {
        (&a.finding.asset, a.finding.port, &a.finding.check, &a.finding.key).cmp(&(
            &b.finding.asset,
            b.finding.port,
            &b.finding.check,
            &b.finding.key,
        ))
    });
    gone
}
