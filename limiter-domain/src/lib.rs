//! What may happen to networks, plans, rules and instances: pure functions over plain values.
//!
//! Entities, in order of dependence: [`Account`] owns everything else; [`Node`] carries networks of its
//! region; [`Network`] groups [`Instance`]s that share one Internet budget; [`Plan`] raises that budget;
//! [`Rule`] limits the instances bound to it while the plan is in use.

mod account;
pub mod acknowledge;
pub mod association;
pub mod bill;
pub mod claims;
mod duration;
pub mod egress;
mod event;
pub mod guard;
mod id;
pub mod instance;
pub mod ledger;
pub mod mode;
pub mod network;
pub mod node;
pub mod node_delta;
pub mod node_state;
pub mod order;
pub mod overdue;
pub mod percentile;
mod plan;
pub mod pool;
pub mod price;
mod refusal;
pub mod release;
pub mod renewal;
pub mod resize;
pub mod rule;
pub mod schedule;
pub mod segment;
mod settings;
pub mod statement;
mod step;
pub mod term;
mod text;
pub mod usage;
pub mod usage_source;
mod worth;

pub use account::{Account, Role, Token, User};
pub use duration::Duration;
pub use egress::Egress;
pub use event::{Event, EventKind};
pub use id::{
    AccountId, AddressUseId, InstanceId, NetworkId, NodeId, NoteId, OrderId, PlanId, RuleId, TokenId, UserId,
};
pub use instance::Instance;
pub use mode::NetworkMode;
pub use network::{Network, NetworkEgress, NetworkKind, NetworkStatus};
pub use node::{Node, NodeInterface};
pub use plan::{Business, Charge, Operation, OperationKind, Pay, Plan, Slice, Status};
pub use pool::{Address, AddressState, AddressUse};
pub use refusal::{Code, Fault, Refusal};
pub use rule::Rule;
pub use settings::Settings;
pub use step::{Change, Happening, Step};

/// The number of a committed change; every transaction that changes anything has the next one.
pub type Revision = u64;
