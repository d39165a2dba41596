//! Hours as they were billed: added, never changed.

use jiff::civil::Date;
use limiter_domain::bill::Line;
use limiter_domain::ledger::KeptLine;
use limiter_domain::price::{Amount, Discount};
use limiter_domain::{AccountId, PlanId};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait};

use super::error::StoreError;
use super::page::{Cursor, Page, Paging};
use super::row::Row;
use super::tx::{Tx, Write};
use super::value::{self, Reader};

#[expect(unreachable_pub, reason = "what derives from a row is public")]
pub(super) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "bill_lines")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub plan_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub item: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub hour_us: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        pub revision: i64,
        pub account_id: String,
        pub month: String,
        pub quantity: i64,
        pub original_micro: i64,
        pub amount_micro: i64,
        pub discount_bp: i64,
        pub book: i64,
        pub held: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use row::{Column, Entity};

impl Row for row::Model {
    type Thing = KeptLine;

    fn of(kept: &KeptLine) -> Self {
        let line = &kept.line;
        Self {
            plan_id: kept.plan.to_string(),
            item: line.item.code().to_owned(),
            hour_us: value::micros(line.hour),
            revision: line.revision.into(),
            account_id: kept.account.to_string(),
            month: kept.month.to_string(),
            quantity: value::number(line.quantity),
            original_micro: line.original.micro(),
            amount_micro: line.amount.micro(),
            discount_bp: line.discount.basis_points().into(),
            book: line.book.into(),
            held: line.held,
        }
    }

    fn thing(self) -> Result<KeptLine, StoreError> {
        let id = format!("{}.{}.{}.{}", self.plan_id, self.item, self.hour_us, self.revision);
        let read = Reader::new("bill_lines", &id);
        let discount = u16::try_from(self.discount_bp).ok().and_then(|points| Discount::new(points).ok());
        let line = Line {
            item: read.code("item", &self.item)?,
            hour: read.time("hour_us", self.hour_us)?,
            revision: u32::try_from(self.revision).map_err(|_| read.bad("revision"))?,
            quantity: read.number("quantity", self.quantity)?,
            original: Amount::new(self.original_micro),
            amount: Amount::new(self.amount_micro),
            discount: discount.ok_or_else(|| read.bad("discount_bp"))?,
            book: u32::try_from(self.book).map_err(|_| read.bad("book"))?,
            held: self.held,
        };
        Ok(KeptLine {
            account: read.parsed("account_id", &self.account_id)?,
            plan: read.parsed("plan_id", &self.plan_id)?,
            month: read.parsed("month", &self.month)?,
            line,
        })
    }
}

/// Which lines.
#[derive(Clone, Debug)]
pub struct LineFilter {
    /// Of this account.
    pub account: AccountId,
    /// Of this month, by its first day.
    pub month: Date,
    /// Of this plan; [`None`]: of all.
    pub plan: Option<PlanId>,
}

impl Tx {
    /// Lines by their hour, and by plan and item within one.
    pub async fn lines(&self, filter: &LineFilter, paging: &Paging) -> Result<Page<KeptLine>, StoreError> {
        let query = Entity::find()
            .filter(Column::AccountId.eq(filter.account.as_str()))
            .filter(Column::Month.eq(filter.month.to_string()))
            .apply_if(filter.plan.as_ref(), |query, id| query.filter(Column::PlanId.eq(id.as_str())));
        let columns = [Column::HourUs, Column::PlanId, Column::Item, Column::Revision];
        let query = query.apply_if(paging.after.as_ref(), |query, after| {
            let mut parts = after.id.splitn(3, '.');
            let plan = parts.next().unwrap_or_default().to_owned();
            let revision: i64 = parts.next().and_then(|text| text.parse().ok()).unwrap_or_default();
            let item = parts.next().unwrap_or_default().replace('-', "_");
            let place =
                [Expr::value(after.position), Expr::value(plan), Expr::value(item), Expr::value(revision)];
            query.filter(Expr::tuple(columns.map(Expr::col)).gt(Expr::tuple(place)))
        });
        let rows = paging.rows();
        let query = columns.into_iter().fold(query, QueryOrder::order_by_asc).limit(rows as u64 + 1);
        let mut items = self.all(query).await?;
        let more = items.len() > rows;
        items.truncate(rows);
        let next = items.last().filter(|_| more).map(place);
        Ok(Page { items, next })
    }
}

/// A cursor has letters, digits, points and lines.
fn place(kept: &KeptLine) -> Cursor {
    let item = kept.line.item.code().replace('_', "-");
    Cursor {
        position: value::micros(kept.line.hour),
        id: format!("{}.{}.{item}", kept.plan, kept.line.revision),
    }
}

impl Write {
    /// Adds a line; one of the same plan, item, hour and revision is a conflict.
    pub async fn add_line(&self, line: &KeptLine) -> Result<(), StoreError> {
        self.add_rows::<Entity>(vec![Row::of(line)]).await
    }
}
