//! A cloud that a test writes down: machines by account and region, what is refused, and who owns which address now.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use palisade::base::clock::{Clock, ManualClock};
use palisade::base::limits::Limits;
use palisade::base::progress::{Progress, Silent, Stop};
use palisade::connector::live::{Claim, Fetched, Live, Origin, Ownership, Pages, Permission, Recording, Usage};
use palisade::inventory::partition::{Kind, PartitionState};
use palisade::run::env::Env;
use palisade::run::workspace::Workspace;

use crate::cli::TempDir;

pub const START: &str = "2026-03-30T00:00:00Z";

pub fn start() -> Timestamp {
    START.parse().unwrap()
}

/// One machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vm {
    pub account: &'static str,
    pub region: &'static str,
    pub addr: String,
    pub tag: String,
}

/// How one partition answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Denied,
    Throttled,
    NotAsked,
    /// Every second record comes.
    Partial,
}

/// The cloud as it is, and as it answers.
#[derive(Debug, Default)]
pub struct Cloud {
    pub places: Vec<(&'static str, &'static str)>,
    /// Every account there is, where it is told.
    pub accounts: Option<Vec<Arc<str>>>,
    pub machines: BTreeMap<String, Vm>,
    /// Network load balancers: place, name, address.
    pub balancers: Vec<((&'static str, &'static str), &'static str, IpAddr)>,
    /// Classic load balancers: place, name.
    pub classics: Vec<((&'static str, &'static str), &'static str)>,
    pub answers: BTreeMap<(&'static str, &'static str, Kind), Answer>,
    /// Fails as a whole with these words.
    pub broken: Option<&'static str>,
    /// Addresses whose owner is not to be told.
    pub mute: BTreeSet<IpAddr>,
    /// Addresses that change hands after so many questions about them.
    pub hands: BTreeMap<IpAddr, u32>,
    pub asked: Vec<Vec<IpAddr>>,
    pub refused_rights: Vec<&'static str>,
    pub fetches: u32,
}

impl Cloud {
    pub fn vm(&mut self, id: &str, (account, region): (&'static str, &'static str), addr: &str) {
        let vm = Vm { account, region, addr: addr.into(), tag: "a".into() };
        self.machines.insert(id.into(), vm);
    }
}

/// A network load balancer's id.
pub fn arn((account, region): (&str, &str), name: &str) -> String {
    format!("arn:aws:elasticloadbalancing:{region}:{account}:loadbalancer/net/{name}/50dc")
}

fn balancer(place: (&str, &str), name: &str, addr: &IpAddr) -> String {
    format!(
        r#"{{"LoadBalancerArn":"{}","DNSName":"{name}.elb.{}.example","Scheme":"internet-facing","Type":"network","State":{{"Code":"active"}},
        "AvailabilityZones":[{{"ZoneName":"{}a","LoadBalancerAddresses":[{{"IpAddress":"{addr}"}}]}}]}}"#,
        arn(place, name),
        place.1,
        place.1,
    )
}

fn classic((_, region): (&str, &str), name: &str) -> String {
    format!(
        r#"{{"LoadBalancerName":"{name}","DNSName":"{name}.{region}.elb.example","Scheme":"internet-facing","AvailabilityZones":["{region}a"]}}"#
    )
}

/// The provider's face of it.
#[derive(Clone)]
pub struct Scripted {
    pub cloud: Arc<Mutex<Cloud>>,
    pub clock: Arc<ManualClock>,
}

impl Scripted {
    pub fn at_start() -> Self {
        let cloud = Cloud { places: PLACES.to_vec(), ..Cloud::default() };
        Self { cloud: Arc::new(Mutex::new(cloud)), clock: Arc::new(ManualClock::at(start())) }
    }

    pub fn cloud(&self) -> MutexGuard<'_, Cloud> {
        self.cloud.lock().unwrap()
    }

    pub fn env(&self, folder: &Path) -> Env {
        let own = self.clone();
        Env {
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            limits: Limits::default(),
            progress: Arc::new(Silent),
            stop: Arc::new(Stop::default()),
            seed: 7,
            resolve_names: false,
            state: folder.join("state"),
            live: Arc::new(move |_| Ok(Box::new(own.clone()))),
        }
    }

    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }
}

pub const PLACES: [(&str, &str); 4] = [
    ("111111111111", "us-east-1"),
    ("111111111111", "eu-west-1"),
    ("222222222222", "us-east-1"),
    ("222222222222", "eu-west-1"),
];

fn instance(id: &str, vm: &Vm) -> String {
    format!(
        r#"{{"OwnerId":"{account}","Instances":[{{"InstanceId":"{id}","InstanceType":"t3.large","State":{{"Code":16,"Name":"running"}},
        "Placement":{{"AvailabilityZone":"{region}a"}},"VpcId":"vpc-1","PublicIpAddress":"{addr}",
        "Tags":[{{"Key":"Name","Value":"name-{id}"}},{{"Key":"mark","Value":"{tag}"}}],
        "NetworkInterfaces":[{{"NetworkInterfaceId":"eni-{id}","OwnerId":"{account}","VpcId":"vpc-1","Attachment":{{"DeviceIndex":0}},
        "PrivateIpAddress":"10.0.0.5","PrivateIpAddresses":[{{"Primary":true,"PrivateIpAddress":"10.0.0.5",
        "Association":{{"IpOwnerId":"amazon","PublicIp":"{addr}"}}}}]}}]}}]}}"#,
        account = vm.account,
        region = vm.region,
        addr = vm.addr,
        tag = vm.tag,
    )
}

impl Live for Scripted {
    fn read(&self, pages: &dyn Pages, _: &dyn Progress, _: &Stop) -> Fetched {
        let mut cloud = self.cloud();
        cloud.fetches += 1;
        if let Some(words) = cloud.broken {
            return Fetched { errors: vec![words.into()], ..Fetched::default() };
        }
        let mut fetched = Fetched { accounts: cloud.accounts.clone(), ..Fetched::default() };
        for (account, region) in &cloud.places {
            for kind in [Kind::Instances, Kind::Interfaces, Kind::LoadBalancers] {
                let answer = cloud.answers.get(&(*account, *region, kind)).copied();
                let own = cloud.machines.iter().filter(|(_, vm)| vm.account == *account && vm.region == *region);
                let mut records: Vec<String> = match kind {
                    Kind::Instances => own.map(|(id, vm)| instance(id, vm)).collect(),
                    Kind::LoadBalancers => {
                        let own = cloud.balancers.iter().filter(|b| b.0 == (*account, *region));
                        own.map(|(place, name, addr)| balancer(*place, name, addr)).collect()
                    }
                    _ => Vec::new(),
                };
                let cause: Arc<str> = "as the test says".into();
                let state = match answer {
                    None => PartitionState::Complete,
                    Some(Answer::Denied) => PartitionState::Denied { cause },
                    Some(Answer::Throttled) => PartitionState::Throttled { cause },
                    Some(Answer::NotAsked) => PartitionState::NotAsked,
                    Some(Answer::Partial) => PartitionState::Partial { cause },
                };
                match answer {
                    Some(Answer::Denied | Answer::Throttled | Answer::NotAsked) => records.clear(),
                    Some(Answer::Partial) => {
                        let mut nth = 0;
                        records.retain(|_| {
                            nth += 1;
                            nth % 2 == 1
                        });
                    }
                    None => {}
                }
                let list = match kind {
                    Kind::Interfaces => "NetworkInterfaces",
                    Kind::LoadBalancers => "LoadBalancers",
                    _ => "Reservations",
                };
                let page = format!(r#"{{"{list}":[{}]}}"#, records.join(","));
                let (account, region, at): (Arc<str>, Arc<str>, _) =
                    ((*account).into(), (*region).into(), self.clock.now());
                if !matches!(answer, Some(Answer::Denied | Answer::Throttled | Answer::NotAsked)) {
                    let from = Origin { account: account.clone(), region: region.clone(), kind, at };
                    pages.page(&from, page);
                    let own =
                        cloud.classics.iter().filter(|b| kind == Kind::LoadBalancers && b.0 == (&*account, &*region));
                    let own: Vec<String> = own.map(|(place, name)| classic(*place, name)).collect();
                    if !own.is_empty() {
                        pages.page(&from, format!(r#"{{"LoadBalancerDescriptions":[{}]}}"#, own.join(",")));
                    }
                }
                fetched.recordings.push(Recording { account, region, kind, state, pages: Vec::new(), taken_at: at });
            }
            let call = "ec2:DescribeInstances".into();
            fetched.usage.push(Usage { account: (*account).into(), call, calls: 1, throttled: 0 });
        }
        fetched
    }

    fn confirm(&self, claims: &[Claim]) -> Vec<Ownership> {
        let mut cloud = self.cloud();
        cloud.asked.push(claims.iter().map(|c| c.addr).collect());
        claims
            .iter()
            .map(|claim| {
                if cloud.mute.contains(&claim.addr) {
                    return Ownership::Unknown("the provider does not answer".into());
                }
                if let Some(left) = cloud.hands.get_mut(&claim.addr) {
                    if *left == 0 {
                        return Ownership::Lost("the address belongs to eni-stranger".into());
                    }
                    *left -= 1;
                }
                let machine = cloud.machines.iter().find(|(_, vm)| vm.addr.parse() == Ok(claim.addr));
                let balancer = cloud.balancers.iter().find(|b| b.2 == claim.addr);
                let owner = machine.map(|(id, _)| id.clone()).or(balancer.map(|(place, name, _)| arn(*place, name)));
                match owner {
                    Some(id) if *id == *claim.asset => Ownership::Confirmed,
                    Some(id) => Ownership::Lost(format!("the address belongs to eni-{id}")),
                    None => Ownership::Lost("nobody has the address".into()),
                }
            })
            .collect()
    }

    fn permissions(&self) -> Vec<Permission> {
        let names = [("ec2:DescribeInstances", "machines"), ("ec2:DescribeNetworkInterfaces", "interfaces")];
        let cloud = self.cloud();
        let refused = |name: &str| cloud.refused_rights.contains(&name).then(|| "AccessDenied".to_owned());
        names
            .into_iter()
            .map(|(name, need)| Permission {
                name: name.into(),
                place: "111111111111".into(),
                need,
                refused: refused(name),
            })
            .collect()
    }

    fn policy_document(&self) -> String {
        r#"{"Version":"2012-10-17"}"#.into()
    }
}

/// A workspace with one live connector `c` and one scan `s`.
pub struct Place {
    pub folder: TempDir,
    pub workspace: Workspace,
    pub cloud: Scripted,
}

impl Place {
    pub fn new(name: &str, more: &str) -> Self {
        let folder = TempDir::new(&format!("sync-{name}"));
        let text = format!("connector \"c\" {{\n  provider = aws\n}}\n{more}\n");
        fs::write(folder.0.join("edge.pal"), text).unwrap();
        let workspace = Workspace::load(&folder.0, &Limits::default()).unwrap();
        let errors: Vec<&String> = workspace.diagnostics.iter().filter(|d| d.is_error()).map(|d| &d.message).collect();
        assert!(errors.is_empty(), "{errors:?}");
        Self { folder, workspace, cloud: Scripted::at_start() }
    }

    pub fn env(&self) -> Env {
        self.cloud.env(&self.folder.0)
    }
}
