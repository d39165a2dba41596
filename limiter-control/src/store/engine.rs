//! The two engines: from a URL to one connection that writes and several that read.

use std::fs::{OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sea_orm::sqlx::{ConnectOptions, PgPool};
use sea_orm::{DatabaseConnection, DbBackend, DbErr, SqlxPostgresConnector, SqlxSqliteConnector};
use tracing::log::LevelFilter;

use super::error::StoreError;

/// How long one waits for others before the database is called busy.
const BUSY: Duration = Duration::from_secs(5);
/// A client that stops in the middle of a transaction holds others up no longer than this.
const IDLE_IN_TRANSACTION: &str = "60s";
/// Statements that take longer are logged, without their values.
const SLOW: Duration = Duration::from_secs(1);
/// Readers beside the one writer. Each costs up to 2 MB on SQLite, a server process on PostgreSQL.
const READERS: u32 = 4;

/// Rows that SQLite's thread fetches ahead of who asked: fewer make the two threads wait for each other.
const ROWS_AHEAD: usize = 500;

/// What the writer keeps of an SQLite file, in KiB by the sign: bulk writes touch pages all over its indexes.
const WRITER_CACHE: &str = "-16384";

/// Where the database is.
#[derive(Clone)]
pub(super) enum Location {
    /// A file of this machine.
    Sqlite(PathBuf),
    /// A server.
    Postgres(Box<PgConnectOptions>),
}

/// Open connections.
pub(super) struct Connections {
    /// One connection: writers of this process queue for it, in order.
    pub(super) writer: DatabaseConnection,
    /// Several, for reading.
    pub(super) readers: DatabaseConnection,
    /// The pool to listen with, on PostgreSQL.
    pub(super) notifier: Option<PgPool>,
}

impl FromStr for Location {
    type Err = StoreError;

    fn from_str(url: &str) -> Result<Self, StoreError> {
        if let Some(rest) = url.strip_prefix("sqlite:") {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            if path.is_empty() || path.contains([':', '?', '\0']) {
                let reason = "a path without `:` and `?` is to follow `sqlite:`".to_owned();
                return Err(StoreError::Url { reason });
            }
            return Ok(Self::Sqlite(path.into()));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let options = PgConnectOptions::from_str(url)?
                .application_name("limiter-control")
                .options([
                    ("lock_timeout", format!("{}s", BUSY.as_secs()).as_str()),
                    ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION),
                ])
                .log_statements(LevelFilter::Trace)
                .log_slow_statements(LevelFilter::Warn, SLOW);
            return Ok(Self::Postgres(Box::new(options)));
        }
        Err(StoreError::Url { reason: "it begins with neither `sqlite:` nor `postgres://`".to_owned() })
    }
}

impl Location {
    /// Connects; makes a file that is not there.
    pub(super) fn connect(self) -> Result<Connections, StoreError> {
        match self {
            Self::Sqlite(path) => {
                make_private(&path)?;
                let options = sqlite_options(&path);
                let pool = |size| {
                    SqlitePoolOptions::new()
                        .max_connections(size)
                        .acquire_timeout(BUSY)
                        .idle_timeout(None)
                        .max_lifetime(None)
                };
                let writer = options.clone().pragma("cache_size", WRITER_CACHE);
                let writer = pool(1).connect_lazy_with(writer);
                let readers = pool(READERS).connect_lazy_with(options.pragma("query_only", "on"));
                Ok(Connections {
                    writer: SqlxSqliteConnector::from_sqlx_sqlite_pool(writer),
                    readers: SqlxSqliteConnector::from_sqlx_sqlite_pool(readers),
                    notifier: None,
                })
            }
            Self::Postgres(options) => {
                let pool = |size| PgPoolOptions::new().max_connections(size).acquire_timeout(BUSY);
                let writer = pool(1).connect_lazy_with((*options).clone());
                let readers = pool(READERS).connect_lazy_with((*options).clone());
                let notifier = pool(1).connect_lazy_with(*options);
                Ok(Connections {
                    writer: SqlxPostgresConnector::from_sqlx_postgres_pool(writer),
                    readers: SqlxPostgresConnector::from_sqlx_postgres_pool(readers),
                    notifier: Some(notifier),
                })
            }
        }
    }
}

/// Why a transaction did not begin. A server that refuses connections is tried until the time is up, so that
/// a pool without any connection says that it is gone, one with some that they are all in use.
pub(super) fn not_begun(pool: &DatabaseConnection, error: DbErr) -> StoreError {
    let error = StoreError::from(error);
    let is_server = pool.get_database_backend() == DbBackend::Postgres;
    if error == StoreError::Busy && is_server && pool.get_postgres_connection_pool().size() == 0 {
        return StoreError::Unreachable { reason: "the server refuses connections".to_owned() };
    }
    error
}

/// How files are opened. `synchronous = FULL`: a commit is on disk when it returns, since bills and
/// acknowledgements that were answered must outlive a power loss; `NORMAL` would lose the last ones.
pub(super) fn sqlite_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .row_buffer_size(ROWS_AHEAD)
        .log_statements(LevelFilter::Trace)
        .log_slow_statements(LevelFilter::Warn, SLOW)
}

/// Makes the file where it is missing, and keeps others than its owner out: it holds secrets' hashes. What
/// SQLite puts beside it takes over its mode.
fn make_private(path: &Path) -> Result<(), StoreError> {
    let unreachable = |error: io::Error| match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly,
        io::ErrorKind::StorageFull => StoreError::Full,
        _ => StoreError::Unreachable { reason: format!("{}: {error}", path.display()) },
    };
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    let file = file.map_err(unreachable)?;
    let mode = file.metadata().map_err(unreachable)?.permissions().mode();
    if mode & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600)).map_err(unreachable)?;
    }
    Ok(())
}
