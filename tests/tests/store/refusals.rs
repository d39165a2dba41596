//! Databases that are busy, full, read-only, newer or not there: a clear error, and work goes on by itself.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use jiff::Timestamp;
use limiter_control::store::{Ack, InstanceFilter, Paging, Store, StoreError};
use limiter_tests::postgres::Postgres;
use sea_orm::{ConnectionTrait, TransactionTrait};
use tempfile::TempDir;

use crate::things::{self, account, basis, commit};
use crate::world::{Place, on_both, run};

on_both!(a_database_held_by_another_is_busy, a_newer_schema_is_refused, a_copy_is_another_database);

async fn a_database_held_by_another_is_busy(place: &mut Place) {
    let store = place.open().await;
    let raw = place.raw().await;
    let holder = raw.begin().await.expect("a transaction");
    holder.execute_unprepared("UPDATE installation SET revision = revision").await.expect("update");
    assert_eq!(store.write().await.err(), Some(StoreError::Busy));
    store.read().await.expect("reading goes on").accounts(&Paging::default()).await.expect("list");
    holder.rollback().await.expect("rollback");
    commit(&store, async |write| write.put_account(&account(1)).await.expect("put")).await;
}

async fn a_newer_schema_is_refused(place: &mut Place) {
    commit(&place.open().await, async |write| write.put_account(&account(1)).await.expect("put")).await;
    place.execute("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_future', 0)").await;
    let refused = Store::open(&place.url, Timestamp::UNIX_EPOCH).await.err();
    let Some(StoreError::NewerSchema { found, known }) = &refused else { panic!("{refused:?}") };
    assert_eq!(found, "m9999_future");
    assert!(known.starts_with("m0"), "{known}");
    assert!(refused.is_some_and(|error| error.to_string().contains("install the newer program")));
    place.execute("DELETE FROM seaql_migrations WHERE version = 'm9999_future'").await;
    place.open().await;
}

async fn a_copy_is_another_database(place: &mut Place) {
    let store = place.open().await;
    let first = store.incarnation().to_owned();
    assert_eq!(place.open().await.incarnation(), first, "it is the same one when it is opened again");
    let node = things::node(1);
    commit(&store, async |write| {
        write.put_node(&node).await.expect("put");
        let ack = Ack { node: node.id.clone(), at: things::at(1), revision: 900, problem: None };
        write.note_ack(&ack).await.expect("note");
    })
    .await;
    drop(store);
    let second = Store::renew_incarnation(&place.url, Timestamp::UNIX_EPOCH).await.expect("renew");
    assert_ne!(second, first);
    let store = place.open().await;
    assert_eq!(store.incarnation(), second);
    let found = store.read().await.expect("a view").node(&node.id).await.expect("get").expect("the node");
    assert_eq!((found.acked_revision, found.acked_at), (0, None), "what was acknowledged to another counts");
}

#[test]
fn a_backup_is_whole_and_another_database() {
    run(Place::sqlite(), async |place| {
        let store = place.open().await;
        let basis = basis(&store).await;
        let copy = place.folder.path().join("copy.db");
        store.backup(&copy).await.expect("a backup");
        commit(&store, async |write| write.put_account(&account(2)).await.expect("put")).await;
        assert_eq!(mode(&copy), 0o600);
        let again = store.backup(&copy).await;
        assert!(matches!(again, Err(StoreError::Unreachable { .. })), "{again:?}");
        let restored = Store::open(&format!("sqlite:{}", copy.display()), Timestamp::UNIX_EPOCH).await;
        let restored = restored.expect("the copy opens");
        assert_ne!(restored.incarnation(), store.incarnation());
        let tx = restored.read().await.expect("a view");
        assert_eq!(tx.plan(&basis.plan.id).await.expect("get"), Some(basis.plan));
        assert_eq!(tx.accounts(&Paging::default()).await.expect("list").items.len(), 1);
        drop(tx);
        commit(&restored, async |write| write.put_account(&account(3)).await.expect("put")).await;
    });
}

#[test]
fn postgresql_is_copied_by_its_own_tool() {
    run(Place::postgres(), async |place| {
        let refused = place.open().await.backup(&place.folder.path().join("copy.db")).await;
        assert!(
            matches!(refused, Err(StoreError::Unsupported(text)) if text.contains("pg_dump")),
            "{refused:?}"
        );
    });
}

#[test]
fn only_the_owner_can_read_the_files() {
    run(Place::sqlite(), async |place| {
        let file = place.folder.path().join("limiter.db");
        fs::write(&file, "").expect("an empty file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("mode");
        let store = place.open().await;
        commit(&store, async |write| write.put_account(&account(1)).await.expect("put")).await;
        for name in ["limiter.db", "limiter.db-wal", "limiter.db-shm"] {
            assert_eq!(mode(&place.folder.path().join(name)), 0o600, "{name}");
        }
    });
}

#[test]
fn urls_that_are_none() {
    run(Place::sqlite(), async |place| {
        for url in ["", "limiter.db", "mysql://host/db", "sqlite:", "sqlite::memory:", "sqlite:/a?mode=ro"] {
            let refused = Store::open(url, Timestamp::UNIX_EPOCH).await.err();
            assert!(matches!(refused, Some(StoreError::Url { .. })), "{url}: {refused:?}");
        }
        let refused = Store::open("postgres://user:secret@host:port/db", Timestamp::UNIX_EPOCH).await.err();
        assert!(refused.is_some_and(|error| !error.to_string().contains("secret")));
        let url = format!("sqlite:{}", place.folder.path().join("missing/limiter.db").display());
        let refused = Store::open(&url, Timestamp::UNIX_EPOCH).await.err();
        assert!(matches!(refused, Some(StoreError::Unreachable { .. })), "{refused:?}");
        let file = place.folder.path().join("text.db");
        fs::write(&file, "no database, but text that is longer than a header of a hundred bytes: ".repeat(9))
            .expect("a file");
        let refused = Store::open(&format!("sqlite:{}", file.display()), Timestamp::UNIX_EPOCH).await.err();
        assert!(matches!(refused, Some(StoreError::Broken(_))), "{refused:?}");
    });
}

/// A file system in memory of a few MB, to fill and to make read-only.
struct Small(TempDir);

impl Small {
    fn new(megabytes: usize) -> Self {
        let folder = TempDir::new().expect("a folder for the test");
        let small = Self(folder);
        small.mount(&format!("size={megabytes}m,mode=700"), &["-t", "tmpfs", "limiter-test"]);
        small
    }

    fn mount(&self, options: &str, what: &[&str]) {
        let mut mount = Command::new("mount");
        let status = mount.args(["-o", options]).args(what).arg(self.0.path()).status();
        assert!(status.is_ok_and(|status| status.success()), "this test mounts a tmpfs: it needs root");
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes what space is left, but for `kilobytes`.
    fn fill(&self, kilobytes: u64) {
        let free = rustix::fs::statvfs(self.path()).expect("statvfs");
        let bytes = (free.f_bavail * free.f_frsize).saturating_sub(kilobytes * 1024);
        fs::write(self.path().join("filler"), vec![0; usize::try_from(bytes).expect("few")]).expect("fill");
    }

    fn free(&self) {
        fs::remove_file(self.path().join("filler")).expect("free");
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

/// Writes until the database is full, frees space, and writes again; what was committed is whole.
async fn fill_and_free(store: &Store, small: &Small) {
    let basis = basis(store).await;
    small.fill(300);
    let mut number = 0;
    let full = loop {
        let instances: Vec<_> =
            (number..number + 100).map(|number| things::instance(number, &basis.network)).collect();
        let write = match store.write().await {
            Ok(write) => write,
            Err(error) => break error,
        };
        match write.put_instances(&instances).await {
            Ok(()) => {}
            Err(error) => break error,
        }
        match write.commit().await {
            Ok(_) => number += 100,
            Err(error) => break error,
        }
        assert!(number < 1_000_000, "it never is full");
    };
    assert_eq!(full, StoreError::Full);
    let tx = store.read().await.expect("reading goes on");
    assert_eq!(
        tx.count_instances(&InstanceFilter::default()).await.expect("count"),
        number,
        "half is written"
    );
    drop(tx);
    small.free();
    commit(store, async |write| {
        write.put_instance(&things::instance(number, &basis.network)).await.expect("put");
    })
    .await;
}

#[test]
fn a_full_file_system_is_said_and_survived() {
    run(Place::sqlite(), async |_| {
        let small = Small::new(8);
        let url = format!("sqlite:{}", small.path().join("limiter.db").display());
        let store = Store::open(&url, Timestamp::UNIX_EPOCH).await.expect("the database opens");
        fill_and_free(&store, &small).await;
    });
}

#[test]
fn a_full_server_is_said_and_survived() {
    let server = Postgres::start();
    let small = Small::new(24);
    let space = small.path().join("space");
    fs::create_dir(&space).expect("a folder");
    fs::set_permissions(small.path(), fs::Permissions::from_mode(0o755)).expect("mode");
    fs::set_permissions(small.0.path(), fs::Permissions::from_mode(0o755)).expect("mode");
    server.give(&space);
    server.sql("postgres", &format!("CREATE TABLESPACE small LOCATION '{}'", space.display()));
    server.sql("postgres", "CREATE DATABASE limiter TABLESPACE small");
    let place = Place { url: server.url("limiter"), ..Place::sqlite() };
    run(place, async |place| {
        let store = place.open().await;
        fill_and_free(&store, &small).await;
    });
    server.sql("postgres", "DROP DATABASE limiter WITH (FORCE)");
}

#[test]
fn a_read_only_file_system_is_said() {
    run(Place::sqlite(), async |_| {
        let small = Small::new(8);
        let url = format!("sqlite:{}", small.path().join("limiter.db").display());
        small.mount("remount,ro", &[]);
        let refused = Store::open(&url, Timestamp::UNIX_EPOCH).await.err();
        assert_eq!(refused, Some(StoreError::ReadOnly), "with no file yet");
        small.mount("remount,rw", &[]);
        let store = Store::open(&url, Timestamp::UNIX_EPOCH).await.expect("the database opens");
        commit(&store, async |write| write.put_account(&account(1)).await.expect("put")).await;
        store.close().await;
        small.mount("remount,ro", &[]);
        let refused = Store::open(&url, Timestamp::UNIX_EPOCH).await.err();
        assert_eq!(refused, Some(StoreError::ReadOnly), "with its file");
        small.mount("remount,rw", &[]);
        let store = Store::open(&url, Timestamp::UNIX_EPOCH).await.expect("the database opens");
        commit(&store, async |write| write.put_account(&account(2)).await.expect("put")).await;
    });
}

#[test]
fn a_read_only_server_is_said_and_survived() {
    run(Place::postgres(), async |place| {
        let store = place.open().await;
        let server = place.server.as_ref().expect("a server");
        let set = |value: &str| {
            server.sql("postgres", &format!("ALTER SYSTEM SET default_transaction_read_only = {value}"));
            server.sql("postgres", "SELECT pg_reload_conf()");
        };
        set("on");
        wait_for(async || store.write().await.err() == Some(StoreError::ReadOnly)).await;
        store.read().await.expect("reading goes on");
        set("off");
        wait_for(async || store.write().await.is_ok()).await;
        commit(&store, async |write| write.put_account(&account(1)).await.expect("put")).await;
    });
}

#[test]
fn a_server_that_refuses_connections_is_said() {
    run(Place::sqlite(), async |_| {
        // A port that is nobody's now.
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let url = format!("postgres://user@127.0.0.1:{}/limiter", port.expect("a free port").port());
        let refused = Store::open(&url, Timestamp::UNIX_EPOCH).await.err();
        assert!(matches!(refused, Some(StoreError::Unreachable { .. })), "{refused:?}");
    });
}

#[test]
fn a_server_that_is_gone_is_said_and_survived() {
    run(Place::postgres(), async |place| {
        let store = place.open().await;
        commit(&store, async |write| write.put_account(&account(1)).await.expect("put")).await;
        let write = store.write().await.expect("a transaction");
        place.server.as_mut().expect("a server").stop();
        let lost = write.put_account(&account(2)).await;
        assert!(matches!(lost, Err(StoreError::Unreachable { .. })), "{lost:?}");
        drop(write);
        for refused in [store.write().await.err(), store.read().await.err()] {
            assert!(matches!(refused, Some(StoreError::Unreachable { .. })), "{refused:?}");
        }
        place.server.as_mut().expect("a server").launch();
        commit(&store, async |write| write.put_account(&account(3)).await.expect("put")).await;
        let tx = store.read().await.expect("a view");
        assert_eq!(tx.accounts(&Paging::default()).await.expect("list").items.len(), 2);
    });
}

async fn wait_for(mut done: impl AsyncFnMut() -> bool) {
    for _ in 0..200 {
        if done().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("it does not come to it in 10 s");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("the file").permissions().mode() & 0o777
}
