//! What agents say they measured against an independent count of the same packets, whatever is killed meanwhile.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use limiter_agent::desired::{NodeState, parse};
use limiter_api::usage::{Measured, UsageBatch};
use limiter_tests::agent::Agent;
use limiter_tests::control_fake::{FakeControl, TOKEN};
use limiter_tests::growth;
use limiter_tests::observer::Observer;
use limiter_tests::random::Random;
use limiter_tests::topology::{Topology, host_address};
use limiter_tests::udp::{Sink, meet, send};

const PORT: u16 = 9000;
/// Below every limit here, so that nothing is refused and all that arrives was counted.
const RATE_BPS: u64 = 2_000_000;
/// A minute closes within its length, and is sent soon after.
const PATIENCE: Duration = Duration::from_secs(90);

/// A state whose instance with traffic is there or not.
fn state(plan: &str, with_web: bool) -> NodeState {
    let instance = if with_web { "web, addresses: [10.10.0.2]" } else { "other, addresses: [10.10.0.9]" };
    parsed(&format!(
        "version: 1\ninterfaces: [{{match: \"inst*\"}}]\nnetworks:\n- {{name: office, prefixes: [10.10.0.0/24], plan: {plan}, \
         up: 50Mbps, instances: [{{name: {instance}}}]}}\n"
    ))
}

fn parsed(text: &str) -> NodeState {
    parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}")).0
}

/// Waits until everything before now was said, and with it these bytes up of all networks; gives all of it. A reading
/// over the end of a minute, as where the disk is slow, puts a part of it into the next one.
fn batches_with(control: &FakeControl<'_>, agent: &Agent<'_>, bytes: u64) -> Vec<UsageBatch> {
    let start = Instant::now();
    loop {
        let batches = batches_until_now(control, agent);
        if sums(&batches, "").0 >= bytes || start.elapsed() > PATIENCE {
            return batches;
        }
    }
}

/// Waits until everything before now was said; gives all of it.
fn batches_until_now(control: &FakeControl<'_>, agent: &Agent<'_>) -> Vec<UsageBatch> {
    let (start, end) = (Instant::now(), jiff::Timestamp::now());
    loop {
        let batches = control.usage().batches();
        if batches.last().is_some_and(|batch| batch.complete_until >= end) {
            return batches;
        }
        assert!(start.elapsed() < PATIENCE, "not all is said: {batches:#?}\n{}", agent.log());
        thread::sleep(Duration::from_millis(50));
    }
}

/// Bytes up of all networks, and of all instances with this identity.
fn sums(batches: &[UsageBatch], instance: &str) -> (u64, u64) {
    let networks = batches.iter().flat_map(|batch| &batch.networks).map(|row| row.up.bytes).sum();
    let rows = batches.iter().flat_map(|batch| &batch.instances);
    (networks, rows.filter(|row| row.instance == instance).map(|row| row.up.bytes).sum())
}

/// Sends from the first instance to the host as long as `work` takes.
fn under_traffic(topology: &Topology, work: impl FnOnce()) {
    let to = SocketAddr::new(host_address(false), PORT);
    let from = &topology.instance(0, 0).namespace;
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                send(from, to, RATE_BPS, 1000, Duration::from_millis(200));
            }
        });
        work();
        is_over.store(true, Ordering::Relaxed);
    });
    // What is under way arrives within this time.
    thread::sleep(Duration::from_millis(300));
}

fn follower<'a>(topology: &'a Topology, control: &FakeControl<'_>) -> Agent<'a> {
    let to = SocketAddr::new(host_address(false), PORT);
    meet(&topology.instance(0, 0).namespace, &topology.host, to);
    let mut agent = Agent::stopped(&topology.node, "this file is nobody's business\n");
    agent.follow(&control.url(), TOKEN);
    agent
}

fn observer(topology: &Topology) -> Observer<'_> {
    let instance = topology.instance(0, 0);
    Observer::start(&topology.host, "eth0", &instance.v4.to_string(), &instance.v6.to_string())
}

#[test]
fn killed_at_random_while_slots_change_hands_every_byte_is_said_once() {
    let topology = Topology::new(&[1]);
    let control = FakeControl::start(&topology.node);
    let mut agent = follower(&topology, &control);
    control.publish("a", 1, state("p1", true));
    agent.launch();
    let observer = observer(&topology);
    let mut random = Random::new(20_261_125);
    let mut kills = 0;
    under_traffic(&topology, || {
        let mut revision = 1;
        while kills < 40 {
            // Sometimes its bytes have nobody to count for: they are dropped, and its slot is another one's.
            for _ in 0..=random.below(2) {
                revision += 1;
                let plan = random.pick(&["p1", "p2"]);
                control.publish("a", revision, state(plan, random.chance(60)));
                thread::sleep(Duration::from_millis(random.below(300) as u64));
            }
            let refusal = [None, None, Some((500, "Internal")), Some((422, "Unprocessable"))];
            control.usage().refuse(random.pick(&refusal));
            agent.kill();
            kills += 1;
            if random.chance(60) {
                agent.launch();
                thread::sleep(Duration::from_millis(random.below(1500) as u64));
            } else {
                agent.begin();
                thread::sleep(Duration::from_millis(random.below(400) as u64));
            }
        }
        agent.kill();
        control.usage().refuse(None);
        control.publish("a", revision + 1, state("p1", true));
        agent.launch();
        thread::sleep(Duration::from_secs(1));
    });
    let watched = observer.watched();
    let batches = batches_with(&control, &agent, watched.bytes);
    let (networks, web) = sums(&batches, "office/web");
    assert!(watched.packets > 2000, "{watched:?}");
    assert_eq!((networks, web), (watched.bytes, watched.bytes), "{kills} kills\n{}", agent.log());
    let plans: Vec<_> =
        batches.iter().flat_map(|batch| &batch.networks).map(|row| row.plan.as_deref()).collect();
    assert!(plans.contains(&Some("p1")) && plans.contains(&Some("p2")), "{plans:?}");
    println!("{kills} kills, {} bytes, {} batches", watched.bytes, batches.len());
}

#[test]
fn killed_while_maps_grow_every_byte_is_said_once() {
    let topology = Topology::new(&[1]);
    let control = FakeControl::start(&topology.node);
    let mut agent = follower(&topology, &control);
    let publish = |revision: u64, slots: usize| {
        control.publish("a", revision, parsed(&growth::state(slots, 3)));
    };
    publish(1, 4);
    agent.launch();
    let observer = observer(&topology);
    let mut random = Random::new(7);
    let mut grown = 0;
    under_traffic(&topology, || {
        for revision in 2..60 {
            let slots = agent.maps().sizes().slots;
            publish(revision, slots as usize + 50);
            agent.kill();
            agent.begin();
            thread::sleep(Duration::from_millis(50 + random.below(500) as u64));
            agent.kill();
            grown += usize::from(agent.maps().sizes().slots > slots);
            if grown == 4 {
                break;
            }
        }
        agent.launch();
        thread::sleep(Duration::from_secs(1));
    });
    assert_eq!(grown, 4, "maps grew");
    let watched = observer.watched();
    let (networks, web) = sums(&batches_with(&control, &agent, watched.bytes), "office/web");
    assert_eq!((networks, web), (watched.bytes, watched.bytes), "{}", agent.log());
}

#[test]
fn what_was_refused_and_the_seconds_and_windows_of_it_are_said() {
    let topology = Topology::new(&[1]);
    let control = FakeControl::start(&topology.node);
    let mut agent = follower(&topology, &control);
    control.publish(
        "a",
        1,
        parsed(
            "version: 1\ninterfaces: [{match: \"inst*\"}]\nnetworks:\n- {name: office, prefixes: [10.10.0.0/24], instances: \
             [{name: web, addresses: [10.10.0.2], up: 1Mbps}]}\n",
        ),
    );
    agent.launch();
    let observer = observer(&topology);
    let to = SocketAddr::new(host_address(false), PORT);
    let seconds = 25;
    // A port without a listener would answer, and what is sent next is an error of the socket's then.
    let sink = Sink::start(&topology.host, to);
    let from = &topology.instance(0, 0).namespace;
    let sent = send(from, to, RATE_BPS, 1000, Duration::from_secs(seconds));
    let arrived = sink.finish().bytes();
    let watched = observer.watched();
    assert_eq!(watched.bytes, arrived);
    let batches = batches_with(&control, &agent, watched.bytes);
    let rows: Vec<_> = batches.iter().flat_map(|batch| &batch.instances).map(|row| row.up).collect();
    let sum = |value: fn(&Measured) -> u64| rows.iter().map(value).sum::<u64>();
    assert_eq!(sum(|row| row.bytes), watched.bytes);
    assert_eq!(sum(|row| row.refused_bytes), sent.bytes - watched.bytes, "offered is passed and refused");
    let limited_s = sum(|row| row.limited_s);
    assert!((seconds - 2..=seconds + 2).contains(&limited_s), "{limited_s} of {seconds} s");
    let highest = rows.iter().map(|row| row.window_bytes_max).max().expect("a row");
    // 1 Mbps for 10 s, and the burst of 100 ms in the first of them.
    assert!((1_150_000..=1_290_000).contains(&highest), "{highest} bytes in 10 s");
    assert!(batches.iter().all(|batch| batch.networks.iter().all(|row| !row.estimated)), "{batches:#?}");
}
