//! Which checks run: families and globs of the profile, and the consent classes it grants.

use std::sync::Arc;

use super::check::{Check, CheckInfo};
use crate::lang::job::{Checks, Consent};

/// A profile's choice of checks.
#[derive(Debug, Clone)]
pub struct Selection<'a> {
    /// Families and id globs.
    pub checks: &'a Checks,
    /// Classes granted.
    pub consent: &'a [Consent],
}

/// A check that does not run, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Check id.
    pub check: String,
    /// `the profile does not choose it`, `the profile does not consent to auth`.
    pub reason: String,
}

/// The word for a class.
pub const fn consent_word(consent: Consent) -> &'static str {
    match consent {
        Consent::Safe => "safe",
        Consent::Auth => "auth",
        Consent::Odd => "odd",
        Consent::Ics => "ics",
    }
}

/// `SSH-*` against `SSH-03`; only `*` is special, case is ignored.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_ascii_lowercase(), text.to_ascii_lowercase());
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or("");
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        let Some((_, after)) = rest.split_once(piece) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

impl Selection<'_> {
    /// Why a check does not run; none where it does.
    pub fn refuses(&self, info: &CheckInfo) -> Option<String> {
        if let Checks::Some(names) = self.checks
            && !names.iter().any(|n| n.value.eq_ignore_ascii_case(&info.family) || glob(&n.value, &info.id))
        {
            return Some("the profile does not choose it".into());
        }
        let missing = std::iter::once(info.consent).chain(info.asks.iter().map(|a| a.consent));
        let missing = missing.into_iter().find(|c| *c != Consent::Safe && !self.consent.contains(c));
        missing.map(|c| format!("the profile does not consent to {}", consent_word(c)))
    }

    /// The checks that run, and those that do not.
    pub fn split(&self, checks: &[Arc<dyn Check>]) -> (Vec<Arc<dyn Check>>, Vec<LeftOut>) {
        let mut chosen = Vec::new();
        let mut left = Vec::new();
        for check in checks {
            match self.refuses(check.info()) {
                None => chosen.push(Arc::clone(check)),
                Some(reason) => left.push(LeftOut { check: check.info().id.clone(), reason }),
            }
        }
        (chosen, left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_know_stars_only() {
        for (pattern, text, want) in [
            ("SSH-*", "ssh-03", true),
            ("*", "", true),
            ("*-03", "SSH-03", true),
            ("S*-*3", "SSH-03", true),
            ("SSH-03", "SSH-03", true),
            ("SSH-0", "SSH-03", false),
            ("SSH-?3", "SSH-03", false),
            ("*4", "SSH-03", false),
        ] {
            assert_eq!(glob(pattern, text), want, "{pattern} {text}");
        }
    }
}
