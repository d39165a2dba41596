//! Money: price books, what accounts have, what moved it, when plans had which peak, and what months cost.

use sea_orm_migration::prelude::*;
use sea_query::ForeignKeyAction::Restrict;

use super::column::{Columns, Refers as _, flag, index, number, number_or_null, table, unique, with};

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &'static str {
        "m0005_money"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns(manager.get_database_backend());
        let prepaid = number("prepaid_micro").default(0).take();
        manager.alter_table(Table::alter().table("plans").add_column(prepaid).take()).await?;
        let tables = [
            price_books(&c),
            purses(&c),
            ledger(&c),
            orders(&c),
            segments(&c),
            bills(&c),
            lines(&c),
            statements(&c),
        ];
        for table in tables {
            manager.create_table(table).await?;
        }
        let indexes = [
            index("purses", "purses_suspending", ["suspends_us"]),
            index("purses", "purses_stating", ["states_us"]),
            unique("ledger", "ledger_source", ["kind", "source"]),
            index("ledger", "ledger_of_month", ["account_id", "month", "number"]),
            index("orders", "orders_of_account", ["account_id", "at_us", "id"]),
            index("orders", "orders_of_plan", ["plan_id", "at_us", "id"]),
            index("segments", "segments_ended", ["plan_id", "to_us"]),
            index("bills", "bills_due", ["due_us", "next_us", "plan_id"]),
            index("bills", "bills_of_account", ["account_id", "due_us"]),
            index("bill_lines", "bill_lines_of_month", ["account_id", "month", "hour_us"]),
        ];
        for index in indexes {
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

fn price_books(c: &Columns) -> TableCreateStatement {
    let version = ColumnDef::new("version").big_integer().not_null().primary_key().take();
    table(
        "price_books",
        [version, number("effective_us"), c.text("currency"), c.text("items"), number("created_us")],
    )
}

fn purses(c: &Columns) -> TableCreateStatement {
    table(
        "purses",
        [
            c.key("account_id"),
            number("balance_micro"),
            number("credit_limit_micro"),
            number("discount_bp"),
            c.text("standing"),
            number_or_null("overdue_since_us"),
            number("entries"),
            c.text_or_null("month"),
            number_or_null("suspends_us"),
            number_or_null("states_us"),
        ],
    )
    .refers("account_id", "accounts", Restrict)
    .take()
}

fn ledger(c: &Columns) -> TableCreateStatement {
    let table = table(
        "ledger",
        [
            c.text("account_id"),
            number("number"),
            c.text("kind"),
            c.text("source"),
            number("amount_micro"),
            number("balance_micro"),
            number("at_us"),
            c.text("month"),
            c.text("detail"),
        ],
    );
    keyed(table, ["account_id", "number"]).refers("account_id", "accounts", Restrict).take()
}

fn orders(c: &Columns) -> TableCreateStatement {
    table(
        "orders",
        [
            c.key("id"),
            c.text("account_id"),
            c.text("plan_id"),
            c.text("kind"),
            number("at_us"),
            number("original_micro"),
            number("amount_micro"),
            number("book"),
            c.text("detail"),
        ],
    )
}

fn segments(c: &Columns) -> TableCreateStatement {
    let table = table(
        "segments",
        [c.text("plan_id"), number("number"), number("from_us"), number_or_null("to_us"), number("peak_bps")],
    );
    keyed(table, ["plan_id", "number"])
}

/// The next hour of each plan that is to be billed.
fn bills(c: &Columns) -> TableCreateStatement {
    table("bills", [c.key("plan_id"), c.text("account_id"), number("next_us"), number("due_us")])
}

fn lines(c: &Columns) -> TableCreateStatement {
    let table = with(
        table("bill_lines", [c.text("plan_id"), c.text("item"), number("hour_us"), number("revision")]),
        [
            c.text("account_id"),
            c.text("month"),
            number("quantity"),
            number("original_micro"),
            number("amount_micro"),
            number("discount_bp"),
            number("book"),
            flag("held"),
        ],
    );
    keyed(table, ["plan_id", "item", "hour_us", "revision"])
}

fn statements(c: &Columns) -> TableCreateStatement {
    let table = table(
        "statements",
        [
            c.text("account_id"),
            c.text("month"),
            number("opening_micro"),
            number("hours_micro"),
            number("round_down_micro"),
            number("total_micro"),
            number("closing_micro"),
            number("issued_us"),
        ],
    );
    keyed(table, ["account_id", "month"]).refers("account_id", "accounts", Restrict).take()
}

fn keyed<const N: usize>(table: TableCreateStatement, columns: [&'static str; N]) -> TableCreateStatement {
    let mut key = Index::create();
    for column in columns {
        key.col(column);
    }
    let mut table = table;
    table.primary_key(&mut key).take()
}
