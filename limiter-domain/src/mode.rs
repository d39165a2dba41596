//! What a network is held to: always worked out from what is, never kept.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use limiter_state::Rate;

use crate::{
    Business, Network, NetworkId, NetworkKind, NetworkStatus, NodeId, OperationKind, Plan, PlanId, Status,
};

/// What a network is held to. Whether it has Internet access at all is decided before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkMode {
    /// Its plan serves it, and rules are in force.
    Premium {
        /// The plan.
        plan: PlanId,
        /// The rate of all instances together, for each direction.
        peak: Rate,
        /// When the term of a subscription ends.
        until: Option<Timestamp>,
    },
    /// It has the free bandwidth.
    Basic {
        /// The rate of all instances together, for each direction.
        rate: Rate,
    },
    /// Nothing passes to or from the Internet.
    Offline,
}

/// What `network` is held to. A plan that does not hold the network counts as none.
pub fn mode(network: &Network, plan: Option<&Plan>) -> NetworkMode {
    if network.status == NetworkStatus::Deleting {
        return NetworkMode::Offline;
    }
    match plan.filter(|plan| served(plan) == Some(&network.id)) {
        Some(plan) => NetworkMode::Premium { plan: plan.id.clone(), peak: plan.peak, until: plan.expires_at },
        None => without_plan(network),
    }
}

/// What `network` is held to while no plan serves it.
pub fn without_plan(network: &Network) -> NetworkMode {
    match network.kind {
        NetworkKind::Shared { basic } => NetworkMode::Basic { rate: basic },
        NetworkKind::Vpc => NetworkMode::Offline,
    }
}

/// The network that `plan` serves now; not every network that it holds is served.
pub fn served(plan: &Plan) -> Option<&NetworkId> {
    let associating = || plan.operation.as_ref().is_some_and(|op| op.kind == OperationKind::Associate);
    let serves = match plan.status {
        Status::Creating | Status::InUse => true,
        Status::Changing => associating(),
        Status::NotAssociated | Status::Releasing | Status::Released | Status::Failed => false,
    };
    plan.network.as_ref().filter(|_| serves && plan.business == Business::Normal)
}

/// Network, peak, end of the term, and the address with the node that may use it.
type Enforced<'a> = (&'a NetworkId, Rate, Option<Timestamp>, Option<(Ipv4Addr, &'a NodeId)>);

/// All of a plan that nodes know.
pub(crate) fn enforced(plan: &Plan) -> Option<Enforced<'_>> {
    let told = plan.egress.as_ref().and_then(|egress| Some((egress.address, egress.told()?)));
    served(plan).map(|network| (network, plan.peak, plan.expires_at, told))
}
