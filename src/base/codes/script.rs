//! Codes about scripts.

use super::CodeDoc;

const fn doc(code: &'static str, title: &'static str, explanation: &'static str) -> CodeDoc {
    CodeDoc { code, title, explanation }
}

pub(super) const CODES: &[CodeDoc] = &[
    doc(
        "P0601",
        "a script's header lacks a field",
        "Every script opens with comment lines that say who answers for it:\n\n// name: owner\n// description: keeps assets that somebody \
         answers for\n// stage: hook\n// author: Example GmbH",
    ),
    doc("P0602", "not a stage for this script", "A script that a scan names as its filter has the stage hook."),
    doc(
        "P0603",
        "a script is too long",
        "A script may have 1 MiB. Data belongs into the inventory's tags, not into scripts.",
    ),
    doc(
        "P0604",
        "a script has no hook function",
        "A hook has at least one of: fn filter(asset) that returns true or false, fn order(asset) that returns a whole number, lower \
         first, fn rate(asset) that returns packets a second, fn annotate(asset) that returns a map.",
    ),
    doc(
        "P0605",
        "a hook function takes other arguments",
        "The functions filter, order, rate and annotate take one argument, the asset. Give other functions other names.",
    ),
    doc(
        "P0606",
        "a script does not compile",
        "The place is where rhai stops. There is no eval, no import, no clock, no file and no network in a hook; variables are \
         declared with let, constants stand inside of functions.",
    ),
];
