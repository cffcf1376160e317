//! What a check is. Native checks are files of this folder; checks in rhai lie in `scripts/checks/` and are adapted by
//! the script room. Both are the same to the judge. product.md 5.0.

mod registry;
mod subject;

mod cluster;
mod database;
mod datagram;
mod device;
mod files;
mod fingerprint;
mod information;
mod mail;
mod messaging;
mod names;
mod remote;
mod ssh;
mod tls;
mod web;

use jiff::Timestamp;

pub(in crate::judge) use self::information::REMOTE;
pub use self::registry::{Row, native, rows};
pub use self::subject::{Answer, among};
use crate::lang::job::Consent;
use crate::service::evidence::{Ask, HostEvidence, ServiceEvidence};

/// How sure a finding is. product.md 5.0, rule 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The target itself showed the condition.
    Confirmed,
    /// A necessary condition was seen, usually a version. A version alone is never more.
    Potential,
    /// Information gathered.
    Information,
}

impl Kind {
    /// `confirmed`, `potential`, `information`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Potential => "potential",
            Self::Information => "information",
        }
    }
}

/// What a check looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One service of one host.
    Service,
    /// One host.
    Host,
    /// All hosts of a run at once.
    Estate,
}

/// What everybody may know of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckInfo {
    /// Stable id, such as `SSH-03`; never reused.
    pub id: String,
    /// `ssh`, `tls`, `web`, …
    pub family: String,
    /// Title.
    pub title: String,
    /// 1 to 5: what an intruder gains. product.md 5.0, rule 2.
    pub severity: u8,
    /// How sure.
    pub kind: Kind,
    /// Consent class it needs.
    pub consent: Consent,
    /// What it looks at.
    pub scope: Scope,
    /// RFC sections, CVE numbers, controls.
    pub references: Vec<String>,
    /// What can happen.
    pub threat: String,
    /// What it costs.
    pub impact: String,
    /// What to do.
    pub solution: String,
    /// The probe that must not match, in words; required for confirmed checks. product.md 5.0, rule 5.
    pub control: String,
    /// What it wants asked beyond the ordinary conversations.
    pub asks: Vec<Ask>,
}

/// What a check is given.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// All hosts of the run.
    pub estate: &'a [HostEvidence],
    /// The host; none for checks over the estate.
    pub host: Option<&'a HostEvidence>,
    /// The service; none for checks over hosts.
    pub service: Option<&'a ServiceEvidence>,
    /// The moment that counts as now.
    pub now: Timestamp,
}

/// One thing found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hit {
    /// The smallest extract that convinces.
    pub evidence: String,
    /// Another severity than the check's own.
    pub severity: Option<u8>,
    /// Tells several hits of one check on one service apart, such as a path; empty where there is but one.
    pub key: String,
    /// For checks over the estate: the asset it is about.
    pub asset: Option<String>,
}

/// A check's answer. Silence is a state: what could not be told is not clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The condition is there.
    Found(Vec<Hit>),
    /// It was looked for and is not there.
    Clear,
    /// It does not concern this subject.
    NotApplicable,
    /// What it needs was not learned, and why.
    NotTested(String),
    /// The check itself failed: a result, and never a pass.
    Failed(String),
}

impl Verdict {
    /// One hit with its evidence.
    pub fn found(evidence: impl Into<String>) -> Self {
        Self::Found(vec![Hit { evidence: evidence.into(), ..Hit::default() }])
    }

    /// One hit with another severity than the check's own.
    pub fn found_at(severity: u8, evidence: impl Into<String>) -> Self {
        Self::Found(vec![Hit { evidence: evidence.into(), severity: Some(severity), ..Hit::default() }])
    }

    /// These hits, or clear where there are none.
    pub fn hits(hits: Vec<Hit>) -> Self {
        if hits.is_empty() { Self::Clear } else { Self::Found(hits) }
    }

    /// Found where the texts are not empty; they are the evidence, after what they are.
    pub fn listed(what: &str, texts: &[String]) -> Self {
        if texts.is_empty() { Self::Clear } else { Self::found(format!("{what}: {}", texts.join(", "))) }
    }

    /// Found with this evidence where the condition holds.
    pub fn when(condition: bool, evidence: impl FnOnce() -> String) -> Self {
        if condition { Self::found(evidence()) } else { Self::Clear }
    }

    /// Not tested, and why.
    pub fn not_tested(why: impl Into<String>) -> Self {
        Self::NotTested(why.into())
    }
}

/// A check.
pub trait Check: Send + Sync {
    /// What it is.
    fn info(&self) -> &CheckInfo;

    /// Looks at a subject of its scope.
    fn judge(&self, subject: &Subject<'_>) -> Verdict;
}
