//! Interface name patterns: `*` stands for any characters, `?` for one.

use std::fmt;
use std::str::FromStr;

/// Longest interface name the kernel knows (`IFNAMSIZ` less its final zero).
const NAME_MAX_BYTES: usize = 15;

/// A checked interface name pattern.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(Box<str>);

/// Why a text is no interface name pattern; reads on after the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is no interface name pattern; write 1 to 15 characters without space, `/` and `:`, with * for any characters and ? for one"
)]
pub struct PatternError;

impl Pattern {
    /// True where the pattern stands for the device `name`.
    pub fn matches(&self, name: &str) -> bool {
        matches(self.0.as_bytes(), name.as_bytes())
    }

    /// True where every name that `other` stands for is matched here too.
    ///
    /// The pattern of `other` is read as a name whose `*` and `?` are letters of their own; only a `*`
    /// here swallows its `*`, so the answer is never wrongly true.
    pub fn covers(&self, other: &Self) -> bool {
        self.is_glob() && self.matches(&other.0)
    }

    /// True for a pattern, false for a plain name.
    pub fn is_glob(&self) -> bool {
        self.0.contains(['*', '?'])
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let fixed = text.bytes().filter(|&b| b != b'*').count();
        let forbidden = text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '/' || c == ':');
        let too_long = fixed > NAME_MAX_BYTES || text.len() > 2 * NAME_MAX_BYTES + 1;
        if text.is_empty() || forbidden || too_long || text == "." || text == ".." {
            return Err(PatternError);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Greedy match with one point of return, the last `*`: never more than pattern x name steps.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut retry = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p, n));
                p += 1;
            }
            // A `*` of the name is one only for `covers`; a `?` must not pass for it.
            Some(&c) if c == name[n] || (c == b'?' && name[n] != b'*') => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((star, from)) = retry else { return false };
                retry = Some((star, from + 1));
                p = star + 1;
                n = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap_or_else(|_| panic!("{text} is a pattern"))
    }

    #[test]
    fn matching() {
        for (glob, name, expected) in [
            ("veth0", "veth0", true),
            ("veth0", "veth01", false),
            ("veth-*", "veth-", true),
            ("veth-*", "veth-web", true),
            ("veth-*", "eth0", false),
            ("*", "anything", true),
            ("tap?", "tap1", true),
            ("tap?", "tap", false),
            ("*-*-x", "a-b-c-x", true),
            ("*-*-x", "a-x", false),
            ("a*b*c", "abbbcbc", true),
        ] {
            assert_eq!(pattern(glob).matches(name), expected, "{glob} {name}");
        }
    }

    #[test]
    fn covering() {
        for (wide, narrow, expected) in [
            ("veth-*", "veth-web", true),
            ("veth-*", "veth-w*", true),
            ("veth-w*", "veth-*", false),
            ("tap?", "tap*", false),
            ("tap*", "tap?", true),
            ("tap?", "tap?", true),
            ("tap0", "tap1", false),
        ] {
            assert_eq!(pattern(wide).covers(&pattern(narrow)), expected, "{wide} {narrow}");
        }
    }

    #[test]
    fn refusals() {
        for text in [
            "",
            "a b",
            "a/b",
            "a:1",
            ".",
            "..",
            "name-of-16-chars",
            "a\n",
            "****************x***************",
        ] {
            assert_eq!(text.parse::<Pattern>(), Err(PatternError), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_plain_definition(glob in "[ab*?]{1,8}", name in "[ab]{0,8}") {
            fn plain(glob: &[u8], name: &[u8]) -> bool {
                match glob.split_first() {
                    None => name.is_empty(),
                    Some((b'*', rest)) => (0..=name.len()).any(|skip| plain(rest, &name[skip..])),
                    Some((&c, rest)) => name.split_first().is_some_and(|(&n, tail)| (c == b'?' || c == n) && plain(rest, tail)),
                }
            }
            prop_assert_eq!(pattern(&glob).matches(&name), plain(glob.as_bytes(), name.as_bytes()));
        }

        #[test]
        fn covered_patterns_match_less(wide in "[ab*?]{1,5}", narrow in "[ab*?]{1,5}", name in "[ab]{0,6}") {
            if pattern(&wide).covers(&pattern(&narrow)) && pattern(&narrow).matches(&name) {
                prop_assert!(pattern(&wide).matches(&name));
            }
        }
    }
}
