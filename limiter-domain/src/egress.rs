//! Egress addresses: which one node may use the address of a plan, and how it comes to another.
//!
//! A node is told of an address only while [`Egress::told`] names it, and that changes from one node to
//! another only by way of nobody, until the first acknowledged that or is fenced: however late a node is, no
//! two have one address.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use limiter_state::EgressSpec;
use limiter_state::address::overlap;

use crate::acknowledge::{carriers, carries, has_asked};
use crate::network::Facts;
use crate::{
    Code, EventKind, Network, NetworkEgress, NetworkKind, Node, NodeId, Plan, Refusal, Revision, Step,
};

/// The address of a plan, and the one node that may use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Egress {
    /// The address; no other plan has it.
    pub address: Ipv4Addr,
    /// The node that is to use it; [`None`]: no node carries the network, or the plan holds none.
    pub node: Option<NodeId>,
    /// A node that may still use it: nobody is told of the address before this one let go.
    pub leaving: Option<NodeId>,
}

/// How many addresses a node uses; those with few get the next.
pub type Load<'a> = &'a dyn Fn(&NodeId) -> usize;

impl Egress {
    /// An address that no node uses.
    pub fn unused(address: Ipv4Addr) -> Self {
        Self { address, node: None, leaving: None }
    }

    /// The only node that may be told of it now.
    pub fn told(&self) -> Option<&NodeId> {
        self.node.as_ref().filter(|_| self.leaving.is_none())
    }

    /// The only node that may use it now.
    pub fn holder(&self) -> Option<&NodeId> {
        self.leaving.as_ref().or(self.node.as_ref())
    }

    /// True where the node that is to let go has.
    pub(crate) fn is_let_go(&self, nodes: &[Node], generation: Revision) -> bool {
        let leaving = self.leaving.as_ref();
        let node = nodes.iter().find(|node| Some(&node.id) == leaving);
        !node.is_some_and(|node| may_hold(node) && node.acked_revision < generation)
    }
}

/// The node that is to use the address of a plan for `network`: of those that carry it and are not fenced
/// one that is not drained, that has asked, that has few addresses, in this order of importance; of equal
/// ones the first.
pub fn choose(network: &Network, nodes: &[Node], load: Load<'_>) -> Option<NodeId> {
    let worth = |node: &&Node| (node.drained, !has_asked(node), load(&node.id));
    carriers(network, nodes).min_by_key(worth).map(|node| node.id.clone())
}

/// Gives the address of `plan`, which holds `network`, to another node where its own may not keep it: it no
/// longer carries the network, is fenced, or is drained and another one is not. [`None`]: it may.
pub fn place(
    plan: &Plan,
    network: &Network,
    nodes: &[Node],
    load: Load<'_>,
    now: Timestamp,
    revision: Revision,
) -> Option<Step> {
    let own = plan.egress.as_ref()?.node.as_ref();
    let others = carriers(network, nodes).any(|node| !node.drained);
    let keeps = |node: &Node| Some(&node.id) == own && !(node.drained && others);
    if carriers(network, nodes).any(keeps) {
        return None;
    }
    let next = choose(network, nodes, load);
    (next.as_ref() != own).then(|| moved(plan, next, nodes, now, revision))
}

/// Gives the address of `plan`, which holds `network`, to the node `to`.
///
/// Refused with `PlanNotAssociated` where the plan has no address or no network, or where the network does
/// not leave through it, and with `InvalidParameter` where the node does not carry the network or is fenced.
pub fn move_to(
    plan: &Plan,
    network: &Network,
    to: &Node,
    nodes: &[Node],
    now: Timestamp,
    revision: Revision,
) -> Result<Step, Refusal> {
    if !carriers(network, nodes).any(|node| node.id == to.id) {
        let message = format!(
            "node {} does not carry network {} or is fenced; name one that does and is not",
            to.name, network.id
        );
        return Err(Refusal::new(Code::InvalidParameter, message).at("node"));
    }
    let uses = plan.network.is_some() && network.egress == NetworkEgress::Exclusive;
    let Some(egress) = plan.egress.as_ref().filter(|_| uses) else {
        let message = format!(
            "network {} does not leave through an address of plan {}; make its egress exclusive first",
            network.id, plan.id
        );
        return Err(Refusal::new(Code::PlanNotAssociated, message));
    };
    if egress.node.as_ref() == Some(&to.id) {
        return Ok(Step::of(plan, plan.clone(), now, revision));
    }
    Ok(moved(plan, Some(to.id.clone()), nodes, now, revision))
}

/// Gives `plan`, which has none, an address; `node`: where it serves a network, [`choose`]'s.
pub fn bind(
    plan: &Plan,
    address: Ipv4Addr,
    node: Option<NodeId>,
    now: Timestamp,
    revision: Revision,
) -> Step {
    let mut next = plan.clone();
    next.egress = Some(Egress { node, ..Egress::unused(address) });
    Step::of(plan, next, now, revision).with(now, EventKind::PlanAddressBound, address.to_string())
}

/// Refuses a network that is translated where one of its nodes has no address to share, and any where an
/// egress address is inside of it, or where one of its nodes has another network, of `elsewhere`, with the
/// same addresses and one of the two is translated: answers could not be told apart.
pub(crate) fn fits(network: &Network, facts: &Facts<'_>) -> Result<(), Refusal> {
    let Facts { nodes, elsewhere, egress_address, .. } = *facts;
    if let Some((place, address)) = egress_address {
        let message =
            format!("{address} is an address that packets leave through; choose prefixes without it");
        return Err(Refusal::new(Code::AddressConflict, message).at(format!("prefixes[{place}]")));
    }
    let is_translated = |network: &Network| network.egress != NetworkEgress::None;
    let without = carriers(network, nodes).find(|node| shares(network) && node.shared_address.is_none());
    if let Some(node) = without {
        let message = format!(
            "node {} has no shared address for the network's packets; give it one, or make the network's egress none",
            node.name
        );
        return Err(Refusal::new(Code::NodeHasNoSharedAddress, message).at("egress"));
    }
    let met =
        |other: &&Network| other.zone != network.zone && (is_translated(network) || is_translated(other));
    for other in elsewhere.iter().filter(met) {
        let shared = network.prefixes.iter().find(|own| other.prefixes.iter().any(|it| overlap(own, it)));
        let node = nodes.iter().find(|node| carries(node, network) && carries(node, other));
        if let (Some(prefix), Some(node)) = (shared, node) {
            let message = format!(
                "{prefix} is in use in zone {:?}, too, and node {} cannot tell answers to egress addresses apart; choose another prefix, no egress, or nodes with a network namespace of their own for one of the zones",
                other.zone, node.name
            );
            return Err(Refusal::new(Code::AddressConflict, message).at("egress"));
        }
    }
    Ok(())
}

/// True where a network leaves, now or without its plan, through the shared addresses of its nodes.
pub(crate) fn shares(network: &Network) -> bool {
    match network.egress {
        NetworkEgress::None => false,
        NetworkEgress::Shared => true,
        NetworkEgress::Exclusive => network.kind != NetworkKind::Vpc,
    }
}

/// The node that left has let go: the next one is told.
pub(crate) fn arrive(plan: &Plan, egress: &Egress, now: Timestamp, revision: Revision) -> Step {
    let mut next = plan.clone();
    next.egress = Some(Egress { leaving: None, ..egress.clone() });
    let detail = format!("{} at {}", egress.address, shown(egress.node.as_ref()));
    Step::of(plan, next, now, revision).with(now, EventKind::PlanAddressMoved, detail)
}

/// What the packets of `network` leave through at `node`; [`None`]: it must not let them out. `plan` is the
/// one that serves the network.
pub(crate) fn told(network: &Network, plan: Option<&Plan>, node: &Node) -> Option<EgressSpec> {
    let shared = || node.shared_address.map(|address| EgressSpec::Shared(address.to_string()));
    match (network.egress, plan.and_then(|plan| plan.egress.as_ref())) {
        (NetworkEgress::None, _) => Some(EgressSpec::None),
        (NetworkEgress::Shared, _) | (NetworkEgress::Exclusive, None) => shared(),
        (NetworkEgress::Exclusive, Some(egress)) => {
            let here = egress.told() == Some(&node.id);
            here.then(|| EgressSpec::Exclusive(egress.address.to_string()))
        }
    }
}

/// Nobody is told of the address before the node that has it let go; going back to that one is at once.
fn moved(plan: &Plan, to: Option<NodeId>, nodes: &[Node], now: Timestamp, revision: Revision) -> Step {
    let Some(egress) = &plan.egress else { return Step::of(plan, plan.clone(), now, revision) };
    let from = egress.holder().filter(|from| to.as_ref() != Some(from));
    let leaving = nodes.iter().find(|node| Some(&node.id) == from && may_hold(node));
    let detail = format!("{} from {} to {}", egress.address, shown(egress.holder()), shown(to.as_ref()));
    let mut next = plan.clone();
    next.egress =
        Some(Egress { address: egress.address, node: to, leaving: leaving.map(|node| node.id.clone()) });
    let kind = if leaving.is_some() { EventKind::PlanAddressMoving } else { EventKind::PlanAddressMoved };
    Step::of(plan, next, now, revision).with(now, kind, detail)
}

/// A fenced node passes nothing, and one that never asked was never told anything.
fn may_hold(node: &Node) -> bool {
    !node.fenced && has_asked(node)
}

fn shown(node: Option<&NodeId>) -> String {
    node.map_or_else(|| "no node".to_owned(), |id| format!("node {id}"))
}
