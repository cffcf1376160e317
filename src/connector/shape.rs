//! Recognises what a document is by its content and hands its records, one at a time, to the provider's reader.
//!
//! A document is an object or an array. An object whose members include a list known by name (`Reservations`, `value`,
//! `items`, …) is a page; any other object is one record. An array holds records or pages.

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Arc;

use serde::Deserialize;

use crate::base::limits::Limits;
use crate::connector::aws::Aws;
use crate::connector::aws_record::{AddressRecord, ClassicBalancer, Eni, Instance, LoadBalancerRecord};
use crate::connector::azure::Azure;
use crate::connector::azure_record::Resource;
use crate::connector::classify::{Class, Shape, classify, list_shape, opens_page};
use crate::connector::crew::ALONE_BYTES;
use crate::connector::desk::{Desk, Envelope, Page, Record, shown};
use crate::connector::envelope;
use crate::connector::file::FileConnector;
use crate::connector::gcp;
use crate::connector::gcp_edge::{AddressEntry, ForwardingRule, GcpEdge};
use crate::connector::notice::Site;
use crate::connector::overlay::Overlay;
use crate::connector::split::{Piece, SplitError, Splitter};
use crate::inventory::partition::{Kind, PartitionId};

/// Documents in documents: an envelope, an array of pages, a page.
const LEVELS: usize = 4;

/// A page that says there is another one.
pub(super) struct Continued {
    file: Arc<str>,
    path: String,
    touched: BTreeSet<PartitionId>,
}

/// One reading: the desk and what the providers' readers keep.
pub(super) struct Reading<'a> {
    pub(super) desk: Desk<'a>,
    pub(super) aws: Aws,
    pub(super) azure: Azure,
    pub(super) gcp: GcpEdge,
    pub(super) overlay: Overlay,
    pub(super) file: Arc<str>,
    /// By kind of page.
    pub(super) continued: Vec<(BTreeSet<Kind>, Continued)>,
    /// Zones with a warning, until their project is known.
    pub(super) zone_warnings: Vec<(String, String)>,
    pub(super) taken_at: Option<jiff::Timestamp>,
    /// The present file said when it was recorded.
    pub(super) enveloped: bool,
    /// Records and lists understood in the present file.
    pub(super) understood: u64,
    /// What was lost of the present file has become a gap.
    pub(super) accounted: bool,
    /// Bytes of a list after which others help to read it.
    pub(super) alone_bytes: u64,
}

/// Where a walk stands.
#[derive(Clone, Copy)]
pub(super) struct Place<'p> {
    pub(super) path: &'p str,
    pub(super) envelope: &'p Envelope,
    pub(super) level: usize,
}

impl Place<'_> {
    fn child(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else if key.starts_with('[') {
            format!("{}{key}", self.path)
        } else {
            format!("{}.{key}", self.path)
        }
    }
}

impl<'a> Reading<'a> {
    /// A reading that begins.
    pub(super) fn new(spec: &'a FileConnector, limits: &'a Limits, file: Arc<str>) -> Self {
        Self {
            desk: Desk::new(spec, limits),
            aws: Aws::default(),
            azure: Azure::default(),
            gcp: GcpEdge::default(),
            overlay: Overlay::default(),
            file,
            continued: Vec::new(),
            zone_warnings: Vec::new(),
            taken_at: None,
            enveloped: false,
            understood: 0,
            accounted: false,
            alone_bytes: ALONE_BYTES,
        }
    }

    /// The site of a list's member.
    pub(super) fn at<'s>(file: &'s Arc<str>, path: &'s str, index: u64) -> Site<'s> {
        Site { file, container: path, index: Some(index), inner: None }
    }

    /// One document, whatever it is.
    pub(super) fn document<R: Read>(&mut self, s: &mut Splitter<R>, place: Place<'_>) -> Result<(), SplitError> {
        let mut page = Page::default();
        let result = match s.peek()? {
            Some(b'[') => self.list(s, place, None, &mut page),
            Some(b'{') => self.object(s, place, &mut page),
            _ => s.open(b'{', "an object or an array"),
        };
        self.close(page, place, result.as_ref().err());
        result
    }

    /// Turns what was lost of a page into gaps.
    fn close(&mut self, page: Page, place: Place<'_>, error: Option<&SplitError>) {
        let mut causes: Vec<(Option<Kind>, String)> = error.map(|e| (None, e.to_string())).into_iter().collect();
        for (kind, n) in &page.dropped {
            causes.push((Some(*kind), format!("{n} record{} dropped", if *n == 1 { "" } else { "s" })));
        }
        self.accounted |= !causes.is_empty();
        for (kind, cause) in causes {
            let of_kind =
                |id: &&PartitionId| kind.is_none_or(|k| self.desk.coverage.get(**id).is_some_and(|p| p.kind == k));
            let hit: Vec<PartitionId> = page.touched.iter().filter(of_kind).copied().collect();
            if hit.is_empty() {
                let (account, region) = (place.envelope.account.clone(), place.envelope.region.clone());
                let kind = kind.or(place.envelope.kind).or(page.kinds.first().copied()).unwrap_or(Kind::Instances);
                let id = self.desk.coverage.of(&account.unwrap_or_default(), &region.unwrap_or_default(), kind);
                self.desk.coverage.partial(id, &cause);
            }
            for id in hit {
                self.desk.coverage.partial(id, &cause);
            }
        }
        if let Some((example, n)) = &page.others {
            let file = Arc::clone(&self.file);
            let site = Site { file: &file, container: place.path, index: None, inner: None };
            let text = format!("records of other types, such as `{example}`, were not read: {n}");
            self.desk.notices.at(crate::base::diagnostic::Severity::Advice, "P0367", site, text);
        }
    }

    fn object<R: Read>(&mut self, s: &mut Splitter<R>, place: Place<'_>, page: &mut Page) -> Result<(), SplitError> {
        s.open(b'{', "an object")?;
        let mut rest = Rest::default();
        let (mut lists, mut aggregated) = (0_u32, false);
        let mut first = true;
        while s.member(&mut first, b'}')? {
            let key = s.key()?;
            let next = s.peek()?;
            let path = place.child(&key);
            let inner = Place { path: &path, ..place };
            match (key.as_str(), next) {
                ("body", Some(b'{' | b'[')) if rest.is_recording() && place.level < LEVELS => {
                    let envelope = envelope::read(self, &rest.closed(), place);
                    lists += 1;
                    self.document(s, Place { envelope: &envelope, level: place.level + 1, ..inner })?;
                    rest.after_body();
                }
                ("assets", Some(b'{')) if rest.is_overlay() => {
                    lists += 1;
                    self.overlay_assets(s, inner)?;
                }
                ("items", Some(b'{')) => {
                    lists += 1;
                    aggregated = true;
                    self.zones(s, inner, page)?;
                }
                ("data", Some(b'{')) => {
                    lists += 1;
                    self.table(s, inner, page)?;
                }
                (key, Some(b'[')) if !rest.is_record() && list_shape(key).is_some() => {
                    lists += 1;
                    let shape = list_shape(key).flatten();
                    page.kinds.extend(shape.map(Shape::kind));
                    self.list(s, inner, shape, page)?;
                }
                (key, _) => match s.value()? {
                    Piece::Whole(range) => rest.keep(key, s.bytes(range), self.desk.limits.inventory_record_bytes),
                    Piece::TooLong(_) => rest.too_long = true,
                },
            }
        }
        if lists == 0 {
            let file = Arc::clone(&self.file);
            let site = Site { file: &file, container: place.path, index: None, inner: None };
            self.record(&rest.closed(), None, site, place, page);
            return Ok(());
        }
        self.understood += 1;
        if aggregated && page.kinds.is_empty() {
            let said = gcp::Type::of_list(&rest.kind).map(gcp::Type::kind);
            page.kinds.insert(said.or(place.envelope.kind).unwrap_or(Kind::Instances));
        }
        envelope::close_page(self, &rest, place, page);
        Ok(())
    }

    /// The members of an array: records, or pages.
    fn list<R: Read>(
        &mut self,
        s: &mut Splitter<R>,
        place: Place<'_>,
        shape: Option<Shape>,
        page: &mut Page,
    ) -> Result<(), SplitError> {
        s.open(b'[', "an array")?;
        let file = Arc::clone(&self.file);
        let (mut first, mut n) = (true, 0_u64);
        let start = s.offset();
        while s.member(&mut first, b']')? {
            let pages = shape.is_none() && place.level < LEVELS;
            if pages && s.first_key()?.is_some_and(|k| opens_page(&k)) {
                let path = place.child(&format!("[{n}]"));
                self.document(s, Place { path: &path, level: place.level + 1, ..place })?;
            } else {
                let site = Self::at(&file, place.path, n);
                match s.value()? {
                    Piece::Whole(range) => self.record(s.bytes(range), shape, site, place, page),
                    Piece::TooLong(length) => self.oversize(length, shape, site, place, page),
                }
            }
            n += 1;
            if let Some(shape) = shape.filter(|s| s.stands_alone())
                && s.offset() - start > self.alone_bytes
            {
                return self.rest_of_list(s, place, shape, page, n);
            }
        }
        if n == 0 {
            self.empty_list(shape, place, page);
        }
        Ok(())
    }

    /// An empty list says something only where it is known what is not there.
    fn empty_list(&mut self, shape: Option<Shape>, place: Place<'_>, page: &mut Page) {
        match shape.map(Shape::kind).or(place.envelope.kind) {
            Some(kind) => {
                page.kinds.insert(kind);
                self.understood += 1;
                let (account, region) = (place.envelope.account.clone(), place.envelope.region.clone());
                let id = self.desk.coverage.read(&account.unwrap_or_default(), &region.unwrap_or_default(), kind);
                page.touched.insert(id);
            }
            None if place.path.is_empty() => {
                let file = Arc::clone(&self.file);
                let text = "an empty list: it does not say what there is none of; put it in a `palisade/recording/1` envelope with `kind`";
                self.desk.notices.warning("P0351", Site::file(&file), text);
                self.understood += 1;
            }
            None => {}
        }
    }

    pub(super) fn oversize(
        &mut self,
        length: u64,
        shape: Option<Shape>,
        site: Site<'_>,
        place: Place<'_>,
        page: &mut Page,
    ) {
        let kind = shape.map(Shape::kind).or(page.kinds.first().copied()).unwrap_or(Kind::Instances);
        let why = format!("it has {length} bytes, the limit is {}", self.desk.limits.inventory_record_bytes);
        let mut record = Record { site, envelope: place.envelope, page };
        self.desk.drop_record(&mut record, kind, &why);
    }

    /// `items` of an aggregated list: zones, regions and `global`, each with records or a warning.
    fn zones<R: Read>(&mut self, s: &mut Splitter<R>, place: Place<'_>, page: &mut Page) -> Result<(), SplitError> {
        s.open(b'{', "an object")?;
        let mut first = true;
        while s.member(&mut first, b'}')? {
            let zone = s.key()?;
            let path = place.child(&format!("[\"{zone}\"]"));
            if s.peek()? != Some(b'{') {
                s.value()?;
                continue;
            }
            s.open(b'{', "an object")?;
            let mut first = true;
            while s.member(&mut first, b'}')? {
                let key = s.key()?;
                let inner = format!("{path}.{key}");
                match (key.as_str(), s.peek()?) {
                    (list, Some(b'[')) if gcp::Type::of_member(list).is_some() => {
                        let shape = gcp::Type::of_member(list).map(Shape::Gcp);
                        page.kinds.extend(shape.map(Shape::kind));
                        self.list(s, Place { path: &inner, ..place }, shape, page)?;
                    }
                    ("warning", Some(b'{')) => {
                        if let Piece::Whole(range) = s.value()? {
                            envelope::zone_warning(self, &zone, s.bytes(range), Place { path: &inner, ..place });
                        }
                    }
                    _ => {
                        s.value()?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Resource Graph's table form: `{columns: [{name, type}], rows: [[…]]}`.
    fn table<R: Read>(&mut self, s: &mut Splitter<R>, place: Place<'_>, page: &mut Page) -> Result<(), SplitError> {
        #[derive(Deserialize)]
        struct Column {
            name: String,
        }
        s.open(b'{', "an object")?;
        let mut columns: Option<Vec<String>> = None;
        let mut first = true;
        while s.member(&mut first, b'}')? {
            let (key, file) = (s.key()?, Arc::clone(&self.file));
            let path = place.child(&key);
            match (key.as_str(), s.peek()?) {
                ("columns", Some(b'[')) => {
                    if let Piece::Whole(range) = s.value()? {
                        let read = serde_json::from_slice::<Vec<Column>>(s.bytes(range));
                        columns = read.ok().map(|c| c.into_iter().map(|c| c.name).collect());
                    }
                }
                ("rows", Some(b'[')) => {
                    s.open(b'[', "an array")?;
                    let (mut first, mut n) = (true, 0);
                    while s.member(&mut first, b']')? {
                        let site = Self::at(&file, &path, n);
                        let row = match s.value()? {
                            Piece::Whole(range) => columns.as_ref().and_then(|c| row_object(s.bytes(range), c)),
                            Piece::TooLong(_) => None,
                        };
                        match row {
                            Some(row) => self.record(&row, None, site, place, page),
                            None => {
                                let mut record = Record { site, envelope: place.envelope, page };
                                let why = "it does not fit the table's `columns`, which must come before `rows`";
                                self.desk.drop_record(&mut record, Kind::Instances, why);
                            }
                        }
                        n += 1;
                    }
                }
                _ => {
                    s.value()?;
                }
            }
        }
        Ok(())
    }

    fn overlay_assets<R: Read>(&mut self, s: &mut Splitter<R>, place: Place<'_>) -> Result<(), SplitError> {
        s.open(b'{', "an object")?;
        let file = Arc::clone(&self.file);
        let mut first = true;
        while s.member(&mut first, b'}')? {
            let asset = s.key()?;
            let path = place.child(&format!("[\"{}\"]", shown(&asset)));
            let site = Site { file: &file, container: &path, index: None, inner: None };
            match s.value()? {
                Piece::Whole(range) => self.overlay.take(&mut self.desk, &asset, s.bytes(range), site),
                Piece::TooLong(_) => self.desk.notices.error("P0360", site, "this entry is too long and was left out"),
            }
        }
        self.understood += 1;
        Ok(())
    }

    /// One record of a known or yet unknown shape.
    pub(super) fn record(
        &mut self,
        bytes: &[u8],
        shape: Option<Shape>,
        site: Site<'_>,
        place: Place<'_>,
        page: &mut Page,
    ) {
        if bytes.first() != Some(&b'{') {
            // Serde would read an array as a record whose members stand in order.
            let kind = shape.map(Shape::kind).or(place.envelope.kind).or(page.kinds.first().copied());
            let mut record = Record { site, envelope: place.envelope, page };
            return self.desk.drop_record(&mut record, kind.unwrap_or(Kind::Instances), "it is not an object");
        }
        let shape = match shape {
            Some(shape) => shape,
            None => match classify(bytes) {
                Class::Shape(shape) => shape,
                Class::Page if place.level < LEVELS => {
                    let path = site.path();
                    let mut s = Splitter::new(bytes, bytes.len(), bytes.len() as u64);
                    let inner = Place { path: &path, level: place.level + 1, ..place };
                    if let Err(e) = self.document(&mut s, inner) {
                        self.desk.notices.error("P0353", site, e.to_string());
                    }
                    return;
                }
                Class::Other(ty) => {
                    self.understood += 1;
                    page.others.get_or_insert((ty, 0)).1 += 1;
                    return;
                }
                Class::Page | Class::Unknown(_) => return self.unknown(bytes, site, place, page),
            },
        };
        self.understood += 1;
        let mut record = Record { site, envelope: place.envelope, page };
        let desk = &mut self.desk;
        let read = match shape {
            Shape::Reservation => {
                self.aws.reservation(desk, bytes, &mut record);
                Ok(())
            }
            Shape::Ec2Instance => parse(bytes).map(|r: Instance<'_>| self.aws.instance(desk, &r, None, &mut record)),
            Shape::Eni => parse(bytes).map(|r: Eni<'_>| self.aws.eni(desk, &r, &mut record)),
            Shape::ElasticAddress => parse(bytes).map(|r: AddressRecord<'_>| self.aws.address(desk, &r, &mut record)),
            Shape::Balancer => {
                parse(bytes).map(|r: LoadBalancerRecord<'_>| self.aws.load_balancer(desk, &r, &mut record))
            }
            Shape::ClassicBalancer => {
                parse(bytes).map(|r: ClassicBalancer<'_>| self.aws.classic(desk, &r, &mut record))
            }
            Shape::Azure(ty) => Resource::read(bytes).map(|r| self.azure.resource(desk, ty, r, &mut record)),
            Shape::Gcp(gcp::Type::Instance) => {
                parse(bytes).map(|r: gcp::Instance<'_>| gcp::instance(desk, &r, &mut record))
            }
            Shape::Gcp(gcp::Type::ForwardingRule) => {
                parse(bytes).map(|r: ForwardingRule<'_>| self.gcp.forwarding_rule(desk, &r, &mut record))
            }
            Shape::Gcp(gcp::Type::Address) => {
                parse(bytes).map(|r: AddressEntry<'_>| self.gcp.address(desk, &r, &mut record))
            }
        };
        if let Err(why) = read {
            desk.drop_record(&mut record, shape.kind(), &why);
        }
    }

    fn unknown(&mut self, bytes: &[u8], site: Site<'_>, place: Place<'_>, page: &mut Page) {
        let kind = place.envelope.kind.or(page.kinds.first().copied()).unwrap_or(Kind::Instances);
        let seen = match classify(bytes) {
            Class::Unknown(seen) => seen,
            _ => "pages inside pages".to_owned(),
        };
        let mut record = Record { site, envelope: place.envelope, page };
        self.desk.drop_record(&mut record, kind, &format!("it is no known record: {seen}"));
    }

    /// Keeps a page that announces another one, and settles the one that this page follows.
    pub(super) fn page_done(&mut self, more: bool, place: Place<'_>, page: &Page) {
        let here = self.desk.coverage.places(&page.touched);
        let follows = |(kinds, before): &(BTreeSet<Kind>, Continued)| {
            let there = self.desk.coverage.places(&before.touched);
            kinds == &page.kinds && (here.is_empty() || there.is_empty() || !here.is_disjoint(&there))
        };
        if let Some(n) = self.continued.iter().position(follows) {
            self.continued.swap_remove(n);
        }
        if more {
            let (file, path) = (Arc::clone(&self.file), place.path.to_owned());
            self.continued.push((page.kinds.clone(), Continued { file, path, touched: page.touched.clone() }));
        }
    }

    /// Pages whose next page was not recorded are gaps.
    pub(super) fn settle_pages(&mut self) {
        for (kinds, page) in std::mem::take(&mut self.continued) {
            let site = Site { file: &page.file, container: &page.path, index: None, inner: None };
            self.desk.notices.error("P0357", site, "this page says that there is a next page, which was not recorded");
            let mut ids = page.touched;
            if ids.is_empty() {
                let kind = kinds.first().copied().unwrap_or(Kind::Instances);
                ids.insert(self.desk.coverage.of(&"".into(), &"".into(), kind));
            }
            for id in ids {
                self.desk.coverage.partial(id, "next page is missing");
            }
        }
    }
}

fn parse<'b, T: Deserialize<'b>>(bytes: &'b [u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|e| e.to_string())
}

/// `{"a":1,"b":2}` of columns `a`, `b` and the row `[1,2]`.
fn row_object(row: &[u8], columns: &[String]) -> Option<Vec<u8>> {
    let mut s = Splitter::new(row, row.len(), row.len() as u64);
    s.open(b'[', "an array").ok()?;
    let mut out = vec![b'{'];
    let mut first = true;
    let mut names = columns.iter();
    while s.member(&mut first, b']').ok()? {
        let name = serde_json::to_vec(names.next()?).ok()?;
        let Piece::Whole(range) = s.value().ok()? else { return None };
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(&name);
        out.push(b':');
        out.extend_from_slice(s.bytes(range));
    }
    out.push(b'}');
    names.next().is_none().then_some(out)
}

/// Members of an object beside its lists, kept as an object of their own.
#[derive(Default)]
pub(super) struct Rest {
    bytes: Vec<u8>,
    schema: String,
    /// Google's `kind` of the list.
    kind: String,
    record: bool,
    body: bool,
    /// Members that came after `body`.
    pub(super) late: Vec<String>,
    too_long: bool,
}

impl Rest {
    fn keep(&mut self, key: &str, value: &[u8], limit: usize) {
        if self.bytes.len() + value.len() > limit {
            self.too_long = true;
            return;
        }
        match key {
            "schema" => self.schema = serde_json::from_slice(value).unwrap_or_default(),
            "kind" => self.kind = serde_json::from_slice(value).unwrap_or_default(),
            "InstanceId" | "vmId" | "selfLink" | "ImageId" | "AmiLaunchIndex" => self.record = true,
            _ if self.body => self.late.push(key.to_owned()),
            _ => {}
        }
        self.bytes.push(if self.bytes.is_empty() { b'{' } else { b',' });
        self.bytes.extend_from_slice(&serde_json::to_vec(key).unwrap_or_default());
        self.bytes.push(b':');
        self.bytes.extend_from_slice(value);
    }

    fn after_body(&mut self) {
        self.body = true;
    }

    fn is_record(&self) -> bool {
        self.record
    }

    fn is_recording(&self) -> bool {
        self.schema == envelope::SCHEMA && !self.body
    }

    fn is_overlay(&self) -> bool {
        self.schema == crate::connector::overlay::SCHEMA
    }

    /// True where this is the object of an envelope.
    pub(super) fn has_body(&self) -> bool {
        self.body
    }

    /// The kept members as one object.
    pub(super) fn closed(&self) -> Vec<u8> {
        let mut all = if self.bytes.is_empty() { vec![b'{'] } else { self.bytes.clone() };
        all.push(b'}');
        all
    }
}
