//! Who had which address when; never changed but for its end.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use limiter_domain::{AddressUse, PlanId};
use sea_orm::sea_query::ExprTrait as _;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryTrait, Select};

use super::error::StoreError;
use super::page::{Page, Paging};
use super::row::{Aged, Row};
use super::tx::{Tx, Write};
use super::value::{self, Reader};

#[expect(unreachable_pub, reason = "what derives from a row is public")]
pub(super) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "address_uses")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub address: String,
        pub plan_id: String,
        pub account_id: String,
        pub network_id: String,
        pub node_id: String,
        pub from_us: i64,
        pub until_us: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use row::{Column, Entity};

impl Row for row::Model {
    type Thing = AddressUse;

    fn of(used: &AddressUse) -> Self {
        Self {
            id: used.id.to_string(),
            address: used.address.to_string(),
            plan_id: used.plan.to_string(),
            account_id: used.account.to_string(),
            network_id: used.network.to_string(),
            node_id: used.node.to_string(),
            from_us: value::micros(used.from),
            until_us: value::micros_of(used.until),
        }
    }

    fn thing(self) -> Result<AddressUse, StoreError> {
        let read = Reader::new("address_uses", &self.id);
        Ok(AddressUse {
            id: read.parsed("id", &self.id)?,
            address: read.parsed("address", &self.address)?,
            plan: read.parsed("plan_id", &self.plan_id)?,
            account: read.parsed("account_id", &self.account_id)?,
            network: read.parsed("network_id", &self.network_id)?,
            node: read.parsed("node_id", &self.node_id)?,
            from: read.time("from_us", self.from_us)?,
            until: read.time_if("until_us", self.until_us)?,
        })
    }
}

impl Aged for Entity {
    const CREATED: Column = Column::FromUs;
    const ID: Column = Column::Id;
}

/// Which uses.
#[derive(Clone, Debug)]
pub struct AddressUseFilter {
    /// Of this address.
    pub address: Ipv4Addr,
    /// At this instant; [`None`]: at any.
    pub at: Option<Timestamp>,
}

impl AddressUseFilter {
    fn query(&self) -> Select<Entity> {
        let at = self.at.map(value::micros);
        Entity::find().filter(Column::Address.eq(self.address.to_string())).apply_if(at, |query, at| {
            let lasted = Column::UntilUs.is_null().or(Column::UntilUs.gte(at));
            query.filter(Column::FromUs.lte(at)).filter(lasted)
        })
    }
}

impl Tx {
    /// Uses of an address, oldest first.
    pub async fn address_uses(
        &self,
        filter: &AddressUseFilter,
        paging: &Paging,
    ) -> Result<Page<AddressUse>, StoreError> {
        self.page(filter.query(), paging).await
    }

    /// The use by a plan that has not ended.
    pub async fn address_use_now(&self, plan: &PlanId) -> Result<Option<AddressUse>, StoreError> {
        let open = Entity::find().filter(Column::PlanId.eq(plan.as_str()));
        self.one(open.filter(Column::UntilUs.is_null())).await
    }
}

impl Write {
    /// Inserts a use or replaces it.
    pub async fn put_address_use(&self, used: &AddressUse) -> Result<(), StoreError> {
        self.put_rows::<Entity>(vec![Row::of(used)], &[]).await
    }
}
