//! Leases while a scan runs: all targets are confirmed before the first packet, and again ahead of their end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::env::Env;
use super::error::Result;
use super::pipeline::Prepared;
use super::sync;
use crate::base::beside::beside;
use crate::base::progress::StopWish;
use crate::connector::live::Live;
use crate::lang::job::ConnectorKind;
use crate::plan::lease::{LEASE, Leases};
use crate::plan::plan::Plan;

/// Longest wait of the keeper, so that a clock that jumps is noticed.
const GLANCE: Duration = Duration::from_secs(1);

/// The provider that confirms, and the leases it gave.
pub(super) struct Held {
    live: Box<dyn Live>,
    pub(super) leases: Arc<Leases>,
}

/// Confirms all targets of a plan; none for recorded inventories, whose warrants end with the inventory's age.
pub(super) fn confirm(prepared: &Prepared<'_>, plan: &Plan, env: &Env) -> Result<Option<Held>> {
    let name = &prepared.job.connector.value;
    let connector = prepared.workspace.program.connectors.iter().find(|c| c.name.value == *name);
    let Some(connector) = connector.filter(|c| matches!(c.kind, ConnectorKind::Live(_))) else { return Ok(None) };
    let life = prepared.job.targets.lease.unwrap_or(LEASE);
    let leases = Leases::new(plan, &prepared.loaded.snapshot, life, env.limits.lease_claims);
    let held = Held { live: sync::open(prepared.workspace, connector, env)?, leases: Arc::new(leases) };
    env.progress.start("lease", held.leases.len() as u64);
    let go_on = || env.stop.wish() == StopWish::None;
    held.leases.renew(held.live.as_ref(), env.clock.as_ref(), Duration::ZERO, &go_on);
    env.progress.finish("lease");
    Ok(Some(held))
}

/// Does some work while a second thread renews the leases at half of their life.
pub(super) fn keeping<T>(held: Option<&Held>, env: &Env, work: impl FnOnce() -> T) -> T {
    let Some(held) = held else { return work() };
    let done = (Mutex::new(false), Condvar::new());
    // A keeper that panicked renews nothing: the leases lapse, and nothing more is sent.
    let run = || drop(catch_unwind(AssertUnwindSafe(|| keep(held, env, &done))));
    let end = || {
        *done.0.lock().unwrap_or_else(|e| e.into_inner()) = true;
        done.1.notify_all();
    };
    beside(run, end, work)
}

fn keep(held: &Held, env: &Env, (done, wake): &(Mutex<bool>, Condvar)) {
    let is_done = || *done.lock().unwrap_or_else(|e| e.into_inner());
    while let (false, Some(due)) = (is_done(), held.leases.next_due()) {
        let left = Duration::try_from(due.duration_since(env.clock.now())).unwrap_or(Duration::ZERO);
        if left.is_zero() {
            let before = held.leases.next_due();
            let ahead = held.leases.life() / 2;
            held.leases.renew(held.live.as_ref(), env.clock.as_ref(), ahead, &|| !is_done());
            if held.leases.next_due() != before {
                continue;
            }
        }
        // Not due yet, or the provider does not answer: look again in a while.
        let wait = if left.is_zero() { (held.leases.life() / 20).max(GLANCE) } else { left.min(GLANCE) };
        let guard = done.lock().unwrap_or_else(|e| e.into_inner());
        drop(wake.wait_timeout_while(guard, wait, |done| !*done));
    }
}
