//! Tokens, known by the hash of their secret.

use jiff::Timestamp;
use limiter_domain::{AccountId, Token, TokenId, UserId};
use sea_orm::sea_query::ExprTrait;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryTrait, Select};

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
    #[sea_orm(table_name = "tokens")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub name: String,
        pub account_id: Option<String>,
        pub node_id: Option<String>,
        pub user_id: Option<String>,
        pub role: String,
        pub hash: Vec<u8>,
        pub created_us: i64,
        pub expires_us: Option<i64>,
        pub revoked_us: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use row::{Column, Entity};

impl Row for row::Model {
    type Thing = Token;

    fn of(token: &Token) -> Self {
        Self {
            id: token.id.to_string(),
            name: token.name.to_string(),
            account_id: token.account.as_ref().map(ToString::to_string),
            node_id: token.node.as_ref().map(ToString::to_string),
            user_id: token.user.as_ref().map(ToString::to_string),
            role: token.role.code().to_owned(),
            hash: token.hash.to_vec(),
            created_us: value::micros(token.created_at),
            expires_us: value::micros_of(token.expires_at),
            revoked_us: value::micros_of(token.revoked_at),
        }
    }

    fn thing(self) -> Result<Token, StoreError> {
        let read = Reader::new("tokens", &self.id);
        Ok(Token {
            id: read.parsed("id", &self.id)?,
            name: self.name.as_str().into(),
            account: read.parsed_if("account_id", self.account_id.as_ref())?,
            node: read.parsed_if("node_id", self.node_id.as_ref())?,
            user: read.parsed_if("user_id", self.user_id.as_ref())?,
            role: read.code("role", &self.role)?,
            hash: self.hash.as_slice().try_into().map_err(|_| read.bad("hash"))?,
            created_at: read.time("created_us", self.created_us)?,
            expires_at: read.time_if("expires_us", self.expires_us)?,
            revoked_at: read.time_if("revoked_us", self.revoked_us)?,
        })
    }
}

impl Aged for Entity {
    const CREATED: Column = Column::CreatedUs;
    const ID: Column = Column::Id;
}

/// Which tokens; what is [`None`] does not matter.
#[derive(Clone, Debug, Default)]
pub struct TokenFilter {
    /// Of this account.
    pub account: Option<AccountId>,
    /// Valid at this instant: neither over nor revoked.
    pub valid_at: Option<Timestamp>,
    /// Those that stand for a user's session, or those that do not.
    pub session: Option<bool>,
}

impl TokenFilter {
    fn query(&self) -> Select<Entity> {
        Entity::find()
            .apply_if(self.account.as_ref(), |query, id| query.filter(Column::AccountId.eq(id.as_str())))
            .apply_if(self.valid_at, |query, at| {
                let endless = Column::ExpiresUs.is_null();
                query
                    .filter(endless.or(Column::ExpiresUs.gt(value::micros(at))))
                    .filter(Column::RevokedUs.is_null())
            })
            .apply_if(self.session, |query, session| {
                query.filter(if session { Column::UserId.is_not_null() } else { Column::UserId.is_null() })
            })
    }
}

impl Tx {
    /// The token of this identity.
    pub async fn token(&self, id: &TokenId) -> Result<Option<Token>, StoreError> {
        self.one(Entity::find_by_id(id.as_str())).await
    }

    /// The token whose secret has this hash, also one that is over or revoked.
    pub async fn token_by_hash(&self, hash: &[u8; 32]) -> Result<Option<Token>, StoreError> {
        self.one(Entity::find().filter(Column::Hash.eq(hash.to_vec()))).await
    }

    /// Tokens, oldest first.
    pub async fn tokens(&self, filter: &TokenFilter, paging: &Paging) -> Result<Page<Token>, StoreError> {
        self.page(filter.query(), paging).await
    }
}

impl Write {
    /// Inserts a token or replaces it whole.
    pub async fn put_token(&self, token: &Token) -> Result<(), StoreError> {
        self.put_rows::<Entity>(vec![Row::of(token)], &[]).await
    }

    /// Revokes every token of a user at `now`; gives the number of those that were not revoked before.
    pub async fn revoke_tokens_of_user(&self, user: &UserId, now: Timestamp) -> Result<u64, StoreError> {
        let update = Entity::update_many()
            .col_expr(Column::RevokedUs, value::micros(now).into())
            .filter(Column::UserId.eq(user.as_str()))
            .filter(Column::RevokedUs.is_null());
        self.update_rows(update).await
    }

    /// Removes tokens that were over or revoked before `until`; gives their number.
    pub async fn remove_ended_tokens(&self, until: Timestamp) -> Result<u64, StoreError> {
        let until = value::micros(until);
        let ended = Column::ExpiresUs.lt(until).or(Column::RevokedUs.lt(until));
        self.remove_rows(Entity::delete_many().filter(ended)).await
    }
}
