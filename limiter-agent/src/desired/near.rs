//! Names that were perhaps meant.

/// `; did you mean a?`, or with `or` between several; empty where no candidate is near.
pub(super) fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let allowed = 1 + name.chars().count() / 4;
    let mut near: Vec<(usize, &str)> = candidates
        .into_iter()
        .map(|candidate| (distance(name, candidate, allowed), candidate))
        .filter(|&(distance, _)| distance <= allowed)
        .collect();
    near.sort_unstable();
    near.truncate(3);
    let names: Vec<String> = near.iter().map(|(_, candidate)| format!("{candidate:?}")).collect();
    if names.is_empty() { String::new() } else { format!("; did you mean {}?", names.join(" or ")) }
}

/// Edit distance without regard to case, or more than `allowed` where it is that.
fn distance(a: &str, b: &str, allowed: usize) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().take(64).collect();
    let b: Vec<char> = b.to_lowercase().chars().take(64).collect();
    if a.len().abs_diff(b.len()) > allowed {
        return allowed + 1;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names() {
        for (name, expected) in [
            ("ofice", "; did you mean \"office\"?"),
            ("Office", "; did you mean \"office\"?"),
            ("lab3", "; did you mean \"lab1\" or \"lab2\"?"),
            ("warehouse", ""),
            ("", ""),
        ] {
            assert_eq!(did_you_mean(name, ["office", "lab2", "lab1"]), expected, "{name}");
        }
    }
}
