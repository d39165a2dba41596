//! The store: everything that outlives the process, on SQLite or PostgreSQL, through one code path.
//!
//! Every change is one transaction with the next [`Revision`]. [`Store::write`] takes it with its first
//! statement, which also makes the writers of all processes queue; [`Store::read`] gives an unchanging view.
//! Both read through [`Tx`]; each table family has a file with its row, its queries and its conversions.
//! Times are kept to the microsecond.

mod account;
mod address;
mod address_use;
mod append;
mod backup;
mod bill;
mod carried;
mod changes;
mod code;
mod engine;
mod error;
mod event;
mod idempotency;
mod installation;
mod instance;
mod ledger;
mod line;
mod migration;
mod network;
mod news;
mod node;
mod page;
mod plan;
mod price_book;
mod purchase;
mod purse;
mod row;
mod rule;
mod segment;
mod statement;
mod token;
mod tx;
mod usage_hour;
mod usage_source;
mod user;
mod value;

use std::sync::Arc;

use jiff::Timestamp;
use limiter_domain::Revision;
use sea_orm::{AccessMode, DbBackend, IsolationLevel, TransactionOptions, TransactionTrait};
use tokio::sync::watch;

pub use address::AddressFilter;
pub use address_use::AddressUseFilter;
pub use bill::NextHour;
pub use carried::Carried;
pub use error::{Constraint, StoreError};
pub use event::EventFilter;
pub use idempotency::IdempotencyRecord;
pub use instance::InstanceFilter;
pub use line::LineFilter;
pub use network::NetworkFilter;
pub use news::Touched;
pub use node::{Ack, Seen};
pub use page::{Cursor, CursorError, PAGE_MAX, Page, Paging};
pub use plan::PlanFilter;
pub use purchase::OrderFilter;
pub use purse::KeptPurse;
pub use rule::RuleFilter;
pub use statement::KeptStatement;
pub use token::TokenFilter;
pub use tx::{Read, Tx, Write};
pub use usage_hour::{InstanceHour, NetworkHour};

use changes::Changes;
use engine::{Connections, Location, not_begun};

/// A database of ours. Cheap to clone; the last clone closes it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    location: Location,
    connections: Connections,
    incarnation: String,
    changes: Changes,
}

impl Store {
    /// Opens the database at `url` (`sqlite:/path/to/file.db` or `postgres://user@host/database`), makes it
    /// where it is missing, and brings its schema up to date. `now` dates a new database.
    ///
    /// # Errors
    /// [`StoreError::NewerSchema`] where a newer program was here; nothing is changed then.
    pub async fn open(url: &str, now: Timestamp) -> Result<Self, StoreError> {
        let location: Location = url.parse()?;
        let connections = location.clone().connect()?;
        let writer = &connections.writer;
        writer.ping().await.map_err(|error| not_begun(writer, error))?;
        migration::migrate(writer).await?;
        let installation = installation::ensure(writer, now).await?;
        let revision = value::revision(installation.revision)?;
        let changes = Changes::start(revision, connections.notifier.clone(), connections.readers.clone());
        let incarnation = installation.incarnation;
        Ok(Self { inner: Arc::new(Inner { location, connections, incarnation, changes }) })
    }

    /// Identity of the database, made at its first opening. A restored backup has another one.
    pub fn incarnation(&self) -> &str {
        &self.inner.incarnation
    }

    /// `sqlite` or `postgres`.
    pub fn engine(&self) -> &'static str {
        match self.inner.connections.readers.get_database_backend() {
            DbBackend::Sqlite => "sqlite",
            _ => "postgres",
        }
    }

    /// An unchanging view of what is committed.
    pub async fn read(&self) -> Result<Read, StoreError> {
        let readers = &self.inner.connections.readers;
        let options = match readers.get_database_backend() {
            // SQLite's transactions are such views by themselves.
            DbBackend::Sqlite => TransactionOptions::default(),
            _ => TransactionOptions {
                isolation_level: Some(IsolationLevel::RepeatableRead),
                access_mode: Some(AccessMode::ReadOnly),
                ..TransactionOptions::default()
            },
        };
        let transaction = readers.begin_with_options(options).await;
        let transaction = transaction.map_err(|error| not_begun(readers, error))?;
        // The view is taken by the first statement, not by the begin.
        let revision = installation::revision(&transaction).await?;
        Ok(Read::new(Tx::new(transaction, revision)))
    }

    /// Closes all connections, those of clones too; SQLite then has one file alone. What is under way ends
    /// first.
    pub async fn close(self) {
        let Connections { writer, readers, .. } = &self.inner.connections;
        for pool in [readers, writer] {
            // Closing a pool cannot fail.
            let _ = pool.close_by_ref().await;
        }
    }

    /// A transaction that may change things, the only one at a time in all processes. It waits for the one
    /// before, at most 5 s ([`StoreError::Busy`]).
    pub async fn write(&self) -> Result<Write, StoreError> {
        let writer = &self.inner.connections.writer;
        let transaction = writer.begin().await.map_err(|error| not_begun(writer, error))?;
        // As the first statement it waits for other writers before it sees anything, so that nothing read
        // later is stale, and no lock has to be upgraded.
        let revision = installation::next_revision(&transaction).await?;
        Ok(Write::new(Tx::new(transaction, revision), Some(self.inner.changes.sender())))
    }

    /// A transaction that is no change: it takes no revision, wakes nobody and has no events. Its first statement
    /// must be one that writes, so that it takes its turn before it sees anything.
    pub async fn write_unnumbered(&self) -> Result<Write, StoreError> {
        let writer = &self.inner.connections.writer;
        let transaction = writer.begin().await.map_err(|error| not_begun(writer, error))?;
        Ok(Write::new(Tx::new(transaction, 0), None))
    }

    /// The newest committed revision this process knows of. Waiters wake at once for writes of this process,
    /// and on PostgreSQL for those of other replicas, too.
    pub fn changes(&self) -> watch::Receiver<Revision> {
        self.inner.changes.subscribe()
    }
}
