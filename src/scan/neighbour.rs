//! Hardware addresses of next hops: gateways, and targets on the link itself, asked for a batch at a time.

use std::collections::{BTreeMap, HashMap, VecDeque};
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

/// Takes one packet to an address, with a lower rate of its own, out of the rates, or says when that will be possible and
/// whether all addresses have to wait until then.
pub(super) type Turn<'t> = dyn FnMut(IpAddr, Option<u32>, Duration) -> Result<(), (Duration, bool)> + 't;

/// Takes in a frame that is no neighbour's answer.
type Others<'t> = dyn FnMut(&mut Sender<'_, '_>, &[u8]) + 't;

/// Asks for the hardware address of each, three times at most and as the rates allow; those without an answer are
/// missing. Whatever else comes in meanwhile goes to `others`.
pub(super) fn neighbours(
    mut wanted: Wanted,
    own: Hardware,
    link: &mut dyn Link,
    sender: &mut Sender<'_, '_>,
    (turn, others): (&mut Turn<'_>, &mut Others<'_>),
) -> HashMap<IpAddr, Hardware> {
    let mut found = HashMap::new();
    let clock = sender.input.clock;
    for _ in 0..NEIGHBOUR_TRIES {
        let mut queue: VecDeque<_> = wanted.iter().map(|(a, (s, w))| (*a, *s, *w)).collect();
        while !queue.is_empty() {
            let (mut batch, mut entries) = (Batch::default(), Vec::new());
            let (mut put_off, mut earliest) = (0, Duration::MAX);
            while batch.len() < BATCH
                && put_off < queue.len()
                && let Some((addr, source, warrant)) = queue.pop_front()
            {
                let Some(frame) = ask_neighbour(source, own, addr) else { continue };
                let rate = warrant.and_then(|w| sender.input.plan.rates.get(&w).copied());
                match turn(addr, rate, clock.elapsed()) {
                    Ok(()) => {
                        batch.push(&frame);
                        let entry = |w| Entry { warrant: w, destination: addr, port: 0, probe: ProbeKind::Neighbour };
                        entries.push(warrant.map(entry));
                        (put_off, earliest) = (0, Duration::MAX);
                    }
                    Err((at, for_all)) => {
                        queue.push_back((addr, source, warrant));
                        earliest = earliest.min(at);
                        put_off = if for_all { queue.len() } else { put_off + 1 };
                    }
                }
            }
            if !sender.upkeep(link, &mut batch, entries) || sender.input.stop.wish() != StopWish::None {
                return found;
            }
            if !queue.is_empty() {
                let blocked = put_off >= queue.len();
                let until = if blocked { earliest.saturating_sub(clock.elapsed()) } else { Duration::ZERO };
                let pause = until.clamp(PAUSE, LONGEST_SLEEP);
                collect(link, pause, &mut wanted, &mut found, &mut |frame| others(sender, frame));
            }
        }
        let until = clock.elapsed() + WAIT;
        while !wanted.is_empty() && clock.elapsed() < until {
            let pause = LONGEST_SLEEP.min(until.saturating_sub(clock.elapsed()));
            if !collect(link, pause, &mut wanted, &mut found, &mut |frame| others(sender, frame)) {
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
    wanted: &mut Wanted,
    found: &mut HashMap<IpAddr, Hardware>,
    others: &mut dyn FnMut(&[u8]),
) -> bool {
    let taken = link.receive(wait, &mut |frame| {
        if let Ok(Reply::Neighbour { addr, hardware }) = read(frame)
            && wanted.remove(&addr).is_some()
        {
            found.insert(addr, hardware);
        } else {
            others(frame);
        }
    });
    taken.is_ok()
}
