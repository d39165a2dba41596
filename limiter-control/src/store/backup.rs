//! Copies of a database, and giving a restored one an identity of its own.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sea_orm::sqlx::{self, Connection};

use super::engine::Location;
use super::error::StoreError;
use super::{Store, installation, migration};

impl Store {
    /// Copies the database into the new file `path`, while it is in use. A store opened on the copy has an
    /// incarnation of its own.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] on PostgreSQL, which has `pg_dump`; after its restore
    /// [`Store::renew_incarnation`] is to be called.
    pub async fn backup(&self, path: &Path) -> Result<(), StoreError> {
        let Location::Sqlite(source) = &self.inner.location else {
            return Err(StoreError::Unsupported(
                "PostgreSQL is copied with pg_dump; after pg_restore, `limiter-control restored` tells nodes",
            ));
        };
        create(path)?;
        let copied = copy(source, path).await;
        if copied.is_err() {
            // The error says what happened; the half of a copy helps nobody.
            let _ = fs::remove_file(path);
        }
        copied
    }

    /// Gives the database at `url`, which is a restored copy, a new incarnation: every node takes its state
    /// anew. No store may be open on it.
    pub async fn renew_incarnation(url: &str, now: Timestamp) -> Result<String, StoreError> {
        let connections = url.parse::<Location>()?.connect()?;
        migration::migrate(&connections.writer).await?;
        installation::ensure(&connections.writer, now).await?;
        Ok(installation::renew_now(&connections.writer).await?.incarnation)
    }
}

async fn copy(source: &Path, path: &Path) -> Result<(), StoreError> {
    let text = path.to_str().ok_or_else(|| failed(path, "its name is no UTF-8"))?;
    let mut connection = SqliteConnection::connect_with(&plain(source)).await?;
    sqlx::query("VACUUM INTO $1").bind(text).execute(&mut connection).await?;
    connection.close().await?;
    let mut copy = SqliteConnection::connect_with(&plain(path)).await?;
    // Whoever opens the copy gives it an incarnation.
    sqlx::query("UPDATE installation SET incarnation = ''").execute(&mut copy).await?;
    copy.close().await?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    for durable in [path, &folder] {
        File::open(durable).and_then(|file| file.sync_all()).map_err(|error| failed(path, error))?;
    }
    Ok(())
}

fn plain(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path)
}

/// SQLite copies into an empty file; made here, nobody else can read it.
fn create(path: &Path) -> Result<(), StoreError> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.map(|_| ()).map_err(|error| match error.kind() {
        io::ErrorKind::StorageFull => StoreError::Full,
        io::ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly,
        _ => failed(path, error),
    })
}

fn failed(path: &Path, reason: impl std::fmt::Display) -> StoreError {
    StoreError::Unreachable { reason: format!("{}: {reason}", path.display()) }
}
