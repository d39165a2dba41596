//! Plans.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use limiter_domain::price::Amount;
use limiter_domain::{
    AccountId, Business, Duration, Egress, NetworkId, NodeId, Operation, Pay, Plan, PlanId, Slice, Status,
};
use sea_orm::sea_query::{ExprTrait as _, Query, SelectStatement};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select};
use serde::{Deserialize, Serialize};

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
    #[sea_orm(table_name = "plans")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub account_id: String,
        pub external_id: Option<String>,
        pub region: String,
        pub pay: String,
        pub charge: String,
        pub peak_bps: i64,
        pub applied_peak_bps: i64,
        pub status: String,
        pub business: String,
        pub reason: Option<String>,
        pub network_id: Option<String>,
        pub operation: Option<String>,
        pub operation_started_us: Option<i64>,
        pub generation: i64,
        pub created_us: i64,
        pub provisioned_us: Option<i64>,
        pub expires_us: Option<i64>,
        pub anchor_day: Option<i16>,
        pub duration: Option<String>,
        pub auto_renew: bool,
        pub release_us: Option<i64>,
        pub slices: String,
        pub ticked_us: i64,
        pub version: i64,
        /// When scheduled work is due.
        pub due_us: Option<i64>,
        /// Nodes have yet to acknowledge something.
        pub waiting: bool,
        pub address: Option<String>,
        pub egress_node_id: Option<String>,
        pub leaving_node_id: Option<String>,
        pub prepaid_micro: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use row::{Column, Entity};

/// A slice as it is kept; the first programs knew no value.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum KeptSlice {
    Valued(Date, Date, String, i64, Date),
    Free(Date, Date, String),
}

impl KeptSlice {
    fn of(slice: &Slice) -> Self {
        let code = slice.duration.code().to_owned();
        Self::Valued(slice.first_day, slice.last_day, code, slice.value.micro(), slice.value_from)
    }

    fn slice(self) -> Option<Slice> {
        let (first_day, last_day, code, value, value_from) = match self {
            Self::Valued(first, last, code, micro, from) => (first, last, code, Amount::new(micro), from),
            Self::Free(first, last, code) => (first, last, code, Amount::ZERO, first),
        };
        let duration = Duration::of_code(&code)?;
        Some(Slice { first_day, last_day, duration, value, value_from })
    }
}

impl Row for row::Model {
    type Thing = Plan;

    /// Nothing is due for it.
    fn of(plan: &Plan) -> Self {
        let slices: Vec<_> = plan.slices.iter().map(KeptSlice::of).collect();
        let egress = plan.egress.as_ref();
        let leaving = egress.and_then(|egress| egress.leaving.as_ref());
        Self {
            id: plan.id.to_string(),
            account_id: plan.account.to_string(),
            external_id: value::text(plan.external_id.as_ref()),
            region: plan.region.to_string(),
            pay: plan.pay.code().to_owned(),
            charge: plan.charge.code().to_owned(),
            peak_bps: value::bps(plan.peak),
            applied_peak_bps: value::bps(plan.applied_peak),
            status: plan.status.code().to_owned(),
            business: plan.business.code().to_owned(),
            reason: value::text(plan.reason.as_ref()),
            network_id: plan.network.as_ref().map(ToString::to_string),
            operation: plan.operation.as_ref().map(|operation| operation.kind.code().to_owned()),
            operation_started_us: plan
                .operation
                .as_ref()
                .map(|operation| value::micros(operation.started_at)),
            generation: value::number(plan.generation),
            created_us: value::micros(plan.created_at),
            provisioned_us: value::micros_of(plan.provisioned_at),
            expires_us: value::micros_of(plan.expires_at),
            anchor_day: plan.anchor_day.map(i16::from),
            duration: plan.duration.map(|duration| duration.code().to_owned()),
            auto_renew: plan.auto_renew,
            release_us: value::micros_of(plan.release_at),
            slices: value::json(&slices),
            ticked_us: value::micros(plan.ticked_at),
            version: value::number(plan.version),
            due_us: None,
            waiting: plan.operation.is_some() || plan.peak != plan.applied_peak || leaving.is_some(),
            address: egress.map(|egress| egress.address.to_string()),
            egress_node_id: egress.and_then(|egress| Some(egress.node.as_ref()?.to_string())),
            leaving_node_id: leaving.map(ToString::to_string),
            prepaid_micro: plan.prepaid.micro(),
        }
    }

    fn thing(self) -> Result<Plan, StoreError> {
        let read = Reader::new("plans", &self.id);
        let duration = |code: &str| Duration::of_code(code).ok_or_else(|| read.bad("duration"));
        let slices: Vec<KeptSlice> = read.json("slices", &self.slices)?;
        let slice = |kept: KeptSlice| kept.slice().ok_or_else(|| read.bad("slices"));
        let operation = match (&self.operation, self.operation_started_us) {
            (Some(kind), Some(started)) => Some(Operation {
                kind: read.code("operation", kind)?,
                started_at: read.time("operation_started_us", started)?,
            }),
            (None, None) => None,
            _ => return Err(read.bad("operation")),
        };
        let address = read.parsed_if("address", self.address.as_ref())?;
        let node = read.parsed_if("egress_node_id", self.egress_node_id.as_ref())?;
        let leaving = read.parsed_if("leaving_node_id", self.leaving_node_id.as_ref())?;
        let anchor_day = self.anchor_day.map(|day| i8::try_from(day).map_err(|_| read.bad("anchor_day")));
        Ok(Plan {
            id: read.parsed("id", &self.id)?,
            account: read.parsed("account_id", &self.account_id)?,
            external_id: self.external_id.as_deref().map(Into::into),
            region: self.region.as_str().into(),
            pay: read.code("pay", &self.pay)?,
            charge: read.code("charge", &self.charge)?,
            peak: read.rate("peak_bps", self.peak_bps)?,
            applied_peak: read.rate("applied_peak_bps", self.applied_peak_bps)?,
            status: read.code("status", &self.status)?,
            business: read.code("business", &self.business)?,
            reason: self.reason.as_deref().map(Into::into),
            network: read.parsed_if("network_id", self.network_id.as_ref())?,
            egress: address.map(|address| Egress { address, node, leaving }),
            operation,
            generation: read.number("generation", self.generation)?,
            created_at: read.time("created_us", self.created_us)?,
            provisioned_at: read.time_if("provisioned_us", self.provisioned_us)?,
            expires_at: read.time_if("expires_us", self.expires_us)?,
            anchor_day: anchor_day.transpose()?,
            duration: self.duration.as_deref().map(duration).transpose()?,
            auto_renew: self.auto_renew,
            release_at: read.time_if("release_us", self.release_us)?,
            prepaid: Amount::new(self.prepaid_micro),
            slices: slices.into_iter().map(slice).collect::<Result<_, _>>()?,
            ticked_at: read.time("ticked_us", self.ticked_us)?,
            version: read.number("version", self.version)?,
        })
    }
}

impl Aged for Entity {
    const CREATED: Column = Column::CreatedUs;
    const ID: Column = Column::Id;
}

/// Which plans; what is [`None`] or empty does not matter.
#[derive(Clone, Debug, Default)]
pub struct PlanFilter {
    /// Of this account.
    pub account: Option<AccountId>,
    /// Of this region.
    pub region: Option<Arc<str>>,
    /// Paid so.
    pub pay: Option<Pay>,
    /// In one of these statuses.
    pub statuses: Vec<Status>,
    /// That holds this network.
    pub network: Option<NetworkId>,
}

impl PlanFilter {
    fn query(&self) -> Select<Entity> {
        let statuses = (!self.statuses.is_empty()).then(|| self.statuses.iter().map(|status| status.code()));
        Entity::find()
            .apply_if(self.account.as_ref(), |query, id| query.filter(Column::AccountId.eq(id.as_str())))
            .apply_if(self.region.as_deref(), |query, region| query.filter(Column::Region.eq(region)))
            .apply_if(self.pay, |query, pay| query.filter(Column::Pay.eq(pay.code())))
            .apply_if(statuses, |query, statuses| query.filter(Column::Status.is_in(statuses)))
            .apply_if(self.network.as_ref(), |query, id| query.filter(Column::NetworkId.eq(id.as_str())))
    }
}

/// The networks that plans hold.
pub(super) fn networks_held() -> SelectStatement {
    let mut query = Query::select();
    query.column(Column::NetworkId).from(Entity).and_where(Column::NetworkId.is_not_null());
    query
}

impl Tx {
    /// The plan of this identity.
    pub async fn plan(&self, id: &PlanId) -> Result<Option<Plan>, StoreError> {
        self.one(Entity::find_by_id(id.as_str())).await
    }

    /// The plan of this external identity in an account.
    pub async fn plan_by_external_id(
        &self,
        account: &AccountId,
        external_id: &str,
    ) -> Result<Option<Plan>, StoreError> {
        let query = Entity::find().filter(Column::AccountId.eq(account.as_str()));
        self.one(query.filter(Column::ExternalId.eq(external_id))).await
    }

    /// The plan that holds a network.
    pub async fn plan_of_network(&self, network: &NetworkId) -> Result<Option<Plan>, StoreError> {
        self.one(Entity::find().filter(Column::NetworkId.eq(network.as_str()))).await
    }

    /// The plans that hold one of `networks`, in no order.
    pub async fn plans_of_networks(&self, networks: &[NetworkId]) -> Result<Vec<Plan>, StoreError> {
        let ids: Vec<_> = networks.iter().map(NetworkId::as_str).collect();
        self.all_of(Entity::find(), Column::NetworkId, &ids).await
    }

    /// Those of `ids` that are there, released ones too, in no order.
    pub async fn plans_by_id(&self, ids: &[PlanId]) -> Result<Vec<Plan>, StoreError> {
        let ids: Vec<_> = ids.iter().map(PlanId::as_str).collect();
        self.all_of(Entity::find(), Column::Id, &ids).await
    }

    /// Plans of a region whose address is at `node` or at none, while they hold a network.
    pub async fn plans_to_place(&self, region: &str, node: &NodeId) -> Result<Vec<Plan>, StoreError> {
        let here = Column::EgressNodeId.eq(node.as_str()).or(Column::EgressNodeId.is_null());
        let query = Entity::find().filter(Column::Region.eq(region)).filter(Column::NetworkId.is_not_null());
        let query = query.filter(Column::Address.is_not_null()).filter(here);
        self.all_by(query, [Column::CreatedUs, Column::Id]).await
    }

    /// Plans of a region that are there and have no address, oldest first.
    pub async fn plans_without_address(&self, region: &str) -> Result<Vec<Plan>, StoreError> {
        let query = Entity::find().filter(Column::Region.eq(region)).filter(Column::Address.is_null());
        let query = query.filter(Column::Status.is_in(Status::LIVE.map(Code::code)));
        self.all_by(query, [Column::CreatedUs, Column::Id]).await
    }

    /// How many addresses of plans each node may use now, also those that it is to let go of.
    pub async fn count_addresses_held(&self) -> Result<HashMap<String, u64>, StoreError> {
        let placed = Entity::find().filter(Column::EgressNodeId.is_not_null());
        let placed = placed.filter(Column::LeavingNodeId.is_null());
        let mut held = self.count_by(placed, Column::EgressNodeId).await?;
        let leaving = Entity::find().filter(Column::LeavingNodeId.is_not_null());
        for (node, count) in self.count_by(leaving, Column::LeavingNodeId).await? {
            *held.entry(node).or_default() += count;
        }
        Ok(held)
    }

    /// How many addresses of plans each node has, or is to have.
    pub async fn count_addresses_by_node(&self) -> Result<HashMap<String, u64>, StoreError> {
        self.count_by(Entity::find().filter(Column::EgressNodeId.is_not_null()), Column::EgressNodeId).await
    }

    /// Plans, oldest first.
    pub async fn plans(&self, filter: &PlanFilter, paging: &Paging) -> Result<Page<Plan>, StoreError> {
        self.page(filter.query(), paging).await
    }

    /// Plans of an account that are paid as they go and whose end has not begun, oldest first.
    pub async fn plans_as_you_go(&self, account: &AccountId) -> Result<Vec<Plan>, StoreError> {
        let filter = PlanFilter {
            account: Some(account.clone()),
            pay: Some(Pay::PostPaid),
            statuses: Status::LIVE.to_vec(),
            ..PlanFilter::default()
        };
        self.all_by(filter.query(), [Column::CreatedUs, Column::Id]).await
    }

    /// How many plans there are.
    pub async fn count_plans(&self, filter: &PlanFilter) -> Result<u64, StoreError> {
        self.count(filter.query()).await
    }

    /// How many plans there are in each state, of an account or of all.
    pub async fn count_plans_by_state(
        &self,
        account: Option<&AccountId>,
    ) -> Result<Vec<(Status, Business, u64)>, StoreError> {
        let query = Entity::find()
            .select_only()
            .column(Column::Status)
            .column(Column::Business)
            .column_as(Column::Id.count(), "plans")
            .apply_if(account, |query, id| query.filter(Column::AccountId.eq(id.as_str())))
            .group_by(Column::Status)
            .group_by(Column::Business);
        let counted: Vec<(String, String, i64)> =
            self.checked(query.into_tuple().all(self.connection()).await)?;
        let read = Reader::new("plans", "grouped by state");
        let thing = |(status, business, plans): (String, String, i64)| {
            Ok((
                read.code("status", &status)?,
                read.code("business", &business)?,
                read.number("plans", plans)?,
            ))
        };
        counted.into_iter().map(thing).collect()
    }

    /// Identities of plans with scheduled work due at `now`, the longest due first, at most `limit`. No row
    /// is read further, so that one that is broken stands in nobody's way.
    pub async fn plans_due(&self, now: Timestamp, limit: u64) -> Result<Vec<PlanId>, StoreError> {
        let due =
            Entity::find().select_only().column(Column::Id).filter(Column::DueUs.lte(value::micros(now)));
        let due = due.order_by_asc(Column::DueUs).order_by_asc(Column::Id).limit(limit).into_tuple();
        let ids: Vec<String> = self.checked(due.all(self.connection()).await)?;
        ids.iter().map(|id| Reader::new("plans", id).parsed("id", id)).collect()
    }

    /// Regions with a plan that waits for nodes, or a network that is being deleted.
    pub async fn regions_waiting(&self) -> Result<Vec<String>, StoreError> {
        let query = Entity::find().select_only().column(Column::Region).distinct();
        let query = query.filter(Column::Waiting.eq(true)).into_tuple();
        let mut regions: Vec<String> = self.checked(query.all(self.connection()).await)?;
        regions.extend(self.regions_deleting().await?);
        regions.sort();
        regions.dedup();
        Ok(regions)
    }

    /// Plans of a region that wait for nodes: with an operation, or a peak that is not yet applied.
    pub async fn plans_waiting(&self, region: &str) -> Result<Vec<Plan>, StoreError> {
        let query = Entity::find().filter(Column::Region.eq(region)).filter(Column::Waiting.eq(true));
        self.all(query.order_by_asc(Column::CreatedUs).order_by_asc(Column::Id)).await
    }
}

impl Write {
    /// Inserts a plan or replaces it whole; its next scheduled work is due at `due_at`.
    pub async fn put_plan(&self, plan: &Plan, due_at: Option<Timestamp>) -> Result<(), StoreError> {
        self.put_plans(&[(plan, due_at)]).await
    }

    /// As [`Write::put_plan`], for many with distinct identities.
    pub async fn put_plans(&self, plans: &[(&Plan, Option<Timestamp>)]) -> Result<(), StoreError> {
        let rows = plans
            .iter()
            .map(|&(plan, due_at)| row::Model { due_us: value::micros_of(due_at), ..Row::of(plan) })
            .collect();
        self.put_rows::<Entity>(rows, &[]).await
    }
}
