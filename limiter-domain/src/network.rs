//! Networks: groups of instances that share one Internet budget.

use std::sync::Arc;

use ipnet::IpNet;
use jiff::Timestamp;
use limiter_state::{Access, Rate, UnknownSources};

use crate::{AccountId, NetworkId, NodeId, Revision, RuleId};

/// A group of instances that share one Internet budget.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Identity.
    pub id: NetworkId,
    /// Its owner.
    pub account: AccountId,
    /// Its name, unique in the account.
    pub name: Arc<str>,
    /// The owner's own identity for it, unique in the account.
    pub external_id: Option<Arc<str>>,
    /// Its region; never changes.
    pub region: Arc<str>,
    /// Its zone; networks of different zones may use the same addresses.
    pub zone: Arc<str>,
    /// Whether basic bandwidth comes with it.
    pub kind: NetworkKind,
    /// The prefixes its instances have their addresses from; sorted, disjoint in the region and zone.
    pub prefixes: Vec<IpNet>,
    /// The nodes that carry it; [`None`]: every node of its region that serves its zone.
    pub nodes: Option<Vec<NodeId>>,
    /// Whether its instances reach the Internet; decided before limits, untouched by plans.
    pub internet: Access,
    /// Sources inside its prefixes that are no known instance.
    pub unknown_sources: UnknownSources,
    /// Count what would be refused, refuse nothing.
    pub observe: bool,
    /// Rule of instances without one.
    pub default_rule: Option<RuleId>,
    /// Where it is in its life.
    pub status: NetworkStatus,
    /// Revision of the last change that nodes must know.
    pub revision: Revision,
    /// When it was made.
    pub created_at: Timestamp,
    /// Raised by every write.
    pub version: u64,
}

/// Whether a network has Internet access without a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkKind {
    /// It has the free basic bandwidth, for all its instances together and for each direction.
    Shared {
        /// The basic rate.
        basic: Rate,
    },
    /// It is offline without a plan.
    Vpc,
}

/// Where a network is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NetworkStatus {
    /// In use.
    Active,
    /// Deleted by its owner; waits until no node carries it any more.
    Deleting,
}
