//! Codes about syntax.

use super::CodeDoc;

pub(super) const CODES: &[CodeDoc] = &[];
