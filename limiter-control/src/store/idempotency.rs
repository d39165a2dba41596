//! What was answered to calls that a client may repeat.

use std::sync::Arc;

use jiff::Timestamp;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::error::StoreError;
use super::row::Row;
use super::tx::{Tx, Write};
use super::value::{self, Reader};

#[expect(unreachable_pub, reason = "what derives from a row is public")]
mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "idempotency")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub owner: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub operation: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub client_token: String,
        pub request_hash: Vec<u8>,
        pub response: String,
        pub created_us: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use row::{Column, Entity};

/// A call that was answered, part of the transaction that it made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// The account, or the actor where the call is of no account.
    pub owner: Arc<str>,
    /// The operation's name.
    pub operation: Arc<str>,
    /// What the client calls this call; with the two above it is unique.
    pub client_token: Arc<str>,
    /// SHA-256 of the input.
    pub request_hash: [u8; 32],
    /// What was answered.
    pub response: Arc<str>,
    /// When.
    pub created_at: Timestamp,
}

impl Row for row::Model {
    type Thing = IdempotencyRecord;

    fn of(record: &IdempotencyRecord) -> Self {
        Self {
            owner: record.owner.to_string(),
            operation: record.operation.to_string(),
            client_token: record.client_token.to_string(),
            request_hash: record.request_hash.to_vec(),
            response: record.response.to_string(),
            created_us: value::micros(record.created_at),
        }
    }

    fn thing(self) -> Result<IdempotencyRecord, StoreError> {
        let read = Reader::new("idempotency", &self.client_token);
        Ok(IdempotencyRecord {
            request_hash: self.request_hash.as_slice().try_into().map_err(|_| read.bad("request_hash"))?,
            created_at: read.time("created_us", self.created_us)?,
            owner: self.owner.into(),
            operation: self.operation.into(),
            client_token: self.client_token.as_str().into(),
            response: self.response.into(),
        })
    }
}

impl Tx {
    /// The call that was answered under this token.
    pub async fn idempotency(
        &self,
        owner: &str,
        operation: &str,
        client_token: &str,
    ) -> Result<Option<IdempotencyRecord>, StoreError> {
        self.one(Entity::find_by_id((owner.to_owned(), operation.to_owned(), client_token.to_owned()))).await
    }
}

impl Write {
    /// Keeps an answer.
    pub async fn put_idempotency(&self, record: &IdempotencyRecord) -> Result<(), StoreError> {
        self.put_rows::<Entity>(vec![Row::of(record)], &[]).await
    }

    /// Removes the answers that were given before `until`; gives their number.
    pub async fn expire_idempotency(&self, until: Timestamp) -> Result<u64, StoreError> {
        self.remove_rows(Entity::delete_many().filter(Column::CreatedUs.lt(value::micros(until)))).await
    }
}
