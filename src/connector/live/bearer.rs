//! Bearer tokens for calls: one issuer a connector, asked for each call, told to start afresh when a provider says
//! that a token is no longer good.

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;

use crate::connector::live::caller::{Failure, Try};
use crate::connector::live::http::Request;
use crate::connector::live::secret::Secret;

/// Who issues tokens. Implementations keep a token until it is about to expire; `afresh` forgets it.
pub(super) trait Issuer: Send + Sync {
    /// A token; nothing of it may be printed.
    fn issue(&self, afresh: bool) -> BoxFuture<'_, Result<Secret, Failure>>;
}

/// Issues headers for calls.
pub(super) struct Bearer {
    issuer: Box<dyn Issuer>,
    generation: AtomicU64,
}

/// What one call remembers between its tries.
#[derive(Default)]
pub(super) struct Used(AtomicU64);

impl Bearer {
    /// Headers by this issuer.
    pub(super) fn new(issuer: Box<dyn Issuer>) -> Self {
        Self { issuer, generation: AtomicU64::new(0) }
    }

    /// Tries to get a token.
    pub(super) async fn check(&self) -> Result<(), Failure> {
        self.issuer.issue(false).await.map(drop)
    }

    /// The request with its `Authorization` header. RFC 6750, 2.1. Of several calls whose token was refused, one asks
    /// for a new one and the others use it.
    pub(super) async fn sign(&self, request: Request, at: Try, used: &Used) -> Result<Request, Failure> {
        let old = used.0.load(Ordering::SeqCst);
        let next = old + 1;
        let afresh =
            at.renew && self.generation.compare_exchange(old, next, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        used.0.store(self.generation.load(Ordering::SeqCst), Ordering::SeqCst);
        let token = self.issuer.issue(afresh).await?;
        Ok(request.header("authorization", format!("Bearer {}", token.expose())))
    }
}
