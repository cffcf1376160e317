//! Codes about queries.

use super::CodeDoc;

const fn doc(code: &'static str, title: &'static str, explanation: &'static str) -> CodeDoc {
    CodeDoc { code, title, explanation }
}

pub(super) const CODES: &[CodeDoc] = &[
    doc(
        "P0101",
        "there is no such token",
        "`palisade tokens` lists all tokens. The nearest names, at most two letters away, are offered; a farther guess would mislead.",
    ),
    doc(
        "P0102",
        "another spelling of a token",
        "The spelling is accepted; the formatter and the fix write the canonical one.",
    ),
    doc(
        "P0103",
        "not a value of this token",
        "The token has a closed list of values, printed by `palisade tokens NAME`. A value outside it could never match.",
    ),
    doc(
        "P0104",
        "another spelling of a value",
        "Provider spellings such as `PowerState/running` and `EC2` are accepted; the canonical value is the one to write.",
    ),
    doc("P0105", "a whole number is needed", "The token holds numbers: write `openPorts.port: 443`."),
    doc(
        "P0106",
        "a date is needed",
        "Write a UTC day (2026-01-31), an instant in quotes (\"2026-01-31T12:00:00Z\"), or a moment such as now-7d or now/d.",
    ),
    doc("P0107", "true or false is needed", "The token is a truth value."),
    doc(
        "P0108",
        "an address is needed",
        "Write an address, a network such as 10.0.0.0/8, an octet prefix such as 10.0.1. or 10.0.1.*, or a range [a .. b]. IPv6 stands in quotes because of its colons.",
    ),
    doc(
        "P0109",
        "an empty range",
        "No value can lie in it: the lower end comes first, round brackets leave the ends out, and both ends are of one address family.",
    ),
    doc(
        "P0110",
        "an operator this token does not take",
        "Ranges and comparisons need an order, so numbers, dates and addresses; lists are not taken by dates and truth values.",
    ),
    doc("P0113", "there is no such tag", "`tags.name` is answered from the workspace's own tag blocks."),
    doc(
        "P0114",
        "there is no such named query",
        "`@NAME` stands for a query defined by `let NAME = QUERY` in any file of the workspace.",
    ),
    doc(
        "P0115",
        "names refer to each other without end",
        "Expanding the names would never end, or would grow beyond 10,000 terms. The message shows the loop.",
    ),
    doc(
        "P0116",
        "a value without a token",
        "Free text searches every text of an asset and cannot be checked, so it is taken only in ad-hoc queries and in the REPL. In files write `token: value`.",
    ),
    doc(
        "P0117",
        "not a group",
        "`token: (a: x and b: y)` asks for one element that passes both tests; it needs a token with parts, such as `aws.tags`, and inside only tests of those parts.",
    ),
    doc(
        "P0118",
        "and and or at one level",
        "`and` binds tighter than `or`. Parentheses say so to the next reader; `palisade fmt` adds them.",
    ),
    doc(
        "P0119",
        "an unguarded not",
        "`not aws.ec2.instanceState: RUNNING` also holds for every Azure and GCP asset, because they have no such value. Name the provider if that is not meant.",
    ),
    doc(
        "P0120",
        "a flat pair of key and value",
        "Flat tests may be met by different elements: an asset tagged env=dev and tier=prod passes `aws.tags.key: env and aws.tags.value: prod`. Ask for one element: `aws.tags: (key: env and value: prod)`.",
    ),
    doc("P0121", "a wildcard on a closed list", "The token has a short list of values; naming them is clearer."),
    doc(
        "P0122",
        "the last word is taken as a prefix",
        "In quoted text the last word may be cut short, so \"Windows 1\" also matches Windows 10.",
    ),
    doc("P0123", "bits below the prefix", "10.1.2.3/8 means 10.0.0.0/8."),
    doc("P0124", "not in the strict dialect", "`--dialect strict` takes only syntax attested for AssetView."),
    doc("P0125", "not portable", "This form cannot be pasted back into AssetView."),
    doc("P0126", "m is minutes", "In moments such as now-1m the unit `m` is minutes; months are `M`."),
    doc(
        "P0127",
        "tests that exclude each other",
        "The token has one value an asset, so no asset passes both tests. Perhaps `or`, or a list `[a, b]`, is meant.",
    ),
    doc(
        "P0128",
        "a token of another provider",
        "The query is limited to one provider, whose assets never have a value for this token.",
    ),
];
