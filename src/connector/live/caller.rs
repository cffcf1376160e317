//! Makes calls: budget, back-off, tries, and one answer for each: what came, or why nothing did.
//!
//! Everything here runs on one thread: calls are futures, [`Caller::run`] drives them, [`spread`] keeps several in
//! flight. Waiting is the only thing that sleeps in live connectors.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use jiff::Timestamp;
use tokio::runtime::{Builder, Runtime};

use crate::base::clock::Clock;
use crate::base::limits::Limits;
use crate::base::progress::{Stop, StopWish};
use crate::connector::live::Usage;
use crate::connector::live::budget::{Budget, Meter, Quota};
use crate::connector::live::http::{Http, Request, Response};
use crate::inventory::partition::PartitionState;

/// How often a wish to stop is looked for while waiting.
const GLANCE: Duration = Duration::from_millis(50);

/// What an answer means; each provider's own reading of status and body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<T> {
    /// What was asked for.
    Done(T),
    /// Too many calls; the provider's words.
    Throttled(String),
    /// The provider's trouble, likely over soon.
    Transient(String),
    /// The credentials are no longer good; another try asks for new ones.
    Expired(String),
    /// Refused; another try would be refused as well.
    Denied(String),
    /// Anything else: an error, or a body that was not understood.
    Failed(String),
}

/// Why a call brought nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Refused, in the provider's words.
    #[error("{0}")]
    Denied(String),
    /// Throttled until we gave up, in the provider's words.
    #[error("{0}")]
    Throttled(String),
    /// Everything else: no connection, an error, a broken body.
    #[error("{0}")]
    Failed(String),
    /// We were asked to stop.
    #[error("stopped on request")]
    Stopped,
}

impl Failure {
    /// The state of the partition whose reading ended so. With pages at hand it is partly read whatever the cause.
    pub fn state(&self, pages_kept: bool) -> PartitionState {
        match self {
            Self::Denied(cause) if !pages_kept => PartitionState::Denied { cause: cause.as_str().into() },
            Self::Throttled(cause) if !pages_kept => PartitionState::Throttled { cause: cause.as_str().into() },
            Self::Stopped if !pages_kept => PartitionState::NotAsked,
            Self::Denied(cause) => PartitionState::Partial { cause: format!("denied: {cause}").into() },
            Self::Throttled(cause) => PartitionState::Partial { cause: format!("throttled: {cause}").into() },
            Self::Failed(_) | Self::Stopped => PartitionState::Partial { cause: self.to_string().into() },
        }
    }
}

/// How long a call is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Throttled answers taken before giving up.
    pub throttles: u32,
    /// Further tries after other passing failures.
    pub tries: u32,
    /// Longest wait for one call, budget and back-off together.
    pub wait: Duration,
}

impl Patience {
    /// For reading an inventory.
    pub const READING: Self = Self { throttles: 8, tries: 4, wait: Duration::from_secs(600) };
    /// For confirming an address just before a packet, and for trying a permission.
    pub const BRIEF: Self = Self { throttles: 2, tries: 1, wait: Duration::from_secs(10) };
}

/// One try of a call, for the maker of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Try {
    /// Now, for signatures.
    pub now: Timestamp,
    /// True after an answer that said the credentials are no longer good.
    pub renew: bool,
}

/// A call: what it counts as and how long it is tried.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// What it counts as.
    pub meter: &'a Meter,
    /// Its quota.
    pub quota: Quota,
    /// How long it is tried.
    pub patience: Patience,
    /// Polled all the time; a gentle wish ends it as well.
    pub stop: &'a Stop,
}

/// One connector's way to its provider.
pub struct Caller {
    runtime: Runtime,
    http: Http,
    budget: Budget,
    clock: Arc<dyn Clock>,
}

impl Caller {
    /// A caller that uses `percent` of every quota; `seed` for the jitter.
    pub fn new(limits: &Limits, clock: Arc<dyn Clock>, percent: u8, seed: u64) -> Result<Self, String> {
        let runtime = Builder::new_current_thread().enable_all().build();
        Ok(Self {
            runtime: runtime.map_err(|e| format!("the connector cannot start: {e}"))?,
            http: Http::new(limits)?,
            budget: Budget::new(percent, seed),
            clock,
        })
    }

    /// Drives calls to their end on this thread, which must not be one that drives an asynchronous runtime already.
    pub fn run<F: Future>(&self, calls: F) -> F::Output {
        self.runtime.block_on(calls)
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The client, for exchanges that no budget counts: tokens.
    pub fn http(&self) -> &Http {
        &self.http
    }

    /// Calls made so far.
    pub fn usage(&self) -> Vec<Usage> {
        self.budget.usage()
    }

    /// Makes one call. `request` makes the request of each try (and gets new credentials where told to), `judge`
    /// says what the answer means.
    pub async fn call<T>(
        &self,
        terms: Terms<'_>,
        request: impl AsyncFn(Try) -> Result<Request, Failure>,
        judge: impl Fn(Response) -> Verdict<T>,
    ) -> Result<T, Failure> {
        let Terms { meter, quota, patience, stop } = terms;
        let began = self.clock.elapsed();
        let (mut throttles, mut tries, mut renew, mut renewed) = (0, 0, false, false);
        loop {
            while let Some(wait) = self.budget.take(meter, quota, self.clock.elapsed()) {
                let waited = self.clock.elapsed().saturating_sub(began);
                if waited + wait > patience.wait {
                    return Err(Failure::Throttled("the call budget is used up".to_owned()));
                }
                self.sleep(wait, stop).await?;
            }
            let request = request(Try { now: self.clock.now(), renew }).await?;
            renew = false;
            let verdict = match self.unless_stopped(self.http.send(request), stop).await? {
                Ok(response) => {
                    let retry_after = response.retry_after();
                    match judge(response) {
                        Verdict::Throttled(words) => {
                            self.budget.throttled(meter, quota, self.clock.elapsed(), retry_after);
                            throttles += 1;
                            if throttles > patience.throttles {
                                return Err(Failure::Throttled(words));
                            }
                            continue;
                        }
                        other => other,
                    }
                }
                Err(e) if e.is_transient() => Verdict::Transient(e.to_string()),
                Err(e) => Verdict::Failed(e.to_string()),
            };
            match verdict {
                Verdict::Done(found) => {
                    self.budget.answered(meter, quota, self.clock.elapsed());
                    return Ok(found);
                }
                Verdict::Transient(_) if tries < patience.tries => {
                    self.sleep(self.budget.pause(tries), stop).await?;
                    tries += 1;
                }
                Verdict::Expired(_) if !renewed => (renew, renewed) = (true, true),
                Verdict::Denied(words) | Verdict::Expired(words) => return Err(Failure::Denied(words)),
                Verdict::Transient(words) | Verdict::Failed(words) | Verdict::Throttled(words) => {
                    return Err(Failure::Failed(words));
                }
            }
        }
    }

    /// Waits, or ends early with [`Failure::Stopped`].
    pub async fn sleep(&self, wait: Duration, stop: &Stop) -> Result<(), Failure> {
        self.unless_stopped(tokio::time::sleep(wait), stop).await
    }

    async fn unless_stopped<F: Future>(&self, work: F, stop: &Stop) -> Result<F::Output, Failure> {
        let wish = async {
            while stop.wish() == StopWish::None {
                tokio::time::sleep(GLANCE).await;
            }
        };
        tokio::select! {
            biased;
            () = wish => Err(Failure::Stopped),
            done = work => Ok(done),
        }
    }
}

/// Does `work` on each item, at most `width` at once, and gives the results in the order of the items.
pub async fn spread<I, T, F: Future<Output = T>>(
    items: impl IntoIterator<Item = I>,
    width: usize,
    work: impl Fn(I) -> F,
) -> Vec<T> {
    futures_util::stream::iter(items.into_iter().map(work)).buffered(width.max(1)).collect().await
}
