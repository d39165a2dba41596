//! Statements: added, never changed. Their sums are those of the ledger.

use jiff::Timestamp;
use jiff::civil::Date;
use limiter_domain::AccountId;
use limiter_domain::price::Amount;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::error::StoreError;
use super::row::Row;
use super::tx::{Tx, Write};
use super::value::{self, Reader};

#[expect(unreachable_pub, reason = "what derives from a row is public")]
pub(super) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "statements")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub account_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub month: String,
        pub opening_micro: i64,
        pub hours_micro: i64,
        pub round_down_micro: i64,
        pub total_micro: i64,
        pub closing_micro: i64,
        pub issued_us: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use row::{Column, Entity};

/// The statement of a month as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptStatement {
    /// Whose.
    pub account: AccountId,
    /// The month, by its first day.
    pub month: Date,
    /// The balance before it.
    pub opening: Amount,
    /// What hours cost, in whole cents.
    pub hours: Amount,
    /// What was given back of them because it is less than a cent.
    pub round_down: Amount,
    /// What was paid.
    pub total: Amount,
    /// The balance after it.
    pub closing: Amount,
    /// When it was due.
    pub issued_at: Timestamp,
}

impl Row for row::Model {
    type Thing = KeptStatement;

    fn of(kept: &KeptStatement) -> Self {
        Self {
            account_id: kept.account.to_string(),
            month: kept.month.to_string(),
            opening_micro: kept.opening.micro(),
            hours_micro: kept.hours.micro(),
            round_down_micro: kept.round_down.micro(),
            total_micro: kept.total.micro(),
            closing_micro: kept.closing.micro(),
            issued_us: value::micros(kept.issued_at),
        }
    }

    fn thing(self) -> Result<KeptStatement, StoreError> {
        let id = format!("{}.{}", self.account_id, self.month);
        let read = Reader::new("statements", &id);
        Ok(KeptStatement {
            account: read.parsed("account_id", &self.account_id)?,
            month: read.parsed("month", &self.month)?,
            opening: Amount::new(self.opening_micro),
            hours: Amount::new(self.hours_micro),
            round_down: Amount::new(self.round_down_micro),
            total: Amount::new(self.total_micro),
            closing: Amount::new(self.closing_micro),
            issued_at: read.time("issued_us", self.issued_us)?,
        })
    }
}

impl Tx {
    /// The statement of a month.
    pub async fn statement(
        &self,
        account: &AccountId,
        month: Date,
    ) -> Result<Option<KeptStatement>, StoreError> {
        self.one(Entity::find_by_id((account.to_string(), month.to_string()))).await
    }

    /// The last statements of an account, the last first, at most `limit`.
    pub async fn statements(
        &self,
        account: &AccountId,
        limit: u64,
    ) -> Result<Vec<KeptStatement>, StoreError> {
        let query = Entity::find().filter(Column::AccountId.eq(account.as_str()));
        self.all(query.order_by_desc(Column::Month).limit(limit)).await
    }
}

impl Write {
    /// Adds a statement; another one of the month is a conflict.
    pub async fn add_statement(&self, kept: &KeptStatement) -> Result<(), StoreError> {
        self.add_rows::<Entity>(vec![Row::of(kept)]).await
    }
}
