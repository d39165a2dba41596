//! What may happen to networks, plans, rules and instances: pure functions over plain values.
//!
//! Entities, in order of dependence: [`Account`] owns everything else; [`Node`] carries networks of its
//! region; [`Network`] groups [`Instance`]s that share one Internet budget; [`Plan`] raises that budget;
//! [`Rule`] limits the instances bound to it while the plan is in use.

mod account;
mod duration;
mod event;
mod id;
mod instance;
mod network;
mod node;
mod plan;
mod refusal;
mod rule;
mod settings;

pub use account::{Account, Role, Token, User};
pub use duration::Duration;
pub use event::{Event, EventKind};
pub use id::{AccountId, InstanceId, NetworkId, NodeId, PlanId, RuleId, TokenId, UserId};
pub use instance::Instance;
pub use network::{Network, NetworkKind, NetworkStatus};
pub use node::{Node, NodeInterface};
pub use plan::{Business, Charge, Operation, OperationKind, Pay, Plan, Slice, Status};
pub use refusal::{Code, Fault, Refusal};
pub use rule::Rule;
pub use settings::Settings;

/// The number of a committed change; every transaction that changes anything has the next one.
pub type Revision = u64;
