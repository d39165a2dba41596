//! From the packet to the database: real traffic, a real agent and a real control plane, all of them killed again
//! and again, and an independent count of the same packets.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use limiter_api::params::{EventQuery, NewPlan};
use limiter_api::series::UsageQuery;
use limiter_control::store::Store;
use limiter_tests::agent::Agent;
use limiter_tests::control::Control;
use limiter_tests::netns::Namespace;
use limiter_tests::observer::Observer;
use limiter_tests::postgres::Postgres;
use limiter_tests::random::Random;
use limiter_tests::topology::{Topology, host_address};
use limiter_tests::udp::{meet, send};

const PORT: u16 = 9000;
/// Below every limit here, so that nothing is refused and all that is counted arrives.
const RATE_BPS: u64 = 1_000_000;
/// A minute closes within its length, is sent soon after, and is shown when it is over.
const PATIENCE: Duration = Duration::from_mins(3);
const KILLS: usize = 200;

/// Sends in one direction until `is_over`.
fn stream<'s>(
    scope: &'s thread::Scope<'s, '_>,
    from: &'s Namespace,
    to: SocketAddr,
    is_over: &'s AtomicBool,
) {
    scope.spawn(move || {
        while !is_over.load(Ordering::Relaxed) {
            send(from, to, RATE_BPS, 1000, Duration::from_millis(200));
        }
    });
}

#[test]
fn everything_is_killed_and_the_ledger_has_every_byte_once() {
    let topology = Topology::new(&[1]);
    let mut server = Postgres::start();
    let mut control = Control::start_at(&server.database("ledger"));
    let token = std::fs::read_to_string(control.node("edge-1", "inst*")).expect("token");
    let account = control.account("acme");
    let network = control.network(&account, "office", "10.10.0.0/24").id;
    let instance = topology.instance(0, 0);
    let web = control.instance(&network, "web", &instance.v4.to_string()).id;
    // Neighbours know each other before anything is counted.
    let host = SocketAddr::new(host_address(false), PORT);
    let inside = SocketAddr::new(IpAddr::V4(instance.v4), PORT);
    meet(&instance.namespace, &topology.host, host);
    meet(&topology.host, &instance.namespace, inside);
    let mut agent = Agent::stopped(&topology.node, "nobody's business\n");
    agent.follow(&format!("unix:{}", control.socket().display()), token.trim());
    agent.launch();
    let order = NewPlan {
        account: Some(account),
        pay: "pay_as_you_go".to_owned(),
        charge: Some("traffic".to_owned()),
        peak_bps: 50_000_000,
        network: Some(network.clone()),
        ..NewPlan::default()
    };
    let plan = control.must(async |client| client.create_plan(&order).await).id;
    control.wait_for_plan(&plan, "In Use");

    let up = Observer::start(&topology.host, "eth0", &instance.v4.to_string(), &instance.v6.to_string());
    let [v4, v6] = [false, true].map(|v6| host_address(v6).to_string());
    let down = Observer::start(&instance.namespace, "eth0", &v4, &v6);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        stream(scope, &instance.namespace, host, &is_over);
        stream(scope, &topology.host, inside, &is_over);
        let mut random = Random::new(20_261_125);
        for _ in 0..KILLS {
            thread::sleep(Duration::from_millis(random.below(1200) as u64));
            match random.below(10) {
                0 => {
                    server.stop();
                    server.launch();
                }
                1..4 => {
                    control.kill();
                    control.launch();
                }
                _ => {
                    agent.kill();
                    agent.launch();
                }
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    thread::sleep(Duration::from_millis(300));
    let watched = [up.watched(), down.watched()];
    assert!(watched.iter().all(|count| count.packets > 5_000), "{watched:?}");
    reported_until(&control, &agent, Timestamp::now());
    let expected = watched.map(|count| count.bytes);
    let query = EventQuery { kind: Some("usage.".to_owned()), ..EventQuery::default() };
    let troubles = control.must(async |client| client.events(&query).await).items;
    assert!(troubles.is_empty(), "{troubles:?}");
    assert!(!agent.log().contains("detach"), "packets passed unmetered\n{}", agent.log());
    let expected_of_both = expected.map(|bytes| [bytes; 2]);
    let start = Instant::now();
    loop {
        // By direction: the network and the instance.
        let found = sums(&control, &network, &web);
        let found = [0, 1].map(|direction| found.map(|of| of[direction]));
        if found == expected_of_both {
            break;
        }
        // A reading over the end of a minute, as after a kill, puts a part of it into the next one.
        let why = || format!("{:#?}\n{}", by_minute(&control, &network), agent.log());
        assert!(start.elapsed() < PATIENCE, "{found:?}, not {expected_of_both:?}: {}", why());
        thread::sleep(Duration::from_secs(1));
    }
    // What is billed and what is drawn are the same bytes.
    let [billed, drawn] = billed_and_drawn(&control, &plan);
    assert_eq!([billed, drawn], [expected; 2]);
}

/// Bytes up and down of the network, and of the instance, as the database has them.
fn sums(control: &Control, network: &str, instance: &str) -> [[u64; 2]; 2] {
    runtime().block_on(async {
        let store = Store::open(control.database(), Timestamp::now()).await.expect("the database opens");
        let tx = store.read().await.expect("a view");
        let all = (Timestamp::MIN, Timestamp::MAX);
        let rows = tx.usage_of_network(&network.parse().expect("an id"), all).await.expect("read");
        let of_network = rows.iter().map(|row| row.usage.total());
        let hours: Vec<Timestamp> = rows.iter().map(|row| row.hour).collect();
        let rows = tx.usage_of_instance(&instance.parse().expect("an id"), &hours).await.expect("read");
        let of_instance = rows.iter().map(|row| row.usage.total());
        let sum = |passed: &mut dyn Iterator<Item = limiter_domain::usage::Passed>| {
            passed.fold([0, 0], |[up, down], it| [up + it.up.bytes, down + it.down.bytes])
        };
        [sum(&mut of_network.into_iter()), sum(&mut of_instance.into_iter())]
    })
}

/// What the database has of the network, for a reader.
fn by_minute(control: &Control, network: &str) -> Vec<String> {
    runtime().block_on(async {
        let store = Store::open(control.database(), Timestamp::now()).await.expect("the database opens");
        let tx = store.read().await.expect("a view");
        let all = (Timestamp::MIN, Timestamp::MAX);
        let rows = tx.usage_of_network(&network.parse().expect("an id"), all).await.expect("read");
        let shown = rows.iter().flat_map(|row| {
            row.usage.buckets.iter().map(move |(minute, it)| {
                format!("{} +{minute}: {} {}, {:?}", row.hour, it.up.bytes, it.down.bytes, row.plan)
            })
        });
        shown.collect()
    })
}

/// Bytes up and down of the plan: those of its hours, and those of the points of its graph.
fn billed_and_drawn(control: &Control, plan: &str) -> [[u64; 2]; 2] {
    let billed = runtime().block_on(async {
        let store = Store::open(control.database(), Timestamp::now()).await.expect("the database opens");
        let tx = store.read().await.expect("a view");
        let all = (Timestamp::MIN, Timestamp::MAX);
        let rows = tx.usage_of_plan(&plan.parse().expect("an id"), all).await.expect("read");
        let totals = rows.iter().map(|row| row.usage.total());
        totals.fold([0, 0], |[up, down], it| [up + it.up.bytes, down + it.down.bytes])
    });
    let query = UsageQuery { period_s: Some(60), ..UsageQuery::default() };
    let series = control.must(async |client| client.plan_usage(plan, &query).await);
    [billed, [series.total.up.bytes, series.total.down.bytes]]
}

/// Waits until the node reported everything before `end`, and the minute of `end` is over.
fn reported_until(control: &Control, agent: &Agent<'_>, end: Timestamp) {
    let start = Instant::now();
    let node = control.must(async |client| client.node("edge-1").await).id;
    let node = node.parse().expect("an id");
    loop {
        let complete = runtime().block_on(async {
            let store = Store::open(control.database(), Timestamp::now()).await.expect("the database opens");
            let tx = store.read().await.expect("a view");
            tx.usage_complete(std::slice::from_ref(&node)).await.expect("read").get(&node).copied()
        });
        if complete.is_some_and(|complete| complete >= end) {
            return;
        }
        assert!(
            start.elapsed() < PATIENCE,
            "reported until {complete:?}, not {end}\n{}\n{}",
            agent.log(),
            control.log()
        );
        thread::sleep(Duration::from_millis(500));
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}
