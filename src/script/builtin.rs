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
    "CL-03"
    "CL-07"
    "CL-09"
    "CL-10"
    "CL-11"
    "CL-12"
    "DB-10"
    "DB-17"
    "DB-18"
    "DV-01"
    "DV-03"
    "FTP-03"
    "FTP-04"
    "KRB-01"
    "MQ-05"
    "PRN-01"
    "RDP-03"
    "RDP-04"
    "RPC-01"
    "SMB-04"
    "SMB-05"
    "SMT-03"
    "SMT-05"
    "SMT-06"
    "SSH-02"
    "SSH-04"
    "SSH-05"
    "SSH-06"
    "SSH-08"
    "SSH-09"
    "SSH-10"
    "SSH-11"
    "TLS-04"
    "TLS-05"
    "TLS-06"
    "TLS-07"
    "TLS-09"
    "TLS-11"
    "TLS-14"
    "TLS-15"
    "TLS-16"
    "TLS-17"
    "TLS-18"
    "TLS-19"
    "TLS-20"
    "UD-11"
    "WEB-01"
    "WEB-02"
    "WEB-05"
    "WEB-06"
    "WEB-07"
    "WEB-08"
    "WEB-09"
    "WEB-10"
    "WEB-11"
    "WEB-12"
    "WEB-13"
    "WEB-14"
    "WEB-15"
    "WEB-18"
    "WEB-19"
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
