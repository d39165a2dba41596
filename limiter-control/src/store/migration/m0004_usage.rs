//! What passed: hours of networks and instances, and up to where each node's record is stored.

use sea_orm_migration::prelude::*;

use super::column::{Columns, bytes, flag, index, number, table};

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &'static str {
        "m0004_usage"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns(manager.get_database_backend());
        for table in [sources(&c), networks(&c), instances(&c)] {
            manager.create_table(table).await?;
        }
        let indexes = [
            index("usage_networks", "usage_networks_of_network", ["network_id", "hour_us"]),
            index("usage_networks", "usage_networks_of_plan", ["plan_id", "hour_us"]),
            index("usage_networks", "usage_networks_grain", ["grain_s", "hour_us"]),
            index("usage_instances", "usage_instances_of_network", ["network_id", "hour_us"]),
            index("usage_instances", "usage_instances_grain", ["grain_s", "hour_us"]),
        ];
        for index in indexes {
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

fn sources(c: &Columns) -> TableCreateStatement {
    let columns = [
        c.text("node_id"),
        c.text("record"),
        number("through"),
        bytes("digest"),
        number("complete_until_us"),
    ];
    table("usage_sources", columns).primary_key(Index::create().col("node_id").col("record")).take()
}

/// Without references: what was measured outlives what it was measured of.
fn networks(c: &Columns) -> TableCreateStatement {
    let columns = [
        number("hour_us"),
        c.text("network_id"),
        c.text("plan_id"),
        c.text("node_id"),
        number("up_bytes"),
        number("down_bytes"),
        flag("late"),
        number("grain_s"),
        bytes("buckets"),
    ];
    let key = Index::create().col("hour_us").col("network_id").col("plan_id").col("node_id").take();
    table("usage_networks", columns).primary_key(&mut key.clone()).take()
}

fn instances(c: &Columns) -> TableCreateStatement {
    let columns = [
        number("hour_us"),
        c.text("instance_id"),
        c.text("node_id"),
        c.text("network_id"),
        number("up_bytes"),
        number("down_bytes"),
        number("grain_s"),
        bytes("buckets"),
    ];
    let key = Index::create().col("hour_us").col("instance_id").col("node_id").take();
    table("usage_instances", columns).primary_key(&mut key.clone()).take()
}
