//! Which networks and nodes changed since an earlier revision in a way that nodes must know.

use std::sync::Arc;

use limiter_domain::{NetworkId, NodeId, Revision};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use super::error::StoreError;
use super::row::ASKED_MAX;
use super::tx::{Tx, Write};
use super::value::{self, Reader};
use super::{network, node};

/// A network with something new for the nodes that carry it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    /// Region of these nodes.
    pub region: Arc<str>,
    /// Zone that they serve.
    pub zone: Arc<str>,
    /// Those that carry it; [`None`]: all of the region that serve the zone.
    pub nodes: Option<Vec<NodeId>>,
    /// The last change of it that they must know.
    pub revision: Revision,
}

impl Tx {
    /// The networks with something new for nodes after `since`.
    pub async fn networks_touched(&self, since: Revision) -> Result<Vec<Touched>, StoreError> {
        use network::row::{Column, Entity};
        let columns = [Column::Id, Column::Region, Column::Zone, Column::Nodes, Column::NewsRevision];
        let query = Entity::find().select_only().columns(columns);
        let query = query.filter(Column::NewsRevision.gt(value::number(since))).into_tuple();
        let rows: Vec<(String, String, String, Option<String>, i64)> =
            self.checked(query.all(self.connection()).await)?;
        let touched = |(id, region, zone, nodes, revision): (String, String, String, Option<String>, _)| {
            let read = Reader::new("networks", &id);
            Ok(Touched {
                region: region.into(),
                zone: zone.into(),
                nodes: nodes.as_deref().map(|nodes| read.list("nodes", nodes)).transpose()?,
                revision: read.number("news_revision", revision)?,
            })
        };
        rows.into_iter().map(touched).collect()
    }

    /// The nodes that themselves changed after `since`, each with its last change.
    pub async fn nodes_touched(&self, since: Revision) -> Result<Vec<(NodeId, Revision)>, StoreError> {
        use node::row::{Column, Entity};
        let query = Entity::find().select_only().columns([Column::Id, Column::Revision]);
        let query = query.filter(Column::Revision.gt(value::number(since))).into_tuple();
        let rows: Vec<(String, i64)> = self.checked(query.all(self.connection()).await)?;
        let touched = |(id, revision): (String, i64)| {
            let read = Reader::new("nodes", &id);
            Ok((read.parsed("id", &id)?, read.number("revision", revision)?))
        };
        rows.into_iter().map(touched).collect()
    }
}

impl Write {
    /// The nodes that carry `networks` have something new of them.
    pub async fn touch_networks(&self, networks: &[NetworkId]) -> Result<(), StoreError> {
        use network::row::Column::NewsRevision;
        self.mark(networks, &[NewsRevision]).await
    }

    /// As [`Write::touch_networks`], and more of them changed than instances and rules: they are told whole.
    pub async fn rebuild_networks(&self, networks: &[NetworkId]) -> Result<(), StoreError> {
        use network::row::Column::{NewsRevision, Revision};
        self.mark(networks, &[NewsRevision, Revision]).await
    }

    async fn mark(&self, networks: &[NetworkId], columns: &[network::row::Column]) -> Result<(), StoreError> {
        use network::row::{Column, Entity};
        for ids in networks.chunks(ASKED_MAX) {
            let mut update = Entity::update_many();
            for column in columns {
                update = update.col_expr(*column, Expr::value(value::number(self.revision())));
            }
            let ids = ids.iter().map(NetworkId::as_str);
            self.update_rows(update.filter(Column::Id.is_in(ids))).await?;
        }
        Ok(())
    }
}
