//! Why an operation did not happen.

use limiter_domain::{Code, Refusal};

use crate::store::StoreError;

/// Why an operation did not happen; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Nobody is known by what was shown.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// The caller may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// The domain refuses it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A defect of ours.
    #[error("{0}")]
    Broken(String),
}

/// A refusal with this code.
pub(super) fn refuse(code: Code, message: impl Into<String>) -> AppError {
    AppError::Refused(Refusal { code, field: None, message: message.into() })
}

/// A refusal of a field of the input.
pub(super) fn refuse_field(code: Code, field: &str, message: impl Into<String>) -> AppError {
    AppError::Refused(Refusal { code, field: Some(field.to_owned()), message: message.into() })
}
