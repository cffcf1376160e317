//! Codes about plans.

use super::CodeDoc;

const fn doc(code: &'static str, title: &'static str, explanation: &'static str) -> CodeDoc {
    CodeDoc { code, title, explanation }
}

pub(super) const CODES: &[CodeDoc] = &[
    doc(
        "P0401",
        "the inventory holds several clouds",
        "A file connector may hold assets of more than one provider; a scan is of one. Write provider = aws, azure or gcp in the scan.",
    ),
    doc(
        "P0402",
        "the inventory is too old",
        "The scan sets max_inventory_age, and the inventory is older. Addresses move between owners within minutes; record or sync the inventory again.",
    ),
    doc(
        "P0403",
        "parts of the inventory were not read",
        "The scan says on_gap = fail. Unread is not absent: assets may be missing without anybody noticing. Mend the connector, or write on_gap = warn.",
    ),
    doc(
        "P0404",
        "the hook failed",
        "The scan says on_hook_error = fail. With on_hook_error = exclude a failing hook takes its asset out of the plan, with that reason.",
    ),
    doc(
        "P0405",
        "too many targets",
        "The plan would exceed the limit on targets. Narrow the scan by regions, tags or `where`.",
    ),
    doc(
        "P0406",
        "a switch is off",
        "Perimeter scans need the features cloud_perimeter, ec2_scanning and scan_by_hostname, Azure scans azure_perimeter too; internal scanners need internal_scanners = true.",
    ),
    doc("P0407", "planning was interrupted", "Planning sends nothing but DNS questions; start it again."),
    doc(
        "P0408",
        "the plan does not add up",
        "Identified, qualified, submitted and targets must differ exactly by the removals listed. This is a fault of palisade; please report it.",
    ),
];
