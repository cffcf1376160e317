//! Versions as products write them: `8.9p1`, `2.4.49-rc1`, `1.1.1w`. A version alone never confirms anything; product.md
//! 5.0, rule 1.

use std::cmp::Ordering;

/// A run of digits or of letters.
#[derive(Debug, PartialEq, Eq)]
enum Part<'t> {
    Number(&'t str),
    Word(&'t str),
}

fn parts(text: &str) -> Vec<Part<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let same = |c: char| if first.is_ascii_digit() { c.is_ascii_digit() } else { c.is_alphabetic() };
        let end = rest.find(|c| !same(c)).unwrap_or(rest.len());
        let (run, more) = rest.split_at(end);
        match first {
            c if c.is_ascii_digit() => found.push(Part::Number(run.trim_start_matches('0'))),
            c if c.is_alphabetic() => found.push(Part::Word(run)),
            c => {
                rest = rest.get(c.len_utf8()..).unwrap_or("");
                continue;
            }
        }
        rest = more;
    }
    found
}

fn is_before_release(word: &str) -> bool {
    ["alpha", "beta", "rc", "pre", "preview", "dev", "snapshot", "a", "b"].iter().any(|w| w.eq_ignore_ascii_case(word))
}

/// Words before a release stand below all others; a lone letter counts as one of the others, as in `1.1.1a`.
fn rank(word: &str) -> (bool, String) {
    (word.len() == 1 || !is_before_release(word), word.to_ascii_lowercase())
}

/// Against nothing: `1.0` is above `1.0-rc1` and below `1.0p1`; zeros at the end do not count.
fn against_end(part: &Part<'_>) -> Ordering {
    match part {
        Part::Number("") => Ordering::Equal,
        Part::Word(w) if w.len() > 1 && is_before_release(w) => Ordering::Less,
        Part::Number(_) | Part::Word(_) => Ordering::Greater,
    }
}

/// Compares two versions: numbers as numbers, letters as words, whatever stands between them.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (parts(a.trim_start_matches(['v', 'V'])), parts(b.trim_start_matches(['v', 'V'])));
    for i in 0..a.len().max(b.len()) {
        let order = match (a.get(i), b.get(i)) {
            (Some(Part::Number(x)), Some(Part::Number(y))) => x.len().cmp(&y.len()).then_with(|| x.cmp(y)),
            (Some(Part::Word(x)), Some(Part::Word(y))) => rank(x).cmp(&rank(y)),
            (Some(Part::Number(_)), Some(Part::Word(w))) if is_before_release(w) => Ordering::Greater,
            (Some(Part::Word(w)), Some(Part::Number(_))) if is_before_release(w) => Ordering::Less,
            (Some(Part::Number(_)), Some(Part::Word(_))) => Ordering::Greater,
            (Some(Part::Word(_)), Some(Part::Number(_))) => Ordering::Less,
            (Some(x), None) => against_end(x),
            (None, Some(y)) => against_end(y).reverse(),
            (None, None) => Ordering::Equal,
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// At least `from` and below `before`; an empty bound is none.
pub fn within(version: &str, from: &str, before: &str) -> bool {
    (from.is_empty() || compare(version, from) != Ordering::Less)
        && (before.is_empty() || compare(version, before) == Ordering::Less)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_stand_in_their_order() {
        let ladder = ["0.9", "1.0-rc1", "1.0", "1.0p1", "1.0.1", "1.1.1k", "1.1.1w", "1.2", "1.10", "2.4.49", "10.0"];
        for (i, a) in ladder.iter().enumerate() {
            for (k, b) in ladder.iter().enumerate() {
                assert_eq!(compare(a, b), i.cmp(&k), "{a} {b}");
            }
        }
        for (a, b) in [("1.0", "1.0.0"), ("v2.1", "2.1"), ("8.09", "8.9"), ("", "")] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
        assert!(within("8.9p1", "8.5p1", "9.8p1") && !within("9.8p1", "8.5p1", "9.8p1") && within("3", "", ""));
    }
}
