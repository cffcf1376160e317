//! Codes about scripts.

use super::CodeDoc;

const fn doc(code: &'static str, title: &'static str, explanation: &'static str) -> CodeDoc {
    CodeDoc { code, title, explanation }
}

pub(super) const CODES: &[CodeDoc] = &[
    doc(
        "P0601",
        "a script's header is incomplete",
        "Scripts open with comment lines `// name: …`, `// description: …`, `// stage: hook`, `// author: …`.",
    ),
    doc("P0602", "there is no such stage", "A script is a hook or a check."),
    doc(
        "P0603",
        "a script does not compile",
        "The message is the script engine's own. Scripts have no `eval`, no imports, no clock, no files and no network; variables must be declared.",
    ),
    doc(
        "P0604",
        "a script has no function of its stage",
        "A hook has `fn filter(asset)`, `fn order(asset)`, `fn rate(asset)` or `fn annotate(asset)`.",
    ),
];
