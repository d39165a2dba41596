//! What passed in each clock hour: of networks by plan and node, of instances by node.
//!
//! A row holds the bytes, which are billed, and its buckets in one value, which are drawn. A row has one writer,
//! the node that it is of.

use std::collections::BTreeMap;

use jiff::Timestamp;
use limiter_domain::usage::{Flow, Grain, Passed, UsageHour};
use limiter_domain::{InstanceId, NetworkId, NodeId, PlanId};
use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, Func, Order};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::error::StoreError;
use super::row::{ASKED_MAX, Row};
use super::tx::{Tx, Write};
use super::value::{self, Reader};

/// A network in a clock hour, as one node saw it while one plan, or none, served it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkHour {
    /// Start of the hour.
    pub hour: Timestamp,
    /// The network.
    pub network: NetworkId,
    /// The plan.
    pub plan: Option<PlanId>,
    /// The node.
    pub node: NodeId,
    /// What passed.
    pub usage: UsageHour,
    /// Some of it came after the hour was closed for bills.
    pub late: bool,
}

/// An instance in a clock hour, as one node saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceHour {
    /// Start of the hour.
    pub hour: Timestamp,
    /// The instance.
    pub instance: InstanceId,
    /// Its network, the last in the hour.
    pub network: NetworkId,
    /// The node.
    pub node: NodeId,
    /// What passed.
    pub usage: UsageHour,
}

#[expect(unreachable_pub, reason = "what derives from a row is public")]
pub(super) mod networks {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "usage_networks")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub hour_us: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        pub network_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub plan_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub node_id: String,
        pub up_bytes: i64,
        pub down_bytes: i64,
        pub late: bool,
        pub grain_s: i64,
        pub buckets: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

#[expect(unreachable_pub, reason = "what derives from a row is public")]
pub(super) mod instances {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "usage_instances")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub hour_us: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        pub instance_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub node_id: String,
        pub network_id: String,
        pub up_bytes: i64,
        pub down_bytes: i64,
        pub grain_s: i64,
        pub buckets: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Row for networks::Model {
    type Thing = NetworkHour;

    fn of(row: &NetworkHour) -> Self {
        let total = row.usage.total();
        Self {
            hour_us: value::micros(row.hour),
            network_id: row.network.to_string(),
            plan_id: row.plan.as_ref().map(ToString::to_string).unwrap_or_default(),
            node_id: row.node.to_string(),
            up_bytes: value::number(total.up.bytes),
            down_bytes: value::number(total.down.bytes),
            late: row.late,
            grain_s: row.usage.grain.seconds().get().into(),
            buckets: packed(&row.usage),
        }
    }

    fn thing(self) -> Result<NetworkHour, StoreError> {
        let read = Reader::new("usage_networks", &self.network_id);
        Ok(NetworkHour {
            hour: read.time("hour_us", self.hour_us)?,
            network: read.parsed("network_id", &self.network_id)?,
            plan: read.parsed_if("plan_id", Some(&self.plan_id).filter(|id| !id.is_empty()))?,
            node: read.parsed("node_id", &self.node_id)?,
            usage: unpacked(&read, self.grain_s, &self.buckets)?,
            late: self.late,
        })
    }
}

impl Row for instances::Model {
    type Thing = InstanceHour;

    fn of(row: &InstanceHour) -> Self {
        let total = row.usage.total();
        Self {
            hour_us: value::micros(row.hour),
            instance_id: row.instance.to_string(),
            node_id: row.node.to_string(),
            network_id: row.network.to_string(),
            up_bytes: value::number(total.up.bytes),
            down_bytes: value::number(total.down.bytes),
            grain_s: row.usage.grain.seconds().get().into(),
            buckets: packed(&row.usage),
        }
    }

    fn thing(self) -> Result<InstanceHour, StoreError> {
        let read = Reader::new("usage_instances", &self.instance_id);
        Ok(InstanceHour {
            hour: read.time("hour_us", self.hour_us)?,
            instance: read.parsed("instance_id", &self.instance_id)?,
            network: read.parsed("network_id", &self.network_id)?,
            node: read.parsed("node_id", &self.node_id)?,
            usage: unpacked(&read, self.grain_s, &self.buckets)?,
        })
    }
}

/// A bucket as it is packed: place, up, down, estimated. A flow is its four counts.
type Packed = (u8, [u64; 4], [u64; 4], bool);

fn packed(usage: &UsageHour) -> Vec<u8> {
    let counts = |flow: Flow| [flow.bytes, flow.window_bytes_max, flow.refused_bytes, flow.limited_s];
    let buckets: Vec<Packed> = usage
        .buckets
        .iter()
        .map(|(place, passed)| (*place, counts(passed.up), counts(passed.down), passed.estimated))
        .collect();
    // Numbers and flags in memory cannot fail to be written.
    postcard::to_allocvec(&buckets).unwrap_or_default()
}

fn unpacked(read: &Reader<'_>, grain_s: i64, bytes: &[u8]) -> Result<UsageHour, StoreError> {
    let buckets: Vec<Packed> = postcard::from_bytes(bytes).map_err(|_| read.bad("buckets"))?;
    let grain = u16::try_from(grain_s).ok().and_then(Grain::of_seconds);
    let flow = |[bytes, window_bytes_max, refused_bytes, limited_s]: [u64; 4]| Flow {
        bytes,
        window_bytes_max,
        refused_bytes,
        limited_s,
    };
    let buckets = buckets
        .into_iter()
        .map(|(place, up, down, estimated)| (place, Passed { up: flow(up), down: flow(down), estimated }));
    Ok(UsageHour { grain: grain.ok_or_else(|| read.bad("grain_s"))?, buckets: buckets.collect() })
}

impl Tx {
    /// Hours in `[from, to)` of a network, all plans and none.
    pub async fn usage_of_network(
        &self,
        network: &NetworkId,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<Vec<NetworkHour>, StoreError> {
        use networks::{Column, Entity};
        let hours = Column::HourUs.gte(value::micros(from)).and(Column::HourUs.lt(value::micros(to)));
        self.all(Entity::find().filter(Column::NetworkId.eq(network.as_str())).filter(hours)).await
    }

    /// Hours in `[from, to)` in which a plan served networks.
    pub async fn usage_of_plan(
        &self,
        plan: &PlanId,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<Vec<NetworkHour>, StoreError> {
        use networks::{Column, Entity};
        let hours = Column::HourUs.gte(value::micros(from)).and(Column::HourUs.lt(value::micros(to)));
        self.all(Entity::find().filter(Column::PlanId.eq(plan.as_str())).filter(hours)).await
    }

    /// The hours of an instance among `hours`.
    pub async fn usage_of_instance(
        &self,
        instance: &InstanceId,
        hours: &[Timestamp],
    ) -> Result<Vec<InstanceHour>, StoreError> {
        use instances::{Column, Entity};
        let mut found = Vec::new();
        for hours in hours.chunks(ASKED_MAX) {
            let hours = hours.iter().copied().map(value::micros);
            let query = Entity::find().filter(Column::HourUs.is_in(hours));
            found.extend(self.all(query.filter(Column::InstanceId.eq(instance.as_str()))).await?);
        }
        Ok(found)
    }

    /// The instances of a network with the most bytes in the hours of `[from, to)`, both directions together; with
    /// the bytes up and down.
    pub async fn top_instances(
        &self,
        network: &NetworkId,
        (from, to): (Timestamp, Timestamp),
        most: u64,
    ) -> Result<Vec<(InstanceId, u64, u64)>, StoreError> {
        use instances::{Column, Entity};
        let hours = Column::HourUs.gte(value::micros(from)).and(Column::HourUs.lt(value::micros(to)));
        // A sum of big integers is a decimal number on PostgreSQL.
        let sum = |column: Column| Func::cast_as(Func::sum(Expr::col(column)), Alias::new("bigint"));
        let query = Entity::find()
            .select_only()
            .column(Column::InstanceId)
            .expr_as(sum(Column::UpBytes), "up")
            .expr_as(sum(Column::DownBytes), "down")
            .filter(Column::NetworkId.eq(network.as_str()))
            .filter(hours)
            .group_by(Column::InstanceId)
            .order_by(Func::sum(Expr::col(Column::UpBytes).add(Expr::col(Column::DownBytes))), Order::Desc)
            .order_by(Column::InstanceId, Order::Asc)
            .limit(most)
            .into_tuple();
        let rows: Vec<(String, i64, i64)> = self.checked(query.all(self.connection()).await)?;
        let read = |(id, up, down): (String, i64, i64)| {
            let read = Reader::new("usage_instances", &id);
            Ok((
                read.parsed("instance_id", &id)?,
                read.number("up_bytes", up)?,
                read.number("down_bytes", down)?,
            ))
        };
        rows.into_iter().map(read).collect()
    }

    /// What a node stored of some hours of networks.
    pub async fn network_hours_of(
        &self,
        node: &NodeId,
        keys: &BTreeMap<Timestamp, Vec<NetworkId>>,
    ) -> Result<Vec<NetworkHour>, StoreError> {
        use networks::{Column, Entity};
        let mut found = Vec::new();
        for (hour, ids) in keys {
            let mine = Column::HourUs.eq(value::micros(*hour)).and(Column::NodeId.eq(node.as_str()));
            let ids: Vec<&str> = ids.iter().map(NetworkId::as_str).collect();
            found.extend(self.all_of(Entity::find().filter(mine), Column::NetworkId, &ids).await?);
        }
        Ok(found)
    }

    /// What a node stored of some hours of instances.
    pub async fn instance_hours_of(
        &self,
        node: &NodeId,
        keys: &BTreeMap<Timestamp, Vec<InstanceId>>,
    ) -> Result<Vec<InstanceHour>, StoreError> {
        use instances::{Column, Entity};
        let mut found = Vec::new();
        for (hour, ids) in keys {
            let mine = Column::HourUs.eq(value::micros(*hour)).and(Column::NodeId.eq(node.as_str()));
            let ids: Vec<&str> = ids.iter().map(InstanceId::as_str).collect();
            found.extend(self.all_of(Entity::find().filter(mine), Column::InstanceId, &ids).await?);
        }
        Ok(found)
    }
}

impl Write {
    /// Hours of networks before `before` that are kept finer than `grain`, some of them, which nobody else changes
    /// until this transaction is over.
    pub async fn fine_network_hours(
        &self,
        grain: Grain,
        before: Timestamp,
        most: u64,
    ) -> Result<Vec<NetworkHour>, StoreError> {
        use networks::{Column, Entity};
        let finer = Column::GrainS.lt(i64::from(grain.seconds().get()));
        let query = Entity::find().filter(finer).filter(Column::HourUs.lt(value::micros(before)));
        self.all(query.limit(most).lock_exclusive()).await
    }

    /// As [`Write::fine_network_hours`], of instances.
    pub async fn fine_instance_hours(
        &self,
        grain: Grain,
        before: Timestamp,
        most: u64,
    ) -> Result<Vec<InstanceHour>, StoreError> {
        use instances::{Column, Entity};
        let finer = Column::GrainS.lt(i64::from(grain.seconds().get()));
        let query = Entity::find().filter(finer).filter(Column::HourUs.lt(value::micros(before)));
        self.all(query.limit(most).lock_exclusive()).await
    }

    /// Inserts hours of networks, or replaces them. None comes twice.
    pub async fn put_network_hours(&self, hours: &[NetworkHour]) -> Result<(), StoreError> {
        self.put_rows::<networks::Entity>(hours.iter().map(Row::of).collect(), &[]).await
    }

    /// Inserts hours of instances, or replaces them. None comes twice.
    pub async fn put_instance_hours(&self, hours: &[InstanceHour]) -> Result<(), StoreError> {
        self.put_rows::<instances::Entity>(hours.iter().map(Row::of).collect(), &[]).await
    }

    /// Removes the hours of networks before `networks`, and those of instances before `instances`.
    pub async fn remove_usage(&self, networks: Timestamp, instances: Timestamp) -> Result<u64, StoreError> {
        let old =
            networks::Entity::delete_many().filter(networks::Column::HourUs.lt(value::micros(networks)));
        let removed = self.remove_rows(old).await?;
        let old =
            instances::Entity::delete_many().filter(instances::Column::HourUs.lt(value::micros(instances)));
        Ok(removed + self.remove_rows(old).await?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn buckets_are_read_as_they_were_packed(
            buckets in prop::collection::btree_map(0_u8..60, any::<([u64; 4], bool)>(), 0..60),
        ) {
            let passed = |([bytes, window_bytes_max, refused_bytes, limited_s], estimated): ([u64; 4], bool)| {
                let up = Flow { bytes, window_bytes_max, refused_bytes, limited_s };
                Passed { up, down: Flow { bytes: window_bytes_max, ..up }, estimated }
            };
            let buckets = buckets.into_iter().map(|(place, of)| (place, passed(of))).collect();
            let usage = UsageHour { grain: Grain::Minute, buckets };
            let read = unpacked(&Reader::new("usage_networks", "n"), 60, &packed(&usage));
            prop_assert_eq!(read.expect("readable"), usage);
        }

        #[test]
        fn what_is_damaged_is_an_error_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = unpacked(&Reader::new("usage_networks", "n"), 60, &bytes);
        }
    }

    #[test]
    fn an_idle_hour_takes_little_room() {
        let mut usage = UsageHour::default();
        (0..60).for_each(|minute| usage.add(minute, Passed::default()));
        assert!(packed(&usage).len() <= 601, "{}", packed(&usage).len());
    }
}
