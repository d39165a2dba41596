//! Names that people give to things.

use std::sync::Arc;

use crate::{Code, Refusal};

/// Longest name, characters; nodes know no longer one.
pub(crate) const NAME_MAX_CHARS: usize = 64;

/// Longest identity that an owner may give, characters.
const EXTERNAL_ID_MAX_CHARS: usize = 128;

/// A name that a node may print, also as a part of `NETWORK/NAME`.
pub(crate) fn name(text: &str, field: &str) -> Result<Arc<str>, Refusal> {
    if !good(text, NAME_MAX_CHARS) || text.contains('/') {
        let message = format!(
            "{:?} is no {field}; write 1 to {NAME_MAX_CHARS} characters, no control characters, `/`, and no space at either end",
            shortened(text)
        );
        return Err(Refusal::new(Code::InvalidParameter, message).at(field));
    }
    Ok(text.into())
}

/// The owner's own identity for something.
pub(crate) fn external_id(text: Option<&str>) -> Result<Option<Arc<str>>, Refusal> {
    match text {
        Some(text) if !good(text, EXTERNAL_ID_MAX_CHARS) => {
            let message = format!(
                "{:?} is no external id; write 1 to {EXTERNAL_ID_MAX_CHARS} characters, no control characters, and no space at either end",
                shortened(text)
            );
            Err(Refusal::new(Code::InvalidParameter, message).at("external_id"))
        }
        text => Ok(text.map(Into::into)),
    }
}

/// Refuses a name or identity that is taken.
pub(crate) fn free(taken: bool, field: &str, text: Option<&str>) -> Result<(), Refusal> {
    match text {
        Some(text) if taken => {
            let message = format!("{text:?} is the {field} of another one; choose another");
            Err(Refusal::new(Code::NameDuplicate, message).at(field))
        }
        _ => Ok(()),
    }
}

/// True for `text` of 1 to `max_chars` characters without control characters and space at the ends.
pub(crate) fn good(text: &str, max_chars: usize) -> bool {
    !text.is_empty()
        && text.chars().nth(max_chars).is_none()
        && text.trim() == text
        && !text.chars().any(char::is_control)
}

/// Most items of a list that a message or an event shows.
const SHOWN_MAX: usize = 8;

/// The first few of a list of any length, and how many more there are.
pub(crate) fn few<T: ToString>(items: impl ExactSizeIterator<Item = T>) -> String {
    let more = items.len().saturating_sub(SHOWN_MAX);
    let shown: Vec<String> = items.take(SHOWN_MAX).map(|item| item.to_string()).collect();
    match more {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// What a message shows of an input of any length.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(NAME_MAX_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_cut() {
        assert_eq!(few([1, 2].into_iter()), "1, 2");
        assert_eq!(few(0..8), "0, 1, 2, 3, 4, 5, 6, 7");
        assert_eq!(few(0..1_000), "0, 1, 2, 3, 4, 5, 6, 7 and 992 more");
    }
}
