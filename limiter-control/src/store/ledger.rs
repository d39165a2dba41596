//! The ledger: added to, never changed.

use std::collections::BTreeMap;

use jiff::civil::Date;
use limiter_domain::AccountId;
use limiter_domain::ledger::Entry;
use limiter_domain::price::Amount;
use limiter_domain::statement::EntryKind;
use sea_orm::sea_query::{Expr, ExprTrait as _, Func};
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
    #[sea_orm(table_name = "ledger")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub account_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub number: i64,
        pub kind: String,
        pub source: String,
        pub amount_micro: i64,
        pub balance_micro: i64,
        pub at_us: i64,
        pub month: String,
        pub detail: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use row::{Column, Entity};

impl Row for row::Model {
    type Thing = Entry;

    fn of(entry: &Entry) -> Self {
        Self {
            account_id: entry.account.to_string(),
            number: value::number(entry.number),
            kind: entry.kind.code().to_owned(),
            source: entry.source.to_string(),
            amount_micro: entry.amount.micro(),
            balance_micro: entry.balance.micro(),
            at_us: value::micros(entry.at),
            month: entry.month.to_string(),
            detail: entry.detail.to_string(),
        }
    }

    fn thing(self) -> Result<Entry, StoreError> {
        let id = format!("{}.{}", self.account_id, self.number);
        let read = Reader::new("ledger", &id);
        Ok(Entry {
            account: read.parsed("account_id", &self.account_id)?,
            number: read.number("number", self.number)?,
            kind: read.code("kind", &self.kind)?,
            source: self.source.as_str().into(),
            amount: Amount::new(self.amount_micro),
            balance: Amount::new(self.balance_micro),
            at: read.time("at_us", self.at_us)?,
            month: read.parsed("month", &self.month)?,
            detail: self.detail.as_str().into(),
        })
    }
}

impl Tx {
    /// What moved the money of an account, in order; of a month, or of all.
    pub async fn ledger(
        &self,
        account: &AccountId,
        month: Option<Date>,
        paging: &Paging,
    ) -> Result<Page<Entry>, StoreError> {
        let query = Entity::find().filter(Column::AccountId.eq(account.as_str()));
        let query = query.apply_if(month, |query, month| query.filter(Column::Month.eq(month.to_string())));
        let query = query
            .apply_if(paging.after.as_ref(), |query, after| query.filter(Column::Number.gt(after.position)));
        let rows = paging.rows();
        let query = query.order_by_asc(Column::Number).limit(rows as u64 + 1);
        let mut items = self.all(query).await?;
        let more = items.len() > rows;
        items.truncate(rows);
        let place =
            |entry: &Entry| Cursor { position: value::number(entry.number), id: entry.number.to_string() };
        let next = items.last().filter(|_| more).map(place);
        Ok(Page { items, next })
    }

    /// The sum of each kind of entry in a month of an account.
    pub async fn ledger_sums(
        &self,
        account: &AccountId,
        month: Date,
    ) -> Result<BTreeMap<EntryKind, Amount>, StoreError> {
        // A sum of numbers is a decimal to PostgreSQL; all of them together fit, as the balance does.
        let sum = Func::cast_as(Expr::col(Column::AmountMicro).sum(), "bigint");
        let query = Entity::find()
            .select_only()
            .column(Column::Kind)
            .column_as(Expr::expr(sum), "amount")
            .filter(Column::AccountId.eq(account.as_str()))
            .filter(Column::Month.eq(month.to_string()))
            .group_by(Column::Kind);
        let sums: Vec<(String, i64)> = self.checked(query.into_tuple().all(self.connection()).await)?;
        let read = Reader::new("ledger", account.as_str());
        let thing = |(kind, micro): (String, i64)| Ok((read.code("kind", &kind)?, Amount::new(micro)));
        sums.into_iter().map(thing).collect()
    }
}

impl Tx {
    /// The sum of everything in the months of an account from `from` up to, not including, `month`.
    pub async fn ledger_sum(
        &self,
        account: &AccountId,
        from: Date,
        month: Date,
    ) -> Result<Amount, StoreError> {
        let sum = Func::cast_as(Expr::col(Column::AmountMicro).sum(), "bigint");
        let query = Entity::find()
            .select_only()
            .column_as(Expr::expr(sum), "amount")
            .filter(Column::AccountId.eq(account.as_str()))
            .filter(Column::Month.gte(from.to_string()))
            .filter(Column::Month.lt(month.to_string()));
        let sum: Option<Option<i64>> = self.checked(query.into_tuple().one(self.connection()).await)?;
        Ok(Amount::new(sum.flatten().unwrap_or(0)))
    }
}

impl Write {
    /// Adds an entry; one of the same source is a conflict.
    pub async fn add_entry(&self, entry: &Entry) -> Result<(), StoreError> {
        self.add_rows::<Entity>(vec![Row::of(entry)]).await
    }
}
