//! Money: what was paid for terms that have not begun.

use sea_orm_migration::prelude::*;

use super::column::number;

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &'static str {
        "m0005_money"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let prepaid = number("prepaid_micro").default(0).take();
        manager.alter_table(Table::alter().table("plans").add_column(prepaid).take()).await
    }
}
