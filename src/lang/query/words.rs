//! Text matching: words as AssetView's index splits them, and globs. query-language.md 3.2, 3.4.

use std::collections::HashMap;

use super::matcher::Matcher;

/// The words of a text in lower case. Letters, digits and `_` make words; a dot stays inside one between two letters
/// or two digits (`10.134`, `qualys.corp.com`), everywhere else it splits (`102354.qualys`).
pub(super) fn words(text: &str) -> Vec<String> {
    Words(text).map(str::to_lowercase).collect()
}

/// The words as they stand in the text, which is not copied.
#[derive(Clone)]
pub(super) struct Words<'a>(pub(super) &'a str);

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let inside = |c: char| c.is_alphanumeric() || c == '_';
        let text = self.0.trim_start_matches(|c| !inside(c));
        let mut before: Option<char> = None;
        let mut chars = text.char_indices().peekable();
        let mut end = text.len();
        while let Some((at, c)) = chars.next() {
            let after = chars.peek().map(|(_, c)| *c);
            let inner_dot = c == '.'
                && before.zip(after).is_some_and(|(a, b)| {
                    (a.is_alphabetic() && b.is_alphabetic()) || (a.is_numeric() && b.is_numeric())
                });
            if !inside(c) && !inner_dot {
                end = at;
                break;
            }
            before = Some(c);
        }
        let (word, rest) = text.split_at_checked(end)?;
        self.0 = rest;
        (!word.is_empty()).then_some(word)
    }
}

/// Whether a text begins with this lower-case text, case aside; and with `whole`, whether that is all of it.
fn begins(text: &str, lower: &str, whole: bool) -> bool {
    if text.is_ascii() && lower.is_ascii() {
        let front = text.as_bytes().get(..lower.len());
        return front.is_some_and(|f| f.eq_ignore_ascii_case(lower.as_bytes()))
            && (!whole || text.len() == lower.len());
    }
    let text = text.to_lowercase();
    if whole { text == lower } else { text.starts_with(lower) }
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
        if text.is_ascii() {
            let bytes = text.as_bytes();
            return self.run(|at| bytes.get(at).map(|b| char::from(b.to_ascii_lowercase())));
        }
        let chars: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
        self.run(|at| chars.get(at).copied())
    }

    fn run(&self, char_at: impl Fn(usize) -> Option<char>) -> bool {
        let (mut p, mut t) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while let Some(c) = char_at(t) {
            match self.pattern.get(p) {
                Some(None) => {
                    star = Some((p, t));
                    p += 1;
                }
                Some(Some(want)) if *want == c => {
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

/// Whether `wanted`, in lower case, stands in `text` as adjacent words in order; with `prefix` the last one may be cut
/// short.
pub(super) fn contains_phrase(text: &str, wanted: &[String], prefix: bool) -> bool {
    let mut from = Words(text);
    loop {
        let mut here = from.clone();
        let found = wanted.iter().enumerate().all(|(i, want)| {
            let whole = !prefix || i + 1 < wanted.len();
            here.next().is_some_and(|word| begins(word, want, whole))
        });
        if found {
            return !wanted.is_empty();
        }
        if from.next().is_none() {
            return false;
        }
    }
}

/// Many phrases at once: only those that share a whole word with the text are tried.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Phrases {
    /// Words and whether the last one may be cut short, by a word that must be whole.
    by_word: HashMap<String, Vec<(Vec<String>, bool)>>,
}

impl Phrases {
    /// None unless all parts are phrases with a word that must be whole.
    pub(super) fn new(parts: &[Matcher]) -> Option<Self> {
        let mut by_word: HashMap<String, Vec<(Vec<String>, bool)>> = HashMap::new();
        for part in parts {
            let Matcher::Phrase { words, prefix } = part else { return None };
            // The last whole word tells phrases such as `web-1` and `web-2` apart best.
            let whole = words.len().checked_sub(1 + usize::from(*prefix))?;
            by_word.entry(words.get(whole)?.clone()).or_default().push((words.clone(), *prefix));
        }
        Some(Self { by_word })
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        let found = |word: &str| {
            let phrases = self.by_word.get(&word.to_lowercase()).map(Vec::as_slice).unwrap_or(&[]);
            phrases.iter().any(|(words, prefix)| contains_phrase(text, words, *prefix))
        };
        Words(text).any(found)
    }
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
    fn phrases_are_adjacent_words_in_order() {
        let has = |text: &str, wanted: &str, prefix| contains_phrase(text, &words(wanted), prefix);
        assert!(has("Microsoft Windows 7 SP1", "WINDOWS 7", false) && has("web web 1", "web 1", false));
        assert!(!has("Windows Server 7", "windows 7", true) && !has("7 windows", "windows 7", true));
        assert!(has("Windows 10", "windows 1", true) && !has("Windows 10", "windows 1", false));
        assert!(!has("Windows10", "windows 1", true) && !has("a", "a b", true) && !has("", "a", true));
        assert!(has("zwei \u{c4}pfel", "\u{e4}pf", true) && !has("zwei \u{c4}pfel", "\u{e4}pf", false));
        assert!(!contains_phrase("a b", &[], true));
    }

    #[test]
    fn many_phrases_match_as_each_alone_does() {
        let phrase = |text: &str, prefix| Matcher::Phrase { words: words(text), prefix };
        let parts = [phrase("web-1", false), phrase("db", false), phrase("Windows 1", true), phrase("mail-x-2", true)];
        let many = Phrases::new(&parts).unwrap();
        for text in ["web-1", "web-2", "1 web", "a db", "dbx", "windows 10", "windows", "mail x 22", "x 22", ""] {
            let each = parts.iter().any(|p| p.matches_text(text));
            assert_eq!(many.matches(text), each, "{text}");
        }
        // A single word that may be cut short has no whole word to be found by.
        assert_eq!(Phrases::new(&[phrase("web", true)]), None);
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
