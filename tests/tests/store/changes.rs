//! Those who wait for changes are woken, whoever makes them.

use std::time::Duration;

use crate::things::{account, commit};
use crate::world::{Place, on_both};

on_both!(a_commit_wakes, a_rollback_wakes_nobody);

/// A wake-up comes at most this late on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

async fn a_commit_wakes(place: &mut Place) {
    let store = place.open().await;
    let mut changes = store.changes();
    let waiting = tokio::spawn(async move {
        tokio::time::timeout(PATIENCE, changes.changed())
            .await
            .expect("a wake-up")
            .expect("the store is open");
        *changes.borrow()
    });
    let revision = commit(&store, async |write| write.put_account(&account(1)).await.expect("put")).await;
    assert_eq!(waiting.await.expect("the waiter"), revision);
    assert_eq!(*store.changes().borrow(), revision);
}

async fn a_rollback_wakes_nobody(place: &mut Place) {
    let store = place.open().await;
    let mut changes = store.changes();
    drop(store.write().await.expect("a transaction"));
    let woken = tokio::time::timeout(Duration::from_millis(300), changes.changed()).await;
    assert!(woken.is_err(), "woken for nothing");
}

mod replicas {
    use super::*;
    use crate::world::run;

    #[test]
    fn the_other_replica_wakes_at_once() {
        run(Place::postgres(), async |place| {
            let (one, two) = (place.open().await, place.open().await);
            let mut changes = two.changes();
            for _ in 0..3 {
                let revision = commit(&one, async |_| ()).await;
                let told = tokio::time::timeout(PATIENCE, changes.wait_for(|known| *known == revision)).await;
                told.expect("a wake-up").expect("the store is open");
            }
        });
    }

    #[test]
    fn everybody_wakes_after_a_lost_connection() {
        run(Place::postgres(), async |place| {
            let (one, two) = (place.open().await, place.open().await);
            let mut changes = two.changes();
            let revision = commit(&one, async |_| ()).await;
            let told = tokio::time::timeout(PATIENCE, changes.wait_for(|known| *known == revision)).await;
            told.expect("a wake-up").expect("the store is open");
            let server = place.server.as_ref().expect("a server");
            // What is told while nobody listens is lost, and made up for.
            let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'";
            server.sql("postgres", cut);
            let revision = commit(&one, async |_| ()).await;
            let told = tokio::time::timeout(PATIENCE, changes.wait_for(|known| *known == revision)).await;
            told.expect("a wake-up after the connection was lost").expect("the store is open");
            tokio::time::timeout(PATIENCE, async {
                changes.mark_unchanged();
                server.sql("postgres", cut);
                changes.changed().await
            })
            .await
            .expect("a wake-up without any change")
            .expect("the store is open");
        });
    }
}
