//! What makes a run end with exit code 1. interfaces.md.

use crate::report::model::Results;

/// One condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailOn {
    /// A policy or a control is violated: the default.
    Policy,
    /// Nothing.
    None,
    /// A confirmed or potential finding of at least this severity.
    Severity(u8),
    /// A confirmed or potential finding that earlier runs did not have.
    New,
}

/// `policy`, `none`, `new`, or a severity from 1 to 5.
pub fn parse(text: &str) -> Result<FailOn, String> {
    match text.trim() {
        "policy" => Ok(FailOn::Policy),
        "none" => Ok(FailOn::None),
        "new" => Ok(FailOn::New),
        number => match number.trim_start_matches("severity").trim_start_matches([' ', '>', '=']).parse() {
            Ok(n @ 1..=5) => Ok(FailOn::Severity(n)),
            _ => Err("write policy, new, none, or a severity from 1 to 5".into()),
        },
    }
}

/// Why the run fails; none where it does not.
pub fn violated(conditions: &[FailOn], results: &Results) -> Option<String> {
    let judgement = results.judgement.as_ref()?;
    let findings = || {
        let hosts = results.hosts.iter().flat_map(|h| &h.findings);
        hosts.chain(&judgement.other_findings).filter(|f| f.kind != "information")
    };
    conditions.iter().find_map(|condition| {
        let (n, what) = match condition {
            FailOn::None => return None,
            FailOn::Policy => {
                let policies = judgement.policies.iter().map(|p| &p.counts);
                let counts = policies.chain(judgement.controls.iter().map(|c| &c.counts));
                let fails: u64 = counts.filter_map(|c| c.get("fail")).sum();
                (fails, "policy violations".to_owned())
            }
            FailOn::Severity(least) => {
                let n = findings().filter(|f| f.severity >= *least).count() as u64;
                (n, format!("findings of severity {least} or more"))
            }
            FailOn::New => (
                findings().filter(|f| f.state == "new" || f.state == "reopened").count() as u64,
                "new findings".to_owned(),
            ),
        };
        (n > 0).then(|| format!("{n} {what}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read() {
        assert_eq!(parse("policy"), Ok(FailOn::Policy));
        assert_eq!(parse("4"), Ok(FailOn::Severity(4)));
        assert_eq!(parse("severity>=5"), Ok(FailOn::Severity(5)));
        assert!(parse("6").is_err() && parse("all").is_err() && parse("").is_err());
    }
}
