//! Results documents as they are stored: a small one as its text, a large one in packed parts. The results of 65,536
//! hosts are 31 MB of text and 2 MB of parts, and writing them to the disk is what the end of a large scan waits for.

use sqlx::{Connection, SqliteConnection};

use super::{Store, StoreError};

/// Bytes of one part, and of a whole document, at most.
const PART: usize = 1 << 30;
const WHOLE: usize = if cfg!(test) { 1 << 25 } else { 1 << 32 };

/// A results document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// Its text.
    Text(String),
    /// Packed pieces of its text, as [`Document::pack`] makes them, in order.
    Parts(Vec<Vec<u8>>),
}

impl Document {
    /// Packs a piece of the text: LZ4 block format, its length before it.
    pub fn pack(text: &[u8]) -> Vec<u8> {
        lz4_flex::block::compress_prepend_size(text)
    }
}

fn unpack(part: &[u8]) -> Option<Vec<u8>> {
    let length = part.first_chunk::<4>().map(|b| u32::from_le_bytes(*b) as usize)?;
    // The format shortens to one in 255 at most.
    if length > PART || length > part.len().saturating_mul(255) {
        return None;
    }
    lz4_flex::block::decompress_size_prepended(part).ok()
}

/// Puts a document in the place of what a run has.
pub(super) async fn write(
    transaction: &mut SqliteConnection,
    reference: &str,
    document: &Document,
) -> Result<(), sqlx::Error> {
    let (text, parts): (&str, &[Vec<u8>]) = match document {
        Document::Text(text) => (text, &[]),
        Document::Parts(parts) => ("", parts),
    };
    sqlx::query("INSERT OR REPLACE INTO results VALUES (?, ?)")
        .bind(reference)
        .bind(text)
        .execute(&mut *transaction)
        .await?;
    sqlx::query("DELETE FROM result_parts WHERE reference = ?").bind(reference).execute(&mut *transaction).await?;
    for (number, body) in (0i64..).zip(parts) {
        sqlx::query("INSERT INTO result_parts VALUES (?, ?, ?)")
            .bind(reference)
            .bind(number)
            .bind(body.as_slice())
            .execute(&mut *transaction)
            .await?;
    }
    Ok(())
}

impl Store {
    /// The results document of a run, as it was stored.
    pub fn document(&mut self, reference: &str) -> Result<Option<String>, StoreError> {
        let failed = self.failed();
        let connection = &mut self.connection;
        let read = self.runtime.block_on(async {
            // Another process may write a new one between the two.
            let mut transaction = connection.begin().await?;
            let text: Option<String> = sqlx::query_scalar("SELECT document FROM results WHERE reference = ?")
                .bind(reference)
                .fetch_optional(&mut *transaction)
                .await?;
            let parts: Vec<Vec<u8>> = match &text {
                Some(text) if text.is_empty() => {
                    sqlx::query_scalar("SELECT body FROM result_parts WHERE reference = ? ORDER BY part")
                        .bind(reference)
                        .fetch_all(&mut *transaction)
                        .await?
                }
                _ => Vec::new(),
            };
            Ok((text, parts))
        });
        let (Some(mut text), parts) = read.map_err(failed)? else { return Ok(None) };
        for part in parts {
            let damaged = || StoreError::Damaged {
                path: self.database.clone(),
                why: format!("the results of {reference} cannot be read"),
            };
            let piece = unpack(&part).filter(|bytes| bytes.len() <= WHOLE - text.len());
            text.push_str(&piece.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(damaged)?);
        }
        Ok(Some(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{RunEnd, RunState};

    #[test]
    fn parts_that_together_are_more_than_a_document_can_be_are_damage() {
        let path = std::env::temp_dir().join(format!("palisade-document-{}", std::process::id()));
        let mut store = Store::open(&path).unwrap();
        let at = jiff::Timestamp::UNIX_EPOCH;
        let run = store.begin_run("edge", "h", "s", at, 1).unwrap();
        let mut read = |parts: usize| {
            let document = Document::Parts(vec![Document::pack(&vec![b' '; WHOLE / 4]); parts]);
            let end =
                RunEnd { document: &document, ledgers: &[], finished_targets: &[], judged: None, why: "interrupted" };
            store.finish_run(&run, RunState::Interrupted, at, &end).unwrap();
            let read = store.document(&run);
            store.transition(&run, RunState::Running, at, "resumed").unwrap();
            read
        };
        assert_eq!(read(4).unwrap().unwrap().len(), WHOLE);
        assert!(matches!(read(5), Err(StoreError::Damaged { .. })));
        std::fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn what_is_packed_is_unpacked_and_damage_is_not() {
        let text = r#"{"asset":"i-1","state":"up"},"#.repeat(2_000);
        let packed = Document::pack(text.as_bytes());
        assert!(packed.len() * 20 < text.len(), "{} of {}", packed.len(), text.len());
        assert_eq!(unpack(&packed).unwrap(), text.as_bytes());
        assert_eq!((unpack(&Document::pack(b"")), unpack(&[]), unpack(&[1, 0])), (Some(Vec::new()), None, None));
        let mut damaged = packed.clone();
        damaged[3] = 0x7f;
        assert_eq!(unpack(&damaged), None, "a length that no such part can have");
        assert_eq!(unpack(&packed[..packed.len() / 2]), None);
    }
}
