//! The state a node is to enforce: written form, checks, edits, file.

mod desired;
mod pattern;
mod rate;
mod seq;
mod state;

pub use desired::{Desired, Instance, Interface, LimitSource, Limits, Network, Rule, Zone};
pub use pattern::{Pattern, PatternError};
pub use rate::{Rate, RateError};
pub use state::{
    Access, CapacitySpec, InstanceSpec, InterfaceSpec, Mode, NetworkSpec, NodeState, Policy, RuleSpec,
    STATE_VERSION, UnknownSources, ZoneSpec,
};
