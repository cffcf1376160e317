//! Codes about scans.

use super::CodeDoc;

pub(super) const CODES: &[CodeDoc] = &[];
