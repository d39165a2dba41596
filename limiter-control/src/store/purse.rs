//! What accounts have.

use jiff::Timestamp;
use jiff::civil::Date;
use limiter_domain::AccountId;
use limiter_domain::price::{Amount, Discount, Purse};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::error::StoreError;
use super::row::Row;
use super::tx::{Tx, Write};
use super::value::{self, Reader};

#[expect(unreachable_pub, reason = "what derives from a row is public")]
pub(super) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "purses")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub account_id: String,
        pub balance_micro: i64,
        pub credit_limit_micro: i64,
        pub discount_bp: i64,
        pub standing: String,
        pub overdue_since_us: Option<i64>,
        pub entries: i64,
        pub month: Option<String>,
        pub suspends_us: Option<i64>,
        pub states_us: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use row::{Column, Entity};

/// The money of an account as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptPurse {
    /// Whose.
    pub account: AccountId,
    /// What it has.
    pub purse: Purse,
    /// How many entries its ledger has.
    pub entries: u64,
    /// The first month without a statement; [`None`]: nothing moved its money yet.
    pub month: Option<Date>,
    /// When its plans become overdue.
    pub suspends_at: Option<Timestamp>,
    /// When the statement of that month is due.
    pub states_at: Option<Timestamp>,
}

impl KeptPurse {
    /// The money of an account that has none.
    pub fn empty(account: &AccountId) -> Self {
        Self {
            account: account.clone(),
            purse: Purse::default(),
            entries: 0,
            month: None,
            suspends_at: None,
            states_at: None,
        }
    }
}

impl Row for row::Model {
    type Thing = KeptPurse;

    fn of(kept: &KeptPurse) -> Self {
        Self {
            account_id: kept.account.to_string(),
            balance_micro: kept.purse.balance.micro(),
            credit_limit_micro: kept.purse.credit_limit.micro(),
            discount_bp: kept.purse.discount.basis_points().into(),
            standing: kept.purse.standing.code().to_owned(),
            overdue_since_us: value::micros_of(kept.purse.overdue_since),
            entries: value::number(kept.entries),
            month: kept.month.map(|month| month.to_string()),
            suspends_us: value::micros_of(kept.suspends_at),
            states_us: value::micros_of(kept.states_at),
        }
    }

    fn thing(self) -> Result<KeptPurse, StoreError> {
        let read = Reader::new("purses", &self.account_id);
        let discount = u16::try_from(self.discount_bp).ok().and_then(|points| Discount::new(points).ok());
        let purse = Purse {
            balance: Amount::new(self.balance_micro),
            credit_limit: Amount::new(self.credit_limit_micro),
            discount: discount.ok_or_else(|| read.bad("discount_bp"))?,
            standing: read.code("standing", &self.standing)?,
            overdue_since: read.time_if("overdue_since_us", self.overdue_since_us)?,
        };
        Ok(KeptPurse {
            account: read.parsed("account_id", &self.account_id)?,
            purse,
            entries: read.number("entries", self.entries)?,
            month: read.parsed_if("month", self.month.as_ref())?,
            suspends_at: read.time_if("suspends_us", self.suspends_us)?,
            states_at: read.time_if("states_us", self.states_us)?,
        })
    }
}

impl Tx {
    /// The money of an account.
    pub async fn purse(&self, account: &AccountId) -> Result<KeptPurse, StoreError> {
        let found = self.one(Entity::find_by_id(account.as_str())).await?;
        Ok(found.unwrap_or_else(|| KeptPurse::empty(account)))
    }

    /// Accounts whose plans become overdue by `now`, the longest due first, at most `limit`.
    pub async fn purses_suspending(&self, now: Timestamp, limit: u64) -> Result<Vec<KeptPurse>, StoreError> {
        let due = Entity::find().filter(Column::SuspendsUs.lte(value::micros(now)));
        self.all(due.order_by_asc(Column::SuspendsUs).order_by_asc(Column::AccountId).limit(limit)).await
    }

    /// Accounts with a statement that is due by `now`, the longest due first, at most `limit`.
    pub async fn purses_stating(&self, now: Timestamp, limit: u64) -> Result<Vec<KeptPurse>, StoreError> {
        let due = Entity::find().filter(Column::StatesUs.lte(value::micros(now)));
        self.all(due.order_by_asc(Column::StatesUs).order_by_asc(Column::AccountId).limit(limit)).await
    }
}

impl Write {
    /// Inserts the money of an account or replaces it whole.
    pub async fn put_purse(&self, kept: &KeptPurse) -> Result<(), StoreError> {
        self.put_rows::<Entity>(vec![Row::of(kept)], &[]).await
    }
}
