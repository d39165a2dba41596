//! fq on devices: installed, corrected, counted and put back, on a kernel that has it.

use std::fs::File;
use std::net::UdpSocket;
use std::os::fd::AsFd as _;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use limiter_agent::netlink::fq::{self, FqOptions, FqPlan, OUR_HANDLE, Saved};
use limiter_agent::netlink::{Netlink, Qdisc};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

const WANTED: FqOptions = FqOptions {
    limit_packets: 50_000,
    flow_limit_packets: 50_000,
    buckets_log: 16,
    orphan_mask: 0x7fff_ffff,
    horizon_us: 20_000_000,
};

#[test]
fn a_default_root_gives_way_and_comes_back() {
    let space = Space::new();
    space.ip("link add one type veth peer name two");
    space.ip("link set one up");
    space.ip("link set one txqueuelen 0");
    let before = space.dump();

    let saved = space.carry_out("one", |plan| matches!(plan, FqPlan::Install(_)));
    let [root] = &space.tree("one")[..] else { panic!("one qdisc: {}", space.dump()) };
    assert_eq!((root.handle, root.fq()), (OUR_HANDLE, Some(WANTED)));

    space.put_back("one", &saved);
    assert_eq!(space.dump(), before);
}

#[test]
fn the_plan_prints_what_tc_would_do() {
    let space = Space::new();
    space.ip("link add one type veth peer name two");
    space.ip("link set one up");
    let plan = space.run(async |netlink| plan(netlink, "one").await.1);
    let [step] = plan.steps() else { panic!("one step: {plan:?}") };
    space.tc(&format!("qdisc {}", step.to_string().replacen("add", "add dev one", 1)));
    let [root] = &space.tree("one")[..] else { panic!("one qdisc: {}", space.dump()) };
    assert_eq!((root.handle, root.fq()), (OUR_HANDLE, Some(WANTED)));
}

#[test]
fn a_small_fq_is_raised_and_gets_all_its_options_back() {
    let space = Space::new();
    space.ip("link add one type veth peer name two");
    space.ip("link set one up");
    space.tc(
        "qdisc add dev one root handle 5: fq limit 90000 flow_limit 50 buckets 128 orphan_mask 255 quantum 5000 \
         initial_quantum 20000 maxrate 1gbit refill_delay 100ms low_rate_threshold 1mbit ce_threshold 5ms \
         timer_slack 20us horizon 2s horizon_cap",
    );
    let before = space.dump();

    let saved = space.carry_out("one", |plan| matches!(plan, FqPlan::Correct(_)));
    let [root] = &space.tree("one")[..] else { panic!("one qdisc: {}", space.dump()) };
    assert_eq!((root.handle, root.fq()), (5 << 16, Some(FqOptions { limit_packets: 90_000, ..WANTED })));
    assert!(space.dump().contains("maxrate 1Gbit"), "other options stay: {}", space.dump());

    space.put_back("one", &saved);
    assert_eq!(space.dump(), before);
}

#[test]
fn correcting_loses_no_queued_packet() {
    let space = Space::new();
    space.slow_fq("");
    space.send(20);
    let queued = space.tree("one")[0].statistics.queued_packets;
    space.carry_out("one", |plan| matches!(plan, FqPlan::Correct(_)));
    let statistics = space.tree("one")[0].statistics;
    assert!(queued >= 10 && statistics.queued_packets + 2 >= queued, "{queued} and then {statistics:?}");
    assert_eq!(statistics.dropped_packets, 0);
}

#[test]
fn each_queue_of_a_device_gets_an_fq() {
    let space = Space::new();
    space.ip("link add many numtxqueues 4 type ifb");
    space.ip("link set many up");
    let before = space.dump();
    assert_eq!(space.tree("many").len(), 5, "mq and four queues: {before}");

    let saved = space.carry_out("many", |plan| matches!(plan, FqPlan::Install(_)));
    let tree = space.tree("many");
    assert_eq!(tree.iter().filter(|qdisc| qdisc.fq() == Some(WANTED)).count(), 4, "{}", space.dump());
    assert_eq!(tree.iter().filter(|qdisc| qdisc.kind == "mq" && qdisc.handle == OUR_HANDLE).count(), 1);

    space.put_back("many", &saved);
    assert_eq!(space.dump(), before);
}

#[test]
fn an_mq_of_somebody_stays_and_its_queues_come_back() {
    let space = Space::new();
    space.ip("link add many numtxqueues 3 type ifb");
    space.ip("link set many up");
    space.tc("qdisc replace dev many root handle 1f: mq");
    space.tc("qdisc replace dev many parent 1f:2 handle 22: fq flow_limit 77");
    let before = space.dump();

    let saved = space.carry_out("many", |plan| matches!(plan, FqPlan::Install(_)));
    let tree = space.tree("many");
    assert_eq!(tree.iter().filter(|qdisc| qdisc.fq() == Some(WANTED)).count(), 3, "{}", space.dump());
    assert!(tree.iter().any(|qdisc| qdisc.kind == "mq" && qdisc.handle == 0x1f << 16), "{}", space.dump());

    space.put_back("many", &saved);
    assert_eq!(space.dump(), before);
}

#[test]
fn a_tree_that_was_left_half_made_is_completed() {
    let space = Space::new();
    space.ip("link add many numtxqueues 2 type ifb");
    space.ip("link set many up");
    let before = space.dump();
    space.tc("qdisc add dev many root handle 6c6d: mq");
    space.tc("qdisc add dev many parent 6c6d:2 fq");
    let saved = space.carry_out("many", |plan| matches!(plan, FqPlan::Install(_)));
    let tree = space.tree("many");
    assert_eq!(tree.iter().filter(|qdisc| qdisc.fq() == Some(WANTED)).count(), 2, "{}", space.dump());
    space.put_back("many", &saved);
    assert_eq!(space.dump(), before);
}

#[test]
fn a_classful_root_is_refused_and_untouched() {
    let space = Space::new();
    space.ip("link add one type veth peer name two");
    space.ip("link set one up");
    space.tc("qdisc add dev one root handle 1: htb default 10");
    let before = space.dump();
    let plan = space.run(async |netlink| plan(netlink, "one").await.1);
    assert_eq!(plan.to_string(), "the root qdisc is htb 1:, set by somebody else");
    assert_eq!(space.dump(), before);
}

#[test]
fn drops_of_fq_are_told_by_reason() {
    let space = Space::new();
    space.slow_fq("flow_limit 5");
    space.send(30);
    let statistics = space.tree("one")[0].statistics;
    assert!(statistics.flow_limit_packets >= 20, "{statistics:?}");
    assert_eq!(u64::from(statistics.dropped_packets), statistics.flow_limit_packets);
    assert_eq!((statistics.horizon_packets, statistics.allocation_errors), (0, 0));
    assert!((1..=5).contains(&statistics.queued_packets), "{statistics:?}");
}

#[test]
fn asking_for_fq_leaves_no_trace() {
    let space = Space::new();
    space.ip("link set lo up");
    let before = space.dump();
    assert!(space.run(async |netlink| netlink.has_fq().await.expect("an answer")));
    assert_eq!(space.dump(), before);
}

/// The saved state and the plan for a device of the namespace.
async fn plan(netlink: &mut Netlink, device: &str) -> (Saved, FqPlan) {
    let links = netlink.links().await.expect("links");
    let link = links.iter().find(|link| link.name == device).expect("the device");
    let qdiscs = netlink.qdiscs().await.expect("qdiscs");
    (fq::save(link, &qdiscs), fq::plan(link.ifindex, &qdiscs, &WANTED))
}

/// A network namespace of the test's own.
struct Space {
    name: String,
}

impl Space {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("vm-fq-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        command("ip", &["netns", "add", &name]);
        Self { name }
    }

    /// A device `one` whose fq sends a packet of a flow in a second, and its peer.
    fn slow_fq(&self, options: &str) {
        self.ip("link add one type veth peer name two");
        self.ip("link set one up");
        self.ip("link set two up");
        self.ip("address add 192.0.2.1/24 dev one");
        self.ip("neighbour add 192.0.2.2 lladdr 02:00:00:00:00:01 dev one");
        self.tc(format!("qdisc add dev one root fq maxrate 8kbit quantum 300 initial_quantum 300 {options}")
            .trim());
    }

    /// Sends packets of one flow out of `one`.
    fn send(&self, packets: usize) {
        let sent = self.run(async |_| {
            let socket = UdpSocket::bind("192.0.2.1:0").expect("a socket");
            (0..packets).filter(|_| socket.send_to(&[0; 972], "192.0.2.2:9").is_ok()).count()
        });
        assert_eq!(sent, packets);
    }

    /// Plans and applies fq; a second plan must find nothing to do. Gives what was saved before.
    fn carry_out(&self, device: &str, expected: fn(&FqPlan) -> bool) -> Saved {
        self.run(async |netlink| {
            let (saved, first) = plan(netlink, device).await;
            assert!(expected(&first), "{first:?}");
            netlink.apply(saved.ifindex, first.steps()).await.expect("applied");
            let (_, second) = plan(netlink, device).await;
            assert_eq!(second, FqPlan::Already);
            saved
        })
    }

    fn put_back(&self, device: &str, saved: &Saved) {
        let tree = self.tree(device);
        let steps = fq::restore(saved.ifindex, Some(saved), &tree);
        self.run(async |netlink| netlink.apply(saved.ifindex, &steps).await.expect("restored"));
    }

    /// The qdiscs of a device.
    fn tree(&self, device: &str) -> Vec<Qdisc> {
        let line = self.ip(&format!("-o link show dev {device}"));
        let ifindex = line.split(':').next().and_then(|number| number.parse().ok()).unwrap_or(0);
        let qdiscs = self.run(async |netlink| netlink.qdiscs().await.expect("qdiscs"));
        qdiscs.into_iter().filter(|qdisc| qdisc.ifindex == ifindex).collect()
    }

    /// Links and qdiscs as their tools show them.
    fn dump(&self) -> String {
        without_carrier(&self.ip("-d link show")) + &self.tc("-d qdisc show")
    }

    fn ip(&self, words: &str) -> String {
        self.command("ip", words)
    }

    fn tc(&self, words: &str) -> String {
        self.command("tc", words)
    }

    fn command(&self, program: &str, words: &str) -> String {
        let words: Vec<_> = ["-n", &self.name].into_iter().chain(words.split_whitespace()).collect();
        command(program, &words)
    }

    /// Runs `body` on a thread of its own in the namespace.
    fn run<T: Send>(&self, body: impl AsyncFnOnce(&mut Netlink) -> T + Send) -> T {
        let enter = || {
            let file = File::open(format!("/run/netns/{}", self.name)).expect("the namespace");
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("enter it as root");
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async { body(&mut Netlink::open().expect("a socket")).await })
        };
        std::thread::scope(|scope| match scope.spawn(enter).join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).status();
    }
}

/// What `ip` shows of links without flags and operational state, which follow the carrier up to a
/// second late.
fn without_carrier(links: &str) -> String {
    let mut kept = String::new();
    for line in links.lines() {
        let mut words = line.split_whitespace();
        while let Some(word) = words.next() {
            match word {
                "state" => drop(words.next()),
                word if word.starts_with('<') => {}
                word => kept.extend([word, " "]),
            }
        }
        kept.push('\n');
    }
    kept
}

fn command(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; install iproute2"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {}: {err}; needs root", words.join(" "));
    out.into_owned()
}
