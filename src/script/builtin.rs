//! The checks in rhai that come with the program. One line a script; the folder and this table are compared by a test.

use std::sync::Arc;

use super::check::CheckHost;
use crate::base::diagnostic::Diagnostic;
use crate::base::source::{FileId, SourceMap};
use crate::judge::check::Check;

macro_rules! scripts {
    ($($name:literal)*) => {
        /// (file name, text) of each.
        pub const BUILTIN: &[(&str, &str)] =
            &[$((concat!($name, ".rhai"), include_str!(concat!("../../scripts/checks/", $name, ".rhai")))),*];
    };
}

scripts! {
    "SSH-02"
    "TLS-11"
    "WEB-05"
}

/// What loading brought: checks, and what is wrong with the others, in texts of its own.
#[derive(Default)]
pub struct Loaded {
    /// Checks without errors.
    pub checks: Vec<Arc<dyn Check>>,
    /// The scripts' texts.
    pub sources: SourceMap,
    /// Errors.
    pub diagnostics: Vec<Diagnostic>,
}

/// All checks that come with the program.
pub fn builtin(host: &CheckHost) -> Loaded {
    let mut loaded = Loaded::default();
    for (name, text) in BUILTIN {
        loaded.add(host, name, text);
    }
    loaded
}

impl Loaded {
    /// Compiles one more script. Its text is kept only where something is wrong with it.
    pub fn add(&mut self, host: &CheckHost, name: &str, text: &str) {
        let file = FileId(self.sources.files().count() as u32);
        match host.load(text, name, file) {
            Ok(check) => self.checks.push(Arc::new(check)),
            Err(found) => {
                self.sources.add(name, text);
                self.diagnostics.extend(found);
            }
        }
    }
}
