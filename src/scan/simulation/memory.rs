//! What a scan holds in memory while the pairs grow and the targets stay few.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::base::progress::Silent;
use crate::scan::link::heap::peak_of;
use crate::scan::window::WINDOW;

/// A place for checkpoints that keeps none, and knows the size of the largest.
#[derive(Default)]
struct Scale(AtomicUsize);

impl Keep for Scale {
    fn keep(&self, state: Vec<u8>, _: u64, _: Vec<u8>) {
        self.0.fetch_max(state.len(), Ordering::Relaxed);
    }

    fn kept(&self) -> Result<Option<Checkpoint>, String> {
        Ok(None)
    }
}

/// Peak of the heap and size of the largest checkpoint, for so many silent hosts with all ports each.
fn measured(hosts: usize) -> (usize, usize) {
    let ports: Vec<u16> = (1..=65_535).collect();
    let machines = (0..hosts).map(|n| (host(n), Machine { silent: true, ..Machine::default() })).collect();
    let plan = plan_of(hosts, &ports, Profile { retries: 0, ..profile() });
    let world = World { capture: false, ..World::new(plan, machines, Faults::default()) };
    let scale = Scale::default();
    let ((outcome, ..), peak) = peak_of(|| world.scan(Some(&scale), &Silent));
    assert_eq!((outcome.ledger.total(), outcome.coverage.done), (hosts as u64 * 65_535, hosts as u64 * 65_535));
    (peak, scale.0.into_inner())
}

/// Pairs cost nothing that stays, but for the packed ledger: one byte for twenty-five of them at most.
#[test]
fn memory_and_checkpoints_are_flat_over_the_pairs() {
    let (few, many) = (measured(2), measured(16));
    const { assert!(2 * 65_535 > WINDOW, "both go through whole windows") };
    assert!(many.0 < few.0 + 14 * 65_535 / 25, "peak of the heap: {few:?} {many:?}");
    assert!(many.1 < few.1 + 4_096, "largest checkpoint: {few:?} {many:?}");
}
