//! Codes about job files.

use super::CodeDoc;

pub(super) const CODES: &[CodeDoc] = &[];
