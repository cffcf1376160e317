//! Which authorities may issue certificates for a name: CAA records of the name, or of the nearest domain above it that has
//! any. RFC 8659 3.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt};
use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::RecordType;

use super::{Hickory, cause};
use crate::base::progress::{Stop, StopWish};

/// Labels above a name that are asked; no name of use has more.
const MOST_LABELS: usize = 16;
/// Records of one name that are kept.
const MOST_RECORDS: usize = 16;

/// What was answered for one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorities {
    /// As asked.
    pub name: Arc<str>,
    /// Records in their text form, empty where no domain up to the top has any; or why there is no answer.
    pub records: Result<Vec<String>, Arc<str>>,
}

impl Hickory {
    /// One answer a name, in the order asked.
    pub fn authorities(&self, names: &[Arc<str>], stop: &Stop) -> Vec<Authorities> {
        let failed = |why: &str| {
            let answer = |name: &Arc<str>| Authorities { name: Arc::clone(name), records: Err(why.into()) };
            names.iter().map(answer).collect()
        };
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return failed(&error.to_string()),
        };
        runtime.block_on(async {
            let resolver = match self.build() {
                Ok(resolver) => resolver,
                Err(why) => return failed(&why),
            };
            let all = names.iter().map(|name| self.climb(&resolver, name, stop));
            stream::iter(all).buffered(self.in_flight.max(1)).collect().await
        })
    }

    async fn climb(&self, resolver: &TokioResolver, name: &Arc<str>, stop: &Stop) -> Authorities {
        let mut records = Ok(Vec::new());
        let mut rest = name.trim_end_matches('.');
        for _ in 0..MOST_LABELS {
            if stop.wish() != StopWish::None {
                records = Err("interrupted".into());
                break;
            }
            match tokio::time::timeout(self.timeout, resolver.lookup(format!("{rest}."), RecordType::CAA)).await {
                Err(_) => records = Err("timed out".into()),
                Ok(Ok(found)) => {
                    let of_kind = found.answers().iter().filter(|r| r.record_type() == RecordType::CAA);
                    records = Ok(of_kind.map(|r| r.data.to_string()).take(MOST_RECORDS).collect());
                }
                Ok(Err(error)) if error.is_nx_domain() || error.is_no_records_found() => {}
                Ok(Err(error)) => records = Err(cause(&error)),
            }
            let found = records.as_ref().map_or(true, |r| !r.is_empty());
            match rest.split_once('.') {
                Some((_, above)) if !found => rest = above,
                _ => break,
            }
        }
        Authorities { name: Arc::clone(name), records }
    }
}
