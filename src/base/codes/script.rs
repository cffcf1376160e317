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
    doc(
        "P0607",
        "a check's header says something else than it may",
        "The header of a check has id, title, severity (1 to 5), kind (confirmed, potential, information), family, threat, impact, \
         solution, stage: check and author; control too where it is confirmed. It may have consent (safe, auth, odd, ics), scope \
         (service, host), services, references and asks.",
    ),
    doc(
        "P0608",
        "a check script lacks its function",
        "A check has fn check(service, evidence), or fn check(host, evidence) where its scope is host. It may have fn applies(service) \
         that returns true or false; without it the header's services decide.",
    ),
    doc(
        "P0609",
        "two checks have one id",
        "An id names one check for ever: findings, waivers and reports refer to it. Give your own checks ids of your own, such as \
         ACME-01.",
    ),
];
