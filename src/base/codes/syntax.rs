//! Codes about syntax.

use super::CodeDoc;

const fn doc(code: &'static str, title: &'static str, explanation: &'static str) -> CodeDoc {
    CodeDoc { code, title, explanation }
}

pub(super) const CODES: &[CodeDoc] = &[
    doc(
        "P0001",
        "the file is too large",
        "A job file may have 16 MiB. Split it: all `*.pal` files below a folder are one program.",
    ),
    doc(
        "P0002",
        "there is a NUL byte",
        "Job files are plain text. A NUL byte usually means that the file is binary or UTF-16; save it as UTF-8.",
    ),
    doc(
        "P0003",
        "the file is not UTF-8",
        "Save the file as UTF-8. The message names the first byte that fits no character, and its line.",
    ),
    doc(
        "P0004",
        "nested too deeply",
        "Brackets and runs of `not` may nest 128 levels deep; this is checked before anything is parsed. Name parts of a query with `let` and use them as `@NAME`.",
    ),
    doc(
        "P0005",
        "too many terms",
        "A query may have 1,000 terms. Use a list, `token: [a, b, c]`, or split the query into several tags.",
    ),
    doc(
        "P0010",
        "a quoted text is not closed",
        "Every quote needs its partner: `\"`, `'` or a backtick. A quote inside a text is written with a backslash before it.",
    ),
    doc("P0011", "a comment is not closed", "A comment that starts with `/*` ends with `*/`."),
    doc(
        "P0012",
        "a value is missing",
        "A test compares a token with a value. The guide's own example `azure.vm.subscriptionId: and azure.vm.state: \"RUNNING\"` leaves the value out as a placeholder: write the id there, or `*` for any value.",
    ),
    doc(
        "P0013",
        "a keyword is used as a value",
        "`and or not is null in` have a meaning of their own. As a value they need quotes: `name: \"and\"`.",
    ),
    doc(
        "P0014",
        "a value of several words needs quotes",
        "Write `operatingSystem: \"Windows 7\"`. Without quotes some dialects read only the first word, others any of them; neither is safe for a list of scan targets.",
    ),
    doc(
        "P0015",
        "an operator is missing between tests",
        "Tests are joined by `and` or `or`; there is no implied operator.",
    ),
    doc("P0016", "an operator lacks an operand", "`and` and `or` stand between two tests, `not` stands before one."),
    doc("P0017", "a bracket closes nothing", "Remove the bracket, or add the one that opens it."),
    doc("P0018", "a bracket is not closed", "Each `(`, `[` and `{` needs its partner."),
    doc("P0019", "an operator of another language", "This language writes `and`, `or`, `not`, and `:` for a match."),
    doc(
        "P0020",
        "a range has two kinds of ends",
        "`[low .. high]` includes both ends, `(low .. high)` leaves both out. A mixed range is written as two comparisons: `t >= low and t < high`.",
    ),
    doc(
        "P0021",
        "something unexpected",
        "A test looks like `token: value`, `token is null`, `token > value` or `token in [a, b]`; tests are joined by `and` and `or`.",
    ),
    doc(
        "P0022",
        "typographic quotes",
        "Word processors and web pages turn straight quotes into curly ones. They are read as straight ones; the formatter replaces them.",
    ),
    doc("P0023", "the query is empty", "Write at least one test, such as `provider: AWS`."),
    doc("P0030", "a block is never closed", "A block ends with `}`. The message points at the brace that opens it."),
    doc(
        "P0031",
        "no item starts like this",
        "A job file holds blocks such as `scan \"name\" { … }` and definitions `let name = …`.",
    ),
    doc("P0032", "an attribute has no value", "An attribute is `key = value`, on one line or with `;` at its end."),
    doc(
        "P0033",
        "a value has no known shape",
        "Durations look like 1h30m, rates 100/s, sizes 10MB, percentages 99.9%, dates 2026-12-31, addresses 192.0.2.1 or 192.0.2.0/24, port ranges 8000-8100; text stands in double quotes.",
    ),
    doc("P0034", "two entries on one line", "A line end or `;` ends an attribute."),
    doc("P0035", "a name without double quotes", "The name of a block stands in double quotes: `scan \"edge\" { … }`."),
    doc(
        "P0036",
        "the formatter refused its own output",
        "Before it writes, the formatter parses its text again and compares. A difference is our bug; the file is left alone.",
    ),
];
