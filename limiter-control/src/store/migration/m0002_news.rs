//! The last change that the nodes of a network must know is kept with the network, not with its region.

use sea_orm_migration::prelude::*;

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &'static str {
        "m0002_news"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let news = ColumnDef::new("news_revision").big_integer().not_null().default(0).take();
        manager.alter_table(Table::alter().table("networks").add_column(news).take()).await?;
        // Every node looks once at what it has.
        let last = Query::select().column("revision").from("installation").take();
        let all = Query::update()
            .table("networks")
            .value("news_revision", SimpleExpr::SubQuery(None, Box::new(last.into())))
            .take();
        manager.get_connection().execute(&all).await?;
        let indexes = [
            Index::create().name("networks_news").table("networks").col("news_revision").take(),
            Index::create()
                .name("instances_changed")
                .table("instances")
                .col("network_id")
                .col("revision")
                .take(),
            Index::create().name("rules_changed").table("rules").col("plan_id").col("revision").take(),
        ];
        for index in indexes {
            manager.create_index(index).await?;
        }
        manager.drop_table(Table::drop().table("regions").take()).await
    }
}
