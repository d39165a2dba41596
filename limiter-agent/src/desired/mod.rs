//! The state a node is to enforce: written form, checks, edits, file.

mod check;
pub mod edit;
mod error;
mod expiry;
mod file;
mod locate;
mod model;
mod near;
mod overlap;
mod parse;
mod patch;
mod plain;
#[cfg(test)]
mod tests;
mod unfit;

pub use check::{DEFAULT_ZONE, INSTANCES_MAX, check};
pub use error::{FieldPath, StateError};
pub use file::{Change, UpdateError, bytes, checked, load, load_state, preview, update};
pub use limiter_state::address::show as show_address;
pub use limiter_state::{
    Access, CapacitySpec, EgressAddresses, EgressSpec, InstanceSpec, InterfaceSpec, Mode, NetworkSpec,
    NodeState, OriginSpec, Pattern, PatternError, Policy, Rate, RateError, RuleSpec, STATE_VERSION,
    UnknownSources, UntilSpec, ZoneSpec,
};
pub use model::{Desired, Egress, Instance, Interface, LimitSource, Limits, Network, Rule, Until, Zone};
pub use parse::{FILE_MAX_BYTES, origin, parse};
pub use unfit::{Part, unfit};
