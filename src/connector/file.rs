//! The file connector: recorded provider answers, whatever tool recorded them, become one inventory.

use std::io::Read;
use std::sync::Arc;

use jiff::Timestamp;

use crate::base::diagnostic::Severity;
use crate::base::limits::Limits;
use crate::base::progress::Progress;
use crate::connector::desk::{Desk, Envelope};
pub use crate::connector::notice::Notice;
use crate::connector::notice::Site;
use crate::connector::shape::{Place, Reading};
use crate::connector::split::{SplitError, Splitter};
use crate::connector::unpack::unpack;
use crate::inventory::asset::{AddressScope, Asset, Field, Module, Provider, Value};
use crate::inventory::catalogue::TokenId;
use crate::inventory::partition::Kind;
use crate::inventory::snapshot::SnapshotInput;
use crate::lang::job::{Connector, Regions};

/// What is accepted, for messages.
const ACCEPTED: &str = "accepted are, plain or gzip: aws ec2 describe-instances, describe-network-interfaces and describe-addresses, \
    aws elbv2 and elb describe-load-balancers, az vm list (with -d or without), az network nic list, public-ip list, lb list and \
    application-gateway list, Azure REST pages, Resource Graph answers, gcloud compute instances list, forwarding-rules list and \
    addresses list, Compute Engine list and aggregatedList, palisade/recording/1 and \
    palisade/overlay/1";

/// What the job file says about a file connector.
#[derive(Debug, Clone)]
pub struct FileConnector {
    /// Its name; becomes `connectors.name` of every asset.
    pub name: Arc<str>,
    /// Modules whose activation it grants.
    pub activate: Vec<Module>,
    /// Activate the smallest instance types too.
    pub include_micro_nano: bool,
    /// Project number of Google assets, which their records do not hold.
    pub project_number: Option<String>,
    /// Region codes or display names to keep; none means all.
    pub regions: Option<Vec<String>>,
}

impl From<&Connector> for FileConnector {
    fn from(c: &Connector) -> Self {
        Self {
            name: c.name.value.as_str().into(),
            activate: c.activate.clone(),
            include_micro_nano: c.include_micro_nano,
            project_number: c.project_number.clone(),
            regions: match &c.regions {
                Regions::All => None,
                Regions::Some(codes) => Some(codes.iter().map(|r| r.value.clone()).collect()),
            },
        }
    }
}

/// One file to read.
pub struct InputFile {
    /// Its name in notices.
    pub name: String,
    /// When it was last written; stands for the time of recording where the file does not say it.
    pub modified: Option<Timestamp>,
    /// Its bytes.
    pub bytes: Box<dyn Read>,
}

impl Reading<'_> {
    /// Takes note of a time of recording; the oldest one counts for the whole inventory.
    pub(super) fn taken(&mut self, at: Timestamp) {
        self.enveloped = true;
        self.taken_at = Some(self.taken_at.map_or(at, |t| t.min(at)));
    }
}

/// Reads all files of a connector into one inventory. Nothing fails as a whole: whatever could not be read is a
/// notice, and a partition that is not complete.
///
/// Assets that appear in several documents are joined: machines with their interfaces, addresses and power states. The
/// inventory's time is the oldest time of recording of its files: what an envelope says, else the file's own time,
/// else `now`. Progress counts files, as stage `sync`.
pub fn read(
    spec: &FileConnector,
    files: Vec<InputFile>,
    now: Timestamp,
    limits: &Limits,
    progress: &dyn Progress,
) -> (SnapshotInput, Vec<Notice>) {
    let mut reading = Reading::new(spec, limits, "".into());
    progress.start("sync", files.len() as u64);
    for (n, file) in files.into_iter().enumerate() {
        one_file(&mut reading, file);
        progress.update("sync", n as u64 + 1, &format!("{} assets", reading.desk.assets.len()));
    }
    let result = finish(reading, now);
    progress.finish("sync");
    result
}

pub(super) fn one_file(reading: &mut Reading<'_>, file: InputFile) {
    reading.file = file.name.as_str().into();
    (reading.understood, reading.enveloped, reading.accounted) = (0, false, false);
    let name = Arc::clone(&reading.file);
    let limits = reading.desk.limits;
    let mut documents = 0_u64;
    let outcome = match unpack(file.bytes) {
        Err(text) => Err(SplitError::Io { at: 0, text }),
        Ok(text) => {
            let mut s = Splitter::new(text, limits.inventory_record_bytes, limits.inventory_file_bytes);
            all_documents(reading, &mut s, &mut documents)
        }
    };
    let site = Site::file(&name);
    let gap = match outcome {
        Err(e) => {
            let code = match e {
                SplitError::Truncated { .. } => "P0352",
                SplitError::Syntax { .. } => "P0353",
                SplitError::Io { .. } => "P0361",
                SplitError::TooLong { .. } => "P0365",
            };
            let kept = if reading.understood > 0 { "; the records before it were kept" } else { "" };
            let help = if code == "P0353" && reading.understood == 0 { format!("; {ACCEPTED}") } else { String::new() };
            reading.desk.notices.error(code, site, format!("{e}{kept}{help}"));
            (!reading.accounted).then(|| e.to_string())
        }
        Ok(()) if documents == 0 => {
            reading.desk.notices.error("P0351", site, format!("the file is empty; {ACCEPTED}"));
            Some("an empty file".to_owned())
        }
        Ok(()) if reading.understood == 0 => {
            reading.desk.notices.error("P0350", site, format!("the file holds no inventory that is known; {ACCEPTED}"));
            (!reading.accounted).then(|| "a file that is not known".to_owned())
        }
        Ok(()) => None,
    };
    if let Some(cause) = gap {
        let id = reading.desk.coverage.of(&"".into(), &"".into(), Kind::Instances);
        reading.desk.coverage.partial(id, &format!("{name}: {cause}"));
    }
    if let (false, Some(at)) = (reading.enveloped, file.modified) {
        reading.taken(at);
    }
}

fn all_documents<R: Read>(
    reading: &mut Reading<'_>,
    s: &mut Splitter<R>,
    documents: &mut u64,
) -> Result<(), SplitError> {
    let envelope = Envelope::default();
    while s.next_document()?.is_some() {
        *documents += 1;
        let path = if *documents == 1 { String::new() } else { format!("document {documents}") };
        reading.document(s, Place { path: &path, envelope: &envelope, level: 0 })?;
    }
    Ok(())
}

/// Joins what stood in separate documents and settles the partitions.
pub(super) fn finish(mut reading: Reading<'_>, now: Timestamp) -> (SnapshotInput, Vec<Notice>) {
    reading.settle_pages();
    let Reading { mut desk, mut aws, mut azure, gcp, mut overlay, taken_at, .. } = reading;
    aws.finish(&mut desk);
    azure.finish(&mut desk);
    gcp.finish(&mut desk);
    let mut assets = std::mem::take(&mut desk.assets);
    for asset in &mut assets {
        put_addresses(&desk, asset);
    }
    desk.assets = assets;
    overlay.finish(&mut desk);
    for (account, region) in desk.coverage.with_kind(Kind::Instances) {
        desk.coverage.of(&account, &region, Kind::LoadBalancers);
    }
    if desk.coverage.with_kind(Kind::Instances).is_empty() {
        desk.coverage.of(&"".into(), &"".into(), Kind::Instances);
    }
    let none: Arc<str> = "".into();
    if desk.elsewhere > 0 {
        let text = format!("records of regions that the connector does not read: {}", desk.elsewhere);
        desk.notices.at(Severity::Advice, "P0364", Site::file(&none), text);
    }
    let Desk { assets, load_balancers, coverage, notices, .. } = desk;
    let partitions = coverage.into_list();
    let taken_at = taken_at.unwrap_or(now);
    let input =
        SnapshotInput { taken_at, learned_at: now, assets, partitions, load_balancers, ..SnapshotInput::default() };
    (input, notices.into_list())
}

/// Adds the tokens that are read off the joined interfaces.
fn put_addresses(desk: &Desk<'_>, asset: &mut Asset) {
    let t = &desk.tokens;
    let (private, public, ipv6, dns) = match asset.provider {
        Provider::Aws => (t.aws_private_ip, t.aws_public_ip, t.aws_public_ipv6, t.aws_public_dns),
        Provider::Azure => (t.azure_private_ip, t.azure_public_ip, t.azure_public_ipv6, None),
        Provider::Gcp => (t.gcp_private_ip, t.gcp_public_ip, t.gcp_public_ipv6, None),
    };
    let fields = &mut asset.fields;
    // Exactly what may come: growing by itself, a list doubles.
    let addresses: usize = asset.interfaces.iter().map(|n| n.addresses.len()).sum();
    let named = asset.interfaces.iter().flat_map(|n| &n.addresses).filter(|a| a.dns.is_some()).count();
    fields.reserve_exact(2 * addresses + 2 * named);
    let mut put = |token: Option<TokenId>, element: usize, value: Value| {
        if let (Some(token), Ok(element)) = (token, u16::try_from(element)) {
            fields.push(Field { token, element, value });
        }
    };
    for (n, interface) in asset.interfaces.iter().enumerate() {
        for address in &interface.addresses {
            put(t.interfaces_address, n, Value::Ip(address.addr));
            match address.scope {
                AddressScope::Private => put(private, n, Value::Ip(address.addr)),
                AddressScope::Public => put(public, n, Value::Ip(address.addr)),
                AddressScope::Unproven => {}
            }
            if address.addr.is_ipv6() && address.scope != AddressScope::Private {
                put(ipv6, n, Value::Ip(address.addr));
            }
            if let Some(name) = &address.dns {
                put(dns, n, Value::Str(Arc::clone(name)));
                put(t.interfaces_hostname, n, Value::Str(Arc::clone(name)));
            }
        }
    }
}
