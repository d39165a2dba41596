//! What nodes have acknowledged, and what that completes.

use jiff::Timestamp;

use crate::{
    Egress, EventKind, Network, Node, OperationKind, Plan, Revision, Settings, Status, Step, egress, order,
};

/// True where `node` carries `network`.
pub fn carries(node: &Node, network: &Network) -> bool {
    node.region == network.region
        && node.interfaces.iter().any(|interface| interface.zone == network.zone)
        && network.nodes.as_ref().is_none_or(|nodes| nodes.contains(&node.id))
}

/// True where some node carries `network` and is not fenced.
pub fn has_node(network: &Network, nodes: &[Node]) -> bool {
    carriers(network, nodes).next().is_some()
}

/// True where every node that may still carry what `network` had before `generation` has let it go: those
/// that carry it, and those that changed and have not acknowledged that. Fenced nodes pass nothing, and a
/// node that never asked was never told anything.
pub fn let_go(network: &Network, nodes: &[Node], generation: Revision) -> bool {
    let may_hold = |node: &&Node| {
        node.region == network.region
            && !node.fenced
            && has_asked(node)
            && (carries(node, network) || is_behind(node))
    };
    nodes.iter().filter(may_hold).all(|node| node.acked_revision >= generation)
}

/// True for a node that may enforce something.
pub(crate) fn has_asked(node: &Node) -> bool {
    node.seen_at.is_some() || node.acked_revision > 0
}

/// True for a node that has not acknowledged its own last change.
pub(crate) fn is_behind(node: &Node) -> bool {
    node.acked_revision < node.revision
}

/// True where nothing waits for nodes any more. `network` is the one that `plan` holds.
///
/// An end needs no node: where none carries the network, none has to let go. A beginning needs one.
pub fn is_acknowledged(plan: &Plan, network: Option<&Network>, nodes: &[Node]) -> bool {
    let Some(network) = network else { return true };
    let begins = plan.operation.as_ref().is_some_and(|operation| operation.kind.begins());
    let ends = plan.operation.is_some() && !begins;
    if ends {
        return let_go(network, nodes, plan.generation);
    }
    if let Some(egress) = leaving(plan) {
        return egress.is_let_go(nodes, plan.generation);
    }
    let reached = carriers(network, nodes).all(|node| node.acked_revision >= plan.generation);
    reached && (!begins || has_node(network, nodes))
}

/// Completes what waited for nodes, once [`is_acknowledged`] says so: T04, T08, T11, T13 and T23.
/// [`None`]: nothing waited.
pub fn acknowledged(plan: &Plan, settings: &Settings, now: Timestamp, revision: Revision) -> Option<Step> {
    let begins = plan.operation.as_ref().is_none_or(|operation| operation.kind.begins());
    if let Some(egress) = leaving(plan).filter(|_| begins) {
        return Some(egress::arrive(plan, egress, now, revision));
    }
    let mut next = plan.clone();
    next.applied_peak = plan.peak;
    let network = plan.network.as_ref().map(ToString::to_string).unwrap_or_default();
    let Some(operation) = next.operation.take() else {
        let waited = plan.applied_peak != plan.peak;
        let detail = format!("peak {} -> {} in force", plan.applied_peak, plan.peak);
        return waited.then(|| Step::of(plan, next, now, revision).with(now, EventKind::PlanResized, detail));
    };
    let (status, event) = match operation.kind {
        OperationKind::Provision | OperationKind::Associate => (Status::InUse, EventKind::PlanInUse),
        OperationKind::Dissociate => (Status::NotAssociated, EventKind::PlanNotAssociated),
        OperationKind::Release => (Status::Released, EventKind::PlanReleased),
    };
    next.status = status;
    if !operation.kind.begins() {
        next.network = None;
        next.egress = next.egress.map(|egress| Egress::unused(egress.address));
    }
    if next.status == Status::Released {
        next.egress = None;
    }
    if operation.kind == OperationKind::Provision {
        order::provision(&mut next, settings, now);
    }
    Some(Step::of(plan, next, now, revision).with(now, event, format!("network {network}")))
}

/// `step`, and what it completes at once because no node has to acknowledge it.
pub fn settle(
    step: Step,
    network: Option<&Network>,
    nodes: &[Node],
    settings: &Settings,
    now: Timestamp,
    revision: Revision,
) -> Step {
    if !is_acknowledged(&step.plan, network, nodes) {
        return step;
    }
    match acknowledged(&step.plan, settings, now, revision) {
        Some(next) => step.then(next),
        None => step,
    }
}

impl OperationKind {
    /// True for work that gives a network to a plan.
    pub(crate) const fn begins(self) -> bool {
        match self {
            Self::Provision | Self::Associate => true,
            Self::Dissociate | Self::Release => false,
        }
    }
}

/// The address of a plan that moves, where a node has yet to let go of it.
fn leaving(plan: &Plan) -> Option<&Egress> {
    plan.egress.as_ref().filter(|egress| egress.leaving.is_some())
}

pub(crate) fn carriers<'a>(network: &'a Network, nodes: &'a [Node]) -> impl Iterator<Item = &'a Node> {
    nodes.iter().filter(move |node| !node.fenced && carries(node, network))
}
