//! Codes about job files.

use super::CodeDoc;

const fn doc(code: &'static str, title: &'static str, explanation: &'static str) -> CodeDoc {
    CodeDoc { code, title, explanation }
}

pub(super) const CODES: &[CodeDoc] = &[
    doc(
        "P0201",
        "there is no such block",
        "Blocks at the top of a file are workspace, connector, tag, profile, scan, channel, policy, report, test.",
    ),
    doc(
        "P0202",
        "there is no such key",
        "The nearest name is offered. A typo that were ignored could select every asset, or none, without a word.",
    ),
    doc(
        "P0203",
        "a block lacks a name, or has one too many",
        "All blocks but workspace, targets, schedule and notify have a name in double quotes.",
    ),
    doc(
        "P0204",
        "a name is defined twice",
        "All `*.pal` files of a workspace are one program; names are unique per kind.",
    ),
    doc("P0205", "a name leads nowhere", "The block it names is not in this workspace."),
    doc("P0206", "a key is given twice", "Only one of the two can hold; keep one."),
    doc("P0207", "a key is missing", "The block means nothing without it."),
    doc("P0208", "a value of another type", "The message says what the key takes."),
    doc("P0209", "a word that the key does not know", "The key takes one of a few words."),
    doc("P0210", "a value out of range or of the wrong shape", "The message and its help say what is allowed."),
    doc(
        "P0211",
        "a key that does not go with this provider",
        "Some keys belong to one provider; on another they would have no effect.",
    ),
    doc(
        "P0212",
        "there is no such region",
        "AWS regions are named by code (us-east-1) or by display name (US East (N. Virginia)).",
    ),
    doc(
        "P0213",
        "a secret must be a reference",
        "Job files are kept under version control, so they never hold a secret: write env(\"NAME\"), file(\"path\") or command(\"program\").",
    ),
    doc("P0214", "exactly one is needed", "Two settings exclude each other, or none of several was given."),
    doc(
        "P0215",
        "tags refer to each other",
        "A chained tag is evaluated after the tags it asks for; in a loop there is no such order.",
    ),
    doc(
        "P0216",
        "authentication is on",
        "Perimeter scans usually look from outside, as anybody would. It is allowed, and said.",
    ),
    doc(
        "P0217",
        "the provider contradicts the connector",
        "Provider and service follow from the connector and can never change.",
    ),
    doc(
        "P0218",
        "a feature is off",
        "Cloud perimeter scans need cloud_perimeter, ec2_scanning and scan_by_hostname; Azure scans azure_perimeter too; internal scanners must be allowed by the workspace.",
    ),
    doc(
        "P0219",
        "platform, regions and VPCs do not go together",
        "ec2_classic and vpc_all take regions; vpc_selected takes VPC ids.",
    ),
    doc("P0220", "an empty list of tags", "An empty include is no filter, an empty exclude excludes nothing."),
    doc("P0221", "there is no such time zone", "Zones are IANA names such as Europe/Berlin."),
    doc(
        "P0222",
        "bounds of a run contradict each other",
        "pause_after and resume_in both count from the start; a run is paused or cancelled, not both.",
    ),
    doc(
        "P0223",
        "not a recurrence",
        "1 to 365 day, 1 to 52 week on days, 1 to 12 month on a day or on an nth weekday.",
    ),
    doc("P0224", "not a blackout window", "Write \"Mon-Fri 09:00-17:00\"; several windows stand in a list."),
    doc("P0225", "a statement of another shape", "The help shows how the statement is written."),
];
