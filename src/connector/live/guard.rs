//! Secrets stay inside a connector: whatever a provider says back, an error that repeats the external id, a refusal that
//! quotes a key, passes here before anybody else sees it.

use std::sync::Arc;

use super::secret::Secret;
use super::{Claim, Fetched, Live, Ownership, Pages, Permission};
use crate::base::progress::{Progress, Stop};
use crate::inventory::partition::PartitionState;

/// What stands where a secret was.
const MARK: &str = "[secret]";
/// Shorter texts occur by chance; a provider accepts no such secret.
const SHORTEST: usize = 4;

/// A connector whose words hold none of its secrets.
pub struct Guarded {
    inner: Box<dyn Live>,
    secrets: Vec<Secret>,
}

impl Guarded {
    /// Guards a connector that was made with these secrets.
    pub fn new(inner: Box<dyn Live>, secrets: Vec<Secret>) -> Self {
        Self { inner, secrets }
    }

    fn clean(&self, text: String) -> String {
        let secrets = self.secrets.iter().filter(|s| s.expose().len() >= SHORTEST);
        secrets.fold(text, |text, s| if text.contains(s.expose()) { text.replace(s.expose(), MARK) } else { text })
    }

    fn cause(&self, cause: &Arc<str>) -> Arc<str> {
        self.clean(cause.to_string()).into()
    }
}

impl Live for Guarded {
    fn read(&self, pages: &dyn Pages, progress: &dyn Progress, stop: &Stop) -> Fetched {
        let mut fetched = self.inner.read(pages, progress, stop);
        for recording in &mut fetched.recordings {
            recording.state = match &recording.state {
                PartitionState::Complete => PartitionState::Complete,
                PartitionState::Partial { cause } => PartitionState::Partial { cause: self.cause(cause) },
                PartitionState::Denied { cause } => PartitionState::Denied { cause: self.cause(cause) },
                PartitionState::Throttled { cause } => PartitionState::Throttled { cause: self.cause(cause) },
                PartitionState::NotAsked => PartitionState::NotAsked,
            };
        }
        let errors = std::mem::take(&mut fetched.errors);
        fetched.errors = errors.into_iter().map(|e| self.clean(e)).collect();
        fetched
    }

    fn confirm(&self, claims: &[Claim]) -> Vec<Ownership> {
        let clean = |answer| match answer {
            Ownership::Confirmed => Ownership::Confirmed,
            Ownership::Lost(why) => Ownership::Lost(self.clean(why)),
            Ownership::Unknown(why) => Ownership::Unknown(self.clean(why)),
        };
        self.inner.confirm(claims).into_iter().map(clean).collect()
    }

    fn permissions(&self) -> Vec<Permission> {
        let clean = |p: Permission| Permission { refused: p.refused.map(|why| self.clean(why)), ..p };
        self.inner.permissions().into_iter().map(clean).collect()
    }

    fn policy_document(&self) -> String {
        self.inner.policy_document()
    }
}
