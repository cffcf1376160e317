//! How much a scan can have missed, measured. product.md F8.
//!
//! Each answer says which of our tries it answers (its source port), so every answered pair tells how many tries before
//! it were lost; control probes to ports that have answered before add to that. From losses among tries comes an upper
//! bound, with 95 % confidence, of the chance that a try at an open port stays without an answer, and from it the chance
//! that all tries did. Losses are taken as independent of each other: hosts and paths that police what they answer
//! break that, so their silent pairs are left out of the claim and counted apart.

/// One-sided 95 %: the standard normal distribution's quantile.
const Z: f64 = 1.644_853_6;
/// Fewer tries than this show nothing.
const FEWEST: f64 = 3.0;

/// Tries with a known end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Tries at pairs that answer, answered or not.
    pub tries: u64,
    /// Those without an answer.
    pub lost: u64,
    /// Of these, control probes.
    pub controls: u64,
    /// Control probes lost.
    pub controls_lost: u64,
    /// Pairs answered, by nothing but their first try.
    pub first: u64,
    /// Pairs answered by a later one.
    pub later: u64,
}

impl Tally {
    /// A pair was answered by its n-th try, counted from 0.
    pub fn answered(&mut self, tries_before: u8) {
        self.tries += u64::from(tries_before) + 1;
        self.lost += u64::from(tries_before);
        if tries_before == 0 {
            self.first += 1;
        } else {
            self.later += 1;
        }
    }

    /// A control probe came to its end.
    pub fn control(&mut self, answered: bool) {
        self.tries += 1;
        self.lost += u64::from(!answered);
        self.controls += 1;
        self.controls_lost += u64::from(!answered);
    }

    /// So many lost control probes told nothing of the path.
    pub fn take_back(&mut self, lost: u64) {
        for counter in [&mut self.tries, &mut self.lost, &mut self.controls, &mut self.controls_lost] {
            *counter = counter.saturating_sub(lost);
        }
    }

    /// Frames for us that the kernel dropped: answers that came and were not seen.
    pub fn dropped(&mut self, frames: u64) {
        self.tries += frames;
        self.lost += frames;
    }

    /// Share of tries lost, as measured.
    pub fn loss(&self) -> f64 {
        if self.tries == 0 { 0.0 } else { self.lost as f64 / self.tries as f64 }
    }

    /// Tries and losses with those added that must have gone unseen: pairs whose every try was lost never showed that
    /// they answer.
    fn with_unseen(&self, tries: u8) -> (f64, f64) {
        let answered = (self.first + self.later) as f64;
        if tries <= 1 {
            // Asked once, a pair that lost its try looks like one that has nothing to say: only controls can tell.
            return (self.controls as f64, self.controls_lost as f64);
        }
        let (mut n, mut lost) = (self.tries as f64, self.lost as f64);
        for _ in 0..20 {
            let all = (lost / n.max(1.0)).powi(i32::from(tries)).min(0.9);
            let unseen = answered * all / (1.0 - all) * f64::from(tries);
            (n, lost) = (self.tries as f64 + unseen, self.lost as f64 + unseen);
        }
        (n, lost)
    }

    /// Upper bound of the loss with 95 % confidence after so many tries of each pair: Wilson's score bound (1927), and
    /// for no loss at all the exact one. None where too little was seen.
    pub fn loss_bound(&self, tries: u8) -> Option<f64> {
        let (n, lost) = self.with_unseen(tries.max(1));
        if n < FEWEST {
            return None;
        }
        let p = lost / n;
        let middle = p + Z * Z / (2.0 * n);
        let spread = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        let wilson = (middle + spread) / (1.0 + Z * Z / n);
        let exact_for_none = if lost == 0.0 { 1.0 - 0.05f64.powf(1.0 / n) } else { 0.0 };
        Some(wilson.max(exact_for_none).min(1.0))
    }

    /// Share of open ports found after so many tries of each, at least, with 95 % confidence.
    pub fn recall(&self, tries: u8) -> Option<f64> {
        Some(1.0 - self.loss_bound(tries)?.powi(i32::from(tries.max(1))))
    }

    /// Adds what another part has seen.
    pub fn add(&mut self, other: &Self) {
        self.tries += other.tries;
        self.controls += other.controls;
        self.controls_lost += other.controls_lost;
        self.lost += other.lost;
        self.first += other.first;
        self.later += other.later;
    }
}

/// The recall of a scan, as reported.
#[derive(Debug, Clone, PartialEq)]
pub struct Recall {
    /// At least this share of the open ports was found, with 95 % confidence; none where nothing could be measured.
    pub at_least: Option<f64>,
    /// What the profile wants.
    pub wanted: Option<f64>,
    /// What was measured.
    pub tally: Tally,
    /// Pairs without an answer on hosts that answer only so often: the claim does not cover them.
    pub policed: u64,
}

impl Recall {
    /// False where the profile wants more than was shown.
    pub fn reached(&self) -> bool {
        self.wanted.is_none_or(|wanted| self.at_least.is_some_and(|have| have >= wanted))
    }

    /// One line for people.
    pub fn describe(&self) -> String {
        let mut text = match self.at_least {
            Some(share) => format!(
                "recall >= {} (95 % confidence; {} of {} measured tries lost)",
                percent(share),
                self.tally.lost,
                self.tally.tries
            ),
            None => "recall not measured: too few answers to tell a loss from silence".into(),
        };
        if self.policed > 0 {
            text += &format!(", {} probes unanswered on a policed path", self.policed);
        }
        if let Some(wanted) = self.wanted.filter(|_| !self.reached()) {
            text += &format!("; the profile wants {}, which was not reached", percent(wanted));
        }
        text
    }
}

/// A share in percent, cut (never rounded up) after the digits that matter.
fn percent(share: f64) -> String {
    let cut = |digits: i32| (share * 100.0 * 10f64.powi(digits)).floor() / 10f64.powi(digits);
    if share >= 0.999 { format!("{:.3} %", cut(3)) } else { format!("{:.1} %", cut(1)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A generator good enough for coins. (Marsaglia, "Xorshift RNGs", 2003.)
    struct Coins(u64);

    impl Coins {
        fn lost(&mut self, share: f64) -> bool {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            ((self.0 >> 11) as f64) / ((1u64 << 53) as f64) < share
        }
    }

    #[test]
    fn the_bound_holds_in_nineteen_of_twenty_scans() {
        for loss in [0.001, 0.02, 0.0975, 0.3] {
            let (mut held, mut found, mut claimed) = (0, 0.0, 0.0);
            for scan in 0..400u64 {
                let mut coins = Coins(0x9e37_79b9 + scan * 7_919);
                let (mut tally, mut missed) = (Tally::default(), 0);
                for _ in 0..500 {
                    match (0..3u8).find(|_| !coins.lost(loss)) {
                        Some(tries) => tally.answered(tries),
                        None => missed += 1,
                    }
                }
                found += 1.0 - f64::from(missed) / 500.0;
                let recall = tally.recall(3).unwrap();
                claimed += recall;
                held += u32::from(recall <= 1.0 - f64::powi(loss, 3));
            }
            assert!(held >= 360, "at a loss of {loss} the bound held {held} of 400 times");
            assert!(claimed <= found && claimed > found - 4.0, "loss {loss}: claimed {claimed}, found {found}");
        }
    }

    #[test]
    fn little_evidence_claims_little() {
        let mut tally = Tally::default();
        assert_eq!((tally.loss_bound(3), tally.recall(3)), (None, None));
        (0..3).for_each(|_| tally.answered(0));
        assert!(tally.recall(1).is_none() && tally.recall(2).unwrap() < 0.9);
        (0..3_000).for_each(|_| tally.control(true));
        assert!(tally.recall(1).unwrap() > 0.998);
        tally.dropped(300);
        assert!(tally.recall(2).unwrap() < 0.994);
    }

    #[test]
    fn words() {
        let tally = Tally { tries: 1_000, lost: 10, first: 980, later: 10, ..Tally::default() };
        let mut recall = Recall { at_least: Some(0.999_912_9), wanted: Some(0.999), tally, policed: 212 };
        insta::assert_snapshot!(recall.describe(), @"recall >= 99.991 % (95 % confidence; 10 of 1000 measured tries lost), 212 probes unanswered on a policed path");
        recall = Recall { at_least: Some(0.987_6), policed: 0, ..recall };
        insta::assert_snapshot!(recall.describe(), @"recall >= 98.7 % (95 % confidence; 10 of 1000 measured tries lost); the profile wants 99.900 %, which was not reached");
        recall = Recall { at_least: None, wanted: None, ..recall };
        insta::assert_snapshot!(recall.describe(), @"recall not measured: too few answers to tell a loss from silence");
    }
}
