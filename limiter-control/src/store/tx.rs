//! Transactions: one type that reads, one that also writes.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use limiter_domain::Revision;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement};
use tokio::sync::watch;

use super::changes::{CHANNEL, wake};
use super::error::StoreError;

/// What both kinds of transaction can do: read.
pub struct Tx {
    transaction: DatabaseTransaction,
    revision: Revision,
    failed: AtomicBool,
}

/// An unchanging view of what was committed.
pub struct Read(Tx);

/// A transaction that changes things: all of it or, where it is dropped or fails, nothing. After an error
/// nothing more can be done with it.
pub struct Write {
    tx: Tx,
    events: AtomicI64,
    /// Who is woken; nobody where the transaction is no change.
    changes: Option<Arc<watch::Sender<Revision>>>,
}

impl Tx {
    pub(super) fn new(transaction: DatabaseTransaction, revision: Revision) -> Self {
        Self { transaction, revision, failed: AtomicBool::new(false) }
    }

    /// The last change that a [`Read`] sees; the change that a [`Write`] will be.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    pub(super) fn connection(&self) -> &DatabaseTransaction {
        &self.transaction
    }

    /// PostgreSQL gives up a transaction whose statement failed, SQLite does not: here both do.
    pub(super) fn checked<T>(&self, result: Result<T, DbErr>) -> Result<T, StoreError> {
        result.map_err(|error| {
            self.failed.store(true, Ordering::Relaxed);
            error.into()
        })
    }
}

impl Read {
    pub(super) fn new(tx: Tx) -> Self {
        Self(tx)
    }
}

impl Deref for Read {
    type Target = Tx;

    fn deref(&self) -> &Tx {
        &self.0
    }
}

impl Deref for Write {
    type Target = Tx;

    fn deref(&self) -> &Tx {
        &self.tx
    }
}

impl Write {
    pub(super) fn new(tx: Tx, changes: Option<Arc<watch::Sender<Revision>>>) -> Self {
        Self { tx, events: AtomicI64::new(0), changes }
    }

    /// Places for `count` events of this transaction; gives the first.
    pub(super) fn next_events(&self, count: i64) -> i64 {
        self.events.fetch_add(count, Ordering::Relaxed)
    }

    /// Makes everything durable and visible, then wakes those who wait for changes.
    ///
    /// # Errors
    /// Nothing was kept; but where the connection was lost at the very moment of the commit
    /// ([`StoreError::Unreachable`]), it may have been: read before writing again.
    pub async fn commit(self) -> Result<Revision, StoreError> {
        let Self { tx, changes, .. } = self;
        if tx.failed.load(Ordering::Relaxed) {
            let reason = "a transaction is to be dropped after a failed statement, not committed";
            return Err(StoreError::Broken(reason.to_owned()));
        }
        let Some(changes) = changes else {
            tx.transaction.commit().await?;
            return Ok(tx.revision);
        };
        if tx.transaction.get_database_backend() == DbBackend::Postgres {
            let values = [CHANNEL.into(), tx.revision.to_string().into()];
            let notify =
                Statement::from_sql_and_values(DbBackend::Postgres, "SELECT pg_notify($1, $2)", values);
            tx.transaction.execute_raw(notify).await?;
        }
        tx.transaction.commit().await?;
        wake(&changes, tx.revision);
        Ok(tx.revision)
    }
}
