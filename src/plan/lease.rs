//! Ownership leases. A cloud address is ours only for a time, and minutes later somebody else's: before the first packet
//! to a target, and again before its lease lapses, the provider is asked whether the address still belongs to the
//! asset. product.md F2.
//!
//! INVARIANT: [`Leases::check`] says yes only until the end of a lease that the provider confirmed. Lost stays lost for
//! the whole scan; an answer that is missing confirms nothing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;

use super::plan::Plan;
use super::target::{Target, TargetKind};
use crate::base::clock::Clock;
use crate::connector::live::{Claim, Live, Ownership};
use crate::inventory::load_balancer::LoadBalancer;
use crate::inventory::snapshot::Snapshot;

/// How long a confirmed ownership is believed where the job does not say.
pub const LEASE: Duration = Duration::from_secs(15 * 60);

/// Who can say whether addresses are still ours.
pub trait Owner: Sync {
    /// One answer a claim, in order.
    fn confirm(&self, claims: &[Claim]) -> Vec<Ownership>;
}

impl<T: Live + ?Sized> Owner for T {
    fn confirm(&self, claims: &[Claim]) -> Vec<Ownership> {
        Live::confirm(self, claims)
    }
}

/// A lease that has ended, and why nothing more is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Index of the target in the plan.
    pub target: u32,
    /// `lease lost: the address belongs to eni-2`, `lease not confirmed: …`.
    pub reason: String,
    /// The last moment at which the address was certainly ours; none where it never was.
    pub confirmed: Option<Timestamp>,
}

/// Why an address may not be sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoLease {
    /// It is somebody else's.
    Lost,
    /// Its lease has lapsed, and the provider has not confirmed it again.
    Lapsed,
}

/// What is known of one lease beside its end.
#[derive(Debug, Clone, Default)]
struct Known {
    confirmed: Option<Timestamp>,
    lost: Option<String>,
    unsure: Option<String>,
}

/// The leases of a plan's targets. Shared between the scan, which checks before each packet, and whoever renews.
#[derive(Debug)]
pub struct Leases {
    life: Duration,
    batch: usize,
    places: HashMap<IpAddr, usize>,
    claims: Vec<Claim>,
    /// Index of the target of each claim.
    targets: Vec<u32>,
    /// End of each lease in microseconds since the epoch; [`NEVER`] where there is none.
    until: Vec<AtomicI64>,
    known: Mutex<Vec<Known>>,
}

/// No lease.
const NEVER: i64 = i64::MIN;

impl Leases {
    /// The targets that need a lease: addresses of assets and of load balancers that the inventory knows. A name that
    /// only the job's own line brings is warranted by that line, and no provider call says whose it is. Nothing is
    /// confirmed yet. `batch` is the most claims asked in one go.
    pub fn new(plan: &Plan, snapshot: &Snapshot, life: Duration, batch: usize) -> Self {
        let mut leases = Self {
            life,
            batch: batch.max(1),
            places: HashMap::new(),
            claims: Vec::new(),
            targets: Vec::new(),
            until: Vec::new(),
            known: Mutex::new(Vec::new()),
        };
        for (i, target) in plan.targets.iter().enumerate() {
            let claim = match target.kind() {
                TargetKind::Asset => Some(asset_claim(target, snapshot)),
                TargetKind::LoadBalancer => balancer_claim(target, plan, snapshot),
            };
            let Some(claim) = claim else { continue };
            leases.places.insert(target.addr().to_canonical(), leases.claims.len());
            leases.claims.push(claim);
            leases.targets.push(i as u32);
            leases.until.push(AtomicI64::new(NEVER));
        }
        leases.known = Mutex::new(vec![Known::default(); leases.claims.len()]);
        leases
    }

    /// Whether an address may be sent to at a moment. Addresses that need no lease may.
    pub fn check(&self, addr: IpAddr, now: Timestamp) -> Result<(), NoLease> {
        let Some(place) = self.places.get(&addr.to_canonical()) else { return Ok(()) };
        match self.until.get(*place).map_or(NEVER, |u| u.load(Ordering::Acquire)) {
            NEVER => Err(NoLease::Lost),
            until if now.as_microsecond() >= until => Err(NoLease::Lapsed),
            _ => Ok(()),
        }
    }

    /// Asks again about every lease that ends within `ahead`, batch by batch, for as long as `go_on` says so. Lost ones
    /// are not asked about again. A lease runs from the moment the question was put, not from the answer.
    pub fn renew<O: Owner + ?Sized>(&self, owner: &O, clock: &dyn Clock, ahead: Duration, go_on: &dyn Fn() -> bool) {
        let due = self.due(clock.now(), ahead);
        for part in due.chunks(self.batch) {
            if !go_on() {
                return;
            }
            let claims: Vec<Claim> = part.iter().filter_map(|i| self.claims.get(*i)).cloned().collect();
            let asked = clock.now();
            let answers = owner.confirm(&claims);
            for (n, place) in part.iter().enumerate() {
                let missing = Ownership::Unknown("the provider gave no answer".into());
                self.settle(*place, answers.get(n).unwrap_or(&missing), asked);
            }
        }
    }

    fn due(&self, now: Timestamp, ahead: Duration) -> Vec<usize> {
        let bound = now.checked_add(ahead).unwrap_or(Timestamp::MAX).as_microsecond();
        let known = self.known.lock().unwrap_or_else(|e| e.into_inner());
        let ends = |i: usize| self.until.get(i).map_or(NEVER, |u| u.load(Ordering::Acquire));
        (0..self.claims.len())
            .filter(|i| ends(*i) <= bound && known.get(*i).is_some_and(|k| k.lost.is_none()))
            .collect()
    }

    fn settle(&self, place: usize, answer: &Ownership, asked: Timestamp) {
        let mut known = self.known.lock().unwrap_or_else(|e| e.into_inner());
        let (Some(known), Some(until)) = (known.get_mut(place), self.until.get(place)) else { return };
        match answer {
            Ownership::Confirmed => {
                (known.confirmed, known.unsure) = (Some(asked), None);
                let end = asked.checked_add(self.life).unwrap_or(Timestamp::MAX);
                until.store(end.as_microsecond(), Ordering::Release);
            }
            Ownership::Lost(why) => {
                known.lost = Some(why.clone());
                until.store(NEVER, Ordering::Release);
            }
            // What was confirmed holds to its end.
            Ownership::Unknown(why) => known.unsure = Some(why.clone()),
        }
    }

    /// The last confirmation of an address in words: when, which interface of which asset; none where there was none.
    pub fn confirmation(&self, addr: IpAddr) -> Option<String> {
        let place = *self.places.get(&addr.to_canonical())?;
        let known = self.known.lock().unwrap_or_else(|e| e.into_inner());
        let (claim, at) = (self.claims.get(place)?, known.get(place)?.confirmed?);
        let place = [&*claim.account, &*claim.region].join(" ");
        Some(format!("{at} {} of {} {}", claim.interface, claim.asset, place.trim()).trim_end().to_owned())
    }

    /// When the next lease should be asked about again: half its life before its end. None where all are lost.
    pub fn next_due(&self) -> Option<Timestamp> {
        let known = self.known.lock().unwrap_or_else(|e| e.into_inner());
        let held = known.iter().zip(&self.until).filter(|(k, _)| k.lost.is_none());
        let first = held.map(|(_, until)| until.load(Ordering::Acquire)).min()?;
        let end = Timestamp::from_microsecond(first).unwrap_or(Timestamp::MIN);
        Some(end.checked_sub(self.life / 2).unwrap_or(Timestamp::MIN))
    }

    /// How long a confirmation is believed.
    pub fn life(&self) -> Duration {
        self.life
    }

    /// Targets that need a lease.
    pub fn len(&self) -> usize {
        self.claims.len()
    }

    /// True where no target needs one.
    pub fn is_empty(&self) -> bool {
        self.claims.is_empty()
    }

    /// The leases that do not hold at a moment, in plan order.
    pub fn ended(&self, now: Timestamp) -> Vec<Ended> {
        let known = self.known.lock().unwrap_or_else(|e| e.into_inner());
        let ended = |(i, k): (usize, &Known)| {
            let until = self.until.get(i)?.load(Ordering::Acquire);
            let reason = match (&k.lost, &k.unsure) {
                (Some(why), _) => format!("lease lost: {why}"),
                (None, _) if until > now.as_microsecond() => return None,
                (None, Some(why)) => format!("lease not confirmed: {why}"),
                (None, None) => "lease not confirmed".to_owned(),
            };
            Some(Ended { target: *self.targets.get(i)?, reason, confirmed: k.confirmed })
        };
        known.iter().enumerate().filter_map(ended).collect()
    }
}

fn asset_claim(target: &Target, snapshot: &Snapshot) -> Claim {
    let warrant = target.warrant();
    let row = snapshot.row_of(&warrant.asset).and_then(|row| snapshot.asset(row));
    let place = row.and_then(|asset| asset.partition());
    let (account, region) = place.map(|p| (p.account.clone(), p.region.clone())).unwrap_or_default();
    let (asset, interface) = (warrant.asset.clone(), warrant.interface.clone());
    Claim { asset, interface, account, region, addr: target.addr() }
}

/// The claim of a load balancer that the job's connector knows by this name. It has no interface of its own.
fn balancer_claim(target: &Target, plan: &Plan, snapshot: &Snapshot) -> Option<Claim> {
    let name = &target.warrant().asset;
    let own = |l: &&LoadBalancer| l.name.eq_ignore_ascii_case(name) && l.connector == plan.connector;
    let record = snapshot.load_balancers().iter().find(own)?;
    let account = snapshot.partitions().get(record.partition.0 as usize)?.account.clone();
    let (asset, region) = (Arc::clone(&record.id), Arc::clone(&record.region));
    Some(Claim { asset, interface: "".into(), account, region, addr: target.addr() })
}
