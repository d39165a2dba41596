//! Regions: the revision of the last change that their nodes must know.

use limiter_domain::Revision;
use sea_orm::EntityTrait;

use super::error::StoreError;
use super::row::Row;
use super::tx::{Tx, Write};
use super::value::{self, Reader};

#[expect(unreachable_pub, reason = "what derives from a row is public")]
mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "regions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        pub revision: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use row::Entity;

impl Row for row::Model {
    type Thing = (String, Revision);

    fn of((name, revision): &(String, Revision)) -> Self {
        Self { name: name.clone(), revision: value::number(*revision) }
    }

    fn thing(self) -> Result<(String, Revision), StoreError> {
        let revision = Reader::new("regions", &self.name).number("revision", self.revision)?;
        Ok((self.name, revision))
    }
}

impl Tx {
    /// The last change that nodes of a region must know; 0 where there was none.
    pub async fn region_revision(&self, region: &str) -> Result<Revision, StoreError> {
        Ok(self.one(Entity::find_by_id(region)).await?.map_or(0, |(_, revision)| revision))
    }

    /// The last change of every region that had one.
    pub async fn region_revisions(&self) -> Result<Vec<(String, Revision)>, StoreError> {
        self.all(Entity::find()).await
    }
}

impl Write {
    /// Nodes of this region have something new: its revision becomes that of this transaction.
    pub async fn touch_region(&self, region: &str) -> Result<(), StoreError> {
        self.put_rows::<Entity>(vec![Row::of(&(region.to_owned(), self.revision()))], &[]).await
    }
}
