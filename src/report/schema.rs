//! JSON Schemas of the machine-readable outputs (JSON Schema 2020-12), kept by hand beside the records they describe.

/// (kind, schema) of each output.
const SCHEMAS: &[(&str, &str)] = &[
    ("check", include_str!("schema/check.json")),
    ("counts", include_str!("schema/counts.json")),
    ("diff", include_str!("schema/diff.json")),
    ("findings", include_str!("schema/findings.json")),
    ("permissions", include_str!("schema/permissions.json")),
    ("plan", include_str!("schema/plan.json")),
    ("query", include_str!("schema/query.json")),
    ("report", include_str!("schema/report.json")),
    ("results", include_str!("schema/results.json")),
    ("sync", include_str!("schema/sync.json")),
    ("test", include_str!("schema/test.json")),
    ("tokens", include_str!("schema/tokens.json")),
    ("why", include_str!("schema/why.json")),
];

/// The kinds there are.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    SCHEMAS.iter().map(|(kind, _)| *kind)
}

/// The schema of a kind, `results` or `palisade/results/1`.
pub fn schema(kind: &str) -> Option<&'static str> {
    let short = kind.strip_prefix("palisade/").unwrap_or(kind);
    let short = short.strip_suffix("/1").unwrap_or(short);
    SCHEMAS.iter().find(|(k, _)| *k == short).map(|(_, text)| *text)
}
