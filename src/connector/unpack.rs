//! Plain bytes from a file that may be packed: gzip is known by its first two bytes, never by the name.

use std::io::{BufReader, Chain, Cursor, Read};

use flate2::read::MultiGzDecoder;

/// A file's text.
pub(super) type Unpacked = Box<dyn Read>;

/// The file with the bytes that were looked at put back.
type Whole = Chain<Cursor<Vec<u8>>, Box<dyn Read>>;

/// Reads the first bytes and undoes gzip and a byte order mark.
///
/// # Errors
/// What is wrong with the file, for people.
pub(super) fn unpack(file: Box<dyn Read>) -> Result<Unpacked, String> {
    let (head, whole) = look(file, 2)?;
    let text: Box<dyn Read> = if head == [0x1f, 0x8b] {
        Box::new(MultiGzDecoder::new(BufReader::with_capacity(1 << 16, whole)))
    } else {
        Box::new(whole)
    };
    let (head, whole) = look(text, 3)?;
    match head.as_slice() {
        [0xef, 0xbb, 0xbf] => {
            let (_, mut rest) = (head, whole);
            let mut mark = [0_u8; 3];
            rest.read_exact(&mut mark).map_err(|e| e.to_string())?;
            Ok(Box::new(rest))
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            Err("it is UTF-16, as PowerShell's `>` writes; write it with `| Out-File -Encoding utf8`".into())
        }
        [b'P', b'K', ..] => Err("it is a zip archive; unpack it first".into()),
        _ => Ok(Box::new(whole)),
    }
}

/// The first `n` bytes, fewer at the end of the file, and the file as if they had not been read.
fn look(mut file: Box<dyn Read>, n: u64) -> Result<(Vec<u8>, Whole), String> {
    let mut head = Vec::new();
    file.by_ref().take(n).read_to_end(&mut head).map_err(|e| e.to_string())?;
    Ok((head.clone(), Cursor::new(head).chain(file)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn text(bytes: Vec<u8>) -> Result<String, String> {
        let mut out = String::new();
        unpack(Box::new(Cursor::new(bytes)))?.read_to_string(&mut out).map_err(|e| e.to_string())?;
        Ok(out)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut w = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        w.write_all(bytes).unwrap();
        w.finish().unwrap()
    }

    #[test]
    fn by_content() {
        assert_eq!(text(b"{}".to_vec()), Ok("{}".into()));
        assert_eq!(text(Vec::new()), Ok(String::new()));
        assert_eq!(text(b"\xef\xbb\xbf[]".to_vec()), Ok("[]".into()));
        assert_eq!(text([gzip(b"{\"a\":"), gzip(b"1}")].concat()), Ok("{\"a\":1}".into()));
        assert!(text(b"\xff\xfe[\0]\0".to_vec()).unwrap_err().contains("UTF-16"));
        assert!(text(b"PK\x03\x04".to_vec()).unwrap_err().contains("zip"));
    }
}
