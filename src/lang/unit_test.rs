//! `test` blocks as a checked program has them. language.md 1.

use jiff::Timestamp;

use crate::base::port_set::PortSet;
use crate::base::source::{Span, Spanned};

/// One expectation of a `test` block.
#[derive(Debug, Clone, PartialEq)]
pub enum Expectation {
    /// `tag "x" matches ["a"]`: exactly these assets.
    TagMatches {
        /// Tag name.
        tag: Spanned<String>,
        /// Asset ids or names.
        assets: Vec<Spanned<String>>,
        /// The statement.
        span: Span,
    },
    /// `scan "x" counts { identified = 23 … }`.
    ScanCounts {
        /// Scan name.
        scan: Spanned<String>,
        /// Count names (`identified qualified submitted targets not_targetable merged`) and values.
        counts: Vec<(Spanned<String>, u64)>,
        /// The statement.
        span: Span,
    },
    /// `policy "x" fails "a" { open = [22] }`: what the policy says of an asset that answers so.
    PolicySays {
        /// Policy name.
        policy: Spanned<String>,
        /// Asset id or name.
        asset: Spanned<String>,
        /// What it says.
        says: PolicyWord,
        /// How the asset answers.
        answers: Box<ImaginedAnswers>,
        /// The statement.
        span: Span,
    },
}

/// What a policy as a whole says of one asset: the worst of its assertions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyWord {
    /// `passes`: every rule holds.
    Passes,
    /// `fails`: a rule is violated.
    Fails,
    /// `waived`: violations, and all of them waived.
    Waived,
    /// `unknown`: no violation, and something that cannot be told.
    Unknown,
    /// `ignores`: the asset is not in its scope.
    Ignores,
}

/// A host as a test imagines it. What it does not say is not known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImaginedAnswers {
    /// TCP ports that answer; all others were asked and are closed.
    pub open: PortSet,
    /// UDP ports that answer; none where UDP was not asked.
    pub udp: Option<PortSet>,
    /// Lowest TLS version as (major, minor) on every open port; `(0, 0)` for ports that speak none.
    pub tls: Option<(u8, u8)>,
    /// Days for which certificates are still valid.
    pub certificate_days: Option<u32>,
    /// Whether plain HTTP leads to HTTPS.
    pub redirects: Option<bool>,
    /// Severity of the worst finding, 1 to 5; none for no finding.
    pub severity: Option<u8>,
    /// Words that one of the violations must say.
    pub says: Option<Spanned<String>>,
}

/// `test "x" { … }`.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitTest {
    /// Its name.
    pub name: Spanned<String>,
    /// Recorded inventory, relative to the file that names it.
    pub inventory: Spanned<String>,
    /// Folder of that file relative to the workspace.
    pub base: String,
    /// The moment it plays at.
    pub now: Option<Timestamp>,
    /// Expectations.
    pub expectations: Vec<Expectation>,
    /// The block.
    pub span: Span,
}
