//! What can be typed. One variant a command; each command's file turns it into work.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::fail_on::{self, FailOn};
use crate::plan::shard::Shard;

/// Policy as code for the public edge of a cloud.
///
/// Palisade reads `*.pal` job files, asks your cloud inventory which assets are public, plans exactly those, scans
/// exactly that plan, and reports. No packet leaves without a warrant that leads back to an inventory record.
#[derive(Debug, Parser)]
#[command(name = "palisade", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(
    after_help = "Start here:  palisade demo          a whole run against throwaway hosts on 127.0.0.0/8\n             \
             palisade check         parse and check the job files of this folder\n             \
             palisade plan SCAN     what a scan would do, and why; sends nothing\n\n\
             Exit codes:  0 clean, 1 violations, 2 usage or job file error, 3 incomplete, 4 not launched, 70 our bug"
)]
pub struct Cli {
    /// Options every command takes.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Options every command takes.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Workspace folder: all `*.pal` files below it are one program
    #[arg(short = 'C', long = "dir", value_name = "DIR", default_value = ".", global = true)]
    pub dir: PathBuf,
    /// State folder [default: .palisade in the workspace]
    #[arg(long, value_name = "DIR", global = true, env = "PALISADE_STATE")]
    pub state: Option<PathBuf>,
    /// Output format: people read text, machines read json or jsonl
    #[arg(long, value_enum, default_value_t = FormatArg::Text, global = true)]
    pub format: FormatArg,
    /// Colour
    #[arg(long, value_enum, default_value_t = ColorWhen::Auto, global = true)]
    pub color: ColorWhen,
    /// Less: no progress, no notices
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// More detail; may be given twice
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
}

/// What can be asked for by `--format`: the formats of every command, and those of `palisade report`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// For people
    Text,
    /// One document
    Json,
    /// One object a line
    Jsonl,
    /// Reports: one page without a network
    Html,
    /// Reports: one row a finding
    Csv,
    /// Reports: the guide's SCAN document
    Xml,
    /// Reports: the guide's ASSET_DATA_REPORT document
    AssetXml,
    /// Reports: SARIF 2.1.0
    Sarif,
    /// Reports: JUnit XML
    Junit,
    /// Reports: nmap's XML
    NmapXml,
    /// Reports: A4 pages
    Pdf,
}

impl FormatArg {
    /// The format of ordinary commands; none for those that only reports have.
    pub fn plain(self) -> Option<Format> {
        match self {
            Self::Text => Some(Format::Text),
            Self::Json => Some(Format::Json),
            Self::Jsonl => Some(Format::Jsonl),
            Self::Html
            | Self::Csv
            | Self::Xml
            | Self::AssetXml
            | Self::Sarif
            | Self::Junit
            | Self::NmapXml
            | Self::Pdf => None,
        }
    }
}

/// Output format of ordinary commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One document.
    Json,
    /// One object a line.
    Jsonl,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How packets are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ModeArg {
    /// Raw where the machine allows it, else connect.
    Auto,
    /// Own frames; needs CAP_NET_RAW.
    Raw,
    /// The kernel's connections; needs no right.
    Connect,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Parse and check job files and scripts; all diagnostics at once
    Check(CheckArgs),
    /// Bring job files into canonical form; proves that the meaning is unchanged before it writes
    Fmt(FmtArgs),
    /// Ask the inventory
    Query(QueryArgs),
    /// Read the providers, store what they say as history, and tell what came, went and changed
    Sync(SyncArgs),
    /// What a scan would do: counts, reasons, targets, gaps, cost, hash; sends nothing
    Plan(PlanArgs),
    /// Where an asset leaves the funnel, because of which line, and what would change that
    Why(WhyArgs),
    /// Plan and scan now
    Run(RunArgs),
    /// Life of a scan: list, show, fetch, resume
    Scans(ScansArgs),
    /// Results and reports of a scan: text, html, json, csv, xml, sarif, junit, nmap-xml, pdf
    Report(ReportArgs),
    /// Run new and changed checks and policies over the stored evidence of a scan; sends nothing
    Judge(JudgeArgs),
    /// Findings across scans: what is open, since when, and what is new
    Findings(FindingsArgs),
    /// What changed between two scans: hosts, ports, findings
    Diff(DiffArgs),
    /// Run the `test` blocks of job files; sends nothing
    Test(TestArgs),
    /// Interactive: queries, job items, scripts, commands
    Repl(ReplArgs),
    /// The query tokens: name, type, meaning, where they come from
    Tokens(TokensArgs),
    /// What a diagnostic code means and how to mend it
    Explain(ExplainArgs),
    /// JSON Schema of a machine-readable output
    Schema(SchemaArgs),
    /// Starts throwaway hosts on 127.0.0.0/8 and runs the whole chain against them, without root
    Demo(DemoArgs),
    /// Shell completions on standard output
    Completions(CompletionsArgs),
    /// Manual page on standard output
    Man,
}

/// `check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Files or folders [default: the workspace]
    pub paths: Vec<PathBuf>,
}

/// `fmt`
#[derive(Debug, Args)]
pub struct FmtArgs {
    /// Only say which files would change; exit 1 if any
    #[arg(long)]
    pub check: bool,
    /// Files or folders [default: the workspace]; `-` formats standard input
    pub paths: Vec<PathBuf>,
}

/// Where the assets of an ad-hoc command come from.
#[derive(Debug, Clone, Default, Args)]
pub struct InventoryArgs {
    /// Connector of the workspace; may repeat [default: all]
    #[arg(long, value_name = "NAME")]
    pub connector: Vec<String>,
    /// Recorded provider answers instead of a connector; may repeat
    #[arg(long, value_name = "FILE", conflicts_with = "connector", num_args = 1..)]
    pub inventory: Vec<PathBuf>,
    /// The moment that `now` means [default: the clock, or the time of --as-of]
    #[arg(long, value_name = "TIME")]
    pub now: Option<String>,
    /// The inventory as it was true then, from the history that `sync` keeps
    #[arg(long, value_name = "TIME", conflicts_with = "inventory")]
    pub as_of: Option<String>,
    /// With --as-of: only by what had been learned then
    #[arg(long, value_name = "TIME", requires = "as_of")]
    pub known_at: Option<String>,
}

/// Which moment a scan is planned for.
#[derive(Debug, Clone, Default, Args)]
pub struct MomentArgs {
    /// The moment that `now` means [default: the clock, or the time of --as-of]
    #[arg(long, value_name = "TIME")]
    pub now: Option<String>,
    /// With the inventory as it was true then, from the history that `sync` keeps; names are not resolved
    #[arg(long, value_name = "TIME")]
    pub as_of: Option<String>,
    /// With --as-of: only by what had been learned then
    #[arg(long, value_name = "TIME", requires = "as_of")]
    pub known_at: Option<String>,
}

/// `query`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  palisade query 'not azure.vm.publicIpAddress is null and azure.vm.state: \"RUNNING\"'\n  \
    palisade query 'aws.ec2.publicIpAddress: 198.51.100.0/24' --columns name,aws.ec2.region.code\n  \
    palisade query 'provider: AWS' --count-by aws.ec2.instanceState\n  \
    palisade query --values azure.vm.location\n  palisade query 'provider: GCP' --explain web-1"
)]
pub struct QueryArgs {
    /// The query; without one, every asset
    pub query: Option<String>,
    /// Where assets come from.
    #[command(flatten)]
    pub source: InventoryArgs,
    /// Tokens to show
    #[arg(long, value_delimiter = ',', value_name = "TOKEN")]
    pub columns: Vec<String>,
    /// Count matches by a token's values
    #[arg(long, value_name = "TOKEN", conflicts_with_all = ["values", "explain"])]
    pub count_by: Option<String>,
    /// The values a token has in the inventory
    #[arg(long, value_name = "TOKEN", conflicts_with = "explain")]
    pub values: Option<String>,
    /// Why one asset matches or not: its id or name
    #[arg(long, value_name = "ASSET")]
    pub explain: Option<String>,
    /// At most so many rows of text output; 0 for all
    #[arg(long, default_value_t = 0)]
    pub limit: usize,
    /// Accept only syntax attested for AssetView, and say what could not be pasted back there
    #[arg(long, value_enum, default_value_t = DialectArg::Default)]
    pub dialect: DialectArg,
}

/// `sync`
#[derive(Debug, Args)]
#[command(
    after_help = "What one partition (connector, account, region, kind) did not deliver is a gap: its last records are \
    kept, queries answer \"cannot tell\" for them, and the exit code is 3. An asset counts as gone only where its own \
    partition was read to the end.\n\nExamples:\n  palisade sync\n  palisade sync conn1 --check\n  \
    palisade sync conn1 --policy > policy.json\n  palisade sync --list\n  palisade sync --history i-0abc\n  \
    palisade query 'aws.ec2.publicIpAddress: *' --as-of 2026-03-30"
)]
pub struct SyncArgs {
    /// Connectors of the workspace [default: all]
    pub connectors: Vec<String>,
    /// Try each right that a live connector needs, and say which are missing; stores nothing
    #[arg(long, group = "instead")]
    pub check: bool,
    /// Print the policy document that grants exactly the needed rights
    #[arg(long, group = "instead")]
    pub policy: bool,
    /// The syncs there are, newest first
    #[arg(long, group = "instead")]
    pub list: bool,
    /// What became of one asset, by id or name
    #[arg(long, value_name = "ASSET", group = "instead", conflicts_with = "connectors")]
    pub history: Option<String>,
    /// At most so many changes a connector in text output [default: 100]
    #[arg(long)]
    pub limit: Option<usize>,
}

/// Query dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DialectArg {
    /// All of the language.
    Default,
    /// Attested syntax only.
    Strict,
}

/// `plan`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  palisade plan edge\n  palisade plan edge --out plan.json && palisade run edge --plan plan.json\n  \
    palisade plan edge --as-of 2026-03-30      what would have been scanned then"
)]
pub struct PlanArgs {
    /// Scan name
    pub scan: String,
    /// Write the plan as JSON, for `run --plan`
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Which moment it is about.
    #[command(flatten)]
    pub moment: MomentArgs,
    /// Do not resolve names: plan by the inventory's addresses alone
    #[arg(long)]
    pub offline: bool,
}

/// `why`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  palisade why edge web-1\n  \
    palisade why edge i-0abc --as-of 2026-03-30      why it was scanned then, or not")]
pub struct WhyArgs {
    /// Scan name
    pub scan: String,
    /// Asset id or name
    pub asset: String,
    /// Which moment it is about.
    #[command(flatten)]
    pub moment: MomentArgs,
}

/// `run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Scan name; may be left out where the workspace has one scan only
    pub scan: Option<String>,
    /// Refuse if targets, checks or cost moved since this plan
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// How packets are sent
    #[arg(long, value_enum, default_value_t = ModeArg::Auto)]
    pub mode: ModeArg,
    /// Also write results.json, results.txt and plan.json into this folder
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Do not resolve names: scan by the inventory's addresses alone
    #[arg(long)]
    pub offline: bool,
    /// Seed of the probe order [default: random]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Scan one part of the targets only, such as 2/4; each of several scanners with the same plan takes another
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    /// What ends with exit code 1: policy, new, none, or a severity from 1 to 5; may repeat
    #[arg(long, value_name = "WHAT", value_delimiter = ',', default_value = "policy", value_parser = fail_on::parse)]
    pub fail_on: Vec<FailOn>,
}

/// `judge`
#[derive(Debug, Args)]
pub struct JudgeArgs {
    /// Reference such as `scan/1525152912.86743`, or `latest`
    pub reference: String,
    /// What ends with exit code 1: policy, new, none, or a severity from 1 to 5; may repeat
    #[arg(long, value_name = "WHAT", value_delimiter = ',', default_value = "policy", value_parser = fail_on::parse)]
    pub fail_on: Vec<FailOn>,
}

/// `findings`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  palisade findings                      open vulnerabilities of all scans, worst first\n  \
    palisade findings --new --severity 4   what the last runs brought\n  \
    palisade findings --query 'tags.name: \"web\"'\n  palisade findings --all --format json"
)]
pub struct FindingsArgs {
    /// Only those that the last run of their scan showed for the first time, or again
    #[arg(long)]
    pub new: bool,
    /// Fixed ones and information too
    #[arg(long)]
    pub all: bool,
    /// At least this severity
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=5))]
    pub severity: Option<u8>,
    /// Of this scan only
    #[arg(long, value_name = "NAME")]
    pub scan: Option<String>,
    /// Of assets that this query matches
    #[arg(long, value_name = "QUERY")]
    pub query: Option<String>,
    /// Where the query's assets come from.
    #[command(flatten)]
    pub source: InventoryArgs,
}

/// `diff`
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The older scan: a reference
    pub from: String,
    /// The newer scan: a reference, or `latest`
    #[arg(default_value = "latest")]
    pub to: String,
}

/// `test`
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Files or folders [default: the workspace]
    pub paths: Vec<PathBuf>,
}

/// `scans`
#[derive(Debug, Args)]
pub struct ScansArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: ScansAction,
}

/// Actions on scans.
#[derive(Debug, Subcommand)]
pub enum ScansAction {
    /// All scans, newest first
    List,
    /// State and history of one scan
    Show {
        /// Reference such as `scan/1525152912.86743`, or `latest`
        reference: String,
    },
    /// Results of one scan
    Fetch {
        /// Reference, or `latest`
        reference: String,
    },
    /// Stop a running scan where it stands; `resume` goes on
    Pause {
        /// Reference, or `latest`
        reference: String,
    },
    /// End a running, paused or interrupted scan for good; what it has found is kept
    Cancel {
        /// Reference, or `latest`
        reference: String,
    },
    /// Leave addresses alone from now on, also while the scan runs and after a resume
    Exclude {
        /// Reference, or `latest`
        reference: String,
        /// Address, network or range: 192.0.2.7, 192.0.2.0/28, 192.0.2.1-192.0.2.9
        #[arg(required = true)]
        addresses: Vec<String>,
    },
    /// Go on with an interrupted or paused scan
    Resume {
        /// Reference, or `latest`
        reference: String,
        /// How packets are sent
        #[arg(long, value_enum, default_value_t = ModeArg::Auto)]
        mode: ModeArg,
    },
}

/// `report`
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Reference such as `scan/1525152912.86743`
    #[arg(default_value = "latest")]
    pub reference: String,
    /// Report template of the workspace; its format counts unless --format says another
    #[arg(long, value_name = "NAME")]
    pub template: Option<String>,
    /// Write into this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// JUnit: confirmed findings of this severity and over are failures
    #[arg(long, value_name = "1-5", value_parser = clap::value_parser!(u8).range(1..=5))]
    pub fail_on: Option<u8>,
}

/// `repl`
#[derive(Debug, Args)]
pub struct ReplArgs {
    /// Where assets come from.
    #[command(flatten)]
    pub source: InventoryArgs,
}

/// `tokens`
#[derive(Debug, Args)]
pub struct TokensArgs {
    /// Part of a name, or a glob such as `azure.vm.*`
    pub pattern: Option<String>,
}

/// `explain`
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The code, such as P0101; without one, all codes
    pub code: Option<String>,
}

/// `schema`
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// The kind, such as `results`; without one, all kinds
    pub kind: Option<String>,
}

/// `demo`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Keep the workspace in this folder, to play with [default: a temporary one, removed at the end]
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

/// `completions`
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}
