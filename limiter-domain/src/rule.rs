//! Internet speed limits of single instances.

use std::sync::Arc;

use jiff::Timestamp;
use limiter_state::Rate;

use crate::{AccountId, PlanId, Revision, RuleId};

/// A limit for each instance bound to it, on its own and for each direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Identity.
    pub id: RuleId,
    /// Its owner, the same as its plan's.
    pub account: AccountId,
    /// The plan it belongs to.
    pub plan: PlanId,
    /// Its name, unique in the plan.
    pub name: Arc<str>,
    /// Instance to Internet.
    pub up: Rate,
    /// Internet to instance.
    pub down: Rate,
    /// Revision of the last change that nodes must know.
    pub revision: Revision,
    /// When it was made.
    pub created_at: Timestamp,
    /// Raised by every write.
    pub version: u64,
}
