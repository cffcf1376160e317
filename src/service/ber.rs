//! Basic Encoding Rules, as much as LDAP and SNMP need: definite lengths, tags of one byte. X.690 8.1.

use super::octets::Octets;

/// One element: tag and contents.
pub(super) fn element<'a>(octets: &mut Octets<'a>) -> Option<(u8, &'a [u8])> {
    let tag = octets.byte()?;
    let length = match octets.byte()? {
        short @ 0..=0x7f => usize::from(short),
        long @ 0x81..=0x84 => {
            let bytes = octets.take(usize::from(long & 0x7f))?;
            bytes.iter().fold(0usize, |n, b| n << 8 | usize::from(*b))
        }
        _ => return None,
    };
    octets.take(length).map(|contents| (tag, contents))
}

/// The contents of the next element, which must have this tag.
pub(super) fn of<'a>(octets: &mut Octets<'a>, tag: u8) -> Option<&'a [u8]> {
    element(octets).filter(|(t, _)| *t == tag).map(|(_, contents)| contents)
}

/// A number of at most eight bytes.
pub(super) fn integer(contents: &[u8]) -> Option<i64> {
    let first = *contents.first()?;
    let start = if first & 0x80 == 0 { 0 } else { -1 };
    (contents.len() <= 8).then(|| contents.iter().fold(start, |n: i64, b| n << 8 | i64::from(*b)))
}

/// Writes an element of less than 64 KiB.
pub(super) fn write(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let contents = parts.concat();
    let mut out = vec![tag];
    match contents.len() {
        n @ 0..=0x7f => out.push(n as u8),
        n => {
            out.push(0x82);
            out.extend((n as u16).to_be_bytes());
        }
    }
    out.extend(contents);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_bounded_by_what_is_there() {
        assert_eq!(element(&mut Octets(&[4, 2, 7, 8, 9])), Some((4, &[7, 8][..])));
        assert_eq!(element(&mut Octets(&[4, 0x82, 0, 1, 5])), Some((4, &[5][..])));
        for bad in [&[4u8][..], &[4, 0x80, 0, 0], &[4, 0x84, 0xff, 0xff, 0xff, 0xff, 1], &[4, 0x89], &[4, 5, 1]] {
            assert_eq!(element(&mut Octets(bad)), None, "{bad:?}");
        }
        assert_eq!(
            (integer(&[0xff]), integer(&[1, 0]), integer(&[]), integer(&[1; 9])),
            (Some(-1), Some(256), None, None)
        );
        assert_eq!(element(&mut Octets(&write(4, &[&[1; 300]]))).map(|(t, c)| (t, c.len())), Some((4, 300)));
    }
}
