//! Nearest names for a mistyped one.

/// Names within an edit distance of two (adjacent swaps count once), nearest first, at most three; none where all
/// are farther, because a far guess misleads. Case is ignored.
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let word = word.to_lowercase();
    let mut found: Vec<(usize, &str)> = names
        .into_iter()
        .filter(|n| n.len().abs_diff(word.len()) <= 8)
        .filter_map(|n| {
            let d = distance(&word, &n.to_lowercase());
            // A word of two letters is within two edits of every other one.
            (d <= 2 && d < word.chars().count().max(1)).then_some((d, n))
        })
        .collect();
    found.sort();
    found.dedup();
    found.into_iter().take(3).map(|(_, n)| n).collect()
}

/// Optimal string alignment distance.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    if a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.iter().enumerate() {
        let mut current = vec![i + 1];
        for (j, cb) in b.iter().enumerate() {
            let substitution = previous.get(j).copied().unwrap_or(0) + usize::from(ca != cb);
            let deletion = previous.get(j + 1).copied().unwrap_or(0) + 1;
            let insertion = current.last().copied().unwrap_or(0) + 1;
            let mut best = substitution.min(deletion).min(insertion);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(cb) && b.get(j - 1) == Some(ca);
            if swapped && let Some(two_back) = before.get(j - 1) {
                best = best.min(two_back + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut previous, current);
    }
    previous.last().copied().unwrap_or(0)
}

/// ``did you mean `x`?`` or ``did you mean `x`, `y` or `z`?``; nothing where nothing is near.
pub fn did_you_mean<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let near: Vec<String> = nearest(word, names).into_iter().map(|n| format!("`{n}`")).collect();
    match near.as_slice() {
        [] => None,
        [one] => Some(format!("did you mean {one}?")),
        [front @ .., last] => Some(format!("did you mean {} or {last}?", front.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_only() {
        assert_eq!(nearest("RUNING", ["RUNNING", "STOPPED"]), ["RUNNING"]);
        assert_eq!(nearest("wets", ["west", "east"]), ["west"]);
        assert_eq!(nearest("totally", ["RUNNING"]), Vec::<&str>::new());
        assert_eq!(nearest("x", ["vm", "pc"]), Vec::<&str>::new());
        assert_eq!(did_you_mean("azur", ["aws", "azure"]).as_deref(), Some("did you mean `azure`?"));
    }
}
