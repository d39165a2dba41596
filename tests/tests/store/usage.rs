//! What passed: hours that have one writer, sums, and what is kept.

use std::collections::BTreeMap;

use limiter_control::store::{InstanceHour, NetworkHour, Write};
use limiter_domain::usage::{Flow, Grain, Passed, UsageHour};
use limiter_domain::usage_source::UsageSource;
use limiter_domain::{InstanceId, NetworkId, NodeId, PlanId};

use crate::things::at;
use crate::world::{Place, on_both};

on_both!(
    hours_are_found_by_what_they_are_of,
    the_busiest_come_first,
    old_hours_are_made_coarser_and_forgotten,
    a_record_has_one_writer_at_a_time,
);

/// Seconds of an hour.
const HOUR: i64 = 3600;

fn passed(up: u64, down: u64) -> Passed {
    let flow = |bytes| Flow { bytes, window_bytes_max: bytes / 2, refused_bytes: 3, limited_s: 1 };
    Passed { up: flow(up), down: flow(down), estimated: false }
}

fn usage(up: u64, down: u64) -> UsageHour {
    let mut usage = UsageHour::default();
    usage.add(7, passed(up, down));
    usage
}

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(prefix: &str, letter: char) -> T {
    format!("{prefix}{}", String::from(letter).repeat(17)).parse().expect("an id")
}

fn network_hour(hour: i64, network: char, plan: Option<char>, node: char) -> NetworkHour {
    NetworkHour {
        hour: at(hour * HOUR),
        network: id("on-", network),
        plan: plan.map(|plan| id("np-", plan)),
        node: id("nd-", node),
        usage: usage(10, 100),
        late: false,
    }
}

fn instance_hour(hour: i64, instance: char, up: u64, down: u64) -> InstanceHour {
    InstanceHour {
        hour: at(hour * HOUR),
        instance: id("in-", instance),
        network: id("on-", 'a'),
        node: id("nd-", 'a'),
        usage: usage(up, down),
    }
}

/// A transaction that is no change, all of it done.
async fn record(place: &Place, write: impl AsyncFnOnce(&Write)) {
    let store = place.open().await;
    let tx = store.write_unnumbered().await.expect("a transaction");
    write(&tx).await;
    tx.commit().await.expect("committed");
}

async fn hours_are_found_by_what_they_are_of(place: &mut Place) {
    let all = [
        network_hour(1, 'a', Some('p'), 'a'),
        network_hour(1, 'a', Some('p'), 'b'),
        network_hour(1, 'a', None, 'a'),
        network_hour(2, 'b', Some('p'), 'a'),
        network_hour(3, 'a', Some('q'), 'a'),
    ];
    record(place, async |tx| tx.put_network_hours(&all).await.expect("put")).await;
    let store = place.open().await;
    let revision = store.read().await.expect("a view").revision();
    let tx = store.read().await.expect("a view");
    assert_eq!(tx.revision(), revision, "it is no change");
    let plan: PlanId = id("np-", 'p');
    let network: NetworkId = id("on-", 'a');
    let of_plan = tx.usage_of_plan(&plan, (at(0), at(9 * HOUR))).await.expect("read");
    assert_eq!(of_plan.len(), 3);
    let of_network = tx.usage_of_network(&network, (at(HOUR), at(3 * HOUR))).await.expect("read");
    assert_eq!(of_network.len(), 3, "the end is not in it");
    assert!(of_network.iter().all(|row| all.contains(row)), "{of_network:?}");
    let node: NodeId = id("nd-", 'a');
    let keys = BTreeMap::from([(at(HOUR), vec![network.clone()])]);
    assert_eq!(tx.network_hours_of(&node, &keys).await.expect("read").len(), 2);
    drop(tx);
    let more = NetworkHour { usage: usage(1, u64::MAX >> 12), late: true, ..all[0].clone() };
    record(place, async |tx| tx.put_network_hours(std::slice::from_ref(&more)).await.expect("put")).await;
    let tx = store.read().await.expect("a view");
    let of_plan = tx.usage_of_plan(&plan, (at(HOUR), at(2 * HOUR))).await.expect("read");
    assert!(of_plan.len() == 2 && of_plan.contains(&more), "{of_plan:?}");
}

async fn the_busiest_come_first(place: &mut Place) {
    let large = 1 << 50;
    let all = [
        instance_hour(1, 'x', 5, 1),
        instance_hour(2, 'x', 5, 1),
        instance_hour(1, 'y', 0, 11),
        instance_hour(1, 'z', large, large),
        instance_hour(2, 'z', large, large),
        instance_hour(9, 'y', large, large),
    ];
    record(place, async |tx| tx.put_instance_hours(&all).await.expect("put")).await;
    let store = place.open().await;
    let tx = store.read().await.expect("a view");
    let network: NetworkId = id("on-", 'a');
    let top = tx.top_instances(&network, (at(0), at(3 * HOUR)), 2).await.expect("read");
    let ids: [InstanceId; 2] = [id("in-", 'z'), id("in-", 'x')];
    let [busiest, next] = ids;
    assert_eq!(top, [(busiest, 2 * large, 2 * large), (next.clone(), 10, 2)]);
    let hours = [at(0), at(HOUR), at(2 * HOUR)];
    assert_eq!(tx.usage_of_instance(&next, &hours).await.expect("read").len(), 2);
}

async fn old_hours_are_made_coarser_and_forgotten(place: &mut Place) {
    record(place, async |tx| {
        let networks: Vec<_> = (0..5).map(|hour| network_hour(hour, 'a', None, 'a')).collect();
        tx.put_network_hours(&networks).await.expect("put");
        let instances: Vec<_> = (0..5).map(|hour| instance_hour(hour, 'x', 1, 1)).collect();
        tx.put_instance_hours(&instances).await.expect("put");
    })
    .await;
    record(place, async |tx| {
        let fine = tx.fine_network_hours(Grain::Hour, at(3 * HOUR), 2).await.expect("read");
        assert_eq!(fine.len(), 2, "some of them");
        let coarse: Vec<_> = fine
            .into_iter()
            .map(|row| NetworkHour { usage: row.usage.coarser(Grain::Hour), ..row })
            .collect();
        tx.put_network_hours(&coarse).await.expect("put");
        assert_eq!(tx.fine_network_hours(Grain::Hour, at(3 * HOUR), 9).await.expect("read").len(), 1);
        assert_eq!(tx.fine_instance_hours(Grain::Quarter, at(3 * HOUR), 9).await.expect("read").len(), 3);
        assert_eq!(tx.remove_usage(at(HOUR), at(4 * HOUR)).await.expect("removed"), 1 + 4);
    })
    .await;
    let store = place.open().await;
    let tx = store.read().await.expect("a view");
    let network: NetworkId = id("on-", 'a');
    let left = tx.usage_of_network(&network, (at(0), at(9 * HOUR))).await.expect("read");
    assert_eq!(left.len(), 4);
    assert!(left.iter().all(|row| row.usage.total() == passed(10, 100)), "{left:?}");
}

async fn a_record_has_one_writer_at_a_time(place: &mut Place) {
    let store = place.open().await;
    let other = place.open().await;
    let node: NodeId = id("nd-", 'a');
    let source = |through| UsageSource {
        node: node.clone(),
        record: "r".to_owned(),
        through,
        digest: [7; 32],
        complete_until: at(through.cast_signed()),
    };
    let first = store.write_unnumbered().await.expect("a transaction");
    assert_eq!(first.lock_usage_source(&node, "r").await.expect("read"), None);
    first.put_usage_source(&source(1)).await.expect("put");
    first.commit().await.expect("committed");
    let first = store.write_unnumbered().await.expect("a transaction");
    assert_eq!(first.lock_usage_source(&node, "r").await.expect("read"), Some(source(1)));
    let waiting = tokio::spawn({
        let node = node.clone();
        async move {
            let tx = other.write_unnumbered().await.expect("a transaction");
            tx.lock_usage_source(&node, "r").await.expect("read").map(|source| source.through)
        }
    });
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert!(!waiting.is_finished(), "it did not wait");
    first.put_usage_source(&source(2)).await.expect("put");
    first.commit().await.expect("committed");
    assert_eq!(waiting.await.expect("it ends"), Some(2), "it saw what was there before");
    let tx = store.read().await.expect("a view");
    let complete = tx.usage_complete(&[node.clone(), id("nd-", 'b')]).await.expect("read");
    assert_eq!(complete, std::collections::HashMap::from([(node, at(2))]));
}
