//! A process that is killed in the middle of a transaction leaves all of it or nothing.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use limiter_control::store::{EventFilter, InstanceFilter, Paging};
use limiter_tests::random::Random;

use crate::things::{basis, commit};
use crate::world::{Place, on_both};

on_both!(a_killed_writer_leaves_all_or_nothing);

/// Writers that are killed.
const KILLS: usize = 8;
/// Instances, and events, of each of their transactions.
const EACH: usize = 50;
/// How long the server may take to notice that a client is gone.
const PATIENCE: Duration = Duration::from_secs(10);

async fn a_killed_writer_leaves_all_or_nothing(place: &mut Place) {
    let store = place.open().await;
    let basis = basis(&store).await;
    let start = *store.changes().borrow();
    let mut random = Random::new(3);
    let mut told = 0;
    for _ in 0..KILLS {
        let mut writer = Command::new(env!("CARGO_BIN_EXE_store-writer"))
            .args([&place.url, basis.network.id.as_str()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the writer starts");
        let mut lines = BufReader::new(writer.stdout.take().expect("its output")).lines();
        // It is killed at any place of a later transaction.
        lines.next().expect("a first transaction").expect("a line");
        std::thread::sleep(Duration::from_micros(random.below(60_000) as u64));
        writer.kill().expect("kill");
        writer.wait().expect("wait");
        let last = lines.map_while(Result::ok).filter_map(|line| line.parse::<u64>().ok()).last();
        told = told.max(last.unwrap_or_default());
    }
    let next = tokio::time::timeout(PATIENCE, commit(&store, async |_| ())).await.expect("the way is free");
    assert!(next > told, "revision {told} was committed, {next} comes after it");

    let tx = store.read().await.expect("a view");
    let instances = tx.all_instances(&InstanceFilter::default()).await.expect("list");
    let mut events = Vec::new();
    let mut after = None;
    loop {
        let paging = Paging { after: after.take(), limit: 100 };
        let page = tx.events(&EventFilter::default(), &paging).await.expect("list");
        events.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let committed = usize::try_from(next - 1 - start).expect("a small number");
    assert_eq!((instances.len(), events.len()), (committed * EACH, committed * EACH));
    for revision in start + 1..next {
        let of_revision = instances.iter().filter(|instance| instance.revision == revision).count();
        assert_eq!(of_revision, EACH, "revision {revision} is there in part");
    }
}
