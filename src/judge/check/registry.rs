//! The native checks: one row each, kept in the file of its family, and one line a family here.

use std::sync::Arc;

use super::{Answer, Check, CheckInfo, Kind, Scope, Subject, Verdict};
use super::{
    cluster, database, datagram, device, files, fingerprint, information, mail, messaging, names, remote, ssh, tls, web,
};
use crate::lang::job::Consent;
use crate::service::evidence::Ask;

/// One native check. The fields are those of [`CheckInfo`].
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Stable id; never reused.
    pub id: &'static str,
    /// Title.
    pub title: &'static str,
    /// 1 to 5.
    pub severity: u8,
    /// How sure.
    pub kind: Kind,
    /// Consent class.
    pub consent: Consent,
    /// What it looks at.
    pub scope: Scope,
    /// RFC sections, CVE numbers, controls.
    pub references: &'static [&'static str],
    /// What can happen.
    pub threat: &'static str,
    /// What it costs.
    pub impact: &'static str,
    /// What to do.
    pub solution: &'static str,
    /// The probe that must not match; required for confirmed checks.
    pub control: &'static str,
    /// (what, argument, consent class) beyond the ordinary conversations.
    pub asks: &'static [(&'static str, &'static str, Consent)],
    /// The check itself.
    pub judge: fn(&Subject<'_>) -> Answer,
}

impl Row {
    /// What most rows have in common: `Row { id: "…", …, ..Row::BASE }`.
    pub(in crate::judge) const BASE: Self = Self {
        id: "",
        title: "",
        severity: 1,
        kind: Kind::Information,
        consent: Consent::Safe,
        scope: Scope::Service,
        references: &[],
        threat: "",
        impact: "",
        solution: "",
        control: "",
        asks: &[],
        judge: |_| Err(Verdict::NotApplicable),
    };

    /// As any check's.
    pub(in crate::judge) fn info(&self, family: &str) -> CheckInfo {
        let ask = |(what, argument, consent): &(&str, &str, Consent)| Ask {
            what: (*what).into(),
            argument: (*argument).into(),
            consent: *consent,
        };
        CheckInfo {
            id: self.id.into(),
            family: family.into(),
            title: self.title.into(),
            severity: self.severity,
            kind: self.kind,
            consent: self.consent,
            scope: self.scope,
            references: self.references.iter().map(|r| (*r).to_owned()).collect(),
            threat: self.threat.into(),
            impact: self.impact.into(),
            solution: self.solution.into(),
            control: self.control.into(),
            asks: self.asks.iter().map(ask).collect(),
        }
    }
}

/// (family, its rows). A family is a file of this folder.
const FAMILIES: &[(&str, &[Row])] = &[
    ("cluster", cluster::CHECKS),
    ("database", database::CHECKS),
    ("datagram", datagram::CHECKS),
    ("device", device::CHECKS),
    ("files", files::CHECKS),
    ("fingerprint", fingerprint::CHECKS),
    ("information", information::CHECKS),
    ("mail", mail::CHECKS),
    ("messaging", messaging::CHECKS),
    ("names", names::CHECKS),
    ("remote", remote::CHECKS),
    ("ssh", ssh::CHECKS),
    ("tls", tls::CHECKS),
    ("web", web::CHECKS),
];

/// All rows with their family.
pub fn rows() -> impl Iterator<Item = (&'static str, &'static Row)> {
    FAMILIES.iter().flat_map(|(family, rows)| rows.iter().map(move |row| (*family, row)))
}

/// All native checks.
pub fn native() -> Vec<Arc<dyn Check>> {
    rows()
        .map(|(family, row)| Arc::new(Native { info: row.info(family), judge: row.judge }) as Arc<dyn Check>)
        .collect()
}

struct Native {
    info: CheckInfo,
    judge: fn(&Subject<'_>) -> Answer,
}

impl Check for Native {
    fn info(&self) -> &CheckInfo {
        &self.info
    }

    fn judge(&self, subject: &Subject<'_>) -> Verdict {
        (self.judge)(subject).unwrap_or_else(|early| early)
    }
}
