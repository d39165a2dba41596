//! Networks.

use std::sync::Arc;

use ipnet::IpNet;
use limiter_domain::{AccountId, Network, NetworkEgress, NetworkId, NetworkKind, NetworkStatus};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Select};

use super::code::Code;
use super::error::StoreError;
use super::page::{Page, Paging};
use super::plan;
use super::row::{Aged, Row};
use super::tx::{Tx, Write};
use super::value::{self, Reader};

#[expect(unreachable_pub, reason = "what derives from a row is public")]
pub(super) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "networks")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub account_id: String,
        pub name: String,
        pub external_id: Option<String>,
        pub region: String,
        pub zone: String,
        /// The rate of a shared network; none: a VPC.
        pub basic_bps: Option<i64>,
        pub prefixes: String,
        pub nodes: Option<String>,
        pub internet: String,
        pub unknown_sources: String,
        pub observe: bool,
        pub default_rule_id: Option<String>,
        pub status: String,
        pub revision: i64,
        pub created_us: i64,
        pub version: i64,
        /// The last change of it, its plan, rules or instances that nodes must know.
        pub news_revision: i64,
        pub egress: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use row::{Column, Entity};

impl Row for row::Model {
    type Thing = Network;

    fn of(network: &Network) -> Self {
        Self {
            id: network.id.to_string(),
            account_id: network.account.to_string(),
            name: network.name.to_string(),
            external_id: value::text(network.external_id.as_ref()),
            region: network.region.to_string(),
            zone: network.zone.to_string(),
            basic_bps: match network.kind {
                NetworkKind::Shared { basic } => Some(value::bps(basic)),
                NetworkKind::Vpc => None,
            },
            prefixes: value::list(&network.prefixes),
            nodes: network.nodes.as_deref().map(value::list),
            internet: network.internet.code().to_owned(),
            unknown_sources: network.unknown_sources.code().to_owned(),
            observe: network.observe,
            default_rule_id: network.default_rule.as_ref().map(ToString::to_string),
            status: network.status.code().to_owned(),
            revision: value::number(network.revision),
            created_us: value::micros(network.created_at),
            version: value::number(network.version),
            news_revision: value::number(network.revision),
            egress: network.egress.code().to_owned(),
        }
    }

    fn thing(self) -> Result<Network, StoreError> {
        let read = Reader::new("networks", &self.id);
        let basic = self.basic_bps.map(|bps| read.rate("basic_bps", bps)).transpose()?;
        let nodes = self.nodes.as_deref().map(|nodes| read.list("nodes", nodes));
        Ok(Network {
            id: read.parsed("id", &self.id)?,
            account: read.parsed("account_id", &self.account_id)?,
            name: self.name.as_str().into(),
            external_id: self.external_id.as_deref().map(Into::into),
            region: self.region.as_str().into(),
            zone: self.zone.as_str().into(),
            kind: basic.map_or(NetworkKind::Vpc, |basic| NetworkKind::Shared { basic }),
            prefixes: read.list("prefixes", &self.prefixes)?,
            nodes: nodes.transpose()?,
            egress: read.code("egress", &self.egress)?,
            internet: read.code("internet", &self.internet)?,
            unknown_sources: read.code("unknown_sources", &self.unknown_sources)?,
            observe: self.observe,
            default_rule: read.parsed_if("default_rule_id", self.default_rule_id.as_ref())?,
            status: read.code("status", &self.status)?,
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

/// Which networks; what is [`None`] does not matter.
#[derive(Clone, Debug, Default)]
pub struct NetworkFilter {
    /// Of this account.
    pub account: Option<AccountId>,
    /// Of this region.
    pub region: Option<Arc<str>>,
    /// Of this zone.
    pub zone: Option<Arc<str>>,
    /// In this status.
    pub status: Option<NetworkStatus>,
    /// Only those that no plan holds.
    pub without_plan: bool,
    /// Only those that leave through an address that is not their own.
    pub translated: bool,
    /// Part of the name, in either case.
    pub name_contains: Option<String>,
}

impl NetworkFilter {
    fn query(&self) -> Select<Entity> {
        let without_plan = self.without_plan.then(plan::networks_held);
        Entity::find()
            .apply_if(without_plan, |query, held| query.filter(Column::Id.not_in_subquery(held)))
            .apply_if(self.account.as_ref(), |query, id| query.filter(Column::AccountId.eq(id.as_str())))
            .apply_if(self.region.as_deref(), |query, region| query.filter(Column::Region.eq(region)))
            .apply_if(self.zone.as_deref(), |query, zone| query.filter(Column::Zone.eq(zone)))
            .apply_if(self.translated.then_some(NetworkEgress::None), |query, none| {
                query.filter(Column::Egress.ne(none.code()))
            })
            .apply_if(self.status, |query, status| query.filter(Column::Status.eq(status.code())))
            .apply_if(self.name_contains.as_deref(), |query, part| {
                query.filter(value::contains(Column::Name, part))
            })
    }
}

impl Tx {
    /// The network of this identity.
    pub async fn network(&self, id: &NetworkId) -> Result<Option<Network>, StoreError> {
        self.one(Entity::find_by_id(id.as_str())).await
    }

    /// Those of `ids` that are there, in no order.
    pub async fn networks_by_id(&self, ids: &[NetworkId]) -> Result<Vec<Network>, StoreError> {
        let ids: Vec<_> = ids.iter().map(NetworkId::as_str).collect();
        self.all_of(Entity::find(), Column::Id, &ids).await
    }

    /// The network of this name in an account.
    pub async fn network_by_name(
        &self,
        account: &AccountId,
        name: &str,
    ) -> Result<Option<Network>, StoreError> {
        let query = Entity::find().filter(Column::AccountId.eq(account.as_str()));
        self.one(query.filter(Column::Name.eq(name))).await
    }

    /// The network of this external identity in an account.
    pub async fn network_by_external_id(
        &self,
        account: &AccountId,
        external_id: &str,
    ) -> Result<Option<Network>, StoreError> {
        let query = Entity::find().filter(Column::AccountId.eq(account.as_str()));
        self.one(query.filter(Column::ExternalId.eq(external_id))).await
    }

    /// Networks, oldest first.
    pub async fn networks(
        &self,
        filter: &NetworkFilter,
        paging: &Paging,
    ) -> Result<Page<Network>, StoreError> {
        self.page(filter.query(), paging).await
    }

    /// All networks that match, oldest first.
    pub async fn all_networks(&self, filter: &NetworkFilter) -> Result<Vec<Network>, StoreError> {
        self.all_by(filter.query(), [Column::CreatedUs, Column::Id]).await
    }

    /// Regions with a network that is being deleted.
    pub(super) async fn regions_deleting(&self) -> Result<Vec<String>, StoreError> {
        let query = Entity::find().select_only().column(Column::Region).distinct();
        let query = query.filter(Column::Status.eq(NetworkStatus::Deleting.code())).into_tuple();
        self.checked(query.all(self.connection()).await)
    }

    /// How many networks there are.
    pub async fn count_networks(&self, filter: &NetworkFilter) -> Result<u64, StoreError> {
        self.count(filter.query()).await
    }

    /// The prefixes of every network of a zone, or of all zones of a region, to find overlaps.
    pub async fn prefixes_of_zone(
        &self,
        region: &str,
        zone: Option<&str>,
    ) -> Result<Vec<(NetworkId, Vec<IpNet>)>, StoreError> {
        let query = Entity::find()
            .select_only()
            .columns([Column::Id, Column::Prefixes])
            .filter(Column::Region.eq(region))
            .apply_if(zone, |query, zone| query.filter(Column::Zone.eq(zone)));
        let rows: Vec<(String, String)> = self.checked(query.into_tuple().all(self.connection()).await)?;
        let parse = |(id, prefixes): &(String, String)| {
            let read = Reader::new("networks", id);
            Ok((read.parsed("id", id)?, read.list("prefixes", prefixes)?))
        };
        rows.iter().map(parse).collect()
    }
}

impl Write {
    /// Inserts a network or replaces it whole.
    pub async fn put_network(&self, network: &Network) -> Result<(), StoreError> {
        self.put_networks(std::slice::from_ref(network)).await
    }

    /// As [`Write::put_network`], for many with distinct identities.
    pub async fn put_networks(&self, networks: &[Network]) -> Result<(), StoreError> {
        self.put_rows::<Entity>(networks.iter().map(Row::of).collect(), &["news_revision"]).await
    }

    /// Removes a network; false where there is none. Refused while it has instances or a plan
    /// ([`super::Constraint::Reference`]).
    pub async fn remove_network(&self, id: &NetworkId) -> Result<bool, StoreError> {
        self.remove_row::<Entity>(id.as_str()).await
    }
}
