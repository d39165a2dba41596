//! Instances: the machines that are limited.

use std::sync::Arc;

use ipnet::IpNet;
use jiff::Timestamp;
use limiter_state::Access;

use crate::{AccountId, InstanceId, NetworkId, Revision, RuleId};

/// One limited machine, known by its addresses.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// Identity.
    pub id: InstanceId,
    /// Its owner, the same as its network's.
    pub account: AccountId,
    /// Its network.
    pub network: NetworkId,
    /// Its name, unique in the network.
    pub name: Arc<str>,
    /// The owner's own identity for it, unique in the account.
    pub external_id: Option<Arc<str>>,
    /// Addresses (as /32 and /128) and prefixes it owns; sorted, inside its network's prefixes, disjoint
    /// from those of every other instance of the network.
    pub addresses: Vec<IpNet>,
    /// Whether it reaches the Internet, where its network does.
    pub internet: Access,
    /// The one rule it is bound to, of the plan that its network has.
    pub rule: Option<RuleId>,
    /// Revision of the last change that nodes must know.
    pub revision: Revision,
    /// When it was made.
    pub created_at: Timestamp,
    /// Raised by every write.
    pub version: u64,
}
