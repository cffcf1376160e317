//! Every block, its keys and what they mean: one table for the checker, completion, hover and the reference.

/// One key of a block.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it means, with an example.
    pub doc: &'static str,
    /// True where the block is nothing without it.
    pub required: bool,
    /// Words it takes.
    pub words: &'static [&'static str],
    /// Words it takes inside a list.
    pub in_list: &'static [&'static str],
    /// What its texts name: a kind of block, or `region`; empty where they are free.
    pub refers: &'static str,
}

impl Key {
    const fn words(mut self, words: &'static [&'static str]) -> Self {
        self.words = words;
        self
    }

    const fn list(mut self, words: &'static [&'static str]) -> Self {
        self.in_list = words;
        self
    }

    const fn refers(mut self, kind: &'static str) -> Self {
        self.refers = kind;
        self
    }

    /// True for keys whose value is a query.
    pub fn is_query(&self) -> bool {
        QUERY_KEYS.contains(&self.name)
    }
}

/// Keys whose value is a query, in every block that has them.
pub const QUERY_KEYS: &[&str] = &["query", "where", "scope"];

/// One kind of block.
#[derive(Debug, Clone, Copy)]
pub struct BlockSchema {
    /// Its keyword.
    pub kind: &'static str,
    /// Whether it has a name.
    pub named: bool,
    /// Its keys.
    pub keys: &'static [Key],
    /// Blocks that stand in it.
    pub blocks: &'static [&'static str],
    /// Statements that stand in it.
    pub statements: &'static [&'static str],
    /// What it is for.
    pub doc: &'static str,
}

const fn key(name: &'static str, doc: &'static str) -> Key {
    Key { name, doc, required: false, words: &[], in_list: &[], refers: "" }
}

const fn must(name: &'static str, doc: &'static str) -> Key {
    Key { name, doc, required: true, words: &[], in_list: &[], refers: "" }
}

const BOOL: &[&str] = &["true", "false"];
const MODULES: &[&str] = &["vm", "pc"];
const CLOUDS: &[&str] = &["aws", "azure", "gcp"];
const SECRET: &[&str] = &["env(", "file(", "command("];
const DAYS: &[&str] = &["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const SECTIONS: &[&str] = &[
    "host_details",
    "ec2_information",
    "azure_information",
    "metadata",
    "summary",
    "vulnerability_details",
    "threat",
    "impact",
    "solution",
    "results",
];

/// Blocks that stand at the top of a file.
pub const TOP: &[&str] = &["workspace", "connector", "tag", "profile", "scan", "channel", "policy", "report", "test"];

/// All kinds.
pub const BLOCKS: &[BlockSchema] = &[
    BlockSchema {
        kind: "workspace",
        named: false,
        keys: &[
            key("organisation", "who scans, for report headers: \"Example GmbH, 1 Main St, Berlin\""),
            key("features", "switches that are on: [cloud_perimeter, ec2_scanning, scan_by_hostname, azure_perimeter]")
                .list(&["cloud_perimeter", "ec2_scanning", "scan_by_hostname", "azure_perimeter"]),
            key("internal_scanners", "whether scans may choose internal scanners: true or false").words(BOOL),
            key("max_concurrent_scans", "scans that may run at once: 4"),
            key("security_risk", "how risk is computed: average or highest").words(&["average", "highest"]),
            key("exclude_addresses", "never sent to, whatever else says so: [203.0.113.0/28]"),
            key("resolvers", "name servers: [\"127.0.0.1:53\"]; without it the system's"),
            key("keep_snapshots", "how long inventory history is kept, by age or number: 90d, 500; default 90d"),
            key("smtp", "mail relay, by reference: env(\"SMTP_URL\")").words(SECRET),
        ],
        blocks: &[],
        statements: &[],
        doc: "settings of the whole workspace",
    },
    BlockSchema {
        kind: "connector",
        named: true,
        keys: &[
            must("provider", "what it reads: aws, azure, gcp or file").words(&["aws", "azure", "gcp", "file"]),
            key("path", "recorded answers of a file connector: \"inventory/*.json\""),
            key("role", "AWS role to assume: \"arn:aws:iam::123456789012:role/reader\""),
            key("profile", "AWS profile to use, and no other credentials: \"perimeter\""),
            key("external_id", "AWS external id, by reference: env(\"EXTERNAL_ID\")").words(SECRET),
            key("regions", "all, or codes and names: [\"us-east-1\", \"EU (Ireland)\"]")
                .words(&["all"])
                .refers("region"),
            key("activate", "modules its assets are activated for: [vm, pc]").list(MODULES),
            key("include_micro_nano", "activate the smallest instance types too: true or false").words(BOOL),
            key("sync_every", "time between syncs, 1h to 24h: 4h"),
            key("project_number", "Google project number: \"123456789012\""),
            key("endpoint", "asks this instead of the provider's public endpoints: \"https://vpce.example.com\""),
            key("tenant", "Azure directory id or domain: \"example.onmicrosoft.com\""),
            key("client_id", "Azure application, or user-assigned managed identity, by id"),
            key("client_secret", "the Azure application's secret, by reference: env(\"AZURE_SECRET\")").words(SECRET),
            key(
                "subscriptions",
                "all that the Azure identity sees, or ids: [\"11111111-2222-3333-4444-555555555555\"]",
            )
            .words(&["all"]),
            key("authority", "where Azure tokens come from: \"https://login.microsoftonline.us\""),
            key("projects", "Google projects to read, by id: [\"my-project\"]"),
            key("credentials", "a Google key or federation file, by reference: file(\"key.json\")").words(SECRET),
            key("call_budget", "share of the provider's call quotas that syncs may use: 50%"),
        ],
        blocks: &["organization"],
        statements: &[],
        doc: "where assets come from",
    },
    BlockSchema {
        kind: "organization",
        named: false,
        keys: &[
            must("read_role", "name of the role assumed in each account: \"perimeter-reader\""),
            key("list_role", "role that may list the accounts: \"arn:aws:iam::123456789012:role/lister\""),
            key("accounts", "these accounts only: [\"111122223333\"]"),
            key("units", "accounts below these units only: [\"ou-abcd-12345678\"]"),
            key("except", "accounts left out: [\"444455556666\"]"),
        ],
        blocks: &[],
        statements: &[],
        doc: "the accounts of an AWS organisation; one that cannot be read is a gap and does not stop the rest",
    },
    BlockSchema {
        kind: "tag",
        named: true,
        keys: &[
            key("query", "the assets that have it: azure.vm.state: RUNNING"),
            key("assets", "the assets that have it, by id: [\"i-0abc\"]"),
            key("provider", "limits the query to one cloud: aws, azure or gcp").words(CLOUDS),
            key("criticality", "1 to 5; default 2"),
        ],
        blocks: &[],
        statements: &[],
        doc: "a name for assets, by query or by hand",
    },
    BlockSchema {
        kind: "profile",
        named: true,
        keys: &[
            key("tcp", "TCP ports: none, light, standard, full, top(1000) or [22, 8000-8100]")
                .words(&["none", "light", "standard", "full", "top("]),
            key("udp", "UDP ports: none, light, standard or [53]")
                .words(&["none", "light", "standard", "full", "top("]),
            key("ping", "how a host is found alive: [icmp, tcp(80, 443), udp(53)]").list(&[
                "icmp",
                "icmp_timestamp",
                "tcp(",
                "tcp_ack(",
                "udp(",
            ]),
            key("dead_hosts", "hosts that answered no ping: scan or skip").words(&["scan", "skip"]),
            key("rate", "packets a second of the whole run: 10000/s, or auto").words(&["auto"]),
            key("per_host", "packets a second to one address: 100/s"),
            key("per_network", "packets a second to one /24 or /64: 1000/s"),
            key("retries", "further tries, 0 to 10: 2"),
            key("recall", "share of open ports to reach: 99.9%"),
            key("checks", "all, or families and ids: [tls, ssh, \"EX-*\"]").words(&["all"]),
            key("consent", "classes of checks: [safe, auth, odd, ics]").list(&["safe", "auth", "odd", "ics"]),
            key("max_time_per_host", "longest time on one host: 30m"),
            key("authentication", "log in to targets: true or false").words(BOOL),
        ],
        blocks: &[],
        statements: &[],
        doc: "how to scan: the guide's option profile",
    },
    BlockSchema {
        kind: "scan",
        named: true,
        keys: &[
            must("connector", "the connector whose assets are scanned: \"conn1\"").refers("connector"),
            key("provider", "aws, azure or gcp; follows from the connector").words(CLOUDS),
            key("module", "vm or pc; default vm").words(MODULES),
            key("profile", "default \"Initial Options\"").refers("profile"),
            key("priority", "1 first to 9 last, 0 none"),
            key("active", "false for a deactivated scan").words(BOOL),
            key("scanner", "external, or internal [\"appliance-1\"]").words(&["external", "internal"]),
        ],
        blocks: &["targets", "schedule", "notify"],
        statements: &[],
        doc: "a scan job",
    },
    BlockSchema {
        kind: "targets",
        named: false,
        keys: &[
            key("platform", "ec2_classic, vpc_all or vpc_selected").words(&["ec2_classic", "vpc_all", "vpc_selected"]),
            key("regions", "codes or names: [\"us-east-1\"]").refers("region"),
            key("vpc", "VPC ids, with vpc_selected: [\"vpc-1e37cd76\"]"),
            key("include", "any [\"tag\"] or all [\"tag\"]").words(&["any", "all"]).refers("tag"),
            key("exclude", "any [\"tag\"] or all [\"tag\"]").words(&["any", "all"]).refers("tag"),
            key("where", "one more query"),
            key("filter", "rhai hook that may only narrow: \"owner.rhai\""),
            key("load_balancers", "names: [\"www.example.com\"]"),
            key("load_balancers_from_connector", "take internet-facing ones from the inventory: true or false")
                .words(BOOL),
            key("exclude_addresses", "never sent to: [198.51.100.7]"),
            key("on_no_targets", "fail or skip").words(&["fail", "skip"]),
            key("max_inventory_age", "an older inventory is refreshed, or stops the scan: 4h"),
            key("lease", "how long a confirmed ownership of an address is believed, 1m to 24h: 15m"),
            key("on_gap", "what was not read: fail, warn or ignore").words(&["fail", "warn", "ignore"]),
            key("on_hook_error", "exclude or fail").words(&["exclude", "fail"]),
            key("ipv6", "scan public IPv6 addresses too: true or false").words(BOOL),
        ],
        blocks: &["canary"],
        statements: &[],
        doc: "which assets a scan takes",
    },
    BlockSchema {
        kind: "canary",
        named: false,
        keys: &[
            must("where", "which of the targets: tags.name: \"canary\""),
            must("tcp", "ports that always answer there: 443, or [80, 443]"),
        ],
        blocks: &[],
        statements: &[],
        doc: "targets that always answer: they tell a path's loss from silence",
    },
    BlockSchema {
        kind: "schedule",
        named: false,
        keys: &[
            must("start", "2026-03-30T00:00[America/Los_Angeles]"),
            key("every", "1 day, 2 week on [mon, fri], 1 month on 15, 1 month on last sunday")
                .words(&["day", "week", "month", "on", "first", "second", "third", "fourth", "fifth", "last"])
                .list(DAYS),
            key("dst", "follow or fixed").words(&["follow", "fixed"]),
            key("ends_after", "number of runs"),
            key("pause_after", "from the start: 1h1m"),
            key("resume_in", "from the start: 2h"),
            key("cancel_after", "from the start: 6h"),
            key("blackout", "\"Mon-Fri 09:00-17:00\", or a list of such"),
        ],
        blocks: &[],
        statements: &[],
        doc: "when a scan runs",
    },
    BlockSchema {
        kind: "notify",
        named: false,
        keys: &[
            key("before", "lead time of a notice before the start: 30m"),
            must("to", "channels: [\"secops\"]").refers("channel"),
            key("on", "change, finish, failure or always").words(&["change", "finish", "failure", "always"]),
        ],
        blocks: &[],
        statements: &[],
        doc: "who is told",
    },
    BlockSchema {
        kind: "channel",
        named: true,
        keys: &[
            key("webhook", "POST of JSON, by reference: env(\"HOOK_URL\")").words(SECRET),
            key("slack", "Slack webhook, by reference: env(\"SLACK_URL\")").words(SECRET),
            key("email", "addresses: [\"secops@example.com\"]"),
            key("file", "appended to this file"),
            key("command", "program and arguments: [\"logger\", \"-t\", \"palisade\"]"),
        ],
        blocks: &[],
        statements: &[],
        doc: "where notices go",
    },
    BlockSchema {
        kind: "policy",
        named: true,
        keys: &[key("scope", "the assets it applies to: tags.name: \"web\"")],
        blocks: &[],
        statements: &["expect", "deny", "otherwise", "waive"],
        doc: "expected exposure",
    },
    BlockSchema {
        kind: "report",
        named: true,
        keys: &[
            key("sort", "host, severity or port").words(&["host", "severity", "port"]),
            key("include", "sections: [host_details, ec2_information, metadata, threat, solution]").list(SECTIONS),
            key("kinds", "findings to include: [confirmed, potential, information]").list(&[
                "confirmed",
                "potential",
                "information",
            ]),
            key("format", "text, html, json, csv, xml, asset_xml, sarif, junit, nmap_xml or pdf").words(&[
                "text",
                "html",
                "json",
                "csv",
                "xml",
                "asset_xml",
                "sarif",
                "junit",
                "nmap_xml",
                "pdf",
            ]),
        ],
        blocks: &[],
        statements: &[],
        doc: "a report template",
    },
    BlockSchema {
        kind: "test",
        named: true,
        keys: &[
            must("inventory", "recorded answers: \"fixtures/two-vms.json\""),
            key("now", "the moment it plays at: 2026-01-01"),
        ],
        blocks: &[],
        statements: &["tag", "scan", "policy"],
        doc: "a unit test of tags, scans and policies",
    },
];

/// The schema of a kind.
pub fn of(kind: &str) -> Option<&'static BlockSchema> {
    BLOCKS.iter().find(|b| b.kind == kind)
}

/// What the words of a statement are: its verb, what it is for, the words that may follow, what its texts name, and
/// the keys of its body.
#[derive(Debug, Clone, Copy)]
pub struct StatementSchema {
    /// The block it stands in.
    pub block: &'static str,
    /// Its verb.
    pub verb: &'static str,
    /// What it says, with an example.
    pub doc: &'static str,
    /// Words that follow.
    pub words: &'static [&'static str],
    /// The kind of block that its first text names; empty where texts are free.
    pub refers: &'static str,
    /// Keys of its body.
    pub keys: &'static [Key],
}

/// All statements.
pub const STATEMENTS: &[StatementSchema] = &[
    StatementSchema {
        block: "policy",
        verb: "expect",
        doc: "these ports are open, and as the body says: expect tcp 443 { tls = \">= 1.2\" }",
        words: &["tcp", "udp"],
        refers: "",
        keys: &[
            key("tls", "lowest version accepted: \">= 1.2\""),
            key("certificate_days", "days the certificate still has to be valid: 30"),
            key("redirects_to", "where plain HTTP leads: https").words(&["https"]),
        ],
    },
    StatementSchema {
        block: "policy",
        verb: "deny",
        doc: "these ports are closed, or no finding is this severe: deny port [22, 3389] severity 4 \"why\"",
        words: &["port", "tcp", "udp", "severity"],
        refers: "",
        keys: &[],
    },
    StatementSchema {
        block: "policy",
        verb: "otherwise",
        doc: "any other open port is a violation: otherwise nothing",
        words: &["nothing"],
        refers: "",
        keys: &[],
    },
    StatementSchema {
        block: "policy",
        verb: "waive",
        doc: "an exception with an owner, a reason and a last day: waive tcp 8443 on tags.name: \"legacy\" { … }",
        words: &["tcp", "udp", "on"],
        refers: "",
        keys: &[
            must("owner", "who answers for it: \"net-team\""),
            must("reason", "why: \"CHG-1234\""),
            must("until", "its last day: 2026-12-31"),
        ],
    },
    StatementSchema {
        block: "test",
        verb: "tag",
        doc: "exactly these assets have the tag: tag \"web\" matches [\"vm-1\"]",
        words: &["matches"],
        refers: "tag",
        keys: &[],
    },
    StatementSchema {
        block: "test",
        verb: "scan",
        doc: "the numbers of the scan's plan: scan \"edge\" counts { identified = 23 }",
        words: &["counts"],
        refers: "scan",
        keys: &[
            key("identified", "assets the connector discovered"),
            key("qualified", "of those, the assets that match platform, regions, tags and queries"),
            key("submitted", "of those, the assets activated for the module"),
            key("targets", "addresses and names to scan"),
            key("not_targetable", "submitted assets without a public address or name"),
            key("merged", "targets that are the same address as another"),
        ],
    },
    StatementSchema {
        block: "test",
        verb: "policy",
        doc: "what the policy says of an asset that answers so: policy \"edge\" fails \"vm-1\" { open = [22, 443] }",
        words: &["passes", "fails", "waived", "unknown", "ignores"],
        refers: "policy",
        keys: &[
            must("open", "TCP ports that answer; all others were asked and are closed: [443, 8000-8100]"),
            key("udp", "UDP ports that answer: [53]; without it no UDP port was asked"),
            key("tls", "lowest version that open ports accept: \"1.2\", or none").words(&["none"]),
            key("certificate_days", "days their certificates are still valid: 90"),
            key("redirects_to", "where plain HTTP leads: https, or none").words(&["https", "none"]),
            key("severity", "severity of the worst finding, 1 to 5; without it nothing was found"),
            key("says", "words that one of the violations says: \"remote administration\""),
        ],
    },
];

/// The schema of a statement of a block.
pub fn statement(block: &str, verb: &str) -> Option<&'static StatementSchema> {
    STATEMENTS.iter().find(|s| s.block == block && s.verb == verb)
}
