//! Codes about reading recorded provider answers, `P0350` to `P0399`.

use super::CodeDoc;

const fn row(code: &'static str, title: &'static str, explanation: &'static str) -> CodeDoc {
    CodeDoc { code, title, explanation }
}

pub(super) const CODES: &[CodeDoc] = &[
    row(
        "P0350",
        "a file holds no known inventory",
        "The file is JSON, but none of its records is of a kind that is read. The message lists what is accepted; files are known by \
         their content, so a name does not help. A job over this inventory has a gap where the file's records would be.\n\n\
         Record one with: aws ec2 describe-instances --region us-east-1 > aws.json",
    ),
    row(
        "P0351",
        "an empty file or list",
        "An empty file is usually a recording that failed: it is a gap. An empty list `[]` does not say what there is none of; say it \
         with an envelope: {\"schema\": \"palisade/recording/1\", \"account\": \"…\", \"region\": \"…\", \"kind\": \"addresses\", \"body\": []}",
    ),
    row(
        "P0352",
        "a file is truncated",
        "The file ends inside a value. Records before that point were kept; the partitions they belong to count as partly read, so \
         questions about what may be missing are answered with `cannot tell`. Record the file again.",
    ),
    row(
        "P0353",
        "a file is not JSON",
        "Something else than JSON stands at the byte that the message names. Records before it were kept. Tables and YAML are not read: \
         ask the tool for JSON (`--output json`, `--format json`).",
    ),
    row(
        "P0354",
        "a record was dropped",
        "One record does not have the form that its kind has, such as text where a list should be. Only this record is dropped, and its \
         partition counts as partly read.",
    ),
    row(
        "P0355",
        "a value was left out",
        "A value is malformed, such as an address `10-0-0-157` or a date that is none. The rest of the record is used.",
    ),
    row(
        "P0356",
        "a limit was reached",
        "The record has more tags, interfaces, addresses or longer text than is read. What is within the limits is used.",
    ),
    row(
        "P0357",
        "a next page is missing",
        "A page carries a token or link for another page, and no page that follows it was recorded. The partition counts as partly read. \
         Let the tool follow pages (aws and gcloud do; for Azure REST follow `nextLink`) and give all of them to the connector.",
    ),
    row(
        "P0358",
        "the provider refused or warned",
        "The recording says that a part could not be read: a refused region, an unreachable zone. That part is a gap: what is in it is \
         unknown, not absent.",
    ),
    row(
        "P0359",
        "an envelope was not understood",
        "A `palisade/recording/1` envelope has `schema`, then any of `account`, `region`, `kind`, `taken_at`, `state`, `cause` and `denied`, \
         then `body` last. `denied` is a list of {\"account\", \"region\", \"kind\", \"cause\"}. `state` says how the reading of the body \
         went: complete, partial, denied, throttled, not-asked; it needs a `kind`.",
    ),
    row(
        "P0360",
        "an overlay entry was not used",
        "A `palisade/overlay/1` document sets facts that no provider delivers, under `assets`, by asset id or unique name: \
         {\"schema\": \"palisade/overlay/1\", \"assets\": {\"i-0abc\": {\"activatedForModules\": [\"PC\"]}}}. Tokens that providers \
         deliver cannot be set.",
    ),
    row(
        "P0361",
        "a file cannot be read",
        "The system or the unpacker failed; the message has its words. The file's records are a gap.",
    ),
    row(
        "P0362",
        "a join has one side only",
        "A record refers to another one that was not recorded, such as an interface of an instance that is not in the inventory. Record \
         both at the same time.",
    ),
    row(
        "P0363",
        "an asset is recorded twice",
        "Two records have the same resource id. The first one is used. Overlapping pages and files do this; with other values, the \
         recordings are of different times.",
    ),
    row(
        "P0364",
        "records outside the connector's regions",
        "The connector's `regions` leaves these records out. Write `regions = all` to have them.",
    ),
    row(
        "P0365",
        "a file is too long",
        "Unpacked, the file is longer than is read. Split it by account or region; several files are one inventory.",
    ),
    row(
        "P0366",
        "an unknown state",
        "The provider reports a state that is not in the vocabulary. It counts as UNSUPPORTED, which is neither running nor terminated.",
    ),
    row(
        "P0367",
        "records of other types",
        "The file also holds resources that are no inventory, such as disks. They were passed over.",
    ),
    row(
        "P0368",
        "more notices",
        "Only the first notices about a file are shown; the rest is counted. Mend the first ones and read again.",
    ),
];
