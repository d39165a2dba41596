//! Which hour of a plan is to be billed next.

use jiff::Timestamp;
use limiter_domain::{AccountId, PlanId};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait};

use super::error::StoreError;
use super::row::Row;
use super::tx::{Tx, Write};
use super::value::{self, Reader};

#[expect(unreachable_pub, reason = "what derives from a row is public")]
pub(super) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "bills")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub plan_id: String,
        pub account_id: String,
        pub next_us: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use row::{Column, Entity};

/// The next hour of a plan that is to be billed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextHour {
    /// The plan.
    pub plan: PlanId,
    /// Who pays.
    pub account: AccountId,
    /// The beginning of the hour.
    pub hour: Timestamp,
}

impl Row for row::Model {
    type Thing = NextHour;

    fn of(next: &NextHour) -> Self {
        Self {
            plan_id: next.plan.to_string(),
            account_id: next.account.to_string(),
            next_us: value::micros(next.hour),
        }
    }

    fn thing(self) -> Result<NextHour, StoreError> {
        let read = Reader::new("bills", &self.plan_id);
        Ok(NextHour {
            plan: read.parsed("plan_id", &self.plan_id)?,
            account: read.parsed("account_id", &self.account_id)?,
            hour: read.time("next_us", self.next_us)?,
        })
    }
}

impl Tx {
    /// The hour of a plan that is to be billed next.
    pub async fn next_hour(&self, plan: &PlanId) -> Result<Option<NextHour>, StoreError> {
        self.one(Entity::find_by_id(plan.as_str())).await
    }

    /// Hours that began at `last` or before, of an account or of all, the earliest first, at most `limit`.
    pub async fn hours_due(
        &self,
        account: Option<&AccountId>,
        last: Timestamp,
        limit: u64,
    ) -> Result<Vec<NextHour>, StoreError> {
        let due = Entity::find().filter(Column::NextUs.lte(value::micros(last)));
        let due = due.apply_if(account, |query, id| query.filter(Column::AccountId.eq(id.as_str())));
        self.all(due.order_by_asc(Column::NextUs).order_by_asc(Column::PlanId).limit(limit)).await
    }
}

impl Write {
    /// Sets the hour of a plan that is to be billed next.
    pub async fn put_next_hour(&self, next: &NextHour) -> Result<(), StoreError> {
        self.put_rows::<Entity>(vec![Row::of(next)], &[]).await
    }

    /// Nothing of a plan is to be billed any more.
    pub async fn remove_next_hour(&self, plan: &PlanId) -> Result<(), StoreError> {
        self.remove_rows(Entity::delete_many().filter(Column::PlanId.eq(plan.as_str()))).await?;
        Ok(())
    }
}
