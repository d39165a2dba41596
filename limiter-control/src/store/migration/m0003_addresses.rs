//! Addresses that packets leave through: those of plans, of nodes, and who had which when.

use sea_orm_migration::prelude::*;
use sea_query::ForeignKeyAction::Restrict;

use super::column::{Columns, Refers as _, flag, index, number, number_or_null, table, unique};

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &'static str {
        "m0003_addresses"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns(manager.get_database_backend());
        let added = [
            ("networks", c.text("egress").default("none").take()),
            ("nodes", c.text_or_null("shared_address")),
            ("nodes", c.text("former_addresses").default("").take()),
            ("nodes", c.text("egress_addresses").default("assign").take()),
            ("nodes", flag("drained").default(false).take()),
            ("plans", c.text_or_null("address")),
            ("plans", c.text_or_null("egress_node_id")),
            ("plans", c.text_or_null("leaving_node_id")),
        ];
        for (table, column) in added {
            manager.alter_table(Table::alter().table(table).add_column(column).take()).await?;
        }
        manager.create_table(addresses(&c)).await?;
        manager.create_table(address_uses(&c)).await?;
        let indexes = [
            unique("plans", "plans_address", ["address"]),
            index("plans", "plans_of_egress_node", ["egress_node_id"]),
            unique("addresses", "addresses_number", ["number"]),
            unique("addresses", "addresses_plan", ["plan_id"]),
            index("addresses", "addresses_of_region", ["region", "plan_id", "number"]),
            index("address_uses", "address_uses_of_address", ["address", "from_us", "id"]),
            index("address_uses", "address_uses_of_plan", ["plan_id", "until_us"]),
        ];
        for index in indexes {
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

fn addresses(c: &Columns) -> TableCreateStatement {
    table(
        "addresses",
        [
            c.key("id"),
            number("number"),
            c.text("region"),
            c.text_or_null("plan_id"),
            number_or_null("rests_until_us"),
        ],
    )
    .refers("plan_id", "plans", Restrict)
    .take()
}

fn address_uses(c: &Columns) -> TableCreateStatement {
    table(
        "address_uses",
        [
            c.key("id"),
            c.text("address"),
            c.text("plan_id"),
            c.text("account_id"),
            c.text("network_id"),
            c.text("node_id"),
            number("from_us"),
            number_or_null("until_us"),
        ],
    )
}
