//! Rows that are added and never replaced.

use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel};

use super::error::StoreError;
use super::tx::Write;

/// Most rows added with one statement.
const ADDED_MAX: usize = 500;

impl Write {
    /// Inserts rows. One of a key that is there is a conflict.
    pub(super) async fn add_rows<E>(&self, rows: Vec<E::Model>) -> Result<(), StoreError>
    where
        E: EntityTrait,
        E::Model: IntoActiveModel<E::ActiveModel>,
        E::ActiveModel: ActiveModelTrait<Entity = E>,
    {
        let mut rows = rows.into_iter();
        while !rows.as_slice().is_empty() {
            let part = rows.by_ref().take(ADDED_MAX).map(IntoActiveModel::into_active_model);
            let insert = E::insert_many(part);
            self.checked(insert.exec_without_returning(self.connection()).await)?;
        }
        Ok(())
    }
}
