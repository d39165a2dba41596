//! Lists in parts: a list goes on behind the last row of the part before, whatever was added or removed.

use std::fmt;
use std::str::FromStr;

/// Most rows of a part.
pub const PAGE_MAX: usize = 100;

/// Which part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paging {
    /// Where the part before ended; [`None`]: from the start.
    pub after: Option<Cursor>,
    /// Most rows, 1 to [`PAGE_MAX`]; others are taken for the nearest of these.
    pub limit: usize,
}

impl Default for Paging {
    fn default() -> Self {
        Self { after: None, limit: PAGE_MAX }
    }
}

impl Paging {
    pub(super) fn rows(&self) -> usize {
        self.limit.clamp(1, PAGE_MAX)
    }
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next part begins; [`None`]: this is the last one.
    pub next: Option<Cursor>,
}

/// A place in a list; for callers an opaque text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub(super) position: i64,
    pub(super) id: String,
}

/// Why a text is no cursor; reads on after the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no place in a list; take `next` of the part before")]
pub struct CursorError;

/// Longest `id` of a cursor.
const ID_MAX_BYTES: usize = 64;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}.{}", self.position.cast_unsigned(), self.id)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (position, id) = text.split_once('.').ok_or(CursorError)?;
        let hex = position.len() == 16 && position.bytes().all(|b| b.is_ascii_hexdigit());
        let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
        if !hex || !plain || id.is_empty() || id.len() > ID_MAX_BYTES {
            return Err(CursorError);
        }
        let position = u64::from_str_radix(position, 16).map_err(|_| CursorError)?;
        Ok(Self { position: position.cast_signed(), id: id.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_is_read_as_it_was_written(position: i64, id in "[a-z0-9.-]{1,64}") {
            let cursor = Cursor { position, id };
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }

        #[test]
        fn any_text_is_a_cursor_or_an_error(text in "\\PC{0,90}|[0-9a-f]{16}\\.\\PC{0,70}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert!(cursor.id.len() <= ID_MAX_BYTES);
            }
        }
    }
}
