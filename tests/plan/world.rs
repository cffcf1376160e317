//! Job text and hand-made assets as the input of a plan.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use palisade::base::limits::Limits;
use palisade::base::progress::{Progress, Silent, Stop};
use palisade::base::source::SourceMap;
use palisade::inventory::asset::{
    Address, AddressOrigin, AddressScope, Asset, Field, Interface, Module, Provider, Value,
};
use palisade::inventory::catalogue::{TokenId, ids};
use palisade::inventory::load_balancer::LoadBalancer;
use palisade::inventory::partition::{Kind, Partition, PartitionId, PartitionState};
use palisade::inventory::snapshot::{Snapshot, SnapshotInput};
use palisade::lang::analyze::analyze;
use palisade::lang::job::Program;
use palisade::lang::query::tags::TagMembership;
use palisade::lang::syntax::parse_file;
use palisade::plan::hook::AssetHook;
use palisade::plan::plan::Plan;
use palisade::plan::planner::{PlanError, PlanInput, plan};
use palisade::plan::resolve::{Answer, Resolver};
use palisade::plan::why::{Why, why};

/// When the inventories are true, and when plans are made.
pub const NOW: &str = "2026-03-30T00:00:00Z";

pub fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// A checked job file over an inventory.
pub struct World {
    pub program: Program,
    pub sources: SourceMap,
    pub snapshot: Snapshot,
    pub tags: TagMembership,
    pub limits: Limits,
    pub stop: Stop,
}

impl World {
    pub fn new(text: &str, input: SnapshotInput) -> Self {
        let limits = Limits::default();
        let mut sources = SourceMap::new();
        let id = sources.add("edge.pal", text);
        let (file, mut found) = parse_file(text, id, &limits);
        let (program, more) = analyze(&[file], &sources);
        found.extend(more);
        let errors: Vec<&String> = found.iter().filter(|d| d.is_error()).map(|d| &d.message).collect();
        assert!(errors.is_empty(), "{errors:?}\n{text}");
        let (snapshot, _) = Snapshot::build(input, &limits).unwrap();
        let tags = TagMembership::assign(&program.tags, &snapshot, now());
        Self { program, sources, snapshot, tags, limits, stop: Stop::default() }
    }

    /// One connector `c`, one scan `s` with this inside its `targets` block.
    pub fn of(provider: Provider, targets: &str, input: SnapshotInput) -> Self {
        Self::new(&job(provider, targets), input)
    }

    pub fn input<'a>(
        &'a self,
        hook: Option<&'a dyn AssetHook>,
        resolver: Option<&'a dyn Resolver>,
        at: Timestamp,
    ) -> PlanInput<'a> {
        PlanInput {
            program: &self.program,
            job: &self.program.scans[0],
            snapshot: &self.snapshot,
            tags: &self.tags,
            sources: &self.sources,
            hook,
            resolver,
            now: at,
            limits: &self.limits,
            progress: &Silent,
            stop: &self.stop,
        }
    }

    pub fn try_plan(&self, hook: Option<&dyn AssetHook>, names: Option<&dyn Resolver>) -> Result<Plan, PlanError> {
        plan(&self.input(hook, names, now()))
    }

    pub fn plan(&self) -> Plan {
        self.try_plan(None, None).unwrap()
    }

    pub fn why(&self, plan: &Plan, asset: &str) -> Why {
        let row = self.snapshot.row_of(asset).unwrap();
        why(&self.input(None, None, now()), plan, row).unwrap()
    }
}

pub fn job(provider: Provider, targets: &str) -> String {
    let word = provider.as_str().to_lowercase();
    let key = match provider {
        Provider::Aws => "aws.tags: (key: env and value: prod)",
        Provider::Azure => "azure.tags: (name: env and value: prod)",
        Provider::Gcp => "gcp.tags: (key: env and value: prod)",
    };
    format!(
        "connector \"c\" {{ provider = file; path = \"*.json\" }}\n\
         tag \"Prod\" {{ query = {key} }}\n\
         tag \"Listed\" {{ assets = [\"a1\", \"a3\", \"a5\", \"a7\"] }}\n\
         scan \"s\" {{\n  connector = \"c\"\n  provider = {word}\n  targets {{\n{targets}\n  }}\n}}\n"
    )
}

/// One line a removal: stage, asset, reason, place, what was seen.
pub fn removals(plan: &Plan) -> String {
    let line = |r: &palisade::plan::plan::Removal| {
        let place = r.clause.as_ref().map_or("-".to_owned(), ToString::to_string);
        format!("{} {}: {} ({place}) {:?}\n", r.stage.as_str(), r.asset, r.reason, r.seen)
    };
    plan.removed.iter().map(line).collect()
}

pub fn addresses(plan: &Plan) -> Vec<String> {
    plan.targets.iter().map(|t| t.addr().to_string()).collect()
}

/// An asset in the making.
#[derive(Debug, Clone)]
pub struct Make(pub Asset);

impl Make {
    /// Running, in us-east-1 or its like, activated for VM, connector `c`, no address.
    pub fn new(provider: Provider, id: &str) -> Self {
        let asset = Asset {
            id: id.into(),
            name: Some(format!("name-{id}").into()),
            provider,
            connector: "c".into(),
            partition: PartitionId(0),
            interfaces: vec![Interface { id: format!("nic-{id}").into(), network: None, addresses: Vec::new() }],
            fields: Vec::new(),
        };
        let (state, region, place) = match provider {
            Provider::Aws => (ids::AWS_STATE, ids::AWS_REGION, "us-east-1"),
            Provider::Azure => (ids::AZURE_STATE, ids::AZURE_LOCATION, "westus"),
            Provider::Gcp => (ids::GCP_STATE, ids::GCP_ZONE, "us-central1-a"),
        };
        Self(asset)
            .with(ids::PROVIDER, provider.as_str())
            .with(ids::NAME, &format!("name-{id}"))
            .with(state, "RUNNING")
            .with(region, place)
            .modules(&[Module::Vm])
    }

    /// Replaces the token's value.
    pub fn with(mut self, token: TokenId, value: &str) -> Self {
        self = self.without(token);
        self.0.fields.push(Field { token, element: 0, value: Value::Str(value.into()) });
        self
    }

    pub fn without(mut self, token: TokenId) -> Self {
        self.0.fields.retain(|f| f.token != token);
        self
    }

    pub fn modules(mut self, modules: &[Module]) -> Self {
        self = self.without(ids::ACTIVATED_FOR_MODULES);
        for (i, module) in modules.iter().enumerate() {
            let value = Value::Str(module.as_str().into());
            self.0.fields.push(Field { token: ids::ACTIVATED_FOR_MODULES, element: i as u16, value });
        }
        self
    }

    /// The tag `env`.
    pub fn env(self, value: &str) -> Self {
        let (key, val) = match self.0.provider {
            Provider::Aws => (ids::AWS_TAG_KEY, ids::AWS_TAG_VALUE),
            Provider::Azure => (ids::AZURE_TAG_NAME, ids::AZURE_TAG_VALUE),
            Provider::Gcp => (ids::GCP_TAG_KEY, ids::GCP_TAG_VALUE),
        };
        self.with(key, "env").with(val, value)
    }

    pub fn address(mut self, addr: &str, scope: AddressScope, dns: Option<&str>) -> Self {
        let address =
            Address { addr: addr.parse().unwrap(), scope, origin: AddressOrigin::Primary, dns: dns.map(Arc::from) };
        self.0.interfaces[0].addresses.push(address);
        self
    }

    pub fn public(self, addr: &str) -> Self {
        self.address(addr, AddressScope::Public, None)
    }

    pub fn named(self, addr: &str, dns: &str) -> Self {
        self.address(addr, AddressScope::Public, Some(dns))
    }

    pub fn private(self, addr: &str) -> Self {
        self.address(addr, AddressScope::Private, None)
    }

    pub fn partition(mut self, number: u32) -> Self {
        self.0.partition = PartitionId(number);
        self
    }

    pub fn connector(mut self, name: &str) -> Self {
        self.0.connector = name.into();
        self
    }
}

pub fn partition(region: &str, state: PartitionState) -> Partition {
    Partition {
        connector: "c".into(),
        account: "123456789012".into(),
        region: region.into(),
        kind: Kind::Instances,
        state,
    }
}

pub fn inventory(assets: impl IntoIterator<Item = Make>) -> SnapshotInput {
    SnapshotInput {
        taken_at: now(),
        learned_at: now(),
        assets: assets.into_iter().map(|m| m.0).collect(),
        partitions: vec![partition("us-east-1", PartitionState::Complete)],
        ..SnapshotInput::default()
    }
}

pub fn load_balancer(name: &str, addresses: &[&str]) -> LoadBalancer {
    LoadBalancer {
        name: name.into(),
        id: name.into(),
        provider: Provider::Aws,
        connector: "c".into(),
        region: "us-east-1".into(),
        partition: PartitionId(0),
        internet_facing: true,
        active: true,
        addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
    }
}

/// Answers from a table, and a list of what was asked.
#[derive(Debug, Default)]
pub struct Recorded {
    pub answers: BTreeMap<String, Vec<IpAddr>>,
    pub asked: Mutex<Vec<String>>,
}

impl Recorded {
    pub fn new(answers: &[(&str, &[&str])]) -> Self {
        let parse = |list: &[&str]| list.iter().map(|a| a.parse().unwrap()).collect();
        let answers = answers.iter().map(|(n, list)| ((*n).to_owned(), parse(list))).collect();
        Self { answers, asked: Mutex::default() }
    }
}

impl Resolver for Recorded {
    fn resolve(&self, names: &[Arc<str>], _: &dyn Progress, _: &Stop) -> Vec<Answer> {
        self.asked.lock().unwrap().extend(names.iter().map(ToString::to_string));
        let answer = |name: &Arc<str>| Answer {
            name: Arc::clone(name),
            addresses: self.answers.get(&**name).cloned().unwrap_or_default(),
            resolver: "recorded".into(),
            error: (!self.answers.contains_key(&**name)).then(|| "no such name".into()),
        };
        names.iter().map(answer).collect()
    }
}
