//! All that a node enforces, in four queries.

use limiter_domain::{Instance, Network, Node, Plan, Rule};
use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::error::StoreError;
use super::tx::Tx;
use super::{instance, network, plan, rule};

/// Networks, and what belongs to them. Each list is ordered by identity, instances by network and age.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Carried {
    /// The networks, whatever their status.
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
        let ids = select(networks::Entity, networks::Column::Id, here.clone());
        let holding = plans::Column::NetworkId.in_subquery(ids.clone());
        let plan_ids = select(plans::Entity, plans::Column::Id, holding.clone());
        let in_networks = instances::Column::NetworkId.in_subquery(ids);
        let of_plans = rules::Column::PlanId.in_subquery(plan_ids);
        let by_network = [instances::Column::NetworkId, instances::Column::CreatedUs, instances::Column::Id];
        Ok(Carried {
            networks: self
                .all(networks::Entity::find().filter(here).order_by_asc(networks::Column::Id))
                .await?,
            plans: self.all(plans::Entity::find().filter(holding).order_by_asc(plans::Column::Id)).await?,
            rules: self.all(rules::Entity::find().filter(of_plans).order_by_asc(rules::Column::Id)).await?,
            instances: self.all_by(instances::Entity::find().filter(in_networks), by_network).await?,
        })
    }
}

fn select<E: EntityTrait>(table: E, id: E::Column, which: Expr) -> SelectStatement {
    let mut query = Query::select();
    query.column(id).from(table).and_where(which);
    query
}
