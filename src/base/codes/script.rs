//! Codes about scripts.

use super::CodeDoc;

pub(super) const CODES: &[CodeDoc] = &[];
