//! What a page shows: title, login form, icon. A look at text, not a parser of HTML: nothing is run or followed.

use super::encoding::base64;

/// Characters of a title that are kept.
const TITLE_CHARS: usize = 256;

fn lower(body: &[u8]) -> String {
    String::from_utf8_lossy(body).to_ascii_lowercase()
}

/// The first title, blanks joined, the usual entities replaced.
pub(super) fn title(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let low = text.to_ascii_lowercase();
    let open = low.find("<title")?;
    let from = open + low.get(open..)?.find('>')? + 1;
    let to = from + low.get(from..)?.find("</title")?;
    let words: Vec<&str> = text.get(from..to)?.split_whitespace().collect();
    let joined = words.join(" ");
    let plain = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&nbsp;", " "), ("&amp;", "&")]
        .iter()
        .fold(joined, |t, (entity, plain)| t.replace(entity, plain));
    Some(plain.chars().take(TITLE_CHARS).collect())
}

/// Tags of a name, as their text between `<name` and `>`.
fn tags<'a>(low: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    low.match_indices(name).take(500).filter_map(move |(at, _)| {
        let rest = low.get(at + name.len()..)?;
        rest.starts_with([' ', '\t', '\n', '\r', '/']).then_some(())?;
        rest.get(..rest.find('>')?)
    })
}

/// An attribute of a tag, with or without quotes.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let at = tag.match_indices(name).find(|(at, _)| {
        let before = tag.get(..*at).and_then(|b| b.chars().next_back());
        before.is_none_or(|c| c.is_whitespace() || c == '"' || c == '\'')
            && tag.get(at + name.len()..).is_some_and(|r| r.trim_start().starts_with('='))
    })?;
    let value = tag.get(at.0 + name.len()..)?.trim_start().strip_prefix('=')?.trim_start();
    match value.chars().next()? {
        quote @ ('"' | '\'') => value.get(1..)?.split(quote).next(),
        _ => value.split([' ', '\t', '\n', '\r', '/']).next(),
    }
}

/// A field for a password.
pub(super) fn login_form(body: &[u8]) -> bool {
    let low = lower(body);
    tags(&low, "<input").any(|tag| attribute(tag, "type") == Some("password"))
}

/// Where the page says that its icon is.
pub(super) fn icon(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let low = text.to_ascii_lowercase();
    let tag =
        tags(&low, "<link").find(|tag| attribute(tag, "rel").is_some_and(|r| r.split(' ').any(|w| w == "icon")))?;
    let href = attribute(tag, "href")?;
    // The same place in the text as it was written: paths have upper and lower case.
    let from = href.as_ptr().addr().checked_sub(low.as_ptr().addr())?;
    text.get(from..from + href.len()).map(str::to_owned)
}

/// MurmurHash3 (32 bits, seed 0) of the icon in base64 with line breaks: the number by which icons are known publicly.
pub(super) fn icon_number(bytes: &[u8]) -> i32 {
    let mut text = Vec::new();
    for line in base64(bytes).as_bytes().chunks(76) {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    murmur3(&text) as i32
}

/// Appleby's MurmurHash3_x86_32.
fn murmur3(bytes: &[u8]) -> u32 {
    let mix = |k: u32| k.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let mut h = 0u32;
    let mut blocks = bytes.chunks_exact(4);
    for block in blocks.by_ref() {
        let k = block.iter().rev().fold(0u32, |all, b| all << 8 | u32::from(*b));
        h = (h ^ mix(k)).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let tail = blocks.remainder().iter().rev().fold(0u32, |all, b| all << 8 | u32::from(*b));
    if !blocks.remainder().is_empty() {
        h ^= mix(tail);
    }
    h ^= bytes.len() as u32;
    h = (h ^ (h >> 16)).wrapping_mul(0x85eb_ca6b);
    h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_show_what_they_show() {
        let page = b"<html><HEAD><Title class=x>\n A &amp;\n B </TITLE><LINK rel='shortcut icon' href=\"/Fav.ico\">\
            <input name=type type = password>";
        assert_eq!(title(page).as_deref(), Some("A & B"));
        assert_eq!(icon(page).as_deref(), Some("/Fav.ico"));
        assert!(login_form(page));
        assert!(!login_form(b"<input data-type=password type=text>"));
        assert_eq!(title(b"<title>never ends"), None);
    }

    #[test]
    fn numbers_are_the_published_ones() {
        // Reference values of MurmurHash3_x86_32.
        for (given, want) in [("", 0), ("test", 0xba6b_d213), ("Hello, world!", 0xc036_3e43)] {
            assert_eq!(murmur3(given.as_bytes()), want, "{given}");
        }
    }
}
