//! When plans had which peak.

use jiff::Timestamp;
use limiter_domain::PlanId;
use limiter_domain::segment::{Segment, Turn, turned};
use sea_orm::sea_query::ExprTrait as _;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::error::StoreError;
use super::row::Row;
use super::tx::{Tx, Write};
use super::value::{self, Reader};

#[expect(unreachable_pub, reason = "what derives from a row is public")]
pub(super) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "segments")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub plan_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub number: i64,
        pub from_us: i64,
        pub to_us: Option<i64>,
        pub peak_bps: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use row::{Column, Entity};

impl Row for row::Model {
    type Thing = Segment;

    /// The first of no plan.
    fn of(segment: &Segment) -> Self {
        Self {
            plan_id: String::new(),
            number: 0,
            from_us: value::micros(segment.from),
            to_us: value::micros_of(segment.to),
            peak_bps: value::bps(segment.peak),
        }
    }

    fn thing(self) -> Result<Segment, StoreError> {
        let id = format!("{}.{}", self.plan_id, self.number);
        let read = Reader::new("segments", &id);
        Ok(Segment {
            from: read.time("from_us", self.from_us)?,
            to: read.time_if("to_us", self.to_us)?,
            peak: read.rate("peak_bps", self.peak_bps)?,
        })
    }
}

impl Tx {
    /// Segments of a plan that were not over before `from`, in order.
    pub async fn segments(&self, plan: &PlanId, from: Timestamp) -> Result<Vec<Segment>, StoreError> {
        let query = Entity::find().filter(Column::PlanId.eq(plan.as_str()));
        let query = query.filter(Column::ToUs.is_null().or(Column::ToUs.gte(value::micros(from))));
        self.all(query.order_by_asc(Column::Number)).await
    }
}

impl Write {
    /// Lets the history of a plan take a turn. What is over is never changed.
    pub async fn turn(&self, plan: &PlanId, turn: Turn) -> Result<(), StoreError> {
        let last = Entity::find().filter(Column::PlanId.eq(plan.as_str())).order_by_desc(Column::Number);
        let last = self.checked(last.limit(1).one(self.connection()).await)?;
        let number = last.as_ref().map_or(1, |row| row.number);
        let before: Vec<Segment> = last.map(Row::thing).transpose()?.into_iter().collect();
        let row = |(number, segment): (i64, Segment)| row::Model {
            plan_id: plan.to_string(),
            number,
            ..Row::of(&segment)
        };
        let rows: Vec<_> = (number..).zip(turned(&before, turn)).map(row).collect();
        if rows.is_empty() {
            return Ok(());
        }
        self.put_rows::<Entity>(rows, &[]).await
    }
}
