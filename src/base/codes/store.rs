//! Codes about the store.

use super::CodeDoc;

pub(super) const CODES: &[CodeDoc] = &[];
