//! What a check asks of its subject: the service it is about, and facts by path. What is missing ends the check with
//! `not tested` and the reason, so that no check can take silence for a pass.

use jiff::Timestamp;

use super::{Subject, Verdict};
use crate::service::evidence::{Fact, Facts, HostEvidence, ServiceEvidence, cut};

/// A check's answer, or the verdict that ended it early.
pub type Answer = Result<Verdict, Verdict>;

/// Which of these words are in the list, in the list's order. Case is ignored.
pub fn among(list: &[String], words: &[&str]) -> Vec<String> {
    list.iter().filter(|item| words.iter().any(|w| w.eq_ignore_ascii_case(item))).cloned().collect()
}

impl<'a> Subject<'a> {
    /// The host; not applicable where there is none.
    pub fn on_host(&self) -> Result<&'a HostEvidence, Verdict> {
        self.host.ok_or(Verdict::NotApplicable)
    }

    /// The service; not applicable where there is none.
    pub fn on_service(&self) -> Result<&'a ServiceEvidence, Verdict> {
        self.service.ok_or(Verdict::NotApplicable)
    }

    /// The service, where it was recognised as one of these. A port number is not asked. What speaks through HTTP, such as
    /// a data store, is `http` as well.
    pub fn speaks(&self, names: &[&str]) -> Result<&'a ServiceEvidence, Verdict> {
        let service = self.on_service()?;
        let known = service.service.as_ref().is_some_and(|s| names.contains(&&*s.name));
        let inner = names.contains(&"http") && service.facts.get("http.status").is_some();
        if known || inner { Ok(service) } else { Err(Verdict::NotApplicable) }
    }

    /// The service, where it spoke TLS, at once or after STARTTLS.
    pub fn speaks_tls(&self) -> Result<&'a ServiceEvidence, Verdict> {
        let service = self.on_service()?;
        let tls = service.service.as_ref().is_some_and(|s| s.tls || &*s.name == "tls");
        if tls || service.facts.any_under("tls.") { Ok(service) } else { Err(Verdict::NotApplicable) }
    }

    /// The service, where it was recognised as one of these and is not inside TLS.
    pub fn speaks_clear(&self, names: &[&str]) -> Result<&'a ServiceEvidence, Verdict> {
        let service = self.speaks(names)?;
        let tls = service.service.as_ref().is_some_and(|s| s.tls);
        if tls { Err(Verdict::NotApplicable) } else { Ok(service) }
    }

    /// What the service was recognised as and by what, with the version where it named one.
    pub fn known_by(&self) -> Result<String, Verdict> {
        let known = self.on_service()?.service.as_ref().ok_or(Verdict::NotApplicable)?;
        let facts = self.facts()?;
        let version = known.version.as_deref().or_else(|| facts.text(&format!("{}.version", known.name)));
        let named = [known.product.as_deref(), version].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let named = if named.is_empty() { named } else { format!(", {named}") };
        Ok(format!("{}, known by {}{named}", known.name, known.how))
    }

    /// Found where the service was recognised as one of these: that it can be reached is the finding.
    pub fn reached(&self, names: &[&str]) -> Answer {
        self.speaks(names)?;
        Ok(Verdict::found(self.known_by()?))
    }

    /// Found where the service does for strangers what needs a login elsewhere: `<name>.auth_required` is false.
    pub fn lets_in(&self, name: &str) -> Answer {
        self.speaks(&[name])?;
        let required = self.bool(&format!("{name}.auth_required"))?;
        let known = self.known_by()?;
        Ok(Verdict::when(!required, || format!("{known}; no login was asked for")))
    }

    /// Our question and its answer in bytes, as an end of evidence; empty where they were not counted.
    pub fn ratio(&self) -> Result<String, Verdict> {
        let facts = self.facts()?;
        let pair = facts.int("udp.reply_bytes").zip(facts.int("udp.request_bytes"));
        Ok(pair.map(|(back, sent)| format!("; {back} bytes in answer to {sent}")).unwrap_or_default())
    }

    /// The facts that the check is about: the service's, else the host's.
    fn facts(&self) -> Result<&'a Facts, Verdict> {
        match (self.service, self.host) {
            (Some(service), _) => Ok(&service.facts),
            (None, Some(host)) => Ok(&host.facts),
            (None, None) => Err(Verdict::NotApplicable),
        }
    }

    /// The verdict for a fact that was not learned.
    pub fn not_learned(&self, path: &str) -> Verdict {
        let topic = |text: &str| text.split(['.', ':', ' ']).next().unwrap_or("").to_owned();
        let wanted = topic(path);
        if let (None, Some(why)) = (self.service, self.host.and_then(|h| h.facts.list("untested"))) {
            let because =
                why.iter().filter_map(|w| w.split_once(": ")).find(|(what, _)| *what == path || *what == wanted);
            if let Some((_, why)) = because {
                return Verdict::NotTested(format!("`{path}` was not learned ({why})"));
            }
        }
        let untested = self.service.map(|s| s.untested.as_slice()).unwrap_or_default();
        let because = untested.iter().find(|(what, _)| what == path);
        let because = because.or_else(|| untested.iter().find(|(what, _)| topic(what) == wanted));
        Verdict::NotTested(match because {
            Some((what, why)) => format!("`{path}` was not learned ({what}: {why})"),
            None => format!("`{path}` was not learned"),
        })
    }

    /// Ends the check where lists under this topic may be longer than what was learned: for checks that found nothing in
    /// them, so that a dialogue that broke off is no pass.
    pub fn whole(&self, topic: &str) -> Result<(), Verdict> {
        cut(&self.on_service()?.untested, topic).map_or(Ok(()), |why| Err(Verdict::NotTested(why)))
    }

    fn fact<T>(&self, path: &str, read: impl FnOnce(&'a Fact) -> Option<T>) -> Result<T, Verdict> {
        let Some(fact) = self.facts()?.get(path) else { return Err(self.not_learned(path)) };
        read(fact).ok_or_else(|| Verdict::Failed(format!("`{path}` has another type than this check reads")))
    }

    /// A yes-or-no fact.
    pub fn bool(&self, path: &str) -> Result<bool, Verdict> {
        self.fact(path, |f| if let Fact::Bool(v) = f { Some(*v) } else { None })
    }

    /// A number.
    pub fn int(&self, path: &str) -> Result<i64, Verdict> {
        self.fact(path, |f| if let Fact::Int(v) = f { Some(*v) } else { None })
    }

    /// A text.
    pub fn text(&self, path: &str) -> Result<&'a str, Verdict> {
        self.fact(path, |f| if let Fact::Text(v) = f { Some(v.as_str()) } else { None })
    }

    /// A moment.
    pub fn date(&self, path: &str) -> Result<Timestamp, Verdict> {
        self.fact(path, |f| if let Fact::Date(v) = f { Some(*v) } else { None })
    }

    /// Several texts.
    pub fn list(&self, path: &str) -> Result<&'a [String], Verdict> {
        self.fact(path, |f| if let Fact::List(v) = f { Some(v.as_slice()) } else { None })
    }
}
