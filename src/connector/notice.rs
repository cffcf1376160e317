//! What a reading of recorded answers has to say: one notice a problem, with the file and the record it stands in.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::base::diagnostic::Severity;

/// One problem of a recorded inventory. None of them stops the reading; each that costs data also leaves a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How bad it is: an error cost data.
    pub severity: Severity,
    /// `P0350` to `P0399`.
    pub code: &'static str,
    /// The file's name as the caller gave it; empty for facts about all files together.
    pub file: Arc<str>,
    /// The record, `Reservations[3].Instances[0]`; empty for facts about a whole file.
    pub path: String,
    /// One line: lower-case start, no final period, data in backticks.
    pub text: String,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.severity.as_str(), self.code)?;
        for part in [&*self.file, &self.path] {
            if !part.is_empty() {
                write!(f, " {part}")?;
            }
        }
        write!(f, ": {}", self.text)
    }
}

/// Where a record stands; written out only for a notice.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site<'a> {
    pub(super) file: &'a Arc<str>,
    /// `document 2: Reservations`.
    pub(super) container: &'a str,
    pub(super) index: Option<u64>,
    /// `.Instances[0]`.
    pub(super) inner: Option<(&'static str, u64)>,
}

impl<'a> Site<'a> {
    /// A whole file.
    pub(super) fn file(file: &'a Arc<str>) -> Self {
        Self { file, container: "", index: None, inner: None }
    }

    /// The record's path.
    pub(super) fn path(&self) -> String {
        let mut path = self.container.to_owned();
        if let Some(n) = self.index {
            path.push_str(&format!("[{n}]"));
        }
        if let Some((key, n)) = self.inner {
            path.push_str(&format!(".{key}[{n}]"));
        }
        path
    }
}

/// The notices of one reading, as many as are worth showing; the rest is counted by file. The parts of a file may come
/// between those of others, as the pages of several partitions do.
#[derive(Debug)]
pub(super) struct Notices {
    kept: Vec<Notice>,
    limit: usize,
    /// How many there were of each file.
    counts: BTreeMap<Arc<str>, usize>,
}

impl Notices {
    /// Keeps `limit` notices a file.
    pub(super) fn new(limit: usize) -> Self {
        Self { kept: Vec::new(), limit, counts: BTreeMap::new() }
    }

    /// True where there was nothing to say.
    pub(super) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Forgets what was said.
    pub(super) fn clear(&mut self) {
        self.kept.clear();
        self.counts.clear();
    }

    /// A notice about a record.
    pub(super) fn at(&mut self, severity: Severity, code: &'static str, site: Site<'_>, text: impl Into<String>) {
        let count = self.counts.entry(Arc::clone(site.file)).or_default();
        *count += 1;
        if *count <= self.limit {
            let (file, path) = (Arc::clone(site.file), site.path());
            self.kept.push(Notice { severity, code, file, path, text: text.into() });
        }
    }

    /// An error about a record: data were lost.
    pub(super) fn error(&mut self, code: &'static str, site: Site<'_>, text: impl Into<String>) {
        self.at(Severity::Error, code, site, text);
    }

    /// A warning about a record.
    pub(super) fn warning(&mut self, code: &'static str, site: Site<'_>, text: impl Into<String>) {
        self.at(Severity::Warning, code, site, text);
    }

    /// All notices, in the order of reading, and how many of each file were left out.
    pub(super) fn into_list(mut self) -> Vec<Notice> {
        for (file, count) in self.counts {
            if let Some(more) = count.checked_sub(self.limit).filter(|n| *n > 0) {
                let text = format!("{more} more notices about this file are not shown");
                self.kept.push(Notice { severity: Severity::Warning, code: "P0368", file, path: String::new(), text });
            }
        }
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_counted() {
        let file: Arc<str> = "a.json".into();
        let mut notices = Notices::new(2);
        for n in 0..5 {
            let site = Site { file: &file, container: "items", index: Some(n), inner: Some(("x", 1)) };
            notices.warning("P0354", site, "bad");
        }
        let lines: Vec<String> = notices.into_list().iter().map(Notice::to_string).collect();
        assert_eq!(
            lines,
            [
                "warning P0354 a.json items[0].x[1]: bad",
                "warning P0354 a.json items[1].x[1]: bad",
                "warning P0368 a.json: 3 more notices about this file are not shown",
            ]
        );
    }
}
