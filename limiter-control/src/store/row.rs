//! What all tables have in common: rows are read, counted, listed in parts, put and removed alike.

use std::collections::HashMap;

use sea_orm::sea_query::{Alias, Expr, ExprTrait, OnConflict};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DeleteMany, EntityTrait, IntoActiveModel, Iterable, ModelTrait, Order,
    PaginatorTrait, PrimaryKeyToColumn, QueryFilter, QueryOrder, QuerySelect, Select, UpdateMany, Value,
};

use super::error::StoreError;
use super::page::{Cursor, Page, Paging};
use super::tx::{Tx, Write};

/// A row, and what it stands for.
pub(super) trait Row: ModelTrait + Sized {
    /// What it stands for.
    type Thing;

    /// The row of a thing.
    fn of(thing: &Self::Thing) -> Self;

    /// The thing of a row; an error where this program could not have written it.
    fn thing(self) -> Result<Self::Thing, StoreError>;
}

/// Rows that are listed by age, and within one instant by identity.
pub(super) trait Aged: EntityTrait {
    /// Microseconds of the row's making.
    const CREATED: Self::Column;
    /// Its identity.
    const ID: Self::Column;
}

/// Most values bound to one statement: SQLite takes 32,766, PostgreSQL 65,535, and longer statements
/// cost memory and are no faster.
const BOUND_MAX: usize = 8_000;

/// Rows fetched at a time where there may be many: SQLite's driver keeps 4 KB for each row it has fetched.
const FETCHED_MAX: u64 = 4_000;

/// Most identities asked for in one statement.
pub(super) const ASKED_MAX: usize = 1_000;

impl Tx {
    pub(super) async fn one<E>(
        &self,
        query: Select<E>,
    ) -> Result<Option<<E::Model as Row>::Thing>, StoreError>
    where
        E: EntityTrait,
        E::Model: Row,
    {
        self.checked(query.one(self.connection()).await)?.map(Row::thing).transpose()
    }

    pub(super) async fn all<E>(&self, query: Select<E>) -> Result<Vec<<E::Model as Row>::Thing>, StoreError>
    where
        E: EntityTrait,
        E::Model: Row,
    {
        self.checked(query.all(self.connection()).await)?.into_iter().map(Row::thing).collect()
    }

    /// All rows, however many, in the order of `columns`, which together tell them apart; an index on the
    /// columns, or on more with those before fixed, answers it.
    pub(super) async fn all_by<E, const N: usize>(
        &self,
        query: Select<E>,
        columns: [E::Column; N],
    ) -> Result<Vec<<E::Model as Row>::Thing>, StoreError>
    where
        E: EntityTrait,
        E::Model: Row + ModelTrait<Entity = E>,
    {
        let mut query = query;
        for column in columns {
            query = query.order_by(column, Order::Asc);
        }
        let mut things = Vec::new();
        let mut part = query.clone();
        loop {
            let rows = self.checked(part.limit(FETCHED_MAX).all(self.connection()).await)?;
            let is_last = (rows.len() as u64) < FETCHED_MAX;
            let place = rows.last().map(|row| columns.map(|column| Expr::value(row.get(column))));
            things.reserve(rows.len());
            for row in rows {
                things.push(row.thing()?);
            }
            let Some(place) = place.filter(|_| !is_last) else { return Ok(things) };
            part = query.clone().filter(behind(columns, place));
        }
    }

    /// Those of `query` whose `column` is one of `values`, in no order.
    pub(super) async fn all_of<E>(
        &self,
        query: Select<E>,
        column: E::Column,
        values: &[&str],
    ) -> Result<Vec<<E::Model as Row>::Thing>, StoreError>
    where
        E: EntityTrait,
        E::Model: Row,
    {
        let mut found = Vec::with_capacity(values.len());
        for values in values.chunks(ASKED_MAX) {
            let part = query.clone().filter(column.is_in(values.iter().copied()));
            found.extend(self.all(part).await?);
        }
        Ok(found)
    }

    pub(super) async fn count<E>(&self, query: Select<E>) -> Result<u64, StoreError>
    where
        E: EntityTrait,
        E::Model: Row + Sync,
    {
        self.checked(query.count(self.connection()).await)
    }

    /// How many rows of `query` have each value of the text `column`.
    pub(super) async fn count_by<E: EntityTrait>(
        &self,
        query: Select<E>,
        column: E::Column,
    ) -> Result<HashMap<String, u64>, StoreError> {
        let query = query.select_only().column(column).column_as(column.count(), "rows").group_by(column);
        let rows: Vec<(String, i64)> = self.checked(query.into_tuple().all(self.connection()).await)?;
        Ok(rows.into_iter().map(|(value, count)| (value, count.unsigned_abs())).collect())
    }

    pub(super) async fn page<E>(
        &self,
        query: Select<E>,
        paging: &Paging,
    ) -> Result<Page<<E::Model as Row>::Thing>, StoreError>
    where
        E: Aged,
        E::Model: Row + ModelTrait<Entity = E>,
    {
        let mut query = query;
        if let Some(after) = &paging.after {
            let place = [Expr::value(after.position), Expr::value(after.id.as_str())];
            query = query.filter(behind([E::CREATED, E::ID], place));
        }
        let rows = paging.rows();
        let query = query
            .order_by(E::CREATED, Order::Asc)
            .order_by(E::ID, Order::Asc)
            .limit(u64::try_from(rows + 1).unwrap_or(u64::MAX));
        let mut found = self.checked(query.all(self.connection()).await)?;
        let more = found.len() > rows;
        found.truncate(rows);
        let next = found.last().filter(|_| more).map(place::<E>);
        let items = found.into_iter().map(Row::thing).collect::<Result<_, _>>()?;
        Ok(Page { items, next })
    }
}

/// Compared as one value, which both engines answer from an index on the columns.
fn behind<C: ColumnTrait, const N: usize>(columns: [C; N], place: [Expr; N]) -> Expr {
    let columns = columns.map(|column| Expr::col((column.entity_name(), column)));
    Expr::tuple(columns).gt(Expr::tuple(place))
}

fn place<E: Aged>(row: &E::Model) -> Cursor
where
    E::Model: ModelTrait<Entity = E>,
{
    let position = match row.get(E::CREATED) {
        Value::BigInt(Some(micros)) => micros,
        _ => 0,
    };
    let id = match row.get(E::ID) {
        Value::String(Some(id)) => id,
        _ => String::new(),
    };
    Cursor { position, id }
}

impl Write {
    /// Inserts rows, or replaces those of the same key but for their columns `kept`. No key comes twice.
    pub(super) async fn put_rows<E>(&self, rows: Vec<E::Model>, kept: &[&str]) -> Result<(), StoreError>
    where
        E: EntityTrait,
        E::Model: IntoActiveModel<E::ActiveModel>,
        E::ActiveModel: ActiveModelTrait<Entity = E>,
    {
        let keys: Vec<_> = E::PrimaryKey::iter().map(|key| name(key.into_column())).collect();
        let updated = E::Column::iter().map(name);
        let updated = updated.filter(|column| !kept.contains(column) && !keys.contains(column));
        let replace = OnConflict::columns(keys.iter().map(|key| Alias::new(*key)))
            .update_columns(updated.map(Alias::new))
            .to_owned();
        let most = BOUND_MAX / E::Column::iter().count().max(1);
        let mut rows = rows.into_iter();
        while !rows.as_slice().is_empty() {
            let part = rows.by_ref().take(most).map(IntoActiveModel::into_active_model);
            let insert = E::insert_many(part).on_conflict(replace.clone());
            self.checked(insert.exec_without_returning(self.connection()).await)?;
        }
        Ok(())
    }

    /// Changes rows; gives their number.
    pub(super) async fn update_rows<E: EntityTrait>(&self, which: UpdateMany<E>) -> Result<u64, StoreError> {
        Ok(self.checked(which.exec(self.connection()).await)?.rows_affected)
    }

    /// Removes the row of a key; false where there is none.
    pub(super) async fn remove_row<E: Aged>(&self, id: &str) -> Result<bool, StoreError> {
        Ok(self.remove_rows(E::delete_many().filter(E::ID.eq(id))).await? > 0)
    }

    /// Removes the rows of many keys; gives the number of those that were there.
    pub(super) async fn remove_all<E: Aged>(&self, ids: &[&str]) -> Result<u64, StoreError> {
        let mut removed = 0;
        for ids in ids.chunks(ASKED_MAX) {
            removed += self.remove_rows(E::delete_many().filter(E::ID.is_in(ids.iter().copied()))).await?;
        }
        Ok(removed)
    }

    /// Removes rows; gives their number.
    pub(super) async fn remove_rows<E: EntityTrait>(&self, which: DeleteMany<E>) -> Result<u64, StoreError> {
        Ok(self.checked(which.exec(self.connection()).await)?.rows_affected)
    }
}

fn name<C: ColumnTrait>(column: C) -> &'static str {
    column.as_str()
}
