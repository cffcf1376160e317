//! Hardware addresses of next hops: gateways, and targets on the link itself, asked for a batch at a time.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use super::drive::Sender;
use super::ledger::Entry;
use super::link::{BATCH, Batch, Link};
use super::observation::ProbeKind;
use super::wire::{Hardware, Reply, ask_neighbour, read};
use crate::base::progress::StopWish;
use crate::plan::cost::NEIGHBOUR_TRIES;

/// How long a neighbour has to answer.
const WAIT: Duration = Duration::from_millis(500);
/// Between two batches: about 12,000 requests a second.
const PAUSE: Duration = Duration::from_millis(5);
/// Longest sleep, so that the wish to stop is seen.
const LONGEST_SLEEP: Duration = Duration::from_millis(50);

/// Who is asked for: our address towards it, and the target it is, where it is no gateway.
pub(super) type Wanted = BTreeMap<IpAddr, (IpAddr, Option<u32>)>;

/// Asks for the hardware address of each, three times at most; those without an answer are missing. Whatever else comes
/// in meanwhile goes to `others`.
pub(super) fn neighbours(
    mut wanted: Wanted,
    own: Hardware,
    link: &mut dyn Link,
    sender: &mut Sender<'_, '_>,
    others: &mut dyn FnMut(&mut Sender<'_, '_>, &[u8]),
) -> HashMap<IpAddr, Hardware> {
    let mut found = HashMap::new();
    let clock = sender.input.clock;
    for _ in 0..NEIGHBOUR_TRIES {
        let asked: Vec<_> = wanted.iter().map(|(a, (s, w))| (*a, *s, *w)).collect();
        for part in asked.chunks(BATCH) {
            let mut batch = Batch::default();
            let mut entries = Vec::new();
            for (addr, source, warrant) in part {
                let Some(frame) = ask_neighbour(*source, own, *addr) else { continue };
                batch.push(&frame);
                let entry = |w| Entry { warrant: w, destination: *addr, port: 0, probe: ProbeKind::Neighbour };
                entries.push(warrant.map(entry));
            }
            if !sender.upkeep(link, &mut batch, entries) || sender.input.stop.wish() != StopWish::None {
                return found;
            }
            if asked.len() > BATCH {
                collect(link, PAUSE, own, &mut wanted, &mut found, &mut |frame| others(sender, frame));
            }
        }
        let until = clock.elapsed() + WAIT;
        while !wanted.is_empty() && clock.elapsed() < until {
            let pause = LONGEST_SLEEP.min(until.saturating_sub(clock.elapsed()));
            if !collect(link, pause, own, &mut wanted, &mut found, &mut |frame| others(sender, frame)) {
                return found;
            }
        }
        if wanted.is_empty() {
            break;
        }
    }
    found
}

fn collect(
    link: &mut dyn Link,
    wait: Duration,
    own: Hardware,
    wanted: &mut Wanted,
    found: &mut HashMap<IpAddr, Hardware>,
    others: &mut dyn FnMut(&[u8]),
) -> bool {
    let taken = link.receive(wait, &mut |frame| {
        // An answer is addressed to who asked: what is told to everybody, or to another, was not asked for.
        if let Ok(Reply::Neighbour { addr, hardware, to }) = read(frame)
            && wanted.get(&addr).is_some_and(|(source, _)| to == (*source, own))
            && wanted.remove(&addr).is_some()
        {
            found.insert(addr, hardware);
        } else {
            others(frame);
        }
    });
    taken.is_ok()
}
