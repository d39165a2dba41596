//! The node state, what it is written with, and what a value of it may be: shared by agent and control plane.

pub mod address;
mod delta;
mod pattern;
mod rate;
mod seq;
mod state;

pub use delta::{DeltaError, InstancesDelta, StateDelta};
pub use pattern::{Pattern, PatternError};
pub use rate::{Rate, RateError};
pub use state::{
    Access, CapacitySpec, EgressAddresses, EgressSpec, InstanceSpec, InterfaceSpec, Mode, NetworkSpec,
    NodeState, OriginSpec, Policy, RuleSpec, STATE_VERSION, UnknownSources, UntilSpec, ZoneSpec,
};
