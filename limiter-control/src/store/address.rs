//! Addresses that plans get.

use std::net::Ipv4Addr;
use std::sync::Arc;

use jiff::Timestamp;
use limiter_domain::pool::Range;
use limiter_domain::{Address, AddressState, PlanId};
use sea_orm::sea_query::{Condition, Expr, ExprTrait as _};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select};

use super::error::StoreError;
use super::page::{Page, Paging};
use super::row::{Aged, Row};
use super::tx::{Tx, Write};
use super::value::{self, Reader};

#[expect(unreachable_pub, reason = "what derives from a row is public")]
pub(super) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "addresses")]
    pub struct Model {
        /// The address as one writes it.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        /// The address as a number, which is its order.
        pub number: i64,
        pub region: String,
        pub plan_id: Option<String>,
        pub rests_until_us: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use row::{Column, Entity};

impl Row for row::Model {
    type Thing = Address;

    fn of(address: &Address) -> Self {
        Self {
            id: address.address.to_string(),
            number: number(address.address),
            region: address.region.to_string(),
            plan_id: address.plan.as_ref().map(ToString::to_string),
            rests_until_us: value::micros_of(address.rests_until),
        }
    }

    fn thing(self) -> Result<Address, StoreError> {
        let read = Reader::new("addresses", &self.id);
        Ok(Address {
            address: read.parsed("id", &self.id)?,
            region: self.region.as_str().into(),
            plan: read.parsed_if("plan_id", self.plan_id.as_ref())?,
            rests_until: read.time_if("rests_until_us", self.rests_until_us)?,
        })
    }
}

/// In the order of addresses.
impl Aged for Entity {
    const CREATED: Column = Column::Number;
    const ID: Column = Column::Id;
}

/// Which addresses; what is [`None`] does not matter.
#[derive(Clone, Debug, Default)]
pub struct AddressFilter {
    /// Of this region.
    pub region: Option<Arc<str>>,
    /// In this state at an instant.
    pub state: Option<(AddressState, Timestamp)>,
}

impl AddressFilter {
    fn query(&self) -> Select<Entity> {
        Entity::find()
            .apply_if(self.region.as_deref(), |query, region| query.filter(Column::Region.eq(region)))
            .apply_if(self.state, |query, (state, now)| query.filter(is_in(state, now)))
    }
}

impl Tx {
    /// This address, where it is one for plans.
    pub async fn address(&self, address: Ipv4Addr) -> Result<Option<Address>, StoreError> {
        self.one(Entity::find_by_id(address.to_string())).await
    }

    /// The address of a plan.
    pub async fn address_of_plan(&self, plan: &PlanId) -> Result<Option<Address>, StoreError> {
        self.one(Entity::find().filter(Column::PlanId.eq(plan.as_str()))).await
    }

    /// Addresses in their order.
    pub async fn addresses(
        &self,
        filter: &AddressFilter,
        paging: &Paging,
    ) -> Result<Page<Address>, StoreError> {
        self.page(filter.query(), paging).await
    }

    /// True for a region that has addresses, in whatever state.
    pub async fn has_addresses(&self, region: &str) -> Result<bool, StoreError> {
        Ok(self.one(Entity::find().filter(Column::Region.eq(region)).limit(1)).await?.is_some())
    }

    /// The lowest addresses of a region that plans may get at `now`, at most `most`.
    pub async fn free_addresses(
        &self,
        region: &str,
        now: Timestamp,
        most: u64,
    ) -> Result<Vec<Address>, StoreError> {
        let free = Entity::find().filter(Column::Region.eq(region)).filter(is_in(AddressState::Free, now));
        self.all(free.order_by_asc(Column::Number).limit(most)).await
    }

    /// The lowest address of `range`, of any region.
    pub async fn address_within(&self, range: Range) -> Result<Option<Address>, StoreError> {
        self.one(Entity::find().filter(within(range)).order_by_asc(Column::Number).limit(1)).await
    }

    /// The lowest address of `range` in `region` that no plan may get at `now`.
    pub async fn address_kept(
        &self,
        region: &str,
        range: Range,
        now: Timestamp,
    ) -> Result<Option<Address>, StoreError> {
        let kept = Entity::find().filter(Column::Region.eq(region)).filter(within(range));
        let kept = kept.filter(is_in(AddressState::Free, now).not());
        self.one(kept.order_by_asc(Column::Number).limit(1)).await
    }
}

impl Write {
    /// Inserts addresses or replaces them whole; each comes once.
    pub async fn put_addresses(&self, addresses: &[Address]) -> Result<(), StoreError> {
        self.put_rows::<Entity>(addresses.iter().map(Row::of).collect(), &[]).await
    }

    /// Removes the addresses of `range` that are of `region`; gives their number.
    pub async fn remove_addresses(&self, region: &str, range: Range) -> Result<u64, StoreError> {
        self.remove_rows(Entity::delete_many().filter(Column::Region.eq(region)).filter(within(range))).await
    }

    /// Notes that `plan` has an address; it must be free.
    pub async fn bind_address(&self, address: Ipv4Addr, plan: &PlanId) -> Result<(), StoreError> {
        let bound = Entity::update_many()
            .col_expr(Column::PlanId, plan.as_str().into())
            .filter(Column::Id.eq(address.to_string()));
        self.update_rows(bound).await.map(drop)
    }

    /// Notes that no plan has an address any more, and none gets it before `until`.
    pub async fn rest_address(&self, address: Ipv4Addr, until: Timestamp) -> Result<(), StoreError> {
        let rests = Entity::update_many()
            .col_expr(Column::PlanId, Expr::value(None::<String>))
            .col_expr(Column::RestsUntilUs, value::micros(until).into())
            .filter(Column::Id.eq(address.to_string()));
        self.update_rows(rests).await.map(drop)
    }
}

fn number(address: Ipv4Addr) -> i64 {
    u32::from(address).into()
}

fn within(range: Range) -> Condition {
    Condition::all().add(Column::Number.gte(number(range.first))).add(Column::Number.lte(number(range.last)))
}

/// As [`Address::state`] says.
fn is_in(state: AddressState, now: Timestamp) -> Condition {
    let rests = Column::RestsUntilUs.gt(value::micros(now));
    let rested = Column::RestsUntilUs.is_null().or(Column::RestsUntilUs.lte(value::micros(now)));
    match state {
        AddressState::Bound => Condition::all().add(Column::PlanId.is_not_null()),
        AddressState::Quarantined => Condition::all().add(Column::PlanId.is_null()).add(rests),
        AddressState::Free => Condition::all().add(Column::PlanId.is_null()).add(rested),
    }
}
