//! Codes about plans.

use super::CodeDoc;

pub(super) const CODES: &[CodeDoc] = &[];
