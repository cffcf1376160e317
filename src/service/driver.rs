//! Holds conversations with all open ports at once: connects through the scan room's door, listens, speaks first where
//! nobody greets, recognises what answers, and bounds every dialogue in bytes, calls and time. One thread, thousands of
//! connections.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use jiff::Timestamp;
use rustls::ClientConfig;
use tokio::sync::Semaphore;

use super::evidence::{Ask, HostEvidence, ServiceEvidence};
use super::port::Port;
use super::{host, session};
use crate::base::clock::Clock;
use crate::base::limits::Limits;
use crate::base::progress::{Progress, Stop, StopWish};
use crate::lang::job::{Consent, Protocol};
use crate::plan::lease::Leases;
use crate::plan::plan::Plan;
use crate::scan::LiveExclusions;
use crate::scan::admission::{Admission, Admitted, SharedPace};
use crate::scan::connect::width;
use crate::scan::ledger::Ledger;
use crate::scan::observation::{HostObservation, PortState};

/// Longest sleep, so that the wish to stop is seen.
const LONGEST_SLEEP: Duration = Duration::from_millis(50);

/// Everything the conversations are made from.
pub struct TalkInput<'a> {
    /// The plan: targets, exclusions, rates, consent.
    pub plan: &'a Plan,
    /// Ownership of the targets; none for recorded inventories.
    pub leases: Option<Arc<Leases>>,
    /// Exclusions that come while it talks.
    pub exclusions: &'a LiveExclusions,
    /// The rates, shared with whoever sends at the same time; none where nobody does.
    pub pace: Option<SharedPace>,
    /// What the scan saw.
    pub hosts: &'a [HostObservation],
    /// What checks want asked beyond the ordinary conversations.
    pub asks: &'a [Ask],
    /// Time.
    pub clock: &'a dyn Clock,
    /// Seed of tokens.
    pub seed: u64,
    /// Bounds.
    pub limits: &'a Limits,
    /// Where progress goes; the stage is `talk`.
    pub progress: &'a dyn Progress,
    /// The wish to stop.
    pub stop: &'a Stop,
}

/// What the conversations leave behind.
#[derive(Debug, Default)]
pub struct TalkOutcome {
    /// Evidence of each host that was seen, in the order of the observations.
    pub hosts: Vec<HostEvidence>,
    /// Connections and datagrams.
    pub ledger: Ledger,
    /// Connections that the gate refused.
    pub refused: u64,
    /// Targets whose ports were not all talked to, because the run was stopped.
    pub unfinished: Vec<u32>,
}

/// Why there can be no conversations.
#[derive(Debug, thiserror::Error)]
pub enum TalkError {
    /// No asynchronous runtime.
    #[error("cannot start the conversations: {0}")]
    Runtime(std::io::Error),
    /// No TLS.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// What every dialogue shares.
pub(super) struct Shared<'a> {
    pub(super) input: &'a TalkInput<'a>,
    admission: RefCell<Admission<'a>>,
    /// Connections of this process.
    pub(super) sockets: Semaphore,
    /// Connections to each host.
    per_host: HashMap<u32, Arc<Semaphore>>,
    /// A client that offers HTTP/1.1, and one that offers nothing.
    pub(super) with_http: Arc<ClientConfig>,
    pub(super) without: Arc<ClientConfig>,
    /// Connections and datagrams to each port so far.
    counts: RefCell<HashMap<(u32, u16), u32>>,
    /// When a host's time is over.
    deadlines: RefCell<HashMap<u32, Duration>>,
}

impl Shared<'_> {
    /// Waits for its turn, and counts the connection; the error says why there is none.
    pub(super) async fn admit(&self, target: u32, port: u16) -> Result<std::net::SocketAddr, &'static str> {
        loop {
            if self.input.stop.wish() != StopWish::None {
                return Err("the run was stopped");
            }
            let elapsed = self.input.clock.elapsed();
            if self.host_deadline(target, elapsed) <= elapsed {
                return Err("the host's time limit was reached");
            }
            let used = self.counts.borrow().get(&(target, port)).copied().unwrap_or(0);
            if used >= self.input.limits.service_connections_per_port {
                return Err("as many connections as are allowed to one port were made");
            }
            let asked = self.admission.borrow_mut().ask(target, port, elapsed, self.input.clock.now());
            match asked {
                Admitted::Go(at) => {
                    *self.counts.borrow_mut().entry((target, port)).or_default() += 1;
                    return Ok(at);
                }
                Admitted::Refused(why) => return Err(why),
                Admitted::NotBefore(at) => {
                    let pause = at.saturating_sub(elapsed).clamp(Duration::from_millis(1), LONGEST_SLEEP);
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// What was admitted has not left this machine, for lack of a socket or a port of its own.
    pub(super) fn not_sent(&self, target: u32, at: std::net::SocketAddr) {
        if let Some(used) = self.counts.borrow_mut().get_mut(&(target, at.port())) {
            *used = used.saturating_sub(1);
        }
        self.admission.borrow_mut().not_sent(target, at);
    }

    /// Where a port of a target is, for a socket that sends nothing yet.
    pub(super) fn address(&self, target: u32, port: u16) -> Result<std::net::SocketAddr, &'static str> {
        let clock = self.input.clock;
        self.admission.borrow_mut().address(target, port, clock.elapsed(), clock.now())
    }

    fn host_deadline(&self, target: u32, now: Duration) -> Duration {
        let limit = self.input.plan.profile.max_time_per_host.unwrap_or(Duration::MAX);
        *self.deadlines.borrow_mut().entry(target).or_insert_with(|| now.saturating_add(limit))
    }

    /// The connections that may be open to one host.
    pub(super) fn lane(&self, target: u32) -> Option<&Arc<Semaphore>> {
        self.per_host.get(&target)
    }
}

/// One open port of the scan.
#[derive(Debug, Clone, Copy)]
struct Open {
    host: usize,
    target: u32,
    addr: IpAddr,
    port: u16,
    protocol: Protocol,
}

/// Talks to every open port. Always returns what was learned, also where it ends early.
pub fn talk(input: &TalkInput<'_>) -> Result<TalkOutcome, TalkError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(TalkError::Runtime)?;
    let width = width(input.limits);
    let admission = Admission::new(input.plan, input.leases.clone(), input.exclusions);
    let admission = match &input.pace {
        Some(pace) => admission.sharing(pace.clone()),
        None => admission,
    };
    let shared = Shared {
        input,
        admission: RefCell::new(admission),
        sockets: Semaphore::new(width),
        per_host: input
            .hosts
            .iter()
            .map(|h| (h.target, Arc::new(Semaphore::new(input.limits.service_connections_per_host.max(1)))))
            .collect(),
        with_http: session::config(&[b"http/1.1"])?,
        without: session::config(&[])?,
        counts: RefCell::default(),
        deadlines: RefCell::default(),
    };
    let found = runtime.block_on(all(&shared, width));
    // Connections that were given up close without waiting for their peers.
    runtime.shutdown_background();
    Ok(collect(shared, found))
}

/// Evidence by host and port; none for a port that the end came before.
type Found = BTreeMap<(usize, Protocol, u16), Option<ServiceEvidence>>;

async fn all(shared: &Shared<'_>, width: usize) -> Found {
    let input = shared.input;
    let mut waiting = open_ports(input);
    waiting.reverse();
    let planned = waiting.len() as u64;
    input.progress.start("talk", planned);
    let mut found = Found::new();
    let mut known = 0u64;
    let mut running: FuturesUnordered<LocalBoxFuture<'_, (Open, Option<ServiceEvidence>)>> = FuturesUnordered::new();
    loop {
        while running.len() < width && input.stop.wish() == StopWish::None {
            let Some(open) = waiting.pop() else { break };
            running.push(Box::pin(one(shared, open)));
        }
        if input.stop.wish() == StopWish::Now || running.is_empty() {
            break;
        }
        // The pause lets the wish to stop be seen.
        if let Ok(Some((open, evidence))) = tokio::time::timeout(LONGEST_SLEEP, running.next()).await {
            known += u64::from(evidence.as_ref().is_some_and(|e| e.service.is_some()));
            found.insert((open.host, open.protocol, open.port), evidence);
            input.progress.update("talk", found.len() as u64, &format!("{known} services"));
        }
    }
    input.progress.finish("talk");
    found
}

fn open_ports(input: &TalkInput<'_>) -> Vec<Open> {
    let mut all: Vec<Open> = Vec::new();
    for (host, seen) in input.hosts.iter().enumerate() {
        for port in seen.ports.iter().filter(|p| p.state == PortState::Open) {
            all.push(Open { host, target: seen.target, addr: seen.addr, port: port.port, protocol: port.protocol });
        }
    }
    // Port by port over all hosts, so that no host gets all of its connections at once.
    let mut turn: HashMap<usize, usize> = HashMap::new();
    let mut keyed: Vec<(usize, Open)> = all
        .into_iter()
        .map(|open| {
            let n = turn.entry(open.host).or_default();
            *n += 1;
            (*n, open)
        })
        .collect();
    keyed.sort_by_key(|(turn, open)| (*turn, open.host));
    keyed.into_iter().map(|(_, open)| open).collect()
}

async fn one(shared: &Shared<'_>, open: Open) -> (Open, Option<ServiceEvidence>) {
    let port = Port::new(shared, open.target, open.addr, open.port, open.protocol);
    let evidence = port.talk().await;
    // What was cut short by the wish to stop is asked again when the run goes on.
    let whole = shared.input.stop.wish() == StopWish::None;
    (open, whole.then_some(evidence))
}

fn collect(shared: Shared<'_>, mut found: Found) -> TalkOutcome {
    let input = shared.input;
    let (ledger, refused) = shared.admission.into_inner().into_ledger();
    let mut outcome = TalkOutcome { ledger, refused, ..TalkOutcome::default() };
    for (number, seen) in input.hosts.iter().enumerate() {
        let Some(target) = input.plan.targets.get(seen.target as usize) else { continue };
        let mut services = Vec::new();
        let mut whole = true;
        for port in seen.ports.iter().filter(|p| p.state == PortState::Open) {
            match found.remove(&(number, port.protocol, port.port)).flatten() {
                Some(evidence) => services.push(evidence),
                None => whole = false,
            }
        }
        if !whole {
            outcome.unfinished.push(seen.target);
        }
        services.sort_by_key(|s| (s.protocol, s.port));
        outcome.hosts.push(HostEvidence {
            asset: Arc::clone(&target.warrant().asset),
            addr: seen.addr,
            name: target.name().cloned(),
            facts: host::facts(seen, &input.plan.probes),
            services,
            unattributed: false,
        });
    }
    outcome
}

/// The asks whose consent class the profile grants.
pub(super) fn allowed(asks: &[Ask], consent: &[Consent]) -> Vec<Ask> {
    asks.iter().filter(|a| a.consent == Consent::Safe || consent.contains(&a.consent)).cloned().collect()
}

/// A number that differs for each port and run.
pub(super) fn token(seed: u64, addr: IpAddr, port: u16) -> u64 {
    use std::hash::Hasher;
    let mut hasher = siphasher::sip::SipHasher24::new_with_keys(seed, 0x7061_6c69_7361_6465);
    hasher.write(addr.to_string().as_bytes());
    hasher.write_u16(port);
    hasher.finish()
}

/// A span that holds both.
pub(super) fn span(first: Option<Timestamp>, last: Timestamp) -> (Timestamp, Timestamp) {
    (first.unwrap_or(last), last)
}
