//! The one row of the installation: its identity and the number of the last change.

use jiff::Timestamp;
use limiter_domain::Revision;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseConnection, DatabaseTransaction, EntityTrait,
    IntoActiveModel, QueryFilter, QuerySelect, Set, TransactionTrait,
};

use super::error::StoreError;
use super::{node, value};

#[expect(unreachable_pub, reason = "what derives from a row is public")]
mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "installation")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i64,
        pub incarnation: String,
        pub revision: i64,
        pub created_us: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) use row::Model as Installation;

/// The only row's identity.
const ID: i64 = 1;

/// The installation; a new database and a restored one get an incarnation of their own.
pub(super) async fn ensure(
    connection: &DatabaseConnection,
    now: Timestamp,
) -> Result<Installation, StoreError> {
    let found = row::Entity::find_by_id(ID).one(connection).await?;
    if let Some(found) = found.filter(|found| !found.incarnation.is_empty()) {
        return Ok(found);
    }
    let transaction = connection.begin().await?;
    let first =
        row::Model { id: ID, incarnation: String::new(), revision: 0, created_us: value::micros(now) };
    let keep = sea_orm::sea_query::OnConflict::column(row::Column::Id).value(row::Column::Id, ID).to_owned();
    row::Entity::insert(first.into_active_model())
        .on_conflict(keep)
        .exec_without_returning(&transaction)
        .await?;
    // Two processes may be here: the insert made the later one wait, and it takes what the first one left.
    let row = row::Entity::find_by_id(ID).one(&transaction).await?;
    let row = row.ok_or_else(|| StoreError::Broken("the row of the installation is gone".to_owned()))?;
    let row = if row.incarnation.is_empty() { renew(&transaction, row).await? } else { row };
    transaction.commit().await?;
    Ok(row)
}

/// Gives the database a new identity: nodes then take their whole state anew, and nothing they acknowledged
/// to the database this one was copied from counts.
pub(super) async fn renew(
    transaction: &DatabaseTransaction,
    row: Installation,
) -> Result<Installation, StoreError> {
    node::forget_acks(transaction).await?;
    let mut row = row.into_active_model();
    row.incarnation = Set(format!("{:032x}", rand::random::<u128>()));
    Ok(row.update(transaction).await?)
}

/// As [`renew`], whatever incarnation it has.
pub(super) async fn renew_now(connection: &DatabaseConnection) -> Result<Installation, StoreError> {
    let transaction = connection.begin().await?;
    next_revision(&transaction).await?;
    let row = row::Entity::find_by_id(ID).one(&transaction).await?;
    let row = row.ok_or_else(|| StoreError::Broken("the row of the installation is gone".to_owned()))?;
    let row = renew(&transaction, row).await?;
    transaction.commit().await?;
    Ok(row)
}

/// The number of the last change that this transaction sees.
pub(super) async fn revision<C: ConnectionTrait>(connection: &C) -> Result<Revision, StoreError> {
    let query =
        row::Entity::find().select_only().column(row::Column::Revision).filter(row::Column::Id.eq(ID));
    let revision: Option<i64> = query.into_tuple().one(connection).await?;
    value::revision(revision.unwrap_or_default())
}

/// Takes the next number; other writers wait until this transaction is over.
pub(super) async fn next_revision(transaction: &DatabaseTransaction) -> Result<Revision, StoreError> {
    let update = Query::update()
        .table(row::Entity)
        .value(row::Column::Revision, Expr::col(row::Column::Revision).add(1))
        .and_where(Expr::col(row::Column::Id).eq(ID))
        .returning_col(row::Column::Revision)
        .to_owned();
    let row = transaction.query_one(&update).await?;
    let row = row.ok_or_else(|| StoreError::Broken("the row of the installation is gone".to_owned()))?;
    value::revision(row.try_get_by_index(0)?)
}
