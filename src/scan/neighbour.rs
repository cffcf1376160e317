//! Hardware addresses of next hops: gateways, and targets on the link itself, asked for a batch at a time.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use super::drive::{Pushed, Sender};
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
            let (mut batch, mut errands) = (Batch::default(), Vec::new());
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
                        errands.push((addr, warrant.map(entry)));
                        (put_off, earliest) = (0, Duration::MAX);
                    }
                    Err((at, for_all)) => {
                        queue.push_back((addr, source, warrant));
                        earliest = earliest.min(at);
                        put_off = if for_all { queue.len() } else { put_off + 1 };
                    }
                }
            }
            let mut take = |sender: &mut Sender<'_, '_>, frame: &[u8]| {
                if !noted(frame, own, &mut wanted, &mut found) {
                    others(sender, frame);
                }
            };
            let pushed = sender.upkeep(link, &mut batch, &mut errands, &mut take);
            if pushed == Pushed::Lost || sender.input.stop.wish() != StopWish::None {
                return found;
            }
            let unsent = errands.iter().filter_map(|(addr, _)| wanted.get(addr).map(|(s, w)| (*addr, *s, *w)));
            queue.extend(unsent);
            if !queue.is_empty() {
                let blocked = put_off >= queue.len();
                let until = if blocked { earliest.saturating_sub(clock.elapsed()) } else { Duration::ZERO };
                let pause = until.clamp(PAUSE, LONGEST_SLEEP);
                if !collect(link, pause, own, (&mut wanted, &mut found), sender, others) {
                    return found;
                }
            }
        }
        let until = clock.elapsed() + WAIT;
        while !wanted.is_empty() && clock.elapsed() < until {
            let pause = LONGEST_SLEEP.min(until.saturating_sub(clock.elapsed()));
            if !collect(link, pause, own, (&mut wanted, &mut found), sender, others) {
                return found;
            }
        }
        if wanted.is_empty() {
            break;
        }
    }
    found
}

/// Listens for so long; false where the link is gone.
fn collect(
    link: &mut dyn Link,
    wait: Duration,
    own: Hardware,
    (wanted, found): (&mut Wanted, &mut HashMap<IpAddr, Hardware>),
    sender: &mut Sender<'_, '_>,
    others: &mut Others<'_>,
) -> bool {
    sender.listen(link, wait, &mut |sender, frame| {
        if !noted(frame, own, wanted, found) {
            others(sender, frame);
        }
    })
}

/// Notes the answer of a neighbour that is asked for; false where a frame is none. It is addressed to who asked: what is
/// told to everybody, or to another, was not asked for.
fn noted(frame: &[u8], own: Hardware, wanted: &mut Wanted, found: &mut HashMap<IpAddr, Hardware>) -> bool {
    let Ok(Reply::Neighbour { addr, hardware, to }) = read(frame) else { return false };
    let asked = wanted.get(&addr).is_some_and(|(source, _)| to == (*source, own));
    if asked {
        wanted.remove(&addr);
        found.insert(addr, hardware);
    }
    asked
}

#[cfg(test)]
mod tests {
    use std::io;

    use jiff::Timestamp;

    use super::*;
    use crate::base::addr_set::{AddrRange, AddrSet};
    use crate::base::clock::ManualClock;
    use crate::base::limits::Limits;
    use crate::base::progress::{Silent, Stop};
    use crate::lang::job::Profile;
    use crate::plan::plan::ProbeSet;
    use crate::plan::sample;
    use crate::scan::gate::Gate;
    use crate::scan::observation::Mode;
    use crate::scan::{LiveExclusions, ScanInput, ScanOutcome};

    const OWN: Hardware = [2, 0, 0, 0, 0, 1];

    fn host(n: u8) -> IpAddr {
        [198, 18, 0, n].into()
    }

    fn reply(n: u8, to: (u8, Hardware)) -> Vec<u8> {
        let mut frame = ask_neighbour(host(to.0), OWN, host(n)).unwrap();
        frame[21] = 2;
        frame[22..42]
            .copy_from_slice(&[&[2, 0, 0, 0, 1, n], &[198, 18, 0, n][..], &to.1, &[198, 18, 0, to.0]].concat());
        frame
    }

    /// A link that does what is listed for each send, and hands over what is listed for each wait.
    struct Scripted<'a> {
        clock: &'a ManualClock,
        sends: Vec<Result<(), i32>>,
        waits: Vec<Vec<Vec<u8>>>,
        sent: Vec<u8>,
        then: &'a dyn Fn(),
    }

    impl Link for Scripted<'_> {
        fn send(&mut self, batch: &Batch, from: usize) -> io::Result<usize> {
            (self.then)();
            if !self.sends.is_empty() {
                self.sends.remove(0).map_err(io::Error::from_raw_os_error)?;
            }
            self.sent.push(batch.frame(from)[41]);
            Ok(1)
        }

        fn receive(&mut self, wait: Duration, take: &mut dyn FnMut(&[u8])) -> io::Result<()> {
            self.clock.advance(wait);
            let frames = if self.waits.is_empty() { Vec::new() } else { self.waits.remove(0) };
            frames.iter().for_each(|f| take(f));
            Ok(())
        }

        fn dropped(&mut self) -> u64 {
            0
        }
    }

    type Told = (Vec<u8>, Vec<u8>, usize, Vec<String>);

    /// Does something as the sender of a plan of hosts 1 to 3.
    fn with_sender(
        exclusions: &LiveExclusions,
        stop: &Stop,
        act: impl FnOnce(&mut Sender<'_, '_>, &ManualClock),
    ) -> ScanOutcome {
        let clock = ManualClock::at(Timestamp::from_second(1_000).unwrap());
        let hosts: Vec<IpAddr> = (1..=3).map(host).collect();
        let probes = ProbeSet { tcp: Default::default(), udp: Default::default() };
        let expiry = Timestamp::from_second(86_400).unwrap();
        let plan = sample::plan(&hosts, probes, Profile::initial_options(), AddrSet::default(), expiry);
        let input = ScanInput {
            plan: &plan,
            mode: Some(Mode::Raw),
            clock: &clock,
            seed: 7,
            limits: &Limits::default(),
            progress: &Silent,
            stop,
            finished: &[],
            elsewhere: &[],
            exclusions,
            keep: None,
            leases: None,
        };
        let mut outcome = ScanOutcome::new(&input, Mode::Raw);
        let gate = Gate::new(plan.targets.iter(), AddrSet::default(), Vec::new());
        act(&mut Sender::new(&input, gate, &mut outcome), &clock);
        outcome
    }

    /// Asks for neighbours 1 to 3: who was asked, who was found, how many other frames came, and errors.
    fn ask(sends: &[Result<(), i32>], waits: Vec<Vec<Vec<u8>>>, then: impl Fn(&LiveExclusions, &Stop)) -> Told {
        let (exclusions, stop) = (LiveExclusions::default(), Stop::default());
        let (mut sent, mut found, mut others) = (Vec::new(), Vec::new(), 0);
        let outcome = with_sender(&exclusions, &stop, |sender, clock| {
            let then = || then(&exclusions, &stop);
            let mut link = Scripted { clock, sends: sends.to_vec(), waits, sent: Vec::new(), then: &then };
            let wanted = (1..=3).zip(0..).map(|(n, target)| (host(n), (host(9), Some(target)))).collect();
            let all = neighbours(wanted, OWN, &mut link, sender, (&mut |_, _, _| Ok(()), &mut |_, _| others += 1));
            found = all.into_values().map(|hardware| hardware[5]).collect();
            sent = link.sent;
        });
        found.sort();
        assert_eq!(outcome.ledger.total(), sent.len() as u64);
        (sent, found, others, outcome.errors)
    }

    /// A frame that nobody answers for, or that goes elsewhere than its line of the ledger says, does not leave.
    #[test]
    fn what_has_no_line_in_the_ledger_does_not_leave() {
        let outcome = with_sender(&LiveExclusions::default(), &Stop::default(), |sender, clock| {
            let mut link = Scripted { clock, sends: Vec::new(), waits: Vec::new(), sent: Vec::new(), then: &|| {} };
            let mut batch = Batch::default();
            for n in 1..=3 {
                batch.push(&ask_neighbour(host(9), OWN, host(n)).unwrap());
            }
            let entry = |n: u8| Entry { warrant: 0, destination: host(n), port: 0, probe: ProbeKind::Neighbour };
            let mut errands = vec![(host(1), Some(entry(1))), (host(2), Some(entry(1)))];
            assert_eq!(sender.upkeep(&mut link, &mut batch, &mut errands, &mut |_, _| {}), Pushed::All);
            assert_eq!((link.sent, errands.len()), (vec![1], 0));
        });
        assert_eq!((outcome.counters.refused, outcome.ledger.total()), (2, 1));
    }

    #[test]
    fn neighbours_are_asked_three_times_and_only_answers_to_us_count() {
        let answers = vec![reply(1, (9, OWN)), reply(2, (8, OWN)), reply(3, (9, [2, 0, 0, 0, 0, 2]))];
        let told = ask(&[], vec![answers], |_, _| {});
        assert_eq!(told, (vec![1, 2, 3, 2, 3, 2, 3], vec![1], 2, vec![]));
    }

    #[test]
    fn what_comes_while_the_queue_is_full_is_not_lost() {
        let waits = vec![vec![reply(1, (9, OWN)), vec![0; 60]], vec![reply(2, (9, OWN)), reply(3, (9, OWN))]];
        let told = ask(&[Ok(()), Err(105)], waits, |_, _| {});
        assert_eq!(told, (vec![1, 2, 3], vec![1, 2, 3], 1, vec![]));
    }

    #[test]
    fn a_bad_frame_is_left_out_and_a_stop_is_no_lost_link() {
        let told = ask(&[Err(90)], vec![vec![reply(2, (9, OWN)), reply(3, (9, OWN))]], |_, _| {});
        assert_eq!(told, (vec![2, 3, 1, 1], vec![2, 3], 0, vec![]), "it is asked again with the next round");
        let told = ask(&[Ok(()), Err(105)], Vec::new(), |_, stop| stop.raise());
        assert_eq!(told, (vec![1], vec![], 0, vec![]));
        let (_, _, _, errors) = ask(&[Err(19)], Vec::new(), |_, _| {});
        assert!(errors.len() == 1 && errors[0].starts_with("the link was lost"), "{errors:?}");
    }

    #[test]
    fn who_is_excluded_meanwhile_is_not_asked_again() {
        let told = ask(&[], Vec::new(), |exclusions, _| {
            if exclusions.after(0).is_empty() {
                exclusions.add(AddrRange::single(host(2)));
            }
        });
        assert_eq!(told, (vec![1, 2, 3, 1, 3, 1, 3], vec![], 0, vec![]), "its request was on its way");
    }
}
