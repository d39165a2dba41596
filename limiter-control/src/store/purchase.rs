//! Orders that were paid: added, never changed.

use limiter_domain::ledger::KeptOrder;
use limiter_domain::price::{Amount, Order};
use limiter_domain::{AccountId, OrderId, PlanId};
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
    #[sea_orm(table_name = "orders")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub account_id: String,
        pub plan_id: String,
        pub kind: String,
        pub at_us: i64,
        pub original_micro: i64,
        pub amount_micro: i64,
        pub book: i64,
        pub detail: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use row::{Column, Entity};

impl Row for row::Model {
    type Thing = KeptOrder;

    fn of(kept: &KeptOrder) -> Self {
        let order = &kept.order;
        Self {
            id: kept.id.to_string(),
            account_id: kept.account.to_string(),
            plan_id: kept.plan.to_string(),
            kind: order.kind.code().to_owned(),
            at_us: value::micros(order.at),
            original_micro: order.original.micro(),
            amount_micro: order.amount.micro(),
            book: order.book.into(),
            detail: kept.detail.to_string(),
        }
    }

    fn thing(self) -> Result<KeptOrder, StoreError> {
        let read = Reader::new("orders", &self.id);
        let order = Order {
            kind: read.code("kind", &self.kind)?,
            at: read.time("at_us", self.at_us)?,
            original: Amount::new(self.original_micro),
            amount: Amount::new(self.amount_micro),
            book: u32::try_from(self.book).map_err(|_| read.bad("book"))?,
        };
        Ok(KeptOrder {
            id: read.parsed("id", &self.id)?,
            account: read.parsed("account_id", &self.account_id)?,
            plan: read.parsed("plan_id", &self.plan_id)?,
            order,
            detail: self.detail.as_str().into(),
        })
    }
}

impl Aged for Entity {
    const CREATED: Column = Column::AtUs;
    const ID: Column = Column::Id;
}

/// Which orders; what is [`None`] does not matter.
#[derive(Clone, Debug, Default)]
pub struct OrderFilter {
    /// Of this account.
    pub account: Option<AccountId>,
    /// For this plan.
    pub plan: Option<PlanId>,
}

impl OrderFilter {
    fn query(&self) -> Select<Entity> {
        Entity::find()
            .apply_if(self.account.as_ref(), |query, id| query.filter(Column::AccountId.eq(id.as_str())))
            .apply_if(self.plan.as_ref(), |query, id| query.filter(Column::PlanId.eq(id.as_str())))
    }
}

impl Tx {
    /// The order of this identity.
    pub async fn order(&self, id: &OrderId) -> Result<Option<KeptOrder>, StoreError> {
        self.one(Entity::find_by_id(id.as_str())).await
    }

    /// Orders, oldest first.
    pub async fn orders(&self, filter: &OrderFilter, paging: &Paging) -> Result<Page<KeptOrder>, StoreError> {
        self.page(filter.query(), paging).await
    }
}

impl Write {
    /// Adds an order.
    pub async fn add_order(&self, order: &KeptOrder) -> Result<(), StoreError> {
        self.add_rows::<Entity>(vec![Row::of(order)]).await
    }
}
