//! Accounts.

use limiter_domain::{Account, AccountId};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::error::StoreError;
use super::page::{Page, Paging};
use super::row::{Aged, Row};
use super::tx::{Tx, Write};
use super::value::{self, Reader};

#[expect(unreachable_pub, reason = "what derives from a row is public")]
pub(super) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "accounts")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub name: String,
        pub enabled: bool,
        pub created_us: i64,
        pub version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use row::{Column, Entity};

impl Row for row::Model {
    type Thing = Account;

    fn of(account: &Account) -> Self {
        Self {
            id: account.id.to_string(),
            name: account.name.to_string(),
            enabled: account.enabled,
            created_us: value::micros(account.created_at),
            version: value::number(account.version),
        }
    }

    fn thing(self) -> Result<Account, StoreError> {
        let read = Reader::new("accounts", &self.id);
        Ok(Account {
            id: read.parsed("id", &self.id)?,
            name: self.name.as_str().into(),
            enabled: self.enabled,
            created_at: read.time("created_us", self.created_us)?,
            version: read.number("version", self.version)?,
        })
    }
}

impl Aged for Entity {
    const CREATED: Column = Column::CreatedUs;
    const ID: Column = Column::Id;
}

impl Tx {
    /// The account of this identity.
    pub async fn account(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        self.one(Entity::find_by_id(id.as_str())).await
    }

    /// Those of `ids` that are there, in no order.
    pub async fn accounts_by_id(&self, ids: &[AccountId]) -> Result<Vec<Account>, StoreError> {
        let ids: Vec<_> = ids.iter().map(AccountId::as_str).collect();
        self.all_of(Entity::find(), Column::Id, &ids).await
    }

    /// The account of this name.
    pub async fn account_by_name(&self, name: &str) -> Result<Option<Account>, StoreError> {
        self.one(Entity::find().filter(Column::Name.eq(name))).await
    }

    /// Accounts, oldest first.
    pub async fn accounts(&self, paging: &Paging) -> Result<Page<Account>, StoreError> {
        self.page(Entity::find(), paging).await
    }
}

impl Write {
    /// Inserts an account or replaces it whole.
    pub async fn put_account(&self, account: &Account) -> Result<(), StoreError> {
        self.put_rows::<Entity>(vec![Row::of(account)], &[]).await
    }
}
