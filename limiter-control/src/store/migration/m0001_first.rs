//! The tables of networks, plans, rules and instances, and of who acts on them.

use sea_orm_migration::prelude::*;
use sea_query::ForeignKeyAction::{Cascade, Restrict};

use super::column::{Columns, Refers as _, bytes, flag, index, number, number_or_null, table, unique, with};

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &'static str {
        "m0001_first"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns(manager.get_database_backend());
        for table in TABLES {
            manager.create_table(table(&columns)).await?;
        }
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

/// In order: a table comes after those it refers to.
const TABLES: [fn(&Columns) -> TableCreateStatement; 12] = [
    installation,
    regions,
    accounts,
    users,
    nodes,
    tokens,
    networks,
    plans,
    rules,
    instances,
    events,
    idempotency,
];

fn installation(c: &Columns) -> TableCreateStatement {
    table(
        "installation",
        [
            number("id").primary_key().check(Expr::col("id").eq(1)).take(),
            c.text("incarnation"),
            number("revision"),
            number("created_us"),
        ],
    )
}

fn regions(c: &Columns) -> TableCreateStatement {
    table("regions", [c.key("name"), number("revision")])
}

fn accounts(c: &Columns) -> TableCreateStatement {
    table("accounts", [c.key("id"), c.text("name"), flag("enabled"), number("created_us"), number("version")])
}

fn users(c: &Columns) -> TableCreateStatement {
    table(
        "users",
        [
            c.key("id"),
            c.text("name"),
            c.text_or_null("account_id"),
            c.text("role"),
            c.text("password_hash"),
            flag("enabled"),
            number("created_us"),
            number("version"),
        ],
    )
    .refers("account_id", "accounts", Restrict)
    .take()
}

fn nodes(c: &Columns) -> TableCreateStatement {
    table(
        "nodes",
        [
            c.key("id"),
            c.text("name"),
            c.text("region"),
            c.text("uplinks"),
            c.text("interfaces"),
            flag("fenced"),
            flag("bypass"),
            number("acked_revision"),
            number_or_null("acked_us"),
            c.text_or_null("problem"),
            number_or_null("seen_us"),
            c.text_or_null("agent_version"),
            number("revision"),
            number("created_us"),
            number("version"),
        ],
    )
}

fn tokens(c: &Columns) -> TableCreateStatement {
    table(
        "tokens",
        [
            c.key("id"),
            c.text("name"),
            c.text_or_null("account_id"),
            c.text_or_null("node_id"),
            c.text_or_null("user_id"),
            c.text("role"),
            bytes("hash"),
            number("created_us"),
            number_or_null("expires_us"),
            number_or_null("revoked_us"),
        ],
    )
    .refers("account_id", "accounts", Restrict)
    .refers("node_id", "nodes", Cascade)
    .refers("user_id", "users", Cascade)
    .take()
}

fn networks(c: &Columns) -> TableCreateStatement {
    table(
        "networks",
        [
            c.key("id"),
            c.text("account_id"),
            c.text("name"),
            c.text_or_null("external_id"),
            c.text("region"),
            c.text("zone"),
            number_or_null("basic_bps"),
            c.text("prefixes"),
            c.text_or_null("nodes"),
            c.text("internet"),
            c.text("unknown_sources"),
            flag("observe"),
            c.text_or_null("default_rule_id"),
            c.text("status"),
            number("revision"),
            number("created_us"),
            number("version"),
        ],
    )
    .refers("account_id", "accounts", Restrict)
    .take()
}

fn plans(c: &Columns) -> TableCreateStatement {
    let ordered = table(
        "plans",
        [
            c.key("id"),
            c.text("account_id"),
            c.text_or_null("external_id"),
            c.text("region"),
            c.text("pay"),
            c.text("charge"),
            number("peak_bps"),
            number("applied_peak_bps"),
            c.text("status"),
            c.text("business"),
            c.text_or_null("reason"),
        ],
    );
    with(
        ordered,
        [
            c.text_or_null("network_id"),
            c.text_or_null("operation"),
            number_or_null("operation_started_us"),
            number("generation"),
            number("created_us"),
            number_or_null("provisioned_us"),
            number_or_null("expires_us"),
            ColumnDef::new("anchor_day").small_integer().take(),
            c.text_or_null("duration"),
            flag("auto_renew"),
            number_or_null("release_us"),
            c.text("slices"),
            number("ticked_us"),
            number("version"),
            number_or_null("due_us"),
            flag("waiting"),
        ],
    )
    .refers("account_id", "accounts", Restrict)
    .refers("network_id", "networks", Restrict)
    .take()
}

fn rules(c: &Columns) -> TableCreateStatement {
    table(
        "rules",
        [
            c.key("id"),
            c.text("account_id"),
            c.text("plan_id"),
            c.text("name"),
            number("up_bps"),
            number("down_bps"),
            number("revision"),
            number("created_us"),
            number("version"),
        ],
    )
    .refers("account_id", "accounts", Restrict)
    .refers("plan_id", "plans", Restrict)
    .take()
}

fn instances(c: &Columns) -> TableCreateStatement {
    table(
        "instances",
        [
            c.key("id"),
            c.text("account_id"),
            c.text("network_id"),
            c.text("name"),
            c.text_or_null("external_id"),
            c.text("addresses"),
            c.text("internet"),
            c.text_or_null("rule_id"),
            number("revision"),
            number("created_us"),
            number("version"),
        ],
    )
    .refers("account_id", "accounts", Restrict)
    .refers("network_id", "networks", Restrict)
    .refers("rule_id", "rules", Restrict)
    .take()
}

fn events(c: &Columns) -> TableCreateStatement {
    table(
        "events",
        [
            number("revision"),
            number("number"),
            number("at_us"),
            c.text_or_null("account_id"),
            c.text("actor"),
            c.text("request_id"),
            c.text("kind"),
            c.text("subject"),
            c.text("detail"),
        ],
    )
    .primary_key(Index::create().col("revision").col("number"))
    .take()
}

fn idempotency(c: &Columns) -> TableCreateStatement {
    table(
        "idempotency",
        [
            c.text("owner"),
            c.text("operation"),
            c.text("client_token"),
            bytes("request_hash"),
            c.text("response"),
            number("created_us"),
        ],
    )
    .primary_key(Index::create().col("owner").col("operation").col("client_token"))
    .take()
}

fn indexes() -> Vec<IndexCreateStatement> {
    vec![
        unique("accounts", "accounts_name", ["name"]),
        unique("users", "users_name", ["name"]),
        unique("tokens", "tokens_hash", ["hash"]),
        unique("nodes", "nodes_name", ["name"]),
        unique("networks", "networks_name", ["account_id", "name"]),
        unique("networks", "networks_external_id", ["account_id", "external_id"]),
        unique("instances", "instances_name", ["network_id", "name"]),
        unique("instances", "instances_external_id", ["account_id", "external_id"]),
        unique("plans", "plans_network", ["network_id"]),
        unique("plans", "plans_external_id", ["account_id", "external_id"]),
        unique("rules", "rules_name", ["plan_id", "name"]),
        index("users", "users_account", ["account_id"]),
        index("tokens", "tokens_account", ["account_id"]),
        index("tokens", "tokens_node", ["node_id"]),
        index("tokens", "tokens_user", ["user_id"]),
        index("nodes", "nodes_region", ["region"]),
        index("networks", "networks_age", ["created_us", "id"]),
        index("networks", "networks_of_account", ["account_id", "created_us", "id"]),
        index("networks", "networks_default_rule", ["default_rule_id"]),
        index("networks", "networks_of_zone", ["region", "zone"]),
        index("plans", "plans_age", ["created_us", "id"]),
        index("plans", "plans_of_account", ["account_id", "created_us", "id"]),
        index("plans", "plans_due", ["due_us", "id"]),
        index("plans", "plans_waiting", ["region", "waiting"]),
        index("rules", "rules_age", ["created_us", "id"]),
        index("rules", "rules_of_account", ["account_id", "created_us", "id"]),
        index("instances", "instances_age", ["created_us", "id"]),
        index("instances", "instances_of_account", ["account_id", "created_us", "id"]),
        index("instances", "instances_of_network", ["network_id", "created_us", "id"]),
        index("instances", "instances_of_rule", ["rule_id"]),
        index("events", "events_of_account", ["account_id", "revision", "number"]),
        index("events", "events_of_subject", ["subject", "revision", "number"]),
        index("events", "events_at", ["at_us"]),
        index("idempotency", "idempotency_age", ["created_us"]),
    ]
}
