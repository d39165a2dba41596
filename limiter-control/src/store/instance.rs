//! Instances and their bindings.

use std::collections::HashMap;

use ipnet::IpNet;
use limiter_domain::{AccountId, Instance, InstanceId, NetworkId, PlanId, RuleId};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Select};

use super::code::Code;
use super::error::StoreError;
use super::page::{Page, Paging};
use super::row::{Aged, Row};
use super::rule;
use super::tx::{Tx, Write};
use super::value::{self, Reader};

#[expect(unreachable_pub, reason = "what derives from a row is public")]
pub(super) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "instances")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub account_id: String,
        pub network_id: String,
        pub name: String,
        pub external_id: Option<String>,
        pub addresses: String,
        pub internet: String,
        pub rule_id: Option<String>,
        pub revision: i64,
        pub created_us: i64,
        pub version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use row::{Column, Entity};

impl Row for row::Model {
    type Thing = Instance;

    fn of(instance: &Instance) -> Self {
        Self {
            id: instance.id.to_string(),
            account_id: instance.account.to_string(),
            network_id: instance.network.to_string(),
            name: instance.name.to_string(),
            external_id: value::text(instance.external_id.as_ref()),
            addresses: value::list(&instance.addresses),
            internet: instance.internet.code().to_owned(),
            rule_id: instance.rule.as_ref().map(ToString::to_string),
            revision: value::number(instance.revision),
            created_us: value::micros(instance.created_at),
            version: value::number(instance.version),
        }
    }

    fn thing(self) -> Result<Instance, StoreError> {
        let read = Reader::new("instances", &self.id);
        Ok(Instance {
            id: read.parsed("id", &self.id)?,
            account: read.parsed("account_id", &self.account_id)?,
            network: read.parsed("network_id", &self.network_id)?,
            name: self.name.as_str().into(),
            external_id: self.external_id.as_deref().map(Into::into),
            addresses: read.list("addresses", &self.addresses)?,
            internet: read.code("internet", &self.internet)?,
            rule: read.parsed_if("rule_id", self.rule_id.as_ref())?,
            revision: read.number("revision", self.revision)?,
            created_at: read.time("created_us", self.created_us)?,
            version: read.number("version", self.version)?,
        })
    }
}

impl Aged for Entity {
    const CREATED: Column = Column::CreatedUs;
    const ID: Column = Column::Id;
}

/// Which instances; what is [`None`] does not matter.
#[derive(Clone, Debug, Default)]
pub struct InstanceFilter {
    /// Of this account.
    pub account: Option<AccountId>,
    /// Of this network.
    pub network: Option<NetworkId>,
    /// Bound to this rule.
    pub rule: Option<RuleId>,
    /// Bound to any rule, or to none.
    pub bound: Option<bool>,
    /// Part of the name, in either case.
    pub name_contains: Option<String>,
}

impl InstanceFilter {
    fn query(&self) -> Select<Entity> {
        Entity::find()
            .apply_if(self.account.as_ref(), |query, id| query.filter(Column::AccountId.eq(id.as_str())))
            .apply_if(self.network.as_ref(), |query, id| query.filter(Column::NetworkId.eq(id.as_str())))
            .apply_if(self.rule.as_ref(), |query, id| query.filter(Column::RuleId.eq(id.as_str())))
            .apply_if(self.bound, |query, bound| {
                query.filter(if bound { Column::RuleId.is_not_null() } else { Column::RuleId.is_null() })
            })
            .apply_if(self.name_contains.as_deref(), |query, part| {
                query.filter(value::contains(Column::Name, part))
            })
    }
}

impl Tx {
    /// The instance of this identity.
    pub async fn instance(&self, id: &InstanceId) -> Result<Option<Instance>, StoreError> {
        self.one(Entity::find_by_id(id.as_str())).await
    }

    /// Those of `ids` that are there, in no order.
    pub async fn instances_by_id(&self, ids: &[InstanceId]) -> Result<Vec<Instance>, StoreError> {
        let ids: Vec<_> = ids.iter().map(InstanceId::as_str).collect();
        self.all_of(Entity::find(), Column::Id, &ids).await
    }

    /// The instance of this name in a network.
    pub async fn instance_by_name(
        &self,
        network: &NetworkId,
        name: &str,
    ) -> Result<Option<Instance>, StoreError> {
        let query = Entity::find().filter(Column::NetworkId.eq(network.as_str()));
        self.one(query.filter(Column::Name.eq(name))).await
    }

    /// The instance of this external identity in an account.
    pub async fn instance_by_external_id(
        &self,
        account: &AccountId,
        external_id: &str,
    ) -> Result<Option<Instance>, StoreError> {
        let query = Entity::find().filter(Column::AccountId.eq(account.as_str()));
        self.one(query.filter(Column::ExternalId.eq(external_id))).await
    }

    /// The instances of an account with one of these external identities, in no order.
    pub async fn instances_by_external_id(
        &self,
        account: &AccountId,
        external_ids: &[&str],
    ) -> Result<Vec<Instance>, StoreError> {
        let query = Entity::find().filter(Column::AccountId.eq(account.as_str()));
        self.all_of(query, Column::ExternalId, external_ids).await
    }

    /// Instances, oldest first.
    pub async fn instances(
        &self,
        filter: &InstanceFilter,
        paging: &Paging,
    ) -> Result<Page<Instance>, StoreError> {
        self.page(filter.query(), paging).await
    }

    /// All instances that match, oldest first.
    pub async fn all_instances(&self, filter: &InstanceFilter) -> Result<Vec<Instance>, StoreError> {
        self.all_by(filter.query(), [Column::CreatedUs, Column::Id]).await
    }

    /// How many instances each of `networks` has; one without is not among them.
    pub async fn count_instances_of(
        &self,
        networks: &[NetworkId],
    ) -> Result<HashMap<String, u64>, StoreError> {
        let ids = networks.iter().map(NetworkId::as_str);
        self.count_by(Entity::find().filter(Column::NetworkId.is_in(ids)), Column::NetworkId).await
    }

    /// How many instances there are.
    pub async fn count_instances(&self, filter: &InstanceFilter) -> Result<u64, StoreError> {
        self.count(filter.query()).await
    }

    /// The addresses of every instance of a network, to find overlaps.
    pub async fn addresses_of_network(
        &self,
        network: &NetworkId,
    ) -> Result<Vec<(InstanceId, Vec<IpNet>)>, StoreError> {
        let query = Entity::find()
            .select_only()
            .columns([Column::Id, Column::Addresses])
            .filter(Column::NetworkId.eq(network.as_str()));
        let rows: Vec<(String, String)> = self.checked(query.into_tuple().all(self.connection()).await)?;
        let parse = |(id, addresses): &(String, String)| {
            let read = Reader::new("instances", id);
            Ok((read.parsed("id", id)?, read.list("addresses", addresses)?))
        };
        rows.iter().map(parse).collect()
    }
}

impl Write {
    /// Inserts an instance or replaces it whole, its binding included.
    pub async fn put_instance(&self, instance: &Instance) -> Result<(), StoreError> {
        self.put_instances(std::slice::from_ref(instance)).await
    }

    /// As [`Write::put_instance`], for many with distinct identities.
    pub async fn put_instances(&self, instances: &[Instance]) -> Result<(), StoreError> {
        self.put_rows::<Entity>(instances.iter().map(Row::of).collect(), &[]).await
    }

    /// Removes an instance; false where there is none.
    pub async fn remove_instance(&self, id: &InstanceId) -> Result<bool, StoreError> {
        self.remove_row::<Entity>(id.as_str()).await
    }

    /// As [`Write::remove_instance`], for many; gives the number of those that were there.
    pub async fn remove_instances(&self, ids: &[InstanceId]) -> Result<u64, StoreError> {
        let ids: Vec<_> = ids.iter().map(InstanceId::as_str).collect();
        self.remove_all::<Entity>(&ids).await
    }

    /// Takes every instance from its rule of a plan, with the revision of this transaction; gives their
    /// number.
    pub async fn unbind_plan(&self, plan: &PlanId) -> Result<u64, StoreError> {
        self.unbind(Column::RuleId.in_subquery(rule::ids_of_plan(plan))).await
    }

    /// Takes every instance from a rule, with the revision of this transaction; gives their number.
    pub async fn unbind_rule(&self, rule: &RuleId) -> Result<u64, StoreError> {
        self.unbind(Column::RuleId.eq(rule.as_str())).await
    }

    async fn unbind(&self, which: Expr) -> Result<u64, StoreError> {
        let update = Entity::update_many()
            .col_expr(Column::RuleId, Expr::value(None::<String>))
            .col_expr(Column::Revision, value::number(self.revision()).into())
            .col_expr(Column::Version, value::raised(Column::Version))
            .filter(which);
        self.update_rows(update).await
    }
}
