//! All that a node enforces, and what changed of it.

use std::collections::HashSet;

use limiter_domain::acknowledge::carries;
use limiter_domain::node_delta::is_rebuilt;
use limiter_domain::{Instance, Network, NetworkId, NetworkStatus, Node, Plan, Revision, Rule, RuleId};
use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::code::Code;
use super::error::StoreError;
use super::row::ASKED_MAX;
use super::tx::Tx;
use super::{instance, network, plan, rule, value};

/// Networks, and what belongs to them. Those of a whole node are ordered by
/// identity, instances by network and age.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Carried {
    /// The networks.
    pub networks: Vec<Network>,
    /// The plans that hold them.
    pub plans: Vec<Plan>,
    /// The rules of these plans.
    pub rules: Vec<Rule>,
    /// The instances of the networks.
    pub instances: Vec<Instance>,
}

impl Tx {
    /// The networks that `node` may carry, and what belongs to them.
    pub async fn carried_by(&self, node: &Node) -> Result<Carried, StoreError> {
        use {instance::row as instances, network::row as networks, plan::row as plans, rule::row as rules};
        let zones: Vec<&str> = node.interfaces.iter().map(|interface| &*interface.zone).collect();
        let named = networks::Column::Nodes.is_null().or(networks::Column::Nodes.contains(node.id.as_str()));
        let here = networks::Column::Region.eq(&*node.region);
        let here = here.and(networks::Column::Zone.is_in(zones)).and(named);
        let here = here.and(networks::Column::Status.eq(NetworkStatus::Active.code()));
        let ids = select(networks::Entity, networks::Column::Id, here.clone());
        let holding = plans::Column::NetworkId.in_subquery(ids.clone());
        let plan_ids = select(plans::Entity, plans::Column::Id, holding.clone());
        let in_networks = instances::Column::NetworkId.in_subquery(ids);
        let of_plans = rules::Column::PlanId.in_subquery(plan_ids);
        Ok(Carried {
            networks: self
                .all(networks::Entity::find().filter(here).order_by_asc(networks::Column::Id))
                .await?,
            plans: self.all(plans::Entity::find().filter(holding).order_by_asc(plans::Column::Id)).await?,
            rules: self.all(rules::Entity::find().filter(of_plans).order_by_asc(rules::Column::Id)).await?,
            instances: self.all_by(instances::Entity::find().filter(in_networks), BY_NETWORK).await?,
        })
    }

    /// What changed after `since` in the zones of `node`: the networks, deleted ones and those of other nodes
    /// among them; all instances of those that [`is_rebuilt`], and those of the others that changed; the
    /// rules that these instances are bound to, and rules that changed.
    pub async fn changed_of(&self, node: &Node, since: Revision) -> Result<Carried, StoreError> {
        use {instance::row as instances, network::row as networks, rule::row as rules};
        let zones: Vec<&str> = node.interfaces.iter().map(|interface| &*interface.zone).collect();
        let after = value::number(since);
        let here = networks::Column::Region.eq(&*node.region).and(networks::Column::Zone.is_in(zones));
        let touched = networks::Entity::find().filter(here.and(networks::Column::NewsRevision.gt(after)));
        let touched: Vec<Network> = self.all(touched).await?;
        let carried: Vec<&Network> = touched.iter().filter(|network| carries(node, network)).collect();
        let ids: Vec<NetworkId> = carried.iter().map(|network| network.id.clone()).collect();
        let plans = self.plans_of_networks(&ids).await?;
        let (rebuilt, others): (Vec<&Network>, _) = carried.iter().partition(|it| is_rebuilt(it, since));
        let mut found = Vec::new();
        for part in rebuilt.chunks(ASKED_MAX) {
            let whole = instances::Column::NetworkId.is_in(part.iter().map(|network| network.id.as_str()));
            found.extend(self.all_by(instances::Entity::find().filter(whole), BY_NETWORK).await?);
        }
        let changed = instances::Entity::find().filter(instances::Column::Revision.gt(after));
        let others: Vec<&str> = others.iter().map(|network| network.id.as_str()).collect();
        found.extend(self.all_of(changed, instances::Column::NetworkId, &others).await?);
        let bound = found.iter().filter_map(|instance| instance.rule.as_ref());
        let default = rebuilt.iter().filter_map(|network| network.default_rule.as_ref());
        let named: HashSet<&str> = bound.chain(default).map(RuleId::as_str).collect();
        let named: Vec<&str> = named.into_iter().collect();
        let mut rules = self.all_of(rules::Entity::find(), rules::Column::Id, &named).await?;
        let changed = rules::Entity::find().filter(rules::Column::Revision.gt(after));
        let plan_ids: Vec<&str> = plans.iter().map(|plan| plan.id.as_str()).collect();
        rules.extend(self.all_of(changed, rules::Column::PlanId, &plan_ids).await?);
        Ok(Carried { networks: touched, plans, rules, instances: found })
    }
}

/// Order of instances, which an index has.
const BY_NETWORK: [instance::row::Column; 3] =
    [instance::row::Column::NetworkId, instance::row::Column::CreatedUs, instance::row::Column::Id];

fn select<E: EntityTrait>(table: E, id: E::Column, which: Expr) -> SelectStatement {
    let mut query = Query::select();
    query.column(id).from(table).and_where(which);
    query
}
