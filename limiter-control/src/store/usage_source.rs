//! Up to where the records of nodes are stored.

use std::collections::HashMap;

use jiff::Timestamp;
use limiter_domain::NodeId;
use limiter_domain::usage_source::UsageSource;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use super::error::StoreError;
use super::row::Row;
use super::tx::{Tx, Write};
use super::value::{self, Reader};

#[expect(unreachable_pub, reason = "what derives from a row is public")]
pub(super) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "usage_sources")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub node_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub record: String,
        pub through: i64,
        pub digest: Vec<u8>,
        pub complete_until_us: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use row::{Column, Entity};

impl Row for row::Model {
    type Thing = UsageSource;

    fn of(source: &UsageSource) -> Self {
        Self {
            node_id: source.node.to_string(),
            record: source.record.clone(),
            through: value::number(source.through),
            digest: source.digest.to_vec(),
            complete_until_us: value::micros(source.complete_until),
        }
    }

    fn thing(self) -> Result<UsageSource, StoreError> {
        let read = Reader::new("usage_sources", &self.node_id);
        Ok(UsageSource {
            node: read.parsed("node_id", &self.node_id)?,
            through: read.number("through", self.through)?,
            digest: self.digest.as_slice().try_into().map_err(|_| read.bad("digest"))?,
            complete_until: read.time("complete_until_us", self.complete_until_us)?,
            record: self.record,
        })
    }
}

impl Tx {
    /// What is stored of a record of a node.
    pub async fn usage_source(&self, node: &NodeId, record: &str) -> Result<Option<UsageSource>, StoreError> {
        self.one(Entity::find_by_id((node.to_string(), record.to_owned()))).await
    }

    /// Until when those of `nodes` that ever reported have reported everything.
    pub async fn usage_complete(&self, nodes: &[NodeId]) -> Result<HashMap<NodeId, Timestamp>, StoreError> {
        let mut found = HashMap::new();
        let ids = nodes.iter().map(NodeId::as_str);
        let query = Entity::find().select_only().column(Column::NodeId);
        let query = query.column_as(Column::CompleteUntilUs.max(), "until").group_by(Column::NodeId);
        let query = query.filter(Column::NodeId.is_in(ids)).into_tuple();
        let rows: Vec<(String, i64)> = self.checked(query.all(self.connection()).await)?;
        for (node, until) in rows {
            let read = Reader::new("usage_sources", &node);
            found.insert(read.parsed("node_id", &node)?, read.time("complete_until_us", until)?);
        }
        Ok(found)
    }
}

impl Write {
    /// What is stored of a record of a node, which nobody else changes until this transaction is over. As the first
    /// statement it takes its turn before it sees anything.
    pub async fn lock_usage_source(
        &self,
        node: &NodeId,
        record: &str,
    ) -> Result<Option<UsageSource>, StoreError> {
        let turn = Entity::update_many()
            .col_expr(Column::Through, Expr::col(Column::Through))
            .filter(Column::NodeId.eq(node.as_str()))
            .filter(Column::Record.eq(record));
        self.update_rows(turn).await?;
        self.usage_source(node, record).await
    }

    /// Inserts what is stored of a record, or replaces it.
    pub async fn put_usage_source(&self, source: &UsageSource) -> Result<(), StoreError> {
        self.put_rows::<Entity>(vec![Row::of(source)], &[]).await
    }
}
