//! Price books: added, never changed.

use std::sync::Arc;

use jiff::Timestamp;
use limiter_domain::price::{Books, PriceBook, Tier};
use sea_orm::EntityTrait;

use super::error::StoreError;
use super::row::Row;
use super::tx::{Tx, Write};
use super::value::{self, Reader};

#[expect(unreachable_pub, reason = "what derives from a row is public")]
pub(super) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "price_books")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub version: i64,
        pub effective_us: i64,
        pub currency: String,
        pub items: String,
        pub created_us: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use row::Entity;

/// The tiers of one item as they are kept: where each ends, and its price.
type KeptItem = (String, Vec<(Option<u64>, i64)>);

impl Row for row::Model {
    type Thing = PriceBook;

    /// Made at no time.
    fn of(book: &PriceBook) -> Self {
        let tier = |tier: &Tier| (tier.up_to_bps, tier.micro_per_unit);
        let item = |(name, tiers): (String, &[Tier])| (name, tiers.iter().map(tier).collect());
        let items: Vec<KeptItem> = book.items().into_iter().map(item).collect();
        Self {
            version: book.version.into(),
            effective_us: value::micros(book.effective_from),
            currency: book.currency.map(|currency| currency.to_string()).unwrap_or_default(),
            items: value::json(&items),
            created_us: 0,
        }
    }

    fn thing(self) -> Result<PriceBook, StoreError> {
        let id = self.version.to_string();
        let read = Reader::new("price_books", &id);
        let items: Vec<KeptItem> = read.json("items", &self.items)?;
        let tier = |(up_to_bps, micro_per_unit)| Tier { up_to_bps, micro_per_unit };
        let item = |(name, tiers): KeptItem| (name, tiers.into_iter().map(tier).collect());
        let version = u32::try_from(self.version).map_err(|_| read.bad("version"))?;
        let from = read.time("effective_us", self.effective_us)?;
        let items = items.into_iter().map(item).collect();
        PriceBook::kept(version, from, &self.currency, items).map_err(|_| read.bad("items"))
    }
}

impl Tx {
    /// All price books.
    pub async fn price_books(&self) -> Result<Books, StoreError> {
        let books = self.all(Entity::find()).await?;
        Ok(Books::new(books.into_iter().map(Arc::new).collect()))
    }
}

impl Write {
    /// Adds a price book.
    pub async fn add_price_book(&self, book: &PriceBook, now: Timestamp) -> Result<(), StoreError> {
        self.add_rows::<Entity>(vec![row::Model { created_us: value::micros(now), ..Row::of(book) }]).await
    }
}
