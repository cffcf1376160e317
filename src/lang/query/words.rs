//! Text matching: words as AssetView's index splits them, and globs. query-language.md 3.2, 3.4.

/// The words of a text in lower case. Letters, digits and `_` make words; a dot stays inside one between two letters
/// or two digits (`10.134`, `qualys.corp.com`), everywhere else it splits (`102354.qualys`).
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let chars: Vec<char> = text.chars().collect();
    for (i, c) in chars.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|p| chars.get(p));
        let after = chars.get(i + 1);
        let inner_dot = *c == '.'
            && before
                .zip(after)
                .is_some_and(|(a, b)| (a.is_alphabetic() && b.is_alphabetic()) || (a.is_numeric() && b.is_numeric()));
        if c.is_alphanumeric() || *c == '_' || inner_dot {
            word.extend(c.to_lowercase());
        } else if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// A glob over lower-case characters; `None` is a star. Matching is linear for all practical purposes: on a mismatch
/// only the last star is widened, so the worst case is the product of the two lengths.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Glob {
    pattern: Vec<Option<char>>,
}

impl Glob {
    /// From a text in which the bytes at `wildcards` are stars.
    pub(super) fn new(text: &str, wildcards: &[u32]) -> Self {
        let mut pattern = Vec::new();
        for (at, c) in text.char_indices() {
            if wildcards.contains(&(at as u32)) {
                if pattern.last() != Some(&None) {
                    pattern.push(None);
                }
            } else {
                pattern.extend(c.to_lowercase().map(Some));
            }
        }
        Self { pattern }
    }

    /// Whether the whole text matches, case aside.
    pub(super) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
        let (mut p, mut t) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while let Some(c) = text.get(t) {
            match self.pattern.get(p) {
                Some(None) => {
                    star = Some((p, t));
                    p += 1;
                }
                Some(Some(want)) if want == c => {
                    p += 1;
                    t += 1;
                }
                _ => match &mut star {
                    Some((star_p, star_t)) => {
                        *star_t += 1;
                        p = *star_p + 1;
                        t = *star_t;
                    }
                    None => return false,
                },
            }
        }
        self.pattern.get(p..).unwrap_or(&[]).iter().all(Option::is_none)
    }
}

/// Whether `wanted` stands in `text` as adjacent words in order; with `prefix` the last one may be cut short.
pub(super) fn contains_phrase(text: &str, wanted: &[String], prefix: bool) -> bool {
    let Some((last, front)) = wanted.split_last() else { return false };
    words(text).windows(wanted.len()).any(|window| {
        window
            .split_last()
            .is_some_and(|(w, rest)| rest == front && (w == last || (prefix && w.starts_with(last.as_str()))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitting_follows_the_index() {
        assert_eq!(
            words("10.134 qualys.corp.com 102354.qualys a-b,c"),
            ["10.134", "qualys.corp.com", "102354", "qualys", "a", "b", "c"]
        );
        assert_eq!(words("Microsoft Windows 7 SP1"), ["microsoft", "windows", "7", "sp1"]);
    }

    #[test]
    fn globs_stay_fast() {
        let glob = |p: &str| Glob::new(p, &p.match_indices('*').map(|(i, _)| i as u32).collect::<Vec<_>>());
        assert!(glob("win*").matches("Windows") && glob("*dev*").matches("my-DEV-box") && glob("*").matches(""));
        assert!(!glob("win*").matches("darwin") && !glob("*dev").matches("devx"));
        assert!(!glob(&("*a".repeat(100) + "*b")).matches(&"a".repeat(20_000)));
        assert!(Glob::new("a*b", &[]).matches("A*B"));
    }
}
