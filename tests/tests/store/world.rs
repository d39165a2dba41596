//! A database of each engine for one test.

use jiff::Timestamp;
use limiter_control::store::Store;
use limiter_tests::postgres::Postgres;
use sea_orm::{ConnectionTrait, DatabaseConnection};
use tempfile::TempDir;

/// An empty database; it goes with this value.
pub(crate) struct Place {
    /// Where to open it.
    pub(crate) url: String,
    /// The server, where it is on one.
    pub(crate) server: Option<Postgres>,
    /// A folder of the test; the file of an SQLite database is `limiter.db` in it.
    pub(crate) folder: TempDir,
}

/// Makes each body a test on either engine.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test]
            fn $name() {
                crate::world::run(crate::world::Place::sqlite(), super::$name);
            })+
        }

        mod postgres {
            $(#[test]
            fn $name() {
                crate::world::run(crate::world::Place::postgres(), super::$name);
            })+
        }
    };
}

pub(crate) use on_both;

pub(crate) fn run(mut place: Place, body: impl AsyncFnOnce(&mut Place)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(body(&mut place));
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        let folder = TempDir::new().expect("a folder for the test");
        let url = format!("sqlite:{}", folder.path().join("limiter.db").display());
        Self { url, server: None, folder }
    }

    pub(crate) fn postgres() -> Self {
        let server = Postgres::start();
        let folder = TempDir::new().expect("a folder for the test");
        Self { url: server.database("limiter"), server: Some(server), folder }
    }

    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.url, Timestamp::UNIX_EPOCH).await.expect("the database opens")
    }

    /// A connection past the store.
    pub(crate) async fn raw(&self) -> DatabaseConnection {
        sea_orm::Database::connect(&self.url).await.expect("the database opens")
    }

    /// Runs a statement past the store.
    pub(crate) async fn execute(&self, statement: &str) {
        self.raw().await.execute_unprepared(statement).await.expect("the statement runs");
    }
}
