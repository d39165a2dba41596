//! Control plane and database that are killed while nodes report: each batch counts once, whatever was answered.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use limiter_api::usage::{BUCKET_S, InstanceUsage, Measured, NetworkUsage, UsageBatch};
use limiter_control::store::Store;
use limiter_domain::usage::hour_of;
use limiter_tests::control::Control;
use limiter_tests::played::{Lost, Played};
use limiter_tests::postgres::Postgres;
use limiter_tests::random::Random;
use tokio::runtime::Runtime;

/// Nodes that report on one network at the same time.
const NODES: usize = 2;

/// What the nodes report on.
#[derive(Clone)]
struct Things {
    network: String,
    instance: String,
    plan: String,
    /// Start of the minutes.
    from: Timestamp,
}

/// What a node was told to be stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Said {
    batches: u64,
    /// Batches that were sent more than once.
    repeated: u64,
    plan_down_bytes: u64,
    network_down_bytes: u64,
    instance_up_bytes: u64,
}

#[test]
fn killed_two_hundred_times_on_sqlite_each_batch_counts_once() {
    let mut control = Control::start_in(Path::new("/dev/shm"));
    crash(&mut control, |random, control| {
        thread::sleep(Duration::from_millis(random.below(60) as u64));
        control.kill();
        control.launch();
    });
}

#[test]
fn killed_two_hundred_times_with_its_server_each_batch_counts_once() {
    let mut server = Postgres::start();
    let mut control = Control::start_at(&server.database("usage"));
    crash(&mut control, |random, control| {
        thread::sleep(Duration::from_millis(random.below(60) as u64));
        if random.chance(20) {
            server.stop();
            server.launch();
        } else {
            control.kill();
            control.launch();
        }
    });
}

fn crash(control: &mut Control, mut kill: impl FnMut(&mut Random, &mut Control)) {
    let tokens: Vec<String> = (0..NODES)
        .map(|node| control.node(&format!("edge-{node}"), "inst*"))
        .map(|file| std::fs::read_to_string(file).expect("token"))
        .collect();
    let account = control.account("acme");
    let network = control.network(&account, "office", "10.10.0.0/24").id;
    let instance = control.instance(&network, "web", "10.10.0.2").id;
    let plan = control.plan(&account, 20_000_000, None).id;
    let from = hour_of(Timestamp::now()) - SignedDuration::from_hours(3);
    let things = Things { network, instance, plan, from };
    let stop = Arc::new(AtomicBool::new(false));
    let nodes: Vec<_> = (0_u64..)
        .zip(&tokens)
        .map(|(node, token)| {
            let agent = Played::new(control.endpoint(), token);
            let (things, stop) = (things.clone(), Arc::clone(&stop));
            thread::spawn(move || runtime().block_on(report(&agent, node, &things, &stop)))
        })
        .collect();
    let mut random = Random::new(11);
    for _ in 0..200 {
        kill(&mut random, control);
        assert!(nodes.iter().all(|node| !node.is_finished()), "a node failed");
    }
    stop.store(true, Ordering::SeqCst);
    let said: Vec<Said> = nodes.into_iter().map(|node| node.join().expect("a node")).collect();
    let sum = |of: fn(&Said) -> u64| said.iter().map(of).sum::<u64>();
    let stored = runtime().block_on(stored(control.database(), &things));
    assert_eq!(
        stored,
        [sum(|it| it.plan_down_bytes), sum(|it| it.network_down_bytes), sum(|it| it.instance_up_bytes)]
    );
    assert!(said.iter().all(|said| said.repeated > 20), "few kills met a batch: {said:?}");
    eprintln!("{said:?}");
}

/// Reports one batch after the other, each until somebody says that it is stored.
async fn report(agent: &Played, node: u64, things: &Things, stop: &AtomicBool) -> Said {
    let (mut random, mut said) = (Random::new(node), Said::default());
    while !stop.load(Ordering::SeqCst) {
        let batch = batch(&mut random, node, said.batches + 1, things);
        let mut tries = 0_u64;
        let taken = loop {
            tries += 1;
            match agent.report(&batch).await {
                Ok(taken) => break taken,
                Err(lost) => pardon(&lost).await,
            }
        };
        assert_eq!((taken.through, taken.refused_rows), (batch.sequence, 0));
        said.batches += 1;
        said.repeated += u64::from(tries > 1);
        for row in &batch.networks {
            said.network_down_bytes += row.down.bytes;
            said.plan_down_bytes += if row.plan.is_some() { row.down.bytes } else { 0 };
        }
        said.instance_up_bytes += batch.instances.iter().map(|row| row.up.bytes).sum::<u64>();
    }
    said
}

fn batch(random: &mut Random, node: u64, sequence: u64, things: &Things) -> UsageBatch {
    let mut start = || {
        let minutes = i64::try_from(random.below(120)).expect("few");
        things.from + SignedDuration::from_secs(minutes * BUCKET_S)
    };
    let starts: Vec<Timestamp> = (0..6).map(|_| start()).collect();
    let mut measured = || {
        let bytes = random.below(1 << 30) as u64;
        Measured { bytes, window_bytes_max: bytes / 2, refused_bytes: bytes / 9, limited_s: 3 }
    };
    let networks = starts.iter().enumerate().map(|(place, start)| NetworkUsage {
        network: things.network.clone(),
        plan: (place % 3 > 0).then(|| things.plan.clone()),
        start: *start,
        up: measured(),
        down: measured(),
        estimated: false,
    });
    let networks = networks.collect();
    let instances = starts.iter().map(|start| InstanceUsage {
        instance: things.instance.clone(),
        network: things.network.clone(),
        start: *start,
        up: measured(),
        down: measured(),
        estimated: false,
    });
    UsageBatch {
        record: format!("{node:032x}"),
        sequence,
        oldest: sequence,
        complete_until: things.from + SignedDuration::from_hours(2),
        networks,
        instances: instances.collect(),
    }
}

/// Waits where nobody answers.
///
/// # Panics
/// Where somebody answers, and refuses.
async fn pardon(lost: &Lost) {
    assert!(!matches!(lost, Lost::Refused(status, _) if status.is_client_error()), "{lost}");
    tokio::time::sleep(Duration::from_millis(3)).await;
}

/// Bytes down of the plan and of the network, bytes up of the instance, as the database has them.
async fn stored(database: &str, things: &Things) -> [u64; 3] {
    let store = Store::open(database, Timestamp::now()).await.expect("the database opens");
    let tx = store.read().await.expect("a view");
    let all = (Timestamp::MIN, Timestamp::MAX);
    let plan = tx.usage_of_plan(&things.plan.parse().expect("an id"), all).await.expect("read");
    let network = tx.usage_of_network(&things.network.parse().expect("an id"), all).await.expect("read");
    let down = |rows: &[limiter_control::store::NetworkHour]| -> u64 {
        rows.iter().map(|row| row.usage.total().down.bytes).sum()
    };
    let hours: Vec<Timestamp> = (0..3).map(|hour| things.from + SignedDuration::from_hours(hour)).collect();
    let instance =
        tx.usage_of_instance(&things.instance.parse().expect("an id"), &hours).await.expect("read");
    let up = instance.iter().map(|row| row.usage.total().up.bytes).sum();
    [down(&plan), down(&network), up]
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}
