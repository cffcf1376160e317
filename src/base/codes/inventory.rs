//! Codes about inventories and connectors.

use super::CodeDoc;

pub(super) const CODES: &[CodeDoc] = &[];
