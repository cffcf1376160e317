//! A finding: what is told to people and pipelines, with an identity that survives a change of address or name.
//! Architecture, decision 6.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;

use super::check::Kind;
use crate::lang::job::Protocol;

/// Where a finding stands against earlier runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// First seen in this run.
    New,
    /// Seen before and now.
    Active,
    /// Seen before; looked for now, and gone.
    Fixed,
    /// Was fixed, and is there again.
    Reopened,
    /// Seen before; could not be looked for now.
    NotComparable,
}

impl State {
    /// `new`, `active`, `fixed`, `reopened`, `not comparable`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Active => "active",
            Self::Fixed => "fixed",
            Self::Reopened => "reopened",
            Self::NotComparable => "not comparable",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Stable: made of resource id, transport and port, check and key.
    pub id: Arc<str>,
    /// Check id.
    pub check: Arc<str>,
    /// Title.
    pub title: Arc<str>,
    /// How sure.
    pub kind: Kind,
    /// 1 to 5.
    pub severity: u8,
    /// Provider resource id.
    pub asset: Arc<str>,
    /// Where it was seen; none for what is about the inventory or a policy alone.
    pub addr: Option<IpAddr>,
    /// Further addresses of the asset that show the same.
    pub also_at: Vec<IpAddr>,
    /// Public name.
    pub name: Option<Arc<str>>,
    /// Port and transport, where it is about a service.
    pub port: Option<(u16, Protocol)>,
    /// Service name.
    pub service: Option<Arc<str>>,
    /// Tells several findings of one check on one service apart; empty where there is but one.
    pub key: String,
    /// The smallest extract that convinces.
    pub evidence: String,
    /// Why it may not be the whole truth: other evidence of this run says otherwise.
    pub contradicted: Option<String>,
    /// Against earlier runs.
    pub state: State,
    /// First and last seen.
    pub seen: (Timestamp, Timestamp),
}

impl Finding {
    /// Whether it was seen at this address.
    pub fn shows_at(&self, addr: IpAddr) -> bool {
        self.addr == Some(addr) || self.also_at.contains(&addr)
    }
}
