//! Users.

use limiter_domain::{User, UserId};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::code::Code;
use super::error::StoreError;
use super::page::{Page, Paging};
use super::row::{Aged, Row};
use super::tx::{Tx, Write};
use super::value::{self, Reader};

#[expect(unreachable_pub, reason = "what derives from a row is public")]
pub(super) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "users")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub name: String,
        pub account_id: Option<String>,
        pub role: String,
        pub password_hash: String,
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
    type Thing = User;

    fn of(user: &User) -> Self {
        Self {
            id: user.id.to_string(),
            name: user.name.to_string(),
            account_id: user.account.as_ref().map(ToString::to_string),
            role: user.role.code().to_owned(),
            password_hash: user.password_hash.to_string(),
            enabled: user.enabled,
            created_us: value::micros(user.created_at),
            version: value::number(user.version),
        }
    }

    fn thing(self) -> Result<User, StoreError> {
        let read = Reader::new("users", &self.id);
        Ok(User {
            id: read.parsed("id", &self.id)?,
            name: self.name.as_str().into(),
            account: read.parsed_if("account_id", self.account_id.as_ref())?,
            role: read.code("role", &self.role)?,
            password_hash: self.password_hash.as_str().into(),
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
    /// The user of this identity.
    pub async fn user(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        self.one(Entity::find_by_id(id.as_str())).await
    }

    /// The user of this name.
    pub async fn user_by_name(&self, name: &str) -> Result<Option<User>, StoreError> {
        self.one(Entity::find().filter(Column::Name.eq(name))).await
    }

    /// Users, oldest first.
    pub async fn users(&self, paging: &Paging) -> Result<Page<User>, StoreError> {
        self.page(Entity::find(), paging).await
    }
}

impl Write {
    /// Inserts a user or replaces it whole.
    pub async fn put_user(&self, user: &User) -> Result<(), StoreError> {
        self.put_rows::<Entity>(vec![Row::of(user)], &[]).await
    }

    /// Removes a user with all its tokens; false where there is none.
    pub async fn remove_user(&self, id: &UserId) -> Result<bool, StoreError> {
        self.remove_row::<Entity>(id.as_str()).await
    }
}
