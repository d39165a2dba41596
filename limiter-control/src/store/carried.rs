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
    /// The networks of `zones` in a region, and what belongs to them.
    pub async fn carried(&self, region: &str, zones: &[&str]) -> Result<Carried, StoreError> {
        self.carried_where(in_zones(region, zones)).await
    }

    /// The networks that `node` may carry, and what belongs to them.
    pub async fn carried_by(&self, node: &Node) -> Result<Carried, StoreError> {
        let zones: Vec<&str> = node.interfaces.iter().map(|interface| &*interface.zone).collect();
        let names = network::row::Column::Nodes;
        let named = names.is_null().or(names.contains(node.id.as_str()));
        self.carried_where(in_zones(&node.region, &zones).and(named)).await
    }

    async fn carried_where(&self, here: Expr) -> Result<Carried, StoreError> {
        use {instance::row as instances, network::row as networks, plan::row as plans, rule::row as rules};
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

fn in_zones(region: &str, zones: &[&str]) -> Expr {
    use network::row::Column;
    Column::Region.eq(region).and(Column::Zone.is_in(zones.iter().copied()))
}

fn select<E: EntityTrait>(table: E, id: E::Column, which: Expr) -> SelectStatement {
    let mut query = Query::select();
    query.column(id).from(table).and_where(which);
    query
}
