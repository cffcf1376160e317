//! Codes about queries.

use super::CodeDoc;

pub(super) const CODES: &[CodeDoc] = &[];
