//! The formats of a report: one file each, one row each. A format renders what the report says and computes nothing.

mod asset_xml;
mod csv;
mod html;
mod json;
mod junit;
mod nmap_xml;
mod pdf;
mod sarif;
mod scan_xml;
mod text;
mod xml;

use super::document::Report;

/// Why a report cannot be rendered: our bug, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the report cannot be rendered as {format}: {why}")]
pub struct RenderError {
    /// Format name.
    pub format: &'static str,
    /// What went wrong.
    pub why: String,
}

/// One format.
pub struct Format {
    /// The word typed and written in templates: `nmap-xml`; `_` is taken for `-`.
    pub name: &'static str,
    /// Ending of files.
    pub ending: &'static str,
    /// One line about it.
    pub doc: &'static str,
    /// Makes the bytes.
    pub render: fn(&Report, &Options) -> Result<Vec<u8>, RenderError>,
}

/// What some formats can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Findings at or over this severity count as failures (JUnit).
    pub fail_on: Option<u8>,
}

/// All formats.
pub const FORMATS: &[Format] = &[
    Format { name: "text", ending: "txt", doc: "the results view and scan report as text", render: text::render },
    Format {
        name: "html",
        ending: "html",
        doc: "one page without a network, for screens, phones and paper",
        render: html::render,
    },
    Format { name: "json", ending: "json", doc: "the whole report; schema palisade/report/1", render: json::render },
    Format { name: "csv", ending: "csv", doc: "one row a finding, for tables", render: csv::render },
    Format { name: "xml", ending: "xml", doc: "the guide's SCAN document", render: scan_xml::render },
    Format {
        name: "asset-xml",
        ending: "xml",
        doc: "the guide's ASSET_DATA_REPORT document",
        render: asset_xml::render,
    },
    Format {
        name: "sarif",
        ending: "sarif",
        doc: "SARIF 2.1.0, at the line of the job or policy",
        render: sarif::render,
    },
    Format { name: "junit", ending: "xml", doc: "JUnit XML, one case a rule and asset", render: junit::render },
    Format { name: "nmap-xml", ending: "xml", doc: "nmap's XML, for tools that read it", render: nmap_xml::render },
    Format { name: "pdf", ending: "pdf", doc: "A4 pages", render: pdf::render },
];

/// A format by its name.
pub fn by_name(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|f| f.name == name.replace('_', "-"))
}
