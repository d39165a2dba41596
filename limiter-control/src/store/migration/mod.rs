//! The schema, in steps that only go forward. What a step did is never edited: a new step changes it.

mod column;
mod m0001_first;
mod m0002_news;
mod m0003_addresses;
mod m0004_usage;
mod m0005_money;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionTrait,
};
use sea_orm_migration::{MigrationTrait, MigratorTrait, SchemaManager};

use super::error::StoreError;

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_first::Step),
            Box::new(m0002_news::Step),
            Box::new(m0003_addresses::Step),
            Box::new(m0004_usage::Step),
            Box::new(m0005_money::Step),
        ]
    }
}

/// One number for all programs that lock a PostgreSQL database to change its schema.
const LOCK: i64 = 0x6c69_6d69_7465_7201;

/// Brings the schema up to date: all missing steps or none. Programs that start at the same time wait for
/// each other.
pub(super) async fn migrate(connection: &DatabaseConnection) -> Result<(), StoreError> {
    if is_current(connection).await? {
        return Ok(());
    }
    let options = match connection.get_database_backend() {
        DbBackend::Sqlite => TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        },
        _ => TransactionOptions::default(),
    };
    let transaction = connection.begin_with_options(options).await?;
    lock(&transaction).await?;
    Migrator::up(&transaction, None).await?;
    Ok(transaction.commit().await?)
}

/// True where nothing is to do, which is asked without a lock: a database that others fill can be opened.
async fn is_current(connection: &DatabaseConnection) -> Result<bool, StoreError> {
    let applied = applied(connection).await?;
    let known: Vec<_> = Migrator::migrations().iter().map(|migration| migration.name().to_owned()).collect();
    if let Some(found) = applied.iter().rev().find(|version| !known.contains(version)) {
        let known = known.last().cloned().unwrap_or_default();
        return Err(StoreError::NewerSchema { found: found.clone(), known });
    }
    Ok(applied.len() == known.len())
}

/// Steps that were applied, in order.
async fn applied(connection: &DatabaseConnection) -> Result<Vec<String>, StoreError> {
    let table = Migrator::migration_table_name().to_string();
    if !SchemaManager::new(connection).has_table(table).await? {
        return Ok(Vec::new());
    }
    let models = Migrator::get_migration_models(connection).await?;
    Ok(models.into_iter().map(|model| model.version).collect())
}

async fn lock(transaction: &DatabaseTransaction) -> Result<(), StoreError> {
    if transaction.get_database_backend() == DbBackend::Postgres {
        let lock = Statement::from_sql_and_values(
            DbBackend::Postgres,
            "SELECT pg_advisory_xact_lock($1)",
            [LOCK.into()],
        );
        transaction.execute_raw(lock).await?;
    }
    Ok(())
}
