//! The state a node is to enforce: written form, checks, edits, file.

mod address;
mod check;
pub mod edit;
mod error;
mod file;
mod locate;
mod model;
mod near;
mod overlap;
mod parse;
mod patch;
mod pattern;
mod plain;
mod rate;
mod seq;
mod state;
#[cfg(test)]
mod tests;
mod unfit;

pub use address::show as show_address;
pub use check::{DEFAULT_ZONE, INSTANCES_MAX, check};
pub use error::{FieldPath, StateError};
pub use file::{Change, UpdateError, bytes, checked, load, load_state, preview, update};
pub use model::{Desired, Instance, Interface, LimitSource, Limits, Network, Rule, Zone};
pub use parse::{FILE_MAX_BYTES, parse};
pub use pattern::{Pattern, PatternError};
pub use rate::{Rate, RateError};
pub use state::{
    Access, CapacitySpec, InstanceSpec, InterfaceSpec, Mode, NetworkSpec, NodeState, Policy, RuleSpec,
    STATE_VERSION, UnknownSources, ZoneSpec,
};
pub use unfit::{Part, unfit};
