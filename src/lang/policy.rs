//! Expected exposure as a checked program has it. product.md F5.

use jiff::civil::Date;

use crate::base::port_set::PortSet;
use crate::base::source::{Span, Spanned};
use crate::lang::job::Protocol;
use crate::lang::query::predicate::Predicate;

/// One requirement of an `expect` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    /// Lowest TLS version as (major, minor): `tls = ">= 1.2"`.
    TlsAtLeast(u8, u8),
    /// Days the certificate must still be valid.
    CertificateDays(u32),
    /// `redirects_to = https`.
    RedirectsToHttps,
}

/// A rule of a policy, in the order written.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// `expect tcp 443 { … }`: may be open, and must be so.
    Expect {
        /// Protocol.
        protocol: Protocol,
        /// Ports.
        ports: PortSet,
        /// Requirements with their places.
        requirements: Vec<Spanned<Requirement>>,
        /// The statement.
        span: Span,
    },
    /// `deny port [22] severity 4 "text"`: must not be open.
    DenyPorts {
        /// Protocol; none for both.
        protocol: Option<Protocol>,
        /// Ports.
        ports: PortSet,
        /// 1 to 5.
        severity: u8,
        /// Words for the report.
        message: Option<String>,
        /// The statement.
        span: Span,
    },
    /// `deny severity >= 4`: no finding that severe.
    DenySeverity {
        /// 1 to 5.
        at_least: u8,
        /// Words for the report.
        message: Option<String>,
        /// The statement.
        span: Span,
    },
    /// `waive tcp 8443 on QUERY { … }`.
    Waive {
        /// Protocol.
        protocol: Protocol,
        /// Ports.
        ports: PortSet,
        /// Assets it covers.
        on: Option<Box<Predicate>>,
        /// Who answers for it.
        owner: String,
        /// Why.
        reason: String,
        /// Last day.
        until: Date,
        /// The statement.
        span: Span,
    },
    /// `otherwise nothing`: any other open port is a violation.
    OtherwiseNothing {
        /// The statement.
        span: Span,
    },
}

/// `policy "x" { … }`.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Its name.
    pub name: Spanned<String>,
    /// Assets it applies to; none for all.
    pub scope: Option<Predicate>,
    /// Rules.
    pub rules: Vec<Rule>,
    /// The block.
    pub span: Span,
}
