//! Codes about command line and configuration.

use super::CodeDoc;

pub(super) const CODES: &[CodeDoc] = &[];
