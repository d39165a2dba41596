//! Errors: problem details of RFC 9457 with a code of ours.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Media type of [`Problem`].
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Why a request was refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// Which condition, for programs: `NetworkHasPlan`, `InvalidParameter`.
    pub code: String,
    /// What is wrong, with the value, and what to do.
    pub detail: String,
    /// The field of the input it is about, as `field` or `list[3].field`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// True: the same call may succeed later.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retry: bool,
    /// Name of the request in logs and events.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request_id: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        write!(f, "{} ({})", self.detail, self.code)
    }
}

impl std::error::Error for Problem {}
