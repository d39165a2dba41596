//! Which node uses the address of a plan: chosen, moved, and noted for later questions.

use std::collections::HashMap;

use limiter_api::params::MoveEgress;
use limiter_api::views;
use limiter_domain::acknowledge::carries;
use limiter_domain::{AddressUse, AddressUseId, Code, Network, Node, NodeId, Plan, Settings, Status, egress};

use super::change::{Begun, Call, Change};
use super::error::refuse;
use super::{App, AppError, network, read};

impl App {
    /// Gives the address of the plan that holds a network to another node. The one that has it lets go first.
    pub async fn move_egress(
        &self,
        call: &Call,
        id: &str,
        input: MoveEgress,
    ) -> Result<views::Network, AppError> {
        call.caller.operates()?;
        let reach = call.caller.changes()?;
        let mut change = match self.begin(call).await? {
            Begun::New(change) => change,
            Begun::Again(answer) => return Ok(answer),
        };
        let network = read::network(&change.tx, &reach, id).await?;
        call.check_version(network.version)?;
        let to = read::node(&change.tx, &input.node).await?;
        let Some(plan) = change.tx.plan_of_network(&network.id).await? else {
            let message =
                format!("network {id} has no plan, and leaves through the shared address of each node");
            return Err(refuse(Code::PlanNotAssociated, message));
        };
        let plan = self.caught_up(&mut change, plan).await?;
        let nodes = change.nodes_of_region(&network.region).await?;
        let step = egress::move_to(&plan, &network, &to, &nodes, change.now, change.revision())?;
        self.take(&mut change, step).await?;
        let view = network::shown(&change.tx, &network).await?;
        change.finish(view).await
    }

    /// Gives the addresses away that `node`, which changed or is gone, may not keep, and those that no node
    /// has to nodes that may have them now.
    pub(super) async fn place_node(&self, change: &mut Change, node: &Node) -> Result<(), AppError> {
        let plans = change.tx.plans_to_place(&node.region, &node.id).await?;
        if plans.is_empty() {
            return Ok(());
        }
        let held: Vec<_> = plans.iter().filter_map(|plan| plan.network.clone()).collect();
        let networks = change.tx.networks_by_id(&held).await?;
        let networks: HashMap<_, _> = networks.iter().map(|network| (&network.id, network)).collect();
        for plan in plans {
            let network = plan.network.as_ref().and_then(|id| networks.get(id).copied());
            if let Some(network) = network {
                self.place(change, plan, network).await?;
            }
        }
        Ok(())
    }

    /// As [`App::place_node`], for a network whose nodes changed.
    pub(super) async fn place_network(&self, change: &mut Change, network: &Network) -> Result<(), AppError> {
        let plan = change.tx.plan_of_network(&network.id).await?;
        let Some(plan) = plan.filter(|plan| plan.egress.is_some()) else { return Ok(()) };
        self.place(change, plan, network).await
    }

    async fn place(&self, change: &mut Change, plan: Plan, network: &Network) -> Result<(), AppError> {
        let (now, revision) = (change.now, change.revision());
        let nodes = change.nodes_of_region(&network.region).await?;
        let load = change.load().await?;
        let Some(step) = egress::place(&plan, network, &nodes, &|id| weight(load, id), now, revision) else {
            return Ok(());
        };
        if let Some(node) = step.plan.egress.as_ref().and_then(|egress| egress.node.as_ref()) {
            *load.entry(node.to_string()).or_default() += 1;
        }
        self.take(change, step).await.map(drop)
    }
}

/// The node for the address of a plan that gets `network`.
pub(super) async fn choose(change: &mut Change, network: &Network) -> Result<Option<NodeId>, AppError> {
    let nodes = change.nodes_of_region(&network.region).await?;
    if nodes.iter().filter(|node| carries(node, network)).count() < 2 {
        return Ok(egress::choose(network, &nodes, &|_| 0));
    }
    let load = change.load().await?;
    let chosen = egress::choose(network, &nodes, &|id| weight(load, id));
    if let Some(node) = &chosen {
        *load.entry(node.to_string()).or_default() += 1;
    }
    Ok(chosen)
}

/// Notes who has the address of `plan` from now on, and frees it where the plan is released.
pub(super) async fn note_use(change: &Change, plan: &Plan, settings: &Settings) -> Result<(), AppError> {
    let released = plan.status == Status::Released;
    if plan.egress.is_none() && !released {
        return Ok(());
    }
    let had = change.tx.address_use_now(&plan.id).await?;
    let egress = plan.egress.as_ref();
    let has = egress.and_then(|egress| Some((egress, egress.holder()?, plan.network.as_ref()?)));
    let same = had.as_ref().zip(has).is_some_and(|(had, (egress, node, network))| {
        (had.address, &had.node, &had.network) == (egress.address, node, network)
    });
    if !same {
        if let Some(had) = had {
            change.tx.put_address_use(&AddressUse { until: Some(change.now), ..had }).await?;
        }
        if let Some((egress, node, network)) = has {
            let used = AddressUse {
                id: AddressUseId::of_random(rand::random()),
                address: egress.address,
                plan: plan.id.clone(),
                account: plan.account.clone(),
                network: network.clone(),
                node: node.clone(),
                from: change.now,
                until: None,
            };
            change.tx.put_address_use(&used).await?;
        }
    }
    if released && let Some(address) = change.tx.address_of_plan(&plan.id).await? {
        let until = change.now.saturating_add(settings.address_quarantine).unwrap_or(change.now);
        change.tx.rest_address(address.address, until).await?;
    }
    Ok(())
}

fn weight(load: &HashMap<String, u64>, node: &NodeId) -> usize {
    load.get(node.as_str()).map_or(0, |count| usize::try_from(*count).unwrap_or(usize::MAX))
}
