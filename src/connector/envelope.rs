//! What stands beside the records: our own envelope `palisade/recording/1`, marks of a next page, and warnings.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;

use crate::connector::desk::{Envelope, Page, last_segment, segment_after, shown};
use crate::connector::gcp::region_of_zone;
use crate::connector::lenient::{Text, some};
use crate::connector::notice::Site;
use crate::connector::shape::{Place, Reading, Rest};
use crate::inventory::partition::{Kind, PartitionState};

/// The envelope's `schema`.
pub(super) const SCHEMA: &str = "palisade/recording/1";

/// Longest cause kept, in characters.
const CAUSE: usize = 400;

/// The envelope's members but `body`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Header<'a> {
    #[serde(borrow)]
    account: Option<Text<'a>>,
    region: Option<Text<'a>>,
    taken_at: Option<Text<'a>>,
    kind: Option<Text<'a>>,
    denied: Option<Vec<Refusal<'a>>>,
    state: Option<Text<'a>>,
    cause: Option<Text<'a>>,
}

impl Header<'_> {
    /// How the reading of the body's partition went, where the envelope says it; an unknown word is given back.
    fn state(&self) -> Option<Result<PartitionState, String>> {
        let cause: Arc<str> = some(self.cause.as_ref()).map_or_else(|| "no cause was recorded".into(), shown_cause);
        Some(Ok(match some(self.state.as_ref())? {
            "complete" => PartitionState::Complete,
            "partial" => PartitionState::Partial { cause },
            "denied" => PartitionState::Denied { cause },
            "throttled" => PartitionState::Throttled { cause },
            "not-asked" => PartitionState::NotAsked,
            other => return Some(Err(shown(other))),
        }))
    }
}

/// A cause in one line without control characters.
fn shown_cause(text: &str) -> Arc<str> {
    let clean: String = text.chars().take(CAUSE).map(|c| if c.is_control() { ' ' } else { c }).collect();
    clean.into()
}

/// One thing that the provider refused to tell.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refusal<'a> {
    #[serde(borrow)]
    account: Option<Text<'a>>,
    region: Option<Text<'a>>,
    kind: Option<Text<'a>>,
    cause: Option<Text<'a>>,
}

/// Marks of a next page, and warnings, in every provider's spelling.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Marks<'a> {
    #[serde(borrow, rename = "NextToken")]
    next_token: Option<Text<'a>>,
    #[serde(rename = "NextMarker")]
    next_marker: Option<Text<'a>>,
    #[serde(rename = "nextLink")]
    next_link: Option<Text<'a>>,
    #[serde(rename = "nextPageToken")]
    next_page_token: Option<Text<'a>>,
    #[serde(rename = "$skipToken", alias = "skipToken", alias = "skip_token")]
    skip_token: Option<Text<'a>>,
    id: Option<Text<'a>>,
    #[serde(rename = "selfLink")]
    self_link: Option<Text<'a>>,
    warning: Option<Warning<'a>>,
    unreachables: Option<Vec<Text<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Warning<'a> {
    #[serde(borrow)]
    code: Option<Text<'a>>,
    message: Option<Text<'a>>,
}

impl Warning<'_> {
    /// Its words, or nothing where it only says that a zone is empty.
    fn cause(&self) -> Option<String> {
        let code = some(self.code.as_ref()).unwrap_or("a warning without a code");
        if code == "NO_RESULTS_ON_PAGE" {
            return None;
        }
        let message = some(self.message.as_ref()).map(|m| format!(": {}", shown(m)));
        Some(format!("{}{}", shown(code), message.unwrap_or_default()))
    }
}

fn kind_by_name(name: &str) -> Option<Kind> {
    let kinds = [Kind::Instances, Kind::Interfaces, Kind::Addresses, Kind::LoadBalancers, Kind::InstanceView];
    kinds.into_iter().find(|k| k.as_str() == name)
}

/// Reads the members that stand before `body`.
pub(super) fn read(reading: &mut Reading<'_>, header: &[u8], place: Place<'_>) -> Envelope {
    let file = Arc::clone(&reading.file);
    let site = Site { file: &file, container: place.path, index: None, inner: None };
    let header: Header<'_> = match serde_json::from_slice(header) {
        Ok(header) => header,
        Err(e) => {
            reading.desk.notices.error("P0359", site, format!("the envelope was not understood: {e}"));
            return Envelope::default();
        }
    };
    let mut part = |text: Option<&Text<'_>>| some(text).filter(|t| reading.desk.fits(t, site)).map(Arc::<str>::from);
    let envelope = Envelope {
        account: part(header.account.as_ref()),
        region: part(header.region.as_ref()),
        kind: some(header.kind.as_ref()).and_then(kind_by_name),
    };
    if let (Some(word), None) = (some(header.kind.as_ref()), envelope.kind) {
        let text = format!(
            "`{}` is no kind; known are instances, interfaces, addresses, load-balancers, instance-view",
            shown(word)
        );
        reading.desk.notices.error("P0359", site, text);
    }
    if let Some(text) = some(header.taken_at.as_ref()) {
        match text.parse::<Timestamp>() {
            Ok(at) => reading.taken(at),
            Err(_) => reading.desk.notices.error("P0359", site, format!("`taken_at` is no time: `{}`", shown(text))),
        }
    }
    settle(reading, &header, &envelope, site);
    for refusal in header.denied.iter().flatten() {
        refuse(reading, refusal, &envelope, site);
    }
    envelope
}

/// Takes note of the state that the envelope gives to its partition.
fn settle(reading: &mut Reading<'_>, header: &Header<'_>, envelope: &Envelope, site: Site<'_>) {
    let state = match header.state() {
        None => return,
        Some(Ok(state)) => state,
        Some(Err(word)) => {
            let text = format!("`{word}` is no state; known are complete, partial, denied, throttled, not-asked");
            reading.desk.notices.error("P0359", site, text);
            PartitionState::Partial { cause: "of an unknown state".into() }
        }
    };
    let Some(kind) = envelope.kind else {
        return reading.desk.notices.error("P0359", site, "an envelope with a `state` needs a `kind`");
    };
    let account = envelope.account.clone().unwrap_or_default();
    let region = envelope.region.clone().unwrap_or_default();
    let (what, cause) = match &state {
        PartitionState::Complete | PartitionState::NotAsked => ("", "".into()),
        PartitionState::Partial { cause } => ("were partly read", Arc::clone(cause)),
        PartitionState::Denied { cause } => ("were refused", Arc::clone(cause)),
        PartitionState::Throttled { cause } => ("were throttled", Arc::clone(cause)),
    };
    let first = reading.desk.coverage.settle(&account, &region, kind, state);
    if first && !what.is_empty() {
        let place = format!("account `{}`, region `{}`", shown(&account), shown(&region));
        reading.desk.notices.warning("P0358", site, format!("{} of {place} {what}: {cause}", kind.as_str()));
    }
}

fn refuse(reading: &mut Reading<'_>, refusal: &Refusal<'_>, envelope: &Envelope, site: Site<'_>) {
    let own = |text: Option<&Text<'_>>, outer: &Option<Arc<str>>| match some(text) {
        Some(text) => Arc::from(text),
        None => outer.clone().unwrap_or_default(),
    };
    let account = own(refusal.account.as_ref(), &envelope.account);
    let region = own(refusal.region.as_ref(), &envelope.region);
    let kind = some(refusal.kind.as_ref()).map_or(Some(Kind::Instances), kind_by_name);
    let Some(kind) = kind else {
        reading.desk.notices.error("P0359", site, "an entry of `denied` names no known `kind`; it counts as instances");
        return reading.desk.coverage.denied(&account, &region, Kind::Instances, "of an unknown kind");
    };
    let cause = some(refusal.cause.as_ref()).map_or_else(|| "no cause was recorded".to_owned(), shown);
    reading.desk.coverage.denied(&account, &region, kind, &cause);
    let text = format!(
        "{} of account `{}`, region `{}` were refused: {cause}",
        kind.as_str(),
        shown(&account),
        shown(&region)
    );
    reading.desk.notices.warning("P0358", site, text);
}

/// Reads the marks of a page at its end.
pub(super) fn close_page(reading: &mut Reading<'_>, rest: &Rest, place: Place<'_>, page: &Page) {
    let file = Arc::clone(&reading.file);
    let site = Site { file: &file, container: place.path, index: None, inner: None };
    if rest.has_body() {
        if let Some(key) = rest.late.first() {
            let text = format!("`{}` stands after `body` and was not used: put `body` last", shown(key));
            reading.desk.notices.error("P0359", site, text);
        }
        return;
    }
    let closed = rest.closed();
    let marks: Marks<'_> = match serde_json::from_slice(&closed) {
        Ok(marks) => marks,
        Err(e) => {
            // What the page says about a next page is not known, so the page cannot count as the last one.
            reading.desk.notices.error(
                "P0353",
                site,
                format!("what stands beside the records was not understood: {e}"),
            );
            return reading.page_done(true, place, page);
        }
    };
    let tokens = [&marks.next_token, &marks.next_marker, &marks.next_link, &marks.next_page_token, &marks.skip_token];
    let more = tokens.into_iter().any(|t| some(t.as_ref()).is_some());
    if !page.kinds.is_empty() || more {
        reading.page_done(more, place, page);
    }
    let source = some(marks.self_link.as_ref()).or(some(marks.id.as_ref())).unwrap_or("");
    let project = segment_after(source, "projects").unwrap_or("");
    if let Some(cause) = marks.warning.as_ref().and_then(Warning::cause) {
        reading.desk.notices.warning("P0358", site, format!("the provider warns: {cause}"));
        let known = page.touched.iter().copied().collect::<Vec<_>>();
        for id in known {
            reading.desk.coverage.partial(id, &cause);
        }
        if page.touched.is_empty() {
            let zone = segment_after(source, "zones").map_or("", region_of_zone);
            let id = reading.desk.coverage.of(&project.into(), &zone.into(), kind_of(page, place));
            reading.desk.coverage.partial(id, &cause);
        }
    }
    for zone in marks.unreachables.iter().flatten() {
        reading.zone_warnings.push((zone.as_str().to_owned(), "UNREACHABLE".to_owned()));
    }
    settle_zones(reading, project, page, place, site);
    if page.touched.is_empty() && page.dropped.is_empty() {
        // Read to the end, and there was nothing.
        let account: Arc<str> =
            if project.is_empty() { place.envelope.account.clone().unwrap_or_default() } else { project.into() };
        let region = place.envelope.region.clone().unwrap_or_default();
        for kind in page.kinds.iter().filter(|k| **k == Kind::Instances || !project.is_empty()) {
            reading.desk.coverage.read(&account, &region, *kind);
        }
    }
}

/// What a page holds, or would have held.
fn kind_of(page: &Page, place: Place<'_>) -> Kind {
    page.kinds.first().copied().or(place.envelope.kind).unwrap_or(Kind::Instances)
}

/// `zone us-central1-f` and its region, of `zones/us-central1-f`, `projects/p/regions/us-central1` or `global`.
fn scope(text: &str) -> (String, &str) {
    let name = last_segment(text);
    if name == "global" {
        (name.to_owned(), "")
    } else if segment_after(text, "regions").is_some() {
        (format!("region {}", shown(name)), name)
    } else {
        (format!("zone {}", shown(name)), region_of_zone(name))
    }
}

/// Takes note of a zone's warning; its project is known only at the end of the page.
pub(super) fn zone_warning(reading: &mut Reading<'_>, zone: &str, warning: &[u8], place: Place<'_>) {
    let file = Arc::clone(&reading.file);
    let site = Site { file: &file, container: place.path, index: None, inner: None };
    let cause = match serde_json::from_slice::<Warning<'_>>(warning) {
        Ok(warning) => warning.cause(),
        Err(e) => Some(format!("a warning that was not understood: {e}")),
    };
    if let Some(cause) = cause {
        reading.desk.notices.warning("P0358", site, format!("the provider warns: {cause}"));
        reading.zone_warnings.push((zone.to_owned(), cause));
    }
}

fn settle_zones(reading: &mut Reading<'_>, project: &str, page: &Page, place: Place<'_>, site: Site<'_>) {
    let known = reading.desk.coverage.places(&page.touched).into_iter().map(|(account, _)| account).next();
    let known = known.or_else(|| place.envelope.account.clone());
    let project: Arc<str> = if project.is_empty() { known.unwrap_or_default() } else { project.into() };
    for (zone, cause) in std::mem::take(&mut reading.zone_warnings) {
        let (name, region) = scope(&zone);
        let region: Arc<str> = region.into();
        let text = format!("{name}: {cause}");
        if !reading.desk.wants(&region) {
            reading.desk.notices.warning("P0364", site, format!("{text}; the connector does not read this region"));
            continue;
        }
        reading.desk.coverage.denied(&project, &region, kind_of(page, place), &text);
    }
}
