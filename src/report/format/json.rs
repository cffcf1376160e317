//! JSON, schema `palisade/report/1`.

use super::{Options, RenderError};
use crate::report::document::Report;

pub(super) fn render(report: &Report, _: &Options) -> Result<Vec<u8>, RenderError> {
    let mut bytes =
        serde_json::to_vec_pretty(report).map_err(|e| RenderError { format: "json", why: e.to_string() })?;
    bytes.push(b'\n');
    Ok(bytes)
}
