//! The wire contract of the control plane: what goes in ([`params`]), what comes out ([`views`]), errors
//! ([`problem`]), money ([`money`]), what agents say ([`agent`]) and measure ([`usage`]), what passed ([`series`]),
//! whole setups ([`setup`]).
//!
//! Rates are bits per second, instants RFC 3339 in UTC, identifiers opaque texts. Unknown fields of a
//! request are refused; a client must ignore unknown fields of an answer.

pub mod agent;
#[cfg(feature = "client")]
pub mod client;
pub mod money;
pub mod params;
pub mod problem;
pub mod series;
pub mod setup;
pub mod usage;
pub mod views;

pub use problem::Problem;

/// Header of a call that changes something: a repeated call with the same value has no second effect.
/// 1 to 64 ASCII characters, in the scope of the caller's account and the operation, for 90 days.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Header that names a request in answers, logs and events.
pub const REQUEST_ID: &str = "x-request-id";

/// Most items on one page of a list, and most ids in one call.
pub const LIST_MAX: usize = 100;
