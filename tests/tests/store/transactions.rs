//! All or nothing, one writer after the other, and views that do not move.

use std::time::Duration;

use limiter_control::store::{EventFilter, InstanceFilter, Paging, Store, StoreError};
use limiter_domain::{Account, RuleId};
use tokio::task::JoinSet;

use crate::things::{self, account, basis, commit};
use crate::world::{Place, on_both};

on_both!(
    what_is_dropped_never_was,
    writers_follow_each_other,
    writers_of_two_processes_follow_each_other,
    a_view_does_not_move,
    after_a_refused_statement_nothing_is_kept,
    an_abandoned_call_leaves_nothing,
    what_is_new_is_known_by_network,
    many_rows_are_put_at_once,
);

async fn what_is_dropped_never_was(place: &mut Place) {
    let store = place.open().await;
    let before = commit(&store, async |write| write.put_account(&account(1)).await.expect("put")).await;
    let write = store.write().await.expect("a transaction");
    assert_eq!(write.revision(), before + 1);
    write.put_account(&account(2)).await.expect("put");
    write.add_events(&[things::event(1)]).await.expect("add");
    drop(write);
    let tx = store.read().await.expect("a view");
    assert_eq!(tx.revision(), before);
    assert_eq!(tx.account(&account(2).id).await.expect("get"), None);
    let events = tx.events(&EventFilter::default(), &Paging::default()).await;
    assert_eq!(events.expect("list").items, []);
    let after = commit(&store, async |_| ()).await;
    assert_eq!(after, before + 1, "the revision of what was dropped is used by the next");
}

/// Writers at once, and writes of each.
const WRITERS: u64 = 16;
const WRITES: u64 = 10;

async fn writers_follow_each_other(place: &mut Place) {
    let store = place.open().await;
    let start = commit(&store, async |write| write.put_account(&account(1)).await.expect("put")).await;
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let store = store.clone();
        writers.spawn(async move {
            let mut revisions = Vec::new();
            for _ in 0..WRITES {
                revisions.push(raise(&store).await.expect("a write"));
            }
            revisions
        });
    }
    let mut revisions: Vec<_> = writers.join_all().await.into_iter().flatten().collect();
    revisions.sort_unstable();
    let expected: Vec<_> = (1..=WRITERS * WRITES).map(|number| start + number).collect();
    assert_eq!(revisions, expected);
    let found = store.read().await.expect("a view").account(&account(1).id).await.expect("get");
    assert_eq!(found.expect("the account").version, 1 + WRITERS * WRITES, "an update was lost");
}

async fn writers_of_two_processes_follow_each_other(place: &mut Place) {
    let stores = [place.open().await, place.open().await];
    commit(&stores[0], async |write| write.put_account(&account(1)).await.expect("put")).await;
    let mut writers = JoinSet::new();
    for store in &stores {
        let store = store.clone();
        writers.spawn(async move {
            for _ in 0..50 {
                raise(&store).await.expect("a write");
            }
        });
    }
    writers.join_all().await;
    let found = stores[1].read().await.expect("a view").account(&account(1).id).await.expect("get");
    assert_eq!(found.expect("the account").version, 101, "an update was lost");
}

/// Reads the account, then writes it with the next version.
async fn raise(store: &Store) -> Result<u64, StoreError> {
    let write = store.write().await?;
    let account = write.account(&account(1).id).await?.expect("the account");
    tokio::task::yield_now().await;
    write.put_account(&Account { version: account.version + 1, ..account }).await?;
    write.commit().await
}

async fn a_view_does_not_move(place: &mut Place) {
    let store = place.open().await;
    let first = commit(&store, async |write| write.put_account(&account(1)).await.expect("put")).await;
    let old = store.read().await.expect("a view");
    let write = store.write().await.expect("a transaction beside a view");
    write.put_account(&account(2)).await.expect("put");
    let during = store.read().await.expect("a view");
    assert_eq!(during.account(&account(2).id).await.expect("get"), None, "seen before it is committed");
    write.commit().await.expect("commit");
    for view in [&old, &during] {
        assert_eq!(view.revision(), first);
        assert_eq!(view.account(&account(2).id).await.expect("get"), None);
        assert_eq!(view.accounts(&Paging::default()).await.expect("list").items.len(), 1);
    }
    let new = store.read().await.expect("a view");
    assert_eq!(new.revision(), first + 1);
    assert_eq!(new.accounts(&Paging::default()).await.expect("list").items.len(), 2);
}

async fn after_a_refused_statement_nothing_is_kept(place: &mut Place) {
    let store = place.open().await;
    commit(&store, async |write| write.put_account(&account(1)).await.expect("put")).await;
    let write = store.write().await.expect("a transaction");
    write.put_account(&account(2)).await.expect("put");
    let twin = Account { name: account(1).name, ..account(3) };
    let refused = write.put_account(&twin).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    let committed = write.commit().await;
    assert!(matches!(committed, Err(StoreError::Broken(_))), "{committed:?}");
    let tx = store.read().await.expect("a view");
    assert_eq!(tx.accounts(&Paging::default()).await.expect("list").items.len(), 1);
    drop(tx);
    commit(&store, async |write| write.put_account(&account(2)).await.expect("put")).await;
}

async fn an_abandoned_call_leaves_nothing(place: &mut Place) {
    let store = place.open().await;
    let basis = basis(&store).await;
    let instances: Vec<_> = (1..2_000).map(|number| things::instance(number, &basis.network)).collect();
    for delay_us in [0, 100, 1_000, 3_000, 10_000] {
        let call = async {
            let write = store.write().await.expect("a transaction");
            write.put_instances(&instances).await.expect("put");
            // Never committed: the caller goes away before.
            std::future::pending::<()>().await;
        };
        let _ = tokio::time::timeout(Duration::from_micros(delay_us), call).await;
        commit(&store, async |_| ()).await;
    }
    let tx = store.read().await.expect("a view");
    assert_eq!(tx.count_instances(&InstanceFilter::default()).await.expect("count"), 0);
}

async fn what_is_new_is_known_by_network(place: &mut Place) {
    let store = place.open().await;
    let basis = basis(&store).await;
    let id = basis.network.id.clone();
    let made = store.read().await.expect("a view").revision();
    let touched = commit(&store, async |write| {
        write.touch_networks(std::slice::from_ref(&id)).await.expect("touch");
    });
    let touched = touched.await;
    let rebuilt = commit(&store, async |write| {
        write.rebuild_networks(std::slice::from_ref(&id)).await.expect("rebuild");
    });
    let rebuilt = rebuilt.await;
    commit(&store, async |write| write.put_network(&basis.network).await.expect("put")).await;
    let tx = store.read().await.expect("a view");
    for (since, news) in [(made, vec![rebuilt]), (touched, vec![rebuilt]), (rebuilt, vec![])] {
        let found = tx.networks_touched(since).await.expect("list");
        assert_eq!(found.into_iter().map(|network| network.revision).collect::<Vec<_>>(), news);
    }
}

async fn many_rows_are_put_at_once(place: &mut Place) {
    let store = place.open().await;
    let basis = basis(&store).await;
    let rules: Vec<_> = (0..10_000).map(|number| things::rule(number, &basis.plan)).collect();
    let mut instances: Vec<_> = (0..10_000).map(|number| things::instance(number, &basis.network)).collect();
    for (instance, rule) in instances.iter_mut().zip(&rules) {
        instance.rule = Some(rule.id.clone());
    }
    for round in 0..2 {
        commit(&store, async |write| {
            write.put_rules(&rules).await.expect("put");
            write.put_instances(&instances).await.expect("put");
        })
        .await;
        let tx = store.read().await.expect("a view");
        let counted = tx.count_instances(&InstanceFilter::default()).await.expect("count");
        assert_eq!((round, counted), (round, 10_000));
    }
    let ids: Vec<_> = instances.iter().map(|instance| instance.id.clone()).collect();
    let tx = store.read().await.expect("a view");
    let mut found = tx.instances_by_id(&ids).await.expect("get");
    found.sort_by(|a, b| a.id.cmp(&b.id));
    instances.sort_by(|a, b| a.id.cmp(&b.id));
    assert!(found == instances, "what was put is not what is there");
    // More than is fetched at a time.
    let listed = tx.all_instances(&InstanceFilter::default()).await.expect("list");
    assert!(listed == instances, "the list is another one");
    let carried = tx.carried_by(&things::node_of(1, &["default"])).await.expect("carried");
    assert!(carried.instances == instances, "nodes carry something else");
    let rules: Vec<RuleId> =
        tx.rules_of_plan(&basis.plan.id).await.expect("list").into_iter().map(|rule| rule.id).collect();
    let bound = tx.count_bound(&rules).await.expect("count");
    assert!(bound.len() == 10_000 && bound.iter().all(|count| *count == 1));
}
