//! Ten thousand rules changed by one apply, while packets arrive and every meter is watched.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use limiter_api::setup::{Apply, Setup};
use limiter_common::cost::per_byte;
use limiter_common::meter::Direction;
use limiter_control::store::Store;
use limiter_state::Rate;
use limiter_tests::agent::Agent;
use limiter_tests::control::Control;
use limiter_tests::fill::Fill;
use limiter_tests::topology::{Topology, host_address};
use limiter_tests::udp::{Sink, meet, send};

/// Rules, each of a plan and a network of its own.
const RULES: u32 = 10_000;
/// Instances of each; the second of one of them has the address of the topology's.
const OF_RULE: u32 = 2;
/// The network whose addresses begin where the topology's do.
const OF_TOPOLOGY: u32 = 40_960;
/// What they are held to before, in the form of the filled database, and after, bits a second.
const BEFORE_BPS: u64 = 2_000_000;
const AFTER_BPS: u64 = 3_000_000;

const ACCOUNT: &str = "acme";
const PACKET_BYTES: u64 = 600;
const WINDOW: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(90);

#[test]
fn every_rule_is_the_old_one_or_the_new_one_at_any_moment() {
    let topology = Topology::new(&[1]);
    let control = filled();
    let token = std::fs::read_to_string(control.node("edge-1", "inst*")).expect("token");
    let mut agent = Agent::stopped(&topology.node, "nobody's business\n");
    agent.follow(&format!("unix:{}", control.socket().display()), token.trim());
    agent.launch();
    settle(&control);
    let maps = agent.maps();
    let meters = maps.meters();
    let costs = [per_byte(BEFORE_BPS), per_byte(AFTER_BPS)];
    let cost = |slot: &u32| meters.read(*slot, Direction::Up).cost_per_byte;
    let ruled: Vec<u32> = (1..meters.slots()).filter(|slot| cost(slot) == costs[0]).collect();
    assert_eq!(ruled.len() as u32, RULES * OF_RULE, "instances held by the old rules");

    let instance = topology.instance(0, 0);
    let to = SocketAddr::new(host_address(false), 9000);
    meet(&instance.namespace, &topology.host, to);
    let sink = Sink::start(&topology.host, to);
    let (done, looks) = (AtomicBool::new(false), AtomicU64::new(0));
    let (began, settled, ended) = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                send(&instance.namespace, to, 10 * BEFORE_BPS, PACKET_BYTES, Duration::from_millis(200));
            }
        });
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let other = ruled.iter().find(|slot| !costs.contains(&cost(slot)));
                assert_eq!(other.map(cost), None, "a meter has neither limit");
                looks.fetch_add(1, Ordering::Relaxed);
                thread::sleep(Duration::from_micros(200));
            }
        });
        // Ends the others where this fails, too.
        let ending = Ending(&done);
        thread::sleep(Duration::from_secs(3));
        let began = Instant::now();
        change_all(&control);
        let answered = Instant::now();
        settle(&control);
        let settled = Instant::now();
        println!("applied in {:?}, in force {:?} later", answered - began, settled - answered);
        thread::sleep(Duration::from_secs(3));
        drop(ending);
        (began, settled, Instant::now())
    });
    assert!(ruled.iter().all(|slot| cost(slot) == costs[1]), "not every rule is the new one");
    let looks = looks.into_inner();
    println!("{looks} looks at {} meters", ruled.len());
    assert!(looks > 100, "{looks} looks");

    let arrived = sink.finish();
    let mut from = arrived.began() + Duration::from_secs(1);
    while from + WINDOW < ended {
        let rate = arrived.rate_bps(from, from + WINDOW);
        let (least, most) = match from {
            _ if from + WINDOW < began => (BEFORE_BPS, BEFORE_BPS),
            _ if from > settled => (AFTER_BPS, AFTER_BPS),
            _ => (BEFORE_BPS, AFTER_BPS),
        };
        let within = 0.93 * least as f64..=1.04 * most as f64;
        assert!(within.contains(&rate), "{rate} in a window {:?} after the apply began", from - began);
        from += WINDOW;
    }
}

struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A control plane with everything in use already.
fn filled() -> Control {
    let mut control = Control::stopped_in(&std::env::temp_dir());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store = Store::open(control.database(), Timestamp::now()).await.expect("a store");
        let mut fill = Fill::new(&store, ACCOUNT, OF_RULE).await.expect("an account");
        let numbers = OF_TOPOLOGY - RULES / 2..OF_TOPOLOGY + RULES / 2;
        fill.networks(&store, ("default", "default"), numbers, None).await.expect("networks");
    });
    control.launch();
    control
}

fn change_all(control: &Control) {
    let mut setup: Setup = control.must(async |client| client.export(Some(ACCOUNT)).await);
    for network in &mut setup.networks {
        network.instances.clear();
        for rule in &mut network.rules {
            rule.up = Rate::new(AFTER_BPS).expect("a rate");
        }
    }
    let apply = Apply { account: Some(ACCOUNT.to_owned()), setup, ..Apply::default() };
    let applied = control.must(async |client| client.apply(&apply).await);
    assert_eq!(applied.changes.len() as u32, RULES);
}

/// Waits until the node has everything.
fn settle(control: &Control) {
    let start = Instant::now();
    loop {
        let node = control.must(async |client| client.node("edge-1").await);
        if node.acked_revision >= node.wanted_revision {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{node:?}\n{}", control.log());
        thread::sleep(Duration::from_millis(20));
    }
}
