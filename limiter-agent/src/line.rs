//! What somebody else wrote, as one line that can be logged, shown and stored.

/// Longest text of somebody else that is taken, characters.
pub const CHARS_MAX: usize = 1000;

/// At most `chars_max` characters of `text`; what would steer a terminal, or end the line, is a space.
pub fn of(text: &str, chars_max: usize) -> String {
    let steers = |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().take(chars_max).map(|c| if steers(c) { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_text_is_one_short_line() {
        assert_eq!(of("a\nREADY=1\u{1b}[2J\u{202e}b\u{9b}\0", CHARS_MAX), "a READY=1 [2J b  ");
        assert_eq!(of(&"\u{e9}".repeat(5000), CHARS_MAX).chars().count(), CHARS_MAX);
    }
}
