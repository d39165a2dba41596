//! Names of accounts, users and tokens.

use std::sync::Arc;

use limiter_domain::Code;

use super::AppError;
use super::error::refuse_field;

/// Longest name, in characters.
const NAME_MAX_CHARS: usize = 64;

/// A name fit for a line of a table: 1 to 64 characters, none of them control characters, no space around.
pub(super) fn check(field: &str, text: &str) -> Result<Arc<str>, AppError> {
    let fits = !text.is_empty()
        && text.chars().nth(NAME_MAX_CHARS).is_none()
        && text.trim() == text
        && !text.chars().any(char::is_control);
    if fits {
        return Ok(text.into());
    }
    let shown: String = text.chars().take(NAME_MAX_CHARS).collect();
    let message = format!(
        "{shown:?} is no name; write 1 to {NAME_MAX_CHARS} characters without control characters and without space at the ends"
    );
    Err(refuse_field(Code::InvalidParameter, field, message))
}

/// The refusal of a name that another one has.
pub(super) fn taken(field: &str, name: &str) -> AppError {
    refuse_field(Code::NameDuplicate, field, format!("{name:?} is the name of another one; choose another"))
}
