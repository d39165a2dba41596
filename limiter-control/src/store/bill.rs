//! Which hour of a plan is to be billed next.

use jiff::Timestamp;
use limiter_domain::{AccountId, PlanId};
use sea_orm::sea_query::Expr;
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
        pub due_us: i64,
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
    /// When it is looked at.
    pub due_at: Timestamp,
}

impl Row for row::Model {
    type Thing = NextHour;

    fn of(next: &NextHour) -> Self {
        Self {
            plan_id: next.plan.to_string(),
            account_id: next.account.to_string(),
            next_us: value::micros(next.hour),
            due_us: value::micros(next.due_at),
        }
    }

    fn thing(self) -> Result<NextHour, StoreError> {
        let read = Reader::new("bills", &self.plan_id);
        Ok(NextHour {
            plan: read.parsed("plan_id", &self.plan_id)?,
            account: read.parsed("account_id", &self.account_id)?,
            hour: read.time("next_us", self.next_us)?,
            due_at: read.time("due_us", self.due_us)?,
        })
    }
}

impl Tx {
    /// The hour of a plan that is to be billed next.
    pub async fn next_hour(&self, plan: &PlanId) -> Result<Option<NextHour>, StoreError> {
        self.one(Entity::find_by_id(plan.as_str())).await
    }

    /// The hours of some plans that are to be billed next, in no order; a plan without one has none.
    pub async fn next_hours(&self, plans: &[PlanId]) -> Result<Vec<NextHour>, StoreError> {
        let ids: Vec<_> = plans.iter().map(PlanId::as_str).collect();
        self.all_of(Entity::find(), Column::PlanId, &ids).await
    }

    /// Hours that are due at `now`, of an account or of all, the earliest first, at most `limit`.
    pub async fn hours_due(
        &self,
        account: Option<&AccountId>,
        now: Timestamp,
        limit: u64,
    ) -> Result<Vec<NextHour>, StoreError> {
        let due = Entity::find().filter(Column::DueUs.lte(value::micros(now)));
        let due = due.apply_if(account, |query, id| query.filter(Column::AccountId.eq(id.as_str())));
        let due = due.order_by_asc(Column::DueUs).order_by_asc(Column::NextUs).order_by_asc(Column::PlanId);
        self.all(due.limit(limit)).await
    }
}

impl Write {
    /// Sets the hour of a plan that is to be billed next.
    pub async fn put_next_hour(&self, next: &NextHour) -> Result<(), StoreError> {
        self.put_rows::<Entity>(vec![Row::of(next)], &[]).await
    }

    /// Sets the hour that is to be billed next of every plan of which any is.
    pub async fn put_every_next_hour(&self, hour: Timestamp, due_at: Timestamp) -> Result<(), StoreError> {
        let all = Entity::update_many()
            .col_expr(Column::NextUs, Expr::value(value::micros(hour)))
            .col_expr(Column::DueUs, Expr::value(value::micros(due_at)));
        self.update_rows(all).await?;
        Ok(())
    }

    /// Nothing of a plan is to be billed any more.
    pub async fn remove_next_hour(&self, plan: &PlanId) -> Result<(), StoreError> {
        self.remove_rows(Entity::delete_many().filter(Column::PlanId.eq(plan.as_str()))).await?;
        Ok(())
    }
}
