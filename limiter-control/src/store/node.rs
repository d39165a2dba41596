//! Nodes. What an agent reports is written apart from what an operator sets: neither overwrites the other.

use std::sync::Arc;

use jiff::Timestamp;
use limiter_domain::{Node, NodeId, NodeInterface, Revision};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QueryTrait, UpdateMany};
use serde::{Deserialize, Serialize};

use super::Store;
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
    #[sea_orm(table_name = "nodes")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub name: String,
        pub region: String,
        pub uplinks: String,
        pub interfaces: String,
        pub fenced: bool,
        pub bypass: bool,
        pub acked_revision: i64,
        pub acked_us: Option<i64>,
        pub problem: Option<String>,
        pub seen_us: Option<i64>,
        pub agent_version: Option<String>,
        pub revision: i64,
        pub created_us: i64,
        pub version: i64,
        pub shared_address: Option<String>,
        pub former_addresses: String,
        pub egress_addresses: String,
        pub drained: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use row::{Column, Entity};

/// The columns that agents report.
const REPORTED: [&str; 5] = ["acked_revision", "acked_us", "problem", "seen_us", "agent_version"];

/// A [`NodeInterface`] as the column holds it.
#[derive(Serialize, Deserialize)]
struct Interface {
    pattern: String,
    zone: String,
    mode: String,
    observe: bool,
    foreign_sources: String,
}

impl Interface {
    fn of(interface: &NodeInterface) -> Self {
        Self {
            pattern: interface.pattern.clone(),
            zone: interface.zone.to_string(),
            mode: interface.mode.code().to_owned(),
            observe: interface.observe,
            foreign_sources: interface.foreign_sources.code().to_owned(),
        }
    }

    fn thing(self, read: &Reader<'_>) -> Result<NodeInterface, StoreError> {
        Ok(NodeInterface {
            mode: read.code("interfaces", &self.mode)?,
            foreign_sources: read.code("interfaces", &self.foreign_sources)?,
            pattern: self.pattern,
            zone: self.zone.into(),
            observe: self.observe,
        })
    }
}

impl Row for row::Model {
    type Thing = Node;

    fn of(node: &Node) -> Self {
        let interfaces: Vec<_> = node.interfaces.iter().map(Interface::of).collect();
        Self {
            id: node.id.to_string(),
            name: node.name.to_string(),
            region: node.region.to_string(),
            uplinks: value::json(&node.uplinks),
            interfaces: value::json(&interfaces),
            fenced: node.fenced,
            bypass: node.bypass,
            acked_revision: value::number(node.acked_revision),
            acked_us: value::micros_of(node.acked_at),
            problem: value::text(node.problem.as_ref()),
            seen_us: value::micros_of(node.seen_at),
            agent_version: value::text(node.agent_version.as_ref()),
            revision: value::number(node.revision),
            created_us: value::micros(node.created_at),
            version: value::number(node.version),
            shared_address: node.shared_address.map(|address| address.to_string()),
            former_addresses: value::list(&node.former_addresses),
            egress_addresses: node.egress_addresses.code().to_owned(),
            drained: node.drained,
        }
    }

    fn thing(self) -> Result<Node, StoreError> {
        let read = Reader::new("nodes", &self.id);
        let interfaces: Vec<Interface> = read.json("interfaces", &self.interfaces)?;
        let interfaces = interfaces.into_iter().map(|interface| interface.thing(&read));
        Ok(Node {
            id: read.parsed("id", &self.id)?,
            name: self.name.as_str().into(),
            region: self.region.as_str().into(),
            uplinks: read.json("uplinks", &self.uplinks)?,
            interfaces: interfaces.collect::<Result<_, _>>()?,
            shared_address: read.parsed_if("shared_address", self.shared_address.as_ref())?,
            former_addresses: read.list("former_addresses", &self.former_addresses)?,
            egress_addresses: read.code("egress_addresses", &self.egress_addresses)?,
            drained: self.drained,
            fenced: self.fenced,
            bypass: self.bypass,
            acked_revision: read.number("acked_revision", self.acked_revision)?,
            acked_at: read.time_if("acked_us", self.acked_us)?,
            problem: self.problem.map(Into::into),
            seen_at: read.time_if("seen_us", self.seen_us)?,
            agent_version: self.agent_version.map(Into::into),
            revision: read.number("revision", self.revision)?,
            created_at: read.time("created_us", self.created_us)?,
            version: read.number("version", self.version)?,
        })
    }
}

impl Aged for Entity {
    const CREATED: Column = Column::CreatedUs;
    const ID: Column = Column::Id;
}

/// A node asked for its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Which node.
    pub node: NodeId,
    /// When.
    pub at: Timestamp,
    /// Version of its agent; [`None`]: as it was.
    pub agent_version: Option<Arc<str>>,
}

/// A node answered the state it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Which node.
    pub node: NodeId,
    /// When.
    pub at: Timestamp,
    /// The revision that is in force there; a lower one than before changes nothing but the problem.
    pub revision: Revision,
    /// Why it refused the state it was sent last; [`None`]: it did not.
    pub problem: Option<Arc<str>>,
}

impl Seen {
    fn update(&self) -> UpdateMany<Entity> {
        let version = self.agent_version.as_deref();
        Entity::update_many()
            .col_expr(Column::SeenUs, value::micros(self.at).into())
            .apply_if(version, |update, version| update.col_expr(Column::AgentVersion, version.into()))
            .filter(Column::Id.eq(self.node.as_str()))
    }
}

impl Ack {
    /// Two statements: one for what any answer changes, one for what a newer one does.
    fn updates(&self) -> [UpdateMany<Entity>; 2] {
        let (at, revision) = (value::micros(self.at), value::number(self.revision));
        let answered = Entity::update_many()
            .col_expr(Column::Problem, Expr::value(self.problem.as_deref()))
            .col_expr(Column::SeenUs, at.into())
            .filter(Column::Id.eq(self.node.as_str()));
        let advanced = Entity::update_many()
            .col_expr(Column::AckedRevision, revision.into())
            .col_expr(Column::AckedUs, at.into())
            .filter(Column::Id.eq(self.node.as_str()))
            .filter(Column::AckedRevision.lte(revision));
        [answered, advanced]
    }
}

impl Tx {
    /// The node of this identity.
    pub async fn node(&self, id: &NodeId) -> Result<Option<Node>, StoreError> {
        self.one(Entity::find_by_id(id.as_str())).await
    }

    /// Those of `ids` that are there, in no order.
    pub async fn nodes_by_id(&self, ids: &[NodeId]) -> Result<Vec<Node>, StoreError> {
        let ids: Vec<_> = ids.iter().map(NodeId::as_str).collect();
        self.all_of(Entity::find(), Column::Id, &ids).await
    }

    /// The node of this name.
    pub async fn node_by_name(&self, name: &str) -> Result<Option<Node>, StoreError> {
        self.one(Entity::find().filter(Column::Name.eq(name))).await
    }

    /// All nodes that have a shared address, or may still use one.
    pub async fn nodes_sharing(&self) -> Result<Vec<Node>, StoreError> {
        let shares = Column::SharedAddress.is_not_null().or(Column::FormerAddresses.ne(""));
        self.all(Entity::find().filter(shares)).await
    }

    /// Nodes, oldest first.
    pub async fn nodes(&self, paging: &Paging) -> Result<Page<Node>, StoreError> {
        self.page(Entity::find(), paging).await
    }

    /// All nodes of a region, oldest first.
    pub async fn nodes_of_region(&self, region: &str) -> Result<Vec<Node>, StoreError> {
        let query = Entity::find().filter(Column::Region.eq(region));
        self.all(query.order_by_asc(Column::CreatedUs).order_by_asc(Column::Id)).await
    }
}

impl Write {
    /// Inserts a node, or replaces it but for what its agent reports: [`Write::note_seen`] and
    /// [`Write::note_ack`] alone change that.
    pub async fn put_node(&self, node: &Node) -> Result<(), StoreError> {
        self.put_rows::<Entity>(vec![Row::of(node)], &REPORTED).await
    }

    /// Removes a node with its tokens; false where there is none.
    pub async fn remove_node(&self, id: &NodeId) -> Result<bool, StoreError> {
        self.remove_row::<Entity>(id.as_str()).await
    }

    /// Notes that a node asked; false where there is none.
    pub async fn note_seen(&self, seen: &Seen) -> Result<bool, StoreError> {
        Ok(self.update_rows(seen.update()).await? > 0)
    }

    /// Notes what a node answered; false where there is none.
    pub async fn note_ack(&self, ack: &Ack) -> Result<bool, StoreError> {
        let [answered, advanced] = ack.updates();
        self.update_rows(advanced).await?;
        Ok(self.update_rows(answered).await? > 0)
    }
}

impl Store {
    /// Notes which nodes asked, in one transaction of its own that is no change. Nodes that are not there are passed
    /// over.
    pub async fn note_seen(&self, seen: &[Seen]) -> Result<(), StoreError> {
        let tx = self.write_unnumbered().await?;
        for seen in seen {
            tx.note_seen(seen).await?;
        }
        tx.commit().await.map(drop)
    }

    /// Notes what a node answered, as [`Store::note_seen`]; false where there is none.
    pub async fn note_ack(&self, ack: &Ack) -> Result<bool, StoreError> {
        let tx = self.write_unnumbered().await?;
        let found = tx.note_ack(ack).await?;
        tx.commit().await?;
        Ok(found)
    }
}

/// Forgets what all nodes acknowledged.
pub(super) async fn forget_acks<C: ConnectionTrait>(connection: &C) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::AckedRevision, 0_i64.into())
        .col_expr(Column::AckedUs, Expr::value(None::<i64>))
        .exec(connection)
        .await?;
    Ok(())
}
