//! The checked program: every name resolved, every value typed, every default filled in. Only `analyze` makes one.
//! Everything that later has to say "because of this line" keeps its span.

use std::num::NonZeroU32;
use std::time::Duration;

use jiff::civil::{DateTime, Time, Weekday};

use crate::base::addr_set::AddrRange;
use crate::base::port_set::PortSet;
use crate::base::quantity::Rate;
use crate::base::source::{Span, Spanned};
use crate::inventory::asset::{Module, Provider};
use crate::lang::cloud::CloudKeys;
use crate::lang::keep::Keep;
use crate::lang::organization::Organization;
use crate::lang::policy::Policy;
use crate::lang::query::predicate::Predicate;

pub use crate::lang::unit_test::{Expectation, ImaginedAnswers, PolicyWord, UnitTest};

/// All `*.pal` files of a workspace as one program.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Program {
    /// Workspace settings; defaults where no block was written.
    pub workspace: Workspace,
    /// In file and line order, names unique.
    pub connectors: Vec<Connector>,
    /// Names unique; in an order in which each comes after those it refers to.
    pub tags: Vec<Tag>,
    /// Names unique; `Initial Options` is always present.
    pub profiles: Vec<Profile>,
    /// Names unique.
    pub scans: Vec<Job>,
    /// Names unique.
    pub channels: Vec<Channel>,
    /// Names unique.
    pub policies: Vec<Policy>,
    /// Names unique.
    pub reports: Vec<ReportTemplate>,
    /// Names unique.
    pub tests: Vec<UnitTest>,
    /// `let` names that stand for queries, for ad-hoc queries too.
    pub lets: std::collections::BTreeMap<String, crate::lang::syntax::ast::Query>,
    /// `let` names that stand for values.
    pub values: std::collections::BTreeMap<String, Vec<crate::lang::syntax::ast::Scalar>>,
}

/// Switches of guide rules A1 to A10.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Feature {
    /// Cloud perimeter scanning.
    CloudPerimeter,
    /// EC2 scanning.
    Ec2Scanning,
    /// Scan by host name.
    ScanByHostname,
    /// Cloud perimeter scanning of Azure VMs.
    AzurePerimeter,
}

/// How security risk is computed from severities. Guide rule L10.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityRisk {
    /// Average severity, one decimal.
    Average,
    /// Highest severity.
    Highest,
}

/// `workspace { … }`.
#[derive(Debug, Clone, PartialEq)]
pub struct Workspace {
    /// Who scans, for report headers.
    pub organisation: Option<String>,
    /// Features that are on; without a block all of them.
    pub features: Vec<Feature>,
    /// Whether a job may choose internal scanners.
    pub internal_scanners: bool,
    /// Scans that may run at once.
    pub max_concurrent_scans: NonZeroU32,
    /// How risk is computed.
    pub security_risk: SecurityRisk,
    /// Addresses never to be sent to, whatever else says so. Trap T8.
    pub exclude_addresses: Vec<Spanned<AddrRange>>,
    /// Name servers for resolution, `address` or `address:port`; empty means the system's.
    pub resolvers: Vec<std::net::SocketAddr>,
    /// Mail relay for e-mail channels.
    pub smtp: Option<SecretRef>,
    /// How long inventory snapshots are kept; 90 days where nothing is said.
    pub keep_snapshots: Keep,
    /// The block, where one was written.
    pub span: Option<Span>,
}

impl Default for Workspace {
    fn default() -> Self {
        Self {
            organisation: None,
            features: vec![
                Feature::CloudPerimeter,
                Feature::Ec2Scanning,
                Feature::ScanByHostname,
                Feature::AzurePerimeter,
            ],
            internal_scanners: false,
            max_concurrent_scans: NonZeroU32::MIN.saturating_add(3),
            security_risk: SecurityRisk::Average,
            exclude_addresses: Vec::new(),
            resolvers: Vec::new(),
            smtp: None,
            keep_snapshots: Keep::Age(Duration::from_secs(90 * 24 * 3600)),
            span: None,
        }
    }
}

/// Where a secret is; never the secret itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// `env("NAME")`.
    Env(String),
    /// `file("path")`.
    File(String),
    /// `command("program", "arg")`.
    Command(Vec<String>),
}

/// Regions of a connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Regions {
    /// Every region the account has enabled.
    All,
    /// These codes.
    Some(Vec<Spanned<String>>),
}

/// What kind of source a connector reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectorKind {
    /// `provider = aws | azure | gcp`.
    Live(Provider),
    /// `provider = file`: recorded provider answers; the provider is whatever the files hold.
    File {
        /// Glob relative to the file that wrote it.
        path: Spanned<String>,
        /// Folder of the `.pal` file, relative to the workspace; empty for the workspace itself.
        base: String,
    },
}

/// `connector "x" { … }`.
#[derive(Debug, Clone, PartialEq)]
pub struct Connector {
    /// Its name.
    pub name: Spanned<String>,
    /// What it reads.
    pub kind: ConnectorKind,
    /// AWS role to assume.
    pub role: Option<String>,
    /// AWS external id.
    pub external_id: Option<SecretRef>,
    /// Regions to read.
    pub regions: Regions,
    /// Modules whose activation the connector grants. Guide rule B1; default `[vm, pc]`.
    pub activate: Vec<Module>,
    /// Activate the smallest instance types too. Guide rule B11, M4.
    pub include_micro_nano: bool,
    /// Time between syncs; 1 h to 24 h, default 4 h.
    pub sync_every: Duration,
    /// Project number for GCP (query-language.md 10.3).
    pub project_number: Option<String>,
    /// Profile of the standard AWS files; then no other source of credentials is looked at.
    pub profile: Option<String>,
    /// Accounts of an AWS organisation; without it the one account that the rights belong to.
    pub organization: Option<Organization>,
    /// Where the provider is asked instead of its public endpoints: a proxy, a private endpoint, a test server.
    pub endpoint: Option<Spanned<String>>,
    /// Share of the provider's call quotas that the connector may use, in percent; 1 to 100, default 50.
    pub call_budget: u8,
    /// What only Azure or Google connectors have.
    pub cloud: CloudKeys,
    /// The block.
    pub span: Span,
}

/// How a tag finds its assets.
#[derive(Debug, Clone, PartialEq)]
pub enum TagRule {
    /// By query, with the query's text for reports.
    Dynamic {
        /// The checked query.
        query: Predicate,
        /// The provider it is limited to, where the block names one.
        provider: Option<Provider>,
    },
    /// By hand: `assets = ["i-0abc", …]`.
    Static {
        /// Asset ids.
        assets: Vec<String>,
    },
}

/// `tag "x" { … }`.
#[derive(Debug, Clone, PartialEq)]
pub struct Tag {
    /// Its name, at most 1,024 characters.
    pub name: Spanned<String>,
    /// How it finds its assets.
    pub rule: TagRule,
    /// 1 to 5, default 2.
    pub criticality: u8,
    /// The block.
    pub span: Span,
}

/// Which ports a profile probes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortChoice {
    /// None.
    None,
    /// About 30 of the most exposed services.
    Light,
    /// About 1,900: the guide's standard list is not public; ours is written down in `scan`.
    Standard,
    /// 1 to 65535.
    Full,
    /// The n most often open.
    Top(u16),
    /// These.
    These(PortSet),
}

/// A way to find out whether a host is alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ping {
    /// ICMP or ICMPv6 echo.
    Icmp,
    /// An ICMP timestamp request; an echo over IPv6, which has no timestamps.
    Timestamp,
    /// A SYN to each port.
    Tcp(PortSet),
    /// An ACK to each port, which passes filters that look at SYNs only.
    TcpAck(PortSet),
    /// A datagram to each port.
    Udp(PortSet),
}

/// What to do with hosts that answered no ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadHosts {
    /// Leave them out; they are listed as not alive.
    Skip,
    /// Probe them all the same.
    Scan,
}

/// Consent classes of product.md 5.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Consent {
    /// What any client would see.
    Safe,
    /// One documented anonymous access.
    Auth,
    /// What a strict server might log as an attack.
    Odd,
    /// Industrial protocols.
    Ics,
}

/// Which checks run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checks {
    /// All whose consent class is granted.
    All,
    /// Families and id globs.
    Some(Vec<Spanned<String>>),
}

/// `profile "x" { … }`, the guide's option profile. Guide rules D8, F5.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Its name.
    pub name: Spanned<String>,
    /// TCP ports.
    pub tcp: PortChoice,
    /// UDP ports.
    pub udp: PortChoice,
    /// Pings, in order.
    pub ping: Vec<Ping>,
    /// Hosts without a pong.
    pub dead_hosts: DeadHosts,
    /// Whole run; none for `auto`.
    pub rate: Option<Rate>,
    /// Each address.
    pub per_host: Option<Rate>,
    /// Each /24 or /64.
    pub per_network: Option<Rate>,
    /// Further tries after the first probe.
    pub retries: u8,
    /// Recall to reach, in thousandths of a percent.
    pub recall: Option<u32>,
    /// Checks to run.
    pub checks: Checks,
    /// Consent classes granted.
    pub consent: Vec<Consent>,
    /// Longest time spent on one host.
    pub max_time_per_host: Option<Duration>,
    /// Log in to targets. Guide rule D9: allowed, and warned about.
    pub authentication: bool,
    /// The block; none for the built-in `Initial Options`.
    pub span: Option<Span>,
}

impl Profile {
    /// The built-in default, used where a workspace defines no `Initial Options` of its own.
    pub fn initial_options() -> Self {
        Self {
            name: Spanned::new("Initial Options".into(), Span::default()),
            tcp: PortChoice::Standard,
            udp: PortChoice::None,
            ping: vec![Ping::Icmp, Ping::Tcp([22, 80, 443, 3389].into_iter().collect())],
            dead_hosts: DeadHosts::Skip,
            rate: None,
            per_host: Some(Rate { per_second: 1_000 }),
            per_network: None,
            retries: 2,
            recall: None,
            checks: Checks::All,
            consent: vec![Consent::Safe],
            max_time_per_host: None,
            authentication: false,
            span: None,
        }
    }
}

/// Any or all of a list of tags. Guide rule E5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantifier {
    /// At least one.
    Any,
    /// Every one.
    All,
}

/// `include = any […]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagFilter {
    /// Any or all.
    pub quantifier: Quantifier,
    /// Tag names, never empty (an empty list is no filter at all).
    pub tags: Vec<Spanned<String>>,
    /// The attribute.
    pub span: Span,
}

/// Platform options of guide rules E2 and E3; illegal mixes cannot be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Platform {
    /// EC2 Classic in these regions.
    Ec2Classic {
        /// Region codes.
        regions: Vec<Spanned<String>>,
    },
    /// All VPCs of these regions.
    VpcAll {
        /// Region codes.
        regions: Vec<Spanned<String>>,
    },
    /// These VPCs.
    VpcSelected {
        /// VPC ids.
        vpcs: Vec<Spanned<String>>,
    },
}

/// What a job does where it has nothing to scan. Trap T4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnNoTargets {
    /// The scan fails and is terminated (AWS). Guide rule E10.
    Fail,
    /// The scan is not launched (Azure, GCP). Guide rule E11.
    Skip,
}

/// What a job does with gaps. language.md 2.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnGap {
    /// Refuse to run.
    Fail,
    /// Run, list them, exit 3.
    Warn,
    /// Run and list them.
    Ignore,
}

/// What a failing hook does. language.md 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnHookError {
    /// The asset is excluded with that reason.
    Exclude,
    /// The run is aborted.
    Fail,
}

/// `canary { … }`: targets with ports that are known to answer, asked again and again to tell the path's loss from
/// silence. product.md F8.
#[derive(Debug, Clone, PartialEq)]
pub struct Canary {
    /// Which of the targets.
    pub query: Predicate,
    /// TCP ports that are open there.
    pub tcp: PortSet,
    /// The block.
    pub span: Span,
}

/// `targets { … }`.
#[derive(Debug, Clone, PartialEq)]
pub struct Targets {
    /// Platform and its regions or VPCs, with the attribute's place.
    pub platform: Option<Spanned<Platform>>,
    /// Regions without a platform (Azure locations, GCP regions or zones too).
    pub regions: Vec<Spanned<String>>,
    /// Tags to include.
    pub include: Option<TagFilter>,
    /// Tags to exclude.
    pub exclude: Option<TagFilter>,
    /// One more query.
    pub filter_query: Option<Predicate>,
    /// Assets with ports that are known to answer.
    pub canary: Option<Canary>,
    /// rhai script, relative to the workspace.
    pub hook: Option<Spanned<String>>,
    /// Names of load balancers. Guide rules E8, E9.
    pub load_balancers: Vec<Spanned<String>>,
    /// Take internet-facing load balancers from the inventory too. Guide rules E12, M4.
    pub load_balancers_from_connector: bool,
    /// Never sent to.
    pub exclude_addresses: Vec<Spanned<AddrRange>>,
    /// Default by provider.
    pub on_no_targets: Option<OnNoTargets>,
    /// An older inventory stops the job. Trap T5.
    pub max_inventory_age: Option<Duration>,
    /// How long a confirmed ownership of an address is believed; 1 min to 24 h. product.md F2.
    pub lease: Option<Duration>,
    /// Gaps.
    pub on_gap: OnGap,
    /// Failing hooks.
    pub on_hook_error: OnHookError,
    /// Scan public IPv6 addresses too; default true.
    pub ipv6: bool,
    /// The block, or the scan's keyword where none was written.
    pub span: Span,
}

/// Who sends the packets. Guide rules G1 to G3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scanner {
    /// External.
    External,
    /// These appliances.
    Internal(Vec<Spanned<String>>),
}

/// `scan "x" { … }`.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its title.
    pub name: Spanned<String>,
    /// Connector name; checked to exist.
    pub connector: Spanned<String>,
    /// Provider; for a file connector it follows from the inventory and is none here unless the job says it.
    pub provider: Option<Provider>,
    /// Module.
    pub module: Module,
    /// Profile name; checked to exist.
    pub profile: Spanned<String>,
    /// 1 first to 9 last; 0 none, after 9. Trap T12.
    pub priority: u8,
    /// False for a deactivated job. Guide rule D11.
    pub active: bool,
    /// Targets.
    pub targets: Targets,
    /// Scanner.
    pub scanner: Scanner,
    /// None means now, once.
    pub schedule: Option<Schedule>,
    /// Notifications.
    pub notify: Option<Notify>,
    /// The block.
    pub span: Span,
}

/// How often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recurrence {
    /// Every n days, 1 to 365.
    Days(u16),
    /// Every n weeks (1 to 52) on these days.
    Weeks(u8, Vec<Weekday>),
    /// Every n months (1 to 12) on this day of the month.
    MonthDay(u8, i8),
    /// Every n months on the nth (1 to 5, or -1 for last) weekday.
    MonthWeekday(u8, i8, Weekday),
}

/// Daylight saving. Guide rule H8, trap T10.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dst {
    /// Civil time stays.
    Follow,
    /// The offset of the start stays.
    Fixed,
}

/// What bounds a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Pause this long after the start, and resume (if set) this long after the start. Guide rules H9, H10; trap T11.
    Pause {
        /// From the start to the pause.
        after: Duration,
        /// From the start to the resumption.
        resume_in: Option<Duration>,
    },
    /// Cancel this long after the start.
    Cancel {
        /// From the start to the end.
        after: Duration,
    },
}

/// Hours in which nothing is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blackout {
    /// Days it starts on.
    pub days: Vec<Weekday>,
    /// Start of the window.
    pub from: Time,
    /// End of the window; earlier than `from` means it ends the next day.
    pub to: Time,
}

/// `schedule { … }`.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// First start, civil.
    pub start: DateTime,
    /// IANA zone name; `UTC` where none was written.
    pub zone: String,
    /// None: once.
    pub every: Option<Recurrence>,
    /// Daylight saving.
    pub dst: Dst,
    /// Number of runs.
    pub ends_after: Option<NonZeroU32>,
    /// Bound on one run.
    pub bound: Option<Bound>,
    /// Blackout windows.
    pub blackouts: Vec<Blackout>,
    /// The block.
    pub span: Span,
}

/// When to notify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotifyOn {
    /// Something changed since the last run.
    Change,
    /// Each finished run.
    Finish,
    /// Failed, not launched or incomplete runs.
    Failure,
    /// Everything.
    Always,
}

/// `notify { … }`.
#[derive(Debug, Clone, PartialEq)]
pub struct Notify {
    /// Lead time of a notice before the start.
    pub before: Option<Duration>,
    /// Channel names; checked to exist.
    pub to: Vec<Spanned<String>>,
    /// When.
    pub on: NotifyOn,
    /// The block.
    pub span: Span,
}

/// Where notices go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelKind {
    /// POST of JSON.
    Webhook(SecretRef),
    /// Slack's incoming webhook.
    Slack(SecretRef),
    /// Mail.
    Email(Vec<String>),
    /// Appended to a file.
    File(String),
    /// A program's standard input.
    Command(Vec<String>),
}

/// `channel "x" { … }`.
#[derive(Debug, Clone, PartialEq)]
pub struct Channel {
    /// Its name.
    pub name: Spanned<String>,
    /// Where it goes.
    pub kind: ChannelKind,
    /// The block.
    pub span: Span,
}

/// Transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// `tcp` or `udp`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// How results are sorted in a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportSort {
    /// By host.
    Host,
    /// By severity, highest first.
    Severity,
    /// By port.
    Port,
}

/// `report "x" { … }`, the guide's report template. Guide rules L1 to L3.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportTemplate {
    /// Its name.
    pub name: Spanned<String>,
    /// Sort order.
    pub sort: ReportSort,
    /// Sections to include: words of the guide's display tab.
    pub include: Vec<Spanned<String>>,
    /// Kinds of findings to include; empty for all. A kind left out prints as a dash. Guide rule L9.
    pub kinds: Vec<String>,
    /// Default output format.
    pub format: String,
    /// The block.
    pub span: Span,
}
